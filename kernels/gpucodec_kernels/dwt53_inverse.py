"""The inverse of the reversible 5/3 wavelet, ITU-T T.800 Annex F: one level of all tiles of all frames in one launch.

An index takes a rectangle of a level (`gpucodec_kernels.dwt_items`) through both directions. One loop reads a row of
each of the four subbands, lifts them along themselves and with the rows before, and leaves two rows of the resolution
above in lines; another writes these: to `lows`, or as samples with inverse component transform, level shift and clamp
where the level is the last. Even and odd samples of a row stay apart until then: all steps but the last work on
contiguous vectors. The rows and columns around the rectangle that its edges need are lifted again.

Arithmetic is that of two's complement with 32 bits, as other decoders have it.

Lines of an index, for each component: the last odd row as it was read (`ODD`), and the two rows that are done (`EVEN`
and `DONE`, the odd one above it), each in two halves, samples at even positions and those at odd ones.

Bytes moved: see `gpucodec_kernels.dwt_inverse`.
"""

from __future__ import annotations

from numpy import int32, int64, uint64

from gpucodec_kernels import dwt_items
from gpucodec_kernels.component_inverse import emit_row, undo_rct
from gpucodec_kernels.dwt_items import (
    BOTTOM,
    HALF,
    HIGHEST,
    LOWEST,
    MARGIN,
    ROWS,
    TOP,
    borrowed,
    field,
    high_row,
    low_row,
    pair_range,
    place,
    places_of,
)  # fmt: skip
from gpucodec_kernels.target import device_function, inline_function, kernel

# Places in the lines
ODD, EVEN, DONE = 0, 2 * HALF, 4 * HALF
LINES = 3  # of a component
_APART = 2 * LINES * HALF
COLORS = 3 * _APART  # of three components: red, green and blue
# Elements of an index's lines, by its number of components.
SIZES = {1: _APART + 2 * MARGIN, 3: COLORS + 6 * HALF + 2 * MARGIN}


@inline_function
def low_pass(value, left, right):
    """Return the even sample that a low-pass value between two high-pass values stands for, (F-5)."""
    return int32(int64(value) - int64(int32(int64(left) + int64(right) + int64(2)) >> int32(2)))


@inline_function
def high_pass(value, left, right):
    """Return the odd sample that a high-pass value between two even samples stands for, (F-6)."""
    return int32(int64(value) + int64(int32(int64(left) + int64(right)) >> int32(1)))


@inline_function
def halved(value):
    """Return half a value, rounded towards zero: a single sample at an odd place (F.3.6)."""
    return int32(int32(int64(value) - int64(value >> int32(31))) >> int32(1))


@inline_function
def lift_vertically(lines, at, even, odd):
    """Take a column of the two rows of a pair, lifted along themselves, into the lines."""
    odd_above = lines[at + uint64(ODD)]
    sample = low_pass(even, odd_above, odd)
    lines[at + uint64(DONE)] = high_pass(odd_above, lines[at + uint64(EVEN)], sample)
    lines[at + uint64(EVEN)] = sample
    lines[at + uint64(ODD)] = odd


@device_function
def lift_pairs(lines, at, lows, ll, coefficients, hl, lh, hh, pairs):
    """Lift pairs that have neighbours on both sides; `hl` and `hh` are those of the pair before the first."""
    for pair in range(pairs):
        before, high, behind = (
            coefficients[hl + pair],
            coefficients[hl + pair + uint64(1)],
            coefficients[hl + pair + uint64(2)],
        )
        even_0 = low_pass(lows[ll + pair], before, high)
        odd_0 = high_pass(high, even_0, low_pass(lows[ll + pair + uint64(1)], high, behind))
        before, high, behind = (
            coefficients[hh + pair],
            coefficients[hh + pair + uint64(1)],
            coefficients[hh + pair + uint64(2)],
        )
        even_1 = low_pass(coefficients[lh + pair], before, high)
        odd_1 = high_pass(high, even_1, low_pass(coefficients[lh + pair + uint64(1)], high, behind))
        lift_vertically(lines, at + pair, even_0, even_1)
        lift_vertically(lines, at + pair + uint64(HALF), odd_0, odd_1)


