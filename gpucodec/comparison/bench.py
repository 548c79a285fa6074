"""The comparison of codecs: which jobs there are, and the rows that come of them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gpucodec.codecs.formats import Family, get_format
from gpucodec.comparison.contenders import Contender, Job, contenders
from gpucodec.comparison.files import compare_files, file_tools
from gpucodec.comparison.pictures import Picture
from gpucodec.comparison.race import Race, Settings
from gpucodec.comparison.rows import Row
from gpucodec.dicom.profiles import validate_profile
from gpucodec.errors import GpucodecError, ParameterError, UnsupportedError
from gpucodec.frames import FrameSpec
from gpucodec.transcoder.targets import EXPLICIT_LITTLE_ENDIAN, TARGETS, resolve_target

__all__ = ["SECTIONS", "BenchSettings", "bench", "num_steps"]

SECTIONS = ("codecs", "threads", "frames", "size", "files")

# The options that lossy transfer syntaxes are compared with.
_OPTIONS: dict[str, dict[str, Any]] = {
    TARGETS["jpegls-near"]: {"jls_error": 2},
    TARGETS["j2k-lossy"]: {"j2k_cr": [10.0]},
    TARGETS["htj2k-lossy"]: {"j2k_cr": [10.0]},
}
# The transfer syntaxes whose scaling is shown: the fastest and the two that most archives hold.
_SCALED = (TARGETS["rle"], TARGETS["jpegls"], TARGETS["j2k"], TARGETS["htj2k"])
_FRAME_COUNTS = (1, 4, 16, 64, 256, 1024)
_SIDES = (128, 256, 512, 1024, 2048, 4096)
_SCALING_BYTES = 64 << 20  # jobs of scaling that are larger are left out, or take too long for slow contenders
_LARGEST_FILE = 256 << 20


@dataclass(frozen=True, slots=True)
class BenchSettings:
    """What is compared, and how.

    Parameters
    ----------
    syntaxes : tuple of str
        Short names or UIDs of transfer syntaxes; empty for all that compress.
    sections : tuple of str
        Of `SECTIONS`.
    threads : int
        How many threads everybody may use.
    race : Settings
        Rounds and patience.
    without : tuple of str
        Names of contenders that do not take part.
    """

    syntaxes: tuple[str, ...] = ()
    sections: tuple[str, ...] = SECTIONS
    threads: int = os.cpu_count() or 1
    race: Settings = field(default_factory=Settings)
    without: tuple[str, ...] = ()

    @property
    def uids(self) -> list[str]:
        """The transfer syntaxes.

        Raises
        ------
        ParameterError
            If a name is not known.
        """
        named = [resolve_target(name) for name in self.syntaxes] or list(TARGETS.values())
        return [uid for uid in dict.fromkeys(named) if uid != EXPLICIT_LITTLE_ENDIAN]

    def taking_part(self) -> list[Contender]:
        """Return the contenders.

        Raises
        ------
        ParameterError
            If one that is to stay out is not known.
        """
        everybody = contenders()
        if unknown := set(self.without) - {who.name for who in everybody}:
            names = ", ".join(who.name for who in everybody)
            raise ParameterError(f"No contender named {sorted(unknown)}, there are {names}")
        return [who for who in everybody if who.name not in self.without]


@dataclass(frozen=True, slots=True, eq=False)
class _Heat:
    """Frames and the job to do with them."""

    section: str
    picture: str
    frames: np.ndarray[Any, Any]
    job: Job
    directions: tuple[str, ...] = ("encode", "decode")


def bench(
    pictures: Sequence[Picture], settings: BenchSettings, said: Callable[[str], None] = lambda _: None
) -> Iterator[Row]:
    """Compare, and yield a row as soon as it is known.

    Parameters
    ----------
    pictures : sequence of Picture
        What to work on.
    settings : BenchSettings
        What to compare.
    said : callable
        Told each step before it is done, for a progress display.
    """
    heats = list(_heats(pictures, settings))
    with Race(settings.taking_part(), settings.race, said) as race:
        for heat in heats:
            yield from race.run(heat.section, heat.picture, heat.frames, heat.job, heat.directions)
    if "files" in settings.sections:
        with tempfile.TemporaryDirectory(prefix="gpucodec-comparison-") as folder:
            for picture, uid in _file_jobs(pictures, settings):
                yield from compare_files(picture, uid, Path(folder), settings.race.rounds, settings.race.patience, said)


def num_steps(pictures: Sequence[Picture], settings: BenchSettings) -> int:
    """Return about how often `bench` will say something: a step is one contender doing one job once."""
    runs = settings.race.rounds + 1
    steps = 0
    everybody = settings.taking_part()
    for heat in _heats(pictures, settings):
        for direction in heat.directions:
            able = [who for who in everybody if not who.why_not(heat.job, encoding=direction == "encode")]
            steps += len(able) * runs
    if "files" in settings.sections:
        steps += sum(len(file_tools(uid)) * runs for _, uid in _file_jobs(pictures, settings))
    return steps


def _heats(pictures: Sequence[Picture], settings: BenchSettings) -> Iterator[_Heat]:
    if "codecs" in settings.sections:
        for picture in pictures:
            for uid in settings.uids:
                job = _job(picture.spec, uid, len(picture.frames), settings.threads)
                if job is not None:
                    yield _Heat("codecs", picture.name, picture.frames, job)
    if not pictures:
        return
    base = pictures[0]
    for uid in [uid for uid in settings.uids if uid in _SCALED]:
        yield from _scaling_heats(base, uid, settings)


def _scaling_heats(base: Picture, uid: str, settings: BenchSettings) -> Iterator[_Heat]:
    """Yield jobs with more and more threads, frames and pixels, all made of the first picture."""
    if "threads" in settings.sections:
        for threads in _doubling(settings.threads):
            if job := _job(base.spec, uid, len(base.frames), threads):
                yield _Heat("threads", base.name, base.frames, job)
    frame_bytes = base.spec.num_bytes
    if "frames" in settings.sections:
        for number in _FRAME_COUNTS:
            small = _of_size(base.frames[:1], min(128, base.spec.rows, base.spec.columns))
            spec = base.spec.replace(rows=small.shape[1], columns=small.shape[2])
            if number * small.nbytes <= _SCALING_BYTES and (job := _job(spec, uid, number, settings.threads)):
                frames = np.concatenate([np.roll(small, shift, axis=2) for shift in range(number)])
                yield _Heat("frames", f"{base.name}, {small.shape[1]} x {small.shape[2]} of it", frames, job)
    if "size" in settings.sections:
        for side in _SIDES:
            if side * side * (frame_bytes // (base.spec.rows * base.spec.columns)) > _SCALING_BYTES:
                continue
            spec = base.spec.replace(rows=side, columns=side)
            if job := _job(spec, uid, 1, settings.threads):
                yield _Heat("size", f"{base.name}, mirrored or cut", _of_size(base.frames[:1], side), job)


def _of_size(frames: np.ndarray[Any, Any], side: int) -> np.ndarray[Any, Any]:
    """Return the top left square of frames, which are mirrored at their edges where they are smaller."""
    padding = [(0, 0), *((0, max(0, side - length)) for length in frames.shape[1:3])]
    padding += [(0, 0)] * (frames.ndim - 3)
    return np.ascontiguousarray(np.pad(frames, padding, mode="symmetric")[:, :side, :side])


def _doubling(largest: int) -> list[int]:
    powers = [1 << power for power in range(largest.bit_length()) if 1 << power < largest]
    return [*powers, largest]


def _job(spec: FrameSpec, uid: str, num_frames: int, threads: int) -> Job | None:
    """Return the job that DICOM allows; None where the transfer syntax may not carry such frames."""
    wavelet = get_format(uid).family in (Family.JPEG_2000, Family.HTJ2K)
    if wavelet and spec.photometric_interpretation == "RGB" and not spec.pixel_representation:
        transform = "YBR_RCT" if get_format(uid).lossless else "YBR_ICT"
        spec = spec.replace(photometric_interpretation=transform)
    try:
        validate_profile(uid, spec)
    except (ParameterError, UnsupportedError):
        return None
    return Job(uid, spec, num_frames, dict(_OPTIONS.get(uid, {})), threads)


def _file_jobs(pictures: Sequence[Picture], settings: BenchSettings) -> Iterator[tuple[Picture, str]]:
    for picture in pictures:
        if picture.is_file and Path(picture.origin).stat().st_size > _LARGEST_FILE:
            continue
        for uid in settings.uids:
            if get_format(uid).lossless:
                try:
                    validate_profile(uid, picture.spec)
                except GpucodecError:
                    continue
                yield picture, uid
