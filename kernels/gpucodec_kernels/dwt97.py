"""The irreversible 9/7 wavelet, ITU-T T.800 Annex F: lifting in float32, a level of all frames in one launch.

As in `gpucodec_kernels.dwt53` an index takes a group of pairs of rows through both directions, with lines of its own.
Subbands that are final are quantised while they are written, so that planes are int32 from the first level on.

Low-pass samples are scaled by 1/K and high-pass ones by K, as the standard has it: a gain of 1 at zero frequency, and
of 2 at the highest. The order of operations is that of other encoders, vertical before horizontal and each step
``sample += factor * (before + after)``, so that float32 rounds alike. On GPUs a multiplication and an addition fuse:
results differ there in the last bits.

Lines of an index, for each component: three even and three odd rows, by the pair modulo 3, and one line in which a
row's even samples lie before its odd ones, with room for the extension at either end.

Bytes moved: see `gpucodec_kernels.dwt_levels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import float32, int32, uint64

from gpucodec_kernels.component_transform import Source, load_irreversible, transform_irreversible
from gpucodec_kernels.dwt_levels import ALIGNED, walk_levels
from gpucodec_kernels.quantization import FRACTION_BITS, quantize_line
from gpucodec_kernels.target import device_function, kernel

# Table F.4
ALPHA = float32(-1.586134342)
BETA = float32(-0.052980118)
GAMMA = float32(0.882911075)
DELTA = float32(0.443506852)
K = float32(1.230174105)
INVERSE_K = float32(1 / 1.230174105)

_LINES = 7


@device_function
def lift(lines, line, left, right, factor, columns):
    """Add `factor` times the sum of the samples on either side, (F-11)."""
    for column in range(columns):
        lines[line + column] += factor * (lines[left + column] + lines[right + column])


@device_function
def filter_line(lines, line, factor, halves, columns):
    """Transform a line times `factor`: low-pass samples to `halves`, high-pass from the place that is returned on.

    They still lack the factors 1/K and K.
    """
    highs = uint64(columns >> uint64(1))
    lows = uint64(columns - highs)
    odd = uint64(halves + ((lows + uint64(32)) & ALIGNED))
    if highs == uint64(0):
        lines[halves] = lines[line] * factor
        return odd
    for n in range(highs):
        at = uint64(line + n * uint64(2))
        lines[halves + n] = lines[at] * factor
        lines[odd + n] = lines[at + uint64(1)] * factor
    if lows > highs:
        lines[halves + highs] = lines[line + highs * uint64(2)] * factor
    lift_odd(lines, halves, odd, ALPHA, lows, highs)
    lift_even(lines, halves, odd, BETA, lows, highs)
    lift_odd(lines, halves, odd, GAMMA, lows, highs)
    lift_even(lines, halves, odd, DELTA, lows, highs)
    return odd


@device_function
def lift_odd(lines, even, odd, factor, lows, highs):
    """Lift a line's odd samples; where it ends with one, the even sample behind it is the one before it."""
    if lows == highs:
        lines[even + lows] = lines[even + lows - uint64(1)]
    lift(lines, odd, even, even + uint64(1), factor, highs)


@device_function
def lift_even(lines, even, odd, factor, lows, highs):
    """Lift a line's even samples; the odd samples beyond its ends are the first and the last."""
    lines[odd - uint64(1)] = lines[odd]
    lines[odd + highs] = lines[odd + highs - uint64(1)]
    lift(lines, even, odd - uint64(1), odd, factor, lows)


@device_function
def scale_line(lines, line, factor, count, low, at):
    """Write a part of a line times `factor`."""
    for n in range(count):
        low[at + n] = lines[line + n] * factor


@device_function
def load_low(low_input, at, columns, lines, line):
    """Copy a row of LL to a line."""
    for column in range(columns):
        lines[line + column] = low_input[at + column]


