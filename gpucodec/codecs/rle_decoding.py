"""RLE decoding: the launches that take codestreams to frames, PS3.5 G.3.2."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpucodec.backends import Executor
from gpucodec.codecs.base import DecodeRequest
from gpucodec.codecs.buffers import laid_out
from gpucodec.codestream.rle_header import num_segments
from gpucodec.errors import CodestreamError, TruncatedCodestreamError
from gpucodec.frames import FrameSpec

__all__ = ["Decoding", "frames_to_decode"]

# An index is a segment, of which every core wants a few; beside that, what a portion needs should stay in the
# processor's cache.
_PORTION_BYTES = 6 << 20
_LARGEST_PORTION_BYTES = 32 << 20
_SEGMENTS_IN_A_PORTION = 16
# Frames up to this size stay in a core's own cache: where there are several for each core, a core takes whole frames.
_LARGEST_LANE_BYTES = 1 << 20
_FRAMES_IN_A_LANE = 8
_STATUS_ODD = -1  # beside what the kernels say of a segment


def frames_to_decode(where: Executor, spec: FrameSpec, count: int) -> int:
    """Return how many of `count` frames make a portion."""
    if where.is_asynchronous or _num_lanes(where, spec, count):
        return count
    enough = min(-(-_SEGMENTS_IN_A_PORTION // num_segments(spec)), _LARGEST_PORTION_BYTES // spec.num_bytes)
    return max(1, _PORTION_BYTES // spec.num_bytes, enough)


def _num_lanes(where: Executor, spec: FrameSpec, count: int) -> int:
    """Return how many lanes of whole frames there are; 0 where segments are decoded one by one."""
    from gpucodec_kernels.target import get_num_threads

    small = where.on_host and num_segments(spec) > 1 and spec.num_bytes <= _LARGEST_LANE_BYTES
    lanes = get_num_threads() if small else 0
    return lanes if count >= _FRAMES_IN_A_LANE * lanes else 0


@dataclass(frozen=True, slots=True)
class Decoding:
    """A portion of a batch.

    Parameters
    ----------
    where : Executor
        What runs the kernels.
    codestreams : sequence of bytes
        One a frame.
    bounds : numpy.ndarray
        What `read_segment_bounds` said of them.
    request : DecodeRequest
        What the batch is.
    first_frame : int
        Index in its file of the portion's first frame.
    """

    where: Executor
    codestreams: Sequence[bytes]
    bounds: np.ndarray[Any, Any]
    request: DecodeRequest
    first_frame: int

    def begin(self, frames: Any) -> Callable[[], None]:
        """Begin to decode into the frames, ``(frames, rows, columns[, samples])``; what is returned looks for faults.

        Raises
        ------
        CodestreamError
            From what is returned; names frame, segment and offset of the first fault.
        """
        samples = frames.reshape(-1).view(np.uint8)
        if lanes := _num_lanes(self.where, self.request.spec, len(self.codestreams)):
            return self._decode_lanes(samples, lanes)
        return self._decode_segments(samples)

    def _decode_lanes(self, samples: Any, lanes: int) -> Callable[[], None]:
        from gpucodec_kernels import rle

        where, spec = self.where, self.request.spec
        planes = where.scratch("planes", lanes * spec.num_bytes, np.uint8)
        status, stopped = self._reports()
        shape = (spec.rows * spec.columns, num_segments(spec), len(self.codestreams), lanes, self._byte_places())
        where.launch(rle.decode_lane, lanes, *self._segments(), *shape, planes, status, stopped, samples)
        return self._check(status, stopped)

    def _decode_segments(self, samples: Any) -> Callable[[], None]:
        from gpucodec_kernels import rle_samples, rle_segments

        where, spec = self.where, self.request.spec
        segments, pixels = num_segments(spec), spec.rows * spec.columns
        planes = samples if segments == 1 else where.scratch("planes", samples.size, np.uint8)
        status, stopped = self._reports()
        count = len(self.codestreams) * segments
        rle_segments.decode_segments(where, count, *self._segments(), pixels, planes, status, stopped)
        check = self._check(status, stopped)
        if segments > 1:
            rle_samples.interleave(where, len(self.codestreams), planes, pixels, self._byte_places(), samples)
        return check

    def _segments(self) -> tuple[Any, Any, Any]:
        """Return an array that holds all codestreams, and where in it each segment begins and ends."""
        where = self.where
        source, first_bytes = laid_out(where, self.codestreams)
        absolute = self.bounds + first_bytes[:, None]
        starts, ends = (np.ascontiguousarray(part).reshape(-1) for part in (absolute[:, :-1], absolute[:, 1:]))
        return source, where.upload(starts), where.upload(ends)

    def _reports(self) -> tuple[Any, Any]:
        """Return where the kernels say of each segment how it went, and where they stopped."""
        count = len(self.codestreams) * num_segments(self.request.spec)
        return self.where.empty(count, np.int32), self.where.empty(count, np.int64)

    def _check(self, status: Any, stopped: Any) -> Callable[[], None]:
        found, reached = self.where.begin_download(status), self.where.begin_download(stopped)
        return lambda: self._raise_fault(found(), reached())

    def _raise_fault(self, status: np.ndarray[Any, Any], stopped: np.ndarray[Any, Any]) -> None:
        from gpucodec_kernels import rle

        segments, bounds = num_segments(self.request.spec), self.bounds
        found = status.reshape(-1, segments)
        reached = stopped.reshape(-1, segments) + bounds[:, :-1]
        # Padding makes a segment's length even. Files exist whose writers left it out; padded and still odd is damage.
        odd = (found == rle.STATUS_OK) & (reached < bounds[:, 1:]) & (bounds[:, 1:] % 2 == 1)
        found = np.where(odd, _STATUS_ODD, found)
        if found.any():
            frame, segment = divmod(int(np.argmax(found != rle.STATUS_OK)), segments)
            offset = int(reached[frame, segment])
            raise _decoding_error(int(found[frame, segment]), self.first_frame + frame, segment, offset)

    def _byte_places(self) -> Any:
        """Return, for each byte of a pixel as it lies in memory, the segment that holds it."""
        spec = self.request.spec
        size = spec.bits_allocated // 8
        order = np.arange(size)
        most_significant_first = self.request.options.rle_segment_order == ">"
        if most_significant_first == (sys.byteorder == "little"):
            order = order[::-1]
        places = np.arange(spec.samples_per_pixel)[:, None] * size + order
        return self.where.upload(places.reshape(-1).astype(np.int32))


def _decoding_error(status: int, frame: int, segment: int, offset: int) -> CodestreamError:
    from gpucodec_kernels import rle

    place: dict[str, Any] = {"format": "RLE", "frame": frame, "segment": segment, "offset": offset}
    if status == rle.STATUS_TRUNCATED:
        return TruncatedCodestreamError("the segment ends inside a run", **place)
    if status == rle.STATUS_SHORT:
        return TruncatedCodestreamError("the segment ends before its byte plane is full", **place)
    if status == _STATUS_ODD:
        return CodestreamError("the padded segment ends at an odd offset, it must be even", **place)
    return CodestreamError("the segment holds more bytes than its byte plane has pixels", **place)
