"""What the cleanup pass says of samples and quads, T.814 7.3: exponents, contexts, bounds, from samples alone.

No step here waits for a codeword, so that each is a loop over a whole codeblock, which compilers turn into vectors.
A quad has four samples: upper left, lower left, upper right, lower right. Each has planes of its own (see `layout`).
"""

from __future__ import annotations

from typing import Any

from numpy import int32, uint8, uint16, uint32, uint64

from gpucodec_kernels.ht.layout import (
    BITS,
    BOUNDS,
    EVENTS,
    EXCESSES,
    EXPONENT_PLANE,
    EXPONENTS,
    INDICES,
    NARROW,
    PLANE,
    PREFIXES,
    STAGING,
    SUFFIXES,
    VALUES,
)
from gpucodec_kernels.target import device_function, inline_function, instruction

E_0, E_1 = EXPONENTS, EXPONENTS + EXPONENT_PLANE
E_2, E_3 = EXPONENTS + 2 * EXPONENT_PLANE, EXPONENTS + 3 * EXPONENT_PLANE

_ZERO = uint64(0)
_ONE = uint64(1)
_TWO = uint64(2)
_VECTOR = uint64(64)
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


def _cuda_bit_length() -> Any:
    from numba import cuda

    def bit_length(value):
        return uint32(32 - cuda.clz(int32(value)))

    return cuda.jit(device=True)(bit_length)


@instruction(cpu=_cpu_bit_length, cuda=_cuda_bit_length)
def bit_length(value):
    """Return how many bits a uint32 below 2**31 takes, as uint32."""
    return uint32(int(value).bit_length())


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
def store_sample(sample, shift, plane, quad, memory_8, memory_32):
    """Store of a sample of magnitude m and sign s 2 (m - 1) + s, and its exponent, the bits of 2 m - 1; 0 if m is."""
    sign = uint32(sample >> int32(31))
    negative = uint32(sign & uint32(1))
    magnitude = uint32(uint32((uint32(sample) ^ sign) + negative) >> (shift & uint32(31)))
    some = uint32(magnitude != uint32(0))
    below = uint32(magnitude - some)
    memory_32[uint64(VALUES + plane * PLANE) + quad] = uint32(uint32(below << uint32(1)) | negative)
    memory_8[uint64(EXPONENTS + plane * EXPONENT_PLANE) + quad] = uint8(bit_length(below) + some)


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
        place = uint64(EXPONENTS + plane * EXPONENT_PLANE)
        clear(memory_8, place - before, place)
        clear(memory_8, place + quads, place + quads + _VECTOR)


