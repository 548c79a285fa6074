"""Both wavelets for GPUs: a block of threads takes a tile through both directions of a level in shared memory.

Where `gpucodec_kernels.dwt53` and `gpucodec_kernels.dwt97` give rows to an index, which suits processors with caches
and vectors, a block here stages a tile of samples and the few around it that filtering needs, lifts all of them in
both directions, and writes the tile's part of the four subbands. Threads that are neighbours work on neighbouring
columns, so that accesses to device memory fall together; lines of the shared tile are an odd number of words apart,
so that accesses along a column meet no bank twice.

Samples beyond the picture's edges are read from where symmetric extension finds them: lifting then needs no cases. For
5/3 results are those of the other kernels, bit by bit; for 9/7 they are to within the rounding of float32, since
GPUs fuse multiplications and additions.

Bytes moved for each input sample of b bytes: 1.15 b read for 5/3 (a 32x64 tile with its margin is 35x67), 1.35 b for
9/7 (39x71), of which all but b come from the second-level cache, and 4 written; the least possible is b and 4.

Tile of a component: ``rows x columns`` words, margins included. With a colour transform a block takes all three.
"""

from __future__ import annotations

from typing import Any

from numpy import float32, int32, uint64

from gpucodec_kernels.component_transform import Source, ict, rct, shifted
from gpucodec_kernels.dwt97 import ALPHA, BETA, DELTA, GAMMA, INVERSE_K, K
from gpucodec_kernels.dwt_levels import Level, walk_levels
from gpucodec_kernels.quantization import quantize_value
from gpucodec_kernels.target import block_kernel, device_function, synchronize

THREADS, WARPS = 256, 8
PAIR_ROWS, PAIR_COLUMNS = 16, 32  # of a tile, without margins
MAX_COMPONENTS = 3

# Margins before the tile, one sample for each lifting step; behind it they are one less.
MARGIN_53, MARGIN_97 = 2, 4
ROWS_53, COLUMNS_53 = 2 * PAIR_ROWS + 3, 2 * PAIR_COLUMNS + 3
ROWS_97, COLUMNS_97 = 2 * PAIR_ROWS + 7, 2 * PAIR_COLUMNS + 7
SIZE_53, SIZE_97 = ROWS_53 * COLUMNS_53, ROWS_97 * COLUMNS_97


@device_function
def reflected(position, length):
    """Return where symmetric extension finds the sample at `position`, which may lie beyond either end (F.4.7)."""
    if position >= int32(0) and position < length:
        return position
    if length == int32(1):
        return int32(0)
    period = int32(int32(2) * (length - int32(1)))
    inside = int32(position % period)  # not negative, as Python has it
    if inside >= length:
        inside = int32(period - inside)
    return inside


@device_function
def predict(shared, thread, base, outer, outer_stride, inner, inner_stride, along):
    """Make samples high-pass with those `along` before and behind, (F-9); a warp takes an outer turn."""
    for turn in range(thread >> int32(5), outer, int32(WARPS)):
        for place in range(thread & int32(31), inner, int32(32)):
            at = int32(base + turn * outer_stride + place * inner_stride)
            total = int32(shared[at - along] + shared[at + along])
            shared[at] = int32(shared[at] - (total >> int32(1)))


@device_function
def update(shared, thread, base, outer, outer_stride, inner, inner_stride, along):
    """Make samples low-pass with those `along` before and behind, (F-10); a warp takes an outer turn."""
    for turn in range(thread >> int32(5), outer, int32(WARPS)):
        for place in range(thread & int32(31), inner, int32(32)):
            at = int32(base + turn * outer_stride + place * inner_stride)
            total = int32(shared[at - along] + shared[at + along] + int32(2))
            shared[at] = int32(shared[at] + (total >> int32(2)))


