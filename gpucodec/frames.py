"""Frames: the attributes that describe one (`FrameSpec`) and several of them together (`FrameBatch`).

The attributes are those of the Image Pixel Module, PS3.3 C.7.6.3, under pydicom's keywords in snake case.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpucodec.errors import ParameterError

__all__ = ["FrameBatch", "FrameSpec"]

# (group, element) keyword of each attribute, as messages name them.
TAGS = {
    "samples_per_pixel": "(0028,0002) 'Samples per Pixel'",
    "photometric_interpretation": "(0028,0004) 'Photometric Interpretation'",
    "planar_configuration": "(0028,0006) 'Planar Configuration'",
    "number_of_frames": "(0028,0008) 'Number of Frames'",
    "rows": "(0028,0010) 'Rows'",
    "columns": "(0028,0011) 'Columns'",
    "bits_allocated": "(0028,0100) 'Bits Allocated'",
    "bits_stored": "(0028,0101) 'Bits Stored'",
    "high_bit": "(0028,0102) 'High Bit'",
    "pixel_representation": "(0028,0103) 'Pixel Representation'",
}

_CONTAINER_BITS = (8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class FrameSpec:
    """The PS3.3 C.7.6.3 attributes of one frame.

    Parameters
    ----------
    rows, columns : int
        Size of the frame in pixels, 1 to 65535.
    samples_per_pixel : int
        1 or 3 (4 for the retired ARGB and CMYK).
    bits_allocated : int
        Bits of the container of one sample: 8, 16, 32 or 64.
    bits_stored : int
        Bits of one sample that carry its value, 1 to `bits_allocated`.
    pixel_representation : int
        0 for unsigned, 1 for two's complement.
    photometric_interpretation : str
        The intended colour space of the encoded frame, such as ``"MONOCHROME2"`` or ``"YBR_RCT"``.
    planar_configuration : int
        0 colour-by-pixel, 1 colour-by-plane. Arrays are always colour-by-pixel in shape; for JPEG-LS
        this chooses the interleave mode, as it does in pydicom.

    Raises
    ------
    ParameterError
        If an attribute is outside the values above.
    """

    rows: int
    columns: int
    samples_per_pixel: int = 1
    bits_allocated: int = 8
    bits_stored: int = 8
    pixel_representation: int = 0
    photometric_interpretation: str = "MONOCHROME2"
    planar_configuration: int = 0

    def __post_init__(self) -> None:
        """Check each attribute against what PS3.3 allows."""
        self._require("rows", 1 <= self.rows <= 65535, "1 to 65535")
        self._require("columns", 1 <= self.columns <= 65535, "1 to 65535")
        self._require("samples_per_pixel", self.samples_per_pixel in (1, 3, 4), "1, 3 or 4")
        self._require("bits_allocated", self.bits_allocated in _CONTAINER_BITS, "8, 16, 32 or 64")
        allowed = f"1 to {TAGS['bits_allocated']}, which is {self.bits_allocated}"
        self._require("bits_stored", 1 <= self.bits_stored <= self.bits_allocated, allowed)
        self._require("pixel_representation", self.pixel_representation in (0, 1), "0 or 1")
        self._require("planar_configuration", self.planar_configuration in (0, 1), "0 or 1")

    def _require(self, name: str, holds: bool, allowed: str) -> None:
        if not holds:
            raise ParameterError(f"A {TAGS[name]} value of '{getattr(self, name)}' is not allowed, must be {allowed}")

    @classmethod
    def from_array(cls, frames: np.ndarray[Any, Any], **attributes: Any) -> FrameSpec:
        """Describe the frames of an array by its shape and dtype.

        Parameters
        ----------
        frames : numpy.ndarray
            ``(frames, rows, columns)`` or ``(frames, rows, columns, samples)``, of an integer dtype.
        **attributes
            Attributes that the array cannot tell, or that differ from what it tells: ``bits_stored``,
            ``photometric_interpretation``, ``planar_configuration`` and so on.

        Returns
        -------
        FrameSpec
            `bits_stored` is the container's width, and `photometric_interpretation` ``"MONOCHROME2"`` or
            ``"RGB"``, unless given.

        Raises
        ------
        ParameterError
            If the array's shape or dtype is not that of frames, or an attribute is unknown or not allowed.
        """
        unknown = set(attributes) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise ParameterError(f"Unknown frame attributes {sorted(unknown)}, allowed are {sorted(TAGS)}")
        if frames.dtype.kind not in "iu":
            raise ParameterError(
                f"The ndarray's dtype '{frames.dtype}' is not supported, must be a signed or unsigned integer type"
            )
        if frames.ndim not in (3, 4):
            raise ParameterError(
                f"Unable to encode {frames.ndim}D ndarrays, the shape must be (frames, rows, columns) "
                "or (frames, rows, columns, samples)"
            )
        samples = frames.shape[3] if frames.ndim == 4 else 1
        told = {
            "rows": frames.shape[1],
            "columns": frames.shape[2],
            "samples_per_pixel": samples,
            "bits_allocated": frames.dtype.itemsize * 8,
            "bits_stored": frames.dtype.itemsize * 8,
            "pixel_representation": int(frames.dtype.kind == "i"),
            "photometric_interpretation": "RGB" if samples == 3 else "MONOCHROME2",
        }
        return cls(**(told | attributes))

    def replace(self, **attributes: Any) -> FrameSpec:
        """Return a copy with some attributes changed."""
        return dataclasses.replace(self, **attributes)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The native dtype of one sample's container."""
        return np.dtype(f"{'ui'[self.pixel_representation]}{self.bits_allocated // 8}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one frame's array: ``(rows, columns)`` or ``(rows, columns, samples)``."""
        if self.samples_per_pixel == 1:
            return (self.rows, self.columns)
        return (self.rows, self.columns, self.samples_per_pixel)

    @property
    def num_samples(self) -> int:
        """Number of samples in one frame."""
        return self.rows * self.columns * self.samples_per_pixel

    @property
    def num_bytes(self) -> int:
        """Bytes of one frame, uncompressed."""
        return self.num_samples * self.bits_allocated // 8

    @property
    def value_range(self) -> tuple[int, int]:
        """Smallest and largest value that `bits_stored` and `pixel_representation` allow."""
        if self.pixel_representation:
            return -(1 << (self.bits_stored - 1)), (1 << (self.bits_stored - 1)) - 1
        return 0, (1 << self.bits_stored) - 1


@dataclass(frozen=True, slots=True, eq=False)
class FrameBatch:
    """Consecutive frames of one image, with the spec that they share.

    Parameters
    ----------
    frames : array
        ``(frames, rows, columns)`` or ``(frames, rows, columns, samples)``, of `spec`'s dtype, on the host
        or, for the CUDA backends, on the device.
    spec : FrameSpec
        What each frame is.
    first_frame : int
        Index in its file of the batch's first frame, from 0; messages count from it.

    Raises
    ------
    ParameterError
        If the array does not fit the spec.
    """

    frames: Any
    spec: FrameSpec
    first_frame: int = 0

    def __post_init__(self) -> None:
        """Check that array and spec agree, in the words that pydicom uses."""
        expected = (len(self.frames), *self.spec.shape)
        actual = tuple(self.frames.shape)
        if actual != expected:
            raise ParameterError(
                f"Mismatch between the expected ndarray shape {expected} and the actual shape {actual}"
            )
        if self.frames.dtype != self.spec.dtype:
            raise ParameterError(
                f"The ndarray's dtype '{self.frames.dtype}' is not consistent with a {TAGS['bits_allocated']} value of "
                f"'{self.spec.bits_allocated}' and a {TAGS['pixel_representation']} of "
                f"'{self.spec.pixel_representation}', which need '{self.spec.dtype}'"
            )

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.frames)

    @property
    def num_bytes(self) -> int:
        """Bytes of all frames, uncompressed."""
        return len(self) * self.spec.num_bytes
