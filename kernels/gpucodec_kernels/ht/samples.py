"""Reading the samples of a codeblock: what the cleanup pass codes of each, T.814 7.3.2, and its exponent.

A quad has four samples: upper left, lower left, upper right, lower right. Each has planes of its own (see `layout`).
"""

from __future__ import annotations

from typing import Any

from numpy import int32, uint8, uint32, uint64

from gpucodec_kernels.bits import leading_zeros_32
from gpucodec_kernels.ht.layout import EXPONENT_PLANE, EXPONENTS, NARROW, STAGING, VALUES
from gpucodec_kernels.target import device_function, inline_function, instruction

E_0, E_1, E_2, E_3 = EXPONENTS
V_0, V_1, V_2, V_3 = VALUES

_ZERO = uint64(0)
_ONE = uint64(1)
_TWO = uint64(2)
_VECTOR = uint64(64)
_LOWER_STAGING = STAGING + uint64(NARROW)
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
            is_zero = builder.icmp_unsigned("==", value, word(0))
            return builder.select(is_zero, word(0), builder.sub(exponent, word(126)))

        return types.uint32(types.uint32), generate

    return intrinsic(bit_length)


@instruction(cpu=_cpu_bit_length)
def bit_length(value):
    """Return how many bits a uint32 below 2**31 takes, as uint32."""
    return uint32(uint64(32) - leading_zeros_32(uint64(value)))


def _cpu_prefetch() -> Any:
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    def prefetch(typing_context, array, place):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):
            made = context.make_array(signature.args[0])(context, builder, value=arguments[0])
            word = ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, word, word, word])
            name = "llvm.prefetch.p0" if cgutils.voidptr_t.is_opaque else "llvm.prefetch.p0i8"
            function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
            pointer = builder.bitcast(builder.gep(made.data, [arguments[1]]), cgutils.voidptr_t)
            builder.call(function, [pointer, word(0), word(3), word(1)])
            return context.get_dummy_value()

        return types.none(array, types.uint64), generate

    return intrinsic(prefetch)


@instruction(cpu=_cpu_prefetch)
def prefetch(array, place):
    """Have an element brought into the cache; it need not be there."""


@inline_function
def clear(array, begin, end):
    """Set bytes to zero."""
    for place in range(begin, end):
        array[uint64(place)] = _Z8


@inline_function
def store_sample(sample, shift, value_place, exponent_place, memory_8, memory_32):
    """Store of a sample of magnitude m and sign s 2 (m - 1) + s, and its exponent, the bits of 2 m - 1; 0 if m is."""
    sign = uint32(sample >> int32(31))
    negative = uint32(sign & uint32(1))
    magnitude = uint32(uint32((uint32(sample) ^ sign) + negative) >> (shift & uint32(31)))
    some = uint32(magnitude != uint32(0))
    below = uint32(magnitude - some)
    memory_32[value_place] = uint32(uint32(below << uint32(1)) | negative)
    memory_8[exponent_place] = uint8(bit_length(below) + some)


@inline_function
def prefetch_row(samples, place, width):
    """Have a row of samples brought into the cache."""
    for line in range(_ZERO, width, uint64(16)):
        prefetch(samples, place + uint64(line))


@inline_function
def clear_beside(stride, quads, memory_8):
    """Set the exponents above and before a codeblock to 0, and so many behind it as a vector reads more."""
    before = stride + _ONE
    for plane in range(4):
        place = E_0 + uint64(plane * EXPONENT_PLANE)
        clear(memory_8, place - before, place)
        clear(memory_8, place + quads, place + quads + _VECTOR)


@inline_function
def stage_rows(samples, upper, lower, mask, width, staging):
    """Copy two rows of a narrow codeblock to where vectors may read behind them, zeros."""
    for column in range(width):
        place = uint64(column)
        staging[STAGING + place] = samples[upper + place]
        staging[_LOWER_STAGING + place] = int32(samples[lower + place] & mask)


@device_function
def load_codeblock(samples, row_stride, width, height, stride, shift, ahead, memory_8, memory_32, staging):
    """Read the samples of a codeblock; beside it their exponents are 0.

    The next codeblock, which begins `ahead` samples from this one, is brought into the cache meanwhile.
    """
    narrow = width < uint64(NARROW)
    if narrow:
        for place in range(STAGING, _LOWER_STAGING + uint64(NARROW)):
            staging[uint64(place)] = int32(0)
    first = _ZERO
    for row in range((height + _ONE) >> _ONE):
        upper = uint64(row) * _TWO * row_stride
        lower, mask = upper + row_stride, int32(-1)
        if uint64(row) * _TWO + _ONE == height:
            lower, mask = upper, int32(0)
        prefetch_row(samples, upper + ahead, width)
        prefetch_row(samples, lower + ahead, width)
        for plane in range(4):  # up to three quads that are not written below
            last = E_0 + uint64(plane * EXPONENT_PLANE) + first + stride
            memory_8[last - _ONE], memory_8[last - _TWO], memory_8[last - uint64(3)] = _Z8, _Z8, _Z8
        source, pairs = samples, width >> _ONE
        if narrow:
            stage_rows(samples, upper, lower, mask, width, staging)
            source, upper, lower, pairs = staging, STAGING, _LOWER_STAGING, uint64(NARROW // 2)
        for pair in range(pairs):
            quad, left = first + uint64(pair), _TWO * uint64(pair)
            right = left + _ONE
            store_sample(source[upper + left], shift, V_0 + quad, E_0 + quad, memory_8, memory_32)
            store_sample(int32(source[lower + left] & mask), shift, V_1 + quad, E_1 + quad, memory_8, memory_32)
            store_sample(source[upper + right], shift, V_2 + quad, E_2 + quad, memory_8, memory_32)
            store_sample(int32(source[lower + right] & mask), shift, V_3 + quad, E_3 + quad, memory_8, memory_32)
        if width & _ONE and not narrow:
            left, quad = width - _ONE, first + pairs
            store_sample(samples[upper + left], shift, V_0 + quad, E_0 + quad, memory_8, memory_32)
            store_sample(int32(samples[lower + left] & mask), shift, V_1 + quad, E_1 + quad, memory_8, memory_32)
        first += stride
    clear_beside(stride, first, memory_8)
