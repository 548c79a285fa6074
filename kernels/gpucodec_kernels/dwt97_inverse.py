"""The inverse of the irreversible 9/7 wavelet, ITU-T T.800 Annex F, with dequantisation: one level in one launch.

As in `gpucodec_kernels.dwt53_inverse` an index takes a rectangle of a level through both directions. Each step is one
loop over two rows; the last along rows and all four between rows are one. Beyond the window's edges samples are read
from where symmetric extension finds them. Coefficients of
HL, LH and HH are multiplied by their step while they are read, LL is float32 already; the last level's rows become
samples with inverse component transform, rounding, level shift and clamp.

The factors K and 1/K of the two directions are part of the steps, and those of LL of the steps of the levels before:
the whole is linear. float32 rounds differently from decoders that multiply separately, by far less than one. On GPUs
a multiplication and an addition fuse: results differ there in the last bits.

Lines of an index, each in two halves, samples at even positions and those at odd ones: the low-pass and the high-pass
row that is lifted along itself (`LOW`, `HIGH`); for each component the rows before in all states of vertical lifting
(`ODD` none, `EVEN_1` and `ODD_2` after one and two steps, `EVEN` done) and the last odd row that is done (`DONE`).

Bytes moved: see `gpucodec_kernels.dwt_inverse`.
"""

from __future__ import annotations

from numpy import float32, int32, int64, uint64

from gpucodec_kernels import dwt_items
from gpucodec_kernels.component_inverse import emit_row, undo_ict
from gpucodec_kernels.dwt97 import ALPHA, BETA, DELTA, GAMMA
from gpucodec_kernels.dwt_items import (
    BOTTOM,
    COLUMNS,
    HALF,
    HIGHEST,
    LOWEST,
    MARGIN,
    PARITY_X,
    PARITY_Y,
    ROWS,
    SCALES,
    TOP,
    borrowed,
    field,
    high_row,
    low_row,
    pair_range,
    place,
    places_of,
    reflected,
)  # fmt: skip
from gpucodec_kernels.target import device_function, inline_function, kernel

UNDO_ALPHA, UNDO_BETA, UNDO_GAMMA, UNDO_DELTA = float32(-ALPHA), float32(-BETA), float32(-GAMMA), float32(-DELTA)

# Places in the lines: rows that are lifted along themselves, before those of the first component,
LOW, HIGH = 0, 2 * HALF
_FIRST = 4 * HALF
# and rows of a component.
ODD, EVEN_1, ODD_2, EVEN, DONE = 0, 2 * HALF, 4 * HALF, 6 * HALF, 8 * HALF
_APART = 10 * HALF
COLORS = 3 * _APART  # from a component's row to where three of them become red, green and blue
# Elements of an index's lines, by its number of components.
SIZES = {1: _FIRST + _APART + 2 * MARGIN, 3: _FIRST + 6 * _APART + 2 * MARGIN}


@inline_function
def lifted(value, before, behind, factor):
    """Return a sample lifted with those on either side, (F-7)."""
    return value + factor * (before + behind)


@device_function
def load_pairs(source, low_at, low_scale, highs, high_at, high_scale, lines, at, pairs):
    """Multiply pairs of a row by their steps, and take the first step; at `high_at` is the odd sample before."""
    for pair in range(pairs):
        before = float32(highs[high_at + pair]) * high_scale
        odd = float32(highs[high_at + pair + uint64(1)]) * high_scale
        even = float32(source[low_at + pair]) * low_scale
        lines[at + pair] = lifted(even, before, odd, UNDO_DELTA)
        lines[at + pair + uint64(HALF)] = odd


@inline_function
def odd_sample(highs, high_at, high_scale, pair, parity, columns):
    """Return an odd sample of a row, which may lie beyond its ends."""
    position = reflected(int32(int32(2) * pair + int32(1)), parity, columns)
    return float32(highs[high_at + uint64(position >> int32(1))]) * high_scale


