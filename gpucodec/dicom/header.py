"""Reading a DICOM file up to its pixel data, and finding where the pixel data are (PS3.10 7, PS3.5 7.1)."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from gpucodec.dicom.bounded import BoundedReader
from gpucodec.dicom.byte_order import swap_words
from gpucodec.dicom.deflated import Inflater
from gpucodec.dicom.image_pixel import frame_spec, number_of_frames
from gpucodec.errors import CodestreamError, GpucodecError, LimitExceededError, UnsupportedError

__all__ = [
    "DEFLATED",
    "EXPLICIT_BIG_ENDIAN",
    "EXPLICIT_LITTLE_ENDIAN",
    "IMPLICIT_LITTLE_ENDIAN",
    "NATIVE_TRANSFER_SYNTAXES",
    "PIXEL_DATA",
    "UNDEFINED_LENGTH",
    "Header",
    "PixelDataElement",
    "open_header",
    "read_trailing",
]

IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
NATIVE_TRANSFER_SYNTAXES = (IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, DEFLATED, EXPLICIT_BIG_ENDIAN)

PIXEL_DATA = 0x7FE00010
UNDEFINED_LENGTH = 0xFFFFFFFF

_FORMAT = "DICOM"
_FLOAT_PIXEL_DATA = {
    0x7FE00008: "(7FE0,0008) 'Float Pixel Data'",
    0x7FE00009: "(7FE0,0009) 'Double Float Pixel Data'",
}
_PIXEL_TAGS = (PIXEL_DATA, *_FLOAT_PIXEL_DATA)
# None of them can be the low half of an implicit VR's length: "O" and "U" are odd bytes, lengths are even.
_PIXEL_VRS = (b"OB", b"OW", b"OF", b"OD", b"UN")
# What a deflated dataset may hold besides its pixel data.
_DEFLATED_ALLOWANCE = 1 << 28
# The Image Pixel Module is read where its own errors are raised.
_USED = (
    "SpecificCharacterSet",
    "SOPClassUID",
    "SOPInstanceUID",
    "PlanarConfiguration",
    "HighBit",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
)
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class PixelDataElement:
    """Where (7FE0,0010) *Pixel Data* stands.

    Parameters
    ----------
    vr : str
        Its value representation; ``"OW"`` where the VR is implicit (PS3.5 A.1).
    offset : int
        Byte offset of its value.
    length : int
        Length of its value as its header says, or `UNDEFINED_LENGTH`.
    """

    vr: str
    offset: int
    length: int


@dataclass(slots=True)
class Header:
    """An open DICOM file, read up to its pixel data.

    Parameters
    ----------
    file : binary file
        The bytes in which `pixel_data` stands: the DICOM file, or what its deflated dataset inflated to.
    num_bytes : int
        Size of `file`.
    dataset : pydicom.dataset.FileDataset
        Everything before the pixel data, with ``file_meta``.
    transfer_syntax_uid : str
        As the file says; where it does not, the native one that its bytes show.
    pixel_data : PixelDataElement
        Where the pixel data are.
    is_implicit, is_little_endian : bool
        How elements are encoded.
    """

    file: BinaryIO
    num_bytes: int
    dataset: FileDataset
    transfer_syntax_uid: str
    pixel_data: PixelDataElement
    is_implicit: bool
    is_little_endian: bool


def open_header(path: str | Path, stack: contextlib.ExitStack) -> Header:
    """Open a file and read it up to its pixel data.

    Parameters
    ----------
    path : path
        A DICOM file, or a dataset without preamble or file meta information.
    stack : contextlib.ExitStack
        Takes the open files over.

    Raises
    ------
    CodestreamError
        If it is no DICOM file, is broken, or has no pixel data.
    UnsupportedError
        If its pixel data are floating point.
    LimitExceededError
        If a deflated dataset inflates to more than its header accounts for.
    """
    file = stack.enter_context(BoundedReader(Path(path).open("rb", buffering=0)))  # noqa: SIM115 - the stack closes it
    start = _dataset_start(file)
    meta = _file_meta(file, start)
    if _parsing(lambda: str(meta.get("TransferSyntaxUID", "")), file) == DEFLATED:
        return _open_deflated(file, start, meta, stack)
    file.seek(0)
    dataset = _parsing(lambda: dcmread(file, stop_before_pixels=True, force=True), file)
    return _header(file, dataset, file.tell())


def read_trailing(header: Header, offset: int) -> Dataset:
    """Read the elements after the pixel data.

    Elements that belong before the pixel data join `header`'s dataset; zeros that pad a file are dropped.

    Parameters
    ----------
    header : Header
        The open file.
    offset : int
        Where the pixel data end.

    Raises
    ------
    CodestreamError
        If the bytes there are no elements.
    """
    file = header.file
    file.seek(min(offset, header.num_bytes))
    encoding = header.dataset.original_character_set or "iso8859"
    found = _parsing(
        lambda: read_dataset(file, header.is_implicit, header.is_little_endian, parent_encoding=encoding), file
    )
    if PIXEL_DATA in found:
        raise CodestreamError("there is a second (7FE0,0010) 'Pixel Data'", format=_FORMAT, offset=offset)
    _parsing(lambda: _sort_out(found, header.dataset), file)
    if not header.is_little_endian:
        _parsing(lambda: swap_words(found), file)
    return found


def _sort_out(found: Dataset, dataset: Dataset) -> None:
    """Keep what belongs after the pixel data."""
    for tag in list(found.keys()):
        if tag.group > 2 and tag < PIXEL_DATA and tag not in dataset:
            dataset[tag] = found[tag]
        if tag < PIXEL_DATA:
            del found[tag]


def _dataset_start(file: BinaryIO) -> int:
    """Return where the first element is: behind the preamble, or at 0 where the bytes look like a dataset."""
    head = file.read(132)
    if head[128:] == b"DICM":
        return 132
    if len(head) >= 8 and _looks_like_element(head):
        return 0
    raise CodestreamError(
        "not a DICOM file: no 'DICM' after a preamble of 128 bytes, nor a dataset without one", format=_FORMAT, offset=0
    )


def _looks_like_element(head: bytes) -> bool:
    """Whether a dataset may begin like this: group 2 or 8, and a VR or a short even length."""
    vr = head[4:6].decode("latin-1")
    explicit = vr.isascii() and vr.isalpha() and vr.isupper()
    for order in "<>":
        group, element, length = struct.unpack(f"{order}HHL", head[:8])
        implicit = order == "<" and length % 2 == 0 and length <= 1 << 10
        if group in (0x0002, 0x0008) and element <= 0x0100 and (explicit or implicit):
            return True
    return False


def _file_meta(file: BinaryIO, start: int) -> Dataset:
    def beyond(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        return tag.group != 2

    file.seek(start)
    return _parsing(lambda: read_dataset(file, False, True, stop_when=beyond), file)


def _parsing(parse: Callable[[], _Result], file: BinaryIO) -> _Result:
    """Run a parser of pydicom's; on broken bytes it fails in many ways, which all mean the same."""
    try:
        return parse()
    except (GpucodecError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # from the file itself; pydicom raises it, without a number, for bytes too
        offset = None if file.closed else file.tell()
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise CodestreamError(f"the dataset cannot be parsed: {reason}", format=_FORMAT, offset=offset) from error


def _header(file: BinaryIO, dataset: FileDataset, offset: int) -> Header:
    _parsing(lambda: _convert_used(dataset), file)
    declared = str(dataset.file_meta.get("TransferSyntaxUID", "") or "")
    little = declared != EXPLICIT_BIG_ENDIAN if declared else bool(dataset.original_encoding[1])
    num_bytes = file.seek(0, io.SEEK_END)
    pixel_data, implicit = _pixel_data_element(file, offset, little)
    if not little:
        _parsing(lambda: swap_words(dataset), file)
    return Header(
        file, num_bytes, dataset, declared or _shown(implicit, little, pixel_data), pixel_data, implicit, little
    )


def _convert_used(dataset: FileDataset) -> None:
    """Convert now what is going to be used; pydicom would do it, and fail, when it is. The rest is copied as it is."""
    for _ in dataset.file_meta:
        pass
    for keyword in _USED:
        dataset.get(keyword)


def _shown(implicit: bool, little: bool, pixel_data: PixelDataElement) -> str:
    """Return the transfer syntax of a file that does not say."""
    if pixel_data.length == UNDEFINED_LENGTH:
        raise CodestreamError(
            "the pixel data are compressed, but no (0002,0010) 'Transfer Syntax UID' says how",
            format=_FORMAT,
            offset=pixel_data.offset,
        )
    if not little:
        return EXPLICIT_BIG_ENDIAN
    return IMPLICIT_LITTLE_ENDIAN if implicit else EXPLICIT_LITTLE_ENDIAN


def _pixel_data_element(file: BinaryIO, offset: int, little: bool) -> tuple[PixelDataElement, bool]:
    order = "<" if little else ">"
    file.seek(offset)
    head = file.read(12)
    if len(head) < 8:
        raise CodestreamError("there is no (7FE0,0010) 'Pixel Data'", format=_FORMAT, offset=offset)
    group, element = struct.unpack(f"{order}HH", head[:4])
    tag = group << 16 | element
    if tag in _FLOAT_PIXEL_DATA:
        raise UnsupportedError(
            f"The pixel data are {_FLOAT_PIXEL_DATA[tag]}, only integers in (7FE0,0010) 'Pixel Data' can be compressed"
        )
    if tag != PIXEL_DATA:
        raise CodestreamError("there is no (7FE0,0010) 'Pixel Data'", format=_FORMAT, offset=offset)
    if head[4:6] in _PIXEL_VRS:
        if len(head) < 12:
            raise CodestreamError("(7FE0,0010) 'Pixel Data' has no length", format=_FORMAT, offset=offset)
        length = struct.unpack(f"{order}L", head[8:])[0]
        return PixelDataElement(head[4:6].decode(), offset + 12, length), False
    length = struct.unpack(f"{order}L", head[4:8])[0]
    return PixelDataElement("OW", offset + 8, length), True


def _open_deflated(file: BinaryIO, start: int, meta: Dataset, stack: contextlib.ExitStack) -> Header:
    """Inflate as much as a header may need, then no more than it accounts for."""
    inflater = Inflater(file)
    stack.callback(inflater.close)
    inflater.inflate_to(_DEFLATED_ALLOWANCE)
    inflated = inflater.file
    inflated.seek(0)

    def at_pixel_data(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        return tag in _PIXEL_TAGS

    elements = _parsing(lambda: read_dataset(inflated, False, True, stop_when=at_pixel_data), inflated)
    preamble = b"\0" * 128 if start else None
    dataset = FileDataset(inflated, elements, preamble, FileMetaDataset(meta), False, True)
    dataset.set_original_encoding(False, True, elements.original_character_set)
    offset = inflated.tell()
    if offset >= _DEFLATED_ALLOWANCE and not inflater.is_complete:
        raise LimitExceededError(
            f"The deflated dataset has no pixel data within its first {_DEFLATED_ALLOWANCE} bytes, none is read beyond"
        )
    header = _header(inflated, dataset, offset)
    native_bytes = frame_spec(dataset, planar_configuration=0).num_bytes * number_of_frames(dataset)
    inflater.finish(header.pixel_data.offset + native_bytes + _DEFLATED_ALLOWANCE)
    header.num_bytes = inflater.num_bytes
    return header