@device_function
def load_codeblock(samples, row_stride, width, height, stride, shift, ahead, memory_8, memory_32, staging):
    """Read the samples of a codeblock; beside it their exponents are 0.

    The next codeblock, which begins `ahead` samples from this one, is brought into the cache meanwhile.
    """
    narrow = width < uint64(NARROW)
    if narrow:
        for place in range(2 * NARROW):
            staging[uint64(STAGING) + uint64(place)] = int32(0)
    first = _ZERO
    for row in range((height + _ONE) >> _ONE):
        upper = uint64(row) * _TWO * row_stride
        lower, mask = upper + row_stride, int32(-1)
        if uint64(row) * _TWO + _ONE == height:
            lower, mask = upper, int32(0)
        prefetch_row(samples, upper + ahead, width)
        prefetch_row(samples, lower + ahead, width)
        for plane in range(4):  # up to three quads that are not written below
            last = uint64(EXPONENTS + plane * EXPONENT_PLANE) + first + stride
            memory_8[last - _ONE], memory_8[last - _TWO], memory_8[last - uint64(3)] = _Z8, _Z8, _Z8
        source, pairs = samples, width >> _ONE
        if narrow:
            for column in range(width):
                staging[uint64(STAGING) + uint64(column)] = samples[upper + uint64(column)]
                below = int32(samples[lower + uint64(column)] & mask)
                staging[uint64(STAGING + NARROW) + uint64(column)] = below
            source, pairs = staging, uint64(NARROW // 2)
            upper, lower = uint64(STAGING), uint64(STAGING + NARROW)
        for pair in range(pairs):
            quad = first + uint64(pair)
            column = uint64(pair) * _TWO
            store_sample(source[upper + column], shift, 0, quad, memory_8, memory_32)
            store_sample(int32(source[lower + column] & mask), shift, 1, quad, memory_8, memory_32)
            store_sample(source[upper + column + _ONE], shift, 2, quad, memory_8, memory_32)
            store_sample(int32(source[lower + column + _ONE] & mask), shift, 3, quad, memory_8, memory_32)
        if width & _ONE and not narrow:
            column, quad = width - _ONE, first + pairs
            store_sample(samples[upper + column], shift, 0, quad, memory_8, memory_32)
            store_sample(int32(samples[lower + column] & mask), shift, 1, quad, memory_8, memory_32)
        first += stride
    clear_beside(stride, first, memory_8)


@inline_function
def larger(first, second):
    """Return the larger of two uint8."""
    return first if first > second else second


@device_function
def relate_quads(quads, stride, memory_8, memory_16):
    """Find what the codeword of each quad depends on; return the largest exponent and the largest bound.

    Of each quad: the index into the codes (as if no quad were in the first row), the bound U_q, by how much it is
    above the predicted one, and whether the MEL coder codes an event (1: insignificant, 2: significant).
    """
    most = _Z8
    highest = _Z8
    for number in range(quads):
        quad = uint64(number)
        e_0, e_1 = memory_8[uint64(E_0) + quad], memory_8[uint64(E_1) + quad]
        e_2, e_3 = memory_8[uint64(E_2) + quad], memory_8[uint64(E_3) + quad]
        n_0, n_1 = memory_8[uint64(E_3 - 1) + quad - stride], memory_8[uint64(E_1) + quad - stride]
        n_2, n_3 = memory_8[uint64(E_3) + quad - stride], memory_8[uint64(E_1 + 1) + quad - stride]
        west = memory_8[uint64(E_2 - 1) + quad] | memory_8[uint64(E_3 - 1) + quad]
        rho = uint8(uint8(e_0 != _Z8) | uint8(e_1 != _Z8) << 1 | uint8(e_2 != _Z8) << 2 | uint8(e_3 != _Z8) << 3)
        context = uint8(uint8((n_0 | n_1) != _Z8) | uint8(west != _Z8) << 1 | uint8((n_2 | n_3) != _Z8) << 2)
        largest = larger(larger(e_0, e_1), larger(e_2, e_3))
        above = larger(larger(larger(n_0, n_1), larger(n_2, n_3)), uint8(2))
        several = uint8(rho & uint8(uint8(rho + uint8(15)) & uint8(15))) != _Z8
        predicted = uint8(above - uint8(1)) if several else uint8(1)
        bound = larger(largest, predicted)
        excess = uint8(bound - predicted)
        epsilon = uint8(
            uint8(e_0 == bound) | uint8(e_1 == bound) << 1 | uint8(e_2 == bound) << 2 | uint8(e_3 == bound) << 3
        )
        index = uint8(rho << 4 | (epsilon if excess != _Z8 else _Z8))
        memory_16[uint64(INDICES) + quad] = uint16(uint16(index) | uint16(uint16(context | uint8(8)) << uint16(8)))
        memory_8[uint64(BOUNDS) + quad] = bound
        memory_8[uint64(EXCESSES) + quad] = excess
        memory_8[uint64(EVENTS) + quad] = uint8(uint8(1) + uint8(rho != _Z8)) if context == _Z8 else _Z8
        most = larger(most, largest)
        highest = larger(highest, bound)
    return most, highest


@device_function
def describe_first_row(across, stride, memory_8):
    """Give quads of the first row the contexts, excesses and events that only these have, 7.3.5 and 7.3.6.

    Each pair of quads has a third event; the row's events then begin half a row before `EVENTS`.
    """
    before = _Z8
    place = uint64(EVENTS) - (stride >> _ONE)
    for pair in range(stride >> _ONE):
        first = uint64(pair) * _TWO
        for number in range(first, first + _TWO):
            quad = uint64(number)
            rho = uint8(memory_8[uint64(2 * INDICES) + _TWO * quad] >> uint8(4))
            context = uint8(uint8(before >> uint8(1)) | uint8(before & uint8(1)))
            memory_8[uint64(2 * INDICES + 1) + _TWO * quad] = context
            event = _Z8
            if context == _Z8 and quad < across:
                event = uint8(2) if rho != _Z8 else uint8(1)
            memory_8[place] = event
            place += _ONE
            before = rho
        u_0 = memory_8[uint64(EXCESSES) + first]
        u_1 = memory_8[uint64(EXCESSES) + first + _ONE]
        event = _Z8
        if u_0 > _Z8 and u_1 > _Z8:
            event = uint8(2) if u_0 > uint8(2) and u_1 > uint8(2) else uint8(1)
        memory_8[place] = event
        place += _ONE


@inline_function
def prefix_and_suffix(excess):
    """Return how an excess is told, Table 3.

    The prefix has its bits, and their number from bit 4 on; the suffix its number of bits from bit 5 on.
    """
    long, longest = uint8(excess > uint8(2)), uint8(excess > uint8(4))
    short = excess if excess < uint8(3) else uint8(3)
    prefix = uint8(uint8(short << 4) | uint8(short * uint8(long ^ uint8(1))) | uint8(uint8(long ^ longest) << 2))
    # 0x20 and 0 or 1, or 0xA0 and 0 to 31.
    suffix = uint8(uint8(uint8(excess + uint8(0x1D)) + uint8(longest * uint8(0x7E))) * long)
    return prefix, suffix


@device_function
def tell_first_row(stride, memory_8):
    """Change how excesses are told where both quads of a pair in the first row have one, 7.3.6."""
    for pair in range(stride >> _ONE):
        first = uint64(pair) * _TWO
        second = first + _ONE
        u_0, u_1 = memory_8[uint64(EXCESSES) + first], memory_8[uint64(EXCESSES) + second]
        if u_0 > uint8(2) and u_1 > uint8(2):
            prefix, suffix = prefix_and_suffix(uint8(u_0 - uint8(2)))
            memory_8[uint64(PREFIXES) + first], memory_8[uint64(SUFFIXES) + first] = prefix, suffix
            prefix, suffix = prefix_and_suffix(uint8(u_1 - uint8(2)))
            memory_8[uint64(PREFIXES) + second], memory_8[uint64(SUFFIXES) + second] = prefix, suffix
        elif u_0 > uint8(2) and u_1 > _Z8:
            memory_8[uint64(PREFIXES) + second] = uint8(uint8(0x0F) + u_1)  # one bit


@device_function
def count_bits(quads, memory_8, memory_16):
    """Find how many magnitude bits each sample has, and how excesses are told; codes are in their places.

    A sample has as many bits as the bound says, less one that its codeword implies.
    """
    for number in range(quads):
        quad = uint64(number)
        bound, known = memory_8[uint64(BOUNDS) + quad], uint8(memory_16[uint64(INDICES) + quad] >> uint16(8))
        e_0, e_1 = memory_8[uint64(E_0) + quad], memory_8[uint64(E_1) + quad]
        e_2, e_3 = memory_8[uint64(E_2) + quad], memory_8[uint64(E_3) + quad]
        memory_8[uint64(BITS) + quad] = uint8(bound - uint8(known >> 4 & 1)) if e_0 != _Z8 else _Z8
        memory_8[uint64(BITS + PLANE) + quad] = uint8(bound - uint8(known >> 5 & 1)) if e_1 != _Z8 else _Z8
        memory_8[uint64(BITS + 2 * PLANE) + quad] = uint8(bound - uint8(known >> 6 & 1)) if e_2 != _Z8 else _Z8
        memory_8[uint64(BITS + 3 * PLANE) + quad] = uint8(bound - uint8(known >> 7)) if e_3 != _Z8 else _Z8
        excess = memory_8[uint64(EXCESSES) + quad]
        prefix, suffix = prefix_and_suffix(excess)
        memory_8[uint64(PREFIXES) + quad] = prefix
        memory_8[uint64(SUFFIXES) + quad] = suffix
