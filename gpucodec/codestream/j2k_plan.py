"""What is to be done to decode frames with the same headers: tables for the kernels, ITU-T T.800 Annex B.

A plan is made of headers alone, and kept: equal frames share it. Before anything is allocated in proportion to what
headers claim, the claim is held against the bytes there are and against the caller's limit.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from gpucodec_kernels.dwt_tables import CHAIN, JOB, STORE, Tables

from gpucodec.codestream.j2k_grid import Grid, Region, Sides
from gpucodec.codestream.j2k_headers import TileParameters
from gpucodec.codestream.j2k_reader import Codestream
from gpucodec.codestream.j2k_tile_components import coefficients_of
from gpucodec.codestream.j2k_tiles import TileClass, lay_out_tile
from gpucodec.errors import LimitExceededError, ParameterError, UnsupportedError

__all__ = ["ComponentWindow", "DecodingPlan", "plan_decoding"]

Longs = npt.NDArray[np.int64]

_DEFAULT_MAX_BYTES = 1 << 36
_MAX_KEPT = 32
_MAX_KEPT_BLOCKS = 1 << 20  # of all plans that are kept, together
_TILE_NUMBERS = 8  # of gpucodec_kernels.tier2.read_packets
_ALL_LAYERS = 65535


class Uploader(Protocol):
    """What copies arrays to where kernels run, such as `gpucodec.backends.Executor`."""

    @property
    def place(self) -> Hashable:
        """Where that is."""

    def constant(self, array: npt.NDArray[Any]) -> Any:
        """Return an array's contents where kernels run, for all threads."""


@dataclass(frozen=True, slots=True)
class ComponentWindow:
    """What is decoded of a component.

    Parameters
    ----------
    x, y, columns, rows : int
        Its samples, on its own grid after discarding resolution levels.
    precision : int
        Bits of a sample.
    is_signed : bool
        Whether samples are signed.
    place : int
        Where its first sample goes in a frame's output.
    """

    x: int
    y: int
    columns: int
    rows: int
    precision: int
    is_signed: bool
    place: int


