"""The machine and the versions that figures were measured with."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["environment"]

_PACKAGES = (
    "gpucodec",
    "numba",
    "numpy",
    "pydicom",
    "pylibjpeg",
    "pylibjpeg-libjpeg",
    "pylibjpeg-openjpeg",
    "pylibjpeg-rle",
    "pyjpegls",
    "imagecodecs",
    "python-gdcm",
    "pillow",
    "nvidia-nvimgcodec-cu12",
    "nvidia-nvimgcodec-cu13",
    "cupy-cuda12x",
    "cupy-cuda13x",
)
_TOOLS = ("dcmcrle", "gdcmconv")


def environment() -> dict[str, Any]:
    """Return processor, number of CPUs, memory, system, and the versions of whatever takes part."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    for tool in _TOOLS:
        versions[tool] = _tool_version(tool)
    return {
        "processor": _processor(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    lines = _lines(Path("/proc/cpuinfo"))
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _memory() -> str:
    sizes = [int(line.split()[1]) for line in _lines(Path("/proc/meminfo")) if line.startswith("MemTotal")]
    return f"{sizes[0] / 2**20:.0f} GiB" if sizes else "unknown"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []


def _tool_version(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        return "not installed"
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "installed"
    words = (said.stdout or said.stderr).split()
    return next((word.strip("$,") for word in words if word[:1].isdigit() or word[:2] == "v3"), "installed")
