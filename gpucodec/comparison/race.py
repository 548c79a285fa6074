"""One job, all contenders: they take turns, every result is checked, and each gets a row."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gpucodec.codecs.formats import Family
from gpucodec.comparison.arena import Corner, OutOfTheRunningError
from gpucodec.comparison.contenders import Contender, Job, with_sign
from gpucodec.comparison.rows import Row
from gpucodec.errors import GpucodecError
from gpucodec.transcoder.differences import difference, peak_ratio

__all__ = ["Race", "Settings"]

# What takes longer is not repeated as often as asked: a slow peer must not take the others' time.
_SLOW_SECONDS = 10.0
_FEWEST_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """How a comparison is run.

    Parameters
    ----------
    rounds : int
        How often each contender does a job after its first time.
    patience : float
        Seconds after which a contender counts as hung.
    """

    rounds: int = 5
    patience: float = 300.0


class Race:
    """Contenders, each in its process, and the jobs that they do one after the other.

    Parameters
    ----------
    contenders : sequence of Contender
        Who takes part.
    settings : Settings
        How often, and how long to wait.
    said : callable
        Told what is being done, for a progress display.
    """

    def __init__(self, contenders: Sequence[Contender], settings: Settings, said: Callable[[str], None]) -> None:
        self._settings = settings
        self._said = said
        self._stack = ExitStack()
        self._corners = [self._stack.enter_context(Corner(who, settings.patience)) for who in contenders]
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="gpucodec-comparison-"))
        self._frames_file, self._result_file = Path(folder) / "frames.npy", Path(folder) / "result.npy"

    def __enter__(self) -> Race:
        """Return the race."""
        return self

    def __exit__(self, *exception: Any) -> None:
        """End all processes."""
        self._stack.__exit__(*exception)

    def run(
        self, section: str, picture: str, frames: np.ndarray[Any, Any], job: Job, directions: Sequence[str]
    ) -> Iterator[Row]:
        """Yield a row for each direction and contender.

        Parameters
        ----------
        section, picture : str
            For the rows.
        frames : numpy.ndarray
            What is to be encoded; ``len(frames)`` is the job's number of frames.
        job : Job
            The job.
        directions : sequence of str
            Of ``"encode"`` and ``"decode"``.
        """
        np.save(self._frames_file, frames)
        reference = _reference(frames, job)
        if "encode" in directions:
            yield from self._direction(section, picture, frames, job, None, reference)
        if "decode" in directions and reference is not None:
            yield from self._direction(section, picture, frames, job, reference, reference)

    def _direction(
        self,
        section: str,
        picture: str,
        frames: np.ndarray[Any, Any],
        job: Job,
        codestreams: list[bytes] | None,
        reference: list[bytes] | None,
    ) -> Iterator[Row]:
        encoding = codestreams is None
        rows: list[tuple[Corner, Row]] = []
        for corner in self._corners:
            row = _row(section, picture, frames, job, corner.contender, encoding, reference)
            if reason := corner.contender.why_not(job, encoding=encoding):
                row.problem = f"cannot: {reason}"
            rows.append((corner, row))
        for corner, row in rows:
            self._attempt(row, partial(self._first, corner, row, frames, job, codestreams))
        for number in range(self._settings.rounds):
            for corner, row in rows:
                if number < _FEWEST_ROUNDS or sum(row.seconds) < _SLOW_SECONDS:
                    self._attempt(row, partial(self._again, corner, row, encoding))
        yield from (row for _, row in rows)

    def _attempt(self, row: Row, act: Callable[[], None]) -> None:
        if row.problem or row.verdict.startswith("WRONG"):
            return
        self._said(f"{row.picture}: {row.syntax}, {row.direction}, {row.contender}")
        try:
            act()
        except OutOfTheRunningError as error:
            row.problem = str(error)

    def _first(
        self, corner: Corner, row: Row, frames: np.ndarray[Any, Any], job: Job, codestreams: list[bytes] | None
    ) -> None:
        """Have a contender do the job once, untimed but for what the first call takes, and check the result."""
        corner.ask("load", job, str(self._frames_file), codestreams)
        row.first_seconds = corner.ask("run", codestreams is None).seconds
        if codestreams is None:
            made = corner.ask("codestreams")
            row.encoded_bytes = sum(map(len, made))
            row.verdict = _judged_codestreams(made, frames, job)
        else:
            corner.ask("decoded_to", str(self._result_file))
            row.verdict = _judged(np.load(self._result_file), frames, job)

    @staticmethod
    def _again(corner: Corner, row: Row, encoding: bool) -> None:
        cost = corner.ask("run", encoding)
        row.seconds.append(cost.seconds)
        row.cpu_seconds.append(cost.cpu_seconds)
        if cost.peak_bytes is not None:
            row.peak_bytes = max(row.peak_bytes or 0, cost.peak_bytes)


def _row(
    section: str,
    picture: str,
    frames: np.ndarray[Any, Any],
    job: Job,
    contender: Contender,
    encoding: bool,
    reference: list[bytes] | None,
) -> Row:
    return Row(
        section,
        picture,
        job.uid,
        "encode" if encoding else "decode",
        contender.name,
        options=", ".join(f"{name} {_text(value)}" for name, value in job.options.items()),
        threads=job.threads,
        frames=len(frames),
        samples=job.spec.num_samples,
        bits_stored=job.spec.bits_stored,
        raw_bytes=frames.nbytes,
        encoded_bytes=0 if encoding or reference is None else sum(map(len, reference)),
        is_peer=contender.is_peer,
    )


def _text(value: Any) -> str:
    return ",".join(f"{entry:g}" for entry in value) if isinstance(value, (list, tuple)) else f"{value:g}"


def _reference(frames: np.ndarray[Any, Any], job: Job) -> list[bytes] | None:
    """Return the codestreams that everybody decodes: a library's, or our own where no library writes the format."""
    from gpucodec.dicom.coding import encode_batch
    from gpucodec.errors import UnsupportedError
    from gpucodec.frames import FrameBatch

    for backend in ("library", "auto"):
        try:
            return encode_batch(FrameBatch(frames, job.spec), job.uid, job.encode_options, backend).codestreams
        except UnsupportedError:
            continue
    return None


