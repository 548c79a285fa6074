"""Reading a JPEG 2000 or HTJ2K codestream down to where its packets lie, ITU-T T.800 Annex A.

What is done is in proportion to the bytes there are, never to what they claim. Main headers are remembered: those of
frames in a series are the same, or differ in what says nothing of how samples are coded.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpucodec.codestream.j2k_codes import Marker
from gpucodec.codestream.j2k_headers import TileParameters, read_main_header, read_tile_header
from gpucodec.codestream.j2k_packed_headers import PackedHeaders
from gpucodec.codestream.j2k_segments import HIGH_THROUGHPUT, Segment
from gpucodec.codestream.j2k_size import ImageSize, find_codestream, read_size, unpack
from gpucodec.codestream.j2k_tile_parts import TileParts
from gpucodec.codestream.j2k_walk import decisive_segments, identity, main_segments

__all__ = ["MAX_BITPLANES", "Codestream", "read_codestream"]

MAX_BITPLANES = 31
_MAX_SHIFTED_BITPLANES = 62
_MAX_PRECISION = 31
_PART_2 = 0x8000  # of Rsiz
_SOC_SIZ = b"\xff\x4f\xff\x51"
_MAX_KNOWN = 64
_MAX_RECENT = 4


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

    key: bytes
    size: ImageSize
    parameters: TileParameters
    is_high_throughput: bool
    unsupported: tuple[str, ...]


_known: dict[bytes, _Main] = {}
# The bytes of the latest main headers, up to the first SOT's marker, and what they say.
_recent: list[tuple[bytes, _Main]] = []


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
    for header, main in _recent:
        if data.startswith(header):
            return _with_tile_parts(data, 0, main, len(header) - 2, PackedHeaders([]))
    start = find_codestream(data)
    if data[start : start + 4] != _SOC_SIZ:
        read_size(data, start)  # says what is wrong
    (length,) = unpack(">H", data, start + 4, "SIZ")
    segments, end = main_segments(data, start + 4 + length)
    decisive = decisive_segments(segments)
    key = b"".join((data[start : start + 4 + length], *map(identity, decisive)))
    main = _known.get(key) or _remember(key, data, start, decisive, end)
    packed = [segment for segment in segments if segment.code == Marker.PPM]
    if not start and not packed:
        _recent.insert(0, (data[: end + 2], main))
        del _recent[_MAX_RECENT:]
    return _with_tile_parts(data, start, main, end, PackedHeaders(packed))


def _remember(key: bytes, data: bytes, start: int, segments: list[Segment], end: int) -> _Main:
    size = read_size(data, start)
    parameters, needs = read_main_header(segments, size, end)
    reasons = list(needs)
    if size.capabilities & _PART_2:
        reasons.append("the codestream needs Part 2 of the standard")
    if (precision := max(component.precision for component in size.components)) > _MAX_PRECISION:
        reasons.append(f"a precision of {precision} bits is above {_MAX_PRECISION}")
    high_throughput = any(coding.codeblock_style & HIGH_THROUGHPUT for coding in parameters.codings)
    main = _Main(key, size, parameters, high_throughput, (*reasons, *_too_many_bitplanes(parameters)))
    if len(_known) >= _MAX_KNOWN:
        _known.clear()
    _known[key] = main
    return main


def _too_many_bitplanes(parameters: TileParameters) -> list[str]:
    """Return a reason where a subband may have more magnitude bit-planes than kernels hold, (E-2) and H.1."""
    reasons = []
    for coding, quantization, shift in set(
        zip(parameters.codings, parameters.quantizations, parameters.roi_shifts, strict=True)
    ):
        planes = quantization.guard_bits + max(quantization.exponents) - 1
        # Half a step is told beside an irreversible coefficient's bits.
        most = MAX_BITPLANES - (not coding.reversible)
        all_at_once = most if coding.codeblock_style & HIGH_THROUGHPUT else _MAX_SHIFTED_BITPLANES
        if planes > most:
            reasons.append(f"{planes} magnitude bit-planes are more than {most}")
        elif planes + shift > all_at_once:
            reasons.append(
                f"{planes + shift} magnitude bit-planes with a region of interest are more than {all_at_once}"
            )
    return sorted(reasons)


def _with_tile_parts(data: bytes, start: int, main: _Main, end: int, packed: PackedHeaders) -> Codestream:
    """Read all tile-parts, which begin at `end`."""
    found = TileParts(data, main.size, packed)
    found.read(end)
    rows, headers = found.in_order()
    tile_parameters = {}
    unsupported, high_throughput = main.unsupported, main.is_high_throughput
    keys = [main.key]
    for tile, segments in headers.items():
        parameters = read_tile_header(segments, main.parameters, len(main.size.components), segments[0].offset)
        tile_parameters[tile] = parameters
        unsupported = tuple(dict.fromkeys((*unsupported, *_too_many_bitplanes(parameters))))
        high_throughput |= any(coding.codeblock_style & HIGH_THROUGHPUT for coding in parameters.codings)
        keys += (struct.pack(">HI", tile, len(segments)), *map(identity, segments))
    packed_headers, packed_parts = packed.in_order([row[:2] for row in rows])
    return Codestream(
        data=data,
        codestream_offset=start,
        size=main.size,
        parameters=main.parameters,
        tile_parameters=tile_parameters,
        tile_parts=np.array(rows, np.int64)[:, [0, 2, 3]],
        packed_headers=packed_headers,
        packed_parts=packed_parts,
        plan_key=b"".join(keys),
        is_high_throughput=high_throughput,
        unsupported=unsupported,
    )
