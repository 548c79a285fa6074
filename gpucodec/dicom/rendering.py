"""Everything of a DICOM file but its pixel data, as bytes in Explicit VR Little Endian (PS3.10 7.1, PS3.5 A.2)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO
from typing import TypeVar

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite, write_dataset
from pydicom.tag import BaseTag

from gpucodec.dicom.header import PIXEL_DATA
from gpucodec.errors import ParameterError

__all__ = ["render_element", "render_header", "render_trailing"]

_PIXEL_GROUP = 0x7FE00000
_Result = TypeVar("_Result")


def render_element(tag: int, vr: bytes, value: bytes) -> bytes:
    """Return an element with a 32-bit length, PS3.5 7.1.2."""
    return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr, 0, len(value)) + value


def _part(dataset: Dataset, first: int, last: int, more: Dataset | None = None) -> Dataset:
    """Return the elements from tag `first` to `last` as a dataset that is encoded as the whole one was."""
    charset = dataset.original_character_set or "iso8859"
    elements: dict[BaseTag, DataElement | RawDataElement] = {}
    for each in (dataset, more):
        if each is not None:  # as they stand: an element that nobody used is copied without a look at its value
            elements |= {tag: each.get_item(tag) for tag in each.keys() if first <= tag <= last}  # noqa: SIM118
    part = Dataset(elements, parent_encoding=charset)
    implicit, little = dataset.original_encoding
    part.set_original_encoding(implicit, little, charset)
    return part


def render_header(dataset: Dataset) -> bytes:
    """Encode preamble, file meta information and everything before the pixel data's group, PS3.10 7.1.

    Parameters
    ----------
    dataset : pydicom.dataset.Dataset
        Has ``file_meta``. Elements that nobody converted are copied as they stand where the encoding is the same.

    Raises
    ------
    ParameterError
        If a value does not fit its VR.
    """
    header = _encoding(lambda: _part(dataset, 0x00030000, _PIXEL_GROUP - 1))
    header.file_meta = FileMetaDataset(dataset.file_meta)
    header.preamble = getattr(dataset, "preamble", None) or b"\0" * 128
    # Datasets without the UIDs that PS3.10 asks for are written as completely as they can be.
    is_conformant = bool(dataset.get("SOPClassUID") and dataset.get("SOPInstanceUID"))
    if not is_conformant:
        header.file_meta.FileMetaInformationGroupLength = 0
        header.file_meta.FileMetaInformationVersion = b"\0\1"
    out = BytesIO()
    _encoding(lambda: dcmwrite(out, header, enforce_file_format=is_conformant))
    return out.getvalue()


def render_trailing(dataset: Dataset, trailing: Dataset | None) -> bytes:
    """Encode the elements after the pixel data.

    Parameters
    ----------
    dataset : pydicom.dataset.Dataset
        May have some itself.
    trailing : pydicom.dataset.Dataset or None
        More of them, from the same file and so encoded alike.

    Raises
    ------
    ParameterError
        If a value does not fit its VR.
    """
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    after = _encoding(lambda: _part(dataset, PIXEL_DATA + 1, 0xFFFFFFFF, trailing))
    _encoding(lambda: write_dataset(out, after, dataset.get("SpecificCharacterSet", "iso8859")))
    return out.getvalue()


def _encoding(write: Callable[[], _Result]) -> _Result:
    """Run an encoder of pydicom's; on values that do not fit their VR it fails in many ways."""
    try:
        return write()
    except MemoryError:
        raise
    except Exception as error:  # an OSError too: pydicom raises it for values, and the file here is in memory
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ParameterError(f"The dataset cannot be written: {reason}") from error
