"""Many frames on the CPU: threads take whole portions of them, instead of parts of each launch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from gpucodec.backends import Executor

__all__ = ["portion_bounds", "spread"]

T = TypeVar("T")

# Larger portions are worked on by all threads together: each needs several times its own memory.
_MOST_SAMPLES = 1 << 21


class _OneThread(Executor):
    """The CPU's calling thread."""

    def launch(self, kernel: Any, count: int, *arguments: Any) -> None:
        """Run a kernel on this thread."""
        from gpucodec_kernels.side_by_side import launch_here

        launch_here(kernel, count, *arguments)


@cache
def _one_thread() -> Executor:
    return _OneThread("cpu")


def portion_bounds(where: Executor, num_frames: int, frame_samples: int, portion_samples: int) -> list[tuple[int, int]]:
    """Return the begin and the end of the portions that frames are taken in.

    Parameters
    ----------
    where : Executor
        Where kernels run.
    num_frames : int
        How many frames there are.
    frame_samples : int
        Samples of each.
    portion_samples : int
        Samples of a portion on the host, at most, unless it is a single frame; a GPU gets all of them.
    """
    step = num_frames if where.is_asynchronous else portion_samples // max(1, frame_samples)
    step = max(1, step)
    number = -(-num_frames // step)
    threads = _threads(where)
    if step * frame_samples <= _MOST_SAMPLES and num_frames >= threads:
        number = -(-number // threads) * threads  # as many for each thread
    step = max(1, -(-num_frames // max(1, number)))
    return [(begin, min(begin + step, num_frames)) for begin in range(0, num_frames, step)]


def spread(
    where: Executor, work: Callable[[Executor, int, int], T], bounds: Sequence[tuple[int, int]], frame_samples: int
) -> list[T]:
    """Return what some work makes of each portion.

    Parameters
    ----------
    where : Executor
        Where kernels run.
    work : callable
        Takes where to run kernels, and the begin and the end of a portion.
    bounds : sequence of (int, int)
        The portions.
    frame_samples : int
        Samples of a frame.
    """
    largest = max((end - begin for begin, end in bounds), default=0) * frame_samples
    if len(bounds) < 2 or _threads(where) < 2 or largest > _MOST_SAMPLES:
        return [work(where, begin, end) for begin, end in bounds]
    from gpucodec_kernels.side_by_side import run_side_by_side

    made: list[T] = run_side_by_side(lambda number: work(_one_thread(), *bounds[number]), len(bounds))
    return made


def _threads(where: Executor) -> int:
    from gpucodec_kernels.target import get_num_threads

    return get_num_threads() if where.backend == "cpu" else 1