@device_function
def load_row(
    samples, low_input, from_frames, at, pixel_stride, component_stride, columns, components, color, flip, shift,
    lines, line, pitch,
):  # fmt: skip
    """Read a row of a frame, a line for each component, or of the last level's LL."""
    if from_frames != int32(0):
        load_irreversible(
            samples, at, pixel_stride, component_stride, columns, components, color, flip, shift, lines, line, pitch
        )
    else:
        load_low(low_input, at, columns, lines, line)


@device_function
def lift_odd_row(lines, own, pitch, pair, low_rows, factor, columns):
    """Lift the odd row of a pair with the even rows above and below; the last one may have none below."""
    below = uint64(pair + uint64(1))
    if below == low_rows:
        below = pair
    odd = uint64(own + (uint64(3) + pair % uint64(3)) * pitch)
    lift(lines, odd, own + (pair % uint64(3)) * pitch, own + (below % uint64(3)) * pitch, factor, columns)


@device_function
def lift_even_row(lines, own, pitch, pair, high_rows, factor, columns):
    """Lift the even row of a pair with the odd rows above and below; the first and the last may have one."""
    above = uint64(pair - min(pair, uint64(1)))
    below = pair
    if below == high_rows:
        below = above
    odd = uint64(own + uint64(3) * pitch)
    left = uint64(odd + (above % uint64(3)) * pitch)
    lift(lines, own + (pair % uint64(3)) * pitch, left, odd + (below % uint64(3)) * pitch, factor, columns)


def _decompose(
    index, samples, low_input, from_frames, frame_stride, row_stride, pixel_stride, component_stride,
    rows, columns, components, color, flip, shift, groups, pairs, lines,
    low, is_last, low_plane, low_pitch, planes, plane, pitch, step_ll, step_hl, step_lh, step_hh,
):  # fmt: skip
    """Filter one group of row pairs of all components of one frame, or of one plane's LL."""
    low_rows = uint64((rows + uint64(1)) >> uint64(1))
    high_rows = uint64(rows >> uint64(1))
    low_columns = uint64((columns + uint64(1)) >> uint64(1))
    frame = uint64(index) // groups
    first = uint64((uint64(index) % groups) * pairs)
    stop = min(uint64(first + pairs), low_rows)
    begin = uint64(first - min(first, uint64(2)))  # four rows above the group are filtered once more
    source = uint64(frame * frame_stride)
    line_pitch = uint64((columns + uint64(48)) & ALIGNED)
    own_pitch = uint64(line_pitch * uint64(_LINES))
    own = uint64(uint64(index) * components * own_pitch)
    # A single row or column is left as it is.
    row_low, row_high, column_low, column_high = INVERSE_K, K, INVERSE_K, K
    if high_rows == uint64(0):
        row_low = float32(1)
    if columns == uint64(1):
        column_low = float32(1)
    loaded = uint64(begin * uint64(2))
    # Each turn takes the first two steps on one pair, and the last two on the pair above it, which is then done.
    for turn in range(begin, stop + uint64(1)):
        pair = uint64(turn)
        above = uint64(pair - min(pair, uint64(1)))
        end = min(uint64(pair * uint64(2) + uint64(3)), rows)
        while loaded < end:
            slot = uint64((loaded >> uint64(1)) % uint64(3) + uint64(3) * (loaded & uint64(1)))
            load_row(
                samples, low_input, from_frames, source + loaded * row_stride, pixel_stride, component_stride,
                columns, components, color, flip, shift, lines, own + slot * line_pitch, own_pitch,
            )  # fmt: skip
            loaded = uint64(loaded + uint64(1))
        for component in range(components):
            mine = uint64(own + uint64(component) * own_pitch)
            if pair < high_rows:
                lift_odd_row(lines, mine, line_pitch, pair, low_rows, ALPHA, columns)
            if pair < low_rows and high_rows > uint64(0) and (pair > begin or begin == uint64(0)):
                lift_even_row(lines, mine, line_pitch, pair, high_rows, BETA, columns)
            if pair == uint64(0) or pair < first:
                continue
            if above < high_rows:
                lift_odd_row(lines, mine, line_pitch, above, low_rows, GAMMA, columns)
            if above < first or pair == first:
                continue
            if high_rows > uint64(0):
                lift_even_row(lines, mine, line_pitch, above, high_rows, DELTA, columns)
            halves = uint64(mine + line_pitch * uint64(6))
            where = uint64(frame * components + uint64(component))
            at = uint64(where * plane + above * pitch)
            high = filter_line(lines, mine + (above % uint64(3)) * line_pitch, row_low, halves, columns)
            if is_last != int32(0):
                quantize_line(lines, halves, low_columns, column_low, step_ll, planes, at)
            else:
                scale_line(lines, halves, column_low, low_columns, low, where * low_plane + above * low_pitch)
            quantize_line(lines, high, columns - low_columns, column_high, step_hl, planes, at + low_columns)
            if above < high_rows:
                at = uint64(at + low_rows * pitch)
                odd = uint64(mine + (uint64(3) + above % uint64(3)) * line_pitch)
                high = filter_line(lines, odd, row_high, halves, columns)
                quantize_line(lines, halves, low_columns, column_low, step_lh, planes, at)
                quantize_line(lines, high, columns - low_columns, column_high, step_hh, planes, at + low_columns)


