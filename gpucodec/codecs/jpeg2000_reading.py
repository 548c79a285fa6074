"""Tier-2 of decoding for some frames that share a plan: from codestreams to the bytes of each codeblock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gpucodec.backends import Executor
from gpucodec.codecs.buffers import LoadedCodestreams, laid_out
from gpucodec.codestream.j2k_plan import DecodingPlan
from gpucodec.codestream.j2k_reader import Codestream
from gpucodec.codestream.j2k_size import FORMAT
from gpucodec.errors import CodestreamError, LimitExceededError, TruncatedCodestreamError

__all__ = ["CodedBlocks", "read_codeblocks"]

Longs = npt.NDArray[np.int64]

_MAX_CHUNKS = (1 << 31) - 1
# More bytes are given back as soon as the codeblocks are decoded.
_KEPT_BYTES = 1 << 19


@dataclass(frozen=True, slots=True, eq=False)
class CodedBlocks:
    """The bytes of all codeblocks that are decoded, where kernels run; see `gpucodec_kernels.tier2.collect`.

    Codeblocks are numbered ``frame * plan.num_blocks + block``. What is not an argument of the block decoders tells
    where a codeblock came from, until the next call of `read_codeblocks` in the same thread.
    """

    data: Any
    segment_begins: Any
    segments: Any
    first_segment: Any
    coded: Any
    plan: DecodingPlan
    starts: Longs
    where: Executor
    blocks: Any
    chunk_places: Any

    def offset(self, codeblock: int) -> int | None:
        """Return where in its frame's codestream the first byte of a codeblock is; None where it has none."""
        from gpucodec_kernels.tier2.read_packets import BLOCK_NUMBERS, FIRST_CHUNK

        frame, block = divmod(codeblock, self.plan.num_blocks)
        state = frame * self.plan.num_all_blocks + int(self.plan.block_sources[block])
        chunk = int(self.where.download(self.blocks)[state * BLOCK_NUMBERS + FIRST_CHUNK])
        return None if chunk < 0 else int(self.where.download(self.chunk_places)[chunk]) - int(self.starts[frame])


def read_codeblocks(
    where: Executor,
    plan: DecodingPlan,
    codestreams: Sequence[Codestream],
    first_frame: int = 0,
    loaded: LoadedCodestreams | None = None,
) -> CodedBlocks:
    """Read all packets, and collect each codeblock's bytes.

    Parameters
    ----------
    where : Executor
        Where kernels run.
    plan : DecodingPlan
        The plan of all the codestreams.
    codestreams : sequence of Codestream
        One or more.
    first_frame : int
        Index of the first one in its file, for messages.
    loaded : LoadedCodestreams, optional
        Their bytes, where they are on the device already.

    Raises
    ------
    TruncatedCodestreamError
        If a tile's packets are not all there.
    CodestreamError
        If a packet header is wrong.
    LimitExceededError
        If packets tell of more pieces than can be numbered.
    """
    return _Reading(where, plan, codestreams, first_frame, loaded).read()


