"""Both inverse wavelets for GPUs: a block of threads takes a tile through both directions of a level in shared memory.

What `gpucodec_kernels.dwt53_inverse` and `gpucodec_kernels.dwt97_inverse` do with rows in lines a block does here as
`gpucodec_kernels.dwt_tiles` does forward: it reads a rectangle of a level (`gpucodec_kernels.dwt_items`) from its four
subbands, and the few samples around it that filtering needs, interleaved as they will stand, lifts all of them along
rows and then along columns, and writes the rectangle. Samples beyond the window's edges are read from where symmetric
extension finds them. For 5/3 results are those of the other kernels, bit by bit; for 9/7 they are to within the
rounding of float32, since GPUs fuse multiplications and additions.

Bytes moved for each sample that is written with b bytes: 4.8 read for 5/3 (a 32x64 rectangle with its margin is 36x68),
5.6 for 9/7 (40x72), of which all but 4 come from the second-level cache, and b written; the least possible is 4 and b.

Tile of a component: ``rows x columns`` words, margins included, rows an odd number of words apart.
"""

from __future__ import annotations

from typing import Any

from numpy import float32, int32, uint64

from gpucodec_kernels import dwt_items
from gpucodec_kernels.component_inverse import finished
from gpucodec_kernels.dwt53_inverse import halved, high_pass, low_pass
from gpucodec_kernels.dwt97_inverse import UNDO_ALPHA, UNDO_BETA, UNDO_DELTA, UNDO_GAMMA
from gpucodec_kernels.dwt_items import field, place, places_of, reflected
from gpucodec_kernels.dwt_tiles import MAX_COMPONENTS, PAIR_COLUMNS, PAIR_ROWS, THREADS, WARPS, lift
from gpucodec_kernels.target import block_kernel, device_function, inline_function, synchronize

ROWS, COLUMNS = 2 * PAIR_ROWS, 2 * PAIR_COLUMNS  # of a rectangle, at most

MARGIN_53, MARGIN_97 = 2, 4  # on all sides, whole pairs
ROWS_53, PITCH_53 = ROWS + 2 * MARGIN_53, COLUMNS + 2 * MARGIN_53 + 1
ROWS_97, PITCH_97 = ROWS + 2 * MARGIN_97, COLUMNS + 2 * MARGIN_97 + 1
SIZE_53, SIZE_97 = ROWS_53 * PITCH_53, ROWS_97 * PITCH_97


@inline_function
def even_origin(items, item, column):
    """Return the even position at or before a rectangle's first."""
    return int32(int32(items[item + uint64(column)]) & int32(-2))


@inline_function
def part_of(position, parity, length):
    """Return whether a position along one direction has a high-pass coefficient, and which of its subband's it is."""
    position = reflected(position, parity, length)
    high = int32(position & int32(1))
    return high, uint64(int32(int32(position >> int32(1)) - parity * (int32(1) - high)))


@inline_function
def band_row(items, item, band, component, down):
    """Return where a row of a subband, 0 LL, 1 HL, 2 LH, 3 HH, lies in its frame."""
    apart = int32(dwt_items.COEFFICIENTS_APART)
    if band == int32(0):
        apart = int32(dwt_items.LOWS_APART)
    return place(items, item, int32(int32(2) * band), apart, component, down)


@device_function
def undo_update(shared, thread, base, outer, outer_stride, inner, inner_stride, along):
    """Make low-pass values even samples with those `along` before and behind, (F-5); a warp takes an outer turn."""
    for turn in range(thread >> int32(5), outer, int32(WARPS)):
        for place_of in range(thread & int32(31), inner, int32(32)):
            at = int32(base + turn * outer_stride + place_of * inner_stride)
            shared[at] = low_pass(shared[at], shared[at - along], shared[at + along])


@device_function
def undo_predict(shared, thread, base, outer, outer_stride, inner, inner_stride, along):
    """Make high-pass values odd samples with those `along` before and behind, (F-6); a warp takes an outer turn."""
    for turn in range(thread >> int32(5), outer, int32(WARPS)):
        for place_of in range(thread & int32(31), inner, int32(32)):
            at = int32(base + turn * outer_stride + place_of * inner_stride)
            shared[at] = high_pass(shared[at], shared[at - along], shared[at + along])


@device_function
def halve(shared, thread, tiles):
    """Halve all of a window of a single row or column at an odd place."""
    for place_of in range(thread, int32(tiles * int32(SIZE_53)), int32(THREADS)):
        shared[place_of] = halved(shared[place_of])
    synchronize()


