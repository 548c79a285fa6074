"""The inverse of the irreversible 9/7 wavelet, ITU-T T.800 Annex F, with dequantisation: one level in one launch.

As in `gpucodec_kernels.dwt53_inverse` an index takes a rectangle of a level through both directions. Coefficients of
HL, LH and HH are multiplied by their step while they are read, LL is float32 already; the last level's rows become
samples with inverse component transform, rounding, level shift and clamp.

The factors K and 1/K of the two directions are part of the steps, and those of LL of the steps of the levels before:
the whole is linear. float32 rounds differently from decoders that multiply separately, by far less than one. On GPUs
a multiplication and an addition fuse: results differ there in the last bits.

Lines of an index, for each component: three rows at even positions and three at odd ones, by the pair modulo 3; each
is two halves, samples at even positions and those at odd ones.

Bytes moved: see `gpucodec_kernels.dwt_inverse`.
"""

from __future__ import annotations

from numpy import float32, int32, uint64

from gpucodec_kernels import dwt_items
from gpucodec_kernels.component_inverse import emit_row, undo_ict
from gpucodec_kernels.dwt97 import ALPHA, BETA, DELTA, GAMMA, lift
from gpucodec_kernels.dwt_items import HALF, HIGHEST, LOWEST, SCALES, field, pair_range, place, places_of, rows_of
from gpucodec_kernels.target import inline_function, kernel

LINES = 6  # of a component
_APART = 2 * LINES * HALF
SIZES = {1: _APART + 2 * dwt_items.MARGIN, 3: 3 * _APART + 2 * dwt_items.MARGIN}
UNDO_ALPHA, UNDO_BETA, UNDO_GAMMA, UNDO_DELTA = float32(-ALPHA), float32(-BETA), float32(-GAMMA), float32(-DELTA)


@inline_function
def dequantize(source, at, scale, lines, line, columns):
    """Multiply a part of a row by a step."""
    for column in range(columns):
        lines[line + column] = float32(source[at + column]) * scale


@inline_function
def dequantize_lifted(source, at, scale, lines, line, left, right, factor, columns):
    """Multiply a part of a row by a step and take the first lifting step, with the odd samples on either side."""
    for column in range(columns):
        value = float32(source[at + column]) * scale
        lines[line + column] = value + factor * (lines[left + column] + lines[right + column])


@inline_function
def extend_odd(lines, odd, first, begin, end, highs):
    """Put the nearest odd sample beyond either end, where even samples from `begin` to `end` need one."""
    if begin == uint64(0):
        lines[odd - first - uint64(1)] = lines[odd - first]
    if end > highs:
        lines[odd + highs - first] = lines[odd + highs - first - uint64(1)]


@inline_function
def lift_odd(lines, even, odd, first, begin, end, parity, lows, factor):
    """Lift odd samples from `begin` to `end`; beyond either end stands the even sample nearest to it."""
    if begin < parity:
        lines[even - first] = lines[even - first + uint64(1)]
    if end >= lows:
        lines[even + lows - first] = lines[even + lows - first - uint64(1)]
    left = uint64(even + begin - first)
    lift(lines, odd + begin - first, left, left + uint64(1), factor, end - begin)


@inline_function
def lift_row(
    source, low_at, low_scale, coefficients, high_at, high_scale, parity, columns, first, stop, lines, even, odd
):  # fmt: skip
    """Lift pairs `first` to `stop` of a row: even samples to `even`, odd ones to `odd`."""
    if columns == uint64(1):
        if parity == uint64(0):
            dequantize(source, low_at, low_scale, lines, even, columns)
        else:
            dequantize(coefficients, high_at, high_scale, lines, odd, columns)
        return
    highs = uint64((parity + columns) >> uint64(1))
    lows = uint64((parity + columns + uint64(1)) >> uint64(1))
    # Each step needs one sample more on either side than the step behind it.
    begin = uint64(first - min(first, uint64(2)))
    end = min(uint64(stop + uint64(2)), highs)
    dequantize(coefficients, high_at + begin, high_scale, lines, odd + begin - first, end - begin)
    before = uint64(first - min(first, uint64(1)))
    begin = max(before, parity)
    end = min(uint64(stop + uint64(2)), lows)
    extend_odd(lines, odd, first, begin, end, highs)
    left = uint64(odd + begin - first - uint64(1))
    dequantize_lifted(
        source, low_at + begin - parity, low_scale, lines, even + begin - first, left, left + uint64(1), UNDO_DELTA,
        end - begin,
    )  # fmt: skip
    end = min(uint64(stop + uint64(1)), highs)
    lift_odd(lines, even, odd, first, before, end, parity, lows, UNDO_GAMMA)
    begin = max(first, parity)
    end = min(uint64(stop + uint64(1)), lows)
    extend_odd(lines, odd, first, begin, end, highs)
    left = uint64(odd + begin - first - uint64(1))
    lift(lines, even + begin - first, left, left + uint64(1), UNDO_BETA, end - begin)
    lift_odd(lines, even, odd, first, first, min(stop, highs), parity, lows, UNDO_ALPHA)


