"""The file that keeps what `gpucodec doctor --calibrate` measured, in the user's folder of settings.

It is read when a GPU can be used and a batch is to be coded, never before. A file that cannot be read is as good as
none; `problem` says what is wrong with it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpucodec.driver import Gpu
from gpucodec.errors import GpucodecError

__all__ = ["Calibration", "Stored", "path", "read", "store"]

_FORMAT = 1
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured on one GPU.

    Parameters
    ----------
    date : str
        When, such as ``"2026-11-23"``.
    threads : int
        How many threads the CPU was given.
    thresholds : mapping of str to int or None
        ``"cuda rle encode"`` and so on: from how many bytes on the GPU was faster; None for never.
    """

    date: str
    threads: int
    thresholds: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Stored:
    """What the file holds.

    Parameters
    ----------
    calibrations : mapping of str to Calibration
        One for each GPU and version of gpucodec.
    problem : str
        Why the file cannot be used; empty if it can, or is not there.
    """

    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    problem: str = ""

    def of(self, gpu: Gpu) -> Calibration | None:
        """Return what was measured on a GPU by this version of gpucodec, if it was."""
        return self.calibrations.get(_key(gpu))


def path() -> Path:
    """Return where the file is, or would be.

    Raises
    ------
    GpucodecError
        If the user has no folder for settings.
    """
    return _settings_folder() / "gpucodec" / "calibration.json"


def _settings_folder() -> Path:
    try:
        if sys.platform == "win32":
            return Path(os.environ["APPDATA"]) if os.environ.get("APPDATA") else Path.home() / "AppData" / "Roaming"
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Application Support"
        given = os.environ.get("XDG_CONFIG_HOME", "")
        return Path(given) if Path(given).is_absolute() else Path.home() / ".config"
    except RuntimeError as error:
        raise GpucodecError(f"There is no folder for settings: {error}") from error


def read() -> Stored:
    """Read the file; whatever is wrong with it is said in the result."""
    try:
        file = path()
        if not file.exists():
            return Stored()
        if (size := file.stat().st_size) > _MOST_BYTES:
            return Stored(problem=f"it has {size} bytes, at most {_MOST_BYTES} are expected")
        return Stored(_parsed(json.loads(file.read_bytes())))
    except (GpucodecError, OSError, ValueError, RecursionError) as error:
        return Stored(problem=str(error) or type(error).__name__)


def store(gpu: Gpu, calibration: Calibration) -> Path:
    """Keep a calibration beside those of other GPUs, and return where.

    The file is written whole under another name and then renamed: nobody ever reads half of it. One that cannot be
    read is replaced.

    Raises
    ------
    GpucodecError
        If it cannot be written.
    """
    file = path()
    kept = {**read().calibrations, _key(gpu): calibration}
    content = {"format": _FORMAT, "gpus": {key: _as_json(each) for key, each in kept.items()}}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(file, json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise GpucodecError(f"The calibration cannot be kept in '{file}': {error}") from error
    return file


def _write_whole(file: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as temporary:
            temporary.write(text)
            temporary.flush()
            os.fsync(temporary.fileno())
        Path(name).replace(file)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _key(gpu: Gpu) -> str:
    from gpucodec import __version__

    return f"{gpu.name}, compute capability {gpu.architecture}, gpucodec {__version__}"


def _as_json(calibration: Calibration) -> dict[str, Any]:
    return {
        "date": calibration.date,
        "threads": calibration.threads,
        "thresholds": dict(calibration.thresholds),
    }


def _parsed(content: Any) -> dict[str, Calibration]:
    """Return what a file's content says; nothing in it is believed unseen."""
    if not isinstance(content, dict) or content.get("format") != _FORMAT or not isinstance(content.get("gpus"), dict):
        raise ValueError("it is not a calibration of this version of gpucodec")
    return {key: _parsed_calibration(key, entry) for key, entry in content["gpus"].items()}


def _parsed_calibration(key: str, entry: Any) -> Calibration:
    if isinstance(entry, dict):
        date, threads, thresholds = entry.get("date"), entry.get("threads"), entry.get("thresholds")
        if isinstance(date, str) and _is_whole(threads) and _are_thresholds(thresholds):
            return Calibration(date, threads or 0, thresholds or {})
    raise ValueError(f"its entry for '{key}' is not a calibration")


def _are_thresholds(value: Any) -> bool:
    return isinstance(value, dict) and all(each is None or _is_whole(each) for each in value.values())


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
