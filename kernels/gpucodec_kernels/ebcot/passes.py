"""The three coding passes of a bit-plane, T.800 D.3, on whole words of coefficients.

Every pass knows the magnitudes, so that what becomes significant, and with it every label, follows from words
(see `neighbours`); only the writing of symbols goes from coefficient to coefficient.

Regions of a codeblock's words, each with a margin of zero words around the codeblock
    SIGNIFICANT   coded as different from zero so far
    NEGATIVE      the signs
    VISITED       coded in this bit-plane's significance propagation pass
    REFINED       refined at least once
    MEMBERS       what the last pass made significant, or refined: distortions are computed from it
    BIT_PLANES    the magnitudes, bit-plane 0 first
"""

from __future__ import annotations

from numpy import uint64

from gpucodec_kernels.ebcot.emission import emit_refinements, emit_runs, emit_significance
from gpucodec_kernels.ebcot.neighbours import (
    NOT_ROW_0,
    NOT_ROW_3,
    ROW_0,
    contribution,
    from_above,
    from_below,
    from_left,
    from_right,
    sign_coding_label,
    whole_columns,
    zero_coding_label,
)
from gpucodec_kernels.target import device_function

SIGNIFICANT = 0
NEGATIVE = 1
VISITED = 2
REFINED = 3
MEMBERS = 4
BIT_PLANES = 5

_ZERO = uint64(0)
_ONE = uint64(1)
_FOUR = uint64(4)
_ALL = ~uint64(0)


@device_function
def valid_bits(width, height, stripe, column):
    """Return which coefficients of a word lie in the codeblock."""
    valid = _ALL
    columns = width - column * uint64(16)
    if columns < uint64(16):
        valid = (_ONE << (columns * _FOUR)) - _ONE
    rows = height - stripe * _FOUR
    if rows < _FOUR:
        valid &= ROW_0 * ((_ONE << rows) - _ONE)
    return valid


@device_function
def sign_words(words, negative, stride, left, right, above, below):
    """Return the sign symbols' decisions and labels of a word, D.3.2."""
    here = words[negative]
    h_plus, h_minus = contribution(
        left, from_left(here, words[negative - _ONE]), right, from_right(here, words[negative + _ONE])
    )
    v_plus, v_minus = contribution(
        above, from_above(here, words[negative - stride]), below, from_below(here, words[negative + stride])
    )
    sign_0, sign_1, sign_2, flip = sign_coding_label(h_plus, h_minus, v_plus, v_minus)
    return here ^ flip, (sign_0, sign_1, sign_2)


@device_function
def significance_propagation_pass(words, symbols, at, shape, bits, orientation, causal, raw):
    """Write the symbols of a significance propagation pass (D.3.1); return the place after the last."""
    width, height, across, stride, region = shape
    stripes = (height + uint64(3)) >> uint64(2)
    for stripe in range(stripes):
        row = (stripe + _ONE) * stride + _ONE
        keep_below = _ZERO if causal != _ZERO else _ALL
        for column in range(across):
            i = row + column
            here, left, right = words[i], words[i - _ONE], words[i + _ONE]
            above, above_left, above_right = words[i - stride], words[i - stride - _ONE], words[i - stride + _ONE]
            below, below_left, below_right = words[i + stride], words[i + stride - _ONE], words[i + stride + _ONE]
            below &= keep_below
            below_left &= keep_below
            below_right &= keep_below
            candidates = valid_bits(width, height, stripe, column) & ~here
            ones = words[bits + i] & candidates
            e = from_right(here, right)
            above_w, above_e = from_left(above, above_left), from_right(above, above_right)
            below_w, below_e = from_left(below, below_left), from_right(below, below_right)
            columns = from_left(here, left) | here | e
            near = (
                columns
                | from_above(columns, above | above_w | above_e)
                | from_below(columns, below | below_w | below_e)
            )
            # What becomes significant brings later neighbours in: below, and in the column to the right.
            newly = _ZERO
            more = ones & near
            while more != _ZERO:
                newly |= more
                down = (more << _ONE) & NOT_ROW_0
                near |= down | ((more | down | ((more >> _ONE) & NOT_ROW_3)) << _FOUR)
                more = ones & near & ~newly
            visited = candidates & near
            words[uint64(VISITED) * region + i] = visited
            words[uint64(MEMBERS) * region + i] = newly
            if visited == _ZERO:
                continue
            after = here | newly
            words[i] = after
            w = from_left(after, left)
            n, s = from_above(after, above), from_below(here, below)
            diagonals = (from_above(w, above_w), from_above(e, above_e), from_below(w, below_w), from_below(e, below_e))
            labels = zero_coding_label(orientation, w, e, n, s, diagonals)
            negative = uint64(NEGATIVE) * region + i
            signs, sign_labels = sign_words(words, negative, stride, w, e, n, s)
            if raw != _ZERO:
                signs = words[negative]
            at = emit_significance(symbols, at, visited, ones, labels, signs, sign_labels)
    return at


