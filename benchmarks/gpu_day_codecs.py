"""Codecs end to end on the device: both ways against the CPU, the libraries and the frames themselves."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.gpu_day_kernels import (
    HTJ2K,
    HTJ2K_LOSSLESS,
    J2K,
    J2K_LOSSLESS,
    JPEG_LS,
    JPEG_LS_NEAR,
    RLE,
    Job,
    real_job,
)
from benchmarks.gpu_day_result import Check, Day, Result
from gpucodec.backends import why_unavailable
from gpucodec.codecs.base import DecodeRequest, EncodeRequest
from gpucodec.codecs.formats import Family, get_format
from gpucodec.codecs.registry import codecs_for
from gpucodec.comparison.contenders import with_sign
from gpucodec.comparison.pictures import Picture, built_in
from gpucodec.dicom.coding import decode_batch, encode_batch
from gpucodec.frames import FrameBatch, FrameSpec
from gpucodec.transcoder.differences import difference, peak_ratio

__all__ = ["arrays_step", "codecs_step", "jobs", "judged", "nvjpeg2k_step"]

_TARGETS: tuple[tuple[str, dict[str, Any]], ...] = (
    (RLE, {}), (JPEG_LS, {}), (JPEG_LS_NEAR, {"jls_error": 2}), (J2K_LOSSLESS, {}), (J2K, {"j2k_psnr": [45.0]}),
    (HTJ2K_LOSSLESS, {}), (HTJ2K, {"j2k_psnr": [45.0]}),
)  # fmt: skip
# Rate control may choose another pass after sums of float64 in another order; the same quality must come of it.
_PSNR_SLACK = 0.5


def codecs_step(day: Day) -> Result:
    """Encode on the device and decode everywhere, encode everywhere and decode on the device."""
    return _both_ways(day, day.backend)


def nvjpeg2k_step(day: Day) -> Result:
    """Do with nvJPEG2000 what `codecs_step` does with the kernels, for what it says that it can."""
    if reason := why_unavailable("nvjpeg2k"):
        return Result.skipped(f"nvJPEG2000 cannot be used: {reason}")
    return _both_ways(day, "nvjpeg2k")


def _both_ways(day: Day, device: str) -> Result:
    checks: list[Check] = []
    notes: list[str] = []
    for job in jobs(day.quick):
        if day.is_over:
            notes.append(f"the time was up before {job.name}")
            continue
        checks += _checks(job, device, notes)
        print(job.name, flush=True)
    return Result.of(checks, notes)


def _checks(job: Job, device: str, notes: list[str]) -> Iterator[Check]:
    """Yield a check for each pair of who encodes and who decodes, the device one of them."""
    others = [name for name in ("cpu", "library") if name != device]
    made: dict[str, list[bytes]] = {}
    for encoder in (device, *others):
        if reason := _why_not(job, encoder, encoding=True):
            notes.append(f"{job.name}: {encoder} does not encode: {reason}")
            continue
        check = _attempt(f"{job.name}: encoded by {encoder}", lambda: made.update({encoder: _encode(job, encoder)}))  # noqa: B023
        if encoder == device or not check.passed:
            yield check
    if device in made and "cpu" in made and device != "nvjpeg2k" and get_format(job.uid).lossless:
        same = made[device] == made["cpu"]
        yield Check(f"{job.name}: the bytes that the CPU makes", same, "" if same else "codestreams differ")
    for encoder, codestreams in made.items():
        for decoder in (device, *others) if encoder == device else (device,):
            if reason := _why_not(job, decoder, encoding=False):
                notes.append(f"{job.name}: {decoder} does not decode: {reason}")
                continue
            name = f"{job.name}: encoded by {encoder}, decoded by {decoder}"
            yield _attempt(name, lambda: judged(job, _decode(job, decoder, codestreams)))  # noqa: B023


def _attempt(name: str, act: Callable[[], str | None]) -> Check:
    """Do something; a string that begins with WRONG, and whatever is raised, is a failure."""
    try:
        found = act() or ""
    except Exception as error:
        traceback.print_exc()
        return Check(name, False, f"{type(error).__name__}: {error}")
    return Check(name, not found.startswith("WRONG"), found)


def _why_not(job: Job, backend: str, *, encoding: bool) -> str:
    codec = next((codec for codec in codecs_for(job.uid) if codec.backend == backend), None)
    if codec is None:
        return "it has no codec"
    if encoding:
        request = EncodeRequest(job.uid, job.spec, len(job.frames), job.encode_options)
        return "; ".join(codec.why_not_encode(request))
    return "; ".join(codec.why_not_decode(DecodeRequest(job.uid, job.spec, len(job.frames))))


def _encode(job: Job, backend: str) -> list[bytes]:
    return encode_batch(FrameBatch(job.frames, job.spec), job.uid, job.encode_options, backend).codestreams


def _decode(job: Job, backend: str, codestreams: list[bytes]) -> npt.NDArray[Any]:
    frames = decode_batch(codestreams, DecodeRequest(job.uid, job.spec, len(codestreams)), backend).batch.frames
    host: npt.NDArray[Any] = frames if isinstance(frames, np.ndarray) else np.asarray(frames.get())
    # JPEG-LS has no sign: what a precision above Bits Stored leaves of one is up to the reader.
    return with_sign(host, job.spec) if get_format(job.uid).family is Family.JPEG_LS else host


def judged(job: Job, decoded: npt.NDArray[Any]) -> str:
    """Say what decoded frames are: equal, near enough for the options, or WRONG."""
    if decoded.shape != job.frames.shape:
        return f"WRONG: shape {decoded.shape} instead of {job.frames.shape}"
    found = difference(job.frames, decoded)
    if not found.largest:
        return "equal"
    options = job.encode_options
    if not options.is_lossy:
        return f"WRONG: samples differ by up to {found.largest}"
    if options.jls_error:
        return f"{'within' if found.largest <= options.jls_error else 'WRONG: off by'} {found.largest}"
    psnr = peak_ratio(found.squared, found.num_samples, job.spec.value_range)
    wanted = options.j2k_psnr[-1] - _PSNR_SLACK if options.j2k_psnr else 0.0
    return f"{'' if psnr >= wanted and not found.is_no_likeness else 'WRONG: '}PSNR {psnr:.2f} dB"


def arrays_step(day: Day) -> Result:
    """Encode frames that are on the GPU, and leave decoded ones there."""
    if not day.on_gpu:
        return Result.skipped("only a GPU has arrays of its own")
    from gpucodec.dicom.coding import decode_frames, encode_frames

    def there_and_back(job: Job) -> str:
        on_host = encode_frames(job.frames, job.uid, spec=job.spec, backend=day.backend, **job.encoding)
        frames = decode_frames(on_host, job.uid, spec=job.spec, backend=day.backend, output="cupy")
        if isinstance(frames, np.ndarray):
            return "WRONG: the frames are on the host"
        again = encode_frames(frames, job.uid, spec=job.spec, backend=day.backend, **job.encoding)
        if job.encode_options.is_lossy:
            return judged(job, np.asarray(frames.get()))
        return (
            judged(job, np.asarray(frames.get()))
            if again == on_host
            else "WRONG: other codestreams than of host frames"
        )

    return Result.of([_attempt(job.name, lambda: there_and_back(job)) for job in jobs(day.quick)])  # noqa: B023


def jobs(quick: bool) -> Iterator[Job]:
    """Yield random frames of many kinds, then real ones, each to every format; in quick days few of each."""
    for picture in [*_random_pictures(quick), *([] if quick else built_in())]:
        for uid, encoding in _TARGETS:
            if not (quick and "j2k_psnr" in encoding):
                yield real_job(picture, uid, encoding)


def _random_pictures(quick: bool) -> Iterator[Picture]:
    """Yield noise over a ramp: 8, 12 and 16 bits, with a sign, and colour; sizes that no tile and no warp divides."""
    generator = np.random.default_rng(20)
    shapes: list[tuple[int, ...]] = [(1, 4, 5)] if quick else [(3, 67, 129), (2, 45, 71, 3)]
    kinds = [("u2", 12)] if quick else [("u1", 8), ("u2", 12), ("u2", 16), ("i2", 12), ("i2", 16)]
    for shape in shapes:
        for dtype, bits in kinds if len(shape) == 3 else [("u1", 8)]:
            low = -(1 << (bits - 1)) if dtype[0] == "i" else 0
            ramp = np.linspace(0, (1 << bits) * 0.7, shape[2])[None, None, :]
            noise = generator.integers(0, (1 << bits) // 4, shape)
            frames = (noise + (ramp[..., None] if len(shape) == 4 else ramp) + low).astype(dtype)
            spec = FrameSpec.from_array(frames, bits_stored=bits)
            size = "x".join(map(str, shape))
            yield Picture(f"noise {size} {dtype} {bits} bits", "", frames, spec, tuple(range(shape[0])))