@inline_function
def even_sample(source, low_at, highs, high_at, pair, parity, ends):
    """Return an even sample of a row; beyond the row's ends stands the one nearest to it."""
    high_end = uint64((ends >> uint64(1)) - uint64(1))
    pair = min(max(pair, parity), uint64(((ends + uint64(1)) >> uint64(1)) - uint64(1)))
    before = highs[high_at + max(pair, uint64(1)) - uint64(1)]
    return low_pass(source[low_at + pair - parity], before, highs[high_at + min(pair, high_end)])


@inline_function
def lift_edge(source, low_at, highs, high_at, pair, parity, columns):
    """Return both samples of a pair of a row, which may be at its edge; one that does not exist is anything."""
    ends = uint64(parity + columns)
    if columns == uint64(1):
        only = source[low_at] if parity == uint64(0) else halved(highs[high_at])
        return only, only
    even = even_sample(source, low_at, highs, high_at, pair, parity, ends)
    behind = even_sample(source, low_at, highs, high_at, pair + uint64(1), parity, ends)
    high = highs[high_at + min(pair, uint64((ends >> uint64(1)) - uint64(1)))]
    return even, high_pass(high, even, behind)


@device_function
def lift_rows(items, item, low, high, component, lows, low_frame, coefficients, frame, lines, base):
    """Lift a row of all four subbands."""
    first, stop = pair_range(items, item)
    parity, columns = field(items, item, dwt_items.PARITY_X), field(items, item, dwt_items.COLUMNS)
    ll = uint64(low_frame + place(items, item, dwt_items.LL, dwt_items.LOWS_APART, component, low))
    hl = uint64(frame + place(items, item, dwt_items.HL, dwt_items.COEFFICIENTS_APART, component, low))
    lh = uint64(frame + place(items, item, dwt_items.LH, dwt_items.COEFFICIENTS_APART, component, high))
    hh = uint64(frame + place(items, item, dwt_items.HH, dwt_items.COEFFICIENTS_APART, component, high))
    highs = uint64((parity + columns) >> uint64(1))
    begin = max(first, uint64(1))
    end = max(min(stop, uint64(max(highs, uint64(1)) - uint64(1))), begin)
    left = uint64(begin - uint64(1))
    lift_pairs(
        lines, base + begin - first, lows, ll + begin - parity, coefficients, hl + left, lh + begin - parity, hh + left,
        end - begin,
    )  # fmt: skip
    pair = first
    while pair < stop:
        if pair == begin:
            pair = end
        if pair < stop:
            even_0, odd_0 = lift_edge(lows, ll, coefficients, hl, pair, parity, columns)
            even_1, odd_1 = lift_edge(coefficients, lh, coefficients, hh, pair, parity, columns)
            lift_vertically(lines, base + pair - first, even_0, even_1)
            lift_vertically(lines, base + pair - first + uint64(HALF), odd_0, odd_1)
        pair = uint64(pair + uint64(1))


@device_function
def lift_single_row(items, item, component, lows, low_frame, coefficients, frame, lines, base):
    """Lift the only row of a window; one at an odd place is halved."""
    first, stop = pair_range(items, item)
    parity, columns = field(items, item, dwt_items.PARITY_X), field(items, item, dwt_items.COLUMNS)
    ll = uint64(low_frame + place(items, item, dwt_items.LL, dwt_items.LOWS_APART, component, uint64(0)))
    hl = uint64(frame + place(items, item, dwt_items.HL, dwt_items.COEFFICIENTS_APART, component, uint64(0)))
    lh = uint64(frame + place(items, item, dwt_items.LH, dwt_items.COEFFICIENTS_APART, component, uint64(0)))
    hh = uint64(frame + place(items, item, dwt_items.HH, dwt_items.COEFFICIENTS_APART, component, uint64(0)))
    for pair in range(first, stop):
        at = uint64(base + uint64(pair) - first)
        if field(items, item, dwt_items.PARITY_Y) == uint64(0):
            even, odd = lift_edge(lows, ll, coefficients, hl, uint64(pair), parity, columns)
            lines[at + uint64(EVEN)], lines[at + uint64(EVEN + HALF)] = even, odd
        else:
            even, odd = lift_edge(coefficients, lh, coefficients, hh, uint64(pair), parity, columns)
            lines[at + uint64(DONE)], lines[at + uint64(DONE + HALF)] = halved(even), halved(odd)