@dataclass(frozen=True, slots=True, eq=False)
class DecodingPlan:
    """All that frames with the same headers share.

    Parameters
    ----------
    components : tuple of ComponentWindow
        What is decoded.
    output_samples : int
        Samples of all of them together.
    layers : int
        Layers that are decoded.
    tiles : array
        int64: the indices of the tiles that are needed. All tables go by them.
    num_blocks : int
        Codeblocks that are decoded.
    num_all_blocks, num_nodes : int
        Codeblocks that packets tell of, and nodes of tag trees.
    num_coefficients : int
        Coefficients of a frame.
    tile_table, packets, precincts, bands, tree, numbers : array
        See `gpucodec_kernels.tier2.read_packets`.
    block_sources : array
        int32, one a decoded codeblock: its number among all.
    block_places, blocks : array
        See `gpucodec.codestream.j2k_tiles.TileClass`; places count from the frame's first coefficient.
    tile_blocks : array
        int32, one a tile and one more: its first decoded codeblock.
    chunks : array
        int64, one a tile: how many chunks to make room for at first.
    tables : Tables
        The inverse wavelet, and where its results go.
    """

    components: tuple[ComponentWindow, ...]
    output_samples: int
    layers: int
    tiles: npt.NDArray[np.int64]
    num_blocks: int
    num_all_blocks: int
    num_nodes: int
    num_coefficients: int
    tile_table: npt.NDArray[np.int64]
    packets: npt.NDArray[np.int32]
    precincts: npt.NDArray[np.int32]
    bands: npt.NDArray[np.int32]
    tree: npt.NDArray[np.int32]
    numbers: npt.NDArray[np.int32]
    block_sources: npt.NDArray[np.int32]
    block_places: npt.NDArray[np.int64]
    blocks: npt.NDArray[np.int32]
    tile_blocks: npt.NDArray[np.int32]
    chunks: npt.NDArray[np.int64]
    tables: Tables
    _kept: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def uploaded(self, where: Uploader, name: str, arrays: tuple[npt.NDArray[Any], ...]) -> tuple[Any, ...]:
        """Return arrays of the plan where kernels run; they are copied there once."""
        kept: tuple[Any, ...] = self.kept((where.place, name), lambda: tuple(map(where.constant, arrays)))
        return kept

    def kept(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what is made of the plan, which is made once and goes when the plan goes."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def check_limit(self, max_bytes: int) -> None:
        """Refuse a plan whose coefficients and samples would take more memory than allowed."""
        needed = 4 * (self.num_coefficients + self.output_samples)
        if needed > max_bytes:
            raise LimitExceededError(f"Decoding would take {needed} bytes a frame, above the limit of {max_bytes}")


_kept: OrderedDict[object, DecodingPlan] = OrderedDict()
_lock = threading.Lock()


def plan_decoding(
    codestream: Codestream,
    *,
    reduce: int = 0,
    layers: int = 0,
    region: Region | None = None,
    interleaved: bool = True,
    max_bytes: int = _DEFAULT_MAX_BYTES,
) -> DecodingPlan:
    """Plan the decoding of a codestream, and of all others with the same `plan_key`.

    Parameters
    ----------
    codestream : Codestream
        What was read.
    reduce : int
        How many of the highest resolution levels are discarded.
    layers : int
        How many quality layers are decoded; 0 for all.
    region : tuple of int, optional
        Row, column, rows and columns of the part of the image area that is decoded; all of it otherwise.
    interleaved : bool
        Whether samples go pixel by pixel, or each component's to a plane of its own.
    max_bytes : int
        More memory for coefficients and samples of a frame is refused.

    Raises
    ------
    ParameterError
        If a component has fewer resolution levels than are to be discarded, the region leaves the image area, or no
        sample is left.
    LimitExceededError
        If more memory or more work would be needed than is allowed.
    TruncatedCodestreamError
        If there are more packets than bytes.
    UnsupportedError
        If components of different sizes are to be interleaved.
    """
    key = (codestream.plan_key, reduce, layers, region, interleaved)
    with _lock:
        plan = _kept.get(key)
        if plan is not None:
            _kept.move_to_end(key)
    if plan is None:
        plan = _Planner(codestream, reduce, layers, region, interleaved, max_bytes).plan()
        with _lock:
            _kept[key] = plan
            while len(_kept) > _MAX_KEPT or sum(each.num_all_blocks for each in _kept.values()) > _MAX_KEPT_BLOCKS:
                _kept.popitem(last=False)
    plan.check_limit(max_bytes)
    return plan


class _Planner:
    """Makes one plan."""

    def __init__(
        self,
        codestream: Codestream,
        reduce: int,
        layers: int,
        region: Region | None,
        interleaved: bool,
        max_bytes: int,
    ) -> None:
        self.size, self.num_bytes = codestream.size, codestream.num_packet_bytes
        self.reduce, self.interleaved, self.max_bytes = reduce, interleaved, max_bytes
        self.layers = layers or _ALL_LAYERS
        if layers < 0 or reduce < 0:
            raise ParameterError(f"'layers' of {layers} or 'reduce' of {reduce} is not allowed, must be 0 or more")
        self.grid = Grid(codestream, reduce, region)
        self.whole = not reduce and region is None and not layers
        self.components = self._windows()
        self.output_samples = sum(window.rows * window.columns for window in self.components)
        if not self.output_samples:
            raise ParameterError(f"With a 'reduce' of {reduce}, no sample is left in the region {region}")
        if 4 * self.output_samples > max_bytes:
            raise LimitExceededError(
                f"A frame of {self.output_samples} samples would take more than the limit of {max_bytes} bytes"
            )
        self.grid.check_claims(self.num_bytes, len(codestream.data))
        self.classes: list[TileClass] = []
        self.tiles: list[int] = []
        self.stores: list[tuple[int, ...]] = []

    def _windows(self) -> tuple[ComponentWindow, ...]:
        windows = []
        place = 0
        for number, component in enumerate(self.size.components):
            (x0, x1), (y0, y1) = self.grid.window(component)
            where = number if self.interleaved else place
            columns, rows = x1 - x0, y1 - y0
            windows.append(ComponentWindow(x0, y0, columns, rows, component.precision, component.is_signed, where))
            place += columns * rows
        sizes = {(window.rows, window.columns) for window in windows}
        if self.interleaved and len(sizes) > 1:
            raise UnsupportedError(f"Components of different sizes {sorted(sizes)} cannot be interleaved")
        return tuple(windows)

    def plan(self) -> DecodingPlan:
        numbers = self._lay_out()
        classes = self.classes

        def first(counts: list[int]) -> Longs:
            """Return where each tile's rows begin in a table, and where the last one's end."""
            return np.concatenate([[0], np.cumsum(np.array(counts, np.int64)[numbers])]).astype(np.int64)

        all_blocks, nodes = first([made.num_blocks for made in classes]), first([made.num_nodes for made in classes])
        counts = [len(made.decoded) for made in classes]
        decoded = first(counts)
        coefficients = first([made.num_coefficients for made in classes])
        tile_table = np.zeros((len(numbers), _TILE_NUMBERS), np.int64)
        tile_table[:, 2], tile_table[:, 3] = all_blocks[:-1], np.diff(all_blocks)
        tile_table[:, 4], tile_table[:, 5] = nodes[:-1], np.diff(nodes)
        shared = _shared_tables(classes, numbers, tile_table)
        chains = np.array([row for made in classes for row in made.chains], CHAIN)
        chains = _spread(chains, [len(made.chains) for made in classes], numbers)
        chains["place"] += np.repeat(coefficients[:-1], len(self.components))
        places = _spread(np.concatenate([made.block_places for made in classes]), counts, numbers)
        sources = _spread(np.concatenate([made.decoded for made in classes]), counts, numbers)
        return DecodingPlan(
            components=self.components,
            output_samples=self.output_samples,
            layers=self.layers,
            tiles=np.array(self.tiles, np.int64),
            num_blocks=int(decoded[-1]),
            num_all_blocks=int(all_blocks[-1]),
            num_nodes=int(nodes[-1]),
            num_coefficients=int(coefficients[-1]),
            tile_table=tile_table.reshape(-1),
            block_sources=(sources + np.repeat(all_blocks[:-1], np.diff(decoded))).astype(np.int32),
            block_places=places + np.repeat(coefficients[:-1], np.diff(decoded)),
            blocks=_spread(np.concatenate([made.blocks for made in classes]), counts, numbers).reshape(-1),
            tile_blocks=decoded.astype(np.int32),
            chunks=np.array([made.chunks for made in classes], np.int64)[numbers],
            tables=Tables(chains, self._jobs(numbers, coefficients), np.array(self.stores, STORE)),
            **shared,
        )

    def _lay_out(self) -> npt.NDArray[np.int64]:
        """Cut up the tiles, and lay out one of each class; return each tile's class."""
        found: dict[object, int] = {}
        representatives: list[Sides] = []
        numbers: list[int] = []
        total = self.output_samples
        levels = 0
        for index, sides, signature, parameters in self.grid.tiles():
            key = (id(parameters), signature)
            number = found.setdefault(key, len(found))
            if number == len(self.classes):
                levels += sum(len(x.axes) for x, _ in sides)
                self.grid.check_classes(levels, self.num_bytes)
                limit = self.max_bytes // 4 - total
                if coefficients_of(sides) > limit:
                    total = self.max_bytes
                else:
                    self.classes.append(lay_out_tile(sides, self.size.components, parameters, self.layers, self.whole))
                    representatives.append(sides)
            if number < len(self.classes):
                total += self.classes[number].num_coefficients
            if 4 * total > self.max_bytes:
                raise LimitExceededError(f"Decoding would take more than the limit of {self.max_bytes} bytes a frame")
            self._add_stores(len(numbers), sides, representatives[number], parameters)
            self.tiles.append(index)
            numbers.append(number)
        return np.array(numbers, np.int64)

    def _jobs(self, numbers: Longs, coefficients: Longs) -> npt.NDArray[np.void]:
        lengths = [len(made.jobs) for made in self.classes]
        spread = _spread(np.array([row for made in self.classes for row in made.jobs], JOB), lengths, numbers)
        counts = np.array(lengths, np.int64)[numbers]
        spread["chain"] += np.repeat(np.arange(len(numbers)) * len(self.components), counts)
        for band in ("hl", "lh", "hh"):
            spread[f"{band}_place"] += np.repeat(coefficients[:-1], counts)
        return spread

    def _add_stores(self, tile: int, sides: Sides, representative: Sides, parameters: TileParameters) -> None:
        """Add where a tile's samples go. Windows are told in the coordinates of the tile that stands for its class."""
        num_components = len(self.components)
        joined = 3 if _is_joined(sides, parameters) else 1
        for component in (0, *range(joined, num_components)):
            window = self.components[component]
            (x, y), (same_x, same_y) = sides[component], representative[component]
            (left, right), (top, bottom) = same_x.output, same_y.output
            if left >= right or top >= bottom:
                continue
            pixel, apart = (num_components, 1) if self.interleaved else (1, window.rows * window.columns)
            stride = window.columns * pixel
            place = window.place + (y.output[0] - window.y) * stride + (x.output[0] - window.x) * pixel
            half = 1 << (window.precision - 1)
            shift, low = (0, -half) if window.is_signed else (half, 0)
            number = joined if component == 0 else 1
            self.stores.append(
                (
                    tile * num_components + component, number, top, bottom, left, right, place, stride, pixel, apart,
                    shift, low, low + 2 * half - 1,
                )
            )  # fmt: skip


def _is_joined(sides: Sides, parameters: TileParameters) -> bool:
    """Return whether the first three components went through the RCT or the ICT; they must be alike for that."""
    if not parameters.packets.component_transform or len(sides) < 3:
        return False
    pairs = zip(sides[:3], parameters.codings, strict=False)
    return len({(x.output, y.output, coding.reversible) for (x, y), coding in pairs}) == 1


def _spread(rows: npt.NDArray[Any], counts: Sequence[int], numbers: Longs) -> npt.NDArray[Any]:
    """Return a table with the rows of each tile's class, tile by tile; `counts` are those of each class."""
    lengths = np.array(counts, np.int64)
    taken = lengths[numbers]
    begins = np.cumsum(taken) - taken
    spread: npt.NDArray[Any] = rows[
        np.repeat((np.cumsum(lengths) - lengths)[numbers] - begins, taken) + np.arange(taken.sum())
    ]
    return spread


def _shared_tables(classes: Sequence[TileClass], numbers: Longs, tile_table: Longs) -> dict[str, Any]:
    """Join the tables that packets are read with, class by class, and enter into `tile_table` where each begins."""
    packet_counts = np.array([len(made.packets) for made in classes], np.int64)
    ends = np.cumsum(packet_counts)
    tile_table[:, 0], tile_table[:, 1] = (ends - packet_counts)[numbers], ends[numbers]
    blocks = np.array([made.num_blocks for made in classes], np.int64)
    tile_table[:, 6] = (np.cumsum(blocks) - blocks)[numbers]
    tables, decoded_numbers = [], []
    first_precinct = 0
    for made in classes:
        tables.append(made.packets + np.array([first_precinct, 0], np.int32))
        first_precinct += len(made.precincts)
        number = np.full(made.num_blocks, -1, np.int32)
        number[made.decoded] = np.arange(len(made.decoded))
        decoded_numbers.append(number)
    return {
        "packets": np.concatenate(tables).reshape(-1),
        "precincts": _with_begins([made.precincts for made in classes], 0),
        "bands": _with_begins([made.bands for made in classes], 3),
        "tree": np.concatenate([made.tree for made in classes]).reshape(-1),
        "numbers": np.concatenate(decoded_numbers),
    }


def _with_begins(tables: Sequence[npt.NDArray[np.int32]], column: int) -> npt.NDArray[np.int32]:
    """Join tables, turning the counts in one column into begins, with a row more that tells the end."""
    joined = np.concatenate([*tables, np.zeros((1, tables[0].shape[1]), np.int32)])
    joined[:, column] = np.cumsum(joined[:, column]) - joined[:, column]
    return joined.reshape(-1)
