"""Frames as a person sees them: the modality's units, the file's display window, colours, as PNG in a page."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np

from gpucodec.comparison.pictures import Picture

__all__ = ["as_png", "cut", "difference_shown", "shown"]

_LARGEST_SIDE = 512
_WHITE = 255.0


def cut(frame: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the middle of a frame, 512 pixels high and wide at most."""
    rows, columns = (slice(max(0, (side - _LARGEST_SIDE) // 2), None) for side in frame.shape[:2])
    return frame[rows, columns][:_LARGEST_SIDE, :_LARGEST_SIDE]


def shown(frame: np.ndarray[Any, Any], picture: Picture) -> np.ndarray[Any, Any]:
    """Return a frame as a display shows it: rescaled, windowed and inverted as the file says, or in RGB.

    Without a window in the file the range of the picture's first frame is shown. PS3.3 C.11.1, C.11.2, C.7.6.3.1.2.

    Returns
    -------
    numpy.ndarray
        uint8, ``(rows, columns)`` or ``(rows, columns, 3)``.
    """
    spec = picture.spec
    if spec.samples_per_pixel == 3:
        scaled = frame.astype(np.float64) * (_WHITE / max(1, spec.value_range[1]))
        coloured = _rgb(scaled) if spec.photometric_interpretation.startswith("YBR") else scaled
        return _bytes(coloured)
    slope, intercept = picture.attributes.get("slope", 1.0), picture.attributes.get("intercept", 0.0)
    values = frame * slope + intercept
    if "window" in picture.attributes:
        centre, width = picture.attributes["window"]
        # Equation of the LINEAR function, PS3.3 C.11.2.1.2.1.
        grey = ((values - (centre - 0.5)) / max(width - 1.0, 1e-9) + 0.5) * _WHITE
    else:
        reference = picture.frames[0] * slope + intercept
        low, high = float(reference.min()), float(reference.max())
        grey = (values - low) / max(high - low, 1e-9) * _WHITE
    grey = np.clip(grey, 0.0, _WHITE)
    return _bytes(_WHITE - grey if spec.photometric_interpretation == "MONOCHROME1" else grey)


def _rgb(ybr: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return YBR_FULL as RGB, PS3.3 C.7.6.3.1.2."""
    y, blue, red = ybr[..., 0], ybr[..., 1] - 128.0, ybr[..., 2] - 128.0
    return np.stack([y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue], axis=-1)


def difference_shown(frame: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], int]:
    """Return the absolute difference of two frames as grey, and which difference is white; 0 if they are equal."""
    error = np.abs(frame.astype(np.int64) - other.astype(np.int64))
    grey = error.max(axis=-1) if error.ndim == 3 else error
    largest = int(grey.max())
    return _bytes(grey * (_WHITE / max(1, largest))), largest


def _bytes(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    clipped: np.ndarray[Any, Any] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return clipped


def as_png(image: np.ndarray[Any, Any]) -> str:
    """Return a uint8 image as the URI of a PNG that a page can hold."""
    from matplotlib.image import imsave

    written = io.BytesIO()
    grey: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 255} if image.ndim == 2 else {}
    imsave(written, image, format="png", **grey)
    return "data:image/png;base64," + base64.b64encode(written.getvalue()).decode("ascii")