@device_function
def lift_53(shared, thread, tiles, items, item):
    """Lift tiles along their rows, and then along their columns."""
    pitch = int32(PITCH_53)
    if items[item + uint64(dwt_items.COLUMNS)] > 1:
        for tile in range(tiles):
            base = int32(int32(tile) * int32(SIZE_53) + int32(2))
            undo_update(shared, thread, base, int32(ROWS_53), pitch, int32(PAIR_COLUMNS + 1), int32(2), int32(1))
        synchronize()
        for tile in range(tiles):
            base = int32(int32(tile) * int32(SIZE_53) + int32(3))
            undo_predict(shared, thread, base, int32(ROWS_53), pitch, int32(PAIR_COLUMNS), int32(2), int32(1))
        synchronize()
    elif items[item + uint64(dwt_items.PARITY_X)] == 1:
        halve(shared, thread, tiles)
    if items[item + uint64(dwt_items.ROWS)] > 1:
        for tile in range(tiles):
            base = int32(int32(tile) * int32(SIZE_53) + int32(2) * pitch + int32(MARGIN_53))
            undo_update(shared, thread, base, int32(PAIR_ROWS + 1), pitch + pitch, int32(COLUMNS), int32(1), pitch)
        synchronize()
        for tile in range(tiles):
            base = int32(int32(tile) * int32(SIZE_53) + int32(3) * pitch + int32(MARGIN_53))
            undo_predict(shared, thread, base, int32(PAIR_ROWS), pitch + pitch, int32(COLUMNS), int32(1), pitch)
        synchronize()
    elif items[item + uint64(dwt_items.PARITY_Y)] == 1:
        halve(shared, thread, tiles)


@device_function
def lift_columns_97(shared, thread, tiles, first, pairs, factor):
    """Take one step along the rows of all tiles, from column `first` on."""
    for tile in range(tiles):
        base = int32(int32(tile) * int32(SIZE_97) + first)
        lift(shared, thread, base, int32(ROWS_97), int32(PITCH_97), pairs, int32(2), int32(1), factor)
    synchronize()


@device_function
def lift_rows_97(shared, thread, tiles, first, pairs, factor):
    """Take one step along the columns of all tiles, from row `first` on."""
    pitch = int32(PITCH_97)
    for tile in range(tiles):
        base = int32(int32(tile) * int32(SIZE_97) + first * pitch + int32(MARGIN_97))
        lift(shared, thread, base, pairs, pitch + pitch, int32(COLUMNS), int32(1), pitch, factor)
    synchronize()


@device_function
def lift_97(shared, thread, tiles, items, item):
    """Lift tiles along their rows, and then along their columns."""
    if items[item + uint64(dwt_items.COLUMNS)] > 1:
        lift_columns_97(shared, thread, tiles, int32(2), int32(PAIR_COLUMNS + 3), UNDO_DELTA)
        lift_columns_97(shared, thread, tiles, int32(3), int32(PAIR_COLUMNS + 2), UNDO_GAMMA)
        lift_columns_97(shared, thread, tiles, int32(4), int32(PAIR_COLUMNS + 1), UNDO_BETA)
        lift_columns_97(shared, thread, tiles, int32(5), int32(PAIR_COLUMNS), UNDO_ALPHA)
    if items[item + uint64(dwt_items.ROWS)] > 1:
        lift_rows_97(shared, thread, tiles, int32(2), int32(PAIR_ROWS + 3), UNDO_DELTA)
        lift_rows_97(shared, thread, tiles, int32(3), int32(PAIR_ROWS + 2), UNDO_GAMMA)
        lift_rows_97(shared, thread, tiles, int32(4), int32(PAIR_ROWS + 1), UNDO_BETA)
        lift_rows_97(shared, thread, tiles, int32(5), int32(PAIR_ROWS), UNDO_ALPHA)


@inline_function
def undo_rct(first, second, third):
    """Return red, green and blue, (G-6) to (G-8)."""
    green = int32(first - (int32(second + third) >> int32(2)))
    return int32(third + green), green, int32(second + green)


@inline_function
def undo_ict(first, second, third):
    """Return red, green and blue, (G-12) to (G-14)."""
    green = first - float32(0.344136) * second - float32(0.714136) * third
    return first + float32(1.402) * third, green, first + float32(1.772) * second


@inline_function
def number(items, item, column):
    """Return a column of an item as a position or a length."""
    return int32(items[item + uint64(column)])