@device_function
def lift(shared, thread, base, outer, outer_stride, inner, inner_stride, along, factor):
    """Add `factor` times the sum of the samples `along` before and behind, (F-11); a warp takes an outer turn."""
    for turn in range(thread >> int32(5), outer, int32(WARPS)):
        for place in range(thread & int32(31), inner, int32(32)):
            at = int32(base + turn * outer_stride + place * inner_stride)
            shared[at] += factor * (shared[at - along] + shared[at + along])


@device_function
def predict_rows_53(shared, thread, tiles, first, pairs):
    """Take the first step of 5/3 between the rows of all tiles, from row `first` on."""
    pitch = int32(COLUMNS_53)
    for tile in range(tiles):
        base = int32(int32(tile) * int32(SIZE_53) + first * pitch)
        predict(shared, thread, base, pairs, int32(pitch + pitch), pitch, int32(1), pitch)
    synchronize()


@device_function
def update_rows_53(shared, thread, tiles, first, pairs):
    """Take the second step of 5/3 between the rows of all tiles, from row `first` on."""
    pitch = int32(COLUMNS_53)
    for tile in range(tiles):
        base = int32(int32(tile) * int32(SIZE_53) + first * pitch)
        update(shared, thread, base, pairs, int32(pitch + pitch), pitch, int32(1), pitch)
    synchronize()


@device_function
def filter_columns_53(shared, thread, tiles, pairs):
    """Take both steps of 5/3 along the tiles' own rows."""
    pitch, rows = int32(COLUMNS_53), int32(2 * PAIR_ROWS)
    for tile in range(tiles):
        base = int32(int32(tile) * int32(SIZE_53) + int32(MARGIN_53) * pitch + int32(1))
        predict(shared, thread, base, rows, pitch, int32(pairs + int32(1)), int32(2), int32(1))
    synchronize()
    for tile in range(tiles):
        base = int32(int32(tile) * int32(SIZE_53) + int32(MARGIN_53) * pitch + int32(2))
        update(shared, thread, base, rows, pitch, pairs, int32(2), int32(1))
    synchronize()


@device_function
def lift_rows_97(shared, thread, tiles, first, pairs, factor):
    """Take one step of 9/7 between the rows of all tiles, from row `first` on."""
    pitch = int32(COLUMNS_97)
    for tile in range(tiles):
        base = int32(int32(tile) * int32(SIZE_97) + first * pitch)
        lift(shared, thread, base, pairs, int32(pitch + pitch), pitch, int32(1), pitch, factor)
    synchronize()


@device_function
def lift_columns_97(shared, thread, tiles, first, pairs, factor):
    """Take one step of 9/7 along the tiles' own rows, from column `first` on."""
    pitch, rows = int32(COLUMNS_97), int32(2 * PAIR_ROWS)
    for tile in range(tiles):
        base = int32(int32(tile) * int32(SIZE_97) + int32(MARGIN_97) * pitch + first)
        lift(shared, thread, base, rows, pitch, pairs, int32(2), int32(1), factor)
    synchronize()


@device_function
def scale_rows_97(shared, thread, tiles):
    """Multiply the tiles' own low-pass rows by 1/K and their high-pass rows by K."""
    for tile in range(tiles):
        for row in range(thread >> int32(5), int32(2 * PAIR_ROWS), int32(WARPS)):
            factor = INVERSE_K
            if row & int32(1) != int32(0):
                factor = K
            base = int32(int32(tile) * int32(SIZE_97) + (row + int32(MARGIN_97)) * int32(COLUMNS_97))
            for column in range(thread & int32(31), int32(COLUMNS_97), int32(32)):
                shared[base + column] *= factor
    synchronize()


