"""One file: read, encode, write under a temporary name, decode again, compare, rename."""

from __future__ import annotations

import dataclasses
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gpucodec.codecs.base import EncodeRequest
from gpucodec.codecs.dispatch import Choice, choose
from gpucodec.codecs.formats import Family, get_format
from gpucodec.dicom.attributes import describe_compression, describe_decompression, update_compression_ratio
from gpucodec.dicom.conform import clear_unused_bits
from gpucodec.dicom.dataset_frames import in_stored_bits
from gpucodec.dicom.profiles import encoded_photometric_interpretation, validate_profile, validate_values
from gpucodec.dicom.reader import FrameReader, FrameSource
from gpucodec.dicom.writer import EncapsulatedWriter, NativeWriter
from gpucodec.errors import GpucodecError, UnsupportedError, VerificationError
from gpucodec.frames import FrameBatch, FrameSpec
from gpucodec.transcoder.flow import FrameFlow
from gpucodec.transcoder.pending import PendingFile
from gpucodec.transcoder.plan import Task
from gpucodec.transcoder.report import FileReport
from gpucodec.transcoder.settings import Settings
from gpucodec.transcoder.targets import EXPLICIT_LITTLE_ENDIAN, transfer_syntax_name
from gpucodec.transcoder.verify import allowed_error, compare

__all__ = ["transcode_file"]


def transcode_file(
    task: Task, settings: Settings, advanced: Callable[[float, int], None], stop: threading.Event
) -> FileReport:
    """Transcode one file and say how it went, whatever happens.

    Parameters
    ----------
    task : Task
        What to read and what to write.
    settings : Settings
        How; `max_memory` is that of this file.
    advanced : callable
        Hears of progress: the share of the source's size, and the uncompressed bytes encoded.
    stop : threading.Event
        Once set, the file is given up at its next batch.

    Returns
    -------
    FileReport
        With status ``"done"`` or ``"failed"``. In the second case nothing was written under the final name.
    """
    report = FileReport(str(task.source), str(task.destination), to_uid=settings.uid)
    report.to_name = transfer_syntax_name(settings.uid)
    job = _Job(task, settings, report, advanced, stop)
    begin = time.perf_counter()
    try:
        job.run()
    except Exception as error:
        # The boundary of a file: thousands of files must not be given up because one of them meets an error that
        # nobody thought of, in a parser, in a library or on a disk. The type is in the report, the place on request.
        report.status = "failed"
        report.verified = False
        report.error = _one_line(error)
        report.error_type = type(error).__name__
        report.traceback = traceback.format_exc()
    report.device_failures = job.flow.failures
    report.elapsed = time.perf_counter() - begin
    advanced(task.num_bytes - job.source_bytes_advanced, 0)
    return report


