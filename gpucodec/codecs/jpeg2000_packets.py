"""Tier-2 of a portion of frames: layers, packet headers, and codestreams with every byte in its place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gpucodec.backends import Executor
from gpucodec.codecs.jpeg2000_blocks import CodedBlocks
from gpucodec.codestream.j2k_geometry import plane_geometry
from gpucodec.codestream.j2k_parameters import CodingParameters
from gpucodec.errors import UnsupportedError

__all__ = ["Packets", "Tier2"]

_NODE_NUMBERS = 4
_HIGH_THROUGHPUT = 64  # of a codeblock style, as in COD
_LARGEST_SLOT = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class _Tables:
    """What all frames of a shape share, on the host."""

    packets: npt.NDArray[np.int32]
    precincts: npt.NDArray[np.int32]
    bands: npt.NDArray[np.int32]
    tree: npt.NDArray[np.int32]


@lru_cache(maxsize=16)
def _tables(rows: int, columns: int, components: int, parameters: CodingParameters) -> _Tables:
    geometry = plane_geometry(rows, columns, parameters)
    packets = np.stack(geometry.packets(parameters.progression_order, parameters.num_layers, components), axis=1)
    bands = np.zeros((len(geometry.first_codeblock) + 1, 4), np.int32)
    bands[:-1, 0], bands[-1, 0] = geometry.first_codeblock, geometry.num_codeblocks
    bands[:-1, 1], bands[:-1, 2] = geometry.blocks_wide, geometry.blocks_high
    bands[:, 3] = geometry.tree_start
    tree = np.stack([geometry.tree_first, geometry.tree_width], axis=1)
    return _Tables(packets.reshape(-1), geometry.first_band, bands.reshape(-1), tree.reshape(-1))


@dataclass(frozen=True, slots=True)
class Packets:
    """The packets of some frames, laid out but not yet written.

    Parameters
    ----------
    lengths : array
        int64, on the host: bytes of all packets, frame by frame.
    extra_guard_bits : array
        int32, on the host: guard bits that each frame needs beyond those planned.
    packet_lengths : array
        int64, on the host, ``(frames, packets)``; empty unless asked for.
    """

    lengths: npt.NDArray[np.int64]
    extra_guard_bits: npt.NDArray[np.int32]
    packet_lengths: npt.NDArray[np.int64]
    headers: Any
    header_bounds: Any
    header_places: Any
    body_places: Any
    layer_passes: Any


class Tier2:
    """What follows the block coding of some frames.

    Parameters
    ----------
    where : Executor
        Where kernels run.
    rows, columns, components, num_frames : int
        What was coded.
    parameters : CodingParameters
        How.
    blocks : CodedBlocks
        The result.
    slack : int
        Guard bits that `blocks` has room for beyond those told in the codestream.
    """

    def __init__(
        self,
        where: Executor,
        rows: int,
        columns: int,
        components: int,
        num_frames: int,
        parameters: CodingParameters,
        blocks: CodedBlocks,
        slack: int,
    ) -> None:
        self.where, self.components, self.num_frames = where, components, num_frames
        self.parameters, self.blocks, self.slack = parameters, blocks, slack
        self.geometry = plane_geometry(rows, columns, parameters)
        self.tables = _tables(rows, columns, components, parameters)
        self.layers = parameters.num_layers
        self.of_frame = components * self.geometry.num_codeblocks
        self.num_packets = len(self.tables.packets) // 3
        self.markers = int(parameters.sop) | int(parameters.eph) << 1
        self.slot_bytes = self._header_bound()
        self.headers = where.scratch("packet_headers", num_frames * self.slot_bytes, np.uint8)
        self.state = self._new_state("")

    def _new_state(self, suffix: str) -> tuple[Any, Any]:
        """Return memory for what headers have told: of the tag trees' nodes, and of codeblocks."""
        num_nodes = self.num_frames * self.components * self.geometry.num_nodes
        nodes = self.where.scratch(f"packet_nodes{suffix}", num_nodes * _NODE_NUMBERS, np.int32)
        blocks = self.where.scratch(f"packet_blocks{suffix}", self.num_frames * self.of_frame * 2, np.int32)
        return nodes, blocks

    def _header_bound(self) -> int:
        """Return bytes that no frame's headers exceed: all that can be told of each node and codeblock."""
        layers, most_passes = self.layers, self.blocks.max_passes
        included = min(layers, most_passes)  # a codeblock is included with one pass at least
        segments = most_passes if self.parameters.codeblock_style & 5 else included
        # Lblock stays below 32, and a length has at most 7 bits more.
        block_bits = layers + included * 17 + 32 + segments * 39
        node_bits = layers + 2 + 64
        bits = self.of_frame * block_bits + self.components * self.geometry.num_nodes * node_bits
        # A bit stuffed into every second byte at worst, and each packet may begin and end anywhere in one.
        bound = bits // 8 * 8 // 7 + bits // 64 + self.num_packets * 12 + 16
        if bound > _LARGEST_SLOT:
            raise UnsupportedError(f"Packet headers could take {bound} bytes a frame, at most {_LARGEST_SLOT}")
        return bound

    @property
    def _shape(self) -> tuple[int, ...]:
        geometry, parameters = self.geometry, self.parameters
        return (
            self.components,
            self.layers,
            geometry.num_codeblocks,
            len(geometry.first_codeblock),
            geometry.num_nodes,
            self.blocks.max_passes,
            int(parameters.codeblock_style) | _HIGH_THROUGHPUT * parameters.high_throughput,
            self.markers,
            self.slack,
        )

    def all_passes(self) -> Any:
        """Return the passes of a single layer that holds everything."""
        return self.blocks.passes

    def allocate(
        self,
        component_weights: npt.NDArray[np.float64],
        targets: npt.NDArray[np.float64],
        rests: Any | None,
    ) -> tuple[Any, npt.NDArray[np.int32]]:
        """Share out the coding passes among the layers.

        Parameters
        ----------
        component_weights : array
            float64, one a component: what a squared error counts.
        targets : array
            float64, ``(frames, layers)``, see `gpucodec_kernels.tier2.allocation`.
        rests : array or None
            float64, one a codeblock, where the kernels run: squared error that all passes leave. With it, targets are
            squared errors, without they are bytes.

        Returns
        -------
        layer_passes : array
            Where the kernels run.
        status : array
            int32 on the host, ``(frames, layers)``.
        """
        from gpucodec_kernels.tier2 import allocation

        where, blocks, tables = self.where, self.blocks, self.tables
        weights = where.upload(component_weights)
        layer_passes = where.empty(self.num_frames * self.layers * self.of_frame, np.int32)
        status = where.empty(self.num_frames * self.layers, np.int32)
        shared = map(where.upload, (tables.precincts, tables.bands, tables.tree))
        left = where.empty(1, np.float64) if rests is None else rests
        aims = where.upload(targets.reshape(-1))
        where.launch(
            allocation.allocate_layers, self.num_frames, self.geometry.num_precincts, *self._shape,
            int(rests is not None), self.slot_bytes, *shared, blocks.zero_bitplanes, blocks.passes, blocks.lengths,
            blocks.pass_lengths, weights, blocks.pass_distortions, blocks.ranks, aims, left,
            layer_passes, *self.state, *self._new_state("_trial"), self.headers, status,
        )  # fmt: skip
        return layer_passes, where.download(status).reshape(self.num_frames, self.layers)

    def write_headers(self, layer_passes: Any) -> Packets:
        """Write all packet headers, and find the place of everything."""
        from gpucodec_kernels.tier2 import packet_headers

        where, blocks, tables, frames = self.where, self.blocks, self.tables, self.num_frames
        bounds = where.empty(frames * (self.num_packets + 1), np.int32)
        header_places = where.empty(frames * self.num_packets, np.int64)
        body_places = where.empty(frames * self.layers * self.of_frame, np.int64)
        lengths, extra = where.empty(frames, np.int64), where.empty(frames, np.int32)
        shared = map(where.upload, (tables.packets, tables.precincts, tables.bands, tables.tree))
        where.launch(
            packet_headers.write_headers, frames, self.num_packets, *self._shape, self.slot_bytes, *shared,
            blocks.zero_bitplanes, blocks.passes, blocks.lengths, blocks.pass_lengths, layer_passes, *self.state,
            self.headers, bounds, header_places, body_places, lengths, extra,
        )  # fmt: skip
        ends = where.download(lengths)
        packet_lengths = np.empty((frames, 0), np.int64)
        if self.parameters.plt:
            begins = where.download(header_places).reshape(frames, -1)
            packet_lengths = np.diff(begins, axis=1, append=ends[:, None])
        return Packets(
            ends, where.download(extra), packet_lengths, self.headers, bounds, header_places, body_places, layer_passes
        )

    def write_codestreams(self, packets: Packets, frame_places: npt.NDArray[np.int64], codestreams: Any) -> None:
        """Write all packets.

        Parameters
        ----------
        packets : Packets
            What to write.
        frame_places : array
            int64, one a frame: where in `codestreams` its first packet begins.
        codestreams : array
            Bytes, where the kernels run.
        """
        from gpucodec_kernels.tier2 import gather

        where, blocks = self.where, self.blocks
        places = where.upload(frame_places)
        gather.launch_headers(
            where, self.num_frames * self.num_packets, self.num_packets, packets.headers,
            self.slot_bytes, packets.header_bounds, packets.header_places, places, codestreams,
        )  # fmt: skip
        for piece in blocks.pieces:
            gather.launch_bodies(
                where, piece.count * self.layers, piece.first, piece.count, self.layers, self.of_frame,
                blocks.max_passes, piece.coded, piece.offsets, blocks.passes, blocks.lengths, blocks.pass_lengths,
                packets.layer_passes, packets.body_places, places, codestreams,
            )  # fmt: skip
