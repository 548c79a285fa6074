"""Every kernel on the device against the CPU: the launches that codecs make of random and of real frames."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.gpu_day_launches import Parity, device_path, kernel_names, watched
from benchmarks.gpu_day_result import Check, Day, Result
from benchmarks.kernel_workloads import WORKLOADS, Workload
from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest
from gpucodec.codecs.formats import get_format
from gpucodec.codecs.options import DecodeOptions, EncodeOptions
from gpucodec.codecs.registry import codecs_for
from gpucodec.comparison.pictures import Picture, built_in
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = ["Job", "codec_of", "jobs", "kernels_step", "real_pictures"]

RLE, JPEG_LS, JPEG_LS_NEAR = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
J2K_LOSSLESS, J2K = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
HTJ2K_LOSSLESS, HTJ2K = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.203"

# The simulator takes milliseconds for each sample, and for each thread of a block: not every kernel has its turn.
_QUICK = {
    "RLE 12 bits": 16, "JPEG-LS 8 bits": 12, "JPEG-LS near-lossless 8 bits": 12, "JPEG 2000 12 bits": 4,
    "JPEG 2000 row of 8 bits, quality": 8, "HTJ2K 12 bits": 4,
}  # fmt: skip
_REAL: tuple[tuple[str, dict[str, Any]], ...] = (
    (RLE, {}), (JPEG_LS, {}), (JPEG_LS_NEAR, {"jls_error": 2}), (J2K_LOSSLESS, {}), (J2K, {"j2k_cr": [10.0]}),
    (J2K, {"j2k_psnr": [45.0]}), (HTJ2K_LOSSLESS, {}), (HTJ2K, {"j2k_cr": [10.0]}),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Job:
    """Frames, and what to encode them to.

    Parameters
    ----------
    name : str
        As the report names it.
    uid : str
        The transfer syntax.
    frames : numpy.ndarray
        The frames.
    spec : FrameSpec
        What each is; YBR_RCT and YBR_ICT ask for the component transform.
    encoding, decoding : dict
        Options of the encoder and of the decoder.
    settings : tuple
        What is set meanwhile, to reach with small frames what large ones need: object, attribute, value.
    """

    name: str
    uid: str
    frames: np.ndarray[Any, Any]
    spec: FrameSpec
    encoding: dict[str, Any] = field(default_factory=dict)
    decoding: dict[str, Any] = field(default_factory=dict)
    settings: tuple[tuple[Any, str, Any], ...] = ()

    @property
    def encode_options(self) -> EncodeOptions:
        """The options, checked."""
        return EncodeOptions.for_transfer_syntax(self.uid, **self.encoding)

    def encode(self, codec: Codec) -> list[bytes]:
        """Encode the frames with a codec."""
        request = EncodeRequest(self.uid, self.spec, len(self.frames), self.encode_options)
        return codec.encode_batch(FrameBatch(self.frames, self.spec), request)

    def decode(self, codec: Codec, codestreams: list[bytes]) -> FrameBatch:
        """Decode codestreams with a codec."""
        request = DecodeRequest(self.uid, self.spec, len(codestreams), DecodeOptions(**self.decoding))
        return codec.decode_batch(codestreams, request)


def kernels_step(day: Day) -> Result:
    """Run all jobs on the device, and every launch again on the CPU."""
    notes: list[str] = []
    checks: list[Check] = []
    left_out = []
    with device_path(day.backend) as (where, backend):
        parity = Parity(where, lambda: day.is_over, most=1 if day.quick else 1 << 30)
        with watched(where, parity.see):
            for job in jobs(day.quick):
                if not day.quick:
                    parity.begin()
                if day.is_over:
                    left_out.append(job.name)
                elif problem := _problem_of(job, backend):
                    checks.append(Check(job.name, False, problem))
    if left_out:
        notes.append(f"the time was up before {', '.join(left_out)}")
    never = sorted(set(kernel_names().values()) - set(parity.tallies))
    if never:
        notes.append(f"never launched: {', '.join(never)}")
    checks += [
        Check(name, not tally.differing and tally.compared > 0, tally.detail or f"{tally.compared} launches equal")
        for name, tally in sorted(parity.tallies.items())
    ]
    return Result.of(checks, notes, kernels=parity.as_dict())


def _problem_of(job: Job, backend: str) -> str:
    """Encode and decode on the device; return what was raised, which stops no other job."""
    begin = time.monotonic()
    try:
        codec = codec_of(job.uid, backend)
        with ExitStack() as stack:
            for changed in job.settings:
                stack.enter_context(patch.object(*changed))
            job.decode(codec, job.encode(codec))
    except Exception as error:
        traceback.print_exc()
        return f"{type(error).__name__}: {error}"
    print(f"{job.name}: {time.monotonic() - begin:.1f} s", flush=True)
    return ""


def codec_of(uid: str, backend: str) -> Codec:
    """Return a backend's codec of a transfer syntax."""
    return next(codec for codec in codecs_for(uid) if codec.backend == backend)


def jobs(quick: bool) -> Iterator[Job]:
    """Yield small jobs that reach every kernel, then real frames."""
    if quick:
        yield from (_small(workload) for workload in WORKLOADS if workload.name in _QUICK)
        return
    yield from map(_as_job, WORKLOADS)
    for picture in real_pictures():
        for uid, encoding in _REAL:
            yield real_job(picture, uid, encoding)


def real_pictures() -> Iterator[Picture]:
    """Yield real frames, of series two: launches are checked one by one."""
    for picture in built_in():
        yield replace(picture, frames=picture.frames[:2])


def real_job(picture: Picture, uid: str, encoding: dict[str, Any]) -> Job:
    """Return the job that encodes a picture, with the component transform where it is colour."""
    spec = picture.spec
    if spec.photometric_interpretation == "RGB" and uid in (J2K_LOSSLESS, HTJ2K_LOSSLESS, J2K, HTJ2K):
        transform = "YBR_RCT" if uid in (J2K_LOSSLESS, HTJ2K_LOSSLESS) else "YBR_ICT"
        spec = spec.replace(photometric_interpretation=transform)
    options = ", ".join(f"{name} {value}" for name, value in encoding.items())
    name = f"{picture.name}, {get_format(uid).name}{', ' if options else ''}{options}"
    return Job(name, uid, picture.frames, spec, encoding)


def _as_job(workload: Workload) -> Job:
    options = dict(workload.encoding), dict(workload.decoding)
    return Job(workload.name, workload.uid, workload.frames, workload.spec, *options, workload.settings)


def _small(workload: Workload) -> Job:
    """Return a workload with few samples."""
    rows, columns = (min(_QUICK[workload.name], length) for length in workload.shape[1:3])
    return _as_job(replace(workload, shape=(1, rows, columns, *workload.shape[3:])))
