"""The three coding passes of a bit-plane decoded, T.800 D.3.

What lies near what is significant, so which coefficients a pass is about, follows from words of 16 columns by four
rows (see `neighbours`) as in the encoder. What a decision makes significant changes that and the contexts of those
that follow in the scan: candidates come in by words as well, and contexts from the flags of a column of a stripe.

Regions of a codeblock's words, each with a margin of zero words around the codeblock
    SIGNIFICANT, NEGATIVE, VISITED, REFINED  as in `passes`; NEGATIVE of significant coefficients alone
    BIT_PLANES    the magnitudes, bit-plane 0 first

Flags, a word a column of a stripe, with a margin of one around the codeblock: the columns to the left and right and the
rows above and below are told, too. Bit ``3 * (row + 1) + (column + 1)`` is set where the coefficient in that row (-1 to
4) and column (-1 to 1) is significant, bit 32 and more where it is negative as well.
"""

from __future__ import annotations

from typing import Any

from numpy import uint8, uint64

from gpucodec_kernels.bits import choose, population_count, trailing_zeros
from gpucodec_kernels.ebcot.decode_tables import (
    NEIGHBOURHOODS,
    RUN_LENGTH,
    SIGN_CODING_CONTEXTS,
    UNIFORM,
    ZERO_CODING_CONTEXTS,
)
from gpucodec_kernels.ebcot.emission import emit_refinements
from gpucodec_kernels.ebcot.mq_decoder import AT, LOWER_HALF, A, C, decode_bit, refill
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
from gpucodec_kernels.target import device_function, inline_function, instruction

SIGNIFICANT = 0
NEGATIVE = 1
VISITED = 2
REFINED = 3
BIT_PLANES = 4

_ZERO = uint64(0)
_ONE = uint64(1)
_THREE = uint64(3)
_FOUR = uint64(4)
_ALL = ~uint64(0)


@inline_function
def near_significant(regions, i, stride, keep_below):
    """Return which coefficients of word `i` have a significant neighbour."""
    here, left, right = regions[i], regions[i - _ONE], regions[i + _ONE]
    above, below = regions[i - stride], regions[i + stride]
    above |= from_left(above, regions[i - stride - _ONE]) | from_right(above, regions[i - stride + _ONE])
    below |= from_left(below, regions[i + stride - _ONE]) | from_right(below, regions[i + stride + _ONE])
    sides = from_left(here, left) | from_right(here, right)
    columns = sides | here
    return sides | from_above(columns, above) | from_below(columns, below & keep_below)


@inline_function
def later_neighbours(bit):
    """Return the neighbours of a coefficient that follow it in the scan, of those in its word."""
    down = (bit << _ONE) & NOT_ROW_0
    return down | ((bit | down | ((bit >> _ONE) & NOT_ROW_3)) << _FOUR)


@inline_function
def spread_significance(flags, column, columns, row, negative, causal):
    """Tell a coefficient's neighbours that it is significant; `column` is the place of its flags."""
    pattern = _ONE | negative << uint64(32)
    at = _THREE * row + _THREE
    flags[column - _ONE] |= pattern << (at + uint64(2))
    flags[column] |= pattern << (at + _ONE)
    flags[column + _ONE] |= pattern << at
    if row == _ZERO and causal == _ZERO:
        above = column - columns
        flags[above - _ONE] |= pattern << uint64(17)
        flags[above] |= pattern << uint64(16)
        flags[above + _ONE] |= pattern << uint64(15)
    if row == _THREE:
        below = column + columns
        flags[below - _ONE] |= pattern << uint64(2)
        flags[below] |= pattern << _ONE
        flags[below + _ONE] |= pattern


@inline_function
def decode_sign(a, c, mq, base, neighbourhood):
    """Decode a sign, D.3.2; return the interval, the register, and whether the coefficient is negative."""
    label = uint64(
        SIGN_CODING_CONTEXTS[(neighbourhood & uint64(0xAA)) | ((neighbourhood >> uint64(33)) & uint64(0x55))]
    )
    a, c, sign = decode_bit(a, c, mq, base + (label & uint64(0x1F)))
    return a, c, sign ^ (label >> uint64(7))