@device_function
def magnitude_refinement_pass(words, symbols, at, shape, bits, causal):
    """Write the symbols of a magnitude refinement pass (D.3.3); return the place after the last."""
    _, height, across, stride, region = shape
    stripes = (height + uint64(3)) >> uint64(2)
    for stripe in range(stripes):
        row = (stripe + _ONE) * stride + _ONE
        keep_below = _ZERO if causal != _ZERO else _ALL
        for column in range(across):
            i = row + column
            here = words[i]
            members = here & ~words[uint64(VISITED) * region + i]
            words[uint64(MEMBERS) * region + i] = members
            if members == _ZERO:
                continue
            refined = words[uint64(REFINED) * region + i]
            words[uint64(REFINED) * region + i] = refined | members
            sides = from_left(here, words[i - _ONE]) | from_right(here, words[i + _ONE])
            above, below = words[i - stride], words[i + stride]
            above |= from_left(above, words[i - stride - _ONE]) | from_right(above, words[i - stride + _ONE])
            below |= from_left(below, words[i + stride - _ONE]) | from_right(below, words[i + stride + _ONE])
            columns = sides | here
            near = sides | from_above(columns, above) | from_below(columns, below & keep_below)
            at = emit_refinements(symbols, at, members, words[bits + i], refined | ~near, refined | near)
    return at


@device_function
def cleanup_pass(words, symbols, at, shape, bits, orientation, causal):
    """Write the symbols of a cleanup pass (D.3.4); return the place after the last."""
    width, height, across, stride, region = shape
    stripes = (height + uint64(3)) >> uint64(2)
    for stripe in range(stripes):
        row = (stripe + _ONE) * stride + _ONE
        keep_below = _ZERO if causal != _ZERO else _ALL
        for column in range(across):
            i = row + column
            here = words[i]
            members = valid_bits(width, height, stripe, column) & ~(here | words[uint64(VISITED) * region + i])
            newly = members & words[bits + i]
            words[uint64(VISITED) * region + i] = _ZERO
            words[uint64(MEMBERS) * region + i] = newly
            if members == _ZERO:
                continue
            after = here | newly
            words[i] = after
            left, right = words[i - _ONE], words[i + _ONE]
            above, above_left, above_right = words[i - stride], words[i - stride - _ONE], words[i - stride + _ONE]
            below, below_left, below_right = words[i + stride], words[i + stride - _ONE], words[i + stride + _ONE]
            below &= keep_below
            below_left &= keep_below
            below_right &= keep_below
            w, e = from_left(after, left), from_right(here, right)
            above_w, above_e = from_left(above, above_left), from_right(above, above_right)
            below_w, below_e = from_left(below, below_left), from_right(below, below_right)
            sides = w | e
            near = sides | from_above(sides, above | above_w | above_e) | from_below(sides, below | below_w | below_e)
            # Columns of which nothing is coded yet and whose neighbours are all insignificant are runs.
            runs = ~whole_columns(~members | near)
            ones = newly & runs
            below_first = ((ones << _ONE) & NOT_ROW_0) | ((ones << uint64(2)) & uint64(0xCCCCCCCCCCCCCCCC))
            below_first |= (ones << uint64(3)) & uint64(0x8888888888888888)
            firsts = ones & ~below_first
            whole_runs = runs & ~whole_columns(ones)
            coded = (members & ~(runs & ~(ones | below_first))) | (whole_runs & ROW_0)
            n, s = from_above(after, above), from_below(here, below)
            diagonals = (from_above(w, above_w), from_above(e, above_e), from_below(w, below_w), from_below(e, below_e))
            label_0, label_1, label_2, label_3 = zero_coding_label(orientation, w, e, n, s, diagonals)
            # A whole run is the run length context's zero: 12 = 0b1100. Its label is zero as yet.
            labels = (label_0, label_1, label_2 | whole_runs, label_3 | whole_runs)
            negative = uint64(NEGATIVE) * region + i
            signs, sign_labels = sign_words(words, negative, stride, w, e, n, s)
            if firsts != _ZERO:
                at = emit_runs(symbols, at, coded, newly, labels, signs, sign_labels, firsts)
            else:
                at = emit_significance(symbols, at, coded, newly, labels, signs, sign_labels)
    return at
