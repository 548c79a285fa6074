"""JPEG-LS by CharLS, through pyjpegls. Encoded as pydicom's own plugin does, byte for byte. PS3.5 A.4.3 and 8.2.3."""

from __future__ import annotations

from importlib import import_module

import numpy as np

from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest
from gpucodec.codecs.formats import Family
from gpucodec.codecs.options import DecodeOptions, EncodeOptions
from gpucodec.codestream.jpegls import encoding_limits
from gpucodec.errors import CodestreamError, GpucodecError, TruncatedCodestreamError
from gpucodec.frames import FrameSpec
from gpucodec.libraries.base import LibraryCodec, found_spec, narrow, read_header, translated

__all__ = ["codecs", "decode_frame", "encode_frame", "inspect"]

_HEADROOM = bytes(1024)
_SOS = b"\xff\xda"
_EOI = b"\xff\xd9"


class CharlsCodec(LibraryCodec):
    """JPEG-LS by CharLS."""

    name = "pyjpegls"
    import_name = "jpeg_ls"
    module = __name__
    encode_rate = 80e6
    decode_rate = 100e6

    def encode_limits(self, request: EncodeRequest) -> list[str]:
        """Return what JPEG-LS cannot express: T.87 C.2.2 (precision) and C.2.3 (NEAR)."""
        return encoding_limits(request.spec.bits_stored, request.options.jls_error)

    def decode_limits(self, request: DecodeRequest) -> list[str]:  # noqa: ARG002
        """Return nothing: CharLS decodes all of T.87 that DICOM allows."""
        return []


def codecs(family: Family) -> list[Codec]:
    """Return this library's codecs for a family of formats."""
    return [CharlsCodec()] if family is Family.JPEG_LS else []


def inspect(codestream: bytes, spec: FrameSpec, options: DecodeOptions) -> FrameSpec:
    """Return what a codestream holds, without decoding it. JPEG-LS knows no sign: always unsigned."""
    header = read_header(codestream, spec, options)
    if header.format != "JPEG-LS":
        raise CodestreamError(f"the codestream is {header.format}", format="JPEG-LS", offset=0)
    return found_spec(header, spec)


def encode_frame(frame: bytes, spec: FrameSpec, options: EncodeOptions) -> bytes:
    """Encode one frame, near-lossless if the options have a `jls_error`.

    Parameters
    ----------
    frame : bytes
        Little-endian, colour-by-pixel; several samples a pixel are coded one component after the other (ILV 0)
        if the planar configuration is 1, and sample-interleaved (ILV 2) if it is 0.

    Raises
    ------
    GpucodecError
        If CharLS fails.
    """
    from jpeg_ls import encode_pixel_data

    samples = narrow(frame, spec)
    if spec.samples_per_pixel > 1 and spec.planar_configuration:
        samples = samples.transpose(2, 0, 1)
    source = samples.tobytes()
    with translated(GpucodecError):
        try:
            return bytes(
                encode_pixel_data(
                    source,
                    options.jls_error,
                    rows=spec.rows,
                    columns=spec.columns,
                    samples_per_pixel=spec.samples_per_pixel,
                    bits_stored=spec.bits_stored,
                    planar_configuration=spec.planar_configuration,
                )
            )
        except RuntimeError as error:
            if "buffer is too small" not in str(error):
                raise
            return _encode_tiny(source, spec, options)


def _encode_tiny(source: bytes, spec: FrameSpec, options: EncodeOptions) -> bytes:
    """Encode a frame that is shorter than the markers around it.

    pyjpegls gives CharLS twice the frame's length to write to, which a few pixels exceed; CharLS itself takes a
    source that is longer than it needs.
    """
    encode = import_module("_CharLS")._encode
    interleave = 2 if spec.samples_per_pixel > 1 and not spec.planar_configuration else 0
    size = (spec.rows, spec.columns, spec.samples_per_pixel)
    return bytes(encode(source + _HEADROOM, options.jls_error, interleave, *size, spec.bits_stored))


def decode_frame(codestream: bytes, spec: FrameSpec, options: DecodeOptions) -> tuple[bytes | bytearray, FrameSpec]:
    """Decode one codestream.

    Returns
    -------
    bytes or bytearray
        The samples, little-endian, colour-by-pixel whatever the interleave mode.
    FrameSpec
        What was found.
    """
    from jpeg_ls import decode_pixel_data

    found = inspect(codestream, spec, options)
    if codestream.rfind(_EOI) < codestream.find(_SOS):
        # CharLS says so, too, but 2.4 may first count zero bits past the end for seconds, with no marker to stop it
        raise TruncatedCodestreamError("no EOI marker", format="JPEG-LS", offset=len(codestream))
    with translated(CodestreamError, format="JPEG-LS"):
        content, info = decode_pixel_data(codestream)
    if found.samples_per_pixel == 1 or info["interleave_mode"]:
        return content, found
    if len(content) != found.num_bytes:
        raise CodestreamError(f"{len(content)} bytes were decoded, {found.num_bytes} expected", format="JPEG-LS")
    planes = np.frombuffer(content, found.dtype.newbyteorder("<"))
    planes = planes.reshape(found.samples_per_pixel, found.rows, found.columns)
    return planes.transpose(1, 2, 0).tobytes(), found
