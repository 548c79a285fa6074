"""Tiles that are cut up alike: the tables of one of them serve all, but for where each lies.

Codeblocks, nodes of tag trees and coefficients are counted from a tile's first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpucodec.codestream.j2k_geometry import HH, HL, LH, LL, Geometry, Subband, cut_up
from gpucodec.codestream.j2k_headers import TileParameters
from gpucodec.codestream.j2k_progression import Precincts, in_progression_order, with_progression_changes
from gpucodec.codestream.j2k_size import Component
from gpucodec.codestream.j2k_windows import Side

__all__ = ["BLOCK_NUMBERS", "TileClass", "coefficients_of", "lay_out_tile"]

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

BLOCK_NUMBERS = 8
_ALIGNED = 16  # coefficients: vectors of 64 bytes
_WIDE = 64
_GAIN = {LL: 0, HL: 1, LH: 1, HH: 2}  # Table E.1
_HALVES = {LL: (0, 0), HL: (1, 0), LH: (0, 1), HH: (1, 1)}


@dataclass(frozen=True, slots=True)
class _Buffer:
    """Where a subband's codeblocks lie among the coefficients of a tile, or that there are none."""

    band: Subband
    x: tuple[int, int]
    y: tuple[int, int]
    place: int
    stride: int

    def place_of(self, x: int, y: int) -> int:
        """Return where a sample is."""
        return self.place + (y - self.y[0]) * self.stride + x - self.x[0]


@dataclass(frozen=True, slots=True, eq=False)
class TileClass:
    """What tiles that are cut up and coded alike have in common.

    Parameters
    ----------
    num_blocks, num_nodes, num_coefficients : int
        All codeblocks, nodes of tag trees, coefficients.
    packets : array
        int32, ``(packets, 2)``: precinct, layer.
    precincts : array
        int32, ``(precincts, 2)``: bands (precincts of subbands) in it, codeblock style.
    bands : array
        int32, ``(bands, 4)``: first codeblock, codeblocks across and down, levels of its tag trees.
    tree : array
        int32, ``(levels, 2)``: first node, width.
    decoded : array
        int64: the codeblocks that are to be decoded.
    block_places : array
        int64, one for each of those: its first coefficient.
    blocks : array
        int32, ``(decoded, 8)``: row stride, width, height, orientation, magnitude bit-planes (a region of interest's
        shift included), codeblock style, that shift, whether the wavelet is reversible.
    chains, jobs : list of tuple
        Rows of `gpucodec_kernels.dwt_tables`; places count from the tile's first coefficient, chains from its first.
    chunks : int
        How many chunks packets will list, at a guess.
    """

    num_blocks: int
    num_nodes: int
    num_coefficients: int
    packets: Ints
    precincts: Ints
    bands: Ints
    tree: Ints
    decoded: Longs
    block_places: Longs
    blocks: Ints
    chains: list[tuple[float, ...]]
    jobs: list[tuple[float, ...]]
    chunks: int


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


