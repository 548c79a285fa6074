"""What the 5/3 and the 9/7 wavelet have in common: the levels of a decomposition and how each is cut into indices.

A level reads the low-pass subband of the level before (or the frames) and writes its own four subbands: HL, LH and HH
to their places in the planes, LL to an array of its own, of which two take turns, or to the planes where the level
is the last. Nothing is read that the same launch writes, so that an index may be any group of rows: it filters the
few rows above and below its own once more.

Bytes a sample over all levels, on top of the b bytes of a frame's sample: 4 written to the planes and 4/3 written to
and read from the low-pass arrays, beside 4 at least. Memory: the planes, 5/4 bytes a sample for two low-pass arrays,
and a few lines for each index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from numpy import uint64

from gpucodec_kernels.component_transform import Source

# Row groups are cut so that there are this many indices at least, but not into less than so many pairs of rows: each
# filters up to five rows that are not its own.
_INDICES = 16
MIN_PAIRS = 16
ALIGNED = uint64(0xFFFFFFFFFFFFFFF0)  # whole vectors of 64 bytes

_KEPT_SAMPLES = 1 << 20  # of more than these, memory is given back


def line_pitch(columns: int) -> int:
    """Return how far lines lie apart: room for two halves, each from a multiple of 64 bytes on, extended by one."""
    return (columns + 48) // 16 * 16


@dataclass(frozen=True)
class Level:
    """One level's launch.

    Parameters
    ----------
    number : int
        1 for the finest.
    is_last : bool
        Whether LL goes to the planes.
    num_frames : int
        Number of frames, or of planes from the second level on.
    low_input : array
        The low-pass subbands of the level before, ``(planes, rows, columns)``; an empty array at the first level.
    input_layout : tuple of int
        Distances between planes, rows, pixels and components, then rows, columns, and components of an index.
    groups, pairs : int
        How many indices each of them has, and how many pairs of rows each but the last takes.
    low : array
        Where LL goes; an empty array at the last level.
    low_layout : tuple of int
        Distances in `low` between planes and between rows.
    lines : array
        Lines for all indices.
    """

    number: int
    is_last: bool
    num_frames: int
    low_input: Any
    input_layout: tuple[int, ...]
    groups: int
    pairs: int
    low: Any
    low_layout: tuple[int, int]
    lines: Any


def walk_levels(where: Any, source: Source, levels: int, dtype: str, num_lines: int) -> Iterator[Level]:
    """Yield the levels of a decomposition from the finest on.

    Levels that have one sample to work on change nothing, and are left out.

    Parameters
    ----------
    where : Executor
        What allocates.
    source : Source
        The frames.
    levels : int
        Number of levels, 1 or more.
    dtype : str
        Of the low-pass arrays and the lines.
    num_lines : int
        How many lines an index needs for each component.
    """
    rows, columns = source.rows, source.columns
    frames, components, strides = source.num_frames, source.components, source.strides
    low_input = empty = where.empty(0, dtype)
    for number in range(1, levels + 1):
        low_rows, low_columns = (rows + 1) // 2, (columns + 1) // 2
        low_size = low_rows * low_columns
        is_last = number == levels or low_size == 1
        low = empty if is_last else _kept(where, source, f"dwt_low{number % 2}", source.num_planes * low_size, dtype)
        groups = max(1, min(-(-_INDICES // frames), low_rows // MIN_PAIRS))
        pairs = -(-low_rows // groups)
        num_values = frames * groups * components * num_lines * line_pitch(columns)
        lines = _kept(where, source, "dwt_lines", num_values, dtype)
        layout = (*strides, rows, columns, components)
        yield Level(number, is_last, frames, low_input, layout, groups, pairs, low, (low_size, low_columns), lines)
        if is_last:
            return
        rows, columns, low_input = low_rows, low_columns, low
        frames, components, strides = source.num_planes, 1, (rows * columns, columns, 1, 0)


def _kept(where: Any, source: Source, name: str, size: int, dtype: str) -> Any:
    """Return memory that is kept for the next portion, or given back where frames are large."""
    if source.num_planes * source.rows * source.columns > _KEPT_SAMPLES:
        return where.temporary(size, dtype)
    return where.scratch(name, size, dtype)
