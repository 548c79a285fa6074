"""Frames out of DICOM files, a window at a time: memory is bounded by the window, not by the file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from gpucodec.codecs.base import DecodeRequest
from gpucodec.codecs.formats import Family, get_format
from gpucodec.codecs.running import CodestreamBatch
from gpucodec.dicom.encapsulation import FrameIndex, index_frames
from gpucodec.dicom.header import NATIVE_TRANSFER_SYNTAXES, UNDEFINED_LENGTH, Header, open_header, read_trailing
from gpucodec.dicom.image_pixel import frame_spec, number_of_frames
from gpucodec.dicom.native import NativeLayout
from gpucodec.errors import CodestreamError, ParameterError
from gpucodec.frames import FrameBatch, FrameSpec

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

__all__ = ["FrameReader", "FrameSource"]

_EXTENDED_TABLES = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")


class FrameReader:
    """An open DICOM file whose frames can be read in any window, without the others.

    Use it as a context manager, or call `close`.

    Parameters
    ----------
    path : path
        The file: native in any of the four native transfer syntaxes, or encapsulated in one that gpucodec knows.

    Attributes
    ----------
    dataset : pydicom.dataset.FileDataset
        Everything but the pixel data and what follows them, with ``file_meta``. Values are those of a
        little-endian file, whatever the file's byte order.
    trailing : pydicom.dataset.Dataset
        The elements that follow the pixel data.
    transfer_syntax_uid : str
        The transfer syntax of the file.
    is_compressed : bool
        Whether the pixel data are encapsulated codestreams.
    spec : FrameSpec
        Native: what `read_batch` returns. Compressed: what the dataset says.
    num_frames : int
        How many frames there are.
    encoded_num_bytes : int
        Bytes of all frames as they stand in the file, without padding and item headers.
    offset_table : str
        Compressed: ``"basic"``, ``"extended"`` or ``"none"``. Native: empty.

    Raises
    ------
    CodestreamError
        If it is no DICOM file, or its structure or pixel data are broken; `offset` counts from the file's beginning.
    TruncatedCodestreamError
        If it ends before its pixel data do.
    ParameterError
        If an attribute of the Image Pixel Module is missing or not allowed.
    UnsupportedError
        If the transfer syntax or the kind of pixel data is not one that gpucodec knows.
    LimitExceededError
        If a deflated file inflates to more than its header accounts for.
    OSError
        If the file cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        with contextlib.ExitStack() as stack:
            self._header = open_header(path, stack)
            self.transfer_syntax_uid = self._header.transfer_syntax_uid
            self.dataset: FileDataset = self._header.dataset
            self.num_frames = number_of_frames(self.dataset)
            self.is_compressed = self.transfer_syntax_uid not in NATIVE_TRANSFER_SYNTAXES
            self._index: FrameIndex | None = None
            self._layout: NativeLayout | None = None
            if self.is_compressed:
                self._index = self._open_encapsulated(self._header)
                self.encoded_num_bytes = self._index.num_bytes
                self.offset_table = self._index.table
                end = self._index.end
            else:
                self._layout = self._open_native(self._header)
                self.encoded_num_bytes = self._layout.num_bytes
                self.offset_table = ""
                end = self._header.pixel_data.offset + self._header.pixel_data.length
            self.trailing: Dataset = read_trailing(self._header, end)
            self._stack = stack.pop_all()

    def _open_native(self, header: Header) -> NativeLayout:
        element = header.pixel_data
        stored = frame_spec(self.dataset)
        if element.length == UNDEFINED_LENGTH:
            raise CodestreamError(
                "the pixel data have an undefined length, as only compressed ones may",
                format="native pixel data",
                offset=element.offset,
            )
        layout = NativeLayout(stored, self.num_frames, element.offset, header.is_little_endian, element.vr)
        layout.check_length(element.length, header.num_bytes - element.offset)
        self.spec = layout.spec
        return layout

    def _open_encapsulated(self, header: Header) -> FrameIndex:
        element = header.pixel_data
        family = get_format(self.transfer_syntax_uid).family
        self.spec = frame_spec(self.dataset, planar_configuration=0)
        is_delimited = element.length == UNDEFINED_LENGTH
        end = header.num_bytes if is_delimited else min(header.num_bytes, element.offset + element.length)
        bounds = (element.offset, end)
        extended = self._extended_tables()
        return index_frames(header.file, bounds, self.num_frames, family, extended, is_delimited=is_delimited)

    def _extended_tables(self) -> tuple[bytes, bytes] | None:
        tables: list[Any] = [self.dataset.get(keyword) for keyword in _EXTENDED_TABLES]
        if not any(tables):
            return None
        if not all(isinstance(table, bytes) for table in tables):
            raise CodestreamError(
                "of (7FE0,0001) 'Extended Offset Table' and (7FE0,0002) 'Extended Offset Table Lengths' one is missing",
                format="encapsulated pixel data",
                offset=self._header.pixel_data.offset,
            )
        return tables[0], tables[1]

    def read_batch(self, first: int, count: int) -> FrameBatch:
        """Read consecutive native frames.

        Parameters
        ----------
        first, count : int
            The window: `count` frames, at least 1, from frame `first`, counted from 0.

        Returns
        -------
        FrameBatch
            Raw samples in the machine's byte order, colour-by-pixel, of `spec`; bits above *Bits Stored* are as
            they stand in the file.

        Raises
        ------
        ParameterError
            If the window is not inside the file, or the file is compressed.
        TruncatedCodestreamError
            If the file became shorter.
        """
        self._check_window(first, count)
        if self._layout is None:
            raise ParameterError("The pixel data are compressed, read their codestreams instead")
        return FrameBatch(self._layout.read(self._header.file, first, count), self.spec, first)

    def read_codestreams(self, first: int, count: int) -> list[bytes]:
        """Read the codestreams of consecutive frames, the fragments of each joined.

        Parameters
        ----------
        first, count : int
            The window: `count` frames, at least 1, from frame `first`, counted from 0.

        Raises
        ------
        ParameterError
            If the window is not inside the file, or the file is not compressed.
        CodestreamError
            If a frame has no bytes.
        """
        self._check_window(first, count)
        if self._index is None:
            raise ParameterError("The pixel data are not compressed, read their frames instead")
        return [self._index.read(self._header.file, frame) for frame in range(first, first + count)]

    def _check_window(self, first: int, count: int) -> None:
        if first < 0 or count < 1 or first + count > self.num_frames:
            raise ParameterError(f"The frames {first} to {first + count - 1} are not all in 0 to {self.num_frames - 1}")

    def close(self) -> None:
        """Close the file."""
        self._stack.close()

    def __enter__(self) -> FrameReader:
        """Return the reader."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()


class FrameSource:
    """The decoded frames of a file, batch by batch, whatever the file holds.

    Parameters
    ----------
    reader : FrameReader
        The open file.
    backend : str
        What decodes: ``"auto"`` or the name of a backend.
    isolate : bool
        Whether native libraries must run in another process, because the bytes come from somebody else.
    """

    def __init__(self, reader: FrameReader, backend: str = "auto", isolate: bool = False) -> None:
        self.reader = reader
        self.backend = backend
        self.isolate = isolate

    @property
    def num_frames(self) -> int:
        """How many frames there are."""
        return self.reader.num_frames

    @cached_property
    def spec(self) -> FrameSpec:
        """What the frames of every batch are.

        Samples are colour-by-pixel; the codestream's own colour transform and subsampling are undone, so
        ``YBR_RCT`` and ``YBR_ICT`` become ``RGB`` and ``YBR_FULL_422`` becomes ``YBR_FULL``. In colour JPEG and
        JPEG-LS the codestream may contradict the dataset, so there the first frame is decoded to know.

        Raises
        ------
        CodestreamError
            If the first frame had to be decoded and is broken.
        """
        reader = self.reader
        if not reader.is_compressed:
            return reader.spec
        family = get_format(reader.transfer_syntax_uid).family
        if reader.spec.samples_per_pixel > 1 and family in (Family.JPEG, Family.JPEG_LS):
            return self.read_batch(0, 1).spec
        from gpucodec.dicom.conform import decoded_photometric_interpretation

        name = decoded_photometric_interpretation(reader.spec.photometric_interpretation)
        return reader.spec.replace(photometric_interpretation=name, planar_configuration=0)

    @property
    def decode_request(self) -> DecodeRequest:
        """What decoding all the frames of a compressed file asks for."""
        reader = self.reader
        return DecodeRequest(reader.transfer_syntax_uid, reader.spec, reader.num_frames, isolate=self.isolate)

    def read(self, first: int, count: int) -> FrameBatch | CodestreamBatch:
        """Read consecutive frames as they stand in the file, not decoded.

        Parameters
        ----------
        first, count : int
            The window: `count` frames, at least 1, from frame `first`, counted from 0.
        """
        if not self.reader.is_compressed:
            return self.reader.read_batch(first, count)
        return CodestreamBatch(self.reader.read_codestreams(first, count), first)

    def decode(self, portion: FrameBatch | CodestreamBatch, *, on_device: bool = False) -> FrameBatch:
        """Decode what was read, where the calling thread's work goes.

        Parameters
        ----------
        portion : FrameBatch or CodestreamBatch
            What `read` returned, or a part of it.
        on_device : bool
            Whether the frames may be left on a GPU.

        Raises
        ------
        CodestreamError
            If a codestream is broken; it names the frame.
        UnsupportedError
            If no backend here can decode it.
        """
        if isinstance(portion, FrameBatch):
            return portion
        from gpucodec.dicom.coding import decode_here

        return decode_here(portion, replace(self.decode_request, on_device=on_device), self.backend).batch

    def read_batch(self, first: int, count: int) -> FrameBatch:
        """Read and decode consecutive frames.

        Parameters
        ----------
        first, count : int
            The window: `count` frames, at least 1, from frame `first`, counted from 0.

        Raises
        ------
        CodestreamError
            If a codestream is broken; it names the frame.
        UnsupportedError
            If no backend here can decode it.
        """
        portion = self.read(first, count)
        if isinstance(portion, FrameBatch):
            return portion
        from gpucodec.dicom.coding import decode_batch

        request = replace(self.decode_request, num_frames=count, first_frame=first)
        return decode_batch(portion.codestreams, request, self.backend).batch

    def iter_batches(self, batch_frames: int) -> Iterator[FrameBatch]:
        """Yield all frames in order.

        Parameters
        ----------
        batch_frames : int
            How many frames a batch has; the last one may have fewer.

        Raises
        ------
        ParameterError
            If `batch_frames` is below 1.
        CodestreamError
            If a codestream is broken, or is of another colour space than the first; it names the frame.
        """
        if batch_frames < 1:
            raise ParameterError(f"A batch of {batch_frames} frames is not allowed, must be 1 or more")
        for first in range(0, self.num_frames, batch_frames):
            yield self.checked(self.read_batch(first, min(batch_frames, self.num_frames - first)))

    def checked(self, batch: FrameBatch) -> FrameBatch:
        """Return a batch of the file's frames if it is of the same colour space as the first one.

        Raises
        ------
        CodestreamError
            If it is not; it names the frame.
        """
        if batch.spec != self.spec:
            raise CodestreamError(
                f"the frames decode to '{batch.spec.photometric_interpretation}', "
                f"those before to '{self.spec.photometric_interpretation}'",
                format=get_format(self.reader.transfer_syntax_uid).name,
                frame=batch.first_frame,
            )
        return batch
