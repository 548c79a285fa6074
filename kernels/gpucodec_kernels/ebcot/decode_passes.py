"""Significance propagation and cleanup passes decoded, T.800 D.3.1, D.3.4, D.5 and D.6.

What lies near what is significant, so which coefficients a pass is about, follows from words of 16 columns by four rows
(see `neighbours`) as in the encoder. What a decision makes significant changes that and the contexts of those that
follow in the scan: candidates come in by words as well, and contexts are looked up by flags (see `decode_state`).
"""

from __future__ import annotations

from numpy import uint32, uint64

from gpucodec_kernels.bits import choose, trailing_zeros
from gpucodec_kernels.ebcot.decode_state import (
    ACROSS,
    BITS,
    FLAGS,
    HEIGHT,
    NEGATIVE,
    ORIENTATION,
    REGION,
    REGIONS,
    STRIPES,
    STYLE,
    VISITED,
    WIDTH,
)
from gpucodec_kernels.ebcot.decode_tables import (
    LATER_NEIGHBOURS,
    NEIGHBOURHOODS,
    RUN_LENGTH,
    SIGN_CODING_CONTEXTS,
    UNIFORM,
    ZERO_CODING_CONTEXTS,
)
from gpucodec_kernels.ebcot.mq_decoder import AT, LOWER_HALF, LOWER_QUARTER, A, C, decode_bit, refill
from gpucodec_kernels.ebcot.neighbours import (
    NOT_ROW_0,
    NOT_ROW_3,
    ROW_0,
    from_above,
    from_below,
    from_left,
    from_right,
    whole_columns,
)
from gpucodec_kernels.ebcot.passes import valid_bits
from gpucodec_kernels.ebcot.segments import STYLE_VERTICALLY_CAUSAL
from gpucodec_kernels.target import device_function, inline_function

_ZERO = uint64(0)
_ONE = uint64(1)
_TWO = uint64(2)
_THREE = uint64(3)
_FOUR = uint64(4)
_SIXTEEN = uint64(16)
_TOP = uint64(48)
_HALF = uint64(0x8000)


@inline_function
def near_significant(side, i, stride, causal):
    """Return which coefficients of the word at `i` have a significant neighbour."""
    here, left, right = side[i], side[i - _ONE], side[i + _ONE]
    above, below = side[i - stride], side[i + stride]
    above |= from_left(above, side[i - stride - _ONE]) | from_right(above, side[i - stride + _ONE])
    below |= from_left(below, side[i + stride - _ONE]) | from_right(below, side[i + stride + _ONE])
    sides = from_left(here, left) | from_right(here, right)
    columns = sides | here
    return sides | from_above(columns, above) | from_below(columns, choose(causal != _ZERO, _ZERO, below))


@inline_function
def later_neighbours(newly):
    """Return the neighbours of coefficients that follow them in the scan, of those in their word."""
    down = (newly << _ONE) & NOT_ROW_0
    return down | ((newly | down | ((newly >> _ONE) & NOT_ROW_3)) << _FOUR)


@inline_function
def tell_neighbours(side, column, columns, row, negative, causal):
    """Tell a coefficient's neighbours that it is significant; `column` is the place of its flags."""
    pattern = _ONE | negative << uint64(32)
    below = pattern << (_THREE * row + _THREE)
    side[column - _ONE] |= below << _TWO
    side[column] |= below << _ONE
    side[column + _ONE] |= below
    # The top row is told to the stripe above, the bottom row to that below; no branch, as rows cannot be predicted.
    top = row == _ZERO
    other = choose(top, column - columns, column + columns)
    pattern = choose(top, choose(causal != _ZERO, _ZERO, pattern << uint64(15)), choose(row == _THREE, pattern, _ZERO))
    side[other - _ONE] |= pattern << _TWO
    side[other] |= pattern << _ONE
    side[other + _ONE] |= pattern


@inline_function
def decode_sign(a, c, side, neighbourhood):
    """Decode a sign, D.3.2; return the interval, the register, and whether the coefficient is negative."""
    label = uint64(
        SIGN_CODING_CONTEXTS[(neighbourhood & uint64(0xAA)) | ((neighbourhood >> uint64(33)) & uint64(0x55))]
    )
    a, c, sign = decode_bit(a, c, side, label & uint64(0x1F))
    return a, c, sign ^ (label >> uint64(7))