def _tile_53(
    index, thread, shared, items, num_items, coefficients, coefficient_stride, lows, low_stride, output, output_stride,
    to_lows,
):  # fmt: skip
    """Reconstruct one rectangle of one component of one frame, or of all three with the RCT."""
    item, frame, low_frame, output_frame = places_of(index, num_items, coefficient_stride, low_stride, output_stride)
    top, left = even_origin(items, item, dwt_items.TOP), even_origin(items, item, dwt_items.LEFT)
    tiles = number(items, item, dwt_items.COMPONENTS)
    parity_y, rows = number(items, item, dwt_items.PARITY_Y), number(items, item, dwt_items.ROWS)
    parity_x, columns = number(items, item, dwt_items.PARITY_X), number(items, item, dwt_items.COLUMNS)
    for row in range(thread >> int32(5), int32(ROWS_53), int32(WARPS)):
        high_row, down = part_of(int32(top + row - int32(MARGIN_53)), parity_y, rows)
        for tile in range(tiles):
            even_band = int32(high_row + high_row)
            even = band_row(items, item, even_band, uint64(tile), down)
            odd = uint64(frame + band_row(items, item, int32(even_band + int32(1)), uint64(tile), down))
            to = int32(int32(tile) * int32(SIZE_53) + row * int32(PITCH_53))
            for column in range(thread & int32(31), int32(COLUMNS + 2 * MARGIN_53), int32(32)):
                high_column, across = part_of(int32(left + column - int32(MARGIN_53)), parity_x, columns)
                if high_column != int32(0):
                    shared[to + column] = coefficients[odd + across]
                elif high_row != int32(0):
                    shared[to + column] = coefficients[frame + even + across]
                else:
                    shared[to + column] = lows[low_frame + even + across]
    synchronize()
    lift_53(shared, thread, tiles, items, item)
    lowest, highest = number(items, item, dwt_items.LOWEST), number(items, item, dwt_items.HIGHEST)
    base, step = number(items, item, dwt_items.BASE), field(items, item, dwt_items.OUT_COMPONENT)
    first_row, end_row = number(items, item, dwt_items.TOP), number(items, item, dwt_items.BOTTOM)
    first_column, end_column = number(items, item, dwt_items.LEFT), number(items, item, dwt_items.RIGHT)
    pixel_stride = field(items, item, dwt_items.OUT_PIXEL)
    for row in range(thread >> int32(5), int32(ROWS), int32(WARPS)):
        if int32(top + row) < first_row or int32(top + row) >= end_row:
            continue
        below = uint64(int32(top + row - first_row))
        target = uint64(field(items, item, dwt_items.OUT) + below * field(items, item, dwt_items.OUT_ROW))
        for column in range(thread & int32(31), int32(COLUMNS), int32(32)):
            if int32(left + column) < first_column or int32(left + column) >= end_column:
                continue
            at = uint64(target + uint64(int32(left + column - first_column)) * pixel_stride)
            own = int32((row + int32(MARGIN_53)) * int32(PITCH_53) + column + int32(MARGIN_53))
            first = shared[own]
            if to_lows != int32(0):
                lows[low_frame + at] = first
                continue
            if tiles == int32(3):
                first, second, third = undo_rct(first, shared[own + int32(SIZE_53)], shared[own + int32(2 * SIZE_53)])
                output[output_frame + at + step] = finished(second, lowest, highest, int32(0), base)
                output[output_frame + at + step + step] = finished(third, lowest, highest, int32(0), base)
            output[output_frame + at] = finished(first, lowest, highest, int32(0), base)


