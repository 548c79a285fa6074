"""Neighbourhoods and context labels of 64 coefficients at once, T.800 D.3.

A stripe of four rows is cut into words of 16 columns: coefficient (row, column) of a word is bit ``4 * column + row``,
so that the scan of Figure D.1 goes through a word's bits from the least significant on. A state of the coefficients
(significant, visited, negative ...) is a bit of 64 such words; context labels are four words, one a bit of the label.
"""

from __future__ import annotations

from numpy import uint64

from gpucodec_kernels.target import device_function

ROW_0 = uint64(0x1111111111111111)  # the top row of a stripe
ROW_3 = uint64(0x8888888888888888)  # the bottom row
NOT_ROW_0 = uint64(0xEEEEEEEEEEEEEEEE)
NOT_ROW_3 = uint64(0x7777777777777777)

_ONE = uint64(1)
_THREE = uint64(3)
_FOUR = uint64(4)
_SIXTY = uint64(60)


@device_function
def from_left(word, left):
    """Return for each coefficient the bit of the one to its left; `left` is the word before."""
    return (word << _FOUR) | (left >> _SIXTY)


@device_function
def from_right(word, right):
    """Return for each coefficient the bit of the one to its right; `right` is the word after."""
    return (word >> _FOUR) | (right << _SIXTY)


@device_function
def from_above(word, above):
    """Return for each coefficient the bit of the one above it; `above` is the word of the stripe above."""
    return ((word << _ONE) & NOT_ROW_0) | ((above >> _THREE) & ROW_0)


@device_function
def from_below(word, below):
    """Return for each coefficient the bit of the one below it; `below` is the word of the stripe below."""
    return ((word >> _ONE) & NOT_ROW_3) | ((below << _THREE) & ROW_3)


@device_function
def whole_columns(word):
    """Return all four bits set for each column that has a bit set."""
    either = word | (word >> _ONE)
    either = (either | (either >> uint64(2))) & ROW_0
    either |= either << _ONE
    return either | (either << uint64(2))


@device_function
def zero_coding_label(orientation, left, right, above, below, diagonals):
    """Return the four words of the zero coding labels, Table D.1, the least significant bit first.

    Parameters
    ----------
    orientation : uint64
        0 LL, 1 HL, 2 LH, 3 HH.
    left, right, above, below : uint64
        Whether each neighbour is significant.
    diagonals : tuple of uint64
        The same of the four diagonal neighbours.
    """
    h_one, h_two = left ^ right, left & right
    v_one, v_two = above ^ below, above & below
    first, second, third, fourth = diagonals
    d_odd_a, d_two_a = first ^ second, first & second
    d_odd_b, d_two_b = third ^ fourth, third & fourth
    carry = d_odd_a & d_odd_b
    d_any = d_odd_a | d_odd_b | d_two_a | d_two_b
    d_many = d_two_a | d_two_b | carry  # two or more
    if orientation == uint64(3):
        d_three = (d_two_a & (d_odd_b | d_two_b)) | (d_two_b & d_odd_a)  # three or four
        d_two = d_many & ~d_three
        d_one = d_any & ~d_many
        d_none = ~d_any
        one = (h_one | v_one) | h_two | v_two  # one or more of the horizontal and vertical ones
        many = h_two | v_two | (h_one & v_one)
        label_3 = d_three
        label_2 = d_two | (d_one & one)
        label_1 = d_two | (d_one & ~one) | (d_none & many)
        label_0 = (d_two & one) | (d_one & (many | ~one)) | (d_none & one & ~many)
        return label_0, label_1, label_2, label_3
    if orientation == _ONE:
        h_one, v_one = v_one, h_one
        h_two, v_two = v_two, h_two
    h_none = ~(h_one | h_two)
    v_any = v_one | v_two
    d_only = h_none & ~v_any
    label_3 = h_two
    label_2 = h_one | (h_none & v_two)
    label_1 = (h_one & (v_any | d_any)) | (h_none & v_one) | (d_only & d_many)
    label_0 = (h_one & (v_any | ~d_any)) | (h_none & v_one) | (d_only & d_any & ~d_many)
    return label_0, label_1, label_2, label_3


@device_function
def contribution(first, first_negative, second, second_negative):
    """Return where two neighbours' signs add up to more than 0, and to less than 0, Table D.2."""
    first_plus, first_minus = first & ~first_negative, first & first_negative
    second_plus, second_minus = second & ~second_negative, second & second_negative
    plus = (first_plus & ~second_minus) | (second_plus & ~first_minus)
    minus = (first_minus & ~second_plus) | (second_minus & ~first_plus)
    return plus, minus


@device_function
def sign_coding_label(h_plus, h_minus, v_plus, v_minus):
    """Return the three words of the sign coding labels less 9, and the XOR bits, Table D.3."""
    same = (h_plus & v_plus) | (h_minus & v_minus)
    h_any, v_any = h_plus | h_minus, v_plus | v_minus
    flip = h_minus | (v_minus & ~h_any)
    return h_any ^ v_any, h_any & ~same, same, flip
