"""From bit-planes to coefficients, T.800 E.1 and Annex H, each put into the middle of what is known of it.

Magnitudes are doubled, so that the middle is a bit: the one below the last that was decoded.
"""

from __future__ import annotations

from typing import Any

from numpy import int32, int64, uint64

from gpucodec_kernels.ebcot.decode_state import (
    ACROSS,
    BIT_PLANES,
    BUFFER,
    HEIGHT,
    NEGATIVE,
    NUM_PLANES,
    REGION,
    REGIONS,
    STRIPES,
    WIDTH,
)
from gpucodec_kernels.target import device_function, instruction

_SIGN = uint64(31)

_ZERO = uint64(0)
_ONE = uint64(1)
_TWO = uint64(2)
_THREE = uint64(3)
_FOUR = uint64(4)
_SIXTEEN = uint64(16)


@device_function
def clear_coefficients(side, coefficients, start, row_stride):
    """Write a codeblock of zeros."""
    for row in range(side[HEIGHT]):
        first = start + int64(row) * row_stride
        samples = coefficients[first : first + int64(side[WIDTH])]
        for column in range(side[WIDTH]):
            samples[column] = int32(0)


@device_function
def store_coefficients(side, coefficients, start, row_stride, levels, reversible):
    """Write a codeblock's coefficients.

    Parameters
    ----------
    side : uint64[:]
        See `decode_state`.
    coefficients : int32[:]
        Receives them, from `start` on, with `row_stride` from row to row.
    levels : tuple of uint64
        The last bit-plane of which anything was decoded, whether that was its significance propagation pass alone, and
        the shift of a region of interest.
    reversible : uint64
        Whether coefficients are not doubled.
    """
    width, height, across = side[WIDTH], side[HEIGHT], side[ACROSS]
    for stripe in range(side[STRIPES]):
        for column in range(across):
            i = side[REGIONS] + (stripe + _ONE) * (across + _TWO) + column + _ONE
            for place in range(uint64(BUFFER), uint64(BUFFER + 64)):
                side[place] = _ZERO
            if side[i] != _ZERO:
                gather_magnitudes(side, i, levels, reversible)
                add_planes(
                    side, uint64(BUFFER), _SIGN, (side[uint64(NEGATIVE) * side[REGION] + i], _ZERO, _ZERO, _ZERO)
                )
            columns = min(_SIXTEEN, width - column * _SIXTEEN)
            for row in range(min(_FOUR, height - stripe * _FOUR)):
                first = start + int64(stripe * _FOUR + row) * row_stride + int64(column) * int64(16)
                samples = coefficients[first : first + int64(columns)]
                buffer = side[uint64(BUFFER) + row * _SIXTEEN : uint64(BUFFER) + (row + _ONE) * _SIXTEEN]
                for place in range(columns):
                    negative = int32(buffer[place] >> _SIGN)
                    magnitude = int32(buffer[place] & uint64(0x7FFFFFFF))
                    samples[place] = (magnitude ^ -negative) + negative


@device_function
def gather_magnitudes(side, i, levels, reversible):
    """Put a word's magnitudes into the buffer."""
    last, partly, roi_shift = levels
    region, num_planes = side[REGION], side[NUM_PLANES]
    planes = uint64(BIT_PLANES) * region + i
    inside = _ZERO
    if roi_shift != _ZERO:
        # What is of the region of interest has bits above those of the background, H.1.
        for plane in range(roi_shift, num_planes):
            inside |= side[planes + plane * region]
    decoded = side[planes + last * region] if partly != _ZERO else side[i]
    add_middle(side, decoded & ~inside, last, reversible)
    add_middle(side, side[i] & ~decoded & ~inside, last + _ONE, reversible)
    if inside != _ZERO:
        add_middle(side, decoded & inside, max(last, roi_shift) - roi_shift, reversible)
        add_middle(side, side[i] & ~decoded & inside, max(last + _ONE, roi_shift) - roi_shift, reversible)
    first = last if inside == _ZERO else min(last, max(last, roi_shift) - roi_shift)
    for plane in range(first, min(num_planes, uint64(31)), _FOUR):
        words = (
            magnitude_word(side, planes, plane, num_planes, roi_shift, inside),
            magnitude_word(side, planes, plane + _ONE, num_planes, roi_shift, inside),
            magnitude_word(side, planes, plane + _TWO, num_planes, roi_shift, inside),
            magnitude_word(side, planes, plane + _THREE, num_planes, roi_shift, inside),
        )
        add_planes(side, uint64(BUFFER), plane + _ONE - reversible, words)


@device_function
def magnitude_word(side, planes, plane, num_planes, roi_shift, inside):
    """Return a word of one bit-plane, that of `inside` shifted down."""
    word = side[planes + plane * side[REGION]] & ~inside if plane < num_planes else _ZERO
    if inside != _ZERO and plane + roi_shift < num_planes:
        word |= side[planes + (plane + roi_shift) * side[REGION]] & inside
    return word


@device_function
def add_middle(side, word, position, reversible):
    """Add the bit that puts coefficients into the middle, but what would be half a reversible coefficient."""
    if word != _ZERO and position >= reversible:
        add_planes(side, uint64(BUFFER), position - reversible, (word, _ZERO, _ZERO, _ZERO))


def _cpu_add_planes() -> Any:
    from gpucodec_kernels.ebcot import emission_avx512

    if not emission_avx512.available():
        return None
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    word, lanes = ir.IntType(64), ir.VectorType(ir.IntType(64), 64)
    # Coefficient (row, column) is bit 4 * column + row of a word, and comes to place 16 * row + column.
    order = ir.Constant(
        ir.VectorType(ir.IntType(32), 64),
        [ir.Constant(ir.IntType(32), 4 * (place % 16) + place // 16) for place in range(64)],
    )

    @intrinsic
    def add_bits(typing_context, side, at, position, words):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):
            array = context.make_array(signature.args[0])(context, builder, value=arguments[0])
            place = builder.bitcast(builder.gep(array.data, [arguments[1]]), lanes.as_pointer())
            total = builder.load(place, align=8)
            nothing = ir.Constant(lanes, None)
            first = builder.shl(ir.Constant(word, 1), arguments[2])
            for plane in range(4):
                bits = builder.bitcast(builder.extract_value(arguments[3], plane), ir.VectorType(ir.IntType(1), 64))
                bits = builder.shuffle_vector(bits, bits, order)
                value = builder.shl(first, ir.Constant(word, plane))
                one = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
                same = ir.Constant(ir.VectorType(ir.IntType(32), 64), None)
                total = builder.or_(total, builder.select(bits, builder.shuffle_vector(one, one, same), nothing))
            builder.store(total, place, align=8)
            return context.get_dummy_value()

        return types.none(side, at, position, words), generate

    return add_bits


@instruction(cpu=_cpu_add_planes)
def add_planes(side, at, position, words):
    """Put the bits of four words into 64 words, one of each, from bit `position` on; row by row."""
    word_0, word_1, word_2, word_3 = words
    for row in range(_FOUR):
        for column in range(_SIXTEEN):
            bit = _FOUR * column + row
            value = (word_0 >> bit) & _ONE | ((word_1 >> bit) & _ONE) << _ONE
            value |= ((word_2 >> bit) & _ONE) << _TWO | ((word_3 >> bit) & _ONE) << _THREE
            side[at + _SIXTEEN * row + column] |= value << position
