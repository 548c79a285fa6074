"""Magnitudes and signs of samples, T.814 7.1.2 and 7.3.7 to 7.3.8: MagSgn bits to coefficients.

A row of quads is decoded in loops that the compiler makes vectors of: how many bits each sample takes follows from the
words of the quads and the exponents of the row above alone; then each quad's bits are loaded, and cut into samples.

Buffers of a row, `ROW` places each. Exponents of bottom samples have one place of zeros before the first quad and one
after the last.
"""

from __future__ import annotations

from numpy import int32, int64, uint32, uint64

from gpucodec_kernels.bits import leading_zeros_32
from gpucodec_kernels.ht.decode_quads import RESIDUAL_SHIFT
from gpucodec_kernels.ht.decode_streams import fill_ones, load_unaligned
from gpucodec_kernels.ht.decode_tables import KNOWN_SHIFT, ONES_SHIFT, RHO_SHIFT
from gpucodec_kernels.target import device_function, inline_function

MOST_QUADS = 512  # in a row
ROW = MOST_QUADS + 16
LEFT_EXPONENTS, RIGHT_EXPONENTS, SUMS, BOUNDS, VALUES = 0, ROW, 2 * ROW, 3 * ROW, 4 * ROW
TOP, BOTTOM = 8 * ROW, 10 * ROW
ROW_WORDS = 12 * ROW
SHORT_BOUND = 14  # four samples of so many bits are loaded at once

_ZERO, _ONE = uint64(0), uint64(1)
_NONE, _BIT = uint32(0), uint32(1)
_FOUR = uint32(15)


@inline_function
def find_lengths(words, row, width):
    """Write where each sample's bits end within its quad's, and the bound of the exponents; return the largest bound.

    The four ends are bytes of a word, the last one the number of bits of the quad.
    """
    largest = _NONE
    for quad in range(width):
        word = row[quad]
        rho = (word >> uint32(RHO_SHIFT)) & _FOUR
        known = word >> uint32(KNOWN_SHIFT)
        above = max(
            max(words[uint64(RIGHT_EXPONENTS) + quad], words[uint64(LEFT_EXPONENTS) + quad + _ONE]),
            max(words[uint64(RIGHT_EXPONENTS) + quad + _ONE], words[uint64(LEFT_EXPONENTS) + quad + uint64(2)]),
        )
        several = rho & (rho + _FOUR) & _FOUR  # a bit fewer than rho has
        predicted = max(above, uint32(2)) - _BIT if several != _NONE else _BIT
        bound = predicted + (word >> uint32(RESIDUAL_SHIFT))
        end_0 = (bound if rho & _BIT else _NONE) - (known & _BIT)
        end_1 = end_0 + (bound if rho & uint32(2) else _NONE) - ((known >> _BIT) & _BIT)
        end_2 = end_1 + (bound if rho & uint32(4) else _NONE) - ((known >> uint32(2)) & _BIT)
        end_3 = end_2 + (bound if rho & uint32(8) else _NONE) - ((known >> uint32(3)) & _BIT)
        words[uint64(SUMS) + quad] = end_0 | (end_1 << uint32(8)) | (end_2 << uint32(16)) | (end_3 << uint32(24))
        words[uint64(BOUNDS) + quad] = bound
        largest = max(largest, bound)
    return largest


@inline_function
def cut_short(words, bits, row, width):
    """Cut each quad's bits into four samples' values, of at most `SHORT_BOUND` bits."""
    for quad in range(width):
        ends = words[uint64(SUMS) + quad]
        ones = row[quad] >> uint32(ONES_SHIFT)
        bound_bits = bits[quad]
        begin = _NONE
        for sample in range(4):
            end = (ends >> uint32(8 * sample)) & uint32(255)
            length = end - begin
            value = uint32(bound_bits >> uint64(begin)) & ((_BIT << length) - _BIT)
            words[uint64(VALUES + sample * ROW) + quad] = value | (((ones >> uint32(sample)) & _BIT) << length)
            begin = end


@inline_function
def load_quads(words, bits, window, position, width):
    """Load the bits of each quad of a row, at most 57, from a window; return the position after them."""
    for quad in range(width):
        bits[quad] = load_unaligned(window, position >> uint64(3)) >> (position & uint64(7))
        position = position + uint64(words[uint64(SUMS) + quad] >> uint32(24))
    return position