@inline_function
def load_edge(source, low_at, low_scale, highs, high_at, high_scale, parity, columns, pair, lines, at):
    """Do what `load_pairs` does for a pair whose samples may lie beyond the row's ends."""
    before = odd_sample(highs, high_at, high_scale, int32(pair - int32(1)), parity, columns)
    odd = odd_sample(highs, high_at, high_scale, pair, parity, columns)
    position = int32(reflected(int32(pair + pair), parity, columns) >> int32(1))
    even = float32(source[low_at + uint64(position - parity)]) * low_scale
    lines[at] = lifted(even, before, odd, UNDO_DELTA)
    lines[at + uint64(HALF)] = odd


@device_function
def load_row(source, low_at, low_scale, highs, high_at, high_scale, parity, columns, first, stop, lines, at):
    """Multiply a row by its steps and take the first step, also on two pairs on either side of `first` to `stop`."""
    if columns == int32(1):
        if parity == int32(0):
            lines[at] = float32(source[low_at]) * low_scale
        else:
            lines[at] = float32(0)  # of which the last step makes nothing
            lines[at + uint64(1)] = float32(0)
            lines[at + uint64(HALF)] = float32(highs[high_at]) * high_scale
        return
    begin = max(int32(first - int32(2)), int32(1))
    end = max(min(int32(stop + int32(2)), int32(int32(parity + columns) >> int32(1))), begin)
    left = uint64(high_at + uint64(begin - int32(1)))
    low = uint64(low_at + uint64(begin - parity))
    to = uint64(at + uint64(begin - first + int32(2)) - uint64(2))
    load_pairs(source, low, low_scale, highs, left, high_scale, lines, to, uint64(end - begin))
    pair = int32(first - int32(2))
    while pair < int32(stop + int32(2)):
        if pair == begin:
            pair = end
        if pair < int32(stop + int32(2)):
            to = uint64(at + uint64(pair - first + int32(2)) - uint64(2))
            load_edge(source, low_at, low_scale, highs, high_at, high_scale, parity, columns, pair, lines, to)
        pair = int32(pair + int32(1))


@device_function
def lift_along(lines, base, pairs):
    """Take the second and the third step along both rows."""
    line = uint64(base - uint64(1))
    for pair in range(pairs + uint64(2)):
        at = uint64(line + pair)
        odd = lines[at + uint64(LOW + HALF)]
        lines[at + uint64(LOW + HALF)] = lifted(odd, lines[at + uint64(LOW)], lines[at + uint64(LOW + 1)], UNDO_GAMMA)
        odd = lines[at + uint64(HIGH + HALF)]
        lines[at + uint64(HIGH + HALF)] = lifted(
            odd, lines[at + uint64(HIGH)], lines[at + uint64(HIGH + 1)], UNDO_GAMMA
        )
    for pair in range(pairs + uint64(1)):
        at = uint64(base + pair)
        before, behind = lines[at + uint64(LOW + HALF - 1)], lines[at + uint64(LOW + HALF)]
        lines[at + uint64(LOW)] = lifted(lines[at + uint64(LOW)], before, behind, UNDO_BETA)
        before, behind = lines[at + uint64(HIGH + HALF - 1)], lines[at + uint64(HIGH + HALF)]
        lines[at + uint64(HIGH)] = lifted(lines[at + uint64(HIGH)], before, behind, UNDO_BETA)


@inline_function
def lift_vertically(lines, at, low, high):
    """Take a column of the two rows of a pair, lifted along themselves, through a step on each of four rows."""
    odd, even_1, odd_2 = lines[at + uint64(ODD)], lines[at + uint64(EVEN_1)], lines[at + uint64(ODD_2)]
    new_even_1 = lifted(low, odd, high, UNDO_DELTA)
    new_odd_2 = lifted(odd, even_1, new_even_1, UNDO_GAMMA)
    even = lifted(even_1, odd_2, new_odd_2, UNDO_BETA)
    lines[at + uint64(DONE)] = lifted(odd_2, lines[at + uint64(EVEN)], even, UNDO_ALPHA)
    lines[at + uint64(EVEN)] = even
    lines[at + uint64(ODD_2)] = new_odd_2
    lines[at + uint64(EVEN_1)] = new_even_1
    lines[at + uint64(ODD)] = high


