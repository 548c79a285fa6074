"""The Image Pixel Module (PS3.3 C.7.6.3) of a dataset as a `FrameSpec`."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset

from gpucodec.errors import ParameterError
from gpucodec.frames import TAGS, FrameSpec

__all__ = ["frame_spec", "number_of_frames"]

_KEYWORDS = {
    "rows": "Rows",
    "columns": "Columns",
    "samples_per_pixel": "SamplesPerPixel",
    "bits_allocated": "BitsAllocated",
    "bits_stored": "BitsStored",
    "pixel_representation": "PixelRepresentation",
}
_MAX_FRAMES = 2**31 - 1  # the largest value of an IS, PS3.5 6.2


def frame_spec(dataset: Dataset, *, planar_configuration: int | None = None) -> FrameSpec:
    """Describe a dataset's frames as its attributes do.

    Parameters
    ----------
    dataset : pydicom.dataset.Dataset
        Has the Image Pixel Module.
    planar_configuration : int, optional
        The value to take where the dataset has none though it has several samples per pixel; without it
        that is an error.

    Raises
    ------
    ParameterError
        If an attribute is missing, empty, or not a value that PS3.3 allows; it names the tag.
    """
    values: dict[str, Any] = {name: _integer(dataset, name, keyword) for name, keyword in _KEYWORDS.items()}
    interpretation = _value(dataset, "photometric_interpretation", "PhotometricInterpretation")
    values["photometric_interpretation"] = str(interpretation).strip()
    if values["samples_per_pixel"] > 1:
        if planar_configuration is not None and dataset.get("PlanarConfiguration") is None:
            values["planar_configuration"] = planar_configuration
        else:
            values["planar_configuration"] = _integer(dataset, "planar_configuration", "PlanarConfiguration")
    return FrameSpec(**values)


def number_of_frames(dataset: Dataset) -> int:
    """Return (0028,0008) *Number of Frames*; absent, empty or 0 mean 1, as they do in pydicom.

    Raises
    ------
    ParameterError
        If the value is no number of frames.
    """
    try:
        frames = int(dataset.get("NumberOfFrames") or 1)
    except Exception as error:  # a broken value fails in many ways when pydicom converts it
        raise _not_allowed("number_of_frames", error, f"1 to {_MAX_FRAMES}") from error
    if not 1 <= frames <= _MAX_FRAMES:
        raise _not_allowed("number_of_frames", frames, f"1 to {_MAX_FRAMES}")
    return frames


def _value(dataset: Dataset, name: str, keyword: str) -> Any:
    try:
        value = dataset.get(keyword)
    except Exception as error:  # a broken value fails in many ways when pydicom converts it
        raise _not_allowed(name, error, "a single value") from error
    if value is None or value == "":
        raise ParameterError(f"Missing required element: {TAGS[name]}")
    return value


def _integer(dataset: Dataset, name: str, keyword: str) -> int:
    value = _value(dataset, name, keyword)
    if not isinstance(value, int):
        raise _not_allowed(name, value, "a single whole number")
    return int(value)


def _not_allowed(name: str, value: Any, allowed: str) -> ParameterError:
    return ParameterError(f"A {TAGS[name]} value of '{value}' is not allowed, must be {allowed}")
