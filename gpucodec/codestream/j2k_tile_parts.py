"""Going from tile-part to tile-part through a JPEG 2000 codestream, ITU-T T.800 A.4.

A missing EOC and bytes of padding after the last tile-part are let pass; everything else that is not there is an error.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from gpucodec.codestream.j2k_codes import Marker
from gpucodec.codestream.j2k_packed_headers import PackedHeaders
from gpucodec.codestream.j2k_segments import Segment
from gpucodec.codestream.j2k_size import FORMAT, ImageSize
from gpucodec.codestream.j2k_walk import decisive_segments, tile_segments
from gpucodec.errors import CodestreamError, LimitExceededError, TruncatedCodestreamError

__all__ = ["TileParts"]

_EOC = b"\xff\xd9"
_SOT_BYTES = 12
_EMPTY_HEADER = b"\xff\x93"
_MANY_HEADERS = 1 << 18


@dataclass(slots=True)
class TileParts:
    """Goes from tile-part to tile-part, and collects what is found.

    Parameters
    ----------
    data : bytes
        The codestream.
    size : ImageSize
        What SIZ says.
    packed : PackedHeaders
        What PPM holds; takes in what PPT does.
    """

    data: bytes
    size: ImageSize
    packed: PackedHeaders
    rows: list[tuple[int, int, int, int]] = field(default_factory=list)  # tile, index of the tile-part, begin, end
    headers: dict[int, list[tuple[int, list[Segment]]]] = field(default_factory=dict)

    def read(self, position: int) -> None:
        """Read all tile-parts from where the first one is."""
        data, size = self.data, len(self.data)
        num_tiles = self.size.tiles_across * self.size.tiles_down
        rows, packed = self.rows, self.packed.is_in_main
        while position < size:
            if position + _SOT_BYTES > size or data[position : position + 2] != b"\xff\x90":
                self._check_end(position)
                return
            _, length, tile, num_bytes, index, _ = struct.unpack_from(">HHHIBB", data, position)
            end = position + num_bytes if num_bytes else self._end_of_packets()
            if length != 10 or tile >= num_tiles or (num_bytes and num_bytes < _SOT_BYTES):
                self._refuse(position, length, tile, num_bytes)
            if end > size:
                raise TruncatedCodestreamError(
                    f"a tile-part of {num_bytes} bytes is cut off", format=FORMAT, offset=size, marker="SOT"
                )
            begin = position + _SOT_BYTES
            if data[begin : begin + 2] == _EMPTY_HEADER:
                begin += 2
            elif num_bytes != _SOT_BYTES:
                begin = self._read_header(tile, index, begin)
            if begin > end:
                raise CodestreamError(
                    f"a tile-part of {num_bytes} bytes ends inside its header",
                    format=FORMAT,
                    offset=position + 6,
                    marker="SOT",
                )
            if packed:
                self.packed.next_tile_part(tile, index)
            rows.append((tile, index, begin, end))
            position = end
        if not rows:
            raise TruncatedCodestreamError("the codestream has no tile-part", format=FORMAT, offset=size)

    def in_order(self) -> tuple[list[tuple[int, int, int, int]], dict[int, list[Segment]]]:
        """Return all tile-parts by tile and index, and the marker segments of each tile's headers in their order."""
        self._check_headers()
        self._check_order()
        headers = {
            tile: [segment for _, part in sorted(parts, key=lambda part: part[0]) for segment in part]
            for tile, parts in sorted(self.headers.items())
        }
        return sorted(self.rows), headers

    def _end_of_packets(self) -> int:
        """Return where the last tile-part ends, whose length is not told: before EOC, which padding may follow."""
        stripped = self.data.rstrip(b"\x00")
        return len(stripped) - len(_EOC) if stripped.endswith(_EOC) else len(self.data)

    def _check_end(self, position: int) -> None:
        """Check that EOC follows the last tile-part, or nothing but padding."""
        rest = self.data[position : position + 2]
        if not self.rows and len(self.data) - position < _SOT_BYTES:
            raise TruncatedCodestreamError("the codestream has no tile-part", format=FORMAT, offset=len(self.data))
        if rest == _EOC or not self.data[position:].strip(b"\x00"):
            return
        if _EOC.startswith(rest) or (rest == b"\xff\x90" and len(self.data) - position < _SOT_BYTES):
            raise TruncatedCodestreamError("the codestream ends inside SOT", format=FORMAT, offset=len(self.data))
        raise CodestreamError(f"{rest.hex()} stands where SOT or EOC must", format=FORMAT, offset=position)

    def _refuse(self, position: int, length: int, tile: int, num_bytes: int) -> None:
        if length != 10:
            message = f"a length of {length} is not allowed, must be 10"
        elif num_bytes and num_bytes < _SOT_BYTES:
            message = f"a tile-part of {num_bytes} bytes is too short"
        else:
            size = self.size
            message = f"there is no tile {tile}, there are {size.tiles_across * size.tiles_down}"
        raise CodestreamError(message, format=FORMAT, offset=position + 2, marker="SOT")

    def _read_header(self, tile: int, index: int, position: int) -> int:
        """Read a tile-part header; return where its packets begin."""
        segments, end = tile_segments(self.data, position)
        decisive = decisive_segments(segments)
        if decisive:
            self.headers.setdefault(tile, []).append((index, decisive))
        self.packed.add_tile_part(tile, index, [segment for segment in segments if segment.code == Marker.PPT])
        return end + 2

    def _check_headers(self) -> None:
        """Refuse headers that take long to apply, each to many components."""
        number = len(self.headers) * len(self.size.components)
        if number > max(_MANY_HEADERS, len(self.data)):
            raise LimitExceededError(f"{number} tile-components with headers of their own are too many for few bytes")

    def _check_order(self) -> None:
        if len(self.rows) == 1:
            return
        seen = set()
        for tile, index, begin, _ in self.rows:
            if (tile, index) in seen:
                raise CodestreamError(
                    f"tile {tile} has two tile-parts {index}", format=FORMAT, offset=begin, marker="SOT"
                )
            seen.add((tile, index))
