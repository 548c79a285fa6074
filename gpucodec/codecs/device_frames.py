"""Frames that codecs write where the kernels run, and what becomes of them there."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpucodec.backends import Executor
from gpucodec.codecs.base import DecodeRequest
from gpucodec.frames import FrameSpec

__all__ = ["brought_home", "new_frames"]


def new_frames(where: Executor, count: int, spec: FrameSpec) -> Any:
    """Return an uninitialised array of frames where the kernels run, ``(frames, rows, columns[, samples])``."""
    shape = (count, *spec.shape)
    if not where.is_asynchronous:
        return np.empty(shape, spec.dtype)
    return where.empty(count * spec.num_samples, spec.dtype).reshape(shape)


def brought_home(where: Executor, frames: Any, request: DecodeRequest) -> Any:
    """Return decoded frames where the request wants them: where the kernels run, or in memory of the host's own."""
    if not where.is_asynchronous or request.on_device:
        return frames
    return np.array(where.download(frames))
