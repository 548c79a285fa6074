"""How a frame is cut up: resolution levels, subbands, precincts, codeblocks and packets, ITU-T T.800 Annex B.

A frame is one tile that begins at the reference grid's origin, and its components are not subsampled: so all
components are cut up alike, and what is described here is one of them, a plane. A plane holds its wavelet
coefficients with every subband in its place: the lowest resolution in the top left corner.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gpucodec.codestream.j2k_parameters import CodingParameters, ProgressionOrder

__all__ = ["Geometry", "Subband", "plane_geometry"]

Ints = npt.NDArray[np.int32]

LL, HL, LH, HH = range(4)


@dataclass(frozen=True, slots=True)
class Subband:
    """One subband of a plane.

    Parameters
    ----------
    resolution : int
        The resolution level it belongs to, 0 for the lowest.
    level : int
        Its decomposition level, 1 for the finest; that of LL is the number of levels.
    orientation : int
        LL 0, HL 1 (horizontally high-pass), LH 2, HH 3.
    x, y, width, height : int
        Where it lies in the plane. A side may be 0.
    """

    resolution: int
    level: int
    orientation: int
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """The tables that kernels read; what they describe is numbered in the order of its codeblocks.

    Parameters
    ----------
    subbands : tuple of Subband
        In the order of QCD: LL, then HL, LH and HH of each level, coarsest first (T.800 F.3.1).
    x, y, width, height, orientation, subband : array
        int32, one a codeblock: its place in the plane, the orientation and index of its subband. Codeblocks go by
        resolution level, precinct, subband, and row by row within.
    first_codeblock, blocks_wide, blocks_high : array
        int32, one a precinct of a subband: the codeblocks in it. There may be none.
    tree_start : array
        int32, one a precinct of a subband and one more: where its tag trees' levels begin in the next two.
    tree_first, tree_width : array
        int32, one a level of a tag tree, leaves first: its first node in the plane, and nodes in a row.
    num_nodes : int
        Nodes of the tag trees of one plane.
    first_band : array
        int32, one a precinct and one more: its first precinct of a subband.
    precinct_resolution, precinct_x, precinct_y : array
        int32, one a precinct: its resolution level and the reference grid's point at which it begins.
    """

    subbands: tuple[Subband, ...]
    x: Ints
    y: Ints
    width: Ints
    height: Ints
    orientation: Ints
    subband: Ints
    first_codeblock: Ints
    blocks_wide: Ints
    blocks_high: Ints
    tree_start: Ints
    tree_first: Ints
    tree_width: Ints
    num_nodes: int
    first_band: Ints
    precinct_resolution: Ints
    precinct_x: npt.NDArray[np.int64]
    precinct_y: npt.NDArray[np.int64]

    @property
    def num_codeblocks(self) -> int:
        """Codeblocks of one plane."""
        return len(self.x)

    @property
    def num_precincts(self) -> int:
        """Precincts of one plane, all resolution levels together."""
        return len(self.precinct_resolution)

    def packets(self, order: ProgressionOrder, layers: int, components: int) -> tuple[Ints, Ints, Ints]:
        """Return the packets in a progression order, T.800 B.12: layer, component and precinct of each."""
        shape = (layers, components, self.num_precincts)
        layer, component, precinct = (axis.reshape(-1) for axis in np.indices(shape, np.int32))
        resolution = self.precinct_resolution[precinct]
        x, y = self.precinct_x[precinct], self.precinct_y[precinct]
        keys = {
            ProgressionOrder.LRCP: (layer, resolution, component, precinct),
            ProgressionOrder.RLCP: (resolution, layer, component, precinct),
            ProgressionOrder.RPCL: (resolution, y, x, component, layer),
            ProgressionOrder.PCRL: (y, x, component, resolution, layer),
            ProgressionOrder.CPRL: (component, y, x, resolution, layer),
        }[order]
        rank = np.lexsort(keys[::-1])
        return layer[rank], component[rank], precinct[rank]


@lru_cache(maxsize=32)
def plane_geometry(rows: int, columns: int, parameters: CodingParameters) -> Geometry:
    """Cut up a plane.

    Parameters
    ----------
    rows, columns : int
        Size of the frame.
    parameters : CodingParameters
        Levels, precincts and codeblocks.
    """
    subbands = tuple(_subbands(rows, columns, parameters.levels))
    tables = _Tables()
    for resolution in range(parameters.levels + 1):
        reduced = parameters.levels - resolution
        width, height = _halved(columns, reduced), _halved(rows, reduced)
        members = [(number, band) for number, band in enumerate(subbands) if band.resolution == resolution]
        wide, high = parameters.precinct(resolution)
        for row in range(_parts(height, high)):
            for column in range(_parts(width, wide)):
                tables.add_precinct(resolution, column << (wide + reduced), row << (high + reduced))
                for number, band in members:
                    tables.add_band(number, band, column, row, parameters)
    return tables.finish(subbands)


def _subbands(rows: int, columns: int, levels: int) -> list[Subband]:
    found = [Subband(0, levels, LL, 0, 0, _halved(columns, levels), _halved(rows, levels))]
    for level in range(levels, 0, -1):
        width, height = _halved(columns, level - 1), _halved(rows, level - 1)
        low_width, low_height = _halved(width, 1), _halved(height, 1)
        resolution = levels - level + 1
        found += [
            Subband(resolution, level, HL, low_width, 0, width - low_width, low_height),
            Subband(resolution, level, LH, 0, low_height, low_width, height - low_height),
            Subband(resolution, level, HH, low_width, low_height, width - low_width, height - low_height),
        ]
    return found


def _halved(length: int, times: int) -> int:
    return -(-length >> times)


def _parts(length: int, exponent: int) -> int:
    return -(-length >> exponent)


class _Tables:
    """Collects what `Geometry` holds."""

    def __init__(self) -> None:
        self.codeblocks: list[npt.NDArray[Any]] = [np.empty((6, 0), np.int64)]
        self.num_codeblocks = 0
        self.bands: list[tuple[int, int, int]] = []
        self.tree_start = [0]
        self.tree: list[tuple[int, int]] = []
        self.num_nodes = 0
        self.first_band: list[int] = []
        self.precincts: list[tuple[int, int, int]] = []

    def add_precinct(self, resolution: int, x: int, y: int) -> None:
        self.first_band.append(len(self.bands))
        self.precincts.append((resolution, x, y))

    def add_band(self, number: int, band: Subband, column: int, row: int, parameters: CodingParameters) -> None:
        """Add the codeblocks of a precinct in a subband (T.800 B.7) and the levels of its tag trees (B.10.2)."""
        wide, high = (exponent - (band.resolution > 0) for exponent in parameters.precinct(band.resolution))
        across = _cut(column << wide, (column + 1) << wide, band.width, min(parameters.codeblock_width_exponent, wide))
        down = _cut(row << high, (row + 1) << high, band.height, min(parameters.codeblock_height_exponent, high))
        grid = np.empty((6, len(down), len(across)), np.int64)
        grid[0], grid[1] = band.x + across[:, 0], band.y + down[:, :1]
        grid[2], grid[3] = across[:, 1], down[:, 1:]
        grid[4], grid[5] = band.orientation, number
        self.bands.append((self.num_codeblocks, len(across), len(down)))
        self.codeblocks.append(grid.reshape(6, -1))
        self.num_codeblocks += len(across) * len(down)
        width, height = len(across), len(down)
        while width * height:
            self.tree.append((self.num_nodes, width))
            self.num_nodes += width * height
            if width * height == 1:
                break
            width, height = -(-width // 2), -(-height // 2)
        self.tree_start.append(len(self.tree))

    def finish(self, subbands: tuple[Subband, ...]) -> Geometry:
        x, y, width, height, orientation, subband = np.concatenate(self.codeblocks, axis=1).astype(np.int32)
        first_codeblock, blocks_wide, blocks_high = np.array(self.bands, np.int32).T
        tree_first, tree_width = np.array(self.tree, np.int32).T
        resolution, precinct_x, precinct_y = np.array(self.precincts, np.int64).T
        return Geometry(
            subbands=subbands,
            x=x,
            y=y,
            width=width,
            height=height,
            orientation=orientation,
            subband=subband,
            first_codeblock=first_codeblock,
            blocks_wide=blocks_wide,
            blocks_high=blocks_high,
            tree_start=np.array(self.tree_start, np.int32),
            tree_first=tree_first,
            tree_width=tree_width,
            num_nodes=self.num_nodes,
            first_band=np.array([*self.first_band, len(self.bands)], np.int32),
            precinct_resolution=resolution.astype(np.int32),
            precinct_x=precinct_x,
            precinct_y=precinct_y,
        )


def _cut(begin: int, end: int, length: int, exponent: int) -> npt.NDArray[np.int64]:
    """Cut a range, as far as it lies within `length`, on a grid; return the start and length of each part."""
    starts = np.arange(begin, min(end, length), 1 << exponent, dtype=np.int64)
    ends = np.minimum(starts + (1 << exponent), min(end, length))
    return np.stack([starts, ends - starts], axis=1)
