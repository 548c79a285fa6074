"""Attributes that change when pixel data are compressed or decompressed, shared by all who do it.

Lossy history, PS3.3 C.7.6.1.1.5: once (0028,2110) *Lossy Image Compression* is ``01`` it stays so, and every lossy
step appends its (0028,2112) *Ratio* and (0028,2114) *Method*. A source in a transfer syntax that allows lossy
compression, and whose dataset says nothing about it, counts as lossy: to report a loss that did not happen is
safer than to hide one that did. A dataset that says ``00`` is believed, except in JPEG Baseline and Extended,
which have no lossless mode.
"""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.uid import UID, generate_uid

from gpucodec.codecs.formats import FORMATS, Family, Format, get_format
from gpucodec.frames import FrameSpec

__all__ = ["describe_compression", "describe_decompression", "update_compression_ratio"]

_EXPLICIT_LITTLE_ENDIAN = UID("1.2.840.10008.1.2.1")
# Tables that belong to the pixel data they were written with.
_TABLES = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths", "EncapsulatedPixelDataValueTotalLength")
# Always the same number of characters, so that a header written with an estimate keeps its length.
_RATIO_CHARACTERS = 10


def describe_compression(
    ds: Dataset,
    uid: str,
    spec: FrameSpec,
    *,
    options_lossy: bool,
    num_uncompressed: int,
    num_compressed: int,
    generate_instance_uid: bool = True,
    source_num_compressed: int | None = None,
) -> None:
    """Change a dataset's attributes to those of compressed pixel data, in place.

    Sets the transfer syntax, the Image Pixel Module, the lossy history, and (7FE0,0010) *Pixel Data*'s VR where the
    dataset has the element. Extended offset tables that belong to other pixel data are removed.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        The dataset, as it was before: its ``file_meta`` says what the source was.
    uid : str
        The transfer syntax that the pixel data now have.
    spec : FrameSpec
        What each frame now is; `photometric_interpretation` is the one after encoding.
    options_lossy : bool
        Whether this step may have changed a sample (`EncodeOptions.is_lossy`).
    num_uncompressed, num_compressed : int
        Bytes of all frames, in containers of *Bits Allocated*, and of all codestreams.
    generate_instance_uid : bool
        Whether the dataset gets a new (0008,0018) *SOP Instance UID*.
    source_num_compressed : int, optional
        Bytes of all codestreams of a compressed source, for the ratio of a loss that the source did not report.

    Raises
    ------
    UnsupportedError
        If gpucodec does not know the transfer syntax.
    """
    target = get_format(uid)
    _inherit_loss(ds, num_uncompressed, source_num_compressed)
    if options_lossy:
        _append_loss(ds, target, num_uncompressed, num_compressed)
    _set_transfer_syntax(ds, UID(target.uid), generate_instance_uid)
    _set_image_pixel(ds, spec)
    if "PixelData" in ds:
        ds["PixelData"].VR = "OB"  # PS3.5 A.4
        ds["PixelData"].is_undefined_length = True


def describe_decompression(
    ds: Dataset,
    spec: FrameSpec,
    num_frames: int,
    *,
    generate_instance_uid: bool = True,
    source_num_compressed: int | None = None,
) -> None:
    """Change a dataset's attributes to those of native pixel data in Explicit VR Little Endian, in place.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        The dataset, as it was before: its ``file_meta`` says what the source was.
    spec : FrameSpec
        What each frame now is.
    num_frames : int
        How many there are.
    generate_instance_uid : bool
        Whether the dataset gets a new (0008,0018) *SOP Instance UID*.
    source_num_compressed : int, optional
        Bytes of all codestreams of the source, for the ratio of a loss that the source did not report.
    """
    _inherit_loss(ds, spec.num_bytes * num_frames, source_num_compressed)
    _set_transfer_syntax(ds, _EXPLICIT_LITTLE_ENDIAN, generate_instance_uid)
    _set_image_pixel(ds, spec)
    if "NumberOfFrames" in ds or num_frames > 1:
        ds.NumberOfFrames = num_frames
    if "PixelData" in ds:
        ds["PixelData"].VR = "OB" if spec.bits_allocated <= 8 else "OW"  # PS3.5 A.2
        ds["PixelData"].is_undefined_length = False