def _judged_codestreams(codestreams: list[bytes], frames: np.ndarray[Any, Any], job: Job) -> str:
    """Decode what was encoded by a library, in its own process, and compare."""
    from gpucodec.codecs.base import DecodeRequest
    from gpucodec.dicom.coding import decode_batch

    if len(codestreams) != len(frames):
        return f"WRONG: {len(codestreams)} codestreams of {len(frames)} frames"
    try:
        request = DecodeRequest(job.uid, job.spec, len(frames), isolate=True)
        decoded = decode_batch(codestreams, request, "library").batch.frames
    except GpucodecError as error:
        return f"WRONG: does not decode: {error}"
    # JPEG-LS has no sign: what a precision above Bits Stored leaves of one is up to the reader.
    return _judged(with_sign(decoded, job.spec) if job.family is Family.JPEG_LS else decoded, frames, job)


def _judged(decoded: np.ndarray[Any, Any], frames: np.ndarray[Any, Any], job: Job) -> str:
    """Return whether decoded frames are what the job's options allow them to be."""
    if decoded.shape != frames.shape:
        return f"WRONG: shape {decoded.shape} instead of {frames.shape}"
    found = difference(frames, decoded)
    options = job.encode_options
    if not found.largest:
        return "equal"
    if not options.is_lossy:
        return f"WRONG: samples differ by up to {found.largest}"
    if options.jls_error:
        return f"{'within' if found.largest <= options.jls_error else 'WRONG: off by'} {found.largest}"
    psnr = peak_ratio(found.squared, found.num_samples, job.spec.value_range)
    if options.j2k_psnr and psnr < options.j2k_psnr[-1] - 1.0:
        return f"WRONG: PSNR {psnr:.1f} dB instead of {options.j2k_psnr[-1]:g}"
    return f"WRONG: PSNR {psnr:.1f} dB, worse than plain grey" if found.is_no_likeness else f"PSNR {psnr:.1f} dB"
