"""Native pixel data (PS3.5 8.1, A.1 to A.3): any window of frames as an array, whatever its layout in the file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from gpucodec.errors import CodestreamError, ParameterError, TruncatedCodestreamError, UnsupportedError
from gpucodec.frames import TAGS, FrameSpec

__all__ = ["NativeLayout"]

_FORMAT = "native pixel data"
_SUBSAMPLED = ("YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420")


@dataclass(frozen=True, slots=True)
class NativeLayout:
    """How native frames stand in a file.

    Parameters
    ----------
    stored : FrameSpec
        What the dataset says.
    num_frames : int
        How many there are.
    offset : int
        Byte offset of the first one.
    is_little_endian : bool
        Byte order of the file.
    vr : str
        VR of the pixel data; 8-bit samples in big-endian ``"OW"`` are swapped in pairs.
    """

    stored: FrameSpec
    num_frames: int
    offset: int
    is_little_endian: bool
    vr: str

    def __post_init__(self) -> None:
        """Refuse subsampled layouts that cannot be told apart into frames."""
        name = self.stored.photometric_interpretation
        if name in _SUBSAMPLED[1:]:
            raise UnsupportedError(
                f"Native pixel data with a {TAGS['photometric_interpretation']} of '{name}' are not supported, "
                f"of the subsampled ones only '{_SUBSAMPLED[0]}' is"
            )
        if self.is_subsampled and (self.stored.columns % 2 or self.stored.samples_per_pixel != 3):
            raise ParameterError(
                f"A {TAGS['photometric_interpretation']} of '{name}' needs an even number of {TAGS['columns']} and 3 "
                f"{TAGS['samples_per_pixel']}, not {self.stored.columns} and {self.stored.samples_per_pixel}"
            )

    @property
    def is_subsampled(self) -> bool:
        """Whether two pixels share their chrominance, PS3.3 C.7.6.3.1.2."""
        return self.stored.photometric_interpretation == _SUBSAMPLED[0]

    @property
    def spec(self) -> FrameSpec:
        """What `read` returns: colour-by-pixel, and every pixel with its own chrominance."""
        name = "YBR_FULL" if self.is_subsampled else self.stored.photometric_interpretation
        return self.stored.replace(planar_configuration=0, photometric_interpretation=name)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame in the file."""
        return self.stored.num_bytes // 3 * 2 if self.is_subsampled else self.stored.num_bytes

    @property
    def num_bytes(self) -> int:
        """Bytes of all frames in the file, without padding."""
        return self.frame_bytes * self.num_frames

    def check_length(self, length: int, available: int) -> None:
        """Check the length of the pixel data.

        Parameters
        ----------
        length : int
            What the element's header says.
        available : int
            Bytes from the pixel data's first to the end of the file.

        Raises
        ------
        TruncatedCodestreamError
            If there are too few; it names the first frame that is not whole.
        CodestreamError
            If there are more frames than (0028,0008) *Number of Frames* says.
        """
        actual = min(length, available)
        if actual < self.num_bytes:
            raise TruncatedCodestreamError(
                f"The number of bytes of pixel data is less than expected ({actual} vs {self.num_bytes} bytes)",
                format=_FORMAT,
                frame=actual // self.frame_bytes,
                offset=self.offset + actual,
            )
        if self.is_subsampled and length >= self.num_bytes // 2 * 3:
            raise CodestreamError(
                f"The number of bytes of pixel data is a third larger than expected ({length} vs {self.num_bytes} "
                f"bytes) which indicates the set {TAGS['photometric_interpretation']} value of 'YBR_FULL_422' is "
                "incorrect and may need to be changed to either 'RGB' or 'YBR_FULL'",
                format=_FORMAT,
                offset=self.offset,
            )
        # One byte pads an odd length; less than a frame is padding too, more is frames that would get lost.
        if length - self.num_bytes >= max(2, self.frame_bytes):
            raise CodestreamError(
                f"The number of bytes of pixel data is sufficient to contain {length // self.frame_bytes} frames which "
                f"is larger than the given {TAGS['number_of_frames']} value of {self.num_frames}",
                format=_FORMAT,
                frame=self.num_frames,
                offset=self.offset + self.num_bytes,
            )

    def read(self, file: BinaryIO, first: int, count: int) -> NDArray[Any]:
        """Read consecutive frames into a new array.

        Parameters
        ----------
        file : binary file
            Has the pixel data.
        first, count : int
            The window.

        Returns
        -------
        numpy.ndarray
            ``(count, rows, columns)`` or ``(count, rows, columns, samples)``, of `spec`'s dtype in the machine's
            byte order.

        Raises
        ------
        TruncatedCodestreamError
            If the file ends before they do.
        """
        swap_pairs = not self.is_little_endian and self.stored.bits_allocated == 8 and self.vr == "OW"
        if swap_pairs:
            samples: NDArray[Any] = self._read_swapped(file, first, count)
        else:
            samples = self._read_bytes(file, first * self.frame_bytes, count * self.frame_bytes, first)
        samples = samples.view(self.stored.dtype)
        if self.stored.bits_allocated > 8 and self.is_little_endian != (sys.byteorder == "little"):
            samples.byteswap(inplace=True)
        return self._arrange(samples, count)

    def _arrange(self, samples: NDArray[Any], count: int) -> NDArray[Any]:
        stored = self.stored
        if self.is_subsampled:
            samples = _expand_422(samples)
        if stored.samples_per_pixel > 1 and stored.planar_configuration == 1 and not self.is_subsampled:
            planes = samples.reshape(count, stored.samples_per_pixel, stored.rows, stored.columns)
            return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        return samples.reshape(count, *stored.shape)

    def _read_swapped(self, file: BinaryIO, first: int, count: int) -> NDArray[np.uint8]:
        """Read 8-bit samples that stand swapped in pairs; a frame of odd length begins or ends inside a pair."""
        start, stop = first * self.frame_bytes, (first + count) * self.frame_bytes
        begin, end = start - start % 2, stop + stop % 2
        pairs = self._read_bytes(file, begin, end - begin, first)
        pairs.view(np.uint16).byteswap(inplace=True)
        return pairs[start - begin : stop - begin]

    def _read_bytes(self, file: BinaryIO, offset: int, length: int, first: int) -> NDArray[np.uint8]:
        buffer = np.empty(length, np.uint8)
        file.seek(self.offset + offset)
        found = file.readinto(buffer.data)  # type: ignore[attr-defined]
        if found != length:
            raise TruncatedCodestreamError(
                f"the file ends after {found} of {length} bytes",
                format=_FORMAT,
                frame=first + found // self.frame_bytes,
                offset=self.offset + offset + found,
            )
        return buffer


def _expand_422(samples: NDArray[Any]) -> NDArray[Any]:
    """Give every pixel its chrominance: ``Y1 Y2 B R`` to ``Y1 B R Y2 B R``, PS3.3 C.7.6.3.1.2."""
    pairs = samples.reshape(-1, 4)
    out = np.empty((len(pairs), 6), samples.dtype)
    out[:, 0], out[:, 3] = pairs[:, 0], pairs[:, 1]
    out[:, 1] = out[:, 4] = pairs[:, 2]
    out[:, 2] = out[:, 5] = pairs[:, 3]
    return out.reshape(-1)
