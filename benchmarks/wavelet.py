"""Colour transform and wavelet alone, all five levels, beside plain copies of the same frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from gpucodec_kernels import dwt53, dwt97, quantization
from gpucodec_kernels.component_transform import Source
from gpucodec_kernels.dwt_inverse import Inverse, mallat_tables
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
                yield _row(codec, name, frames, number, "forward", transform, rounds)
            for codec, is_reversible in (("5/3 wavelet", True), ("9/7 wavelet", False)):
                yield _row(codec, name, frames, number, "inverse", _inverse(frames, is_reversible), rounds)


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


def _inverse(frames: np.ndarray[Any, Any], is_reversible: bool) -> Callable[[], None]:
    """Reconstruct frames of the same shapes; what the coefficients are makes no difference to the time."""
    where = executor("cpu")
    components = frames.shape[3] if frames.ndim == 4 else 1
    high = (1 << min(frames.dtype.itemsize * 8, 16)) - 1
    steps = None if is_reversible else [1.0] * (3 * _LEVELS + 1)
    inverse = Inverse(
        mallat_tables(
            *frames.shape[1:3], components, _LEVELS, steps=steps, color=components == 3, shift=0, low=0, high=high
        )
    )
    planes = np.random.default_rng(0).integers(-99, 99, max(_PORTION_SAMPLES, frames[0].size), np.int32)
    samples = np.empty(planes.size, f"u{frames.dtype.itemsize}")

    def transform() -> None:
        for source, _ in _portions(frames):
            inverse(where, source.num_frames, planes, frames[0].size, samples, frames[0].size)

    return transform


def _row(
    codec: str,
    name: str,
    frames: np.ndarray[Any, Any],
    threads: int,
    direction: str,
    transform: Callable[[], None],
    rounds: int,
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
        "direction": direction,
        "threads": threads,
        "seconds": times,
        "megabytes_per_second": {which: frames.nbytes / taken["median"] / 1e6 for which, taken in times.items()},
        "nanoseconds_per_sample": {which: taken["median"] / frames.size * 1e9 for which, taken in times.items()},
    }
