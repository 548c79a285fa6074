"""Timing: contenders take turns, so that a drifting machine hits all alike; medians and spread."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__ = ["environment", "interleaved"]

_PACKAGES = (
    "gpucodec",
    "numba",
    "numpy",
    "pydicom",
    "pylibjpeg-rle",
    "pylibjpeg-openjpeg",
    "pyjpegls",
    "imagecodecs",
)


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


def environment() -> dict[str, Any]:
    """Return what the figures were measured on: processor, number of CPUs, system and versions."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "processor": _processor(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:  # noqa: PTH123 - not a file of ours
            names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