@inline_function
def end_word(side, word, newly, negatives):
    """Write what became significant in a word."""
    i = side[REGIONS] + word
    side[i] |= newly
    side[uint64(NEGATIVE) * side[REGION] + i] |= negatives
    side[side[BITS] + word] |= newly


@device_function
def significance_propagation_pass(side, data):
    """Decode a significance propagation pass, D.3.1."""
    across, width, height, region = side[ACROSS], side[WIDTH], side[HEIGHT], side[REGION]
    stride, columns = across + _TWO, _SIXTEEN * across + _TWO
    causal = side[STYLE] & uint64(STYLE_VERTICALLY_CAUSAL)
    contexts = side[ORIENTATION] * uint64(NEIGHBOURHOODS)
    a, c, at = side[A], side[C], side[AT]
    for stripe in range(side[STRIPES]):
        for column in range(across):
            word = (stripe + _ONE) * stride + column + _ONE
            i = side[REGIONS] + word
            unknown = valid_bits(width, height, stripe, column) & ~side[i]
            candidates = unknown & near_significant(side, i, stride, causal)
            visited = candidates
            newly, negatives = _ZERO, _ZERO
            first_flags = uint64(FLAGS) + (stripe + _ONE) * columns + column * _SIXTEEN + _ONE
            while candidates != _ZERO:
                if c & LOWER_QUARTER == _ZERO:
                    c, at = refill(c, at, data, _ZERO)
                place = uint64(trailing_zeros(candidates))
                candidates &= candidates - _ONE
                row, flags_at = place & _THREE, first_flags + (place >> _TWO)
                neighbourhood = side[flags_at] >> (_THREE * row)
                context = uint64(ZERO_CODING_CONTEXTS[contexts + (neighbourhood & uint64(0x1FF))])
                a, c, decision = decode_bit(a, c, side, context)
                if decision != _ZERO:
                    a, c, negative = decode_sign(a, c, side, neighbourhood)
                    newly |= _ONE << place
                    negatives |= negative << place
                    candidates |= unknown & LATER_NEIGHBOURS[place]
                    tell_neighbours(side, flags_at, columns, row, negative, causal)
            side[uint64(VISITED) * region + i] = visited | (unknown & later_neighbours(newly))
            if newly != _ZERO:
                end_word(side, word, newly, negatives)
    if c & LOWER_HALF == _ZERO:
        c, at = refill(c, at, data, _ZERO)
    side[A], side[C], side[AT] = a, c, at


@device_function
def raw_significance_propagation_pass(side, data):
    """Decode a significance propagation pass of bits that bypass the MQ coder, D.6."""
    across, width, height, region = side[ACROSS], side[WIDTH], side[HEIGHT], side[REGION]
    stride, columns = across + _TWO, _SIXTEEN * across + _TWO
    causal = side[STYLE] & uint64(STYLE_VERTICALLY_CAUSAL)
    c, at = side[C], side[AT]
    for stripe in range(side[STRIPES]):
        for column in range(across):
            word = (stripe + _ONE) * stride + column + _ONE
            i = side[REGIONS] + word
            unknown = valid_bits(width, height, stripe, column) & ~side[i]
            candidates = unknown & near_significant(side, i, stride, causal)
            visited = candidates
            newly, negatives = _ZERO, _ZERO
            first_flags = uint64(FLAGS) + (stripe + _ONE) * columns + column * _SIXTEEN + _ONE
            while candidates != _ZERO:
                if c & LOWER_HALF == _ZERO:
                    c, at = refill(c, at, data, _ONE)
                place = uint64(trailing_zeros(candidates))
                candidates &= candidates - _ONE
                decision = c >> uint64(63)
                c <<= _ONE
                if decision != _ZERO:
                    negative = c >> uint64(63)
                    c <<= _ONE
                    newly |= _ONE << place
                    negatives |= negative << place
                    candidates |= unknown & LATER_NEIGHBOURS[place]
                    tell_neighbours(side, first_flags + (place >> _TWO), columns, place & _THREE, negative, causal)
            side[uint64(VISITED) * region + i] = visited | (unknown & later_neighbours(newly))
            if newly != _ZERO:
                end_word(side, word, newly, negatives)
    side[C], side[AT] = c, at


