"""The tables of one tile-component: its codeblocks' places among the coefficients, and its syntheses.

Codeblocks, nodes of tag trees and coefficients are counted from the tile-component's first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpucodec.codestream.j2k_axis import Axis
from gpucodec.codestream.j2k_geometry import HH, HL, LH, LL, Geometry, Subband, cut_up
from gpucodec.codestream.j2k_segments import CodingStyle, Quantization
from gpucodec.codestream.j2k_windows import Side

__all__ = ["BLOCK_NUMBERS", "TileComponent", "coefficients_of", "lay_out_component"]

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

BLOCK_NUMBERS = 8
_ALIGNED = 16  # coefficients: vectors of 64 bytes
_WIDE = 64
_GAIN = {LL: 0, HL: 1, LH: 1, HH: 2}  # Table E.1
_HALVES = {LL: (0, 0), HL: (1, 0), LH: (0, 1), HH: (1, 1)}


@dataclass(frozen=True, slots=True)
class _Buffer:
    """Where a subband's codeblocks lie among the coefficients, their bit-planes, and what one in them stands for."""

    band: Subband
    x: tuple[int, int]
    y: tuple[int, int]
    place: int
    stride: int
    planes: int
    scale: float

    def place_of(self, x: int, y: int) -> int:
        """Return where a sample is."""
        return self.place + (y - self.y[0]) * self.stride + x - self.x[0]


@dataclass(frozen=True, slots=True, eq=False)
class TileComponent:
    """What is known of a tile-component.

    Parameters
    ----------
    geometry : Geometry
        How it is cut up.
    num_coefficients : int
        Coefficients that are needed.
    precincts, bands, tree, decoded, block_places, blocks : array
        See `gpucodec.codestream.j2k_tiles.TileClass`.
    chain : tuple
        Row of `gpucodec_kernels.dwt_tables.CHAIN`.
    jobs : list of tuple
        Rows of `gpucodec_kernels.dwt_tables.JOB` without the number of the chain.
    """

    geometry: Geometry
    num_coefficients: int
    precincts: Ints
    bands: Ints
    tree: Ints
    decoded: Longs
    block_places: Longs
    blocks: Ints
    chain: tuple[float, ...]
    jobs: list[tuple[float, ...]]


def _buffers(x: Side, y: Side) -> list[tuple[int, int, int, int]]:
    """Return the x and y spans of the codeblocks needed of each subband that is not discarded."""
    return [
        (*xs[across], *ys[down])
        for resolution, (xs, ys) in enumerate(zip(x.buffers, y.buffers, strict=True))
        for across, down in ((1, 0), (0, 1), (1, 1))[: 3 if resolution else 0] or ((0, 0),)
    ]


