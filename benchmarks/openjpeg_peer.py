"""What pylibjpeg-openjpeg makes of a frame, as pydicom calls it, and what it reads; for benchmarks and tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from openjpeg.utils import decode_pixel_data, encode_pixel_data

from gpucodec.frames import FrameSpec

__all__ = ["decoded", "encoded", "psnr"]

Frame = np.ndarray[Any, Any]


def encoded(frame: Frame, spec: FrameSpec, **options: Any) -> bytes:
    """Return the codestream that pylibjpeg-openjpeg makes of a frame; `compression_ratios`, `signal_noise_ratios`."""
    container = f"<{frame.dtype.kind}{_container(spec)}"
    codestream: bytes = encode_pixel_data(
        np.ascontiguousarray(frame).astype(container).tobytes(),
        rows=spec.rows,
        columns=spec.columns,
        samples_per_pixel=spec.samples_per_pixel,
        bits_stored=spec.bits_stored,
        pixel_representation=spec.pixel_representation,
        photometric_interpretation=spec.photometric_interpretation,
        **options,
    )
    return codestream


def decoded(codestream: bytes, spec: FrameSpec) -> Frame:
    """Return the frame that pylibjpeg-openjpeg reads."""
    samples = np.frombuffer(decode_pixel_data(codestream, version=2), f"<{spec.dtype.kind}{_container(spec)}")
    return samples.reshape(spec.shape).astype(spec.dtype)


def psnr(frame: Frame, other: Frame, bits_stored: int) -> float:
    """Return the peak signal-to-noise ratio of two frames in dB."""
    error = float(np.mean((frame.astype(float) - other.astype(float)) ** 2))
    return float(10 * np.log10((2**bits_stored - 1) ** 2 / error)) if error else np.inf


def _container(spec: FrameSpec) -> int:
    return next(size for size in (1, 2, 4) if spec.bits_stored <= 8 * size)
