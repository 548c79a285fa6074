"""Work that takes several launches, spread over the CPU's threads as a whole.

A launch that spreads its indices waits for the slowest thread. Where there is enough work of the same kind, threads
that each take whole parts of it, launch after launch, wait once, and find what they need in their own core's cache.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from gpucodec_kernels import target

__all__ = ["launch_here", "run_side_by_side"]


def launch_here(what: target.Kernel, count: int, *arguments: Any) -> None:
    """Run a kernel on the CPU, as `gpucodec_kernels.target.launch` does, but on the calling thread alone."""
    if not 0 <= count <= target.MAX_COUNT:
        raise ValueError(f"Kernel {what.__name__}: a count of {count} is outside 0 to {target.MAX_COUNT}")
    if count:
        converted = [
            target._writable(argument) if convert is None else convert(argument)
            for argument, convert in zip(arguments, what.converters(), strict=True)
        ]
        what.compiled("cpu")(0, count, *converted)


def run_side_by_side(task: Callable[[int], Any], count: int) -> list[Any]:
    """Return ``task(0)``, ``task(1)`` ... of which the threads of launches, and the calling one, take each the next.

    Parameters
    ----------
    task : callable
        What to do; it must not wait for a launch that is spread over the threads.
    count : int
        How often.
    """
    results: list[Any] = [None] * count
    numbers = itertools.count()

    def take_tasks() -> None:
        for number in numbers:
            if number >= count:
                return
            results[number] = task(number)

    executor = target._threads.executor()
    others = [executor.submit(take_tasks) for _ in range(min(target.get_num_threads(), count) - 1)]
    try:
        take_tasks()
    finally:
        failures = [other.exception() for other in others if not other.cancel()]
    for failure in failures:
        if failure is not None:
            raise failure
    return results
