"""The reversible 5/3 wavelet, ITU-T T.800 Annex F: lifting in integers, a level of all frames in one launch.

An index takes a group of pairs of rows through both directions: it reads each row once (from the frames, with level
shift and component transform, or from the last level's LL), lifts pairs of rows in lines of its own, then each row
along itself, and writes it as two halves. The lines stay in the processor's cache.

Lines of an index, for each component: two even rows and two odd rows, by the parity of the pair, and one line in which
a row's even samples lie before its odd ones, with room for the extension at either end.

Bytes moved: see `gpucodec_kernels.dwt_levels`.
"""

from __future__ import annotations

from typing import Any

from numpy import int32, uint64

from gpucodec_kernels import dwt_tiles
from gpucodec_kernels.component_transform import Source, load_reversible, transform_reversible
from gpucodec_kernels.dwt_levels import ALIGNED, walk_levels
from gpucodec_kernels.target import device_function, kernel

_LINES = 5


@device_function
def predict(lines, line, left, right, columns):
    """Make odd samples high-pass, (F-9)."""
    for column in range(columns):
        total = int32(lines[left + column] + lines[right + column])
        lines[line + column] = int32(lines[line + column] - (total >> int32(1)))


@device_function
def update(lines, line, left, right, columns):
    """Make even samples low-pass, (F-10)."""
    for column in range(columns):
        total = int32(lines[left + column] + lines[right + column] + int32(2))
        lines[line + column] = int32(lines[line + column] + (total >> int32(2)))


@device_function
def filter_line(lines, line, halves, columns):
    """Transform a line: low-pass samples to `halves`, high-pass ones from the place that is returned on."""
    highs = uint64(columns >> uint64(1))
    lows = uint64(columns - highs)
    odd = uint64(halves + ((lows + uint64(32)) & ALIGNED))
    if highs == uint64(0):
        lines[halves] = lines[line]
        return odd
    for n in range(highs):
        at = uint64(line + n * uint64(2))
        lines[halves + n] = lines[at]
        lines[odd + n] = lines[at + uint64(1)]
    # Symmetric extension: one even sample behind the last, or the last itself; one odd sample at either end.
    lines[halves + highs] = lines[line + (lows - uint64(1)) * uint64(2)]
    predict(lines, odd, halves, halves + uint64(1), highs)
    lines[odd - uint64(1)] = lines[odd]
    lines[odd + highs] = lines[odd + highs - uint64(1)]
    update(lines, halves, odd - uint64(1), odd, lows)
    return odd


@device_function
def copy_line(lines, line, count, target, at):
    """Copy a part of a line."""
    for n in range(count):
        target[at + n] = lines[line + n]


@device_function
def lift_even_row(lines, even, odd_above, odd_below, has_above, has_below, columns):
    """Make an even row low-pass with the odd rows beside it; at an edge one of them stands for both."""
    if not has_above:
        odd_above = odd_below
    if not has_below:
        odd_below = odd_above
    if has_above or has_below:
        update(lines, even, odd_above, odd_below, columns)