def _tile_97(
    index, thread, shared, items, num_items, scales, coefficients, coefficient_stride, lows, low_stride, output,
    output_stride, to_lows,
):  # fmt: skip
    """Reconstruct one rectangle of one component of one frame, or of all three with the ICT."""
    item, frame, low_frame, output_frame = places_of(index, num_items, coefficient_stride, low_stride, output_stride)
    top, left = even_origin(items, item, dwt_items.TOP), even_origin(items, item, dwt_items.LEFT)
    tiles = number(items, item, dwt_items.COMPONENTS)
    parity_y, rows = number(items, item, dwt_items.PARITY_Y), number(items, item, dwt_items.ROWS)
    parity_x, columns = number(items, item, dwt_items.PARITY_X), number(items, item, dwt_items.COLUMNS)
    for row in range(thread >> int32(5), int32(ROWS_97), int32(WARPS)):
        high_row, down = part_of(int32(top + row - int32(MARGIN_97)), parity_y, rows)
        for tile in range(tiles):
            even_band = int32(high_row + high_row)
            even = band_row(items, item, even_band, uint64(tile), down)
            odd = uint64(frame + band_row(items, item, int32(even_band + int32(1)), uint64(tile), down))
            step = uint64(field(items, item, dwt_items.SCALES) + uint64(tile) * uint64(3) + uint64(even_band))
            odd_scale, even_scale = scales[step], float32(1)
            if high_row != int32(0):
                even_scale = scales[step - uint64(1)]
            to = int32(int32(tile) * int32(SIZE_97) + row * int32(PITCH_97))
            for column in range(thread & int32(31), int32(COLUMNS + 2 * MARGIN_97), int32(32)):
                high_column, across = part_of(int32(left + column - int32(MARGIN_97)), parity_x, columns)
                if high_column != int32(0):
                    shared[to + column] = float32(coefficients[odd + across]) * odd_scale
                elif high_row != int32(0):
                    shared[to + column] = float32(coefficients[frame + even + across]) * even_scale
                else:
                    shared[to + column] = lows[low_frame + even + across]
    synchronize()
    lift_97(shared, thread, tiles, items, item)
    lowest, highest = float32(items[item + uint64(dwt_items.LOWEST)]), float32(items[item + uint64(dwt_items.HIGHEST)])
    half = float32(0.5)
    base, step = number(items, item, dwt_items.BASE), field(items, item, dwt_items.OUT_COMPONENT)
    first_row, end_row = number(items, item, dwt_items.TOP), number(items, item, dwt_items.BOTTOM)
    first_column, end_column = number(items, item, dwt_items.LEFT), number(items, item, dwt_items.RIGHT)
    pixel_stride = field(items, item, dwt_items.OUT_PIXEL)
    for row in range(thread >> int32(5), int32(ROWS), int32(WARPS)):
        if int32(top + row) < first_row or int32(top + row) >= end_row:
            continue
        below = uint64(int32(top + row - first_row))
        target = uint64(field(items, item, dwt_items.OUT) + below * field(items, item, dwt_items.OUT_ROW))
        for column in range(thread & int32(31), int32(COLUMNS), int32(32)):
            if int32(left + column) < first_column or int32(left + column) >= end_column:
                continue
            at = uint64(target + uint64(int32(left + column - first_column)) * pixel_stride)
            own = int32((row + int32(MARGIN_97)) * int32(PITCH_97) + column + int32(MARGIN_97))
            first = shared[own]
            if to_lows != int32(0):
                lows[low_frame + at] = first
                continue
            if tiles == int32(3):
                first, second, third = undo_ict(first, shared[own + int32(SIZE_97)], shared[own + int32(2 * SIZE_97)])
                output[output_frame + at + step] = finished(second, lowest, highest, half, base)
                output[output_frame + at + step + step] = finished(third, lowest, highest, half, base)
            output[output_frame + at] = finished(first, lowest, highest, half, base)


_ARGUMENTS_53 = "int64[::1], uint64, int32[::1], uint64, int32[::1], uint64, {}[::1], uint64, int32"
_ARGUMENTS_97 = "int64[::1], uint64, float32[::1], int32[::1], uint64, float32[::1], uint64, {}[::1], uint64, int32"
_BLOCK_53 = {"threads": THREADS, "shared_type": "int32", "shared_size": MAX_COMPONENTS * SIZE_53}
_BLOCK_97 = {"threads": THREADS, "shared_type": "float32", "shared_size": MAX_COMPONENTS * SIZE_97}
tile_53_8 = block_kernel(_ARGUMENTS_53.format("uint8"), **_BLOCK_53)(_tile_53)
tile_53_16 = block_kernel(_ARGUMENTS_53.format("uint16"), **_BLOCK_53)(_tile_53)
tile_53_32 = block_kernel(_ARGUMENTS_53.format("uint32"), **_BLOCK_53)(_tile_53)
tile_97_8 = block_kernel(_ARGUMENTS_97.format("uint8"), **_BLOCK_97)(_tile_97)
tile_97_16 = block_kernel(_ARGUMENTS_97.format("uint16"), **_BLOCK_97)(_tile_97)
tile_97_32 = block_kernel(_ARGUMENTS_97.format("uint32"), **_BLOCK_97)(_tile_97)
TILES: dict[tuple[bool, int], Any] = {
    (True, 1): tile_53_8, (True, 2): tile_53_16, (True, 4): tile_53_32,
    (False, 1): tile_97_8, (False, 2): tile_97_16, (False, 4): tile_97_32,
}  # fmt: skip