@inline_function
def lift_low_row(items, item, pair, component, lows, low_frame, coefficients, frame, scales, lines, even, half_pitch):
    """Lift a row of LL and HL along itself."""
    first, stop = pair_range(items, item)
    low = place(items, item, dwt_items.LL, dwt_items.LOWS_APART, component, pair)
    high = place(items, item, dwt_items.HL, dwt_items.COEFFICIENTS_APART, component, pair)
    scale = scales[field(items, item, SCALES) + component * uint64(3)]
    lift_row(
        lows, low_frame + low, float32(1), coefficients, frame + high, scale,
        field(items, item, dwt_items.PARITY_X), field(items, item, dwt_items.COLUMNS), first, stop,
        lines, even, even + half_pitch,
    )  # fmt: skip


@inline_function
def lift_high_row(items, item, pair, component, coefficients, frame, scales, lines, odd, half_pitch):
    """Lift a row of LH and HH along itself."""
    first, stop = pair_range(items, item)
    low = place(items, item, dwt_items.LH, dwt_items.COEFFICIENTS_APART, component, pair)
    high = place(items, item, dwt_items.HH, dwt_items.COEFFICIENTS_APART, component, pair)
    steps = uint64(field(items, item, SCALES) + component * uint64(3))
    lift_row(
        coefficients, frame + low, scales[steps + uint64(1)], coefficients, frame + high, scales[steps + uint64(2)],
        field(items, item, dwt_items.PARITY_X), field(items, item, dwt_items.COLUMNS), first, stop,
        lines, odd, odd + half_pitch,
    )  # fmt: skip


@inline_function
def lift_halves(lines, line, before, behind, factor, half_pitch, pairs):
    """Lift a row between two others."""
    lift(lines, line, before, behind, factor, pairs)
    lift(lines, line + half_pitch, before + half_pitch, behind + half_pitch, factor, pairs)


@inline_function
def lift_even_row(lines, own, pitch, pair, high_rows, factor, pairs):
    """Lift the row at an even position with those above and below; the first and the last may have one."""
    above, below = int32(pair - int32(1)), pair
    if above < int32(0):
        above = below
    if below == high_rows:
        below = above
    line = uint64(own + uint64(pair % int32(3)) * pitch)
    odd = uint64(own + uint64(3) * pitch)
    before = uint64(odd + uint64(above % int32(3)) * pitch)
    behind = uint64(odd + uint64(below % int32(3)) * pitch)
    lift_halves(lines, line, before, behind, factor, pitch >> uint64(1), pairs)


@inline_function
def lift_odd_row(lines, own, pitch, pair, parity, low_rows, factor, pairs):
    """Lift the row at an odd position with those above and below; the first and the last may have one."""
    above, below = pair, int32(pair + int32(1))
    if above < parity:
        above = below
    if below == low_rows:
        below = above
    line = uint64(own + (uint64(3) + uint64(pair % int32(3))) * pitch)
    before = uint64(own + uint64(above % int32(3)) * pitch)
    behind = uint64(own + uint64(below % int32(3)) * pitch)
    lift_halves(lines, line, before, behind, factor, pitch >> uint64(1), pairs)


@inline_function
def lift_between_rows(lines, own, pitch, pair, first, stop, parity, low_rows, high_rows, pairs):
    """Take all lifting steps that the rows of a pair make possible: one each on it and on the pairs above it."""
    if low_rows + high_rows == int32(parity + int32(1)):
        return  # a single row
    above, done = int32(pair - int32(1)), int32(pair - int32(2))
    if pair >= parity and pair < low_rows and pair >= int32(first - int32(1)):
        lift_even_row(lines, own, pitch, pair, high_rows, UNDO_DELTA, pairs)
    if above >= max(int32(first - int32(1)), int32(0)) and above < high_rows:
        lift_odd_row(lines, own, pitch, above, parity, low_rows, UNDO_GAMMA, pairs)
    if above >= first and above >= parity and above < low_rows:
        lift_even_row(lines, own, pitch, above, high_rows, UNDO_BETA, pairs)
    if done >= first and done < min(high_rows, stop):
        lift_odd_row(lines, own, pitch, done, parity, low_rows, UNDO_ALPHA, pairs)


