"""The inverse of the reversible 5/3 wavelet, ITU-T T.800 Annex F: one level of all tiles of all frames in one launch.

An index takes a rectangle of a level (`gpucodec_kernels.dwt_items`) through both directions: it lifts each row of the
two low-pass and of the two high-pass subbands along itself while it reads them, then these rows between each other in
lines of its own, and writes rows of the resolution above: to `lows`, or as samples with inverse component transform,
level shift and clamp where the level is the last. Even and odd samples of a row stay apart until then: all steps but
the last work on contiguous vectors. The rows and columns around the rectangle that its edges need are lifted again.

Arithmetic is that of two's complement with 32 bits, as other decoders have it.

Lines of an index, for each component: two rows at even positions and two at odd ones, by the parity of the pair; each
is two halves, samples at even positions and those at odd ones.

Bytes moved: see `gpucodec_kernels.dwt_inverse`.
"""

from __future__ import annotations

from numpy import int32, uint64

from gpucodec_kernels import dwt_items
from gpucodec_kernels.component_inverse import emit_row, undo_rct
from gpucodec_kernels.dwt_items import HIGHEST, LOWEST, field, pair_range, place, places_of, rows_of
from gpucodec_kernels.target import device_function, kernel

LINES = 4  # of a component
NO_HALF = int32(0)


@device_function
def halved(value):
    """Return half a value, rounded towards zero: a single sample at an odd place (F.3.6)."""
    return int32(int32(value - (value >> int32(31))) >> int32(1))


@device_function
def undo_update(lines, line, source, at, highs, left, right, columns):
    """Make low-pass values from `source` even samples with the high-pass values beside them, (F-5)."""
    for column in range(columns):
        total = int32(highs[left + column] + highs[right + column] + int32(2))
        lines[line + column] = int32(source[at + column] - (total >> int32(2)))


@device_function
def undo_predict(lines, line, highs, at, left, right, columns):
    """Make high-pass values from `highs` odd samples with the even samples beside them, (F-6)."""
    for column in range(columns):
        total = int32(lines[left + column] + lines[right + column])
        lines[line + column] = int32(highs[at + column] + (total >> int32(1)))


@device_function
def lift_row(source, low_at, coefficients, high_at, parity, columns, first, stop, lines, even, odd):
    """Lift pairs `first` to `stop` of a row: even samples to `even`, odd ones to `odd`, and an even one behind."""
    if columns == uint64(1):
        if parity == uint64(0):
            lines[even] = source[low_at]
        else:
            lines[odd] = halved(coefficients[high_at])
        return
    highs = uint64((parity + columns) >> uint64(1))
    lows = uint64((parity + columns + uint64(1)) >> uint64(1))
    begin = max(first, parity)
    end = min(uint64(stop + uint64(1)), lows)
    inner = max(begin, uint64(1))
    inner_end = min(end, highs)
    if inner < inner_end:
        left = uint64(high_at + inner - uint64(1))
        undo_update(
            lines, even + inner - first, source, low_at + inner - parity, coefficients, left, left + uint64(1),
            inner_end - inner,
        )  # fmt: skip
    # Symmetric extension: beyond either end stands the high-pass value nearest to it.
    if begin == uint64(0):
        undo_update(lines, even, source, low_at, coefficients, high_at, high_at, uint64(1))
    if end > highs:
        nearest = uint64(high_at + highs - uint64(1))
        at = uint64(low_at + highs - parity)
        undo_update(lines, even + highs - first, source, at, coefficients, nearest, nearest, uint64(1))
    if first < parity:
        lines[even] = lines[even + uint64(1)]
    if stop >= lows:
        lines[even + lows - first] = lines[even + lows - first - uint64(1)]
    end = min(stop, highs)
    undo_predict(lines, odd, coefficients, high_at + first, even, even + uint64(1), end - first)


@device_function
def lift_low_row(items, item, pair, component, lows, low_frame, coefficients, frame, lines, even, half_pitch):
    """Lift a row of LL and HL along itself."""
    first, stop = pair_range(items, item)
    low = place(items, item, dwt_items.LL, dwt_items.LOWS_APART, component, pair)
    high = place(items, item, dwt_items.HL, dwt_items.COEFFICIENTS_APART, component, pair)
    parity = field(items, item, dwt_items.PARITY_X)
    columns = field(items, item, dwt_items.COLUMNS)
    lift_row(
        lows, low_frame + low, coefficients, frame + high, parity, columns, first, stop, lines, even, even + half_pitch
    )


@device_function
def lift_high_row(items, item, pair, component, coefficients, frame, lines, odd, half_pitch):
    """Lift a row of LH and HH along itself."""
    first, stop = pair_range(items, item)
    low = place(items, item, dwt_items.LH, dwt_items.COEFFICIENTS_APART, component, pair)
    high = place(items, item, dwt_items.HH, dwt_items.COEFFICIENTS_APART, component, pair)
    parity = field(items, item, dwt_items.PARITY_X)
    columns = field(items, item, dwt_items.COLUMNS)
    lift_row(
        coefficients, frame + low, coefficients, frame + high, parity, columns, first, stop,
        lines, odd, odd + half_pitch,
    )  # fmt: skip


