"""How a tile-component is cut up along one axis: resolution levels, precincts, codeblocks, ITU-T T.800 B.5 to B.7.

Rows and columns are cut independently of each other, so that all there is to know about a tile-component is what is
known of its two axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["Axis", "Cut", "count_parts", "cut_axis", "reduced", "subband"]

Longs = npt.NDArray[np.int64]
Coordinates = TypeVar("Coordinates", int, Longs)


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """One axis of a subband.

    Parameters
    ----------
    begin, end : int
        Its samples.
    starts, lengths : array
        int64, one a codeblock: its first sample, and how many it has.
    precincts, members : array
        int64, one a codeblock: its precinct, and its index in that.
    counts : array
        int64, one a precinct: codeblocks in it.
    """

    begin: int
    end: int
    starts: Longs
    lengths: Longs
    precincts: Longs
    members: Longs
    counts: Longs


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """One axis of a resolution level.

    Parameters
    ----------
    begin, end : int
        Its samples.
    positions : array
        int64, one a precinct: the reference grid's point at which it comes in a progression by position.
    cuts : tuple of Cut
        The subbands' axes: that of LL at the lowest resolution level, of the low and the high half elsewhere.
    """

    begin: int
    end: int
    positions: Longs
    cuts: tuple[Cut, ...]


def reduced(value: Coordinates, levels: int) -> Coordinates:
    """Return a coordinate, or an array of them, after so many decomposition levels, (B-14)."""
    return -(-value >> levels)


def subband(value: Coordinates, level: int, half: int) -> Coordinates:
    """Return a coordinate in a subband, (B-15); `half` is 1 for the high half."""
    return reduced(value - (half << (level - 1)), level) if level else value


def count_parts(begin: Coordinates, end: Coordinates, exponent: int) -> Coordinates:
    """Return how many cells of a grid of 2**exponent a range of samples has a part in."""
    return (reduced(end, exponent) - (begin >> exponent)) * (begin < end)


@lru_cache(maxsize=1024)
def cut_axis(
    begin: int,
    end: int,
    levels: int,
    precincts: tuple[int, ...],
    codeblock: int,
    step: int = 1,
    origin: int = 0,
) -> tuple[Axis, ...]:
    """Cut up one axis of a tile-component.

    Parameters
    ----------
    begin, end : int
        Its samples.
    levels : int
        Decomposition levels.
    precincts : tuple of int
        The exponent of precincts at each resolution level.
    codeblock : int
        That of codeblocks.
    step : int
        Distance of samples on the reference grid.
    origin : int
        Where the tile begins on the reference grid.

    Returns
    -------
    tuple of Axis
        One a resolution level, the lowest first.
    """
    axes = []
    for resolution in range(levels + 1):
        decomposed = levels - resolution
        first, last = reduced(begin, decomposed), reduced(end, decomposed)
        exponent = precincts[resolution]
        first_precinct, num_precincts = first >> exponent, count_parts(first, last, exponent)
        positions = np.arange(first_precinct, first_precinct + num_precincts, dtype=np.int64)
        positions *= step << (exponent + decomposed)
        if num_precincts and first & ((1 << exponent) - 1):
            positions[0] = origin  # (B-12.1.3): a precinct that begins before the tile
        kinds, level = ((0,), levels) if resolution == 0 else ((0, 1), decomposed + 1)
        exponent -= resolution > 0
        cuts = tuple(
            _cut(
                subband(begin, level, kind), subband(end, level, kind), exponent, min(codeblock, exponent),
                first_precinct, num_precincts,
            )
            for kind in kinds
        )  # fmt: skip
        axes.append(Axis(first, last, positions, cuts))
    return tuple(axes)


def _cut(begin: int, end: int, precinct: int, codeblock: int, first_precinct: int, num_precincts: int) -> Cut:
    first = begin >> codeblock
    cells = np.arange(first, first + count_parts(begin, end, codeblock), dtype=np.int64)
    starts = np.maximum(cells << codeblock, begin)
    lengths = np.minimum((cells + 1) << codeblock, end) - starts
    precincts = (cells >> (precinct - codeblock)) - first_precinct
    counts = np.bincount(precincts, minlength=num_precincts).astype(np.int64)
    members = np.arange(len(cells)) - (np.cumsum(counts) - counts)[precincts]
    return Cut(begin, end, starts, lengths, precincts, members, counts)