@device_function
def significance_propagation_pass(mq, base, segment, regions, flags, shape, bits, orientation, causal):
    """Decode a significance propagation pass, D.3.1."""
    width, height, across, stride, region = shape
    columns = across * uint64(16) + uint64(2)
    keep_below = _ZERO if causal != _ZERO else _ALL
    contexts = orientation * uint64(NEIGHBOURHOODS)
    a, c, at = mq[base + uint64(A)], mq[base + uint64(C)], mq[base + uint64(AT)]
    for stripe in range((height + _THREE) >> uint64(2)):
        for column in range(across):
            i = (stripe + _ONE) * stride + column + _ONE
            unknown = valid_bits(width, height, stripe, column) & ~regions[i]
            candidates = unknown & near_significant(regions, i, stride, keep_below)
            visited = candidates
            newly, negatives = _ZERO, _ZERO
            first_flags = (stripe + _ONE) * columns + column * uint64(16) + _ONE
            while candidates != _ZERO:
                place = uint64(trailing_zeros(candidates))
                candidates &= candidates - _ONE
                row = place & _THREE
                neighbourhood = flags[first_flags + (place >> uint64(2))] >> (_THREE * row)
                context = uint64(ZERO_CODING_CONTEXTS[contexts + (neighbourhood & uint64(0x1FF))])
                a, c, decision = decode_bit(a, c, mq, base + context)
                if c & LOWER_HALF == _ZERO:
                    c, at = refill(c, at, segment, _ZERO)
                if decision != _ZERO:
                    a, c, negative = decode_sign(a, c, mq, base, neighbourhood)
                    if c & LOWER_HALF == _ZERO:
                        c, at = refill(c, at, segment, _ZERO)
                    newly |= _ONE << place
                    negatives |= negative << place
                    later = unknown & later_neighbours(_ONE << place)
                    candidates |= later
                    visited |= later
                    spread_significance(flags, first_flags + (place >> uint64(2)), columns, row, negative, causal)
            regions[uint64(VISITED) * region + i] = visited
            regions[bits + i] = newly
            regions[i] |= newly
            regions[uint64(NEGATIVE) * region + i] |= negatives
    mq[base + uint64(A)], mq[base + uint64(C)], mq[base + uint64(AT)] = a, c, at


@device_function
def raw_significance_propagation_pass(mq, base, segment, regions, flags, shape, bits, causal):
    """Decode a significance propagation pass of raw bits, D.6."""
    width, height, across, stride, region = shape
    columns = across * uint64(16) + uint64(2)
    keep_below = _ZERO if causal != _ZERO else _ALL
    c, at = mq[base + uint64(C)], mq[base + uint64(AT)]
    for stripe in range((height + _THREE) >> uint64(2)):
        for column in range(across):
            i = (stripe + _ONE) * stride + column + _ONE
            unknown = valid_bits(width, height, stripe, column) & ~regions[i]
            candidates = unknown & near_significant(regions, i, stride, keep_below)
            visited = candidates
            newly, negatives = _ZERO, _ZERO
            first_flags = (stripe + _ONE) * columns + column * uint64(16) + _ONE
            while candidates != _ZERO:
                place = uint64(trailing_zeros(candidates))
                candidates &= candidates - _ONE
                decision = c >> uint64(63)
                c <<= _ONE
                if decision != _ZERO:
                    negative = c >> uint64(63)
                    c <<= _ONE
                    newly |= _ONE << place
                    negatives |= negative << place
                    later = unknown & later_neighbours(_ONE << place)
                    candidates |= later
                    visited |= later
                    row = place & _THREE
                    spread_significance(flags, first_flags + (place >> uint64(2)), columns, row, negative, causal)
                if c & LOWER_HALF == _ZERO:
                    c, at = refill(c, at, segment, _ONE)
            regions[uint64(VISITED) * region + i] = visited
            regions[bits + i] = newly
            regions[i] |= newly
            regions[uint64(NEGATIVE) * region + i] |= negatives
    mq[base + uint64(C)], mq[base + uint64(AT)] = c, at


