"""RLE Lossless (1.2.840.10008.1.2.5) on our own kernels, PS3.5 Annex G."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from gpucodec.backends import KERNEL_BACKENDS, Executor, executor, why_unavailable
from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest
from gpucodec.codecs.buffers import memory_window, uninitialised_bytes
from gpucodec.codecs.formats import Family
from gpucodec.codestream.rle_header import HEADER_BYTES, MAX_SEGMENTS, read_segment_bounds
from gpucodec.errors import CodestreamError, LimitExceededError, TruncatedCodestreamError
from gpucodec.frames import FrameBatch, FrameSpec

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["RleCodec", "codecs"]

# Frames are worked on in portions, so that what a portion needs beside input and output stays in the processor's
# cache and does not grow with the batch. An encoding index is a row, of which every portion has plenty; a decoding
# index is a segment, of which every core wants a few, even where that takes a larger portion.
_PORTION_BYTES = 6 << 20
_LARGEST_PORTION_BYTES = 32 << 20
_DECODE_SEGMENTS = 16
# From this size on, a copy made while holding the GIL costs more than a launch for each frame.
_LARGE_CODESTREAM_BYTES = 1 << 20
_STATUS_ODD = -1  # beside what the kernel says of a segment
_LARGEST_FRAME = (1 << 32) - 1  # segment offsets are 32-bit unsigned integers, G.5


def codecs(family: Family) -> list[Codec]:
    """Return the RLE codecs, one a kernel backend."""
    return [RleCodec(backend) for backend in KERNEL_BACKENDS] if family is Family.RLE else []


class RleCodec(Codec):
    """RLE Lossless on a kernel backend.

    Parameters
    ----------
    backend : str
        ``"cpu"``, ``"cuda"`` or ``"simulator"``.
    """

    name = "rle"

    def __init__(self, backend: str) -> None:
        self.backend = backend

    def why_not_encode(self, request: EncodeRequest) -> list[str]:
        """Return the reasons why this codec cannot encode the request."""
        return self._why_not(request.spec)

    def why_not_decode(self, request: DecodeRequest) -> list[str]:
        """Return the reasons why this codec cannot decode the request."""
        return self._why_not(request.spec)

    def _why_not(self, spec: FrameSpec) -> list[str]:
        reasons = [reason] if (reason := why_unavailable(self.backend)) else []
        segments = num_segments(spec)
        if segments > MAX_SEGMENTS:
            reasons.append(
                f"{spec.samples_per_pixel} samples of {spec.bits_allocated} bits are {segments} RLE segments, "
                f"at most {MAX_SEGMENTS} are allowed (PS3.5 G.2)"
            )
        from gpucodec_kernels.rle import slot_size

        largest = HEADER_BYTES + segments * (spec.rows * slot_size(spec.columns) + 1)
        if largest > _LARGEST_FRAME:
            reasons.append(f"an encoded frame could take {largest} bytes, segment offsets reach {_LARGEST_FRAME}")
        return reasons

    def encode_batch(self, batch: FrameBatch, request: EncodeRequest) -> list[bytes]:
        """Encode frames; every codestream is of even length."""
        where = executor(self.backend)
        encoded: list[bytes] = []
        for begin, end in _portions(len(batch), _frames_to_encode(request.spec)):
            encoded.extend(_encode_portion(where, batch.frames[begin:end], request.spec))
        return encoded

    def decode_batch(self, codestreams: Sequence[bytes], request: DecodeRequest) -> FrameBatch:
        """Decode codestreams to the container that Bits Allocated and Pixel Representation name."""
        spec = request.spec.replace(planar_configuration=0)
        if spec.num_bytes > request.options.max_frame_bytes:
            raise LimitExceededError(
                f"A frame takes {spec.num_bytes} bytes, above the limit of {request.options.max_frame_bytes}"
            )
        where = executor(self.backend)
        bounds = read_segment_bounds(codestreams, num_segments(spec), request.first_frame)
        frames = np.empty((len(codestreams), *spec.shape), spec.dtype)
        for begin, end in _portions(len(codestreams), _frames_to_decode(spec)):
            _decode_portion(where, codestreams[begin:end], bounds[begin:end], request, begin, frames[begin:end])
        return FrameBatch(frames, spec, request.first_frame)


def num_segments(spec: FrameSpec) -> int:
    """Return how many RLE segments a frame has: one a byte of a pixel, G.2."""
    return spec.samples_per_pixel * spec.bits_allocated // 8


def _portions(count: int, step: int) -> Iterator[tuple[int, int]]:
    for begin in range(0, count, step):
        yield begin, min(begin + step, count)


def _frames_to_encode(spec: FrameSpec) -> int:
    """Return how many frames make a portion for encoding."""
    return max(1, _PORTION_BYTES // spec.num_bytes)


def _frames_to_decode(spec: FrameSpec) -> int:
    """Return how many frames make a portion for decoding."""
    enough = min(-(-_DECODE_SEGMENTS // num_segments(spec)), _LARGEST_PORTION_BYTES // spec.num_bytes)
    return max(_frames_to_encode(spec), enough)


def _encode_portion(where: Executor, frames: Any, spec: FrameSpec) -> list[bytes]:
    from gpucodec_kernels import rle

    source, strides = _byte_layout(where, frames, spec)
    segments, rows, columns = num_segments(spec), spec.rows, spec.columns
    bytes_per_sample = spec.bits_allocated // 8
    first_byte = bytes_per_sample - 1 if sys.byteorder == "little" else 0
    num_rows = len(frames) * segments * rows

    slots = where.scratch("slots", num_rows * rle.slot_size(columns), np.uint8)
    row_lengths = where.empty(num_rows, np.int32)
    shape = (rows, columns, segments, bytes_per_sample, first_byte)
    where.launch(rle.encode_row, num_rows, source, *strides, *shape, slots, row_lengths)

    row_offsets = exclusive_prefix_sum(where, row_lengths, num_rows)
    segment_offsets = where.empty(len(frames) * (segments + 1), np.int64)
    where.launch(rle.place_segments, len(frames), row_offsets, segments, rows, segment_offsets)
    # The host needs the lengths to allocate the output and to cut it into frames.
    lengths = where.download(segment_offsets)[segments :: segments + 1]
    encoded = _EncodedPortion(where, spec, slots, row_offsets, segment_offsets, lengths)
    if where.on_host and lengths.min() >= _LARGE_CODESTREAM_BYTES:
        return [encoded.gather_into_bytes(frame) for frame in range(len(frames))]
    return encoded.gather_and_cut()


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
        from gpucodec_kernels import rle

        segments, rows = num_segments(self.spec), self.spec.rows
        num_rows, slot_bytes = segments * rows, rle.slot_size(self.spec.columns)
        # Offsets of rows count from the portion's first; the kernel looks at their differences alone.
        row_offsets = self.row_offsets[frames.start * num_rows : frames.stop * num_rows + 1]
        segment_offsets = self.segment_offsets[frames.start * (segments + 1) : frames.stop * (segments + 1)]
        slots = self.slots[frames.start * num_rows * slot_bytes : frames.stop * num_rows * slot_bytes]
        places = (segment_offsets, self.where.upload(frame_offsets), segments)
        self.where.launch(rle.write_header, len(frames), *places, codestreams)
        self.where.launch(
            rle.gather_row, len(frames) * num_rows, slots, slot_bytes, row_offsets, *places, rows, codestreams
        )


def exclusive_prefix_sum(where: Executor, lengths: Any, count: int) -> Any:
    """Return the exclusive prefix sum of int32 lengths, int64 and one longer, where the kernels run."""
    from gpucodec_kernels import prefix_sum

    num_chunks = -(-count // prefix_sum.CHUNK)
    sums = where.empty(num_chunks, np.int64)
    offsets = where.empty(count + 1, np.int64)
    where.launch(prefix_sum.sum_chunk, num_chunks, lengths, prefix_sum.CHUNK, sums)
    where.launch(prefix_sum.offset_chunks, 1, sums)
    where.launch(prefix_sum.offset_values, num_chunks, lengths, prefix_sum.CHUNK, sums, offsets)
    return offsets


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


def _decode_portion(
    where: Executor,
    codestreams: Sequence[bytes],
    bounds: np.ndarray[Any, Any],
    request: DecodeRequest,
    begin: int,
    frames: np.ndarray[Any, Any],
) -> None:
    """Decode some frames of a batch, of which they are those from `begin` on, into `frames`."""
    from gpucodec_kernels import rle

    spec = request.spec
    segments, pixels = num_segments(spec), spec.rows * spec.columns
    count = len(codestreams) * segments
    source, first_bytes = _laid_out(where, codestreams)
    absolute = bounds + first_bytes[:, None]

    out = frames.reshape(-1).view(np.uint8)
    samples = out if where.on_host else where.empty(out.size, np.uint8)
    planes = samples if segments == 1 else where.scratch("planes", out.size, np.uint8)
    status, stopped = where.empty(count, np.int32), where.empty(count, np.int64)
    starts = where.upload(np.ascontiguousarray(absolute[:, :-1]).reshape(-1))
    ends = where.upload(np.ascontiguousarray(absolute[:, 1:]).reshape(-1))
    where.launch(rle.decode_segment, count, where.upload(source), starts, ends, pixels, planes, status, stopped)
    found = where.download(status).reshape(-1, segments)
    reached = where.download(stopped).reshape(-1, segments) + bounds[:, :-1]
    # Padding makes a segment's length even. Files exist whose writers left it out; padded and still odd is damage.
    found[(found == rle.STATUS_OK) & (reached < bounds[:, 1:]) & (bounds[:, 1:] % 2 == 1)] = _STATUS_ODD
    if found.any():
        frame, segment = divmod(int(np.argmax(found != rle.STATUS_OK)), segments)
        place = {
            "frame": request.first_frame + begin + frame,
            "segment": segment,
            "offset": int(reached[frame, segment]),
        }
        raise _decoding_error(rle, int(found[frame, segment]), place)
    if segments > 1:
        chunk = where.samples_per_index
        chunks = -(-pixels // chunk)
        places = where.upload(_byte_places(spec, request.options.rle_segment_order))
        arguments = (pixels, segments, chunks, chunk, places, samples)
        where.launch(rle.interleave_planes, len(codestreams) * chunks, planes, *arguments)
    if not where.on_host:
        out[:] = where.download(samples)


def _laid_out(where: Executor, codestreams: Sequence[bytes]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return an array that holds all codestreams, and where each begins; where the kernels run on the host, no copy."""
    if where.on_host:
        return memory_window(codestreams)
    lengths = np.fromiter(map(len, codestreams), np.int64, len(codestreams))
    return np.frombuffer(b"".join(codestreams), np.uint8), np.cumsum(lengths) - lengths


def _byte_places(spec: FrameSpec, segment_order: str) -> np.ndarray[Any, Any]:
    """Return, for each byte of a pixel as it lies in memory, the segment that holds it."""
    size = spec.bits_allocated // 8
    order = np.arange(size)
    most_significant_first = segment_order == ">"
    if most_significant_first == (sys.byteorder == "little"):
        order = order[::-1]
    places = np.arange(spec.samples_per_pixel)[:, None] * size + order
    return places.reshape(-1).astype(np.int32)


def _decoding_error(rle: ModuleType, status: int, place: dict[str, Any]) -> CodestreamError:
    if status == rle.STATUS_TRUNCATED:
        return TruncatedCodestreamError("the segment ends inside a run", format="RLE", **place)
    if status == rle.STATUS_SHORT:
        return TruncatedCodestreamError("the segment ends before its byte plane is full", format="RLE", **place)
    if status == _STATUS_ODD:
        return CodestreamError("the padded segment ends at an odd offset, it must be even", format="RLE", **place)
    return CodestreamError("the segment holds more bytes than its byte plane has pixels", format="RLE", **place)