def _stride(width: int) -> int:
    return width if width < _WIDE else -(-width // _ALIGNED) * _ALIGNED


def _size(width: int, height: int) -> int:
    return -(-_stride(width) * height // _ALIGNED) * _ALIGNED


def coefficients_of(sides: Sequence[tuple[Side, Side]]) -> int:
    """Return how many coefficients a tile with these sides has, without laying it out."""
    return sum(_size(x1 - x0, y1 - y0) for pair in sides for x0, x1, y0, y1 in _buffers(*pair))


# Tile-components that were cut up before: for other components, or other regions of the same image.
_known: dict[tuple[tuple[Axis, ...], tuple[Axis, ...]], Geometry] = {}
_MAX_KNOWN = 32
_MAX_KNOWN_BLOCKS = 1 << 15


def _cut_up(x: Side, y: Side) -> Geometry:
    key = (x.axes, y.axes)
    geometry = _known.get(key)
    if geometry is None:
        geometry = cut_up(x.axes, y.axes)
        if geometry.num_codeblocks <= _MAX_KNOWN_BLOCKS:
            if len(_known) >= _MAX_KNOWN:
                _known.clear()
            _known[key] = geometry
    return geometry


def lay_out_component(
    x: Side, y: Side, precision: int, coding: CodingStyle, quantization: Quantization, shift: int
) -> TileComponent:
    """Make the tables of a tile-component.

    Parameters
    ----------
    x, y : Side
        Its columns and its rows.
    precision : int
        Bits of a sample.
    coding : CodingStyle
        How it is coded.
    quantization : Quantization
        Its steps.
    shift : int
        By how many bit-planes a region of interest is shifted up.
    """
    geometry = _cut_up(x, y)
    counts = np.diff(geometry.first_band)
    bands = (geometry.first_codeblock, geometry.blocks_wide, geometry.blocks_high, np.diff(geometry.tree_start))
    buffers: list[_Buffer] = []
    size = 0
    for band, (x0, x1, y0, y1) in zip(geometry.subbands, _buffers(x, y), strict=False):
        exponent, mantissa = quantization.step(len(buffers), band.level, coding.levels)
        # Half a subband's step, (E-3): coefficients are twice their index.
        power = precision + _GAIN[band.orientation] - exponent - 1
        scale = 1.0 if coding.reversible else 2.0**power * (1 + mantissa / 2048)
        planes = max(quantization.guard_bits + exponent - 1, 0) + shift  # (E-2)
        buffers.append(_Buffer(band, (x0, x1), (y0, y1), size, _stride(x1 - x0), planes, scale))
        size += _size(x1 - x0, y1 - y0)
    decoded, places, blocks = _blocks(geometry, buffers)
    blocks[:, 5:] = coding.codeblock_style, shift, coding.reversible
    (left, right), (top, bottom) = x.windows[0], y.windows[0]
    lowest = buffers[0]
    place = lowest.place_of(left, top)
    return TileComponent(
        geometry=geometry,
        num_coefficients=size,
        precincts=np.stack([counts, np.full(len(counts), coding.codeblock_style)], axis=1).astype(np.int32),
        bands=np.stack(bands, axis=1).astype(np.int32),
        tree=np.stack([geometry.tree_first, geometry.tree_width], axis=1),
        decoded=decoded,
        block_places=places,
        blocks=blocks,
        chain=(coding.reversible, place, lowest.stride, top, bottom, left, right, lowest.scale),
        jobs=_jobs(x, y, buffers),
    )


def _blocks(geometry: Geometry, buffers: Sequence[_Buffer]) -> tuple[Longs, Longs, Ints]:
    """Return the codeblocks that lie in the buffers, their places, and what is known of them from geometry alone."""
    table = np.zeros((len(geometry.subbands), 7), np.int64)
    for number, buffer in enumerate(buffers):
        table[number] = (*buffer.x, *buffer.y, buffer.place, buffer.stride, buffer.planes)
    x0, x1, y0, y1, place, stride, planes = table[geometry.subband].T
    x, y = geometry.x, geometry.y
    inside = np.flatnonzero((x >= x0) & (x < x1) & (y >= y0) & (y < y1))
    described = np.empty((len(inside), BLOCK_NUMBERS), np.int32)
    for number, column in enumerate((stride, geometry.width, geometry.height, geometry.orientation, planes)):
        described[:, number] = column[inside]
    return inside, (place + (y - y0) * stride + x - x0)[inside], described


def _jobs(x: Side, y: Side, buffers: Sequence[_Buffer]) -> list[tuple[float, ...]]:
    """Return the tile-component's syntheses, the coarsest first."""
    jobs: list[tuple[float, ...]] = []
    turns = len(x.windows) - 1
    for level in range(1, turns + 1):
        (left, right), (top, bottom) = x.windows[level], y.windows[level]
        if left >= right or top >= bottom:
            continue
        row: list[float] = [turns - level + 1, top, bottom, left, right]
        details = buffers[3 * level - 2 : 3 * level + 1]
        for buffer in details:
            high_x, high_y = _HALVES[buffer.band.orientation]
            row += (buffer.place_of((left + 1 - high_x) >> 1, (top + 1 - high_y) >> 1), buffer.stride)
        jobs.append((*row, *(buffer.scale for buffer in details)))
    return jobs