@device_function
def lift_between(lines, rows, own, pairs):
    """Take the last step along both rows, and the steps between rows; `own` tells how far the component's lie."""
    for pair in range(pairs):
        row = uint64(rows + pair)
        at = uint64(row + own)
        low, low_behind = lines[row + uint64(LOW)], lines[row + uint64(LOW + 1)]
        high, high_behind = lines[row + uint64(HIGH)], lines[row + uint64(HIGH + 1)]
        odd_low = lifted(lines[row + uint64(LOW + HALF)], low, low_behind, UNDO_ALPHA)
        odd_high = lifted(lines[row + uint64(HIGH + HALF)], high, high_behind, UNDO_ALPHA)
        lift_vertically(lines, at, low, high)
        lift_vertically(lines, at + uint64(HALF), odd_low, odd_high)


@device_function
def finish_single_row(lines, row, at, pairs):
    """Take the last step along the only row of a window, and leave it at both parities."""
    for pair in range(pairs):
        even = lines[row + pair]
        odd = lifted(lines[row + pair + uint64(HALF)], even, lines[row + pair + uint64(1)], UNDO_ALPHA)
        lines[at + pair + uint64(EVEN)], lines[at + pair + uint64(EVEN + HALF)] = even, odd
        lines[at + pair + uint64(DONE)], lines[at + pair + uint64(DONE + HALF)] = even, odd


@device_function
def load_rows(items, item, pair, component, lows, low_frame, coefficients, frame, scales, lines, rows):
    """Load the rows of a pair; one that a window of a single row lacks is left out."""
    left, right = pair_range(items, item)
    first, stop = int32(left), int32(right)
    parity, columns = int32(items[item + uint64(PARITY_X)]), int32(items[item + uint64(COLUMNS)])
    steps = uint64(field(items, item, SCALES) + component * uint64(3))
    is_single = items[item + uint64(ROWS)] == int64(1)
    is_odd = items[item + uint64(PARITY_Y)] == int64(1)
    if not is_single or not is_odd:
        row = low_row(items, item, pair)
        low = uint64(low_frame + place(items, item, dwt_items.LL, dwt_items.LOWS_APART, component, row))
        high = uint64(frame + place(items, item, dwt_items.HL, dwt_items.COEFFICIENTS_APART, component, row))
        load_row(
            lows, low, float32(1), coefficients, high, scales[steps], parity, columns, first, stop,
            lines, rows + uint64(LOW),
        )  # fmt: skip
    if not is_single or is_odd:
        row = high_row(items, item, pair)
        low = uint64(frame + place(items, item, dwt_items.LH, dwt_items.COEFFICIENTS_APART, component, row))
        high = uint64(frame + place(items, item, dwt_items.HH, dwt_items.COEFFICIENTS_APART, component, row))
        load_row(
            coefficients, low, scales[steps + uint64(1)], coefficients, high, scales[steps + uint64(2)],
            parity, columns, first, stop, lines, rows + uint64(HIGH),
        )  # fmt: skip


@inline_function
def lift_rows(items, item, lines, rows, own):
    """Lift the rows of a pair along themselves, and those that it completes between each other."""
    left, right = pair_range(items, item)
    pairs = uint64(right - left)
    if items[item + uint64(COLUMNS)] > int64(1):
        lift_along(lines, rows, pairs)
    if items[item + uint64(ROWS)] > int64(1):
        lift_between(lines, rows, own, pairs)
    elif items[item + uint64(PARITY_Y)] == int64(1):
        finish_single_row(lines, rows + uint64(HIGH), rows + own, pairs)
    else:
        finish_single_row(lines, rows + uint64(LOW), rows + own, pairs)