class _Job:
    """The steps of one file."""

    def __init__(
        self,
        task: Task,
        settings: Settings,
        report: FileReport,
        advanced: Callable[[float, int], None],
        stop: threading.Event,
    ) -> None:
        self.task = task
        self.settings = settings
        self.report = report
        self.advanced = advanced
        self.source_bytes_advanced = 0.0
        self.flow = FrameFlow(settings, stop, self.clock)
        self._lock = threading.Lock()

    def run(self) -> None:
        self._refuse_existing()
        with self.clock("read"):
            reader = FrameReader(self.task.source)
        with reader:
            source = FrameSource(reader, isolate=True)
            self._describe_source(reader, source)
            spec = self._encoded_spec(source)
            with PendingFile(self.task.destination) as pending:
                self._write(reader, source, spec, pending)
                if self.settings.verify:
                    with self.clock("verify"):
                        self._verify(source, pending)
                else:
                    self.report.verified = "skipped"
                self._refuse_existing()
                with self.clock("write"):
                    pending.commit()

    def _refuse_existing(self) -> None:
        if not self.settings.overwrite and self.task.destination.exists():
            raise FileExistsError(f"'{self.task.destination}' exists and is not to be overwritten")

    def _describe_source(self, reader: FrameReader, source: FrameSource) -> None:
        report = self.report
        report.frames = source.num_frames
        report.from_uid = str(reader.transfer_syntax_uid)
        report.from_name = transfer_syntax_name(report.from_uid)
        report.raw_bytes = source.num_frames * source.spec.num_bytes
        report.bytes_in = reader.encoded_num_bytes

    def _encoded_spec(self, source: FrameSource) -> FrameSpec:
        """Return what each frame is once it is encoded; checked before the first one is read in full."""
        uid = self.settings.uid
        if uid == EXPLICIT_LITTLE_ENDIAN:
            return source.spec
        name = encoded_photometric_interpretation(uid, source.spec)
        spec = source.spec.replace(photometric_interpretation=name)
        validate_profile(uid, spec)
        choose(EncodeRequest(uid, spec, source.num_frames, self.settings.options), self.settings.backend)
        return spec

    def _write(self, reader: FrameReader, source: FrameSource, spec: FrameSpec, pending: PendingFile) -> None:
        if self.settings.uid == EXPLICIT_LITTLE_ENDIAN:
            self._write_native(reader, source, pending)
        else:
            self._write_encapsulated(reader, source, spec, pending)
        with self.clock("write"):
            pending.sync()

    def _write_native(self, reader: FrameReader, source: FrameSource, pending: PendingFile) -> None:
        dataset = reader.dataset
        describe_decompression(
            dataset,
            source.spec,
            source.num_frames,
            generate_instance_uid=self.settings.generate_instance_uid and reader.is_compressed,
            source_num_compressed=reader.encoded_num_bytes if reader.is_compressed else None,
        )
        writer = NativeWriter(
            pending.file, dataset, trailing=reader.trailing, num_frames=source.num_frames, spec=source.spec
        )
        for batch in self.flow.decoded(source):
            if reader.is_compressed:
                # A codestream may hold more bits than Bits Stored says; readers of native samples cut them off.
                validate_values(batch.frames, batch.spec, self.settings.uid)
            with self.clock("write"):
                writer.write_batch(batch)
            self._advance(len(batch), encoding=True)
        with self.clock("write"):
            writer.finish(dataset)
        self.report.bytes_out = self.report.raw_bytes

    def _write_encapsulated(
        self, reader: FrameReader, source: FrameSource, spec: FrameSpec, pending: PendingFile
    ) -> None:
        report, settings, dataset = self.report, self.settings, reader.dataset
        describe_compression(
            dataset,
            settings.uid,
            spec,
            options_lossy=settings.options.is_lossy,
            num_uncompressed=report.raw_bytes,
            num_compressed=report.raw_bytes,  # known at the end
            generate_instance_uid=settings.generate_instance_uid,
            source_num_compressed=reader.encoded_num_bytes if reader.is_compressed else None,
        )
        writer = EncapsulatedWriter(
            pending.file,
            dataset,
            trailing=reader.trailing,
            num_frames=source.num_frames,
            encapsulate_ext=settings.encapsulate_ext,
        )
        validate = reader.is_compressed or not self._keeps_containers
        for encoded in self.flow.encoded(source, spec, self._kept, validate=validate):
            self._report_choice(encoded.choice)
            with self.clock("write"):
                writer.write_frames(encoded.codestreams)
            report.bytes_out += sum(map(len, encoded.codestreams))
            self._advance(len(encoded.codestreams), encoding=True)
        if settings.options.is_lossy:
            update_compression_ratio(dataset, report.raw_bytes, report.bytes_out)
        with self.clock("write"):
            writer.finish(dataset)

    def _report_choice(self, choice: Choice) -> None:
        """Say which codec encoded the file: that of the first batch, should a last, smaller one suit another."""
        report = self.report
        if not report.codec:
            report.backend, report.codec = choice.codec.backend, choice.codec.name
        report.rejected |= choice.rejected

    @property
    def _keeps_containers(self) -> bool:
        """Whether the target keeps all bits of a container, also those above Bits Stored."""
        uid = self.settings.uid
        return uid == EXPLICIT_LITTLE_ENDIAN or get_format(uid).family is Family.RLE

    def _kept(self, batch: FrameBatch) -> FrameBatch:
        """Return what the target keeps of a batch: the values, without what pads them to their containers."""
        if self._keeps_containers:
            return batch
        return dataclasses.replace(batch, frames=in_stored_bits(batch.frames, batch.spec))

    def _compared(self, batch: FrameBatch) -> FrameBatch:
        """Return what must be the same: the values, and whole containers where no decoder comes between.

        RLE keeps the bits above Bits Stored, but they mean nothing (PS3.5 8.1.1) and the decoder clears them.
        """
        unused = batch.spec.bits_allocated - batch.spec.bits_stored
        if not unused or self.settings.uid == EXPLICIT_LITTLE_ENDIAN:
            return batch
        return dataclasses.replace(batch, frames=clear_unused_bits(batch.frames, unused))

    def _verify(self, source: FrameSource, pending: PendingFile) -> None:
        """Decode the source and what was written, batch by batch, and compare."""
        with FrameReader(pending.path) as written_reader:
            written = FrameSource(written_reader, isolate=True)
            if written.num_frames != source.num_frames:
                raise VerificationError(
                    f"{written.num_frames} frames can be read of what was written, {source.num_frames} were read"
                )
            found = compare(self._compared_pairs(source, written), allowed_error(self.settings.options))
        self.report.max_abs_error = found.max_abs_error
        self.report.psnr = found.psnr
        self.report.verified = True

    def _compared_pairs(self, source: FrameSource, written: FrameSource) -> Iterator[tuple[FrameBatch, FrameBatch]]:
        for expected, actual in self.flow.pairs(source, written):
            yield self._compared(expected), actual
            self._advance(len(expected))

    def _advance(self, num_frames: int, *, encoding: bool = False) -> None:
        """Tell of a batch that was worked on."""
        passes = 2 if self.settings.verify else 1
        share = self.task.num_bytes * num_frames / self.report.frames / passes
        self.source_bytes_advanced += share
        self.advanced(share, self.report.raw_bytes // self.report.frames * num_frames if encoding else 0)

    @contextmanager
    def clock(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = self.report.seconds
            with self._lock:
                seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start


def _one_line(error: Exception) -> str:
    """Return the message of an error in one line, with the type where the message alone would not tell."""
    if isinstance(error, UnsupportedError):
        reasons = "; ".join(f"{name}: {', '.join(why)}" for name, why in error.reasons.items())
        return f"{error.what} ({reasons})" if reasons else error.what
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        name = f": '{error.filename}'" if error.filename else ""
        return f"{error.strerror}{name}"
    if isinstance(error, (GpucodecError, OSError)):
        return text
    return f"{type(error).__name__}: {text}"
