"""Aligned words of byte arrays, for kernels of blocks of threads: four bytes in one access of a GPU's memory.

`misalignment` says how many bytes an array's first lies behind a multiple of four; the others take a position whose
byte lies at such a multiple. Plain Python, in which the simulator computes, holds every array to begin at one.
"""

from __future__ import annotations

from typing import Any

from numpy import uint8, uint32, uint64

from gpucodec_kernels.target import inline_function, instruction, on_cuda

ALIGNED_BYTES = 4


def _word_pointer(context: Any, builder: Any, array_type: Any, array: Any, position: Any) -> Any:
    from llvmlite import ir

    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [position]), ir.IntType(32).as_pointer())


def _cuda_misalignment(cuda: Any) -> Any:
    from llvmlite import ir
    from numba.core import types

    def intrinsic_of(typing_context, array):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):
            data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            address = builder.ptrtoint(data, ir.IntType(64))
            return builder.and_(builder.trunc(address, ir.IntType(32)), ir.Constant(ir.IntType(32), 3))

        return types.uint32(array), generate

    address_of = cuda.extending.intrinsic(intrinsic_of)

    def misalignment(array):
        return address_of(array)

    return misalignment


@instruction(cuda=on_cuda(_cuda_misalignment))
def misalignment(array):  # noqa: ARG001 - where it lies is known on GPUs alone
    """Return how many bytes the array's first byte lies behind a multiple of four, as uint32."""
    return uint32(0)


def _cuda_load_aligned(cuda: Any) -> Any:
    from numba.core import types

    def intrinsic_of(typing_context, array, position):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):
            pointer = _word_pointer(context, builder, signature.args[0], *arguments)
            return builder.load(pointer, align=ALIGNED_BYTES)

        return types.uint32(array, types.uint64), generate

    load = cuda.extending.intrinsic(intrinsic_of)

    def load_aligned(array, position):
        return load(array, position)

    return load_aligned


@instruction(cuda=on_cuda(_cuda_load_aligned))
def load_aligned(array, position):
    """Return the four bytes from an aligned uint64 `position` on, the first in the least significant place."""
    word = uint32(0)
    for byte in range(ALIGNED_BYTES):
        word = uint32(word | (uint32(array[position + uint64(byte)]) << uint32(8 * byte)))
    return word


def _cuda_store_aligned(cuda: Any) -> Any:
    from numba.core import types

    def intrinsic_of(typing_context, array, position, word):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):
            pointer = _word_pointer(context, builder, signature.args[0], *arguments[:2])
            builder.store(arguments[2], pointer, align=ALIGNED_BYTES)
            return context.get_dummy_value()

        return types.none(array, types.uint64, types.uint32), generate

    store = cuda.extending.intrinsic(intrinsic_of)

    def store_aligned(array, position, word):
        store(array, position, word)

    return store_aligned


@instruction(cuda=on_cuda(_cuda_store_aligned))
def store_aligned(array, position, word):
    """Write the four bytes of a uint32 from an aligned uint64 `position` on, the least significant first."""
    for byte in range(ALIGNED_BYTES):
        array[position + uint64(byte)] = uint8((word >> uint32(8 * byte)) & uint32(0xFF))


@inline_function
def byte_of(word, byte):
    """Return one of the four bytes of a word."""
    return uint32(uint32(word >> uint32(uint32(8) * byte)) & uint32(0xFF))


@inline_function
def skew_of(array, position):
    """Return how many bytes behind an aligned one a position of an array is."""
    return uint32(uint32(misalignment(array) + uint32(position & uint64(3))) & uint32(3))
