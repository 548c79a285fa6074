"""The pictures that benchmarks run on, all from packages: CT, CR and US of pydicom-data, histology of scikit-image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from gpucodec.frames import FrameSpec

__all__ = ["WORKLOADS", "Workload", "single_frames"]


@dataclass(frozen=True)
class Workload:
    """Frames to encode, and what they are.

    Parameters
    ----------
    name : str
        As tables name it.
    load : callable
        Returns the frames, ``(frames, rows, columns[, samples])``.
    """

    name: str
    load: Callable[[], np.ndarray[Any, Any]]

    @property
    def frames(self) -> np.ndarray[Any, Any]:
        """The frames."""
        return self.load()

    @property
    def spec(self) -> FrameSpec:
        """What each frame is; Bits Stored is the container's, as RLE codes it."""
        return FrameSpec.from_array(self.frames)


def _dicom(name: str) -> np.ndarray[Any, Any]:
    import pydicom
    from pydicom.data import get_testdata_file

    path = get_testdata_file(name, download=False)
    if path is None:
        raise FileNotFoundError(f"{name} was not found; install pydicom-data")
    return pydicom.dcmread(path).pixel_array


def _rolled(picture: np.ndarray[Any, Any], count: int) -> np.ndarray[Any, Any]:
    """Make a series of a picture: shifted copies, so that no two frames are the same bytes."""
    return np.stack([np.roll(picture, 3 * shift, axis=1) for shift in range(count)])


@cache
def _ct() -> np.ndarray[Any, Any]:
    return _rolled(_dicom("693_UNCR.dcm"), 16)


@cache
def _cr() -> np.ndarray[Any, Any]:
    return _rolled(_dicom("RG1_UNCI.dcm"), 16)


@cache
def _us() -> np.ndarray[Any, Any]:
    return _rolled(_dicom("US1_UNCI.dcm"), 16)


@cache
def _tiles() -> np.ndarray[Any, Any]:
    from skimage.data import immunohistochemistry

    picture = immunohistochemistry()
    corners = [(row, column) for row in range(0, 257, 28) for column in range(0, 257, 28)]
    return np.stack([picture[row : row + 256, column : column + 256] for row, column in corners])


WORKLOADS = (
    Workload("16 CT 512x512 int16", _ct),
    Workload("16 CR 1955x1841 uint16", _cr),
    Workload("16 US 480x640 RGB", _us),
    Workload("100 tiles 256x256 RGB", _tiles),
)


def single_frames(workload: Workload) -> tuple[str, np.ndarray[Any, Any], FrameSpec]:
    """Return name, frames and description of a workload: all frames of a series, of the radiographs a single one.

    Bits Stored are those that the samples need, as the files of these pictures say.
    """
    frames, name = workload.frames, workload.name
    if "CR" in name:
        frames, name = frames[:1], name.replace("16 CR", "1 CR")
    largest = int(max(frames.max(), -int(frames.min()) - 1))
    bits = largest.bit_length() + (frames.dtype.kind == "i")
    return name, frames, workload.spec.replace(bits_stored=bits)
