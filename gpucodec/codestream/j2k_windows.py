"""Which samples of each resolution level and subband of a tile-component a decoder needs, along one axis.

To make samples of one resolution level, the inverse wavelet needs some more of the level below on both sides: as far
as its filters reach. It may work on any window that is so much larger than what is wanted, as if the window's edges
were the tile's: what that makes wrong lies within its reach of the edges, and is thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpucodec.codestream.j2k_axis import Axis, cut_axis, reduced
from gpucodec.codestream.j2k_segments import CodingStyle

__all__ = ["Side", "Span", "cut_side"]

Span = tuple[int, int]

_NOTHING: Span = (0, 0)
_REACH_53 = 2
_REACH_97 = 4


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One axis of a tile-component, and what is needed of it. Spans are half-open.

    Parameters
    ----------
    axes : tuple of Axis
        All resolution levels, the lowest first.
    output : tuple of int
        The samples wanted, at the highest resolution level that is not discarded.
    windows : tuple of tuple of int
        What is to be made of each resolution level that is not discarded; of the lowest, what is needed of LL.
    needs : tuple of tuple of tuple of int
        What is needed of the subbands' low and high halves at each of them, in the subbands' coordinates.
    buffers : tuple of tuple of tuple of int
        The same, rounded out to codeblocks.
    signature : tuple
        Equal where two sides differ in nothing but where they lie.
    """

    axes: tuple[Axis, ...]
    output: Span
    windows: tuple[Span, ...]
    needs: tuple[tuple[Span, ...], ...]
    buffers: tuple[tuple[Span, ...], ...]
    signature: tuple[object, ...]


def cut_side(span: Span, coding: CodingStyle, axis: int, discarded: int, wanted: Span, step: int, origin: int) -> Side:
    """Cut up one axis of a tile-component, and find what is needed of it.

    Parameters
    ----------
    span : tuple of int
        The tile-component's samples.
    coding : CodingStyle
        How it is coded.
    axis : int
        0 across, 1 down.
    discarded : int
        Resolution levels that are not wanted, at most as many as there are decomposition levels.
    wanted : tuple of int
        The samples wanted, at the highest resolution level that is; they may lie outside of the tile.
    step, origin : int
        Distance of samples on the reference grid, and where the tile begins there.
    """
    exponent = (coding.width_exponent, coding.height_exponent)[axis]
    precincts = tuple(pair[axis] for pair in coding.precincts)
    axes = cut_axis(*span, coding.levels, precincts, exponent, step, origin)
    begin, end = (reduced(value, discarded) for value in span)
    output = max(begin, wanted[0]), min(end, wanted[1])
    top = coding.levels - discarded
    if output[0] >= output[1]:
        nothing = ((_NOTHING,), *((_NOTHING, _NOTHING),) * top)
        windows, needs, buffers, output = (_NOTHING,) * (top + 1), nothing, nothing, _NOTHING
    else:
        windows, needs = _needs(axes[: top + 1], output, _REACH_53 if coding.reversible else _REACH_97)
        buffers = tuple(
            tuple(_rounded_out(level.cuts[half].starts, level.cuts[half].end, need) for half, need in enumerate(halves))
            for level, halves in zip(axes, needs, strict=False)
        )
    return Side(axes, output, windows, needs, buffers, _signature(axes, origin, output, windows, buffers))


def _needs(axes: tuple[Axis, ...], output: Span, reach: int) -> tuple[tuple[Span, ...], tuple[tuple[Span, ...], ...]]:
    windows: list[Span] = []
    needs: list[tuple[Span, ...]] = []
    begin, end = output
    for axis in axes[:0:-1]:
        begin, end = max(begin - reach, axis.begin), min(end + reach, axis.end)
        windows.append((begin, end))
        low, high = ((begin + 1) >> 1, (end + 1) >> 1), (begin >> 1, end >> 1)
        needs.append((low, high))
        begin, end = low
    return ((begin, end), *windows[::-1]), (((begin, end),), *needs[::-1])


def _rounded_out(starts: np.ndarray[tuple[int], np.dtype[np.int64]], end: int, need: Span) -> Span:
    """Return the span of the codeblocks that have a part in what is needed."""
    if need[0] >= need[1]:
        return need
    first, after = int(np.searchsorted(starts, need[0], "right")) - 1, int(np.searchsorted(starts, need[1]))
    return int(starts[first]), int(starts[after]) if after < len(starts) else end


def _signature(
    axes: tuple[Axis, ...],
    origin: int,
    output: Span,
    windows: tuple[Span, ...],
    buffers: tuple[tuple[Span, ...], ...],
) -> tuple[object, ...]:
    """Describe a side by distances from where each resolution level and subband begins."""
    said: list[object] = [output[0] - (axes[len(windows) - 1].begin if output != _NOTHING else 0), *output[1:]]
    said[1] = output[1] - output[0]
    for number, axis in enumerate(axes):
        said += (axis.end - axis.begin, axis.begin & 1, (axis.positions - origin).tobytes())
        for half, cut in enumerate(axis.cuts):
            said += (cut.end - cut.begin, cut.lengths.tobytes(), cut.counts.tobytes())
            if number < len(buffers):
                span = buffers[number][half]
                said += (span[1] - span[0], span[0] - cut.begin if span[0] < span[1] else 0)
        if number < len(windows):
            span = windows[number]
            said += (span[1] - span[0], span[0] - axis.begin if span[0] < span[1] else 0)
    return tuple(said)
