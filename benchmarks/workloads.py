"""The pictures that benchmarks run on, all from packages: CT, CR and US of pydicom-data, histology of scikit-image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from gpucodec.comparison.pictures import from_file, histology_tiles, shifted_copies
from gpucodec.dicom.sample_files import sample_file
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


def _series(name: str) -> np.ndarray[Any, Any]:
    path = sample_file(name)
    if path is None:
        raise FileNotFoundError(f"{name} was not found; install pydicom-data")
    return shifted_copies(from_file(path, max_frames=1, max_bytes=1 << 30).frames[0], 16)


@cache
def _ct() -> np.ndarray[Any, Any]:
    return _series("693_UNCR.dcm")


@cache
def _cr() -> np.ndarray[Any, Any]:
    return _series("RG1_UNCI.dcm")


@cache
def _us() -> np.ndarray[Any, Any]:
    return _series("US1_UNCI.dcm")


@cache
def _tiles() -> np.ndarray[Any, Any]:
    tiles = histology_tiles()
    if tiles is None:
        raise ModuleNotFoundError("scikit-image is not installed")
    return tiles


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
