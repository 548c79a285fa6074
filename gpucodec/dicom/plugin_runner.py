"""What the plugin's encoding and decoding share: one window a runner of pydicom's, and telling a runner things."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from gpucodec.dicom.window import FrameWindow

__all__ = ["LABEL", "set_frame_option", "window_of"]

LABEL = "gpucodec"

# One window a runner, and a runner a call of pydicom; it goes when the runner does.
_windows: WeakKeyDictionary[Any, FrameWindow[Any]] = WeakKeyDictionary()
_lock = threading.Lock()


def window_of(runner: Any, make: Callable[[Any, int], FrameWindow[Any]], frame_bytes: int) -> FrameWindow[Any]:
    """Return the window of a runner, made by ``make(runner, frame_bytes)`` when it is first asked for."""
    with _lock:
        window = _windows.get(runner)
        if window is None:
            window = _windows[runner] = make(runner, frame_bytes)
        return window


def set_frame_option(runner: Any, name: str, value: Any, *, needed: bool = True) -> None:
    """Describe the current frame: pydicom 3.1 keeps options frame by frame, 3.0 only for the whole image."""
    if hasattr(runner, "set_frame_option"):
        runner.set_frame_option(runner.index, name, value)
    elif needed:
        runner.set_option(name, value)
