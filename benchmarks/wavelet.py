"""Colour transform and wavelet alone, all five levels, beside plain copies of the same frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from gpucodec_kernels import dwt53, dwt97, quantization
from gpucodec_kernels.component_transform import Source
from gpucodec_kernels.target import set_num_threads

from benchmarks.measure import interleaved
from benchmarks.workloads import WORKLOADS, single_frames
from gpucodec.backends import executor

__all__ = ["rows"]

_LEVELS = 5
_PORTION_SAMPLES = 1 << 20  # as encoders go through a batch: what a portion's planes need stays in the cache


def rows(threads: tuple[int, ...], rounds: int) -> Iterator[dict[str, Any]]:
    """Yield a row of results for each number of threads and workload, reversible and irreversible."""
    for number in threads:
        set_num_threads(number)
        for workload in WORKLOADS:
            name, frames, _ = single_frames(workload)
            for codec, transform in (("5/3 wavelet", _reversible(frames)), ("9/7 wavelet", _irreversible(frames))):
                yield _row(codec, name, frames, number, transform, rounds)


def _portions(frames: np.ndarray[Any, Any]) -> Iterator[tuple[Source, bool]]:
    precision = min(frames.dtype.itemsize * 8, 16)
    step = max(1, _PORTION_SAMPLES // frames[0].size)
    for first in range(0, len(frames), step):
        yield Source.of(frames[first : first + step], precision), frames.ndim == 4


def _reversible(frames: np.ndarray[Any, Any]) -> Callable[[], None]:
    where = executor("cpu")

    def transform() -> None:
        for source, color in _portions(frames):
            size = source.num_planes * source.rows * source.columns
            dwt53.forward(where, source, color, _LEVELS, where.scratch("planes", size, np.int32))

    return transform


def _irreversible(frames: np.ndarray[Any, Any]) -> Callable[[], None]:
    where = executor("cpu")
    precision = min(frames.dtype.itemsize * 8, 16)
    steps = quantization.step_sizes(precision, _LEVELS, *quantization.choose_steps(precision, _LEVELS))

    def transform() -> None:
        for source, color in _portions(frames):
            size = source.num_planes * source.rows * source.columns
            dwt97.forward(where, source, color, _LEVELS, steps, where.scratch("planes", size, np.int32), 0)

    return transform


def _row(
    codec: str, name: str, frames: np.ndarray[Any, Any], threads: int, transform: Callable[[], None], rounds: int
) -> dict[str, Any]:
    copied, widened = np.empty_like(frames), np.empty(frames.shape, np.int32)
    contenders = {
        "gpucodec": transform,
        "plain copy": lambda: np.copyto(copied, frames),
        "copy to int32": lambda: np.copyto(widened, frames),
    }
    times = interleaved(contenders, rounds)
    return {
        "codec": codec,
        "workload": name,
        "direction": "forward",
        "threads": threads,
        "seconds": times,
        "megabytes_per_second": {which: frames.nbytes / taken["median"] / 1e6 for which, taken in times.items()},
        "nanoseconds_per_sample": {which: taken["median"] / frames.size * 1e9 for which, taken in times.items()},
    }