@inline_function
def zero_runs(a, c, state, runs):
    """Return how many columns from the first one of `runs` on are runs of zeros without renormalisation."""
    others = ~runs & ROW_0
    number = choose(others != _ZERO, uint64(trailing_zeros(others | ~ROW_0)) >> _TWO, _SIXTEEN)
    possible = min(c >> _TOP, (a >> _TOP) - _HALF)
    qe = state >> _TOP
    if number * qe > possible:
        number = uint64(uint32(possible) // uint32(qe))
    return number


@device_function
def cleanup_pass(side, data):
    """Decode a cleanup pass, D.3.4."""
    across, width, height, region = side[ACROSS], side[WIDTH], side[HEIGHT], side[REGION]
    stride, columns = across + _TWO, _SIXTEEN * across + _TWO
    causal = side[STYLE] & uint64(STYLE_VERTICALLY_CAUSAL)
    contexts = side[ORIENTATION] * uint64(NEIGHBOURHOODS)
    a, c, at = side[A], side[C], side[AT]
    for stripe in range(side[STRIPES]):
        for column in range(across):
            word = (stripe + _ONE) * stride + column + _ONE
            i = side[REGIONS] + word
            visited = uint64(VISITED) * region + i
            members = valid_bits(width, height, stripe, column) & ~(side[i] | side[visited])
            side[visited] = _ZERO
            if members == _ZERO:
                continue
            runs = ROW_0 & ~whole_columns(~members)
            if runs != _ZERO:
                # Columns of which nothing is coded yet and whose neighbours are all insignificant are runs.
                runs &= ~whole_columns(near_significant(side, i, stride, causal))
            newly, negatives = _ZERO, _ZERO
            first_flags = uint64(FLAGS) + (stripe + _ONE) * columns + column * _SIXTEEN + _ONE
            while members != _ZERO:
                if c & LOWER_QUARTER == _ZERO:
                    c, at = refill(c, at, data, _ZERO)
                place = uint64(trailing_zeros(members))
                if (runs >> place) & _ONE != _ZERO:
                    state = side[uint64(RUN_LENGTH)]
                    if state & _ONE == _ZERO:
                        number = zero_runs(a, c, state, runs >> place)
                        if number != _ZERO:
                            a -= number * (state >> _TOP) << _TOP
                            c -= number * (state >> _TOP) << _TOP
                            # Shifted twice, as there may be 64 of them.
                            members &= ~_ZERO << (_FOUR * number - _ONE + place) << _ONE
                            continue
                    a, c, decision = decode_bit(a, c, side, uint64(RUN_LENGTH))
                    if decision == _ZERO:
                        members &= ~(uint64(15) << place)
                        continue
                    if c & LOWER_QUARTER == _ZERO:
                        c, at = refill(c, at, data, _ZERO)
                    a, c, high = decode_bit(a, c, side, uint64(UNIFORM))
                    a, c, low = decode_bit(a, c, side, uint64(UNIFORM))
                    if c & LOWER_QUARTER == _ZERO:
                        c, at = refill(c, at, data, _ZERO)
                    place += high << _ONE | low
                    members &= ~_ZERO << place
                    neighbourhood = side[first_flags + (place >> _TWO)] >> (_THREE * (place & _THREE))
                else:
                    neighbourhood = side[first_flags + (place >> _TWO)] >> (_THREE * (place & _THREE))
                    context = uint64(ZERO_CODING_CONTEXTS[contexts + (neighbourhood & uint64(0x1FF))])
                    a, c, decision = decode_bit(a, c, side, context)
                members &= members - _ONE
                if decision != _ZERO:
                    a, c, negative = decode_sign(a, c, side, neighbourhood)
                    newly |= _ONE << place
                    negatives |= negative << place
                    runs &= ~(uint64(15) << (place & ~_THREE) << _FOUR)
                    tell_neighbours(side, first_flags + (place >> _TWO), columns, place & _THREE, negative, causal)
            if newly != _ZERO:
                end_word(side, word, newly, negatives)
    if c & LOWER_HALF == _ZERO:
        c, at = refill(c, at, data, _ZERO)
    side[A], side[C], side[AT] = a, c, at


@device_function
def segmentation_symbol(side, data):
    """Decode the four decisions of a segmentation symbol, D.5; right is 0b1010."""
    a, c, at = side[A], side[C], side[AT]
    symbol = _ZERO
    for _ in range(4):
        a, c, decision = decode_bit(a, c, side, uint64(UNIFORM))
        if c & LOWER_HALF == _ZERO:
            c, at = refill(c, at, data, _ZERO)
        symbol = symbol << _ONE | decision
    side[A], side[C], side[AT] = a, c, at
    return symbol
