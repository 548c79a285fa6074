"""How long each kernel takes on the device, and what it moves in that time beside what a copy moves."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gpucodec_kernels.target import Kernel

from benchmarks.gpu_day_kernels import (
    HTJ2K,
    HTJ2K_LOSSLESS,
    J2K,
    J2K_LOSSLESS,
    JPEG_LS,
    RLE,
    Job,
    codec_of,
    jobs,
    real_job,
)
from benchmarks.gpu_day_launches import Launch, device_path, kernel_names, watched
from benchmarks.gpu_day_result import NOT_MEASURED, Check, Day, Result
from gpucodec.backends import Executor, device_seconds
from gpucodec.comparison.pictures import built_in

__all__ = ["profile_step"]

_ROUNDS = 5
_COPY_BYTES = 256 << 20
_MOVED = Path(__file__).parent / "results" / "kernels.json"
_PROFILED: tuple[tuple[str, dict[str, Any]], ...] = (
    (RLE, {}), (JPEG_LS, {}), (J2K_LOSSLESS, {}), (J2K, {"j2k_psnr": [45.0]}), (HTJ2K_LOSSLESS, {}),
    (HTJ2K, {"j2k_psnr": [45.0]}),
)  # fmt: skip

Clock = Callable[[Callable[[], Any]], float | None]


def profile_step(day: Day) -> Result:
    """Time every launch of encoding and decoding real series, and a copy of a quarter of a gigabyte."""
    clock: Clock = device_seconds if day.on_gpu else _no_clock
    notes = [] if day.on_gpu else [NOT_MEASURED]
    moved, note = _bytes_a_sample()
    notes.append(note)
    rows: list[dict[str, Any]] = []
    with device_path(day.backend) as (where, backend):
        copied = _copy_seconds(where, clock, 1 << 10 if day.quick else _COPY_BYTES)
        empty = clock(lambda: None)
        for job in _jobs(day.quick):
            if day.is_over:
                notes.append(f"the time was up before {job.name}")
                continue
            rows += (
                _with_speed(row, moved) for row in _profiled(job, where, backend, clock, 1 if day.quick else _ROUNDS)
            )
            print(job.name, flush=True)
    copy_speed = None if copied is None else 2 * _COPY_BYTES / copied / 1e9
    data = {"copy_gigabytes_per_second": copy_speed, "empty_seconds": empty, "kernels": rows}
    return Result.of([Check("kernels were timed", bool(rows), f"{len(rows)} rows")], notes, **data)


def _bytes_a_sample() -> tuple[dict[str, float], str]:
    """Return the bytes a sample that each kernel moves by the model of the kernel report, where that was kept."""
    if not _MOVED.is_file():
        return {}, f"bytes are unknown: `python -m benchmarks.kernel_report --json {_MOVED}` keeps them"
    kernels = json.loads(_MOVED.read_text(encoding="utf-8"))["kernels"]
    found = {name: values["moved"] for name, values in kernels.items() if values.get("launches")}
    return found, f"bytes a sample are those that the kernel report counted on small frames, {len(found)} kernels"


def _with_speed(row: dict[str, Any], moved: dict[str, float]) -> dict[str, Any]:
    """Add the bytes that a kernel moved and, if there was a clock, how many in a second."""
    num_bytes = moved[row["kernel"]] * row["samples"] if row["kernel"] in moved else None
    known = num_bytes is not None and row["seconds"]
    speed = num_bytes / row["seconds"] / 1e9 if num_bytes is not None and known else None
    return row | {"bytes": num_bytes, "gigabytes_per_second": speed}


def _no_clock(call: Callable[[], Any]) -> None:
    call()


def _copy_seconds(where: Executor, clock: Clock, num_bytes: int) -> float | None:
    """Return the median of what a copy from device memory to device memory takes."""
    source, copy = where.empty(num_bytes, np.uint8), where.empty(num_bytes, np.uint8)

    def act() -> None:
        copy[:] = source

    return _median([clock(act) for _ in range(_ROUNDS)])


def _profiled(job: Job, where: Executor, backend: str, clock: Clock, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield for each kernel of a job how often it is launched and how long that takes, all launches together."""
    names = kernel_names()
    seconds: dict[str, list[list[float | None]]] = {}
    codec = codec_of(job.uid, backend)
    job.decode(codec, job.encode(codec))  # compiles
    for number in range(rounds):

        def timed(
            original: Launch, kernel: Kernel, count: int, arguments: tuple[Any, ...], number: int = number
        ) -> None:
            taken = seconds.setdefault(names.get(id(kernel), kernel.__name__), [[] for _ in range(rounds)])
            taken[number].append(clock(lambda: original(kernel, count, *arguments)))

        with watched(where, timed):
            job.decode(codec, job.encode(codec))
    for name, taken in sorted(seconds.items()):
        total = _median([_sum(each) for each in taken if each])
        yield {"job": job.name, "kernel": name, "launches": len(taken[0]), "samples": job.frames.size, "seconds": total}


def _sum(values: list[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return sum(found) if found else None


def _median(values: list[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return statistics.median(found) if found else None


def _jobs(quick: bool) -> Iterator[Job]:
    if quick:
        yield from (job for job in jobs(quick=True) if job.uid in (RLE, JPEG_LS))
        return
    for picture in built_in():
        for uid, encoding in _PROFILED:
            yield real_job(picture, uid, encoding)
