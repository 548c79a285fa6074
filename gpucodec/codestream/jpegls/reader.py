"""Reading JPEG-LS marker segments, T.87 Annex C. Wrong bytes raise `CodestreamError`, nothing else.

Bytes after EOI are padding and are not looked at. A codestream that ends without EOI is refused: nothing says then
that its last scan is whole.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from gpucodec.codestream.jpegls.description import Component, Description, InterleaveMode, MappingTable, Scan
from gpucodec.codestream.jpegls.preset import LARGEST_PRECISION, SMALLEST_PRECISION, resolve_preset
from gpucodec.errors import CodestreamError, TruncatedCodestreamError, UnsupportedError

__all__ = ["read_codestream"]

_FORMAT = "JPEG-LS"
_SOI, _EOI, _SOS, _DNL, _DRI, _APP8, _SOF55, _LSE, _COM = 0xD8, 0xD9, 0xDA, 0xDC, 0xDD, 0xE8, 0xF7, 0xF8, 0xFE
_APPLICATION = range(0xE0, 0xF0)
_RESTART = range(0xD0, 0xD8)
_OTHER_SOF = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_NAMES = {
    _SOI: "SOI", _EOI: "EOI", _SOS: "SOS", _DNL: "DNL", _DRI: "DRI", _SOF55: "SOF55", _LSE: "LSE", _COM: "COM",
    **{code: f"APP{code - 0xE0}" for code in _APPLICATION},
    **{code: f"RST{code - 0xD0}" for code in _RESTART},
    **{code: f"SOF{code - 0xC0}" for code in _OTHER_SOF},
}  # fmt: skip
_SEGMENTS = {_SOS, _DNL, _DRI, _SOF55, _LSE, _COM}
_MAX_SEGMENTS = 65536
_MAX_INTERVALS = 65535  # restart intervals of a scan: lines of a frame
_MAX_SCAN_COMPONENTS = 4  # T.87 C.2.3
_CHUNK = 1 << 17  # bytes looked at together: few enough to stay in a processor's cache
_COLOUR_TRANSFORM = b"mrfx"  # CharLS and HP's own codec
_LARGEST_COLOUR_TRANSFORM = 3


@dataclass(slots=True)
class _State:
    """What the segments so far have said."""

    rows: int = 0
    columns: int = 0
    precision: int = 0
    components: list[tuple[int, int, int]] = field(default_factory=list)
    size_offset: int = 0
    oversize: tuple[int, int] | None = None
    preset: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)
    preset_offset: int = 0
    restart_interval: int = 0
    colour_transform: int = 0
    tables: dict[int, tuple[int, bytearray]] = field(default_factory=dict)
    scans: list[Scan] = field(default_factory=list)


def read_codestream(codestream: bytes, *, trusting: bool = False) -> Description:
    """Read all marker segments of a codestream, from SOI to EOI.

    Parameters
    ----------
    codestream : bytes
        One frame.
    trusting : bool
        Whether to take it that the last scan ends at the last EOI, instead of looking at every byte for a marker
        before it. The caller must find out whether there was one, and then read again without trust.

    Returns
    -------
    Description
        Consistent: sizes are above 0, parameters in the ranges of T.87, every component in exactly one scan.
        What lies in the entropy-coded segments is not looked at, but for where they end.

    Raises
    ------
    TruncatedCodestreamError
        If the codestream ends before its EOI.
    CodestreamError
        If it breaks T.87; names offset and marker.
    UnsupportedError
        If it keeps to T.87 in a way that is not read here.
    """
    return _Reader(codestream, trusting=trusting).read()


class _Reader:
    def __init__(self, data: bytes, *, trusting: bool) -> None:
        self.data = data
        self.state = _State()
        self.trusting = trusting

    def read(self) -> Description:
        if self.data[:2] != b"\xff\xd8":
            if b"\xff\xd8".startswith(self.data[:2]):
                raise self.truncated("SOI")
            raise self.error(f"starts with {self.data[:4].hex()}, not with SOI", 0, "SOI")
        offset = 2
        for _ in range(_MAX_SEGMENTS):
            code, offset = self.next_marker(offset)
            if code == _EOI:
                return self.finish(offset)
            offset = self.read_segment(code, offset)
        raise self.error(f"no EOI in {_MAX_SEGMENTS} marker segments", offset, "EOI")

    # -- markers

    def next_marker(self, offset: int) -> tuple[int, int]:
        """Return the code of the marker at an offset, fill bytes skipped, and the offset behind it."""
        data = self.data
        if offset < len(data) and data[offset] != 0xFF:
            raise self.error(f"{data[offset : offset + 2].hex()} is not a marker", offset, "")
        begin = offset
        while offset < len(data) and data[offset] == 0xFF:
            offset += 1
        if offset >= len(data):
            raise self.truncated("EOI")
        if data[offset] < 0x80:
            raise self.error(f"ff{data[offset]:02x} is not a marker", begin, "")
        return data[offset], offset + 1

    def read_segment(self, code: int, offset: int) -> int:
        """Read the marker segment whose length field is at an offset; return the offset behind it."""
        marker = _NAMES.get(code, f"FF{code:02X}")
        if code in _OTHER_SOF:
            raise self.error(f"{marker} belongs to JPEG, JPEG-LS has SOF55", offset - 2, marker)
        if code in _RESTART:
            raise self.error("a restart marker where none is due", offset - 2, marker)
        if code not in _SEGMENTS and code not in _APPLICATION:
            raise self.error("the marker is not allowed here", offset - 2, marker)
        (length,) = self.unpack(">H", offset, marker)
        if length < 2:
            raise self.error(f"a marker segment of length {length}", offset, marker)
        end = offset + length
        if end > len(self.data):
            raise self.truncated(marker)
        content = self.data[offset + 2 : end]
        if code == _SOS:
            return self.read_sos(content, offset, end)
        if code == _SOF55:
            self.read_sof(content, offset)
        elif code == _LSE:
            self.read_lse(content, offset)
        elif code == _DRI:
            self.state.restart_interval = self.number(content, offset, marker)
        elif code == _DNL:
            self.read_dnl(content, offset)
        elif code == _APP8:
            self.read_colour_transform(content)
        return end

    # -- the frame

    def read_sof(self, content: bytes, offset: int) -> None:
        state = self.state
        if state.components:
            raise self.error("a second frame header", offset - 2, "SOF55")
        self.require_length(content, 6, offset, "SOF55")
        precision, rows, columns, count = struct.unpack_from(">BHHB", content)
        if not count or len(content) != 6 + 3 * count:
            raise self.error(f"a length of {len(content) + 2} does not go with {count} components", offset, "SOF55")
        if not SMALLEST_PRECISION <= precision <= LARGEST_PRECISION:
            allowed = f"{SMALLEST_PRECISION} to {LARGEST_PRECISION}"
            raise self.error(f"a precision of {precision} is not allowed, must be {allowed}", offset + 2, "SOF55")
        described = [(content[k], content[k + 1] >> 4, content[k + 1] & 15) for k in range(6, len(content), 3)]
        if len({identifier for identifier, _, _ in described}) != count:
            raise self.error("two components have the same identifier", offset + 8, "SOF55")
        for identifier, horizontal, vertical in described:
            if not (1 <= horizontal <= 4 and 1 <= vertical <= 4):
                raise self.error(
                    f"sampling factors of {horizontal} x {vertical} for component {identifier}, must be 1 to 4",
                    offset + 8,
                    "SOF55",
                )
        state.precision, state.rows, state.columns = precision, rows, columns
        state.components, state.size_offset = described, offset + 3

    def read_dnl(self, content: bytes, offset: int) -> None:
        rows, state = self.number(content, offset, "DNL"), self.state
        if len(state.scans) != 1:
            raise self.error("DNL may only follow the first scan", offset - 2, "DNL")
        if not rows or state.rows not in (0, rows):
            raise self.error(f"a number of lines of {rows}, the frame header says {state.rows}", offset + 2, "DNL")
        state.rows = rows

    def read_lse(self, content: bytes, offset: int) -> None:
        self.require_length(content, 1, offset, "LSE")
        kind = content[0]
        if kind == 1:
            self.require_length(content, 11, offset, "LSE", exactly=True)
            self.state.preset = struct.unpack_from(">5H", content, 1)
            self.state.preset_offset = offset
        elif kind in (2, 3):
            self.read_mapping_table(content, offset)
        elif kind == 4:
            self.read_oversize(content, offset)
        else:
            raise self.error(f"an identifier of {kind} is not allowed, must be 1 to 4", offset + 2, "LSE")

    def read_mapping_table(self, content: bytes, offset: int) -> None:
        self.require_length(content, 3, offset, "LSE")
        kind, identifier, entry_bytes = content[:3]
        entries = content[3:]
        if not identifier or not entry_bytes or len(entries) % entry_bytes:
            raise self.error(
                f"{len(entries)} bytes for mapping table {identifier} with entries of {entry_bytes} bytes",
                offset,
                "LSE",
            )
        tables = self.state.tables
        if kind == 2:
            tables[identifier] = entry_bytes, bytearray()
        elif identifier not in tables or tables[identifier][0] != entry_bytes:  # C.2.4.1.3
            raise self.error(f"goes on with mapping table {identifier}, which has not begun", offset, "LSE")
        tables[identifier][1].extend(entries)
        if len(tables[identifier][1]) // entry_bytes > 1 << 16:
            raise self.error(f"mapping table {identifier} has more entries than samples have values", offset, "LSE")

    def read_oversize(self, content: bytes, offset: int) -> None:
        """Read the size of a frame that is too large for its frame header, C.2.4.1.4."""
        self.require_length(content, 2, offset, "LSE")
        width = content[1]
        if not 2 <= width <= 4:
            raise self.error(f"a Wxy of {width} is not allowed, must be 2 to 4", offset + 3, "LSE")
        self.require_length(content, 2 + 2 * width, offset, "LSE", exactly=True)
        rows, columns = (int.from_bytes(content[k : k + width], "big") for k in (2, 2 + width))
        self.state.oversize = rows, columns

    def read_colour_transform(self, content: bytes) -> None:
        if len(content) != 5 or content[:4] != _COLOUR_TRANSFORM:
            return  # APP8 is SPIFF's, too, and anybody's
        if content[4] > _LARGEST_COLOUR_TRANSFORM:
            raise UnsupportedError(f"Unable to decode JPEG-LS with colour transform {content[4]}, 0 to 3 are known")
        self.state.colour_transform = content[4]

    # -- scans

    def read_sos(self, content: bytes, offset: int, end: int) -> int:
        state = self.state
        if not state.components:
            raise self.error("a scan before the frame header", offset - 2, "SOS")
        self.require_length(content, 1, offset, "SOS")
        count = content[0]
        if not 1 <= count <= _MAX_SCAN_COMPONENTS or len(content) != 4 + 2 * count:
            raise self.error(f"a length of {len(content) + 2} does not go with {count} components", offset, "SOS")
        near, interleave, transform = content[-3:]
        if interleave > InterleaveMode.SAMPLE or (count > 1) != (interleave != InterleaveMode.NONE):
            raise self.error(f"an ILV of {interleave} does not go with {count} components", end - 2, "SOS")
        if (point_transform := transform & 15) >= state.precision:
            raise self.error(f"a point transform of {point_transform} for {state.precision} bits", end - 1, "SOS")
        try:
            preset = resolve_preset(state.preset, state.precision, near)
        except ValueError as error:
            raise self.error(str(error), offset - 2, "SOS" if not state.preset_offset else "LSE") from None
        components = self.scan_components(content[1:-3:2], offset)
        done = sum(len(scan.components) for scan in state.scans) + count
        is_last = done == len(state.components) and state.rows > 0 and not state.restart_interval
        state.scans.append(
            Scan(
                components=components,
                near=near,
                interleave_mode=InterleaveMode(interleave),
                point_transform=point_transform,
                preset=preset,
                restart_interval=state.restart_interval,
                mapping_tables=self.scan_tables(content[2:-3:2], offset),
                intervals=self.find_intervals(end, is_last=is_last),
            )
        )
        return state.scans[-1].end

    def scan_components(self, identifiers: bytes, offset: int) -> tuple[int, ...]:
        known = [identifier for identifier, _, _ in self.state.components]
        done = {index for scan in self.state.scans for index in scan.components}
        indices: list[int] = []
        for identifier in identifiers:
            if identifier not in known or (index := known.index(identifier)) in done:
                raise self.error(f"component {identifier} is not in the frame, or in two scans", offset + 3, "SOS")
            if indices and index <= indices[-1]:
                raise self.error("the components are not in the frame header's order", offset + 3, "SOS")
            indices.append(index)
        return tuple(indices)

    def scan_tables(self, identifiers: bytes, offset: int) -> tuple[int, ...]:
        for identifier in identifiers:
            if identifier and identifier not in self.state.tables:
                raise self.error(f"mapping table {identifier} has not been defined", offset + 4, "SOS")
        return tuple(identifiers)

    def find_intervals(self, start: int, *, is_last: bool) -> tuple[tuple[int, int], ...]:
        """Return the entropy-coded segments of the scan that starts at an offset: up to the first other marker."""
        data = self.data
        if self.trusting and is_last and (end := data.rfind(b"\xff\xd9", start)) >= 0:
            return ((start, end),)
        intervals: list[tuple[int, int]] = []
        first_fill = next_fill = -1
        for offset in _marker_offsets(data, start):
            code = data[offset + 1]
            if offset != next_fill:
                first_fill = offset
            if code == 0xFF:  # a fill byte: the marker comes after it
                next_fill = offset + 1
                continue
            intervals.append((start, first_fill))
            if not self.state.restart_interval or code not in _RESTART:
                return tuple(intervals)
            expected = _RESTART[(len(intervals) - 1) % len(_RESTART)]
            if code != expected or len(intervals) > _MAX_INTERVALS:
                raise self.error(f"{_NAMES[code]} where {_NAMES[expected]} is due", offset, _NAMES[code])
            start = offset + 2
        raise self.truncated("EOI")

    # -- the whole

    def finish(self, offset: int) -> Description:
        state = self.state
        if not state.components:
            raise self.error("EOI stands before a frame header", offset - 2, "EOI")
        self.settle_size()
        done = {index for scan in state.scans for index in scan.components}
        if missing := [c[0] for index, c in enumerate(state.components) if index not in done]:
            raise self.error(f"no scan has the components {missing}", offset - 2, "EOI")
        tallest = max(vertical for _, _, vertical in state.components)
        widest = max(horizontal for _, horizontal, _ in state.components)
        components = tuple(
            Component(
                identifier=identifier,
                horizontal=horizontal,
                vertical=vertical,
                rows=-(-state.rows * vertical // tallest),
                columns=-(-state.columns * horizontal // widest),
            )
            for identifier, horizontal, vertical in state.components
        )
        description = Description(
            rows=state.rows,
            columns=state.columns,
            precision=state.precision,
            components=components,
            scans=tuple(state.scans),
            colour_transform=state.colour_transform,
            mapping_tables={
                identifier: MappingTable(identifier, entry_bytes, bytes(content))
                for identifier, (entry_bytes, content) in state.tables.items()
            },
        )
        self.check_restarts(description)
        return description

    def check_restarts(self, description: Description) -> None:
        for scan in description.scans:
            lines = description.num_lines(scan)
            expected = -(-lines // scan.restart_interval) if scan.restart_interval else 1
            if len(scan.intervals) != expected:
                raise self.error(
                    f"{len(scan.intervals) - 1} restart markers in a scan of {lines} lines with one every "
                    f"{scan.restart_interval}, {expected - 1} are due",
                    scan.intervals[min(expected, len(scan.intervals)) - 1][1],
                    "SOS",
                )

    def settle_size(self) -> None:
        state = self.state
        if state.oversize is not None:
            rows, columns = state.oversize
            if state.rows not in (0, rows) or state.columns not in (0, columns):
                raise self.error(
                    f"LSE says a size of {rows} x {columns}, the frame header {state.rows} x {state.columns}",
                    state.size_offset,
                    "SOF55",
                )
            state.rows, state.columns = rows, columns
        if not state.rows or not state.columns:
            raise self.error(f"a size of {state.rows} x {state.columns} is not allowed", state.size_offset, "SOF55")

    # -- bytes and errors

    def unpack(self, layout: str, offset: int, marker: str) -> tuple[int, ...]:
        if offset + struct.calcsize(layout) > len(self.data):
            raise self.truncated(marker)
        return struct.unpack_from(layout, self.data, offset)

    def number(self, content: bytes, offset: int, marker: str) -> int:
        """Read the one number of DRI or DNL, of two to four bytes (C.2.5, C.2.6)."""
        if not 2 <= len(content) <= 4:
            raise self.error(f"a length of {len(content) + 2} is not allowed, must be 4 to 6", offset, marker)
        return int.from_bytes(content, "big")

    def require_length(self, content: bytes, length: int, offset: int, marker: str, *, exactly: bool = False) -> None:
        if len(content) < length or (exactly and len(content) != length):
            raise self.error(f"a length of {len(content) + 2} is not allowed, must be {length + 2}", offset, marker)

    def error(self, message: str, offset: int, marker: str) -> CodestreamError:
        return CodestreamError(message, format=_FORMAT, offset=offset, marker=marker)

    def truncated(self, marker: str) -> TruncatedCodestreamError:
        message = "no EOI marker" if marker == "EOI" else "the codestream ends inside a marker segment"
        return TruncatedCodestreamError(message, format=_FORMAT, offset=len(self.data), marker=marker)


def _marker_offsets(data: bytes, start: int) -> Iterator[int]:
    """Yield the offsets of FFH before a byte with its highest bit set, which no entropy-coded segment has (A.1)."""
    view = np.frombuffer(data, np.uint8)
    for begin in range(start, len(view) - 1, _CHUNK):
        part = view[begin : begin + _CHUNK + 1]
        for hit in np.flatnonzero((part[:-1] == 0xFF) & (part[1:] >= 0x80)):
            yield begin + int(hit)