class _Reading:
    """One call of `read_codeblocks`."""

    def __init__(
        self,
        where: Executor,
        plan: DecodingPlan,
        codestreams: Sequence[Codestream],
        first_frame: int,
        loaded: LoadedCodestreams | None,
    ) -> None:
        self.where, self.plan, self.codestreams, self.first_frame = where, plan, codestreams, first_frame
        self.num_frames, self.num_tiles = len(codestreams), len(plan.tiles)
        packed = [codestream.packed_headers for codestream in codestreams]
        apart = [headers for headers in packed if headers]
        pieces = [*(codestream.data for codestream in codestreams), *apart]
        source, starts = laid_out(where, loaded if loaded is not None and loaded.are(pieces) else pieces)
        self.source, self.starts = source, starts[: self.num_frames]
        # Frames that have no packed headers have no parts in them either.
        self.header_starts = np.zeros(self.num_frames, np.int64)
        self.header_starts[[bool(headers) for headers in packed]] = starts[self.num_frames :]

    def read(self) -> CodedBlocks:
        parts = self._parts([codestream.tile_parts for codestream in self.codestreams], self.starts)
        header_parts = self._parts([codestream.packed_parts for codestream in self.codestreams], self.header_starts)
        counts = np.tile(self.plan.chunks, self.num_frames)
        blocks, places, chunks, results = self._read_packets(parts, header_parts, counts)
        if _is_short_of_chunks(results):
            counts = np.maximum(counts, results[:, 2])
            blocks, places, chunks, results = self._read_packets(parts, header_parts, counts)
        self._check(results)
        return self._collect(blocks, places, chunks)

    def _parts(self, rows: list[Longs], starts: Longs) -> tuple[Longs, npt.NDArray[np.int32]]:
        """Return begin and end of the needed tiles' parts in the source, and the first of each (frame, tile)."""
        frames = np.repeat(np.arange(self.num_frames), [len(each) for each in rows])
        joined = np.concatenate(rows)
        places = np.minimum(np.searchsorted(self.plan.tiles, joined[:, 0]), self.num_tiles - 1)
        needed = self.plan.tiles[places] == joined[:, 0]
        counts = np.bincount((frames * self.num_tiles + places)[needed], minlength=self.num_frames * self.num_tiles)
        parts = (joined[:, 1:] + starts[frames][:, None])[needed].reshape(-1)
        return parts, np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)

    def _read_packets(self, parts: Any, header_parts: Any, counts: Longs) -> tuple[Any, Any, Any, Longs]:
        """Launch the kernel with room for so many chunks; return codeblocks' states, chunks and results."""
        from gpucodec_kernels.tier2 import read_packets as kernels

        where, plan, frames = self.where, self.plan, self.num_frames
        first_chunk = np.concatenate([[0], np.cumsum(counts)])
        num_chunks = int(first_chunk[-1])
        if max(num_chunks, frames * max(plan.num_all_blocks, plan.num_nodes) * kernels.BLOCK_NUMBERS) > _MAX_CHUNKS:
            raise LimitExceededError(f"{num_chunks} pieces of codeblocks in {frames} frames are too many at once")
        nodes = where.scratch("read_nodes", max(1, frames * plan.num_nodes * 2), np.int32)
        blocks = where.scratch("read_blocks", max(1, frames * plan.num_all_blocks * kernels.BLOCK_NUMBERS), np.int32)
        places = where.scratch("read_places", max(1, num_chunks), np.int64)
        chunks = where.scratch("read_chunks", max(1, num_chunks * 3), np.int32)
        results = where.empty(frames * self.num_tiles * kernels.RESULT_NUMBERS, np.int64)
        where.launch(
            kernels.read_packets, frames * self.num_tiles, self.num_tiles, plan.layers, plan.num_all_blocks,
            plan.num_nodes, *self._tables(), self.source, *map(where.upload, (*parts, *header_parts, first_chunk)),
            nodes, blocks, places, chunks, results,
        )  # fmt: skip
        return blocks, places, chunks, where.download(results).reshape(-1, kernels.RESULT_NUMBERS)

    def _tables(self) -> tuple[Any, ...]:
        plan = self.plan
        tables = (plan.tile_table, plan.packets, plan.precincts, plan.bands, plan.tree, plan.numbers)
        return plan.uploaded(self.where, "packets", tables)

    def _check(self, results: Longs) -> None:
        """Raise the first fault."""
        from gpucodec_kernels.tier2 import read_packets as kernels

        faulty = np.flatnonzero(results[:, 0])
        if not len(faulty):
            return
        status, position, _, num_read = results[faulty[0]].tolist()
        frame, tile = divmod(int(faulty[0]), self.num_tiles)
        num_packets = int(np.diff(self.plan.tile_table.reshape(self.num_tiles, -1)[tile, :2])[0])
        index = int(self.plan.tiles[tile])
        offset = max(0, min(position - int(self.starts[frame]), len(self.codestreams[frame].data)))
        place: dict[str, Any] = {"format": FORMAT, "frame": self.first_frame + frame, "offset": offset}
        if status == kernels.STATUS_TRUNCATED:
            raise TruncatedCodestreamError(
                f"tile {index} has {num_packets} packets, but no more than {num_read} are there", **place
            )
        what = {
            kernels.STATUS_BAD_HEADER: "tells of too many passes, zero bit-planes or bytes",
            kernels.STATUS_BAD_HT_LENGTH: "tells lengths that an HT codeblock cannot have",
        }[status]
        raise CodestreamError(f"the header of packet {num_read} of tile {index} {what}", **place)

    def _collect(self, blocks: Any, places: Any, chunks: Any) -> CodedBlocks:
        from gpucodec_kernels.tier2 import collect

        where, plan = self.where, self.plan
        number = self.num_frames * plan.num_blocks
        styles = np.ascontiguousarray(plan.blocks.reshape(-1, 8)[:, 5])
        shared = (plan.num_blocks, plan.num_all_blocks, *plan.uploaded(where, "blocks", (plan.block_sources, styles)))
        sizes, coded = where.empty(max(1, number) * 2, np.int64), where.empty(max(1, number) * 3, np.int32)
        where.launch(collect.measure_codeblocks, number, *shared, blocks, chunks, sizes, coded)
        counts, lengths = where.download(sizes)[: number * 2].reshape(-1, 2).T
        first_segment = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        ends = np.cumsum(lengths) + collect.PADDING
        num_segments, num_bytes = int(first_segment[-1]), int(ends[-1]) if number else collect.PADDING
        keep = num_bytes <= _KEPT_BYTES
        data = where.scratch("codeblock_data", num_bytes, np.uint8) if keep else where.temporary(num_bytes, np.uint8)
        segment_begins = where.empty(max(1, num_segments), np.int64)
        segments = where.empty(max(1, num_segments) * 2, np.int32)
        first_segment = where.upload(first_segment)
        where.launch(
            collect.collect_codeblocks, number, *shared, blocks, chunks, places, self.source, first_segment,
            where.upload(ends - lengths), data, segment_begins, segments,
        )  # fmt: skip
        return CodedBlocks(
            data, segment_begins, segments, first_segment, coded, plan, self.starts, where, blocks, places
        )


def _is_short_of_chunks(results: Longs) -> bool:
    from gpucodec_kernels.tier2.read_packets import STATUS_MORE_CHUNKS

    return bool((results[:, 0] == STATUS_MORE_CHUNKS).any())
