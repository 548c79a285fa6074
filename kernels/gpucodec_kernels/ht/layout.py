"""The scratch memory of a lane: where its arrays begin, which is the same for all codeblocks.

Places are constants so that compilers see which arrays cannot overlap, and need not look while encoding. They count
elements of the array's type from the beginning of the lane's memory. An array has `PLANE` elements, one for each quad
of a codeblock and for what lies beside it: a row of quads takes an even number, at least one more than there are, so
that a quad's neighbours are there. Planes of one kind follow each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import int32, uint8, uint16, uint32, uint64

from gpucodec_kernels.target import inline_function, instruction

MOST_SAMPLES = 4096
MOST_ACROSS = 1024  # samples, either way
NARROW = 32  # samples; rows of less are copied to where that many can be read

# A codeblock of width 4 and height 1024 has most quads with those beside it: 4 times 512. Vectors write a bit more.
PLANE = 2048 + 64
EXPONENT_PLANE = 42 * 64
_FRONT = EXPONENT_PLANE - PLANE  # more than a row of quads above the first, and a quad before it


class _Memory:
    """Gives out places."""

    def __init__(self) -> None:
        self.size = 0

    def take(self, elements: int, size: int) -> np.uint64:
        """Return where so many elements of a size in bytes begin."""
        begin = self.size
        self.size += -(-elements * size // 64) * 64
        return uint64(begin // size)


_memory = _Memory()


def _planes(begin: np.uint64, plane: int) -> tuple[np.uint64, ...]:
    return tuple(begin + uint64(number * plane) for number in range(4))


# Bytes first, then larger and larger words: a loop's checks take what it uses of one size for a single range.
EXPONENTS = _planes(_memory.take(4 * EXPONENT_PLANE, 1) + uint64(_FRONT), EXPONENT_PLANE)  # of samples, uint8
BOUNDS = _memory.take(PLANE, 1)  # of quads, uint8
EXCESSES = _memory.take(PLANE, 1)  # of quads, uint8
EVENTS = _memory.take(PLANE + 320, 1) + uint64(320)  # of quads, uint8, after half a row of those that pairs have
PREFIXES = _memory.take(PLANE, 1)  # of quads, uint8
SUFFIXES = _memory.take(PLANE, 1)  # of quads, uint8
BITS = _planes(_memory.take(4 * PLANE, 1), PLANE)  # of samples, uint8
LENGTHS = _memory.take(2 * PLANE, 1)  # of words, uint8
MERGED_LENGTHS = _memory.take(PLANE, 1)  # of merged words, uint8
MEL = _memory.take(1408, 1)  # bytes
VLC_LAST = _memory.take(2688, 1) + uint64(2688 - 1)  # bytes, the first one last
INDICES = _memory.take(PLANE, 2)  # of quads, uint16: into the codes, and then those
STAGING = _memory.take(2 * NARROW, 4)  # two rows of a narrow codeblock, int32
VALUES = _planes(_memory.take(4 * PLANE, 4), PLANE)  # of samples, uint32
WORDS = _memory.take(2 * PLANE, 8)  # of columns of quads, of quads or pairs, uint64
MERGED = _memory.take(PLANE, 8)  # of two words, uint64
RAW = _memory.take(2 * PLANE + 8, 8)  # bits one after another, uint64
RAW_BITS = RAW << uint64(6)  # where those begin, in bits

# The same as words of another size.
INDICES_32 = INDICES >> uint64(1)
PREFIXES_16 = PREFIXES >> uint64(1)
SUFFIXES_16 = SUFFIXES >> uint64(1)
LENGTHS_16 = LENGTHS >> uint64(1)
WORDS_32 = WORDS << uint64(1)

SCRATCH_WORDS = _memory.size // 8


def _cpu_elsewhere() -> Any:
    from llvmlite import ir
    from numba.core.imputils import impl_ret_borrowed
    from numba.extending import intrinsic

    @intrinsic
    def elsewhere(typing_context, array):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):
            made = context.make_array(signature.args[0])(context, builder, value=arguments[0])
            kind = made.data.type
            made.data = builder.asm(ir.FunctionType(kind, [kind]), "", "=r,0", [made.data], True)
            return impl_ret_borrowed(context, builder, signature.return_type, made._getvalue())

        return array(array), generate

    return elsewhere


@instruction(cpu=_cpu_elsewhere)
def elsewhere(array):
    """Return an array as one of which the compiler does not know that it is the same memory."""
    return array


@inline_function
def views(words):
    """Return a lane's memory as bytes and as words of each size, and as int32.

    Where elements of two sizes are in what LLVM knows to be one array it gives up vectors; of different arrays it looks
    at run time whether they overlap where they are used.
    """
    return (
        elsewhere(words.view(uint8)),
        elsewhere(words.view(uint16)),
        elsewhere(words.view(uint32)),
        elsewhere(words),
        elsewhere(words.view(int32)),
    )
