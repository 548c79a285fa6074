"""JPEG 2000 by pylibjpeg-openjpeg: encoding and decoding of Part 1, decoding of Part 15 (HTJ2K).

Encoded as pydicom's own plugin does, byte for byte. PS3.5 A.4.4 and 8.2.4.
"""

from __future__ import annotations

from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest
from gpucodec.codecs.formats import Family, get_format
from gpucodec.codecs.options import DecodeOptions, EncodeOptions
from gpucodec.errors import CodestreamError, GpucodecError, UnsupportedError
from gpucodec.frames import FrameSpec
from gpucodec.libraries.base import LibraryCodec, found_spec, narrow, read_header, translated

__all__ = ["codecs", "decode_frame", "encode_frame", "inspect"]

# What pylibjpeg-openjpeg always uses are 6 resolutions, and OpenJPEG refuses a tile smaller than 2**5.
_SMALLEST_SIDE = 32
_MAX_BITS = 24


class OpenJpegCodec(LibraryCodec):
    """JPEG 2000 by OpenJPEG."""

    name = "pylibjpeg-openjpeg"
    import_name = "openjpeg"
    module = __name__
    encode_rate = 16e6
    decode_rate = 20e6

    def encode_limits(self, request: EncodeRequest) -> list[str]:
        """Return what OpenJPEG, as pylibjpeg-openjpeg calls it, cannot encode."""
        if get_format(request.transfer_syntax_uid).family is Family.HTJ2K:
            return ["pylibjpeg-openjpeg cannot write HTJ2K"]
        spec, reasons = request.spec, []
        if min(spec.rows, spec.columns) < _SMALLEST_SIDE:
            reasons.append(f"frames of {spec.rows} x {spec.columns} are too small, each side must be 32 or more")
        if spec.bits_stored > _MAX_BITS:
            reasons.append(f"{spec.bits_stored} bits stored, at most {_MAX_BITS} are possible")
        return reasons

    def decode_limits(self, request: DecodeRequest) -> list[str]:  # noqa: ARG002
        """Return nothing: what OpenJPEG cannot decode stands in the codestream, not in the dataset."""
        return []


def codecs(family: Family) -> list[Codec]:
    """Return this library's codecs for a family of formats."""
    return [OpenJpegCodec()] if family in (Family.JPEG_2000, Family.HTJ2K) else []


def inspect(codestream: bytes, spec: FrameSpec, options: DecodeOptions) -> FrameSpec:
    """Return what a codestream holds, without decoding it.

    The component transforms RCT and ICT are undone by the decoder, so YBR_RCT and YBR_ICT become RGB.
    """
    header = read_header(codestream, spec, options)
    if header.format != "JPEG 2000":
        raise CodestreamError(f"the codestream is {header.format}", format="JPEG 2000", offset=0)
    if not header.is_uniform:
        # pylibjpeg-openjpeg takes precision and sign of all components from the first
        raise UnsupportedError("Unable to decode components of different precision or sign with pylibjpeg-openjpeg")
    if header.image_offset != (0, 0):
        # pylibjpeg-openjpeg takes the size from the end of the image area, as if it started at 0
        raise UnsupportedError(
            f"Unable to decode an image area that starts at {header.image_offset} with pylibjpeg-openjpeg"
        )
    found = found_spec(header, spec)
    if spec.photometric_interpretation in ("YBR_RCT", "YBR_ICT"):
        found = found.replace(photometric_interpretation="RGB")
    return found


def encode_frame(frame: bytes, spec: FrameSpec, options: EncodeOptions) -> bytes:
    """Encode one frame, lossless unless the options have compression ratios or signal-to-noise ratios.

    Parameters
    ----------
    frame : bytes
        Little-endian, colour-by-pixel. A photometric interpretation of YBR_RCT or YBR_ICT has RGB samples and
        asks for the component transform.

    Raises
    ------
    GpucodecError
        If OpenJPEG fails, or cannot keep a lossless frame lossless.
    """
    from openjpeg.utils import encode_pixel_data

    samples = narrow(frame, spec).tobytes()
    lossy = {"compression_ratios": list(options.j2k_cr), "signal_noise_ratios": list(options.j2k_psnr)}
    with translated(GpucodecError):
        codestream: bytes = encode_pixel_data(
            samples,
            rows=spec.rows,
            columns=spec.columns,
            samples_per_pixel=spec.samples_per_pixel,
            bits_stored=spec.bits_stored,
            pixel_representation=spec.pixel_representation,
            photometric_interpretation=spec.photometric_interpretation,
            **({name: ratios for name, ratios in lossy.items() if ratios}),
        )
    has_rct = spec.photometric_interpretation in ("YBR_RCT", "YBR_ICT")
    if not options.is_lossy and spec.bits_stored + has_rct >= _MAX_BITS:
        _check_lossless(codestream, samples)
    return codestream


def _check_lossless(codestream: bytes, samples: bytes) -> None:
    """Decode at the limit of OpenJPEG's 32-bit arithmetic, where strong contrasts overflow and nothing is said."""
    from openjpeg.utils import decode_pixel_data

    with translated(GpucodecError):
        decoded = decode_pixel_data(codestream, version=2)
    if decoded != samples:
        raise GpucodecError("OpenJPEG's arithmetic overflows on these samples, the frame would not be lossless")


def decode_frame(codestream: bytes, spec: FrameSpec, options: DecodeOptions) -> tuple[bytearray, FrameSpec]:
    """Decode one codestream, with or without JP2 boxes around it.

    Returns
    -------
    bytearray
        The samples, little-endian, colour-by-pixel.
    FrameSpec
        What was found.
    """
    from openjpeg.utils import decode_pixel_data

    found = inspect(codestream, spec, options)
    # The boxes stay behind: a palette or a channel definition among them would change the number of components
    # behind the back of pylibjpeg-openjpeg, which has allocated for those of SIZ.
    start = read_header(codestream, spec, options).codestream_offset
    with translated(CodestreamError, format="JPEG 2000"):
        content: bytearray = decode_pixel_data(codestream[start:], version=2)
    return content, found