@device_function
def cleanup_pass(mq, base, segment, regions, flags, shape, bits, orientation, causal):
    """Decode a cleanup pass, D.3.4."""
    width, height, across, stride, region = shape
    columns = across * uint64(16) + uint64(2)
    keep_below = _ZERO if causal != _ZERO else _ALL
    contexts = orientation * uint64(NEIGHBOURHOODS)
    a, c, at = mq[base + uint64(A)], mq[base + uint64(C)], mq[base + uint64(AT)]
    for stripe in range((height + _THREE) >> uint64(2)):
        for column in range(across):
            i = (stripe + _ONE) * stride + column + _ONE
            members = valid_bits(width, height, stripe, column) & ~(regions[i] | regions[uint64(VISITED) * region + i])
            regions[uint64(VISITED) * region + i] = _ZERO
            if members == _ZERO:
                continue
            # Columns of which nothing is coded yet and whose neighbours are all insignificant are runs.
            runs = ROW_0 & ~whole_columns(~members | near_significant(regions, i, stride, keep_below))
            newly, negatives = _ZERO, _ZERO
            first_flags = (stripe + _ONE) * columns + column * uint64(16) + _ONE
            while members != _ZERO:
                place = uint64(trailing_zeros(members))
                if (runs >> place) & _ONE != _ZERO:
                    a, c, decision = decode_bit(a, c, mq, base + uint64(RUN_LENGTH))
                    if c & LOWER_HALF == _ZERO:
                        c, at = refill(c, at, segment, _ZERO)
                    if decision == _ZERO:
                        members &= ~(uint64(15) << place)
                        continue
                    a, c, high = decode_bit(a, c, mq, base + uint64(UNIFORM))
                    if c & LOWER_HALF == _ZERO:
                        c, at = refill(c, at, segment, _ZERO)
                    a, c, low = decode_bit(a, c, mq, base + uint64(UNIFORM))
                    if c & LOWER_HALF == _ZERO:
                        c, at = refill(c, at, segment, _ZERO)
                    skipped = high << _ONE | low
                    members &= ~(((_ONE << skipped) - _ONE) << place)
                    place += skipped
                    neighbourhood = flags[first_flags + (place >> uint64(2))] >> (_THREE * (place & _THREE))
                else:
                    neighbourhood = flags[first_flags + (place >> uint64(2))] >> (_THREE * (place & _THREE))
                    context = uint64(ZERO_CODING_CONTEXTS[contexts + (neighbourhood & uint64(0x1FF))])
                    a, c, decision = decode_bit(a, c, mq, base + context)
                    if c & LOWER_HALF == _ZERO:
                        c, at = refill(c, at, segment, _ZERO)
                members &= members - _ONE
                if decision != _ZERO:
                    a, c, negative = decode_sign(a, c, mq, base, neighbourhood)
                    if c & LOWER_HALF == _ZERO:
                        c, at = refill(c, at, segment, _ZERO)
                    newly |= _ONE << place
                    negatives |= negative << place
                    runs &= ~(uint64(15) << (place & ~_THREE) << _FOUR)
                    spread_significance(
                        flags, first_flags + (place >> uint64(2)), columns, place & _THREE, negative, causal
                    )
            regions[bits + i] |= newly
            regions[i] |= newly
            regions[uint64(NEGATIVE) * region + i] |= negatives
    mq[base + uint64(A)], mq[base + uint64(C)], mq[base + uint64(AT)] = a, c, at


@device_function
def segmentation_symbol(mq, base, segment):
    """Decode the four decisions of a segmentation symbol, D.5; right is 0b1010."""
    a, c, at = mq[base + uint64(A)], mq[base + uint64(C)], mq[base + uint64(AT)]
    symbol = _ZERO
    for _ in range(4):
        a, c, decision = decode_bit(a, c, mq, base + uint64(UNIFORM))
        if c & LOWER_HALF == _ZERO:
            c, at = refill(c, at, segment, _ZERO)
        symbol = symbol << _ONE | decision
    mq[base + uint64(A)], mq[base + uint64(C)], mq[base + uint64(AT)] = a, c, at
    return symbol


