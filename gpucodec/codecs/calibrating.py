"""Measuring on this machine from how many bytes on a GPU is faster than the CPU, for `gpucodec doctor --calibrate`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from gpucodec.calibration import Calibration
from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest
from gpucodec.codecs.crossing import Crossing, find_crossing
from gpucodec.codecs.dispatch import refuse
from gpucodec.codecs.formats import Family
from gpucodec.codecs.registry import codecs_for
from gpucodec.errors import GpucodecError, KernelCompilationError
from gpucodec.frames import FrameBatch, FrameSpec
from gpucodec.routing import key, size

__all__ = ["SIMULATOR_SIZES", "SIZES", "Measured", "as_calibration", "calibrate", "num_contests"]

SIZES = tuple(4096 << step for step in range(15))  # up to 64 MiB
SIMULATOR_SIZES = (128, 512)  # the simulator computes each index in Python

_UIDS = {
    Family.RLE: "1.2.840.10008.1.2.5",
    Family.JPEG_LS: "1.2.840.10008.1.2.4.80",
    Family.JPEG_2000: "1.2.840.10008.1.2.4.90",
    Family.HTJ2K: "1.2.840.10008.1.2.4.201",
}
_FRAME_BYTES = 512 * 512 * 2  # larger batches have more frames
_DIFFERENT_FRAMES = 8


@dataclass(frozen=True, slots=True)
class Measured:
    """What one contest showed.

    Parameters
    ----------
    backend : str
        The device's.
    family : str
        Such as ``"rle"``.
    encoding : bool
        Whether frames were encoded, not decoded.
    crossing : Crossing, optional
        From where on the device is faster; None if the contest could not be held.
    problem : str
        Why it could not.
    """

    backend: str
    family: str
    encoding: bool
    crossing: Crossing | None = None
    problem: str = ""

    @property
    def verdict(self) -> str:
        """The result in words."""
        if self.crossing is None:
            return self.problem
        if not self.crossing.is_clear:
            return "not clear in the time there was, the default stays"
        if self.crossing.num_bytes is None:
            return f"never: the CPU was faster up to {size(self.crossing.points[-1].num_bytes)}"
        if self.crossing.num_bytes == 0:
            return f"always: from {size(self.crossing.points[0].num_bytes)} on, the smallest that was tried"
        return f"from {size(self.crossing.num_bytes)} on"


def num_contests(backends: Sequence[str], families: Sequence[str] = ()) -> int:
    """Return how many contests `calibrate` holds."""
    return sum(1 for _ in _contests(backends, families))


def calibrate(
    backends: Sequence[str],
    *,
    families: Sequence[str] = (),
    sizes: Sequence[int] = SIZES,
    seconds: float = 60.0,
    clock: Callable[[], float] = time.perf_counter,
    said: Callable[[str], None] = lambda _: None,
) -> list[Measured]:
    """Let the CPU and devices do the same work, on frames that look like a CT's.

    Parameters
    ----------
    backends : sequence of str
        Those of devices: ``"cuda"``, ``"nvjpeg2k"`` or, to see that this works, ``"simulator"``.
    families : sequence of str
        Such as ``"rle"``; all if empty.
    sizes : sequence of int
        Bytes of samples of the batches, growing.
    seconds : float
        How long all of it may take, about; what is compiled is not counted.
    clock : callable
        Returns seconds.
    said : callable
        Called before each contest with what it is about.
    """
    contests = list(_contests(backends, families))
    left, found = seconds, []
    for number, contest in enumerate(contests):
        said(contest.name)
        result, took = _held(contest, sizes, clock, left / (len(contests) - number))
        found.append(result)
        left = max(0.0, left - took)
    return found


def _contests(backends: Sequence[str], families: Sequence[str]) -> Iterator[_Contest]:
    for family, uid in _UIDS.items():
        for codec in codecs_for(uid):
            if codec.backend in backends and (not families or family in families):
                yield from (_Contest(family.value, uid, codec, encoding) for encoding in (True, False))


def _held(
    contest: _Contest, sizes: Sequence[int], clock: Callable[[], float], seconds: float
) -> tuple[Measured, float]:
    """Hold one contest, and tell what it took after its kernels were compiled; what goes wrong stops no other."""
    begin = clock()
    try:
        contest.check(sizes[0])
        begin = clock()
        crossing = find_crossing(contest.race, sizes, clock=clock, seconds=seconds)
    except KernelCompilationError as error:
        refuse(contest.device, contest.encoding, error, "auto")
        return contest.measured(problem=str(error)), clock() - begin
    except GpucodecError as error:
        return contest.measured(problem=str(error)), clock() - begin
    return contest.measured(crossing), clock() - begin


class _Contest:
    """The same work for the CPU's codec and the device's."""

    def __init__(self, family: str, uid: str, device: Codec, encoding: bool) -> None:
        self.family, self.uid, self.device, self.encoding = family, uid, device, encoding
        self.name = key(device.backend, family, encoding)
        self.cpu = next(codec for codec in codecs_for(uid) if codec.backend == "cpu")

    def measured(self, crossing: Crossing | None = None, problem: str = "") -> Measured:
        return Measured(self.device.backend, self.family, self.encoding, crossing, problem)

    def check(self, num_bytes: int) -> None:
        """Let the device do a small batch once, and look at what it made of it: what is wrong is not fast.

        Raises
        ------
        GpucodecError
            If it is wrong, or the device cannot do it.
        """
        batch = _frames(num_bytes)
        encoder, decoder = (self.device, self.cpu) if self.encoding else (self.cpu, self.device)
        codestreams = encoder.encode_batch(batch, self._encode_request(batch))
        decoded = decoder.decode_batch(codestreams, self._decode_request(batch, codestreams))
        if not np.array_equal(decoded.frames, batch.frames):
            raise GpucodecError("what the device made of a small batch is wrong: it must not be used for this")

    def race(self, num_bytes: int) -> tuple[Callable[[], object], Callable[[], object]]:
        batch = _frames(num_bytes)
        request = self._encode_request(batch)
        for codec in (self.cpu, self.device):
            decoding = DecodeRequest(self.uid, batch.spec, len(batch))
            if reasons := codec.why_not_encode(request) if self.encoding else codec.why_not_decode(decoding):
                raise GpucodecError("; ".join(reasons))
        if self.encoding:
            return (
                lambda: self.cpu.encode_batch(batch, request),
                lambda: self.device.encode_batch(batch, request),
            )
        distinct = FrameBatch(batch.frames[:_DIFFERENT_FRAMES], batch.spec)
        encoded = self.cpu.encode_batch(distinct, self._encode_request(distinct))
        codestreams = [encoded[index % len(encoded)] for index in range(len(batch))]
        asked = self._decode_request(batch, codestreams)
        return (
            lambda: self.cpu.decode_batch(codestreams, asked),
            lambda: self.device.decode_batch(codestreams, asked),
        )

    def _encode_request(self, batch: FrameBatch) -> EncodeRequest:
        return EncodeRequest(self.uid, batch.spec, len(batch))

    def _decode_request(self, batch: FrameBatch, codestreams: Sequence[bytes]) -> DecodeRequest:
        return DecodeRequest(self.uid, batch.spec, len(batch), codestreams=codestreams)


def _frames(num_bytes: int) -> FrameBatch:
    """Return frames of 12 bits that are smooth, with edges and noise, as many or as large as the bytes ask for."""
    length = max(4, math.isqrt(min(num_bytes, _FRAME_BYTES) // 2))
    count = max(1, num_bytes // _FRAME_BYTES)
    random = np.random.default_rng(1)
    row, column = np.mgrid[0:length, 0:length] * (512.0 / length)
    frames = []
    for number in range(min(count, _DIFFERENT_FRAMES)):
        body = np.hypot(row - 256 - number, column - 256) < 200
        smooth = 900 * body + 200 * np.sin(row / 40 + number) * np.cos(column / 50)
        frames.append(smooth + 300 + random.normal(0, 12, smooth.shape))
    distinct = np.clip(frames, 0, 4095).astype(np.uint16)
    whole = distinct[np.arange(count) % len(distinct)]
    return FrameBatch(whole, FrameSpec(length, length, bits_allocated=16, bits_stored=12))


def as_calibration(measured: Sequence[Measured], threads: int) -> Calibration:
    """Return what is to be kept of contests: those that were clear."""
    thresholds: Mapping[str, int | None] = {
        key(each.backend, each.family, each.encoding): each.crossing.num_bytes
        for each in measured
        if each.crossing is not None and each.crossing.is_clear
    }
    return Calibration(date.today().isoformat(), threads, thresholds)