class _Layout:
    """Collects what `TileClass` holds, component by component."""

    def __init__(self) -> None:
        self.num_blocks = self.num_nodes = self.num_coefficients = self.num_levels = self.num_bands = 0
        self.geometries: list[Geometry] = []
        self.precincts: list[Ints] = []
        self.bands: list[Ints] = []
        self.trees: list[Ints] = []
        self.decoded: list[Longs] = []
        self.places: list[Longs] = []
        self.blocks: list[Ints] = []
        self.chains: list[tuple[float, ...]] = []
        self.jobs: list[tuple[float, ...]] = []
        self._cut: dict[tuple[int, int], Geometry] = {}

    def add(self, x: Side, y: Side, component: Component, parameters: TileParameters) -> None:
        """Add the next tile-component."""
        index = len(self.geometries)
        key = (id(x), id(y))
        geometry = self._cut.get(key) or self._cut.setdefault(key, cut_up(x.axes, y.axes))
        style = parameters.codings[index].codeblock_style
        self.geometries.append(geometry)
        counts = np.diff(geometry.first_band)
        self.precincts.append(np.stack([counts, np.full(len(counts), style)], axis=1).astype(np.int32))
        blocks = (geometry.first_codeblock + self.num_blocks, geometry.blocks_wide, geometry.blocks_high)
        self.bands.append(np.stack([*blocks, np.diff(geometry.tree_start)], axis=1).astype(np.int32))
        tree = np.stack([geometry.tree_first + self.num_nodes, geometry.tree_width], axis=1)
        self.trees.append(tree.astype(np.int32))
        buffers = self._add_buffers(x, y, geometry)
        self._add_blocks(geometry, buffers, parameters, index)
        self._add_jobs(x, y, buffers, component, parameters, index)
        self.num_blocks += geometry.num_codeblocks
        self.num_nodes += geometry.num_nodes

    def _add_buffers(self, x: Side, y: Side, geometry: Geometry) -> list[_Buffer]:
        buffers = []
        for band, (x0, x1, y0, y1) in zip(geometry.subbands, _buffers(x, y), strict=False):
            buffers.append(_Buffer(band, (x0, x1), (y0, y1), self.num_coefficients, _stride(x1 - x0)))
            self.num_coefficients += _size(x1 - x0, y1 - y0)
        return buffers

    def _add_blocks(self, geometry: Geometry, buffers: list[_Buffer], parameters: TileParameters, index: int) -> None:
        """Add those codeblocks that lie in the buffers."""
        coding, shift = parameters.codings[index], parameters.roi_shifts[index]
        quantization = parameters.quantizations[index]
        table = np.zeros((len(geometry.subbands), 8), np.int64)
        for number, buffer in enumerate(buffers):
            exponent, _ = quantization.step(number, buffer.band.level, coding.levels)
            planes = max(quantization.guard_bits + exponent - 1, 0) + shift
            table[number] = (*buffer.x, *buffer.y, buffer.place, buffer.stride, planes, 0)
        x0, x1, y0, y1, place, stride, planes, _ = table[geometry.subband].T
        x, y = geometry.x, geometry.y
        inside = np.flatnonzero((x >= x0) & (x < x1) & (y >= y0) & (y < y1))
        self.decoded.append(inside + self.num_blocks)
        self.places.append((place + (y - y0) * stride + x - x0)[inside])
        described = np.empty((len(inside), BLOCK_NUMBERS), np.int32)
        columns = (stride, geometry.width, geometry.height, geometry.orientation, planes)
        for number, column in enumerate(columns):
            described[:, number] = column[inside]
        described[:, 5:] = coding.codeblock_style, shift, coding.reversible
        self.blocks.append(described)

    def _add_jobs(
        self, x: Side, y: Side, buffers: list[_Buffer], component: Component, parameters: TileParameters, index: int
    ) -> None:
        """Add the tile-component's chain of syntheses."""
        coding, quantization = parameters.codings[index], parameters.quantizations[index]

        def scale(number: int) -> float:
            """Return half a subband's step, (E-3): coefficients are twice their index."""
            band = buffers[number].band
            exponent, mantissa = quantization.step(number, band.level, coding.levels)
            gain = component.precision + _GAIN[band.orientation]
            return 1.0 if coding.reversible else 2.0 ** (gain - exponent - 1) * (1 + mantissa / 2048)

        lowest = buffers[0]
        (left, right), (top, bottom) = x.windows[0], y.windows[0]
        place = lowest.place_of(left, top)
        self.chains.append((coding.reversible, place, lowest.stride, top, bottom, left, right, scale(0)))
        turns = len(x.windows) - 1
        for level in range(1, turns + 1):
            (left, right), (top, bottom) = x.windows[level], y.windows[level]
            if left >= right or top >= bottom:
                continue
            row: list[float] = [index, turns - level + 1, top, bottom, left, right]
            for number in range(3 * level - 2, 3 * level + 1):
                buffer = buffers[number]
                half_x, half_y = _HALVES[buffer.band.orientation]
                first = (left + 1 - half_x) >> 1, (top + 1 - half_y) >> 1
                row += (buffer.place_of(*first), buffer.stride)
            row += [scale(number) for number in range(3 * level - 2, 3 * level + 1)]
            self.jobs.append(tuple(row))


