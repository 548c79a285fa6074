"""The block coding of a portion of frames: planes of coefficients in, coded codeblocks out. ITU-T T.800 Annex D."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gpucodec.backends import Executor
from gpucodec.codecs.jpeg2000_pruning import ErrorPruning, Part, Pruning, RoomPruning
from gpucodec.codecs.prefix_sum import exclusive_prefix_sum
from gpucodec.codestream.j2k_geometry import Geometry
from gpucodec.errors import GpucodecError

__all__ = ["BlockCoder", "CodedBlocks", "Piece", "Planned", "code_blocks"]

# What one launch may take for the coded bytes before they are moved together, beside a byte for every other sample.
_SLOTS_BYTES = 2 << 20
# A lane codes one codeblock after the other in the same scratch, which should stay in the processor's cache.
_LANES_PER_THREAD = 4
_SMALLEST_SLOT = 256


@dataclass(frozen=True, slots=True)
class Planned:
    """What a quantizer and the options promise the block coder.

    Parameters
    ----------
    bitplanes : array
        int32, for each subband the magnitude bit-planes that its coefficients can have.
    weights : array
        float64, for each subband what a squared error of one quantizer step counts.
    fraction_bits : int
        Bits of a coefficient below the quantizer step.
    style : int
        Codeblock style.
    with_pass_lengths : bool
        Whether the lengths of passes are needed, not only of codeblocks.
    with_distortion : bool
        Whether the passes' distortions and ranks are needed.
    component_weights : array
        float64, one a component: what a squared error counts in the frame.
    room : float or None
        Bytes that a frame's passes are certain not to exceed, where that is known.
    with_rest : bool
        Whether the squared error that all passes leave is needed.
    error : float or None
        Mean squared error that samples may have, if passes that gain too little for that may be left out.
    """

    bitplanes: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float64]
    fraction_bits: int
    style: int
    with_pass_lengths: bool
    with_distortion: bool
    component_weights: npt.NDArray[np.float64]
    room: float | None
    with_rest: bool
    error: float | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes of some consecutive codeblocks: those of codeblock `first` + k begin at ``offsets[k]``."""

    first: int
    count: int
    coded: Any
    offsets: Any


@dataclass(frozen=True, slots=True)
class CodedBlocks:
    """Coded codeblocks, numbered ``plane * codeblocks of a plane + codeblock``; arrays lie where the kernels run.

    Parameters
    ----------
    pieces : list of Piece
        Their bytes.
    lengths, zero_bitplanes, passes : array
        int32, one a codeblock.
    pass_lengths : array
        int32, ``(codeblocks, max_passes)`` flat, cumulative, if they were asked for.
    pass_distortions : array
        float64, likewise, if they were asked for.
    ranks : array
        int32, likewise: the slopes' ranks, see `gpucodec_kernels.tier2.allocation`.
    rests : array or None
        float64, one a codeblock: squared error that all passes leave, if it was asked for.
    max_passes : int
        Passes of a codeblock at most.
    is_pruned : bool
        Whether passes may be missing that layers want.
    """

    pieces: list[Piece]
    lengths: Any
    zero_bitplanes: Any
    passes: Any
    pass_lengths: Any
    pass_distortions: Any
    ranks: Any
    rests: Any | None
    max_passes: int
    is_pruned: bool


def code_blocks(
    where: Executor, planes: Any, num_planes: int, shape: tuple[int, int], geometry: Geometry, planned: Planned
) -> CodedBlocks:
    """Code all codeblocks of some planes.

    Parameters
    ----------
    where : Executor
        Where kernels run.
    planes : array
        int32 coefficients of all planes, flat.
    num_planes : int
        Number of planes.
    shape : tuple of int
        Rows and columns of a plane.
    geometry : Geometry
        The codeblocks of each.
    planned : Planned
        What to expect and what is wanted.
    """
    return BlockCoder(where, planes, num_planes, shape, geometry, planned).run()


