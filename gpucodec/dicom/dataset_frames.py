"""The frames of a pydicom dataset in memory: native ones as arrays, compressed ones as codestreams."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from gpucodec.dicom.image_pixel import frame_spec, number_of_frames
from gpucodec.errors import CodestreamError, ParameterError
from gpucodec.frames import FrameSpec

__all__ = [
    "codestreams_of",
    "frames_of_array",
    "in_stored_bits",
    "native_frames",
    "transfer_syntax_of",
    "unchanged_on_error",
]


def transfer_syntax_of(ds: Dataset) -> UID:
    """Return the transfer syntax that a dataset says it has.

    Raises
    ------
    ParameterError
        If it says none.
    """
    uid = getattr(ds, "file_meta", None) and ds.file_meta.get("TransferSyntaxUID")
    if not uid:
        raise ParameterError(
            "Unable to determine the initial compression state of the dataset as there's no (0002,0010) "
            "'Transfer Syntax UID' element in the dataset's 'file_meta' attribute"
        )
    return UID(uid)


def native_frames(ds: Dataset) -> tuple[Any, FrameSpec]:
    """Return the uncompressed frames of a dataset, and what each one is.

    Returns
    -------
    frames : numpy.ndarray
        ``(frames, rows, columns)`` or ``(frames, rows, columns, samples)``; every bit of their containers is as
        it stands in the dataset. May be a read-only view of it, of either byte order.
    spec : FrameSpec
        As the dataset says; subsampled colour (PS3.3 C.7.6.3.1.2) has been expanded to ``"YBR_FULL"``.

    Raises
    ------
    ParameterError
        If an element is missing or wrong, or there are fewer samples than it says.
    """
    if "PixelData" not in ds:
        raise ParameterError("Unable to compress as the dataset has no (7FE0,0010) 'Pixel Data' element")
    spec = frame_spec(ds)
    decoder = get_decoder(transfer_syntax_of(ds))
    keep_all_bits: dict[str, Any] = {"view_only": True, "correct_unused_bits": False, "allow_excess_frames": False}
    try:
        array, _ = decoder.as_array(ds, raw=True, **keep_all_bits)
    except (AttributeError, NotImplementedError, ValueError) as error:
        raise ParameterError(f"The native pixel data cannot be read: {error}") from error
    if spec.photometric_interpretation == "YBR_FULL_422":
        spec = spec.replace(photometric_interpretation="YBR_FULL")
    return array.reshape(number_of_frames(ds), *spec.shape), spec


def frames_of_array(ds: Dataset, array: Any) -> tuple[Any, FrameSpec]:
    """Return an array as the frames that a dataset describes.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        Has the Image Pixel Module that the array fits.
    array : numpy.ndarray
        ``(frames, rows, columns[, samples])``, without the first axis if there is one frame.

    Raises
    ------
    ParameterError
        If the shape is another one than the dataset says.
    """
    spec, num_frames = frame_spec(ds, planar_configuration=0), number_of_frames(ds)
    expected = spec.shape if num_frames == 1 else (num_frames, *spec.shape)
    if array.shape not in (expected, (num_frames, *spec.shape)):
        raise ParameterError(
            f"Mismatch between the expected ndarray shape {expected} and the actual shape {array.shape}"
        )
    return array.reshape(num_frames, *spec.shape), spec


def codestreams_of(ds: Dataset) -> list[bytes]:
    """Return the codestream of each frame of a compressed dataset, its fragments joined (PS3.5 A.4).

    Raises
    ------
    ParameterError
        If there is no pixel data.
    CodestreamError
        If the encapsulation is broken.
    """
    if "PixelData" not in ds:
        raise ParameterError("Unable to decompress as the dataset has no (7FE0,0010) 'Pixel Data' element")
    offsets = ds.get("ExtendedOffsetTable"), ds.get("ExtendedOffsetTableLengths")
    extended = offsets if all(offsets) and len(offsets[0]) == len(offsets[1]) else None
    try:
        frames = generate_frames(ds.PixelData, number_of_frames=number_of_frames(ds), extended_offsets=extended)
        return list(frames)
    except Exception as error:  # on broken items pydicom's parser fails in many ways
        raise CodestreamError(f"the encapsulated pixel data cannot be read: {error}", format="DICOM") from error


def in_stored_bits(frames: np.ndarray[Any, Any], spec: FrameSpec) -> np.ndarray[Any, Any]:
    """Return samples with the unused high bits of their containers filled from the sign.

    PS3.5 8.1.1 lets the bits above Bits Stored be anything. Where they are zero in signed samples, or already
    copies of the sign, nothing but the value is stored and it is returned; where they hold something else, the
    samples are returned as they are, and the check of their values will say so.
    """
    unused = spec.bits_allocated - spec.bits_stored
    if not unused or not spec.pixel_representation:
        return frames
    extended = (frames << unused) >> unused
    mask = frames.dtype.type((1 << spec.bits_stored) - 1)
    is_padding = (frames == extended) | (frames == extended & mask)
    return extended if is_padding.all() else frames


@contextlib.contextmanager
def unchanged_on_error(ds: Dataset) -> Iterator[None]:
    """Put a dataset's elements and file meta information back if the body raises."""
    elements = _copied(ds)
    meta = getattr(ds, "file_meta", None)
    meta_elements = _copied(meta) if meta is not None else {}
    try:
        yield
    except BaseException:
        _restore(ds, elements)
        if meta is None:
            ds.__dict__.pop("file_meta", None)
        else:
            ds.file_meta = meta
            _restore(meta, meta_elements)
        raise


def _copied(ds: Dataset | FileMetaDataset) -> dict[Any, Any]:
    return {tag: copy.copy(ds.get_item(tag)) for tag in ds.keys()}  # noqa: SIM118 - iterating gives elements


def _restore(ds: Dataset | FileMetaDataset, elements: dict[Any, Any]) -> None:
    for tag in list(ds.keys()):
        if tag not in elements:
            del ds[tag]
    for tag, element in elements.items():
        ds[tag] = element
