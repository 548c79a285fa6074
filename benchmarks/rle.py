"""RLE Lossless through `encode_frames` and `decode_frames`, beside pylibjpeg-rle called frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import rle as pylibjpeg_rle
from gpucodec_kernels.target import set_num_threads

import gpucodec
from benchmarks.measure import interleaved
from benchmarks.workloads import WORKLOADS, Workload

__all__ = ["rows"]

_UID = "1.2.840.10008.1.2.5"


def rows(threads: tuple[int, ...], rounds: int) -> Iterator[dict[str, Any]]:
    """Yield a row of results for each number of threads, workload and direction."""
    for number in threads:
        set_num_threads(number)
        for workload in WORKLOADS:
            yield from _measure(workload, number, rounds)


def _measure(workload: Workload, threads: int, rounds: int) -> Iterator[dict[str, Any]]:
    frames, spec = workload.frames, workload.spec
    shape = {
        "rows": spec.rows,
        "columns": spec.columns,
        "samples_per_pixel": spec.samples_per_pixel,
        "bits_allocated": spec.bits_allocated,
    }
    raw = [np.ascontiguousarray(frame).tobytes() for frame in frames]
    ours = gpucodec.encode_frames(frames, _UID)
    theirs = [pylibjpeg_rle.encode_pixel_data(frame, byteorder="<", **shape) for frame in raw]
    if not np.array_equal(gpucodec.decode_frames(theirs, _UID, spec=spec), frames):
        raise RuntimeError(f"{workload.name}: what pylibjpeg-rle encoded was decoded wrongly")
    if any(len(mine) > len(their) for mine, their in zip(ours, theirs, strict=True)):
        raise RuntimeError(f"{workload.name}: a frame is longer than pylibjpeg-rle's")

    def encode_peer() -> list[bytes]:
        return [pylibjpeg_rle.encode_pixel_data(frame, byteorder="<", **shape) for frame in raw]

    def decode_peer() -> list[bytearray]:
        return [pylibjpeg_rle.decode_pixel_data(codestream, version=2, **shape) for codestream in theirs]

    encode = partial(gpucodec.encode_frames, frames, _UID)
    decode = partial(gpucodec.decode_frames, theirs, _UID, spec=spec)
    sizes = {"ours": sum(map(len, ours)), "pylibjpeg-rle": sum(map(len, theirs))}
    for direction, mine, peer in (("encode", encode, encode_peer), ("decode", decode, decode_peer)):
        yield _row(workload, direction, threads, mine, peer, rounds) | {"bytes": sizes}


def _row(
    workload: Workload,
    direction: str,
    threads: int,
    mine: Callable[[], Any],
    peer: Callable[[], Any],
    rounds: int,
) -> dict[str, Any]:
    times = interleaved({"gpucodec": mine, "pylibjpeg-rle": peer}, rounds)
    raw_bytes = workload.frames.nbytes
    return {
        "codec": "RLE Lossless",
        "workload": workload.name,
        "direction": direction,
        "threads": threads,
        "seconds": times,
        "megabytes_per_second": {name: raw_bytes / taken["median"] / 1e6 for name, taken in times.items()},
        "ratio": times["pylibjpeg-rle"]["median"] / times["gpucodec"]["median"],
    }