def update_compression_ratio(ds: Dataset, num_uncompressed: int, num_compressed: int) -> None:
    """Replace the ratio of the last lossy step, after `describe_compression` was given an estimate.

    The new value has as many characters as the old one: a header that was written keeps its length. A dataset
    without a ratio stays without.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        A dataset whose last step was lossy.
    num_uncompressed, num_compressed : int
        Bytes of all frames and of all codestreams.
    """
    ratios = _values(ds, "LossyImageCompressionRatio")
    if ratios:
        ds.LossyImageCompressionRatio = [*ratios[:-1], _ratio(num_uncompressed, num_compressed)]


def _inherit_loss(ds: Dataset, num_uncompressed: int, num_compressed: int | None) -> None:
    """Report what the source's own compression may have lost, where the source does not."""
    meta = getattr(ds, "file_meta", None) or {}
    source = FORMATS.get(str(meta.get("TransferSyntaxUID", "")))
    if source is None or source.lossless:
        return
    reported = str(ds.get("LossyImageCompression") or "")
    if reported == "01" or (reported == "00" and source.family is not Family.JPEG):
        return
    if num_compressed is None:
        ds.LossyImageCompression = "01"
    else:
        _append_loss(ds, source, num_uncompressed, num_compressed)


def _append_loss(ds: Dataset, step: Format, num_uncompressed: int, num_compressed: int) -> None:
    ds.LossyImageCompression = "01"
    ratios, methods = _values(ds, "LossyImageCompressionRatio"), _values(ds, "LossyImageCompressionMethod")
    ds.LossyImageCompressionRatio = [*ratios, _ratio(num_uncompressed, num_compressed)]
    ds.LossyImageCompressionMethod = [*methods, step.lossy_method]


def _values(ds: Dataset, keyword: str) -> list[Any]:
    value = ds.get(keyword)
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (MultiValue, list, tuple)) else [value]


def _ratio(num_uncompressed: int, num_compressed: int) -> str:
    ratio = num_uncompressed / max(1, num_compressed)
    whole = len(str(int(ratio)))
    return f"{ratio:.{max(1, _RATIO_CHARACTERS - whole - 1)}f}"[:16]


def _set_transfer_syntax(ds: Dataset, uid: UID, generate_instance_uid: bool) -> None:
    if not hasattr(ds, "file_meta"):
        ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid
    if generate_instance_uid:
        ds.SOPInstanceUID = generate_uid()
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID


def _set_image_pixel(ds: Dataset, spec: FrameSpec) -> None:
    for keyword in _TABLES:
        if keyword in ds:
            delattr(ds, keyword)
    ds.SamplesPerPixel = spec.samples_per_pixel
    ds.PhotometricInterpretation = spec.photometric_interpretation
    # Colour-by-pixel: arrays are, and codestreams order their samples themselves (PS3.5 8.2.1, 8.2.3, 8.2.4, G.2).
    if spec.samples_per_pixel > 1:
        ds.PlanarConfiguration = 0
    elif "PlanarConfiguration" in ds:
        del ds.PlanarConfiguration
    ds.Rows, ds.Columns = spec.rows, spec.columns
    ds.BitsAllocated = spec.bits_allocated
    # A high bit above the stored ones is kept as long as the stored ones are: raw samples were not moved.
    if ds.get("BitsStored") != spec.bits_stored or ds.get("HighBit") is None:
        ds.HighBit = spec.bits_stored - 1
    ds.BitsStored = spec.bits_stored
    ds.PixelRepresentation = spec.pixel_representation