@device_function
def lift_even_row(lines, even, above, below, has_above, has_below, half_pitch, pairs):
    """Undo the low-pass step of a row between the high-pass rows beside it; at an edge one of them stands for both."""
    if not has_above:
        above = below
    if not has_below:
        below = above
    if has_above or has_below:
        undo_update(lines, even, lines, even, lines, above, below, pairs)
        skip = half_pitch
        undo_update(lines, even + skip, lines, even + skip, lines, above + skip, below + skip, pairs)


@device_function
def lift_odd_row(lines, odd, above, below, has_above, has_below, half_pitch, pairs):
    """Undo the high-pass step of a row between the even rows beside it; a single row is halved."""
    if not has_above:
        above = below
    if not has_below:
        below = above
    skip = half_pitch
    if has_above or has_below:
        undo_predict(lines, odd, lines, odd, above, below, pairs)
        undo_predict(lines, odd + skip, lines, odd + skip, above + skip, below + skip, pairs)
    else:
        for pair in range(pairs):
            lines[odd + pair] = halved(lines[odd + pair])
            lines[odd + skip + pair] = halved(lines[odd + skip + pair])


@device_function
def undo_color(lines, line, apart, half_pitch, pairs):
    """Transform a row of three components to red, green and blue."""
    second = uint64(line + apart)
    third = uint64(second + apart)
    undo_rct(lines, line, second, third, pairs)
    undo_rct(lines, line + half_pitch, second + half_pitch, third + half_pitch, pairs)


def _synthesise(
    index, items, num_items, coefficients, coefficient_stride, lows, low_stride, lines, own_size, half_pitch,
    output, output_stride, to_lows,
):  # fmt: skip
    """Lift one item of one frame in both directions."""
    item, frame, low_frame, output_frame = places_of(index, num_items, coefficient_stride, low_stride, output_stride)
    own = uint64(uint64(index) * own_size + uint64(dwt_items.MARGIN))
    pitch = uint64(half_pitch + half_pitch)
    apart = uint64(pitch * uint64(LINES))
    left, right = pair_range(items, item)
    pairs = uint64(right - left)
    components = field(items, item, dwt_items.COMPONENTS)
    parity, low_rows, high_rows, top, bottom = rows_of(items, item)
    first = int32(top >> int32(1))
    lowest, highest = int32(items[item + uint64(LOWEST)]), int32(items[item + uint64(HIGHEST)])
    # Each turn lifts the two rows of a pair along themselves, and finishes the pair above it.
    for turn in range(max(int32(first - int32(1)), int32(0)), int32((bottom + int32(3)) >> int32(1))):
        pair = int32(turn)
        above = int32(pair - int32(1))
        even = uint64(own + uint64(pair & int32(1)) * pitch)
        odd = uint64(even + pitch + pitch)
        even_above = uint64(own + uint64(above & int32(1)) * pitch)
        odd_above = uint64(even_above + pitch + pitch)
        for component in range(components):
            which = uint64(component)
            skip = uint64(which * apart)
            if pair < high_rows:
                lift_high_row(items, item, uint64(pair), which, coefficients, frame, lines, odd + skip, half_pitch)
            if pair >= first and pair >= parity and pair < low_rows:
                lift_low_row(
                    items, item, uint64(pair - parity), which, lows, low_frame, coefficients, frame,
                    lines, even + skip, half_pitch,
                )  # fmt: skip
                lift_even_row(
                    lines, even + skip, odd_above + skip, odd + skip, pair > int32(0), pair < high_rows,
                    half_pitch, pairs,
                )  # fmt: skip
            if above >= first and above < high_rows:
                lift_odd_row(
                    lines, odd_above + skip, even_above + skip, even + skip, above >= parity, pair < low_rows,
                    half_pitch, pairs,
                )  # fmt: skip
        for half in range(int32(2)):
            position = int32(int32(2) * above + int32(half))
            if position < top or position >= bottom:
                continue
            line = even_above
            if int32(half) == int32(1):
                line = odd_above
            if components == uint64(3):
                undo_color(lines, line, apart, half_pitch, pairs)
            emit_row(
                items, item, lines, line, half_pitch, apart, uint64(position), to_lows, lows, low_frame,
                output, output_frame, lowest, highest, NO_HALF,
            )  # fmt: skip


_ARGUMENTS = (
    "int64[::1], uint64, int32[::1], uint64, int32[::1], uint64, int32[::1], uint64, uint64, {}[::1], uint64, int32"
)
synthesise_8 = kernel(_ARGUMENTS.format("uint8"))(_synthesise)
synthesise_16 = kernel(_ARGUMENTS.format("uint16"))(_synthesise)
synthesise_32 = kernel(_ARGUMENTS.format("uint32"))(_synthesise)
SYNTHESISE = {1: synthesise_8, 2: synthesise_16, 4: synthesise_32}


@kernel("int64[::1], uint64, int32[::1], uint64, int32[::1], uint64")
def load_low(index, items, num_items, coefficients, coefficient_stride, lows, low_stride):
    """Copy rows of a deepest LL."""
    item, frame, low_frame, _ = places_of(index, num_items, coefficient_stride, low_stride, uint64(0))
    columns = field(items, item, dwt_items.COLUMNS)
    for row in range(field(items, item, dwt_items.ROWS)):
        at = uint64(frame + place(items, item, dwt_items.LL, dwt_items.LOWS_APART, uint64(0), uint64(row)))
        to = uint64(low_frame + field(items, item, dwt_items.OUT) + uint64(row) * field(items, item, dwt_items.OUT_ROW))
        for column in range(columns):
            lows[to + column] = coefficients[at + column]
