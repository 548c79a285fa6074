"""JPEG 2000 through `encode_frames`, beside pylibjpeg-openjpeg called frame by frame as pydicom calls it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from gpucodec_kernels.target import set_num_threads
from openjpeg.utils import decode_pixel_data, encode_pixel_data

import gpucodec
from benchmarks.measure import interleaved
from benchmarks.workloads import WORKLOADS, single_frames
from gpucodec.frames import FrameSpec

__all__ = ["rows"]

_LOSSLESS = "1.2.840.10008.1.2.4.90"
_LOSSY = "1.2.840.10008.1.2.4.91"
_RATIO = 10.0
_QUALITY = 45.0  # dB
# Options of ours, the peer's name for them, and the codec's name in tables.
_WAYS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "JPEG 2000 lossless": (_LOSSLESS, {}, {}),
    f"JPEG 2000 {_RATIO:g}:1": (_LOSSY, {"j2k_cr": [_RATIO]}, {"compression_ratios": [_RATIO]}),
    f"JPEG 2000 {_QUALITY:g} dB": (_LOSSY, {"j2k_psnr": [_QUALITY]}, {"signal_noise_ratios": [_QUALITY]}),
}


def rows(threads: tuple[int, ...], rounds: int) -> Iterator[dict[str, Any]]:
    """Yield a row of results for each number of threads and workload: lossless, at a ratio, and at a quality."""
    for number in threads:
        set_num_threads(number)
        for workload, frames, spec in map(single_frames, WORKLOADS):
            for way in _WAYS:
                yield _measure(workload, frames, spec, number, rounds, way)


def _measure(
    name: str, frames: np.ndarray[Any, Any], spec: FrameSpec, threads: int, rounds: int, way: str
) -> dict[str, Any]:
    uid, options, peers_options = _WAYS[way]
    if spec.samples_per_pixel == 3:
        spec = spec.replace(photometric_interpretation="YBR_RCT" if uid == _LOSSLESS else "YBR_ICT")
    described = {
        "rows": spec.rows,
        "columns": spec.columns,
        "samples_per_pixel": spec.samples_per_pixel,
        "bits_stored": spec.bits_stored,
        "pixel_representation": spec.pixel_representation,
        "photometric_interpretation": spec.photometric_interpretation,
    } | peers_options
    raw = [np.ascontiguousarray(frame).tobytes() for frame in frames]

    def encode_peer() -> list[bytes]:
        return [encode_pixel_data(frame, **described) for frame in raw]

    encode = partial(gpucodec.encode_frames, frames, uid, spec=spec, **options)
    ours, theirs = encode(), encode_peer()
    if uid == _LOSSLESS and any(
        decode_pixel_data(codestream, version=2) != frame for codestream, frame in zip(ours, raw, strict=True)
    ):
        raise RuntimeError(f"{name}: a frame is not what it was")
    if "j2k_psnr" not in options and any(len(mine) > len(their) for mine, their in zip(ours, theirs, strict=True)):
        raise RuntimeError(f"{name}: a frame is longer than OpenJPEG's")
    times = interleaved({"gpucodec": encode, "pylibjpeg-openjpeg": encode_peer}, rounds)
    return {
        "codec": way,
        "workload": name,
        "direction": "encode",
        "threads": threads,
        "seconds": times,
        "megabytes_per_second": {peer: frames.nbytes / taken["median"] / 1e6 for peer, taken in times.items()},
        "ratio": times["pylibjpeg-openjpeg"]["median"] / times["gpucodec"]["median"],
        "bytes": {"ours": sum(map(len, ours)), "pylibjpeg-openjpeg": sum(map(len, theirs))},
    }
