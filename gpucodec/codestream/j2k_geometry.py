"""How a tile-component is cut up: resolution levels, subbands, precincts, codeblocks, ITU-T T.800 Annex B.

A frame that gpucodec encodes is one tile that begins at the reference grid's origin, and its components are not
subsampled: so all are cut up alike, and one of them is a plane. A plane holds its wavelet coefficients with every
subband in its place: the lowest resolution in the top left corner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gpucodec.codestream.j2k_axis import Axis, Cut, cut_axis
from gpucodec.codestream.j2k_parameters import CodingParameters, ProgressionOrder
from gpucodec.codestream.j2k_progression import Precincts, in_progression_order

__all__ = ["Geometry", "Subband", "cut_up", "plane_geometry"]

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

LL, HL, LH, HH = range(4)
# Whether a subband is the high half across and down, by resolution level 0 and above.
_LOWEST = ((LL, 0, 0),)
_DETAILS = ((HL, 1, 0), (LH, 0, 1), (HH, 1, 1))


@dataclass(frozen=True, slots=True)
class Subband:
    """One subband of a tile-component.

    Parameters
    ----------
    resolution : int
        The resolution level it belongs to, 0 for the lowest.
    level : int
        Its decomposition level, 1 for the finest; that of LL is the number of levels.
    orientation : int
        LL 0, HL 1 (horizontally high-pass), LH 2, HH 3.
    x, y, width, height : int
        Where it lies: in the plane, or, where there is none, in its own coordinates. A side may be 0.
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
        int32, one a codeblock: where it lies, in the same way, the orientation and index of its subband. Codeblocks
        go by resolution level, precinct, subband, and row by row within.
    first_codeblock, blocks_wide, blocks_high : array
        int32, one a precinct of a subband: the codeblocks in it. There may be none.
    tree_start : array
        int32, one a precinct of a subband and one more: where its tag trees' levels begin in the next two.
    tree_first, tree_width : array
        int32, one a level of a tag tree, leaves first: its first node, and nodes in a row.
    num_nodes : int
        Nodes of all tag trees.
    first_band : array
        int32, one a precinct and one more: its first precinct of a subband.
    precinct_resolution, precinct_x, precinct_y : array
        int32, one a precinct: its resolution level, and the reference grid's point at which it
        comes in a progression by position.
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
        """Codeblocks, all subbands together."""
        return len(self.x)

    @property
    def num_precincts(self) -> int:
        """Precincts, all resolution levels together."""
        return len(self.precinct_resolution)

    def packets(self, order: ProgressionOrder, layers: int, components: int) -> tuple[Ints, Ints, Ints]:
        """Return the packets in a progression order, T.800 B.12: layer, component and precinct of each."""
        precincts = Precincts.of_planes(self.precinct_resolution, self.precinct_y, self.precinct_x, components)
        number, layer = in_progression_order(order, precincts, layers)
        component, precinct = np.divmod(number, np.int32(self.num_precincts))
        return layer, component, precinct


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
    sizes = [parameters.precinct(resolution) for resolution in range(parameters.levels + 1)]
    width, height = (tuple(size[axis] for size in sizes) for axis in (0, 1))
    across = cut_axis(0, columns, parameters.levels, width, parameters.codeblock_width_exponent)
    down = cut_axis(0, rows, parameters.levels, height, parameters.codeblock_height_exponent)
    geometry = cut_up(across, down)
    subbands = tuple(_in_plane(band, across, down) for band in geometry.subbands)
    places = np.array([(band.x, band.y) for band in subbands], np.int32)[geometry.subband]
    return replace(geometry, subbands=subbands, x=geometry.x + places[:, 0], y=geometry.y + places[:, 1])


def _in_plane(band: Subband, across: Sequence[Axis], down: Sequence[Axis]) -> Subband:
    """Return a subband in its place: the high halves behind the lower resolution level."""
    x = across[band.resolution - 1].end if band.orientation in (HL, HH) else 0
    y = down[band.resolution - 1].end if band.orientation in (LH, HH) else 0
    return replace(band, x=x, y=y)


def cut_up(across: Sequence[Axis], down: Sequence[Axis]) -> Geometry:
    """Cut up a tile-component whose two axes are cut up."""
    levels = len(across) - 1
    tables = _Tables()
    for resolution, (xs, ys) in enumerate(zip(across, down, strict=True)):
        level = levels - resolution + (resolution > 0)
        tables.add(resolution, level, xs, ys, _DETAILS if resolution else _LOWEST)
    return tables.finish()


