"""The frames of one file on their way: read, decoded, encoded, and read again, some batches at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from gpucodec.codecs.base import EncodeRequest
from gpucodec.codecs.dispatch import Choice
from gpucodec.codecs.running import CodestreamBatch, Decoding, Encoding, Running, part_of
from gpucodec.dicom.coding import Encoded, as_told
from gpucodec.dicom.profiles import validate_values
from gpucodec.dicom.reader import FrameSource
from gpucodec.frames import FrameBatch, FrameSpec
from gpucodec.pipeline import PipelineStoppedError
from gpucodec.transcoder.batcher import Batches, plan_batches
from gpucodec.transcoder.settings import Settings
from gpucodec.transcoder.verify import of_what_was_written

__all__ = ["FrameFlow"]

_Stored = FrameBatch | CodestreamBatch


@dataclass(frozen=True, slots=True)
class _Pair:
    """The same frames as they stand in the source, and in what was written."""

    source: _Stored
    written: _Stored

    def __len__(self) -> int:
        return len(self.source)

    def part(self, begin: int, end: int) -> _Pair:
        return _Pair(part_of(self.source, begin, end), part_of(self.written, begin, end))


class FrameFlow:
    """Batches of one file, in order; how many frames they have follows from `max_memory` and from the devices.

    Parameters
    ----------
    settings : Settings
        What to do with the file.
    stop : threading.Event
        Once set, the file is given up at its next batch with a `PipelineStoppedError`.
    clock : callable
        Returns a context whose time is counted under a name of `FileReport.seconds`.
    """

    def __init__(
        self, settings: Settings, stop: threading.Event, clock: Callable[[str], AbstractContextManager[None]]
    ) -> None:
        self.settings, self.stop, self.clock = settings, stop, clock
        self._jobs: list[Running[Any, Any, Any]] = []

    @property
    def failures(self) -> list[str]:
        """The devices that failed so far while others did their work, each with what happened."""
        return [failure for job in self._jobs for failure in job.failures]

    def encoded(
        self, source: FrameSource, spec: FrameSpec, keep: Callable[[FrameBatch], FrameBatch], *, validate: bool
    ) -> Iterator[Encoded]:
        """Yield the file's frames, encoded.

        Parameters
        ----------
        source : FrameSource
            The file.
        spec : FrameSpec
            What each frame is for the encoder.
        keep : callable
            Returns what the target keeps of a batch.
        validate : bool
            Whether values are checked against PS3.5 8.2.
        """
        settings, batches = self.settings, self._batches(source)
        request = EncodeRequest(settings.uid, spec, source.num_frames, settings.options)
        job = Encoding(request, settings.backend, batches.frames)
        self._jobs.append(job)

        def prepare(stored: _Stored) -> tuple[FrameBatch, None]:
            with self.clock("read"):
                batch = source.checked(source.decode(stored, on_device=job.on_device))
            with self.clock("encode"):
                frames = keep(batch).frames
                if validate:
                    validate_values(frames, spec, settings.uid, settings.options)
            return FrameBatch(frames, spec, batch.first_frame), None

        def conclude(codestreams: list[bytes], choice: Choice, _: None) -> Encoded:
            return Encoded(codestreams, choice)

        return job.run(
            self._read(source, lambda: job.batch_frames), prepare, conclude,
            stop=self.stop, threads=_threads(job, source, batches), around=lambda: self.clock("encode"),
        )  # fmt: skip

    def decoded(self, source: FrameSource) -> Iterator[FrameBatch]:
        """Yield the file's frames, decoded where they are compressed."""
        batches = self._batches(source)
        if not source.reader.is_compressed:
            yield from (source.decode(stored) for stored in self._read(source, lambda: batches.frames))
            return
        job = Decoding(source.decode_request, source.backend, batches.frames)
        self._jobs.append(job)
        request = job.request
        yield from job.run(
            self._read(source, lambda: job.batch_frames),
            lambda stored: (stored, stored),
            lambda found, choice, stored: source.checked(as_told(found, stored, request)),  # noqa: ARG005
            stop=self.stop, threads=_threads(job, source, batches), around=lambda: self.clock("read"),
        )  # fmt: skip

    def pairs(self, source: FrameSource, written: FrameSource) -> Iterator[tuple[FrameBatch, FrameBatch]]:
        """Yield what was read and what was written, decoded where they are compressed."""
        batches = self._batches(source)
        if not written.reader.is_compressed:
            yield from self._pairs_with_native(source, written)
            return
        with of_what_was_written():
            job = Decoding(written.decode_request, written.backend, batches.frames)
        self._jobs.append(job)
        request = job.request

        def prepare(pair: _Pair) -> tuple[Any, tuple[FrameBatch, Any]]:
            return pair.written, (source.checked(source.decode(pair.source)), pair.written)

        def conclude(found: FrameBatch, _: Choice, pair: tuple[FrameBatch, Any]) -> tuple[FrameBatch, FrameBatch]:
            expected, stored = pair
            return expected, written.checked(as_told(found, stored, request))

        yield from job.run(
            self._read_pairs(source, written, lambda: job.batch_frames), prepare, conclude,
            stop=self.stop, threads=_threads(job, source, batches), around=of_what_was_written,
        )  # fmt: skip

    def _pairs_with_native(self, source: FrameSource, written: FrameSource) -> Iterator[tuple[FrameBatch, FrameBatch]]:
        for expected in self.decoded(source):
            with of_what_was_written():
                actual = written.read_batch(expected.first_frame, len(expected))
            yield expected, actual

    def _batches(self, source: FrameSource) -> Batches:
        return plan_batches(source.spec, source.num_frames, self.settings.max_memory)

    def _read(self, source: FrameSource, batch_frames: Callable[[], int]) -> Iterator[_Stored]:
        """Yield the file's frames as they stand there, as many at once as are asked for at the moment."""
        first = 0
        while first < source.num_frames:
            count = min(batch_frames(), source.num_frames - first)
            with self.clock("read"):
                stored = source.read(first, count)
            yield stored
            self._check()
            first += count

    def _read_pairs(
        self, source: FrameSource, written: FrameSource, batch_frames: Callable[[], int]
    ) -> Iterator[_Pair]:
        first = 0
        while first < source.num_frames:
            count = min(batch_frames(), source.num_frames - first)
            stored = source.read(first, count)
            with of_what_was_written():
                again = written.read(first, count)
            yield _Pair(stored, again)
            first += count

    def _check(self) -> None:
        if self.stop.is_set():
            raise PipelineStoppedError("Interrupted")


def _threads(job: Running[Any, Any, Any], source: FrameSource, batches: Batches) -> bool:
    """Whether batches overlap: what a device has room for is less than the host has."""
    return source.num_frames > job.batch_frames and (batches.overlap or job.batch_frames < batches.frames)
