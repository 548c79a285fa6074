"""What can go wrong with a GPU's memory, and with one GPU of several, forced to happen."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt

from benchmarks.gpu_day_kernels import HTJ2K_LOSSLESS, RLE, Job
from benchmarks.gpu_day_result import Check, Day, Result
from gpucodec.backends import Executor, executors
from gpucodec.codecs import running
from gpucodec.codecs.base import DecodeRequest
from gpucodec.dicom.coding import decode_batch, encode_batch
from gpucodec.errors import DeviceError, DeviceMemoryError, DeviceWarning, GpucodecError
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = ["devices_step", "memory_step"]

_ALLOCATE = ("empty", "temporary", "scratch")
_FRAMES = 4


def memory_step(day: Day) -> Result:
    """Refuse memory for whole batches, which must be halved, and for a single frame, which must be the error."""
    if day.backend == "cpu":
        return Result.skipped("the host has no memory of a device's")
    checks = []
    for job in _jobs(day.quick):
        encoded = _encode(job, day.backend)
        for direction, work in (
            ("encode", lambda frames: _encode(job, day.backend, frames)),  # noqa: B023
            ("decode", lambda frames: _decode(job, day.backend, encoded[:frames])),  # noqa: B023
        ):
            checks.append(_tried(f"{job.name}, {direction}: batches are halved", lambda: _halved(day.backend, work)))  # noqa: B023
            name = f"{job.name}, {direction}: a frame that does not fit is the error"
            checks.append(_tried(name, lambda: _refused(day.backend, work)))  # noqa: B023
    return Result.of(checks)


def _halved(backend: str, work: Callable[[int], Any]) -> str:
    """Return what is wrong when a batch does not fit and half of it does."""
    with _limited(backend, 1 << 62) as whole:
        expected = work(_FRAMES)
    with _limited(backend, 1 << 62) as single:
        work(1)
    if whole.largest <= single.largest:
        return f"no allocation grows with the frames: {whole.largest} bytes"
    with _limited(backend, (whole.largest + single.largest) // 2) as limit:
        found = work(_FRAMES)
    if not limit.refused:
        return "no allocation was refused"
    return "" if _same(found, expected) else "the result is another one"


def _refused(backend: str, work: Callable[[int], Any]) -> str:
    with _limited(backend, 1 << 62) as single:
        expected = work(1)
    try:
        with _limited(backend, single.largest - 1):
            work(_FRAMES)
    except DeviceMemoryError:
        return "" if _same(work(1), expected) else "it works no more after the error"
    return "nothing was raised"


class _Limit:
    """How much was allocated at once, and how often it was too much."""

    def __init__(self, largest_allowed: int) -> None:
        self.allowed = largest_allowed
        self.largest = 0
        self.refused = 0

    def check(self, size: int, dtype: Any) -> None:
        num_bytes = int(size) * np.dtype(dtype).itemsize
        self.largest = max(self.largest, num_bytes)
        if num_bytes > self.allowed:
            self.refused += 1
            raise DeviceMemoryError(f"GPU has not the memory: {num_bytes} bytes, refused on purpose")


@contextmanager
def _limited(backend: str, allowed: int) -> Iterator[_Limit]:
    """Let the executors of a backend allocate no more than so many bytes at once."""
    limit = _Limit(allowed)

    def limiting(original: Callable[..., Any]) -> Callable[..., Any]:
        def allocate(*arguments: Any) -> Any:
            limit.check(*arguments[-2:])
            return original(*arguments)

        return allocate

    with ExitStack() as stack:
        for where in executors(backend):
            for name in _ALLOCATE:
                stack.enter_context(patch.object(where, name, limiting(getattr(where, name))))
        yield limit


def devices_step(day: Day) -> Result:
    """Use each GPU alone, all of them at once, and all of them of which one fails."""
    found = executors(day.backend)
    notes = []
    if len(found) == 1:
        found = (found[0], _another(found[0]))
        notes.append("there is one GPU here: two executors of it stand for two")
    checks = []
    for job in _jobs(day.quick):
        encoded = _encode(job, day.backend)
        for direction, work, expected in (
            ("encode", lambda: _encode(job, day.backend), encoded),  # noqa: B023
            ("decode", lambda: _decode(job, day.backend, encoded), job.frames),  # noqa: B023
        ):
            for number, where in enumerate(found):
                name = f"{job.name}, {direction}: GPU {number} alone"
                checks.append(_tried(name, lambda: _on([where], work, expected)))  # noqa: B023
            checks.append(_tried(f"{job.name}, {direction}: dealt out", lambda: _on(found, work, expected)))  # noqa: B023
            checks.append(_tried(f"{job.name}, {direction}: one fails", lambda: _one_fails(found, work, expected)))  # noqa: B023
    return Result.of(checks, notes)


def _another(where: Executor) -> Executor:
    """Return a second executor of the same device, with streams of its own."""
    return Executor(where.backend) if type(where) is Executor else type(where)(where.backend, where.device)  # type: ignore[call-arg]


def _on(found: Sequence[Executor], work: Callable[[], Any], expected: Any) -> str:
    """Return what is wrong when these executors share the work, a frame a batch."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(running, "executors", lambda _: tuple(found)))
        stack.enter_context(patch.object(running, "_fitting", lambda *_: 1))
        made = work()
    return "" if _same(made, expected) else "the result is another one"


def _one_fails(found: Sequence[Executor], work: Callable[[], Any], expected: Any) -> str:
    failing = found[-1]

    def fail() -> Any:
        raise DeviceError("work on the GPU failed on purpose")

    with patch.object(failing, "mark", fail), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        if problem := _on(found, work, expected):
            return problem
    told = [warning for warning in said if issubclass(warning.category, DeviceWarning)]
    return "" if len(told) == 1 else f"{len(told)} warnings instead of one"


def _tried(name: str, act: Callable[[], str]) -> Check:
    try:
        problem = act()
    except GpucodecError as error:
        traceback.print_exc()
        problem = f"{type(error).__name__}: {error}"
    return Check(name, not problem, problem)


def _jobs(quick: bool) -> Iterator[Job]:
    side = 4 if quick else 256
    generator = np.random.default_rng(4)
    frames = generator.integers(0, 4096, (_FRAMES, side, side)).astype(np.uint16)
    for name, uid in (("RLE", RLE), *(() if quick else (("HTJ2K", HTJ2K_LOSSLESS),))):
        yield Job(name, uid, frames, FrameSpec.from_array(frames, bits_stored=12))


def _encode(job: Job, backend: str, num_frames: int = _FRAMES) -> list[bytes]:
    return encode_batch(FrameBatch(job.frames[:num_frames], job.spec), job.uid, job.encode_options, backend).codestreams


def _decode(job: Job, backend: str, codestreams: list[bytes]) -> npt.NDArray[Any]:
    found = decode_batch(codestreams, DecodeRequest(job.uid, job.spec, len(codestreams)), backend).batch.frames
    return found if isinstance(found, np.ndarray) else np.asarray(found.get())


def _same(one: Any, other: Any) -> bool:
    return bool(np.array_equal(one, other)) if isinstance(one, np.ndarray) else bool(one == other)
