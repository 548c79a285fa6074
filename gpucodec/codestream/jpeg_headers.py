"""What the header of a JPEG, JPEG-LS, JPEG 2000 or HTJ2K codestream says about the frame inside.

Only the marker segments up to the frame header are read: SOF of ITU-T T.81 B.2.2 and T.87 C.2.2, SIZ of
ITU-T T.800 A.5.1. A JPEG 2000 codestream inside JP2 boxes (T.800 Annex I) is found too, though PS3.5 A.4.4
forbids the boxes. Every index is checked against the length: wrong bytes raise `CodestreamError`, nothing else.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gpucodec.errors import CodestreamError, TruncatedCodestreamError

__all__ = ["FrameHeader", "read_frame_header"]

_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_SOI = b"\xff\xd8"
_SOC = b"\xff\x4f"
_MAX_BOXES = 1024
_MAX_SEGMENTS = 65536
_MAX_COMPONENTS = 16384  # T.800 Table A.9
_MAX_TILES = 65535  # T.800 A.4.2: the tile index of SOT has 16 bits
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
        frame header is not looked at.

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
    if start[:2] == _SOC:
        return _read_siz(data, 0)
    if start == _JP2_SIGNATURE:
        return _read_siz(data, _find_codestream_box(data))
    if any(signature.startswith(start) for signature in (_SOI, _SOC, _JP2_SIGNATURE)):
        raise TruncatedCodestreamError(f"{len(data)} bytes are too few for a codestream", offset=len(data))
    raise CodestreamError(
        f"starts with {start[:4].hex()}, which is neither SOI (JPEG, JPEG-LS), SOC (JPEG 2000) nor a JP2 box",
        offset=0,
    )


def _unpack(layout: str, data: memoryview, offset: int, marker: str, fmt: str) -> tuple[int, ...]:
    if offset + struct.calcsize(layout) > len(data):
        raise TruncatedCodestreamError(
            "the codestream ends inside its header", format=fmt, offset=len(data), marker=marker
        )
    return struct.unpack_from(layout, data, offset)


def _find_codestream_box(data: memoryview) -> int:
    """Return the offset of the first contiguous codestream box's content, T.800 I.5.4."""
    offset = 0
    for _ in range(_MAX_BOXES):
        length, name = _unpack(">II", data, offset, "jp2c", "JPEG 2000")
        header = 8
        if length == 1:  # the length is in the extended field
            (length,) = _unpack(">Q", data, offset + 8, "jp2c", "JPEG 2000")
            header = 16
        if name == 0x6A703263:  # "jp2c"
            return offset + header
        if length < header:  # 0 means up to the end, so there is no codestream after it
            raise CodestreamError(
                f"a JP2 box of length {length} stands before the codestream", format="JPEG 2000", offset=offset
            )
        offset += length
    raise CodestreamError(f"no codestream in the first {_MAX_BOXES} JP2 boxes", format="JPEG 2000", offset=offset)


def _read_siz(data: memoryview, start: int) -> FrameHeader:
    """Read SIZ, which directly follows SOC (T.800 A.5.1)."""
    fmt = "JPEG 2000"
    soc, siz, length, _, *area = _unpack(">HHHH8I", data, start, "SIZ", fmt)
    if (soc, siz) != (0xFF4F, 0xFF51):
        raise CodestreamError("does not start with SOC and SIZ", format=fmt, offset=start, marker="SIZ")
    (samples,) = _unpack(">H", data, start + 40, "SIZ", fmt)
    if not 1 <= samples <= _MAX_COMPONENTS or length != 38 + 3 * samples:
        raise CodestreamError(
            f"a length of {length} does not go with {samples} components", format=fmt, offset=start + 4, marker="SIZ"
        )
    described = _unpack(f">{3 * samples}B", data, start + 42, "SIZ", fmt)
    _check_area(area, start)
    depths, steps = described[0::3], set(described[1::3]) | set(described[2::3])
    precision = max(depth & 0x7F for depth in depths) + 1
    if precision > 38 or 0 in steps:
        raise CodestreamError(
            f"a precision of {precision} (1 to 38) or a sampling of {min(steps)} (1 to 255) is not allowed",
            format=fmt,
            offset=start + 42,
            marker="SIZ",
        )
    return FrameHeader(
        rows=area[1] - area[3],
        columns=area[0] - area[2],
        samples=samples,
        precision=precision,
        is_signed=any(depth & 0x80 for depth in depths),
        is_uniform=len(set(depths)) == 1,
        is_subsampled=steps != {1},
        image_offset=(area[3], area[2]),
        codestream_offset=start,
        format=fmt,
    )


def _check_area(area: list[int], start: int) -> None:
    """Check image and tile area on the reference grid, T.800 B.2 and B.3."""
    for end, begin, size, origin in zip(area[0:2], area[2:4], area[4:6], area[6:8], strict=True):
        if not (begin < end and size and origin <= begin < origin + size):
            raise CodestreamError(
                f"an image area from {begin} to {end} with tiles of {size} from {origin} is not allowed",
                format="JPEG 2000",
                offset=start + 8,
                marker="SIZ",
            )
    across, down = (-(-(area[i] - area[i + 6]) // area[i + 4]) for i in (0, 1))
    if across * down > _MAX_TILES:
        raise CodestreamError(
            f"{across} x {down} tiles are more than {_MAX_TILES}", format="JPEG 2000", offset=start + 24, marker="SIZ"
        )


def _read_jpeg(data: memoryview) -> FrameHeader:
    """Walk the marker segments to the frame header, T.81 B.1.1 and B.2.1."""
    offset = 2
    for _ in range(_MAX_SEGMENTS):
        prefix, code = _unpack(">BB", data, offset, "SOF", "JPEG")
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
            (length,) = _unpack(">H", data, offset, "SOF", "JPEG")
            if length < 2:
                raise CodestreamError(f"a marker segment of length {length}", format="JPEG", offset=offset)
            offset += length
    raise CodestreamError(f"no frame header in {_MAX_SEGMENTS} marker segments", format="JPEG", offset=offset)


def _read_sof(data: memoryview, offset: int, code: int) -> FrameHeader:
    """Read the frame header, T.81 B.2.2 and T.87 C.2.2."""
    fmt = "JPEG-LS" if code == _SOF55 else "JPEG"
    marker = f"SOF{55 if code == _SOF55 else code - 0xC0}"
    length, precision, rows, columns, samples = _unpack(">HBHHB", data, offset + 2, marker, fmt)
    if not samples or length != 8 + 3 * samples:
        raise CodestreamError(
            f"a length of {length} does not go with {samples} components", format=fmt, offset=offset + 2, marker=marker
        )
    if not 2 <= precision <= 16:
        raise CodestreamError(
            f"a precision of {precision} is not allowed, must be 2 to 16", format=fmt, offset=offset + 4, marker=marker
        )
    if not rows or not columns:  # rows of 0 would be told by DNL after the scan; no DICOM writer does that
        raise CodestreamError(
            f"a size of {rows} x {columns} is not allowed", format=fmt, offset=offset + 5, marker=marker
        )
    described = _unpack(f">{3 * samples}B", data, offset + 10, marker, fmt)
    return FrameHeader(rows, columns, samples, precision, is_subsampled=len(set(described[1::3])) > 1, format=fmt)
