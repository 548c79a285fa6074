"""The inverse wavelet of whole frames: what tables describe it, and the launches that do it.

`Tables` say where subbands lie and where samples go, for one frame: tiles, regions, discarded resolution levels, and
components that are coded each in its own way are nothing but rows of them. `Inverse` cuts the work into items
(`gpucodec_kernels.dwt_items`) and launches one kernel a level, for all tiles and components of all frames.

Nothing is read that the same launch writes: a level reads `coefficients` and the LL that the level before left in
`lows`, where two halves take turns. The last level stores samples, unless three components that belong together were
decomposed in different ways: then it leaves planes in `lows` like any other, and a kernel stores them.

Bytes a sample over all levels: 4 read from the coefficients, 4/3 written to and read from `lows`, and the b bytes of
the sample written; the least possible is 4 and b. Memory beside coefficients and samples: 5/4 bytes a sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpucodec_kernels import component_inverse, dwt53_inverse, dwt97_inverse, dwt_items, dwt_tiles_inverse
from gpucodec_kernels.dwt_tables import CHAIN, JOB, STORE, Step, Tables, mallat_tables, steps_of

__all__ = ["CHAIN", "JOB", "STORE", "Inverse", "Tables", "mallat_tables"]

Array = np.ndarray[Any, Any]

_TILES = 0  # in place of a number of frames: rectangles for blocks of threads
_INDICES = 16  # rectangles are cut so that there are this many indices at least,
_MIN_ROWS = 32  # but not so that they have fewer rows: each lifts a few that are not its own
_STRIP = 2 * dwt_items.PAIRS  # columns of a rectangle, at most
_MOST_LINES = 1 << 20  # elements of all indices' lines in one launch, but for a single frame's item


@dataclass(frozen=True)
class _Launch:
    """A step cut into items, with what kernels need to know of its lines."""

    step: Step
    items: Array
    own_size: int

    def portions(self, num_frames: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield frames and items of launches whose lines do not take too much: firsts and numbers of both."""
        most = max(1, _MOST_LINES // max(1, self.own_size))
        items, frames = min(most, len(self.items)), max(1, most // len(self.items))
        for first in range(0, num_frames, frames):
            for first_item in range(0, len(self.items), items):
                yield first, min(frames, num_frames - first), first_item, min(items, len(self.items) - first_item)


class Inverse:
    """The inverse wavelet and component transform of frames that `tables` describe.

    Parameters
    ----------
    tables : Tables
        What a frame is made of.

    Raises
    ------
    ValueError
        If the tables contradict each other.

    Attributes
    ----------
    low_size : int
        How many elements of scratch each frame needs.
    """

    def __init__(self, tables: Tables) -> None:
        self._steps, self.low_size = steps_of(tables)
        self._launches: dict[int, list[_Launch]] = {}
        self._uploaded: dict[tuple[str, int], list[tuple[Any, Any]]] = {}

    def __call__(
        self,
        where: Any,
        num_frames: int,
        coefficients: Any,
        coefficient_stride: int,
        output: Any,
        output_stride: int,
        tiles: bool | None = None,
    ) -> None:
        """Reconstruct frames.

        Parameters
        ----------
        where : Executor
            What launches and allocates.
        num_frames : int
            How many frames.
        coefficients : array
            Flat int32; of irreversible chains multiples of their steps. Nothing is written to it.
        coefficient_stride : int
            Elements between frames.
        output : array
            Flat uint8, uint16 or uint32: all samples, signed ones in two's complement.
        output_stride : int
            Elements between frames.
        tiles : bool, optional
            Whether blocks of threads take rectangles (`gpucodec_kernels.dwt_tiles_inverse`); they do on GPUs.
        """
        # From a few frames on their number makes no difference to how a frame is cut.
        as_tiles = where.backend == "cuda" if tiles is None else tiles
        cut_for = _TILES if as_tiles else min(num_frames, _INDICES)
        lows = where.scratch("dwt_lows", num_frames * self.low_size, "i4")
        for launch, (items, scales) in zip(self._cut(cut_for), self._upload(where, cut_for), strict=True):
            kind = "i4" if launch.step.reversible else "f4"
            planes = (coefficients, coefficient_stride, lows.view(kind), self.low_size, output, output_stride)
            for first, frames, first_item, number in launch.portions(num_frames):
                part = items[first_item * dwt_items.FIELDS :]
                coded, low, stored = (
                    (array[first * stride :], stride) for array, stride in zip(planes[::2], planes[1::2], strict=True)
                )
                _launch(where, launch, frames, (part, number), scales, coded, low, stored)

    def _cut(self, cut_for: int) -> list[_Launch]:
        """Return the launches for so many frames, or for tiles."""
        if cut_for not in self._launches:
            self._launches[cut_for] = [_cut(step, cut_for) for step in self._steps]
        return self._launches[cut_for]

    def _upload(self, where: Any, cut_for: int) -> list[tuple[Any, Any]]:
        key = (where.place, cut_for)
        if key not in self._uploaded:
            self._uploaded[key] = [
                (where.constant(launch.items.reshape(-1)), where.constant(launch.step.scales))
                for launch in self._cut(cut_for)
            ]
        return self._uploaded[key]


def _launch(
    where: Any, launch: _Launch, num_frames: int, table: tuple[Any, int], scales: Any, coded: Any, low: Any, stored: Any
) -> None:
    """Launch a portion: arrays with the distances between their frames."""
    step, count = launch.step, num_frames * table[1]
    module: Any = dwt53_inverse if step.reversible else dwt97_inverse
    factors = () if step.reversible else (scales,)
    width = stored[0].dtype.itemsize
    if step.kind == "load":
        where.launch(module.load_low, count, *table, *factors, *coded, *low)
    elif step.kind == "store":
        where.launch(component_inverse.STORE[step.reversible, width], count, *table, *low, *stored)
    elif launch.own_size == 0:
        kernel = dwt_tiles_inverse.TILES[step.reversible, width]
        where.launch(kernel, count, *table, *factors, *coded, *low, *stored, int(step.writes < 2))
    else:
        lines = where.scratch("dwt_lines", count * launch.own_size, low[0].dtype)
        to_lows = int(step.writes < 2)
        where.launch(
            module.SYNTHESISE[width], count, *table, *factors, *coded, *low, lines, launch.own_size, *stored, to_lows
        )


def _cut(step: Step, cut_for: int) -> _Launch:
    """Cut a step's windows into rectangles, for so many frames or for tiles."""
    rows = step.rows
    height = rows[:, dwt_items.BOTTOM] - (rows[:, dwt_items.TOP] & ~1)
    width = rows[:, dwt_items.RIGHT] - (rows[:, dwt_items.LEFT] & ~1)
    is_synthesis = step.kind == "synthesise"
    if is_synthesis and cut_for == _TILES:
        wide, high = np.full_like(width, dwt_tiles_inverse.COLUMNS), np.full_like(height, dwt_tiles_inverse.ROWS)
    else:
        strips = -(-width // _STRIP) if is_synthesis else np.ones_like(width)
        wide = _multiple(-(-width // strips), 32)
        most = max(1, -(-_INDICES // (max(cut_for, 1) * int((-(-width // wide)).sum()))))
        high = _multiple(-(-height // np.clip(height // _MIN_ROWS, 1, most)), 2)
    across = -(-width // wide)
    number = across * -(-height // high)
    which = np.repeat(np.arange(len(rows)), number)
    turn = np.arange(len(which)) - np.repeat(np.cumsum(number) - number, number)
    items = rows[which]
    _narrow(items, dwt_items.TOP, turn // across[which] * high[which], high[which], dwt_items.OUT_ROW)
    _narrow(items, dwt_items.LEFT, turn % across[which] * wide[which], wide[which], dwt_items.OUT_PIXEL)
    if is_synthesis and cut_for == _TILES:
        return _Launch(step, items, 0)
    if not is_synthesis:
        items[:, dwt_items.LL] += items[:, dwt_items.TOP] * items[:, dwt_items.LL_PITCH]
        items[:, dwt_items.ROWS] = items[:, dwt_items.BOTTOM] - items[:, dwt_items.TOP]
        return _Launch(step, items, 0)
    own_size = (dwt53_inverse if step.reversible else dwt97_inverse).SIZES[step.components]
    return _Launch(step, items, own_size)


def _multiple(values: Array, of: int) -> Array:
    """Round up to multiples."""
    return (values + (of - 1)) // of * of


def _narrow(items: Array, first: int, begin: Array, size: Array, stride: int) -> None:
    """Reduce items to a part in one direction, which begins and ends at even positions but at the window's edges."""
    before = items[:, first].copy()
    begin = begin + (before & ~1)
    items[:, first] = np.maximum(before, begin)
    items[:, first + 1] = np.minimum(items[:, first + 1], begin + size)
    items[:, dwt_items.OUT] += (items[:, first] - before) * items[:, stride]
