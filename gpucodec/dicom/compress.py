"""Compress and decompress a pydicom dataset in place, batched over its frames."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.pixels.processing import convert_color_space

from gpucodec.codecs.base import DecodeRequest, EncodeRequest
from gpucodec.codecs.formats import Family, get_format
from gpucodec.codecs.options import DecodeOptions, EncodeOptions
from gpucodec.codecs.running import CodestreamBatch, Decoding, Encoding, Span, portions_of
from gpucodec.dicom.arrays import as_batch, is_device_array
from gpucodec.dicom.attributes import describe_compression, describe_decompression
from gpucodec.dicom.coding import checked_codestreams, decode_batches, decode_options, encode_batch
from gpucodec.dicom.dataset_frames import (
    codestreams_of,
    frames_of_array,
    in_stored_bits,
    native_frames,
    transfer_syntax_of,
    unchanged_on_error,
)
from gpucodec.dicom.image_pixel import frame_spec
from gpucodec.dicom.profiles import validate_profile, validate_values
from gpucodec.dicom.window import window_frames
from gpucodec.errors import CodestreamError, ParameterError
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = ["compress", "decompress"]

_MAX_LENGTH = 2**32 - 2  # the largest even Value Length, PS3.5 7.1.1


def compress(
    ds: Dataset,
    uid: str,
    arr: Any = None,
    *,
    backend: str = "auto",
    encapsulate_ext: bool = False,
    generate_instance_uid: bool = True,
    jls_error: int | None = None,
    j2k_cr: list[float] | None = None,
    j2k_psnr: list[float] | None = None,
    **options: Any,
) -> Dataset:
    """Compress a dataset's pixel data in place.

    Does what `pydicom.pixels.compress` does, a batch of frames at a time, and describes lossy compression as
    PS3.3 C.7.6.1.1.5 asks. If anything fails, the dataset is what it was.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        Uncompressed, with an Image Pixel Module that fits the compressed result: for JPEG 2000 a photometric
        interpretation of ``"YBR_RCT"`` or ``"YBR_ICT"`` over RGB samples asks for the multiple component
        transform.
    uid : str
        UID of the compressed transfer syntax.
    arr : numpy.ndarray, optional
        Compress these samples instead of the dataset's: ``(frames, rows, columns[, samples])``, without the
        first axis if there is one frame.
    backend : str
        ``"auto"`` for the fastest one that can, or the name of one.
    encapsulate_ext : bool
        Write an extended offset table even where a basic one would do.
    generate_instance_uid : bool
        Give the dataset a new SOP Instance UID.
    jls_error : int, optional
        JPEG-LS Near Lossless only: the largest absolute error of a sample.
    j2k_cr, j2k_psnr : list of float, optional
        JPEG 2000 only: compression ratio, or peak signal-to-noise ratio in dB, of each quality layer.
    **options
        None is known; ``encoding_plugin="gpucodec"`` is accepted for pydicom's sake.

    Returns
    -------
    pydicom.dataset.Dataset
        `ds`.

    Raises
    ------
    ParameterError
        If the dataset is compressed already, lacks an element, or does not go with the transfer syntax.
    UnsupportedError, BackendUnavailableError
        If no backend here can do it, or the one asked for cannot.
    """
    if unknown := _without_plugin(options, "encoding_plugin"):
        raise ParameterError(f"Unknown options {sorted(unknown)}; the dataset says what its frames are")
    checked = EncodeOptions.for_transfer_syntax(str(uid), jls_error=jls_error, j2k_cr=j2k_cr, j2k_psnr=j2k_psnr)
    if arr is None:
        if transfer_syntax_of(ds).is_compressed:
            raise ParameterError("Only uncompressed datasets may be compressed")
        frames, spec = native_frames(ds)
    else:
        frames, spec = frames_of_array(ds, arr)
    codestreams = _encode(frames, spec, str(uid), checked, backend, from_array=arr is not None)
    pixel_data, tables = _encapsulated(codestreams, encapsulate_ext)
    with unchanged_on_error(ds):
        ds.PixelData = pixel_data
        describe_compression(
            ds,
            str(uid),
            spec,
            options_lossy=checked.is_lossy,
            num_uncompressed=len(frames) * spec.num_bytes,
            num_compressed=sum(len(codestream) for codestream in codestreams),
            generate_instance_uid=generate_instance_uid,
        )
        for keyword, table in tables.items():
            setattr(ds, keyword, table)
    _forget_pixel_array(ds)
    return ds


def decompress(
    ds: Dataset,
    *,
    as_rgb: bool = True,
    backend: str = "auto",
    generate_instance_uid: bool = True,
    **options: Any,
) -> Dataset:
    """Decompress a dataset's pixel data in place, to Explicit VR Little Endian.

    Does what `pydicom.pixels.decompress` does, a batch of frames at a time. If anything fails, the dataset is
    what it was.

    Parameters
    ----------
    ds : pydicom.dataset.Dataset
        A compressed dataset.
    as_rgb : bool
        Convert YBR_FULL and YBR_FULL_422 to RGB.
    backend : str
        ``"auto"`` for the fastest one that can, or the name of one.
    generate_instance_uid : bool
        Give the dataset a new SOP Instance UID.
    **options
        Options of `gpucodec.codecs.options.DecodeOptions` that are about whole frames;
        ``decoding_plugin="gpucodec"`` is accepted for pydicom's sake.

    Returns
    -------
    pydicom.dataset.Dataset
        `ds`.

    Raises
    ------
    ParameterError
        If the dataset is uncompressed already, lacks an element, or is too long once decompressed.
    CodestreamError
        If the bytes are wrong; it names the frame.
    UnsupportedError, BackendUnavailableError, LimitExceededError
        If no backend here can do it, the one asked for cannot, or a frame is above `max_frame_bytes`.
    """
    checked = decode_options(_without_plugin(options, "decoding_plugin"))
    if checked.is_partial:
        raise ParameterError(
            "A dataset is decompressed as a whole; 'reduce', 'layers' and 'region' are options of 'decode_frames'"
        )
    uid = transfer_syntax_of(ds)
    if not uid.is_compressed:
        raise ParameterError("The dataset is already uncompressed")
    get_format(uid)
    spec = frame_spec(ds, planar_configuration=0)
    codestreams = codestreams_of(ds)
    pixel_data, decoded = _decode(codestreams, str(uid), spec, checked, backend, as_rgb)
    with unchanged_on_error(ds):
        ds.PixelData = pixel_data
        describe_decompression(ds, decoded, len(codestreams), generate_instance_uid=generate_instance_uid)
    _forget_pixel_array(ds)
    return ds


def _encode(
    frames: Any, spec: FrameSpec, uid: str, options: EncodeOptions, backend: str, *, from_array: bool
) -> list[bytes]:
    validate_profile(uid, spec)
    # RLE codes whole containers: what a dataset has in its unused bits (PS3.5 8.1.1) is kept.
    whole_containers = get_format(uid).family is Family.RLE and not from_array
    if is_device_array(frames):
        return encode_batch(as_batch(frames, spec), uid, options, backend, validate=not whole_containers).codestreams
    job = Encoding(EncodeRequest(uid, spec, len(frames), options), backend, window_frames(spec.num_bytes))

    def prepare(span: Span) -> tuple[FrameBatch, None]:
        batch = as_batch(frames[span.first_frame : span.first_frame + len(span)], spec)
        kept = batch.frames if whole_containers or from_array else in_stored_bits(batch.frames, spec)
        if not whole_containers:
            validate_values(kept, spec, uid, options)
        return FrameBatch(kept, spec, span.first_frame), None

    # What is in memory already gains nothing on the host from being made ready ahead.
    threads = job.on_device and len(frames) > job.batch_frames
    parts = job.run(portions_of(Span(0, len(frames)), job), prepare, lambda made, *_: made, threads=threads)
    return [codestream for part in parts for codestream in part]


def _encapsulated(codestreams: list[bytes], encapsulate_ext: bool) -> tuple[bytes, dict[str, bytes]]:
    """Return pixel data with a basic offset table, or with an extended one where 32 bits do not reach (PS3.5 A.4)."""
    last_offset = sum(len(codestream) + len(codestream) % 2 + 8 for codestream in codestreams[:-1])
    if not encapsulate_ext and last_offset < 2**32:
        return encapsulate(codestreams), {}
    pixel_data, offsets, lengths = encapsulate_extended(codestreams)
    return pixel_data, {"ExtendedOffsetTable": offsets, "ExtendedOffsetTableLengths": lengths}


def _decode(
    codestreams: list[bytes], uid: str, spec: FrameSpec, options: DecodeOptions, backend: str, as_rgb: bool
) -> tuple[bytes, FrameSpec]:
    total = len(codestreams) * spec.num_bytes
    if total > _MAX_LENGTH:
        raise ParameterError(
            "Unable to decompress as the length of the uncompressed pixel data will be greater than the maximum "
            f"allowed by the DICOM Standard: {total} bytes, at most {_MAX_LENGTH} are allowed"
        )
    pieces: list[bytes] = []
    found: FrameSpec | None = None
    decoded = spec
    request = DecodeRequest(uid, spec, len(codestreams), options)
    whole = CodestreamBatch(checked_codestreams(codestreams, request))
    job = Decoding(replace(request, codestreams=whole.codestreams), backend, window_frames(spec.num_bytes))
    threads = job.on_device and len(whole) > job.batch_frames
    for decoded_batch in decode_batches(portions_of(whole, job), job, threads=threads):
        batch = decoded_batch.batch
        if found is not None and batch.spec != found:
            raise CodestreamError(
                f"the codestream's colour space is '{batch.spec.photometric_interpretation}', "
                f"of those before it '{found.photometric_interpretation}'",
                format=get_format(uid).name,
                frame=batch.first_frame,
            )
        found = batch.spec
        frames, decoded = _as_rgb(batch) if as_rgb else (batch.frames, found)
        pieces.append(np.asarray(frames).astype(frames.dtype.newbyteorder("<"), copy=False).tobytes())
    return b"".join([*pieces, b"\0" * (total % 2)]), decoded


def _as_rgb(batch: FrameBatch) -> tuple[Any, FrameSpec]:
    if batch.spec.photometric_interpretation != "YBR_FULL":
        return batch.frames, batch.spec
    if batch.spec.dtype != np.uint8:
        raise ParameterError(
            f"Frames of '{batch.spec.dtype}' samples cannot be converted from YBR_FULL to RGB, which needs 'uint8'; "
            "pass 'as_rgb=False'"
        )
    frames = np.stack([convert_color_space(frame, "YBR_FULL", "RGB") for frame in batch.frames])
    return frames, batch.spec.replace(photometric_interpretation="RGB")


def _without_plugin(options: dict[str, Any], keyword: str) -> dict[str, Any]:
    """Take pydicom's keyword that names a plugin, if it names this one."""
    if options.get(keyword) not in (None, "", "gpucodec"):
        raise ParameterError(f"A '{keyword}' of '{options[keyword]}' is not allowed, this is 'gpucodec'")
    return {name: value for name, value in options.items() if name != keyword}


def _forget_pixel_array(ds: Dataset) -> None:
    """Drop pydicom's cached array, as its own functions do."""
    ds._pixel_array = None
    ds._pixel_id = {}
