"""What a call costs: seconds, processor seconds of it and its children, and the memory that it takes at most."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Cost", "measured", "peak_memory"]

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call cost.

    Parameters
    ----------
    seconds : float
        Time that went by, or the device's time where it has clocks of its own.
    cpu_seconds : float
        Processor time of all threads and child processes.
    peak_bytes : int or None
        Memory of the process and its children at its peak; None where the system does not tell.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int | None


def measured(
    call: Callable[[], Any], timed: Callable[[Callable[[], Any]], float | None] | None = None
) -> tuple[Cost, Any]:
    """Run a call and return what it cost and what it returned.

    Parameters
    ----------
    call : callable
        What to run.
    timed : callable, optional
        Runs it and returns the seconds that a device's own clocks measured, or None to use this process's.
    """
    results: list[Any] = []
    forgotten = _forget_peaks()
    cpu = time.process_time() + _children_seconds()
    start = time.perf_counter()
    seconds = timed(lambda: results.append(call())) if timed is not None else None
    if not results:
        start = time.perf_counter()
        results.append(call())
    if seconds is None:
        seconds = time.perf_counter() - start
    cpu = time.process_time() + _children_seconds() - cpu
    return Cost(seconds, max(0.0, cpu), peak_memory(os.getpid()) if forgotten else None), results[0]


def peak_memory(pid: int) -> int:
    """Return the bytes that a process and its children held at their peaks, since these were last forgotten."""
    peak = 0
    for member in family(pid) if _PROC.exists() else ():
        try:
            lines = (_PROC / f"{member}/status").read_text().splitlines()
        except OSError:  # it has ended meanwhile
            continue
        peak += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    return peak


def family(pid: int) -> Iterator[int]:
    """Yield the numbers of a process and of all that descend from it."""
    waiting = [pid]
    while waiting:
        member = waiting.pop()
        yield member
        for tasks in _PROC.glob(f"{member}/task/*/children"):
            try:
                waiting += [int(child) for child in tasks.read_text().split()]
            except OSError:  # it has ended meanwhile
                continue


def _forget_peaks() -> bool:
    """Let the system count each process's peak anew; return whether it can."""
    for pid in family(os.getpid()) if _PROC.exists() else ():
        try:
            (_PROC / f"{pid}/clear_refs").write_text("5")
        except OSError:
            return False
    return _PROC.exists()


def _children_seconds() -> float:
    """Return the processor time of the children that are running."""
    seconds, ticks = 0.0, os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
    for pid in family(os.getpid()) if _PROC.exists() else ():
        if pid == os.getpid():
            continue
        try:
            fields = (_PROC / f"{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        seconds += (int(fields[11]) + int(fields[12])) / ticks
    return seconds
