"""Decoding JPEG-LS codestreams: what they hold is checked before anything is allocated, then scans are decoded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from gpucodec.backends import Executor
from gpucodec.codecs.base import DecodeRequest
from gpucodec.codecs.buffers import laid_out
from gpucodec.codecs.device_frames import new_frames
from gpucodec.codecs.jpegls_samples import finish_component, undo_colour_transform, value_bits
from gpucodec.codecs.jpegls_scans import Scans, portions, sample_bytes, scan_geometry
from gpucodec.codestream.jpegls import Description, Scan, read_codestream
from gpucodec.errors import (
    CodestreamError,
    LimitExceededError,
    TruncatedCodestreamError,
    UnsupportedError,
    naming_frame,
)
from gpucodec.frames import FrameSpec

__all__ = ["begin_frames", "decode_components", "describe_frames", "found_spec"]

_FORMAT = "JPEG-LS"
# A bit can stand for this many samples at most, a step of run mode (T.87 A.7.1.2), and never for those of two lines.
_LONGEST_RUN = 1 << 15
_DEFAULT_MAX_BYTES = 1 << 33
_HOST = Executor("cpu")


# -- whole frames


def describe_frames(
    codestreams: Sequence[bytes], request: DecodeRequest, *, trusting: bool = False
) -> list[Description]:
    """Read the marker segments of all codestreams and refuse what does not go with the request.

    Parameters
    ----------
    codestreams : sequence of bytes
        One a frame.
    request : DecodeRequest
        What the dataset says.
    trusting : bool
        See `read_codestream`; decoding finds out whether that was wrong.

    Raises
    ------
    CodestreamError
        If a codestream is wrong, says another size than the dataset, or is too short for its size.
    LimitExceededError
        If a frame would be larger than the options allow.
    UnsupportedError
        If it holds what a frame cannot.
    """
    descriptions: list[Description] = []
    for index, codestream in enumerate(codestreams):
        alike = _described_alike(codestream, codestreams[index - 1], descriptions[-1]) if trusting and index else None
        if alike is not None:
            descriptions.append(alike)
            continue
        with naming_frame(request.first_frame + index):
            descriptions.append(read_codestream(codestream, trusting=trusting))
            _check_frame(descriptions[-1], request)
    return descriptions


def _described_alike(codestream: bytes, other: bytes, description: Description) -> Description | None:
    """Describe a codestream that has the headers of another one; None if it has not, or several scans."""
    if len(description.scans) > 1 or description.scans[0].restart_interval:
        return None
    (scan,) = description.scans
    ((start, before),) = scan.intervals
    end = codestream.rfind(other[before:], start)  # EOI and padding, or other segments
    if end < 0 or end + len(other) - before != len(codestream) or codestream[:start] != other[:start]:
        return None
    alike = replace(description, scans=(replace(scan, intervals=((start, end),)),))
    return alike if 8 * (end - start) >= _least_bits(description, scan) else None


def _check_frame(description: Description, request: DecodeRequest) -> None:
    spec = request.spec
    told = (description.rows, description.columns, len(description.components))
    expected = (spec.rows, spec.columns, spec.samples_per_pixel)
    if told != expected:
        raise CodestreamError(
            f"the codestream holds (rows, columns, samples) {told} where the dataset says {expected}", format=_FORMAT
        )
    if description.is_subsampled:
        raise UnsupportedError("Unable to decode JPEG-LS components of different sizes as one frame")
    num_bytes = spec.num_samples * sample_bytes(value_bits(description))
    _check_bytes(num_bytes, request.options.max_frame_bytes)
    _check_length(description)


def _check_bytes(num_bytes: int, limit: int) -> None:
    if num_bytes > limit:
        raise LimitExceededError(f"a frame of {num_bytes} bytes is above the limit of {limit} (max_frame_bytes)")


def _check_length(description: Description) -> None:
    """Refuse a codestream that is too short for its size whatever its samples are, before memory is taken for them."""
    for scan in description.scans:
        needed, held = _least_bits(description, scan), sum(end - start for start, end in scan.intervals)
        if held * 8 < needed:
            raise TruncatedCodestreamError(
                f"a scan of {held} bytes, its lines need {needed} bits at least", format=_FORMAT, offset=scan.end
            )


def _least_bits(description: Description, scan: Scan) -> int:
    columns = min(description.components[index].columns for index in scan.components)
    return description.num_lines(scan) * -(-columns // _LONGEST_RUN)


def found_spec(descriptions: Sequence[Description], spec: FrameSpec) -> FrameSpec:
    """Describe what the codestreams hold: unsigned samples, in the smallest container for all of them."""
    bits = max(value_bits(description) for description in descriptions)
    return spec.replace(
        bits_allocated=8 * sample_bytes(bits), bits_stored=bits, pixel_representation=0, planar_configuration=0
    )


def begin_frames(
    where: Executor,
    codestreams: Sequence[bytes],
    descriptions: Sequence[Description],
    spec: FrameSpec,
    first_frame: int,
) -> Callable[[], Any]:
    """Begin to decode codestreams whose descriptions were checked; what is returned waits and returns the frames.

    Parameters
    ----------
    where : Executor
        What runs the kernels.
    codestreams, descriptions : sequence
        One a frame.
    spec : FrameSpec
        What `found_spec` said of all of them.
    first_frame : int
        Index of the first frame, for messages.

    Returns
    -------
    callable
        Returns ``(frames, rows, columns)`` or ``(frames, rows, columns, samples)`` of `spec`'s dtype, where the kernels
        run. It raises CodestreamError if entropy-coded data is wrong, naming frame and offset.
    """
    frames = new_frames(where, len(codestreams), spec)
    ends: list[Callable[[], None]] = []
    for begin, end in portions(where, len(codestreams), spec.num_bytes):
        part = frames[begin:end].reshape(-1)
        work = _Work(where, codestreams[begin:end], spec.dtype.itemsize, first_frame + begin)
        for index, description in enumerate(descriptions[begin:end]):
            with naming_frame(first_frame + begin + index):
                for scan in description.scans:
                    work.add(index, description, scan, _frame_planes(description, scan, index, spec))
        ends.append(partial(_finish_portion, work.run(part), where, frames, descriptions, (begin, end), first_frame))
        if not where.is_asynchronous:
            ends.pop()()

    def finish() -> Any:
        for end in ends:
            end()
        return frames

    return finish


def _finish_portion(
    check: Callable[[], None],
    where: Executor,
    frames: Any,
    descriptions: Sequence[Description],
    bounds: tuple[int, int],
    first_frame: int,
) -> None:
    check()
    for index in range(*bounds):
        with naming_frame(first_frame + index):
            _finish(where, frames[index].reshape(*frames.shape[1:3], -1), descriptions[index])


def _finish(where: Executor, frame: Any, description: Description) -> None:
    for scan in description.scans:
        for place, component in enumerate(scan.components):
            finish_component(where, frame[..., component], description, scan, place)
    undo_colour_transform([frame[..., k] for k in range(frame.shape[-1])], description)


# -- components of any size


def decode_components(
    codestream: bytes, where: Executor, max_bytes: int = _DEFAULT_MAX_BYTES
) -> list[np.ndarray[Any, Any]]:
    """Decode each component at its own size, which sub-sampled components need.

    Parameters
    ----------
    codestream : bytes
        One JPEG-LS codestream.
    where : Executor
        What runs the kernels.
    max_bytes : int
        Components that together take more are refused.

    Returns
    -------
    list of numpy.ndarray
        ``(rows, columns)``, uint8 or uint16, one a component in the frame header's order.

    Raises
    ------
    CodestreamError
        If the bytes are wrong.
    LimitExceededError
        If the components would take more than `max_bytes`.
    UnsupportedError
        If the codestream has what is not decoded here.
    """
    description = read_codestream(codestream)
    dtype = np.dtype(f"u{sample_bytes(value_bits(description))}")
    sizes = [component.rows * component.columns for component in description.components]
    _check_bytes(sum(sizes) * dtype.itemsize, max_bytes)
    _check_length(description)
    there = where.empty(sum(sizes), dtype)
    begins = np.cumsum([0, *sizes]).tolist()
    work = _Work(where, [codestream], dtype.itemsize, None)
    for scan in description.scans:
        planes = [(begins[k], description.components[k].columns, 1) for k in scan.components]
        work.add(0, description, scan, planes)
    work.run(there)()
    samples = where.download(there)
    components = [
        samples[begin : begin + size].reshape(component.rows, component.columns)
        for begin, size, component in zip(begins, sizes, description.components, strict=False)
    ]
    for scan in description.scans:
        for place, component in enumerate(scan.components):
            finish_component(_HOST, components[component], description, scan, place)
    undo_colour_transform(components, description)
    return components


# -- scans


def _frame_planes(description: Description, scan: Scan, frame: int, spec: FrameSpec) -> list[tuple[int, int, int]]:
    samples = spec.samples_per_pixel
    first = frame * spec.num_samples
    return [(first + component, description.columns * samples, samples) for component in scan.components]


@dataclass(slots=True)
class _Segment:
    """One entropy-coded segment: where its bytes and its samples are."""

    frame: int
    start: int
    end: int
    first_sample: int
    rows: int


class _Work:
    """The entropy-coded segments of some codestreams, gathered into launches."""

    def __init__(self, where: Executor, codestreams: Sequence[bytes], num_bytes: int, first_frame: int | None) -> None:
        self.where, self.codestreams = where, codestreams
        self.sample_bytes, self.first_frame = num_bytes, first_frame
        self.launches: defaultdict[Scans, list[_Segment]] = defaultdict(list)

    def add(self, frame: int, description: Description, scan: Scan, planes: Sequence[tuple[int, int, int]]) -> None:
        """Add a scan; for each of its components: first sample, row stride and pixel stride."""
        lines = description.num_lines(scan)
        interval = scan.restart_interval or lines
        scans = Scans(scan_geometry(description, scan, planes, 0), scan.preset, scan.near, self.sample_bytes)
        is_grouped = any(plane[4] != 1 for plane in scans.geometry.planes)
        for number, (start, end) in enumerate(scan.intervals):
            first = number * interval
            if is_grouped and first:  # the components' lines do not move on by the same distance
                geometry = scan_geometry(description, scan, planes, first)
                scans = Scans(geometry, scan.preset, scan.near, self.sample_bytes)
            begin = planes[0][0] + first * planes[0][1] * scans.geometry.planes[0][4]
            self.launches[scans].append(_Segment(frame, start, end, begin, min(interval, lines - first)))

    def run(self, samples: Any) -> Callable[[], None]:
        """Begin to decode all segments into a flat array where the kernels run.

        What is returned waits for the end; it raises the CodestreamError of the first segment that is wrong.
        """
        source, offsets = laid_out(self.where, self.codestreams)
        checks: list[Callable[[], None]] = []
        for scans, segments in self.launches.items():
            for begin, end in portions(self.where, len(segments), scans.work_bytes()):
                checks.append(self._launch(scans, segments[begin:end], source, offsets, samples))
                if not self.where.is_asynchronous:
                    checks.pop()()

        def check() -> None:
            for each in checks:
                each()

        return check

    def _launch(
        self, scans: Scans, segments: Sequence[_Segment], source: Any, offsets: np.ndarray[Any, Any], target: Any
    ) -> Callable[[], None]:
        bounds = np.array([(segment.start, segment.end) for segment in segments], np.int64)
        bounds += offsets[[segment.frame for segment in segments], None]
        starts = np.array([segment.first_sample for segment in segments], np.int64)
        rows = np.array([segment.rows for segment in segments], np.int32)
        results = scans.decode(self.where, source, bounds, target, starts, rows)
        return lambda: self._check(segments, bounds, *results())

    def _check(
        self,
        segments: Sequence[_Segment],
        bounds: np.ndarray[Any, Any],
        status: np.ndarray[Any, Any],
        stopped: np.ndarray[Any, Any],
    ) -> None:
        failed = np.flatnonzero((status != 0) | (stopped != bounds[:, 1] - bounds[:, 0]))
        if failed.size:
            first = int(failed[0])
            raise self._error(int(status[first]), segments[first], int(stopped[first]))

    def _error(self, status: int, segment: _Segment, stopped: int) -> CodestreamError:
        from gpucodec_kernels.jpegls import parameters

        frame = None if self.first_frame is None else self.first_frame + segment.frame
        place: dict[str, Any] = {"format": _FORMAT, "frame": frame, "offset": segment.start + stopped}
        if status == parameters.STATUS_TRUNCATED:
            return TruncatedCodestreamError("the entropy-coded data ends before the last sample", **place)
        if status == parameters.STATUS_INVALID:
            return CodestreamError("the entropy-coded data has a code that stands for nothing", **place)
        return CodestreamError("there is entropy-coded data after the last sample", **place)
