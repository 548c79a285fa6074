"""Tiles that are cut up alike: the tables of one of them serve all, but for where each lies.

Codeblocks, nodes of tag trees and coefficients are counted from a tile's first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpucodec.codestream.j2k_geometry import Geometry
from gpucodec.codestream.j2k_headers import TileParameters
from gpucodec.codestream.j2k_progression import Precincts, in_progression_order, with_progression_changes
from gpucodec.codestream.j2k_size import Component
from gpucodec.codestream.j2k_tile_components import TileComponent, lay_out_component
from gpucodec.codestream.j2k_windows import Side

__all__ = ["TileClass", "lay_out_tile"]

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]


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


class _Layout:
    """Joins the tables of tile-components; those of components that are alike are made once."""

    def __init__(self) -> None:
        self.num_blocks = self.num_nodes = self.num_coefficients = 0
        self.members: list[TileComponent] = []
        self.bands: list[Ints] = []
        self.trees: list[Ints] = []
        self.decoded: list[Longs] = []
        self.places: list[Longs] = []
        self.chains: list[tuple[float, ...]] = []
        self.jobs: list[tuple[float, ...]] = []
        self._made: dict[object, TileComponent] = {}

    def add(self, x: Side, y: Side, component: Component, parameters: TileParameters) -> None:
        """Add the next tile-component."""
        index = len(self.members)
        coding, quantization = parameters.codings[index], parameters.quantizations[index]
        shift = parameters.roi_shifts[index]
        key = (id(x), id(y), component.precision, id(coding), id(quantization), shift)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = lay_out_component(x, y, component.precision, coding, quantization, shift)
        self.members.append(made)
        self.bands.append(made.bands + np.array([self.num_blocks, 0, 0, 0], np.int32))
        self.trees.append(made.tree + np.array([self.num_nodes, 0], np.int32))
        self.decoded.append(made.decoded + self.num_blocks)
        self.places.append(made.block_places + self.num_coefficients)
        reversible, place, *rest = made.chain
        self.chains.append((reversible, place + self.num_coefficients, *rest))
        for row in made.jobs:
            places = (place + self.num_coefficients * (number % 2 == 0) for number, place in enumerate(row[5:11]))
            self.jobs.append((index, *row[:5], *places, *row[11:]))
        self.num_blocks += made.geometry.num_codeblocks
        self.num_nodes += made.geometry.num_nodes
        self.num_coefficients += made.num_coefficients


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
    precincts = np.concatenate([made.precincts for made in layout.members])
    bands = np.concatenate(layout.bands)
    decoded = np.concatenate(layout.decoded)
    packets = _packets([made.geometry for made in layout.members], parameters)
    if not whole:
        packets = _up_to_the_last_needed(packets, precincts, bands, decoded, layers)
    blocks = np.concatenate([made.blocks for made in layout.members])
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