class BlockCoder:
    """One portion's block coding: as few launches as the slots' memory allows."""

    def __init__(
        self,
        where: Executor,
        planes: Any,
        num_planes: int,
        shape: tuple[int, int],
        geometry: Geometry,
        planned: Planned,
    ) -> None:
        self.where, self.planes, self.shape, self.planned = where, planes, shape, planned
        self.num_blocks = geometry.num_codeblocks
        self.count = num_planes * self.num_blocks
        columns = (geometry.x, geometry.y, geometry.width, geometry.height, geometry.orientation)
        table = np.stack([*columns, planned.bitplanes[geometry.subband]], axis=1)
        self.table = where.upload(table.astype(np.int32).reshape(-1))
        self.weights = where.upload(planned.weights[geometry.subband])
        self.largest = (int(geometry.width.max()), int(geometry.height.max()), int(planned.bitplanes.max()))
        self.max_passes = self.most_passes(self.largest[2])
        # Codeblocks hardly ever take more than their bit-planes; those that do are coded again in slots for the worst.
        self.slot_bytes = self.largest[0] * self.largest[1] * self.largest[2] // 8 + _SMALLEST_SLOT
        self.worst_slot_bytes = self.kernels().worst_slot_bytes(*self.largest)
        self._slots: Any = None
        self.lengths, self.zeros, self.passes, self.status = (where.empty(self.count, np.int32) for _ in range(4))
        all_passes = self.count * self.max_passes
        self.pass_lengths = where.empty(all_passes if planned.with_pass_lengths else 1, np.int32)
        self.distortions = where.empty(all_passes if planned.with_distortion else 1, np.float64)
        self.ranks = where.empty(all_passes if planned.with_distortion else 1, np.int32)
        self.pruning = self._pruning()
        self.left_out = np.zeros(self.count if self.pruning else 0)

    def _pruning(self) -> Pruning | None:
        """Return what leaves out passes of parts of a frame, before it is known whether layers want them."""
        planned = self.planned
        if self.count != len(planned.component_weights) * self.num_blocks:
            return None
        if planned.room is not None:
            return RoomPruning(planned.room, self.max_passes)
        return None if planned.error is None else ErrorPruning(planned.error, self.max_passes)

    @staticmethod
    def kernels() -> Any:
        """Return the module of kernels."""
        from gpucodec_kernels.ebcot import encode

        return encode

    @staticmethod
    def most_passes(bitplanes: int) -> int:
        """Return how many coding passes a codeblock of so many bit-planes can have."""
        return max(1, 3 * bitplanes - 2)

    def run(self) -> CodedBlocks:
        """Code all codeblocks."""
        pieces: list[Piece] = []
        first = 0
        while first < self.count:
            room = max(_SLOTS_BYTES, self.planes.size // 8)
            count = self.count if self.where.is_asynchronous else max(1, room // self.slot_bytes)
            count = min(self.count - first, count)
            overflow = self._launch(first, count)
            if overflow:
                self.slot_bytes = self.worst_slot_bytes
                continue
            if self.planned.with_distortion:
                self._rank(first, count)
            pieces.append(self._in_slots(count) if count == self.count else self._compacted(first, count))
            first += count
        rests = self._rests()
        if self.pruning:
            self._narrow()
        return CodedBlocks(
            pieces, self.lengths, self.zeros, self.passes, self.pass_lengths, self.distortions, self.ranks, rests,
            self.max_passes, isinstance(self.pruning, ErrorPruning) and len(pieces) > 1,
        )  # fmt: skip

    def _narrow(self) -> None:
        """Give back the memory of passes that are left out."""
        most = max(1, int(self.where.download(self.passes).max()))
        for name in ("pass_lengths", "distortions", "ranks"):
            array = getattr(self, name).reshape(self.count, self.max_passes)
            setattr(self, name, array[:, :most].copy().reshape(-1))
        self.max_passes = most

    def _rests(self) -> Any | None:
        from gpucodec_kernels.tier2 import allocation

        if not self.planned.with_rest:
            return None
        rests = self.where.empty(self.count, np.float64)
        rows, columns = self.shape
        self.where.launch(
            allocation.measure_rest, self.count, self.planes, rows * columns, columns, self.table, self.weights,
            self.num_blocks, self.planned.fraction_bits, rests,
        )  # fmt: skip
        if self.pruning and self.left_out.any():
            rests += self.where.upload(self.left_out)
        return rests

    def _launch(self, first: int, count: int) -> bool:
        """Code some codeblocks, each into a slot of its own; return whether one did not fit."""
        self.launch(first, count)
        status = self.where.download(self.status[first : first + count])
        if (status > self.kernels().STATUS_OVERFLOW).any():
            raise GpucodecError("A wavelet coefficient is larger than its subband can be; please report this frame")
        return bool((status == self.kernels().STATUS_OVERFLOW).any())

    def launch(self, first: int, count: int) -> None:
        """Launch the kernels for some codeblocks."""
        planned, encode = self.planned, self.kernels()
        flags = encode.FLAG_DISTORTION * planned.with_distortion | encode.FLAG_PASS_LENGTHS * planned.with_pass_lengths
        if not planned.fraction_bits:
            flags |= encode.FLAG_REVERSIBLE
        if not planned.with_rest:
            # OpenJPEG's estimates find OpenJPEG's cuts; a squared error that is to be reached needs better ones.
            flags |= encode.FLAG_ESTIMATE
        if self.where.on_host:
            self._launch_lanes(first, count, flags)
        else:
            self._launch_apart(first, count, flags)

    def _launch_lanes(self, first: int, count: int, flags: int) -> None:
        """Launch the one kernel of processors: what a lane needs is used again and again, and stays in the cache."""
        from gpucodec_kernels.target import get_num_threads

        where, planned, encode = self.where, self.planned, self.kernels()
        lanes = min(count, _LANES_PER_THREAD * get_num_threads())
        words, symbols = encode.scratch_words(*self.largest), encode.scratch_symbols(*self.largest)
        rows, columns = self.shape
        where.launch(
            encode.encode_codeblocks, lanes, lanes, first, count, self.planes, rows * columns, columns, self.table,
            self.weights, self.num_blocks, planned.fraction_bits, planned.style, flags,
            where.scratch("block_words", lanes * words, np.uint64), words,
            where.scratch("block_symbols", lanes * symbols, np.uint8), symbols,
            self.slots(count), self.slot_bytes, self.max_passes, self.lengths, self.zeros, self.passes,
            self.pass_lengths, self.distortions, self.status,
        )  # fmt: skip

    def _launch_apart(self, first: int, count: int, flags: int) -> None:
        """Launch the two kernels of GPUs: all codeblocks' symbols, then all their bytes."""
        from gpucodec_kernels.ebcot import encode_apart

        where, planned = self.where, self.planned
        words, symbols = encode_apart.scratch_words(*self.largest), encode_apart.scratch_symbols(*self.largest)
        rows, columns = self.shape
        between = (
            where.scratch("block_words", count * words, np.uint64), words,
            where.scratch("block_symbols", count * symbols, np.uint8), symbols,
        )  # fmt: skip
        where.launch(
            encode_apart.model_codeblocks, count, first, self.planes, rows * columns, columns, self.table, self.weights,
            self.num_blocks, planned.fraction_bits, planned.style, flags, *between, self.max_passes, self.lengths,
            self.zeros, self.passes, self.distortions, self.status,
        )  # fmt: skip
        where.launch(
            encode_apart.code_codeblocks, count, first, planned.style, flags, *between, self.slots(count),
            self.slot_bytes, self.max_passes, self.lengths, self.pass_lengths, self.status,
        )  # fmt: skip

    def slots(self, count: int) -> Any:
        """Return the memory that codeblocks are coded into."""
        num_bytes = count * self.slot_bytes
        if self._slots is None or self._slots.size != num_bytes:
            self._slots = self.where.scratch("block_slots", num_bytes, np.uint8)
        return self._slots

    def _rank(self, first: int, count: int) -> None:
        from gpucodec_kernels.tier2 import allocation

        weights = self.planned.component_weights
        self.where.launch(
            allocation.rank_passes, count, first, len(weights), self.num_blocks, self.max_passes,
            self.where.upload(weights), self.passes, self.pass_lengths, self.distortions, self.ranks,
        )  # fmt: skip

    def _in_slots(self, count: int) -> Piece:
        offsets = np.arange(count, dtype=np.int64) * self.slot_bytes
        return Piece(0, count, self.slots(count), self.where.upload(offsets))

    def _compacted(self, first: int, count: int) -> Piece:
        """Move the bytes together, so that the slots can be used again."""
        from gpucodec_kernels import copying

        if self.pruning:
            its_passes = slice(first * self.max_passes, (first + count) * self.max_passes)
            members = slice(first, first + count)
            part = Part(
                *(array[members] for array in (self.passes, self.lengths)),
                *(array[its_passes] for array in (self.pass_lengths, self.distortions, self.ranks)),
            )
            self.left_out[members] = self.pruning.prune(self.where, part)
        offsets = exclusive_prefix_sum(self.where, self.lengths[first : first + count], count)
        coded = self.where.empty(max(1, int(self.where.download(offsets[-1:])[0])), np.uint8)
        copying.gather(self.where, count, self.slots(count), self.slot_bytes, offsets, coded)
        return Piece(first, count, coded, offsets)
