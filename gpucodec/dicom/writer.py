"""Frames into DICOM files, as they come: memory is bounded by the batch, not by the file.

A file is its *prefix* (preamble, file meta information, the dataset up to the pixel data, offset tables), the *body*
(frames) and the *suffix* (delimiter or padding, the elements after the pixel data). The prefix is written first, with
room for the tables, and again when everything is known. Where it then has another length the body is moved inside
the file: that happens when the frames turn out to need an Extended Offset Table.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from array import array
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from pydicom.dataset import Dataset

from gpucodec.codecs.formats import get_format
from gpucodec.dicom.encapsulation import SEQUENCE_DELIMITER, item_header
from gpucodec.dicom.header import EXPLICIT_LITTLE_ENDIAN
from gpucodec.dicom.rendering import render_element, render_header, render_trailing
from gpucodec.errors import LimitExceededError, ParameterError
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = ["EncapsulatedWriter", "NativeWriter"]

# The largest offset that a Basic Offset Table can hold, PS3.5 A.4.
MAX_BASIC_OFFSET = 2**32 - 1
_MAX_VALUE_BYTES = 2**32 - 2  # PS3.5 7.1: 32 bits, even, not "undefined"
_COPY_BYTES = 1 << 22


class _Writer(ABC):
    """What both writers share: the prefix written twice, and the suffix.

    Parameters
    ----------
    file : binary file
        Open for reading and writing, positioned at 0. It is neither flushed to the disk nor closed.
    dataset : pydicom.dataset.Dataset
        Everything but the pixel data, with ``file_meta`` whose transfer syntax is the file's. Pixel data and
        offset tables in it are ignored.
    trailing : pydicom.dataset.Dataset, optional
        The elements after the pixel data, besides those in `dataset`.
    num_frames : int
        How many frames will be written.
    """

    def __init__(self, file: BinaryIO, dataset: Dataset, trailing: Dataset | None, num_frames: int) -> None:
        if num_frames < 1:
            raise ParameterError(f"A file of {num_frames} frames is not allowed, must be 1 or more")
        self._file = file
        self._dataset = dataset
        self._trailing = trailing
        self._num_frames = num_frames
        self._frames_written = 0
        self._body_bytes = 0
        self._prefix_bytes = 0

    def _begin(self) -> None:
        prefix = self._prefix()
        self._file.write(prefix)
        self._prefix_bytes = len(prefix)

    def _prefix(self) -> bytes:
        return render_header(self._dataset) + self._pixel_data_prefix()

    @abstractmethod
    def _pixel_data_prefix(self) -> bytes:
        """Return what stands before the first frame: the pixel data's element header, and a table's place."""

    @abstractmethod
    def _body_suffix(self) -> bytes:
        """Return what stands after the last frame."""

    def _count(self, frames: int) -> None:
        if self._frames_written + frames > self._num_frames:
            raise ParameterError(
                f"More frames than the {self._num_frames} announced: {self._frames_written + frames} so far"
            )
        self._frames_written += frames

    def finish(self, dataset: Dataset | None = None) -> int:
        """Write what follows the frames, and the prefix again.

        Parameters
        ----------
        dataset : pydicom.dataset.Dataset, optional
            The dataset as it is now, where attributes changed since the beginning.

        Returns
        -------
        int
            Bytes of the whole file.

        Raises
        ------
        ParameterError
            If fewer frames were written than announced, or the dataset cannot be encoded.
        """
        if self._frames_written != self._num_frames:
            raise ParameterError(f"{self._frames_written} frames were written, {self._num_frames} were announced")
        self._dataset = self._dataset if dataset is None else dataset
        prefix = self._prefix()
        suffix = self._body_suffix() + render_trailing(self._dataset, self._trailing)
        if len(prefix) != self._prefix_bytes:
            _move(self._file, self._prefix_bytes, len(prefix), self._body_bytes)
            self._prefix_bytes = len(prefix)
        self._file.seek(0)
        self._file.write(prefix)
        self._file.seek(self._prefix_bytes + self._body_bytes)
        self._file.write(suffix)
        self._file.truncate()
        return self._file.tell()


class EncapsulatedWriter(_Writer):
    """Writes compressed frames, one fragment each (PS3.5 A.4).

    Parameters
    ----------
    file : binary file
        Open for reading and writing (``"w+b"``), positioned at 0. It is neither flushed to the disk nor closed.
    dataset : pydicom.dataset.Dataset
        Everything but the pixel data, with ``file_meta`` whose transfer syntax is the file's.
    trailing : pydicom.dataset.Dataset, optional
        The elements after the pixel data, besides those in `dataset`.
    num_frames : int
        How many frames will be written.
    encapsulate_ext : bool
        Whether to write an Extended Offset Table even where a Basic Offset Table can hold the offsets. Where it
        cannot, one is written anyhow; the Basic Offset Table is then empty.

    Raises
    ------
    ParameterError
        If the dataset cannot be encoded.
    UnsupportedError
        If its transfer syntax is not a compressed one that gpucodec knows.
    """

    def __init__(
        self,
        file: BinaryIO,
        dataset: Dataset,
        *,
        trailing: Dataset | None = None,
        num_frames: int,
        encapsulate_ext: bool = False,
    ) -> None:
        super().__init__(file, dataset, trailing, num_frames)
        get_format(_transfer_syntax(dataset))
        self._extended = encapsulate_ext
        self._offsets = array("Q")
        self._lengths = array("Q")
        self._begin()

    @property
    def num_compressed(self) -> int:
        """Bytes of all codestreams written so far, without padding and item headers."""
        return sum(self._lengths)

    def write_frames(self, codestreams: Sequence[bytes]) -> None:
        """Append frames.

        Parameters
        ----------
        codestreams : sequence of bytes
            One a frame; an odd length is padded.

        Raises
        ------
        ParameterError
            If there are more frames than announced, or one is empty.
        LimitExceededError
            If a frame does not fit in one item.
        """
        self._count(len(codestreams))
        for codestream in codestreams:
            length = len(codestream)
            if not length:
                raise ParameterError(f"The codestream of frame {len(self._offsets)} is empty")
            padding = length % 2
            self._file.write(item_header(length + padding))
            self._file.write(codestream)
            if padding:
                self._file.write(b"\0")
            self._offsets.append(self._body_bytes)
            self._lengths.append(length)
            self._body_bytes += 8 + length + padding

    def _pixel_data_prefix(self) -> bytes:
        if self._offsets and self._offsets[-1] > MAX_BASIC_OFFSET:
            self._extended = True
        room = [0] * (self._num_frames - len(self._offsets))
        offsets = np.array([*self._offsets, *room], np.uint64)
        parts = []
        if self._extended:
            # As pydicom does, the lengths are those of the items, with their padding.
            lengths = np.array([*self._lengths, *room], np.uint64)
            lengths += lengths % np.uint64(2)
            parts += [render_element(0x7FE00001, b"OV", offsets.astype("<u8").tobytes())]
            parts += [render_element(0x7FE00002, b"OV", lengths.astype("<u8").tobytes())]
        table = b"" if self._extended else offsets.astype("<u4").tobytes()
        parts += [struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF), item_header(len(table)), table]
        return b"".join(parts)

    def _body_suffix(self) -> bytes:
        return SEQUENCE_DELIMITER


class NativeWriter(_Writer):
    """Writes uncompressed frames in Explicit VR Little Endian (PS3.5 A.2).

    Parameters
    ----------
    file : binary file
        Open for reading and writing (``"w+b"``), positioned at 0. It is neither flushed to the disk nor closed.
    dataset : pydicom.dataset.Dataset
        Everything but the pixel data, with ``file_meta``.
    trailing : pydicom.dataset.Dataset, optional
        The elements after the pixel data, besides those in `dataset`.
    num_frames : int
        How many frames will be written.
    spec : FrameSpec
        What each of them is.

    Raises
    ------
    ParameterError
        If the dataset cannot be encoded, or its transfer syntax is not Explicit VR Little Endian.
    LimitExceededError
        If the frames do not fit in one element.
    """

    def __init__(
        self, file: BinaryIO, dataset: Dataset, *, trailing: Dataset | None = None, num_frames: int, spec: FrameSpec
    ) -> None:
        super().__init__(file, dataset, trailing, num_frames)
        uid = _transfer_syntax(dataset)
        if uid != EXPLICIT_LITTLE_ENDIAN:
            raise ParameterError(
                f"A (0002,0010) 'Transfer Syntax UID' of '{uid}' is not allowed for native frames, "
                f"must be {EXPLICIT_LITTLE_ENDIAN}"
            )
        self._spec = spec
        self._value_bytes = spec.num_bytes * num_frames
        if self._value_bytes > _MAX_VALUE_BYTES:
            raise LimitExceededError(
                "Unable to decompress as the length of the uncompressed pixel data will be greater than the maximum "
                f"allowed by the DICOM Standard: {self._value_bytes} bytes, at most {_MAX_VALUE_BYTES} are"
            )
        self._begin()

    def write_batch(self, batch: FrameBatch) -> None:
        """Append frames.

        Parameters
        ----------
        batch : FrameBatch
            Frames on the host, of the spec announced.

        Raises
        ------
        ParameterError
            If there are more frames than announced, or they are others.
        """
        if batch.spec.shape != self._spec.shape or batch.spec.dtype != self._spec.dtype:
            raise ParameterError(
                f"Frames of shape {batch.spec.shape} and dtype '{batch.spec.dtype}' in a file of {self._spec.shape} "
                f"and '{self._spec.dtype}'"
            )
        self._count(len(batch))
        frames = np.ascontiguousarray(batch.frames, batch.spec.dtype.newbyteorder("<"))
        self._file.write(frames.data)
        self._body_bytes += frames.nbytes

    def _pixel_data_prefix(self) -> bytes:
        vr = b"OB" if self._spec.bits_allocated <= 8 else b"OW"
        return struct.pack("<HH2sHL", 0x7FE0, 0x0010, vr, 0, self._value_bytes + self._value_bytes % 2)

    def _body_suffix(self) -> bytes:
        return b"\0" * (self._body_bytes % 2)


def _transfer_syntax(dataset: Dataset) -> str:
    meta = getattr(dataset, "file_meta", None) or {}
    uid = str(meta.get("TransferSyntaxUID", ""))
    if not uid:
        raise ParameterError("Missing required element: (0002,0010) 'Transfer Syntax UID'")
    return uid


def _move(file: BinaryIO, start: int, target: int, length: int) -> None:
    """Move `length` bytes inside a file, in an order in which none is overwritten before it was copied."""
    starts = range(0, length, _COPY_BYTES)
    for offset in reversed(starts) if target > start else starts:
        file.seek(start + offset)
        chunk = file.read(min(_COPY_BYTES, length - offset))
        file.seek(target + offset)
        file.write(chunk)