@inline_function
def emit(items, item, lines, line, position, to_lows, lows, low_frame, output, frame):
    """Write a row that is done; three components become red, green and blue first."""
    lowest, highest = float32(items[item + uint64(LOWEST)]), float32(items[item + uint64(HIGHEST)])
    apart = uint64(_APART)
    if field(items, item, dwt_items.COMPONENTS) == uint64(3):
        first, stop = pair_range(items, item)
        undo_ict(lines, line, apart, line, apart, stop - first)
        odd = uint64(line + uint64(HALF))
        undo_ict(lines, odd, apart, odd, apart, stop - first)
    emit_row(
        items, item, lines, line, apart, uint64(position), to_lows, lows, low_frame, output, frame,
        lowest, highest, float32(0.5),
    )  # fmt: skip


def _synthesise(
    index, items, num_items, scales, coefficients, coefficient_stride, lows, low_stride, lines, own_size,
    output, output_stride, to_lows,
):  # fmt: skip
    """Lift one item of one frame in both directions."""
    item, frame, low_frame, output_frame = places_of(index, num_items, coefficient_stride, low_stride, output_stride)
    own = uint64(uint64(index) * own_size + uint64(dwt_items.MARGIN))
    pitch, half_pitch = uint64(2 * HALF), uint64(HALF)
    left, right = pair_range(items, item)
    pairs = uint64(right - left)
    components = field(items, item, dwt_items.COMPONENTS)
    parity, low_rows, high_rows, top, bottom = rows_of(items, item)
    first, stop = int32(top >> int32(1)), int32((bottom + int32(1)) >> int32(1))
    for turn in range(max(int32(first - int32(2)), int32(0)), int32(stop + int32(2))):
        pair = int32(turn)
        done = int32(pair - int32(2))
        even = uint64(own + uint64(pair % int32(3)) * pitch)
        odd = uint64(even + uint64(3) * pitch)
        for component in range(components):
            which = uint64(component)
            skip = uint64(which * uint64(_APART))
            if pair < high_rows:
                lift_high_row(
                    items, item, uint64(pair), which, coefficients, frame, scales, lines, odd + skip, half_pitch
                )
            if pair >= parity and pair < low_rows and pair >= int32(first - int32(1)):
                lift_low_row(
                    items, item, uint64(pair - parity), which, lows, low_frame, coefficients, frame, scales,
                    lines, even + skip, half_pitch,
                )  # fmt: skip
            lift_between_rows(lines, own + skip, pitch, pair, first, stop, parity, low_rows, high_rows, pairs)
        for half in range(int32(2)):
            position = int32(int32(2) * done + int32(half))
            if position < top or position >= bottom:
                continue
            line = uint64(own + (uint64(done % int32(3)) + uint64(3) * uint64(half)) * pitch)
            emit(items, item, lines, line, position, to_lows, lows, low_frame, output, output_frame)


_ARGUMENTS = (
    "int64[::1], uint64, float32[::1], int32[::1], uint64, float32[::1], uint64, float32[::1], uint64, "
    "{}[::1], uint64, int32"
)
synthesise_8 = kernel(_ARGUMENTS.format("uint8"))(_synthesise)
synthesise_16 = kernel(_ARGUMENTS.format("uint16"))(_synthesise)
synthesise_32 = kernel(_ARGUMENTS.format("uint32"))(_synthesise)
SYNTHESISE = {1: synthesise_8, 2: synthesise_16, 4: synthesise_32}


@kernel("int64[::1], uint64, float32[::1], int32[::1], uint64, float32[::1], uint64")
def load_low(index, items, num_items, scales, coefficients, coefficient_stride, lows, low_stride):
    """Dequantise rows of a deepest LL."""
    item, frame, low_frame, _ = places_of(index, num_items, coefficient_stride, low_stride, uint64(0))
    columns = field(items, item, dwt_items.COLUMNS)
    scale = scales[field(items, item, SCALES)]
    for row in range(field(items, item, dwt_items.ROWS)):
        at = uint64(frame + place(items, item, dwt_items.LL, dwt_items.LOWS_APART, uint64(0), uint64(row)))
        to = uint64(low_frame + field(items, item, dwt_items.OUT) + uint64(row) * field(items, item, dwt_items.OUT_ROW))
        dequantize(coefficients, at, scale, lows, to, columns)
