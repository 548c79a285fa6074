"""Reading a JPEG 2000 or HTJ2K codestream down to where its packets lie, ITU-T T.800 Annex A.

What is done is in proportion to the bytes there are, never to what they claim. A missing EOC and bytes of padding
after the last tile-part are let pass; everything else that is not there is an error.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gpucodec.codestream.j2k_codes import Marker, marker_name
from gpucodec.codestream.j2k_headers import TileParameters, read_main_header, read_tile_header
from gpucodec.codestream.j2k_packed_headers import PackedHeaders
from gpucodec.codestream.j2k_segments import HIGH_THROUGHPUT, Segment
from gpucodec.codestream.j2k_size import FORMAT, ImageSize, find_codestream, read_size, unpack
from gpucodec.errors import CodestreamError, LimitExceededError, TruncatedCodestreamError

__all__ = ["MAX_BITPLANES", "Codestream", "read_codestream"]

MAX_BITPLANES = 31
_MAX_PRECISION = 31
_PART_2 = 0x8000  # of Rsiz

_EOC = b"\xff\xd9"
_SOT_BYTES = 12
_EMPTY_HEADER = b"\xff\x93"
# What tells how samples are coded; the rest of a header may differ from frame to frame.
_DECISIVE = frozenset((Marker.CAP, Marker.COD, Marker.COC, Marker.QCD, Marker.QCC, Marker.RGN, Marker.POC))
_PASSED_OVER = frozenset((Marker.TLM, Marker.PLM, Marker.PLT, Marker.CPF, Marker.CRG, Marker.COM))
_IN_MAIN = _DECISIVE | (_PASSED_OVER - {Marker.PLT}) | {Marker.PPM}
_IN_TILE = (_DECISIVE - {Marker.CAP}) | {Marker.PLT, Marker.COM, Marker.PPT}
_DELIMITERS = frozenset((Marker.SOC, Marker.SOD, Marker.EOC, Marker.SOT))
_NO_LENGTH = range(0xFF30, 0xFF40)  # reserved for markers that stand alone, Table A.1
_MAX_KNOWN = 64
_MANY_HEADERS = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class Codestream:
    """What a codestream's headers say, and where its packets lie.

    Parameters
    ----------
    data : bytes
        The frame's bytes.
    codestream_offset : int
        Where SOC is; above 0 inside JP2 boxes.
    size : ImageSize
        What SIZ says.
    parameters : TileParameters
        How tiles are coded whose own headers say nothing else.
    tile_parameters : dict
        Those whose headers do, by tile.
    tile_parts : array
        int64, ``(n, 3)``: tile, first byte and end of a tile-part's packets in `data`; by tile, then in their order.
    packed_headers : bytes
        All packet headers that PPM or PPT marker segments hold.
    packed_parts : array
        int64, ``(n, 3)``: tile, first byte and end in `packed_headers`, in the order of `tile_parts`; empty where
        headers stand before packets' bodies.
    plan_key : bytes
        Equal where two codestreams are cut up and coded alike.
    is_high_throughput : bool
        Whether any codeblocks may be HT codeblocks.
    unsupported : tuple of str
        What keeps gpucodec's own kernels from decoding it, though it is legal.
    """

    data: bytes
    codestream_offset: int
    size: ImageSize
    parameters: TileParameters
    tile_parameters: dict[int, TileParameters]
    tile_parts: npt.NDArray[np.int64]
    packed_headers: bytes
    packed_parts: npt.NDArray[np.int64]
    plan_key: bytes
    is_high_throughput: bool
    unsupported: tuple[str, ...]

    @property
    def num_packet_bytes(self) -> int:
        """Bytes of all packets."""
        return int((self.tile_parts[:, 2] - self.tile_parts[:, 1]).sum()) + len(self.packed_headers)


@dataclass(frozen=True, slots=True)
class _Main:
    """What main headers with the same decisive bytes have in common."""

    size: ImageSize
    parameters: TileParameters
    is_high_throughput: bool
    unsupported: tuple[str, ...]


_known: dict[bytes, _Main] = {}


def read_codestream(data: bytes | bytearray | memoryview) -> Codestream:
    """Read the headers of a codestream.

    Parameters
    ----------
    data : bytes-like
        One frame, with or without JP2 boxes around it.

    Raises
    ------
    TruncatedCodestreamError
        If the bytes end before a header or a tile-part does.
    CodestreamError
        If a header is wrong; names offset and marker.
    LimitExceededError
        If more tiles have headers for more components than so few bytes should.
    """
    data = data if isinstance(data, bytes) else bytes(data)
    start = find_codestream(data)
    if data[start : start + 4] != b"\xff\x4f\xff\x51":
        read_size(data, start)  # says what is wrong
    (length,) = unpack(">H", data, start + 4, "SIZ")
    segments, end = _segments(data, start + 4 + length, Marker.SOT, _IN_MAIN)
    decisive = [segment for segment in segments if segment.code in _DECISIVE]
    key = b"".join((data[start : start + 4 + length], *(_identity(segment) for segment in decisive)))
    main = _known.get(key) or _remember(key, data, start, decisive, end)
    parts = _TileParts(data, main, PackedHeaders([segment for segment in segments if segment.code == Marker.PPM]))
    parts.read(end)
    return parts.codestream(start, key)


def _identity(segment: Segment) -> bytes:
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


def _remember(key: bytes, data: bytes, start: int, segments: list[Segment], end: int) -> _Main:
    size = read_size(data, start)
    parameters, needs = read_main_header(segments, size, end)
    reasons = list(needs)
    if size.capabilities & _PART_2:
        reasons.append("the codestream needs Part 2 of the standard")
    if (precision := max(component.precision for component in size.components)) > _MAX_PRECISION:
        reasons.append(f"a precision of {precision} bits is above {_MAX_PRECISION}")
    high_throughput = any(coding.codeblock_style & HIGH_THROUGHPUT for coding in parameters.codings)
    main = _Main(size, parameters, high_throughput, (*reasons, *_too_many_bitplanes(parameters)))
    if len(_known) >= _MAX_KNOWN:
        _known.clear()
    _known[key] = main
    return main


def _too_many_bitplanes(parameters: TileParameters) -> list[str]:
    """Return a reason where a subband may have more magnitude bit-planes than kernels hold, (E-2) and H.1."""
    most = 0
    pairs = zip(parameters.quantizations, parameters.roi_shifts, strict=True)
    for quantization, shift in set(pairs):
        most = max(most, quantization.guard_bits + max(quantization.exponents) - 1 + shift)
    return [f"{most} magnitude bit-planes are more than {MAX_BITPLANES}"] if most > MAX_BITPLANES else []


@dataclass(slots=True)
class _TileParts:
    """Goes from tile-part to tile-part, and collects what `Codestream` holds."""

    data: bytes
    main: _Main
    packed: PackedHeaders
    rows: list[tuple[int, int, int, int]] = field(default_factory=list)  # tile, index of the tile-part, begin, end
    headers: dict[int, list[tuple[int, list[Segment]]]] = field(default_factory=dict)

    def read(self, position: int) -> None:
        data, size = self.data, len(self.data)
        num_tiles = self.main.size.tiles_across * self.main.size.tiles_down
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
            size = self.main.size
            message = f"there is no tile {tile}, there are {size.tiles_across * size.tiles_down}"
        raise CodestreamError(message, format=FORMAT, offset=position + 2, marker="SOT")

    def _read_header(self, tile: int, index: int, position: int) -> int:
        """Read a tile-part header; return where its packets begin."""
        segments, end = _segments(self.data, position, Marker.SOD, _IN_TILE)
        decisive = [segment for segment in segments if segment.code in _DECISIVE]
        if decisive:
            self.headers.setdefault(tile, []).append((index, decisive))
        self.packed.add_tile_part(tile, index, [segment for segment in segments if segment.code == Marker.PPT])
        return end + 2

    def codestream(self, start: int, key: bytes) -> Codestream:
        self._check_order()
        main = self.main
        self._check_headers()
        tile_parameters = {}
        unsupported, high_throughput = list(main.unsupported), main.is_high_throughput
        keys = [key]
        for tile, parts in sorted(self.headers.items()):
            segments = [segment for _, part in sorted(parts, key=lambda part: part[0]) for segment in part]
            parameters = read_tile_header(segments, main.parameters, len(main.size.components), segments[0].offset)
            tile_parameters[tile] = parameters
            unsupported += _too_many_bitplanes(parameters)
            high_throughput |= any(coding.codeblock_style & HIGH_THROUGHPUT for coding in parameters.codings)
            keys += (struct.pack(">HI", tile, len(segments)), *(_identity(segment) for segment in segments))
        rows = sorted(self.rows)
        packed_headers, packed_parts = self.packed.in_order([row[:2] for row in rows])
        return Codestream(
            data=self.data,
            codestream_offset=start,
            size=main.size,
            parameters=main.parameters,
            tile_parameters=tile_parameters,
            tile_parts=np.array([(tile, begin, end) for tile, _, begin, end in rows], np.int64).reshape(-1, 3),
            packed_headers=packed_headers,
            packed_parts=packed_parts,
            plan_key=b"".join(keys),
            is_high_throughput=high_throughput,
            unsupported=tuple(dict.fromkeys(unsupported)),
        )

    def _check_headers(self) -> None:
        """Refuse headers that take long to apply, each to many components."""
        number = len(self.headers) * len(self.main.size.components)
        if number > max(_MANY_HEADERS, len(self.data)):
            raise LimitExceededError(f"{number} tile-components with headers of their own are too many for few bytes")

    def _check_order(self) -> None:
        seen = set()
        for tile, index, begin, _ in self.rows:
            if (tile, index) in seen:
                raise CodestreamError(
                    f"tile {tile} has two tile-parts {index}", format=FORMAT, offset=begin, marker="SOT"
                )
            seen.add((tile, index))
