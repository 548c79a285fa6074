"""Decoding of JPEG (ITU-T T.81) by pylibjpeg-libjpeg: Baseline, Extended and Lossless. PS3.5 A.4.1 and 8.2.1."""

from __future__ import annotations

from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest
from gpucodec.codecs.formats import Family
from gpucodec.codecs.options import DecodeOptions, EncodeOptions
from gpucodec.errors import CodestreamError, UnsupportedError
from gpucodec.frames import FrameSpec
from gpucodec.libraries.base import LibraryCodec, found_spec, read_header, translated

__all__ = ["codecs", "decode_frame", "encode_frame", "inspect"]

_CANNOT_ENCODE = "pylibjpeg-libjpeg cannot write JPEG"


class LibjpegCodec(LibraryCodec):
    """JPEG by libjpeg of Thomas Richter."""

    name = "pylibjpeg-libjpeg"
    import_name = "libjpeg"
    module = __name__
    encode_rate = float("inf")
    decode_rate = 100e6

    def encode_limits(self, request: EncodeRequest) -> list[str]:  # noqa: ARG002
        """Return that it only decodes."""
        return [_CANNOT_ENCODE]

    def decode_limits(self, request: DecodeRequest) -> list[str]:  # noqa: ARG002
        """Return nothing: what libjpeg cannot decode stands in the codestream, not in the dataset."""
        return []


def codecs(family: Family) -> list[Codec]:
    """Return this library's codecs for a family of formats."""
    return [LibjpegCodec()] if family is Family.JPEG else []


def inspect(codestream: bytes, spec: FrameSpec, options: DecodeOptions) -> FrameSpec:
    """Return what a codestream holds, without decoding it.

    JPEG knows no sign: always unsigned. No colour transform is undone, so the photometric interpretation is
    that of the dataset; subsampled chroma is brought to full size.
    """
    header = read_header(codestream, spec, options)
    if header.format != "JPEG":
        raise CodestreamError(f"the codestream is {header.format}", format="JPEG", offset=0)
    return found_spec(header, spec)


def encode_frame(frame: bytes, spec: FrameSpec, options: EncodeOptions) -> bytes:  # noqa: ARG001
    """Refuse: pylibjpeg-libjpeg only decodes.

    Raises
    ------
    UnsupportedError
        Always.
    """
    raise UnsupportedError(_CANNOT_ENCODE)


def decode_frame(codestream: bytes, spec: FrameSpec, options: DecodeOptions) -> tuple[bytearray, FrameSpec]:
    """Decode one codestream.

    Returns
    -------
    bytearray
        The samples, little-endian, colour-by-pixel.
    FrameSpec
        What was found.
    """
    from libjpeg.utils import decode_pixel_data

    found = inspect(codestream, spec, options)
    with translated(CodestreamError, format="JPEG"):
        content: bytearray = decode_pixel_data(codestream, version=2)
    return content, found