@device_function
def cut_long(words, window, position, row, width):
    """Cut the samples' values, of at most 33 bits, out of a window from `position` on."""
    for quad in range(width):
        ends = words[uint64(SUMS) + quad]
        ones = uint64(row[quad]) >> uint64(ONES_SHIFT)
        begin = _ZERO
        for sample in range(4):
            end = uint64((ends >> uint32(8 * sample)) & uint32(255))
            at = position + begin
            length = end - begin
            value = (load_unaligned(window, at >> uint64(3)) >> (at & uint64(7))) & ((_ONE << length) - _ONE)
            value = value | (((ones >> uint64(sample)) & _ONE) << length)
            words[uint64(VALUES + sample * ROW) + quad] = uint32(value & uint64(0xFFFFFFFF))
            begin = end
        position = position + uint64(ends >> uint32(24))
    return position


@inline_function
def as_coefficient(value, significant, up, down):
    """Return the coefficient for the bits of a sample: magnitude less one with its middle point, and sign."""
    magnitude = (((value | _BIT) + uint32(2)) << up) >> down
    negative = _NONE - (value & _BIT)
    return ((magnitude ^ negative) - negative) & (_NONE - significant)


@inline_function
def write_samples(words, row, width, up, down):
    """Write a row of quads' coefficients to two rows of samples, and the exponents of the lower one."""
    for quad in range(width):
        rho = row[quad] >> uint32(RHO_SHIFT)
        values = uint64(VALUES) + quad
        value_1, value_3 = words[values + uint64(ROW)], words[values + uint64(3 * ROW)]
        left, right = (rho >> _BIT) & _BIT, (rho >> uint32(3)) & _BIT
        words[uint64(LEFT_EXPONENTS) + quad + _ONE] = exponent(value_1, left)
        words[uint64(RIGHT_EXPONENTS) + quad + _ONE] = exponent(value_3, right)
        words[uint64(TOP) + uint64(2) * quad] = as_coefficient(words[values], rho & _BIT, up, down)
        words[uint64(TOP) + uint64(2) * quad + _ONE] = as_coefficient(
            words[values + uint64(2 * ROW)], (rho >> uint32(2)) & _BIT, up, down
        )
        words[uint64(BOTTOM) + uint64(2) * quad] = as_coefficient(value_1, left, up, down)
        words[uint64(BOTTOM) + uint64(2) * quad + _ONE] = as_coefficient(value_3, right, up, down)


@inline_function
def exponent(value, significant):
    """Return the exponent of a sample, 0 where it is not significant."""
    bits = uint32(uint64(32) - leading_zeros_32(uint64(value | _BIT)))
    return bits & (_NONE - significant)


@inline_function
def copy_row(words, first, row):
    """Write a row of coefficients."""
    for column in range(uint64(len(row))):
        row[column] = int32(words[first + column])


@device_function
def decode_samples(quads, shape, most, shifts, window, num_bits, words, bits, coefficients, place, row_stride):
    """Decode the samples of a codeblock from the words of its quads.

    Parameters
    ----------
    quads : array
        uint32, a word a quad.
    shape : tuple
        Width and height in samples.
    most : uint32
        The largest bound of exponents that there may be.
    shifts : tuple
        By how many places a magnitude, its half included, goes up, then down.
    window, num_bits
        MagSgn bits, and how many there are.
    words, bits
        Scratch: `ROW_WORDS` of uint32, `ROW` of uint64.
    coefficients, place, row_stride
        Where coefficients go.

    Returns
    -------
    bool
        Whether all bounds were in order; where not, decoding stops at that row.
    """
    width, height = shape
    up, down = shifts
    across = (width + _ONE) >> _ONE
    for quad in range(across + uint64(2)):
        words[uint64(LEFT_EXPONENTS) + quad] = _NONE
        words[uint64(RIGHT_EXPONENTS) + quad] = _NONE
    position = _ZERO
    filled = num_bits
    for number in range((height + _ONE) >> _ONE):
        row = quads[number * across : (number + _ONE) * across]
        largest = find_lengths(words, row, across)
        if largest > most:
            return False
        reach = position + uint64(4) * across * uint64(largest)
        if reach > filled:
            fill_ones(window, filled, reach)
            filled = reach
        if largest <= uint32(SHORT_BOUND):
            position = load_quads(words, bits, window, position, across)
            cut_short(words, bits, row, across)
        else:
            position = cut_long(words, window, position, row, across)
        write_samples(words, row, across, up, down)
        top = place + int64(uint64(2) * number) * row_stride
        copy_row(words, uint64(TOP), coefficients[top : top + int64(width)])
        if uint64(2) * number + _ONE < height:
            copy_row(words, uint64(BOTTOM), coefficients[top + row_stride : top + row_stride + int64(width)])
    return True