def lay_out_tile(
    sides: Sequence[tuple[Side, Side]],
    components: Sequence[Component],
    parameters: TileParameters,
    layers: int,
    whole: bool,
) -> TileClass:
    """Make the tables of a tile.

    Parameters
    ----------
    sides : sequence of (Side, Side)
        For each component its columns and its rows.
    components : sequence of Component
        What SIZ says of them.
    parameters : TileParameters
        How the tile is coded.
    layers : int
        Layers that are wanted.
    whole : bool
        Whether all packets are to be read, though nothing in the last ones may be needed.
    """
    layout = _Layout()
    for (x, y), component in zip(sides, components, strict=True):
        layout.add(x, y, component, parameters)
    precincts, bands = np.concatenate(layout.precincts), np.concatenate(layout.bands)
    decoded = np.concatenate(layout.decoded)
    packets = _packets(layout.geometries, parameters)
    if not whole:
        packets = _up_to_the_last_needed(packets, precincts, bands, decoded, layers)
    blocks = np.concatenate(layout.blocks)
    return TileClass(
        num_blocks=layout.num_blocks,
        num_nodes=layout.num_nodes,
        num_coefficients=layout.num_coefficients,
        packets=packets,
        precincts=precincts,
        bands=bands,
        tree=np.concatenate(layout.trees),
        decoded=decoded,
        block_places=np.concatenate(layout.places),
        blocks=blocks,
        chains=layout.chains,
        jobs=layout.jobs,
        chunks=_guess_chunks(blocks, min(layers, parameters.packets.num_layers)),
    )


def _packets(geometries: Sequence[Geometry], parameters: TileParameters) -> Ints:
    counts = [geometry.num_precincts for geometry in geometries]
    precincts = Precincts(
        np.repeat(np.arange(len(counts), dtype=np.int32), counts),
        np.concatenate([geometry.precinct_resolution for geometry in geometries]),
        np.concatenate([geometry.precinct_y for geometry in geometries]),
        np.concatenate([geometry.precinct_x for geometry in geometries]),
    )
    style = parameters.packets
    if parameters.progressions:
        found = with_progression_changes(parameters.progressions, precincts, style.num_layers)
    else:
        found = in_progression_order(style.progression_order, precincts, style.num_layers)
    return np.stack(found, axis=1)


def _up_to_the_last_needed(packets: Ints, precincts: Ints, bands: Ints, decoded: Longs, layers: int) -> Ints:
    """Leave out the packets after the last one that holds anything of a codeblock to be decoded."""
    needed = np.zeros(int(bands[-1, 0] + bands[-1, 1] * bands[-1, 2]) + 1 if len(bands) else 1, np.int64)
    needed[decoded + 1] = 1
    before = np.cumsum(needed)
    first = np.append(bands[:, 0], len(needed) - 1)[np.append(0, np.cumsum(precincts[:, 0]))]
    is_needed = before[first[1:]] > before[first[:-1]]
    last = np.flatnonzero(is_needed[packets[:, 0]] & (packets[:, 1] < layers))
    return packets[: last[-1] + 1 if len(last) else 0]


def _guess_chunks(blocks: Ints, layers: int) -> int:
    """Guess how many chunks packets list: exact for what one packet holds in one codeword segment."""
    style = blocks[:, 5]
    each = np.where(style & 4, 20, np.where(style & 1, 10, np.where(style & 0x40, 2, 1)))
    return int((each + 2 * (layers - 1)).sum())
