"""RLE Lossless (PS3.5 Annex G) by pylibjpeg-rle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest
from gpucodec.codecs.formats import Family
from gpucodec.codecs.options import DecodeOptions, EncodeOptions
from gpucodec.errors import CodestreamError, GpucodecError, TruncatedCodestreamError
from gpucodec.frames import FrameSpec
from gpucodec.libraries.base import LibraryCodec, check_size, translated

__all__ = ["codecs", "decode_frame", "encode_frame", "inspect"]

_HEADER_BYTES = 64
_MAX_SEGMENTS = 15


class RleCodec(LibraryCodec):
    """RLE Lossless by pylibjpeg-rle."""

    name = "pylibjpeg-rle"
    import_name = "rle"
    module = __name__
    encode_rate = 100e6
    decode_rate = float("inf")  # 1.8 GB/s, which is about as fast as copying

    def encode_limits(self, request: EncodeRequest) -> list[str]:
        """Return what RLE (at most 15 segments, PS3.5 G.2) or the library cannot encode."""
        return _limits(request.spec)

    def decode_limits(self, request: DecodeRequest) -> list[str]:
        """Return what RLE or the library cannot decode."""
        return _limits(request.spec)


def codecs(family: Family) -> list[Codec]:
    """Return this library's codecs for a family of formats."""
    return [RleCodec()] if family is Family.RLE else []


def _limits(spec: FrameSpec) -> list[str]:
    reasons = []
    if spec.samples_per_pixel not in (1, 3):
        reasons.append(f"{spec.samples_per_pixel} samples per pixel, pylibjpeg-rle allows 1 or 3")
    if (segments := _num_segments(spec)) > _MAX_SEGMENTS:
        reasons.append(f"{segments} bytes a pixel need as many RLE segments, at most {_MAX_SEGMENTS} are allowed")
    return reasons


def _num_segments(spec: FrameSpec) -> int:
    return spec.samples_per_pixel * spec.bits_allocated // 8


def inspect(codestream: bytes, spec: FrameSpec, options: DecodeOptions) -> FrameSpec:
    """Check an RLE header, PS3.5 G.5; it says nothing of the frame, so what is found is what the dataset says."""
    if len(codestream) < _HEADER_BYTES:
        raise TruncatedCodestreamError(
            f"{len(codestream)} bytes are too few for the header of {_HEADER_BYTES}",
            format="RLE",
            offset=len(codestream),
        )
    told, expected = int.from_bytes(codestream[:4], "little"), _num_segments(spec)
    if told != expected:
        raise CodestreamError(f"the header says {told} segments, the dataset {expected}", format="RLE", offset=0)
    check_size(spec.num_bytes, options)
    return spec.replace(planar_configuration=0)


def encode_frame(frame: bytes, spec: FrameSpec, options: EncodeOptions) -> bytes:  # noqa: ARG001
    """Encode one frame.

    Parameters
    ----------
    frame : bytes
        Little-endian, colour-by-pixel.

    Raises
    ------
    GpucodecError
        If the library fails.
    """
    from rle.utils import encode_pixel_data

    with translated(GpucodecError), _no_panic():
        codestream: bytes = encode_pixel_data(
            frame,
            byteorder="<",
            rows=spec.rows,
            columns=spec.columns,
            samples_per_pixel=spec.samples_per_pixel,
            bits_allocated=spec.bits_allocated,
        )
    return codestream


def decode_frame(codestream: bytes, spec: FrameSpec, options: DecodeOptions) -> tuple[bytes | bytearray, FrameSpec]:
    """Decode one codestream.

    Returns
    -------
    bytes or bytearray
        The samples, little-endian, colour-by-pixel.
    FrameSpec
        What was found: the dataset's own description.
    """
    from rle.utils import decode_pixel_data

    found = inspect(codestream, spec, options)
    # Segments in reversed order, read as the standard has them, are big-endian samples; asking for big-endian
    # output turns them round.
    order = "<" if options.rle_segment_order == ">" else ">"
    size = {"rows": spec.rows, "columns": spec.columns, "bits_allocated": spec.bits_allocated}
    with translated(CodestreamError, format="RLE"), _no_panic():
        content: bytearray = decode_pixel_data(codestream, version=2, byteorder=order, **size)
    if found.samples_per_pixel == 1:
        return content, found
    if len(content) != found.num_bytes:
        raise CodestreamError(f"{len(content)} bytes were decoded, {found.num_bytes} expected", format="RLE")
    planes = np.frombuffer(content, found.dtype.newbyteorder("<"))
    planes = planes.reshape(found.samples_per_pixel, found.rows, found.columns)
    return planes.transpose(1, 2, 0).tobytes(), found


@contextmanager
def _no_panic() -> Iterator[None]:
    """Turn a panic of the library's Rust code, which is no `Exception`, into one."""
    try:
        yield
    except BaseException as panic:
        if type(panic).__name__ != "PanicException":
            raise
        raise RuntimeError(f"pylibjpeg-rle panicked: {panic}") from panic
