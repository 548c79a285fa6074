"""What the cleanup pass says of samples and quads, T.814 7.3: exponents, contexts, bounds, all of it from samples alone.

No step here waits for a codeword, so that each is a loop over a whole codeblock which a compiler turns into vectors.
A quad is two columns of two rows; `top` holds the upper rows of all quads one after another, `bottom` the lower ones.
A row of quads takes `stride` quads, which is even and at least one more than there are: what lies beside a codeblock is
there, insignificant, and neighbours need no conditions.
"""

from __future__ import annotations

from typing import Any

from numpy import int32, uint8, uint16, uint32, uint64

from gpucodec_kernels.target import device_function, inline_function, instruction

_ZERO = uint64(0)
_ONE = uint64(1)
_TWO = uint64(2)
_THREE = uint64(3)
_Z8 = uint8(0)


def _cpu_bit_length() -> Any:
    from llvmlite import ir
    from numba import types
    from numba.core.registry import cpu_target
    from numba.extending import intrinsic

    features = str(getattr(cpu_target.target_context.codegen(), "_tm_features", ""))
    word, real = ir.IntType(32), ir.FloatType()

    def bit_length(typing_context, value):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):  # noqa: ARG001
            (value,) = arguments
            if "+avx512cd" in features:
                return builder.sub(word(32), builder.ctlz(value, ir.Constant(ir.IntType(1), 0)))
            # No vector instruction counts: a float's exponent does. Without its second bit a value is not rounded up.
            rest = builder.and_(value, builder.not_(builder.lshr(value, word(1))))
            exponent = builder.lshr(builder.bitcast(builder.sitofp(rest, real), word), word(23))
            return builder.select(builder.icmp_unsigned("==", value, word(0)), word(0), builder.sub(exponent, word(126)))

        return types.uint32(types.uint32), generate

    return intrinsic(bit_length)


def _cuda_bit_length() -> Any:
    from numba import cuda

    def bit_length(value):
        return uint32(32 - cuda.clz(int32(value)))

    return cuda.jit(device=True)(bit_length)


@instruction(cpu=_cpu_bit_length, cuda=_cuda_bit_length)
def bit_length(value):
    """Return how many bits a uint32 below 2**31 takes, as uint32."""
    return uint32(int(value).bit_length())


@device_function
def load_row(samples, shift, values, exponents):
    """Read a row of samples; return the bits that its magnitudes have, all of them or-ed together.

    Of a sample of magnitude m > 0 and sign s the value is 2 (m - 1) + s and the exponent the bits of 2 m - 1; the
    exponent is 0 where m is 0, and the value then anything.
    """
    seen = uint32(0)
    for place in range(uint64(len(samples))):
        at = uint64(place)
        sample = samples[at]
        sign = uint32(sample >> int32(31))
        negative = sign & uint32(1)
        magnitude = uint32(uint32((uint32(sample) ^ sign) + negative) >> shift)
        seen = uint32(seen | magnitude)
        below = uint32(magnitude - uint32(magnitude != uint32(0)))
        values[at] = uint32(uint32(below << uint32(1)) | negative)
        exponents[at] = uint8(bit_length(below) + uint32(magnitude != uint32(0)))
    return seen


@inline_function
def larger(first, second):
    """Return the larger of two uint8."""
    return first if first > second else second


@device_function
def relate_quads(top, bottom, north, west_top, west_bottom, count, indices, bounds, excesses, events):
    """Find for each quad which codeword says what it is.

    `north` begins with the column before the first quad's in the lower row of the quads above, `west_top` and
    `west_bottom` begin with the column before the first quad's. Writes two bytes an index into the codes (rho and
    epsilon; the context, as if no quad were in the first row), the bound U_q, by how much it is above the predicted
    one, and whether the MEL coder codes an event (1: insignificant, 2: significant).
    """
    for quad in range(uint64(count)):
        left = uint64(quad) * _TWO
        right = left + _ONE
        e_0, e_2 = top[left], top[right]
        e_1, e_3 = bottom[left], bottom[right]
        n_0, n_1, n_2, n_3 = north[left], north[right], north[left + _TWO], north[left + _THREE]
        s_0, s_1 = uint8(e_0 != _Z8), uint8(e_1 != _Z8)
        s_2, s_3 = uint8(e_2 != _Z8), uint8(e_3 != _Z8)
        rho = uint8(s_0 | s_1 << 1 | s_2 << 2 | s_3 << 3)
        several = uint8(s_0 + s_1 + s_2 + s_3) > uint8(1)
        context = uint8(
            uint8((n_0 | n_1) != _Z8)
            | uint8((west_top[left] | west_bottom[left]) != _Z8) << 1
            | uint8((n_2 | n_3) != _Z8) << 2
        )
        largest = larger(larger(e_0, e_1), larger(e_2, e_3))
        above = larger(larger(n_0, n_1), larger(n_2, n_3))
        predicted = uint8(above - uint8(1)) if several and above > uint8(2) else uint8(1)
        bound = larger(largest, predicted)
        excess = uint8(bound - predicted)
        epsilon = uint8(
            uint8(e_0 == largest)
            | uint8(e_1 == largest) << 1
            | uint8(e_2 == largest) << 2
            | uint8(e_3 == largest) << 3
        )
        indices[left] = uint8(rho << 4 | (epsilon if excess != _Z8 else _Z8))
        indices[right] = uint8(context | uint8(8))
        bounds[uint64(quad)] = bound
        excesses[uint64(quad)] = excess
        events[uint64(quad)] = uint8(uint8(1) + uint8(rho != _Z8)) if context == _Z8 else _Z8
