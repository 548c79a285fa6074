"""What the header of a JPEG, JPEG-LS, JPEG 2000 or HTJ2K codestream says about the frame inside.

Only the marker segments up to the frame header are read: SOF of ITU-T T.81 B.2.2 and T.87 C.2.2, SIZ of
ITU-T T.800 A.5.1. A JPEG 2000 codestream inside JP2 boxes is found too. Every index is checked against the
length: wrong bytes raise `CodestreamError`, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpucodec.codestream.j2k_size import FORMAT, JP2_SIGNATURE, SOC, find_codestream, read_size, unpack
from gpucodec.errors import CodestreamError, TruncatedCodestreamError

__all__ = ["FrameHeader", "read_frame_header"]

_SOI = b"\xff\xd8"
_MAX_SEGMENTS = 65536
_STANDALONE = {0x01, *range(0xD0, 0xD9)}  # TEM, RSTn, SOI: no length follows
_SOF = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # without DHT, JPG and DAC
_SOF55 = 0xF7  # JPEG-LS, T.87 C.1.1


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What a codestream says of its frame.

    Parameters
    ----------
    rows, columns : int
        Size of the image area in pixels.
    samples : int
        Number of components.
    precision : int
        Bits of a sample; of components that differ, the largest.
    is_signed : bool
        Whether any component is signed; always False for JPEG and JPEG-LS.
    is_uniform : bool
        Whether all components have the same precision and sign.
    is_subsampled : bool
        Whether the components differ in size or are smaller than the image area.
    image_offset : tuple of int
        Row and column where a JPEG 2000 image area starts on the reference grid.
    codestream_offset : int
        Byte offset at which the codestream itself starts; above 0 inside JP2 boxes.
    format : str
        ``"JPEG"``, ``"JPEG-LS"`` or ``"JPEG 2000"`` (HTJ2K included).
    """

    rows: int
    columns: int
    samples: int
    precision: int
    is_signed: bool = False
    is_uniform: bool = True
    is_subsampled: bool = False
    image_offset: tuple[int, int] = (0, 0)
    codestream_offset: int = 0
    format: str = ""


def read_frame_header(codestream: bytes | bytearray | memoryview) -> FrameHeader:
    """Read the frame header of a codestream.

    Parameters
    ----------
    codestream : bytes-like
        One frame: JPEG, JPEG-LS, JPEG 2000 or HTJ2K, the latter two also inside JP2 boxes. What follows the
        frame header is not looked at, unless a JPEG-LS codestream leaves it to say the size.

    Returns
    -------
    FrameHeader

    Raises
    ------
    TruncatedCodestreamError
        If the codestream ends before its frame header does.
    CodestreamError
        If it is none of these formats, or its header contradicts itself; names offset and marker.
    """
    data = memoryview(codestream).cast("B")
    start = bytes(data[:12])
    if start[:2] == _SOI:
        return _read_jpeg(data)
    if start[:2] == SOC:
        return _read_j2k(data, 0)
    if start == JP2_SIGNATURE:
        return _read_j2k(data, find_codestream(data))
    if any(signature.startswith(start) for signature in (_SOI, SOC, JP2_SIGNATURE)):
        raise TruncatedCodestreamError(f"{len(data)} bytes are too few for a codestream", offset=len(data))
    raise CodestreamError(
        f"starts with {start[:4].hex()}, which is neither SOI (JPEG, JPEG-LS), SOC (JPEG 2000) nor a JP2 box",
        offset=0,
    )


def _read_j2k(data: memoryview, start: int) -> FrameHeader:
    """Return what SIZ says of the frame."""
    size = read_size(data, start)
    components = size.components
    return FrameHeader(
        rows=size.rows,
        columns=size.columns,
        samples=len(components),
        precision=max(component.precision for component in components),
        is_signed=any(component.is_signed for component in components),
        is_uniform=len({(component.precision, component.is_signed) for component in components}) == 1,
        is_subsampled=size.is_subsampled,
        image_offset=(size.y0, size.x0),
        codestream_offset=start,
        format=FORMAT,
    )


def _read_jpeg(data: memoryview) -> FrameHeader:
    """Walk the marker segments to the frame header, T.81 B.1.1 and B.2.1."""
    offset = 2
    for _ in range(_MAX_SEGMENTS):
        prefix, code = unpack(">BB", data, offset, "SOF", "JPEG")
        if prefix != 0xFF or code == 0x00:
            raise CodestreamError(f"{prefix:02x}{code:02x} is not a marker", format="JPEG", offset=offset)
        if code == 0xFF:  # a fill byte, T.81 B.1.1.2
            offset += 1
            continue
        if code in _SOF or code == _SOF55:
            return _read_sof(data, offset, code)
        if code in (0xD9, 0xDA, 0xDE):
            name = {0xD9: "EOI", 0xDA: "SOS", 0xDE: "DHP"}[code]
            raise CodestreamError(f"{name} stands before a frame header", format="JPEG", offset=offset, marker=name)
        offset += 2
        if code not in _STANDALONE:
            (length,) = unpack(">H", data, offset, "SOF", "JPEG")
            if length < 2:
                raise CodestreamError(f"a marker segment of length {length}", format="JPEG", offset=offset)
            offset += length
    raise CodestreamError(f"no frame header in {_MAX_SEGMENTS} marker segments", format="JPEG", offset=offset)


def _read_sof(data: memoryview, offset: int, code: int) -> FrameHeader:
    """Read the frame header, T.81 B.2.2 and T.87 C.2.2."""
    fmt = "JPEG-LS" if code == _SOF55 else "JPEG"
    marker = f"SOF{55 if code == _SOF55 else code - 0xC0}"
    length, precision, rows, columns, samples = unpack(">HBHHB", data, offset + 2, marker, fmt)
    if not samples or length != 8 + 3 * samples:
        raise CodestreamError(
            f"a length of {length} does not go with {samples} components", format=fmt, offset=offset + 2, marker=marker
        )
    if not 2 <= precision <= 16:
        raise CodestreamError(
            f"a precision of {precision} is not allowed, must be 2 to 16", format=fmt, offset=offset + 4, marker=marker
        )
    if code == _SOF55 and not (rows and columns):
        rows, columns = _told_elsewhere(data)
    if not rows or not columns:  # of JPEG, rows of 0 would be told by DNL after the scan; no DICOM writer does that
        raise CodestreamError(
            f"a size of {rows} x {columns} is not allowed", format=fmt, offset=offset + 5, marker=marker
        )
    described = unpack(f">{3 * samples}B", data, offset + 10, marker, fmt)
    return FrameHeader(rows, columns, samples, precision, is_subsampled=len(set(described[1::3])) > 1, format=fmt)


def _told_elsewhere(data: memoryview) -> tuple[int, int]:
    """Return the size that a JPEG-LS codestream says in LSE or, its rows, in DNL (T.87 C.2.4.1.4 and C.2.6)."""
    from gpucodec.codestream.jpegls import read_codestream

    description = read_codestream(bytes(data))
    return description.rows, description.columns
