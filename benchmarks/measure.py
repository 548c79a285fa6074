"""Timing: contenders take turns, so that a drifting machine hits all alike; medians and spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["interleaved"]


def interleaved(contenders: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, dict[str, float]]:
    """Time each contender once a round, after one round that does not count.

    Parameters
    ----------
    contenders : mapping of str to callable
        What to time.
    rounds : int
        How often.

    Returns
    -------
    dict
        For each contender ``median``, ``smallest`` and ``largest`` in seconds.
    """
    for run in contenders.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {
        name: {"median": statistics.median(taken), "smallest": min(taken), "largest": max(taken)}
        for name, taken in seconds.items()
    }