@device_function
def refinement_symbols(symbols, regions, shape, causal):
    """Write the context of each member of a magnitude refinement pass, D.3.3; return how many there are."""
    _, height, across, stride, region = shape
    keep_below = _ZERO if causal != _ZERO else _ALL
    count = _ZERO
    for stripe in range((height + _THREE) >> uint64(2)):
        for column in range(across):
            i = (stripe + _ONE) * stride + column + _ONE
            members = regions[i] & ~regions[uint64(VISITED) * region + i]
            if members == _ZERO:
                continue
            refined = regions[uint64(REFINED) * region + i]
            near = near_significant(regions, i, stride, keep_below)
            # What is emitted for the decision is the label's lower bit.
            count = emit_refinements(symbols, count, members, refined | ~near, refined | near, _ZERO)
    return count


@device_function
def decode_refinements(mq, base, segment, symbols, begin, end):
    """Decode refinements; each decision takes its context's place."""
    a, c, at = mq[base + uint64(A)], mq[base + uint64(C)], mq[base + uint64(AT)]
    for place in range(begin, end):
        a, c, decision = decode_bit(a, c, mq, base + uint64(symbols[place]))
        symbols[place] = uint8(decision)
        if c & LOWER_HALF == _ZERO:
            c, at = refill(c, at, segment, _ZERO)
    mq[base + uint64(A)], mq[base + uint64(C)], mq[base + uint64(AT)] = a, c, at


@device_function
def decode_refinement_pairs(mq, base_0, segment_0, symbols_0, base_1, segment_1, symbols_1, count):
    """Decode `count` refinements of each of two codeblocks."""
    a_0, c_0, at_0 = mq[base_0 + uint64(A)], mq[base_0 + uint64(C)], mq[base_0 + uint64(AT)]
    a_1, c_1, at_1 = mq[base_1 + uint64(A)], mq[base_1 + uint64(C)], mq[base_1 + uint64(AT)]
    for place in range(count):
        a_0, c_0, decision_0 = decode_bit(a_0, c_0, mq, base_0 + uint64(symbols_0[place]))
        symbols_0[place] = uint8(decision_0)
        if c_0 & LOWER_HALF == _ZERO:
            c_0, at_0 = refill(c_0, at_0, segment_0, _ZERO)
        a_1, c_1, decision_1 = decode_bit(a_1, c_1, mq, base_1 + uint64(symbols_1[place]))
        symbols_1[place] = uint8(decision_1)
        if c_1 & LOWER_HALF == _ZERO:
            c_1, at_1 = refill(c_1, at_1, segment_1, _ZERO)
    mq[base_0 + uint64(A)], mq[base_0 + uint64(C)], mq[base_0 + uint64(AT)] = a_0, c_0, at_0
    mq[base_1 + uint64(A)], mq[base_1 + uint64(C)], mq[base_1 + uint64(AT)] = a_1, c_1, at_1


@device_function
def decode_raw_refinements(mq, base, segment, symbols, begin, end):
    """Take refinements from raw bits."""
    c, at = mq[base + uint64(C)], mq[base + uint64(AT)]
    for place in range(begin, end):
        symbols[place] = uint8(c >> uint64(63))
        c <<= _ONE
        if c & LOWER_HALF == _ZERO:
            c, at = refill(c, at, segment, _ONE)
    mq[base + uint64(C)], mq[base + uint64(AT)] = c, at


def _cpu_deposit() -> Any:
    return None


@instruction(cpu=_cpu_deposit)
def deposit(decisions, members):
    """Return the bits of `decisions`, from the lowest on, where `members` has bits."""
    word = _ZERO
    while members != _ZERO:
        word |= choose((decisions & _ONE) != _ZERO, members & (~members + _ONE), _ZERO)
        decisions >>= _ONE
        members &= members - _ONE
    return word


@device_function
def place_refinements(symbols, regions, shape, bits):
    """Put the decisions of a magnitude refinement pass where they belong."""
    _, height, across, stride, region = shape
    at = _ZERO
    for stripe in range((height + _THREE) >> uint64(2)):
        for column in range(across):
            i = (stripe + _ONE) * stride + column + _ONE
            members = regions[i] & ~regions[uint64(VISITED) * region + i]
            if members == _ZERO:
                continue
            count = uint64(population_count(members))
            decisions = _ZERO
            for place in range(count):
                decisions |= uint64(symbols[at + place]) << place
            at += count
            regions[bits + i] |= deposit(decisions, members)
            regions[uint64(REFINED) * region + i] |= members
