"""Going from marker segment to marker segment through a header of a JPEG 2000 codestream, ITU-T T.800 A.1."""

from __future__ import annotations

import struct

from gpucodec.codestream.j2k_codes import Marker, marker_name
from gpucodec.codestream.j2k_segments import Segment
from gpucodec.codestream.j2k_size import FORMAT, unpack
from gpucodec.errors import CodestreamError, TruncatedCodestreamError

__all__ = ["decisive_segments", "identity", "main_segments", "tile_segments"]

# What tells how samples are coded; the rest of a header may differ from frame to frame.
_DECISIVE = frozenset((Marker.CAP, Marker.COD, Marker.COC, Marker.QCD, Marker.QCC, Marker.RGN, Marker.POC))
_IN_MAIN = _DECISIVE | {Marker.TLM, Marker.PLM, Marker.CPF, Marker.CRG, Marker.COM, Marker.PPM}
_IN_TILE = (_DECISIVE - {Marker.CAP}) | {Marker.PLT, Marker.COM, Marker.PPT}
_DELIMITERS = frozenset((Marker.SOC, Marker.SOD, Marker.EOC, Marker.SOT))
_NO_LENGTH = range(0xFF30, 0xFF40)  # reserved for markers that stand alone, Table A.1


def main_segments(data: bytes, position: int) -> tuple[list[Segment], int]:
    """Return the marker segments up to the first SOT, and where that is."""
    return _segments(data, position, Marker.SOT, _IN_MAIN)


def tile_segments(data: bytes, position: int) -> tuple[list[Segment], int]:
    """Return the marker segments up to SOD, and where that is."""
    return _segments(data, position, Marker.SOD, _IN_TILE)


def decisive_segments(segments: list[Segment]) -> list[Segment]:
    """Return the marker segments that tell how samples are coded."""
    return [segment for segment in segments if segment.code in _DECISIVE]


def identity(segment: Segment) -> bytes:
    """Return bytes that are equal where two marker segments are."""
    return struct.pack(">HI", segment.code, len(segment.body)) + segment.body


def _segments(data: bytes, position: int, last: Marker, allowed: frozenset[Marker]) -> tuple[list[Segment], int]:
    """Return the marker segments up to the marker `last`, and where that is."""
    found: list[Segment] = []
    size = len(data)
    while True:
        if position + 4 > size:
            (code,) = unpack(">H", data, position, marker_name(last))
            length = 2
        else:
            code, length = struct.unpack_from(">HH", data, position)
        if code == last:
            return found, position
        if code in _NO_LENGTH:
            position += 2
            continue
        end = position + 2 + length
        if code < 0xFF00 or code in _DELIMITERS:
            raise CodestreamError(
                f"{code:04x} stands where a marker segment or {last.name} must", format=FORMAT, offset=position
            )
        if length < 2:
            raise CodestreamError(
                f"a length of {length} is not allowed", format=FORMAT, offset=position + 2, marker=marker_name(code)
            )
        if end > size:
            raise TruncatedCodestreamError(
                "the codestream ends inside its header", format=FORMAT, offset=size, marker=marker_name(code)
            )
        if code in allowed:
            found.append(Segment(code, data[position + 4 : end], position))
        elif code in Marker._value2member_map_:
            where = "main" if last == Marker.SOT else "tile-part"
            raise CodestreamError(
                f"{marker_name(code)} is not allowed in a {where} header", format=FORMAT, offset=position
            )
        position = end