@device_function
def emit(items, item, lines, line, position, to_lows, lows, low_frame, output, frame):
    """Write a row that is done; three components become red, green and blue first."""
    lowest, highest = float32(items[item + uint64(LOWEST)]), float32(items[item + uint64(HIGHEST)])
    apart = uint64(_APART)
    if field(items, item, dwt_items.COMPONENTS) == uint64(3):
        first, stop = pair_range(items, item)
        colors = uint64(line + uint64(COLORS))
        odd = uint64(HALF)
        undo_ict(lines, line, apart, colors, apart, stop - first)
        undo_ict(lines, line + odd, apart, colors + odd, apart, stop - first)
        line = colors
    emit_row(
        items, item, lines, line, apart, uint64(position), to_lows, lows, low_frame, output, frame,
        lowest, highest, float32(0.5),
    )  # fmt: skip


def _synthesise(
    index, items, num_items, scales, coefficients, coefficient_stride, lows, low_stride, lines, own_size, output,
    output_stride, to_lows,
):  # fmt: skip
    """Lift one item of one frame in both directions."""
    items, scales, coefficients = borrowed(items), borrowed(scales), borrowed(coefficients)
    lows, lines, output = borrowed(lows), borrowed(lines), borrowed(output)
    item, frame, low_frame, output_frame = places_of(index, num_items, coefficient_stride, low_stride, output_stride)
    rows = uint64(uint64(index) * own_size + uint64(MARGIN))
    own = uint64(rows + uint64(_FIRST))
    top, bottom = int32(items[item + uint64(TOP)]), int32(items[item + uint64(BOTTOM)])
    components = field(items, item, dwt_items.COMPONENTS)
    for value in range(components * uint64(_APART)):
        lines[own + value] = float32(0)  # what happens to be there may be slow to compute with
    # Each turn lifts the two rows of a pair: that completes the even row above it and the odd row above that.
    for turn in range(int32(int32(top >> int32(1)) - int32(2)), int32(int32(bottom >> int32(1)) + int32(2))):
        pair = int32(turn)
        for component in range(components):
            which = uint64(component)
            load_rows(items, item, pair, which, lows, low_frame, coefficients, frame, scales, lines, rows)
            lift_rows(items, item, lines, rows, uint64(_FIRST) + which * uint64(_APART))
        for half in range(int32(2)):
            position = int32(pair + pair + int32(half) - int32(3))
            if position >= top and position < bottom:
                line = uint64(own + uint64(DONE))
                if int32(half) == int32(1):
                    line = uint64(own + uint64(EVEN))
                emit(items, item, lines, line, position, to_lows, lows, low_frame, output, output_frame)


_ARGUMENTS = (
    "int64[::1], uint64, float32[::1], int32[::1], uint64, float32[::1], uint64, float32[::1], uint64, "
    "{}[::1], uint64, int32"
)
synthesise_8 = kernel(_ARGUMENTS.format("uint8"), gpu=False)(_synthesise)
synthesise_16 = kernel(_ARGUMENTS.format("uint16"), gpu=False)(_synthesise)
synthesise_32 = kernel(_ARGUMENTS.format("uint32"), gpu=False)(_synthesise)
SYNTHESISE = {1: synthesise_8, 2: synthesise_16, 4: synthesise_32}


@kernel("int64[::1], uint64, float32[::1], int32[::1], uint64, float32[::1], uint64")
def load_low(index, items, num_items, scales, coefficients, coefficient_stride, lows, low_stride):
    """Dequantise rows of a deepest LL.

    Moves more than the least: an item's row of its table is more than the few samples of a deepest LL, of which
    whole sectors are read and parts of them are used.
    """
    item, frame, low_frame, _ = places_of(index, num_items, coefficient_stride, low_stride, uint64(0))
    columns = field(items, item, dwt_items.COLUMNS)
    scale = scales[field(items, item, SCALES)]
    for row in range(field(items, item, dwt_items.ROWS)):
        at = uint64(frame + place(items, item, dwt_items.LL, dwt_items.LOWS_APART, uint64(0), uint64(row)))
        to = uint64(low_frame + field(items, item, dwt_items.OUT) + uint64(row) * field(items, item, dwt_items.OUT_ROW))
        for column in range(columns):
            lows[to + column] = float32(coefficients[at + column]) * scale