_ARGUMENTS = (
    "float32[::1], int32, uint64, uint64, uint64, uint64, uint64, uint64, uint64, int32, int32, int32, uint64, uint64, "
    "float32[::1], float32[::1], int32, uint64, uint64, int32[::1], uint64, uint64, float32, float32, float32, float32"
)
decompose_8 = kernel(f"uint8[::1], {_ARGUMENTS}", gpu=False)(_decompose)
decompose_16 = kernel(f"uint16[::1], {_ARGUMENTS}", gpu=False)(_decompose)
decompose_32 = kernel(f"uint32[::1], {_ARGUMENTS}", gpu=False)(_decompose)
_DECOMPOSE = {1: decompose_8, 2: decompose_16, 4: decompose_32}


def forward(
    where: Any,
    source: Source,
    color: bool,
    levels: int,
    steps: np.ndarray[Any, np.dtype[np.float32]],
    planes: Any,
    fraction_bits: int = FRACTION_BITS,
    tiles: bool | None = None,
) -> None:
    """Transform frames to the quantised subbands of their component planes.

    Parameters
    ----------
    where : Executor
        What launches and allocates.
    source : Source
        The frames.
    color : bool
        Whether the first three components are transformed (ICT).
    levels : int
        Number of decomposition levels, 0 to 32.
    steps : numpy.ndarray
        Step of each subband in units of the sample, float32, in the order of QCD.
    planes : array
        ``(frames, components, rows, columns)`` flat int32: multiples of the step with `fraction_bits` bits of
        fraction. LL of the last level is in the top left corner, HL of each level right of its LL, LH below, HH
        beside both.
    fraction_bits : int
        Bits of a step's fraction to keep.
    tiles : bool, optional
        Whether blocks of threads take tiles (`gpucodec_kernels.dwt_tiles`); they do on GPUs.
    """
    fine = steps.astype(np.float32) / np.float32(1 << fraction_bits)
    if levels == 0:
        transform_irreversible(where, source, color, fine[0], planes)
        return
    from gpucodec_kernels import dwt_tiles  # which takes this module's filter

    if dwt_tiles.can_transform(source, color) and (where.backend == "cuda" if tiles is None else tiles):
        dwt_tiles.forward_97(where, source, color, levels, fine, planes)
        return
    layout = (source.rows * source.columns, source.columns)
    for level in walk_levels(where, source, levels, "f4", _LINES):
        details = fine[3 * (levels - level.number) + 1 :][:3]
        from_frames = level.number == 1
        conversion = (int(color), *source.level_shift) if from_frames else (0, 0, 0)
        count = level.num_frames * level.groups
        where.launch(
            _DECOMPOSE[source.samples.dtype.itemsize], count, source.samples, level.low_input, int(from_frames),
            *level.input_layout, *conversion, level.groups, level.pairs, level.lines,
            level.low, int(level.is_last), *level.low_layout, planes, *layout, fine[0], *details,
        )  # fmt: skip
