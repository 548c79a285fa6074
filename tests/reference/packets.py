"""A plain reader of JPEG 2000 packets, T.800 Annex B: what a codestream says of each of its codeblocks.

One tile, one quality layer, no precincts, no packet markers; that is what encoders write unless told otherwise.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import ceil

BYPASS, TERMINATE = 1, 4


@dataclass
class Codeblock:
    """One codeblock: its place in its component in Mallat's layout, and what was coded of it."""

    component: int
    orientation: int  # 0 LL, 1 HL, 2 LH, 3 HH
    x: int
    y: int
    width: int
    height: int
    num_magnitude_bitplanes: int
    num_zero_bitplanes: int = 0
    num_passes: int = 0
    data: bytes = b""
    segment_lengths: tuple[int, ...] = ()


class _Bits:
    """Bits of packet headers; a zero is stuffed after 0xFF (B.10.1)."""

    def __init__(self, data: bytes, position: int) -> None:
        self.data, self.position, self.left, self.byte = data, position, 0, 0

    def read(self, count: int = 1) -> int:
        value = 0
        for _ in range(count):
            if not self.left:
                self.left = 7 if self.byte == 0xFF else 8
                self.byte = self.data[self.position]
                self.position += 1
            self.left -= 1
            value = value << 1 | (self.byte >> self.left) & 1
        return value

    def end(self) -> int:
        return self.position + (self.byte == 0xFF)


class _TagTree:
    """B.10.2."""

    def __init__(self, width: int, height: int) -> None:
        self.levels = []
        while True:
            self.levels.append([[[0, False] for _ in range(width)] for _ in range(height)])
            if width * height <= 1:
                break
            width, height = (width + 1) // 2, (height + 1) // 2

    def decode(self, bits: _Bits, x: int, y: int, threshold: int) -> int:
        low = 0
        for level in reversed(range(len(self.levels))):
            node = self.levels[level][y >> level][x >> level]
            node[0] = max(node[0], low)
            while not node[1] and node[0] < threshold:
                if bits.read():
                    node[1] = True
                else:
                    node[0] += 1
            low = node[0]
        return low


def read_codeblocks(codestream: bytes) -> list[Codeblock]:
    """Return all codeblocks, in the order of their packets."""
    header, position = _read_header(codestream)
    resolutions = [_resolutions(header, component) for component in range(header["components"])]
    found = []
    for resolution in range(header["levels"] + 1):
        for component in range(header["components"]):
            bands = resolutions[component][resolution]
            position = _read_packet(codestream, position, bands, header["style"])
            found.extend(block for band in bands for row in band for block in row)
    return found


def _read_header(data: bytes) -> dict:
    header: dict = {}
    position = 2
    while True:
        marker, length = struct.unpack_from(">HH", data, position)
        body = data[position + 4 : position + 2 + length]
        if marker == 0xFF51:
            columns, rows = struct.unpack_from(">II", body, 2)
            header |= {"columns": columns, "rows": rows, "components": struct.unpack_from(">H", body, 34)[0]}
        elif marker == 0xFF52:
            header |= {"levels": body[5], "width": 4 << body[6], "height": 4 << body[7], "style": body[8]}
        elif marker == 0xFF5C:
            guard, kind = body[0] >> 5, body[0] & 31
            steps = list(body[1:]) if kind == 0 else list(body[1::2])  # exponents are in the upper five bits
            header["bitplanes"] = [guard + (step >> 3) - 1 for step in steps]
        elif marker == 0xFF90:
            position += 2 + length
            return header, position + 2
        position += 2 + length


def _resolutions(header: dict, component: int) -> list:
    columns, rows, levels = header["columns"], header["rows"], header["levels"]
    sizes = [(columns, rows)]
    for _ in range(levels):
        columns, rows = ceil(columns / 2), ceil(rows / 2)
        sizes.append((columns, rows))
    sizes.reverse()
    result = [[(0, 0, 0, *sizes[0], 0)]]
    for level in range(levels):
        (low_x, low_y), (x, y) = sizes[level], sizes[level + 1]
        first = 3 * level + 1
        result.append([
            (1, low_x, 0, x - low_x, low_y, first),
            (2, 0, low_y, low_x, y - low_y, first + 1),
            (3, low_x, low_y, x - low_x, y - low_y, first + 2),
        ])  # fmt: skip
    return [[_band(header, component, *band) for band in bands] for bands in result]


def _band(header: dict, component: int, orientation: int, x: int, y: int, width: int, height: int, index: int) -> list:
    across, down = header["width"], header["height"]
    return [
        [
            Codeblock(component, orientation, x + left, y + top, min(across, width - left), min(down, height - top),
                      header["bitplanes"][index])
            for left in range(0, width, across)
        ]
        for top in range(0, height if width else 0, down)
    ]  # fmt: skip


def _read_packet(data: bytes, position: int, bands: list, style: int) -> int:
    bits = _Bits(data, position)
    included = []
    if bits.read():
        for band in bands:
            if not band:
                continue
            inclusion, zero_planes = _TagTree(len(band[0]), len(band)), _TagTree(len(band[0]), len(band))
            for y, row in enumerate(band):
                for x, block in enumerate(row):
                    if inclusion.decode(bits, x, y, 1) == 0:
                        _read_codeblock(bits, block, zero_planes, x, y, style)
                        included.append(block)
    position = bits.end()
    for block in included:
        length = sum(block.segment_lengths)
        block.data = data[position : position + length]
        position += length
    return position


def _read_codeblock(bits: _Bits, block: Codeblock, zero_planes: _TagTree, x: int, y: int, style: int) -> None:
    threshold = 1
    while zero_planes.decode(bits, x, y, threshold) >= threshold:
        threshold += 1
    block.num_zero_bitplanes = threshold - 1
    block.num_passes = _read_num_passes(bits)
    length_bits = 3
    while bits.read():
        length_bits += 1
    lengths = []
    for passes in segment_passes(block.num_passes, style):
        lengths.append(bits.read(length_bits + passes.bit_length() - 1))
    block.segment_lengths = tuple(lengths)


def segment_passes(num_passes: int, style: int) -> list[int]:
    """Return how many passes each codeword segment has, Tables D.8 and D.9."""
    if style & TERMINATE:
        return [1] * num_passes
    if not style & BYPASS:
        return [num_passes]
    segments = [min(num_passes, 10)]
    while sum(segments) < num_passes:
        # Two raw passes, then a cleanup pass.
        segments.append(min(2 if len(segments) % 2 else 1, num_passes - sum(segments)))
    return segments


def _read_num_passes(bits: _Bits) -> int:
    if not bits.read():
        return 1
    if not bits.read():
        return 2
    if (more := bits.read(2)) < 3:
        return 3 + more
    if (more := bits.read(5)) < 31:
        return 6 + more
    return 37 + bits.read(7)