@device_function
def emit(items, item, lines, base, line, position, to_lows, lows, low_frame, output, frame):
    """Write a row that is done; three components become red, green and blue first."""
    lowest, highest = int32(items[item + uint64(LOWEST)]), int32(items[item + uint64(HIGHEST)])
    apart = uint64(_APART)
    if field(items, item, dwt_items.COMPONENTS) == uint64(3):
        first, stop = pair_range(items, item)
        colors = uint64(base + uint64(COLORS))
        undo_rct(lines, line, apart, colors, uint64(2 * HALF), stop - first)
        undo_rct(lines, line + uint64(HALF), apart, colors + uint64(HALF), uint64(2 * HALF), stop - first)
        line, apart = colors, uint64(2 * HALF)
    emit_row(
        items, item, lines, line, apart, uint64(position), to_lows, lows, low_frame, output, frame,
        lowest, highest, int32(0),
    )  # fmt: skip


def _synthesise(
    index, items, num_items, coefficients, coefficient_stride, lows, low_stride, lines, own_size, output,
    output_stride, to_lows,
):  # fmt: skip
    """Lift one item of one frame in both directions."""
    items, coefficients, lows = borrowed(items), borrowed(coefficients), borrowed(lows)
    lines, output = borrowed(lines), borrowed(output)
    item, frame, low_frame, output_frame = places_of(index, num_items, coefficient_stride, low_stride, output_stride)
    own = uint64(uint64(index) * own_size + uint64(MARGIN))
    top, bottom = int32(items[item + uint64(TOP)]), int32(items[item + uint64(BOTTOM)])
    is_single = items[item + uint64(ROWS)] == int64(1)
    # Each turn lifts the two rows of a pair: that completes its even row and the odd one above.
    for turn in range(int32(int32(top >> int32(1)) - int32(1)), int32(int32(bottom >> int32(1)) + int32(1))):
        pair = int32(turn)
        for component in range(field(items, item, dwt_items.COMPONENTS)):
            which = uint64(component)
            base = uint64(own + which * uint64(_APART))
            if is_single:
                lift_single_row(items, item, which, lows, low_frame, coefficients, frame, lines, base)
            else:
                lift_rows(
                    items, item, low_row(items, item, pair), high_row(items, item, pair), which, lows, low_frame,
                    coefficients, frame, lines, base,
                )  # fmt: skip
        for half in range(int32(2)):
            position = int32(pair + pair + int32(half) - int32(1))
            if position >= top and position < bottom:
                line = uint64(own + uint64(DONE))
                if int32(half) == int32(1):
                    line = uint64(own + uint64(EVEN))
                emit(items, item, lines, own, line, position, to_lows, lows, low_frame, output, output_frame)


_ARGUMENTS = "int64[::1], uint64, int32[::1], uint64, int32[::1], uint64, int32[::1], uint64, {}[::1], uint64, int32"
synthesise_8 = kernel(_ARGUMENTS.format("uint8"), gpu=False)(_synthesise)
synthesise_16 = kernel(_ARGUMENTS.format("uint16"), gpu=False)(_synthesise)
synthesise_32 = kernel(_ARGUMENTS.format("uint32"), gpu=False)(_synthesise)
SYNTHESISE = {1: synthesise_8, 2: synthesise_16, 4: synthesise_32}


@kernel("int64[::1], uint64, int32[::1], uint64, int32[::1], uint64")
def load_low(index, items, num_items, coefficients, coefficient_stride, lows, low_stride):
    """Copy rows of a deepest LL.

    Moves more than the least: an item's row of its table is more than the few samples of a deepest LL, of which
    whole sectors are read and parts of them are used.
    """
    item, frame, low_frame, _ = places_of(index, num_items, coefficient_stride, low_stride, uint64(0))
    columns = field(items, item, dwt_items.COLUMNS)
    for row in range(field(items, item, dwt_items.ROWS)):
        at = uint64(frame + place(items, item, dwt_items.LL, dwt_items.LOWS_APART, uint64(0), uint64(row)))
        to = uint64(low_frame + field(items, item, dwt_items.OUT) + uint64(row) * field(items, item, dwt_items.OUT_ROW))
        for column in range(columns):
            lows[to + column] = coefficients[at + column]