class _Tables:
    """Collects what `Geometry` holds, resolution level by resolution level."""

    def __init__(self) -> None:
        self.subbands: list[Subband] = []
        self.num_codeblocks = 0
        self.codeblocks: list[Ints] = []
        self.bands: list[Longs] = []
        self.precincts: list[Longs] = []

    def add(self, resolution: int, level: int, xs: Axis, ys: Axis, details: Sequence[tuple[int, int, int]]) -> None:
        """Add the codeblocks of a resolution level's precincts (T.800 B.7), all of a subband at a time."""
        shape = (len(ys.positions), len(xs.positions))
        bands = np.empty((*shape, len(details), 3), np.int64)
        for number, (_, high_x, high_y) in enumerate(details):
            bands[:, :, number, 1] = xs.cuts[high_x].counts
            bands[:, :, number, 2] = ys.cuts[high_y].counts[:, None]
        counts = bands[..., 1] * bands[..., 2]
        first = (np.cumsum(counts) - counts.reshape(-1)).reshape(counts.shape)
        bands[..., 0] = first + self.num_codeblocks
        table = np.empty((6, int(counts.sum())), np.int32)
        for number, (orientation, high_x, high_y) in enumerate(details):
            x, y = xs.cuts[high_x], ys.cuts[high_y]
            self._place(table, first[:, :, number], x, y, (orientation, len(self.subbands)))
            size = (x.end - x.begin, y.end - y.begin)
            self.subbands.append(Subband(resolution, level, orientation, x.begin, y.begin, *size))
        self.codeblocks.append(table)
        self.bands.append(bands.reshape(-1, 3))
        self.num_codeblocks += table.shape[1]
        grid = np.empty((*shape, 4), np.int64)
        grid[..., 0], grid[..., 1], grid[..., 2] = resolution, ys.positions[:, None], xs.positions
        grid[..., 3] = len(details)
        self.precincts.append(grid.reshape(-1, 4))

    @staticmethod
    def _place(table: Ints, first: Longs, x: Cut, y: Cut, described: tuple[int, int]) -> None:
        """Enter a subband's codeblocks where they belong among those of all precincts of their resolution level."""
        if not len(x.starts) or not len(y.starts):
            return
        begins = first[y.precincts[:, None], x.precincts]
        numbers = begins + y.members[:, None] * x.counts[x.precincts] + x.members
        table[0][numbers], table[1][numbers] = x.starts, y.starts[:, None]
        table[2][numbers], table[3][numbers] = x.lengths, y.lengths[:, None]
        table[4][numbers], table[5][numbers] = described

    def finish(self) -> Geometry:
        x, y, width, height, orientation, subband = np.concatenate(self.codeblocks, axis=1)
        bands = np.concatenate(self.bands)
        resolution, precinct_y, precinct_x, num_bands = np.concatenate(self.precincts).T
        start, tree_first, tree_width, num_nodes = _tag_trees(bands[:, 1], bands[:, 2])
        return Geometry(
            subbands=tuple(self.subbands),
            x=x,
            y=y,
            width=width,
            height=height,
            orientation=orientation,
            subband=subband,
            first_codeblock=bands[:, 0].astype(np.int32),
            blocks_wide=bands[:, 1].astype(np.int32),
            blocks_high=bands[:, 2].astype(np.int32),
            tree_start=start,
            tree_first=tree_first,
            tree_width=tree_width,
            num_nodes=num_nodes,
            first_band=np.concatenate([[0], np.cumsum(num_bands)]).astype(np.int32),
            precinct_resolution=resolution.astype(np.int32),
            precinct_x=precinct_x,
            precinct_y=precinct_y,
        )


def _tag_trees(wide: Longs, tall: Longs) -> tuple[Ints, Ints, Ints, int]:
    """Return the levels of all tag trees (B.10.2): each tree's first, each level's first node and width, and nodes."""
    # The number of bits of a side less one is how often it is halved until one is left.
    depth = np.where(wide * tall > 0, np.frexp(np.maximum(wide, tall) - 1.0)[1] + 1, 0)
    start = np.concatenate([[0], np.cumsum(depth)])
    halved = np.arange(start[-1]) - np.repeat(start[:-1], depth)
    widths, heights = (-(-np.repeat(side, depth) >> halved) for side in (wide, tall))
    nodes = widths * heights
    ends = np.cumsum(nodes)
    num_nodes = int(ends[-1]) if len(ends) else 0
    return start.astype(np.int32), (ends - nodes).astype(np.int32), widths.astype(np.int32), num_nodes
