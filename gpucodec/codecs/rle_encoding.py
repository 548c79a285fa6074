"""RLE encoding: the launches that take a portion of frames to codestreams, PS3.5 G.3.1, G.4 and G.5."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from gpucodec.backends import Executor
from gpucodec.codecs.buffers import uninitialised_bytes
from gpucodec.codecs.prefix_sum import exclusive_prefix_sum
from gpucodec.codestream.rle_header import num_segments
from gpucodec.frames import FrameSpec

__all__ = ["begin_portion", "frames_to_encode"]

# Frames are worked on in portions, so that what a portion needs beside input and output stays in the processor's
# cache and does not grow with the batch. An index is a row, of which every portion has plenty.
_PORTION_BYTES = 6 << 20
# From this size on, a copy made while holding the GIL costs more than a launch for each frame.
_LARGE_CODESTREAM_BYTES = 1 << 20


def frames_to_encode(where: Executor, spec: FrameSpec, count: int) -> int:
    """Return how many of `count` frames make a portion for encoding: all of them on a GPU."""
    return count if where.is_asynchronous else max(1, _PORTION_BYTES // spec.num_bytes)


def begin_portion(where: Executor, frames: Any, spec: FrameSpec) -> Callable[[], list[bytes]]:
    """Begin to encode some frames, ``(frames, rows, columns[, samples])`` on the host or where the kernels run."""
    from gpucodec_kernels import rle, rle_rows

    source, strides = _byte_layout(where, frames, spec)
    segments, rows, columns = num_segments(spec), spec.rows, spec.columns
    bytes_per_sample = spec.bits_allocated // 8
    first_byte = bytes_per_sample - 1 if sys.byteorder == "little" else 0
    num_rows = len(frames) * segments * rows

    slots = where.scratch("slots", num_rows * rle.slot_size(columns), np.uint8)
    row_lengths = where.empty(num_rows, np.int32)
    shape = (rows, columns, segments, bytes_per_sample, first_byte)
    rle_rows.encode_rows(where, num_rows, source, strides, shape, slots, row_lengths)

    row_offsets = exclusive_prefix_sum(where, row_lengths, num_rows)
    segment_offsets = where.empty(len(frames) * (segments + 1), np.int64)
    where.launch(rle.place_segments, len(frames), row_offsets, segments, rows, segment_offsets)
    # The host needs the lengths to allocate the output and to cut it into frames.
    offsets = where.begin_download(segment_offsets)

    def finish() -> list[bytes]:
        lengths = offsets()[segments :: segments + 1]
        encoded = _EncodedPortion(where, spec, slots, row_offsets, segment_offsets, lengths)
        if where.on_host and lengths.min() >= _LARGE_CODESTREAM_BYTES:
            return [encoded.gather_into_bytes(frame) for frame in range(len(frames))]
        return encoded.gather_and_cut()

    return finish


@dataclass(frozen=True, slots=True)
class _EncodedPortion:
    """Some frames whose rows are encoded, each in its slot, and whose places are known."""

    where: Executor
    spec: FrameSpec
    slots: Any
    row_offsets: Any
    segment_offsets: Any
    lengths: np.ndarray[Any, Any]

    def gather_and_cut(self) -> list[bytes]:
        """Gather all frames into one array and cut it."""
        ends = np.cumsum(self.lengths)
        codestreams = self.where.scratch("codestreams", int(ends[-1]), np.uint8)
        self._gather(range(len(ends)), ends - self.lengths, codestreams)
        result = self.where.download(codestreams).data
        return [bytes(result[begin:end]) for begin, end in pairwise([0, *ends.tolist()])]

    def gather_into_bytes(self, frame: int) -> bytes:
        """Gather one frame straight into the bytes object that the caller gets."""
        codestream, contents = uninitialised_bytes(int(self.lengths[frame]))
        self._gather(range(frame, frame + 1), np.zeros(1, np.int64), contents)
        return codestream

    def _gather(self, frames: range, frame_offsets: np.ndarray[Any, Any], codestreams: Any) -> None:
        from gpucodec_kernels import rle, rle_rows

        segments, rows = num_segments(self.spec), self.spec.rows
        num_rows, slot_bytes = segments * rows, rle.slot_size(self.spec.columns)
        # Offsets of rows count from the portion's first; the kernel looks at their differences alone.
        row_offsets = self.row_offsets[frames.start * num_rows : frames.stop * num_rows + 1]
        segment_offsets = self.segment_offsets[frames.start * (segments + 1) : frames.stop * (segments + 1)]
        slots = self.slots[frames.start * num_rows * slot_bytes : frames.stop * num_rows * slot_bytes]
        places = (segment_offsets, self.where.upload(frame_offsets))
        self.where.launch(rle.write_header, len(frames), *places, segments, codestreams)
        shape = (segments, rows, self.spec.columns)
        rle_rows.gather_rows(self.where, len(frames) * num_rows, slots, row_offsets, places, shape, codestreams)


def _byte_layout(where: Executor, frames: Any, spec: FrameSpec) -> tuple[Any, tuple[int, int, int, int]]:
    """Return the frames' bytes, flat, where the kernels run, and the strides in bytes of frame, row, pixel and sample.

    Both planar configurations are read where they lie; any other layout is copied to colour-by-pixel first.
    """
    size = spec.bits_allocated // 8
    pixels = spec.rows * spec.columns
    if frames.ndim == 4 and not frames.flags.c_contiguous:
        planar = frames.transpose(0, 3, 1, 2)
        if planar.flags.c_contiguous:
            strides = (pixels * spec.samples_per_pixel * size, spec.columns * size, size, pixels * size)
            return where.contiguous(planar).reshape(-1).view(np.uint8), strides
    pixel = spec.samples_per_pixel * size
    flat = where.contiguous(frames).reshape(-1).view(np.uint8)
    return flat, (pixels * pixel, spec.columns * pixel, pixel, size)