@device_function
def first_component(index, num_tiles, components, together):
    """Return a block's frame and the first component of it that the block takes."""
    unit = int32(index // num_tiles)
    groups = int32(components // together)
    return uint64(unit // groups), uint64((unit % groups) * together)


def _tile_53(
    index, thread, shared, samples, frame_stride, row_stride, pixel_stride, component_stride, rows, columns,
    components, color, flip, shift, tiles_down, tiles_across, low, is_last, low_plane, low_pitch, planes, plane, pitch,
):  # fmt: skip
    """Filter one tile of one component of one frame, or of all three components with the RCT."""
    together = int32(int32(1) + int32(2) * color)
    frame, component = first_component(index, int32(tiles_down * tiles_across), components, together)
    top = int32(int32((index // tiles_across) % tiles_down) * int32(2 * PAIR_ROWS))
    left = int32(int32(index % tiles_across) * int32(2 * PAIR_COLUMNS))
    source = uint64(frame * frame_stride + component * component_stride)
    for row in range(thread >> int32(5), int32(ROWS_53), int32(WARPS)):
        from_row = reflected(int32(top + row - int32(MARGIN_53)), rows)
        for column in range(thread & int32(31), int32(COLUMNS_53), int32(32)):
            from_column = reflected(int32(left + column - int32(MARGIN_53)), columns)
            at = uint64(source + uint64(from_row) * row_stride + uint64(from_column) * pixel_stride)
            to = int32(row * int32(COLUMNS_53) + column)
            first = shifted(samples[at], flip, shift)
            if color != int32(0):
                green = shifted(samples[at + component_stride], flip, shift)
                blue = shifted(samples[at + component_stride * uint64(2)], flip, shift)
                first, second, third = rct(first, green, blue)
                shared[to + int32(SIZE_53)] = second
                shared[to + int32(2 * SIZE_53)] = third
            shared[to] = first
    synchronize()
    if rows > int32(1):
        predict_rows_53(shared, thread, together, int32(1), int32(PAIR_ROWS + 1))
        update_rows_53(shared, thread, together, int32(2), int32(PAIR_ROWS))
    if columns > int32(1):
        filter_columns_53(shared, thread, together, int32(PAIR_COLUMNS))
    low_rows = int32((rows + int32(1)) >> int32(1))
    low_columns = int32((columns + int32(1)) >> int32(1))
    pair = int32(thread & int32(31))
    for tile in range(together):
        which = uint64(frame * uint64(components) + component + uint64(tile))
        for row in range(thread >> int32(5), int32(2 * PAIR_ROWS), int32(WARPS)):
            high_row = int32(row & int32(1))
            target_row = uint64(int32((top + row) >> int32(1)) + high_row * low_rows)
            base = int32(int32(tile) * int32(SIZE_53) + (row + int32(MARGIN_53)) * int32(COLUMNS_53))
            for high_column in range(int32(2)):
                column = int32(int32(2) * pair + int32(high_column))
                if int32(top + row) >= rows or int32(left + column) >= columns:
                    continue
                value = shared[base + column + int32(MARGIN_53)]
                target_column = uint64(int32((left + column) >> int32(1)) + int32(high_column) * low_columns)
                if is_last == int32(0) and high_row == int32(0) and int32(high_column) == int32(0):
                    low[which * low_plane + target_row * low_pitch + target_column] = value
                else:
                    planes[which * plane + target_row * pitch + target_column] = value


def _tile_97(
    index, thread, shared, samples, low_input, from_frames, frame_stride, row_stride, pixel_stride, component_stride,
    rows, columns, components, color, flip, shift, tiles_down, tiles_across,
    low, is_last, low_plane, low_pitch, planes, plane, pitch, step_ll, step_hl, step_lh, step_hh,
):  # fmt: skip
    """Filter one tile of one component of one frame, or of all three components with the ICT."""
    together = int32(int32(1) + int32(2) * color)
    frame, component = first_component(index, int32(tiles_down * tiles_across), components, together)
    top = int32(int32((index // tiles_across) % tiles_down) * int32(2 * PAIR_ROWS))
    left = int32(int32(index % tiles_across) * int32(2 * PAIR_COLUMNS))
    source = uint64(frame * frame_stride + component * component_stride)
    for row in range(thread >> int32(5), int32(ROWS_97), int32(WARPS)):
        from_row = reflected(int32(top + row - int32(MARGIN_97)), rows)
        for column in range(thread & int32(31), int32(COLUMNS_97), int32(32)):
            from_column = reflected(int32(left + column - int32(MARGIN_97)), columns)
            at = uint64(source + uint64(from_row) * row_stride + uint64(from_column) * pixel_stride)
            to = int32(row * int32(COLUMNS_97) + column)
            if from_frames == int32(0):
                shared[to] = low_input[at]
            elif color == int32(0):
                shared[to] = float32(shifted(samples[at], flip, shift))
            else:
                red = float32(shifted(samples[at], flip, shift))
                green = float32(shifted(samples[at + component_stride], flip, shift))
                blue = float32(shifted(samples[at + component_stride * uint64(2)], flip, shift))
                shared[to], shared[to + int32(SIZE_97)], shared[to + int32(2 * SIZE_97)] = ict(red, green, blue)
    synchronize()
    if rows > int32(1):
        lift_rows_97(shared, thread, together, int32(1), int32(PAIR_ROWS + 3), ALPHA)
        lift_rows_97(shared, thread, together, int32(2), int32(PAIR_ROWS + 2), BETA)
        lift_rows_97(shared, thread, together, int32(3), int32(PAIR_ROWS + 1), GAMMA)
        lift_rows_97(shared, thread, together, int32(4), int32(PAIR_ROWS), DELTA)
        scale_rows_97(shared, thread, together)
    column_low, column_high = float32(1), float32(1)
    if columns > int32(1):
        column_low, column_high = INVERSE_K, K
        lift_columns_97(shared, thread, together, int32(1), int32(PAIR_COLUMNS + 3), ALPHA)
        lift_columns_97(shared, thread, together, int32(2), int32(PAIR_COLUMNS + 2), BETA)
        lift_columns_97(shared, thread, together, int32(3), int32(PAIR_COLUMNS + 1), GAMMA)
        lift_columns_97(shared, thread, together, int32(4), int32(PAIR_COLUMNS), DELTA)
    low_rows = int32((rows + int32(1)) >> int32(1))
    low_columns = int32((columns + int32(1)) >> int32(1))
    pair = int32(thread & int32(31))
    for tile in range(together):
        which = uint64(frame * uint64(components) + component + uint64(tile))
        for row in range(thread >> int32(5), int32(2 * PAIR_ROWS), int32(WARPS)):
            if int32(top + row) >= rows:
                continue
            high_row = int32(row & int32(1))
            target_row = uint64(int32((top + row) >> int32(1)) + high_row * low_rows)
            base = int32(int32(tile) * int32(SIZE_97) + (row + int32(MARGIN_97)) * int32(COLUMNS_97))
            step_low, step_high = step_ll, step_hl
            if high_row != int32(0):
                step_low, step_high = step_lh, step_hh
            column = int32(int32(2) * pair)
            target = uint64(which * plane + target_row * pitch + uint64(int32(left >> int32(1)) + pair))
            if int32(left + column) < columns:
                value = shared[base + column + int32(MARGIN_97)]
                if is_last == int32(0) and high_row == int32(0):
                    target_column = uint64(int32(left >> int32(1)) + pair)
                    low[which * low_plane + target_row * low_pitch + target_column] = value * column_low
                else:
                    planes[target] = quantize_value(value, column_low, step_low)
            if int32(left + column + int32(1)) < columns:
                value = shared[base + column + int32(MARGIN_97 + 1)]
                planes[target + uint64(low_columns)] = quantize_value(value, column_high, step_high)


_LAYOUT = "uint64, uint64, uint64, uint64, int32, int32, int32, int32, int32, int32, int32, int32"
_ARGUMENTS_53 = f"{_LAYOUT}, int32[::1], int32, uint64, uint64, int32[::1], uint64, uint64"
_ARGUMENTS_97 = (
    f"float32[::1], int32, {_LAYOUT}, float32[::1], int32, uint64, uint64, int32[::1], uint64, uint64, "
    "float32, float32, float32, float32"
)
_BLOCK_53 = {"threads": THREADS, "shared_type": "int32", "shared_size": MAX_COMPONENTS * SIZE_53}
_BLOCK_97 = {"threads": THREADS, "shared_type": "float32", "shared_size": MAX_COMPONENTS * SIZE_97}
tile_53_8 = block_kernel(f"uint8[::1], {_ARGUMENTS_53}", **_BLOCK_53)(_tile_53)
tile_53_16 = block_kernel(f"uint16[::1], {_ARGUMENTS_53}", **_BLOCK_53)(_tile_53)
tile_53_32 = block_kernel(f"uint32[::1], {_ARGUMENTS_53}", **_BLOCK_53)(_tile_53)
tile_97_8 = block_kernel(f"uint8[::1], {_ARGUMENTS_97}", **_BLOCK_97)(_tile_97)
tile_97_16 = block_kernel(f"uint16[::1], {_ARGUMENTS_97}", **_BLOCK_97)(_tile_97)
tile_97_32 = block_kernel(f"uint32[::1], {_ARGUMENTS_97}", **_BLOCK_97)(_tile_97)
_TILE_53 = {1: tile_53_8, 2: tile_53_16, 4: tile_53_32}
_TILE_97 = {1: tile_97_8, 2: tile_97_16, 4: tile_97_32}


def can_transform(source: Source, color: bool) -> bool:
    """Return whether tiles hold what a level needs at once: the three components of a colour transform, or one."""
    return not color or source.components == MAX_COMPONENTS


def forward_53(where: Any, source: Source, color: bool, levels: int, planes: Any) -> None:
    """Do what `gpucodec_kernels.dwt53.forward` does, for one level or more."""
    layout = (source.rows * source.columns, source.columns)
    for level in walk_levels(where, source, levels, "i4", 0):
        if level.number == 1:
            samples, conversion = source.samples, (int(color), *source.level_shift)
        else:
            samples, conversion = level.low_input.view("u4"), (0, 0, 0)
        count, down, across = _num_tiles(level, bool(conversion[0]))
        where.launch(
            _TILE_53[samples.dtype.itemsize], count, samples, *level.input_layout, *conversion, down, across,
            level.low, int(level.is_last), *level.low_layout, planes, *layout,
        )  # fmt: skip


def forward_97(where: Any, source: Source, color: bool, levels: int, steps: Any, planes: Any) -> None:
    """Do what `gpucodec_kernels.dwt97.forward` does, for one level or more; `steps` with their bits of fraction."""
    layout = (source.rows * source.columns, source.columns)
    for level in walk_levels(where, source, levels, "f4", 0):
        details = steps[3 * (levels - level.number) + 1 :][:3]
        from_frames = level.number == 1
        conversion = (int(color), *source.level_shift) if from_frames else (0, 0, 0)
        count, down, across = _num_tiles(level, bool(conversion[0]))
        where.launch(
            _TILE_97[source.samples.dtype.itemsize], count, source.samples, level.low_input, int(from_frames),
            *level.input_layout, *conversion, down, across,
            level.low, int(level.is_last), *level.low_layout, planes, *layout, steps[0], *details,
        )  # fmt: skip


def _num_tiles(level: Level, color: bool) -> tuple[int, int, int]:
    """Return how many tiles a level has, and how many of them lie below and beside each other in a plane."""
    *_, rows, columns, components = level.input_layout
    down, across = -(-rows // (2 * PAIR_ROWS)), -(-columns // (2 * PAIR_COLUMNS))
    return level.num_frames * (1 if color else components) * down * across, down, across
