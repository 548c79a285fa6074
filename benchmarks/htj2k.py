"""HTJ2K through `encode_frames` and `decode_frames`, beside OpenJPH on as many threads, and pylibjpeg-openjpeg.

OpenJPH (by imagecodecs) gets a frame a thread. pylibjpeg-openjpeg is called frame by frame as pydicom calls it: to
encode, which it cannot to HTJ2K, to lossless JPEG 2000; to decode the same HTJ2K.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import imagecodecs
import numpy as np
from gpucodec_kernels.target import set_num_threads
from openjpeg.utils import decode_pixel_data, encode_pixel_data

import gpucodec
from benchmarks.measure import interleaved
from benchmarks.workloads import WORKLOADS, single_frames
from gpucodec.frames import FrameSpec

__all__ = ["rows"]

_LOSSLESS = "1.2.840.10008.1.2.4.201"
_LOSSY = "1.2.840.10008.1.2.4.203"
_RATIO = 10.0
_OPENJPH, _PYLIBJPEG = "OpenJPH", "pylibjpeg-openjpeg"


def rows(threads: tuple[int, ...], rounds: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each number of threads, workload and direction, and for encoding at a ratio of 10."""
    for number in threads:
        set_num_threads(number)
        with ThreadPoolExecutor(number) as pool:
            for name, frames, spec in map(single_frames, WORKLOADS):
                told = spec
                if spec.samples_per_pixel == 3:
                    told = spec.replace(photometric_interpretation="YBR_RCT")
                yield _encoded(name, frames, told, pool, number, rounds)
                yield _decoded(name, frames, told, pool, number, rounds)
                yield _lossy(name, frames, spec, number, rounds)


def _row(
    codec: str,
    name: str,
    direction: str,
    threads: int,
    num_bytes: int,
    contenders: dict[str, Callable[[], Any]],
    rounds: int,
) -> dict[str, Any]:
    times = interleaved(contenders, rounds)
    row: dict[str, Any] = {
        "codec": codec,
        "workload": name,
        "direction": direction,
        "threads": threads,
        "seconds": times,
        "megabytes_per_second": {who: num_bytes / taken["median"] / 1e6 for who, taken in times.items()},
    }
    peers = [who for who in contenders if who != "gpucodec"]
    row["ratios"] = {who: times[who]["median"] / times["gpucodec"]["median"] for who in peers}
    return row


def _encoded(
    name: str, frames: np.ndarray[Any, Any], spec: FrameSpec, pool: ThreadPoolExecutor, threads: int, rounds: int
) -> dict[str, Any]:
    described = {
        "rows": spec.rows,
        "columns": spec.columns,
        "samples_per_pixel": spec.samples_per_pixel,
        "bits_stored": spec.bits_stored,
        "pixel_representation": spec.pixel_representation,
        "photometric_interpretation": spec.photometric_interpretation,
    }
    raw = [np.ascontiguousarray(frame).tobytes() for frame in frames]
    encode = partial(gpucodec.encode_frames, frames, _LOSSLESS, spec=spec)
    encode_one = partial(imagecodecs.htj2k_encode, reversible=True, rgb=spec.samples_per_pixel == 3)

    def encode_openjph() -> list[bytes]:
        return list(pool.map(encode_one, frames))

    def encode_pylibjpeg() -> list[bytes]:
        return [encode_pixel_data(frame, **described) for frame in raw]

    ours = encode()
    if any(
        not np.array_equal(imagecodecs.htj2k_decode(codestream), frame)
        for codestream, frame in zip(ours, frames, strict=True)
    ):
        raise RuntimeError(f"{name}: a frame is not what it was")
    contenders = {"gpucodec": encode, _OPENJPH: encode_openjph, _PYLIBJPEG: encode_pylibjpeg}
    row = _row("HTJ2K lossless", name, "encode", threads, frames.nbytes, contenders, rounds)
    row["bytes"] = {"ours": sum(map(len, ours)), _OPENJPH: sum(map(len, encode_openjph()))}
    return row


def _decoded(
    name: str, frames: np.ndarray[Any, Any], spec: FrameSpec, pool: ThreadPoolExecutor, threads: int, rounds: int
) -> dict[str, Any]:
    rgb = spec.samples_per_pixel == 3
    codestreams = [imagecodecs.htj2k_encode(frame, reversible=True, rgb=rgb) for frame in frames]
    decode = partial(gpucodec.decode_frames, codestreams, _LOSSLESS, spec=spec)

    def decode_openjph() -> list[Any]:
        return list(pool.map(imagecodecs.htj2k_decode, codestreams))

    def decode_pylibjpeg() -> list[bytearray]:
        return [decode_pixel_data(codestream, version=2) for codestream in codestreams]

    if not np.array_equal(decode(), frames):
        raise RuntimeError(f"{name}: a frame is not what it was")
    contenders = {"gpucodec": decode, _OPENJPH: decode_openjph, _PYLIBJPEG: decode_pylibjpeg}
    return _row("HTJ2K lossless", name, "decode", threads, frames.nbytes, contenders, rounds)


def _lossy(name: str, frames: np.ndarray[Any, Any], spec: FrameSpec, threads: int, rounds: int) -> dict[str, Any]:
    """Measure what a ratio costs, against one coding without loss."""
    color = spec.samples_per_pixel == 3
    ict = spec.replace(photometric_interpretation="YBR_ICT") if color else spec
    rct = spec.replace(photometric_interpretation="YBR_RCT") if color else spec
    encode = partial(gpucodec.encode_frames, frames, _LOSSY, spec=ict, j2k_cr=[_RATIO])
    room = spec.num_samples * spec.bits_stored / 8 / _RATIO
    sizes = [len(codestream) for codestream in encode()]
    if max(sizes) > room:
        raise RuntimeError(f"{name}: a frame is longer than its ratio lets it be")
    lossless = partial(gpucodec.encode_frames, frames, _LOSSLESS, spec=rct)
    contenders = {"gpucodec": encode, "gpucodec, lossless": lossless}
    row = _row(f"HTJ2K {_RATIO:g}:1", name, "encode", threads, frames.nbytes, contenders, rounds)
    row["bytes"] = {"ours": sum(sizes), "room": int(room * len(frames))}
    return row