def _decompose(
    index, samples, frame_stride, row_stride, pixel_stride, component_stride, rows, columns, components,
    color, flip, shift, groups, pairs, lines, low, is_last, low_plane, low_pitch, planes, plane, pitch,
):  # fmt: skip
    """Filter one group of row pairs of all components of one frame, or of one plane's LL."""
    low_rows = uint64((rows + uint64(1)) >> uint64(1))
    low_columns = uint64((columns + uint64(1)) >> uint64(1))
    frame = uint64(index) // groups
    first = uint64((uint64(index) % groups) * pairs)
    stop = min(uint64(first + pairs), low_rows)
    begin = uint64(first - min(first, uint64(1)))  # the odd row above the group is filtered once more
    source = uint64(frame * frame_stride)
    line_pitch = uint64((columns + uint64(48)) & ALIGNED)
    own_pitch = uint64(line_pitch * uint64(_LINES))
    own = uint64(uint64(index) * components * own_pitch)
    loaded = uint64(begin * uint64(2))
    for turn in range(begin, stop):
        pair = uint64(turn)
        parity = uint64(pair & uint64(1))
        even = uint64(own + parity * line_pitch)
        next_even = uint64(own + (uint64(1) - parity) * line_pitch)
        odd = uint64(even + line_pitch * uint64(2))
        odd_above = uint64(next_even + line_pitch * uint64(2))
        has_odd = uint64(pair * uint64(2) + uint64(1)) < rows
        end = min(uint64(pair * uint64(2) + uint64(3)), rows)
        while loaded < end:
            slot = uint64(((loaded >> uint64(1)) & uint64(1)) + uint64(2) * (loaded & uint64(1)))
            load_reversible(
                samples, source + loaded * row_stride, pixel_stride, component_stride, columns, components,
                color, flip, shift, lines, own + slot * line_pitch, own_pitch,
            )  # fmt: skip
            loaded = uint64(loaded + uint64(1))
        if uint64(pair * uint64(2) + uint64(2)) >= rows:
            next_even = even
        for component in range(components):
            skip = uint64(uint64(component) * own_pitch)
            if has_odd:
                predict(lines, odd + skip, even + skip, next_even + skip, columns)
            if pair < first:
                continue
            has_above = pair > uint64(0)
            lift_even_row(lines, even + skip, odd_above + skip, odd + skip, has_above, has_odd, columns)
            where = uint64(frame * components + uint64(component))
            at = uint64(where * plane + pair * pitch)
            halves = uint64(own + skip + line_pitch * uint64(4))
            high = filter_line(lines, even + skip, halves, columns)
            if is_last != int32(0):
                copy_line(lines, halves, low_columns, planes, at)
            else:
                copy_line(lines, halves, low_columns, low, where * low_plane + pair * low_pitch)
            copy_line(lines, high, columns - low_columns, planes, at + low_columns)
            if has_odd:
                at = uint64(at + low_rows * pitch)
                high = filter_line(lines, odd + skip, halves, columns)
                copy_line(lines, halves, low_columns, planes, at)
                copy_line(lines, high, columns - low_columns, planes, at + low_columns)


_ARGUMENTS = (
    "uint64, uint64, uint64, uint64, uint64, uint64, uint64, int32, int32, int32, uint64, uint64, int32[::1], "
    "int32[::1], int32, uint64, uint64, int32[::1], uint64, uint64"
)
decompose_8 = kernel(f"uint8[::1], {_ARGUMENTS}", gpu=False)(_decompose)
decompose_16 = kernel(f"uint16[::1], {_ARGUMENTS}", gpu=False)(_decompose)
decompose_32 = kernel(f"uint32[::1], {_ARGUMENTS}", gpu=False)(_decompose)
_DECOMPOSE = {1: decompose_8, 2: decompose_16, 4: decompose_32}


def forward(where: Any, source: Source, color: bool, levels: int, planes: Any, tiles: bool | None = None) -> None:
    """Transform frames to the subbands of their component planes.

    Parameters
    ----------
    where : Executor
        What launches and allocates.
    source : Source
        The frames.
    color : bool
        Whether the first three components are transformed (RCT).
    levels : int
        Number of decomposition levels, 0 to 32.
    planes : array
        ``(frames, components, rows, columns)`` flat int32. LL of the last level is in the top left corner, HL of
        each level right of its LL, LH below, HH beside both.
    tiles : bool, optional
        Whether blocks of threads take tiles (`gpucodec_kernels.dwt_tiles`); they do on GPUs.
    """
    if levels == 0:
        transform_reversible(where, source, color, planes)
        return
    if dwt_tiles.can_transform(source, color) and (where.backend == "cuda" if tiles is None else tiles):
        dwt_tiles.forward_53(where, source, color, levels, planes)
        return
    layout = (source.rows * source.columns, source.columns)
    for level in walk_levels(where, source, levels, "i4", _LINES):
        # LL of the level before is read as frames of 32-bit samples that need no conversion.
        if level.number == 1:
            samples, conversion = source.samples, (int(color), *source.level_shift)
        else:
            samples, conversion = level.low_input.view("u4"), (0, 0, 0)
        count = level.num_frames * level.groups
        where.launch(
            _DECOMPOSE[samples.dtype.itemsize], count, samples, *level.input_layout, *conversion,
            level.groups, level.pairs, level.lines, level.low, int(level.is_last), *level.low_layout, planes, *layout,
        )  # fmt: skip
