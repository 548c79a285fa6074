"""JPEG 2000 tiles as T.800 Annex B describes them, in plain loops: order of packets, codeblocks, packet headers."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

from tests.reference.packets import BYPASS, TERMINATE, _Bits, _TagTree


@dataclass(frozen=True)
class Component:
    """How a tile-component is coded; exponents of precincts' width and height by resolution level."""

    dx: int
    dy: int
    levels: int
    width_exponent: int
    height_exponent: int
    precincts: tuple[tuple[int, int], ...]
    style: int = 0


@dataclass
class Block:
    """One codeblock: subband coordinates and what packets told of it."""

    band: int  # in the order of QCD
    x0: int
    y0: int
    x1: int
    y1: int
    zero_planes: int = 0
    passes: int = 0
    lblock: int = 3
    segments: list[list] = field(default_factory=list)  # bytes and passes of each


@dataclass
class Precinct:
    """One precinct: for each subband its rows of codeblocks and the two tag trees."""

    bands: list[list[list[Block]]]
    trees: list[tuple[_TagTree, _TagTree]]


def halved(value: int, times: int) -> int:
    """Return a coordinate after decomposition levels, (B-14)."""
    return ceil(value / 2**times)


class Tile:
    """A tile on the reference grid, x0 <= x < x1 and y0 <= y < y1."""

    def __init__(self, area: tuple[int, int, int, int], components: list[Component]) -> None:
        self.x0, self.y0, self.x1, self.y1 = area
        self.components = components
        self.precincts = {
            (number, level): self._precincts(component, level)
            for number, component in enumerate(components)
            for level in range(component.levels + 1)
        }

    def resolution(self, component: Component, level: int) -> tuple[int, int, int, int]:
        """Return trx0, try0, trx1, try1."""
        times = component.levels - level
        return (
            halved(ceil(self.x0 / component.dx), times),
            halved(ceil(self.y0 / component.dy), times),
            halved(ceil(self.x1 / component.dx), times),
            halved(ceil(self.y1 / component.dy), times),
        )

    def _precincts(self, component: Component, level: int) -> tuple[int, int, list[Precinct]]:
        """Return precincts across and down, and all of them row by row."""
        x0, y0, x1, y1 = self.resolution(component, level)
        wide, high = component.precincts[level]
        across = ceil(x1 / 2**wide) - x0 // 2**wide if x1 > x0 else 0
        down = ceil(y1 / 2**high) - y0 // 2**high if y1 > y0 else 0
        found = [
            self._precinct(component, level, x0 // 2**wide + column, y0 // 2**high + row)
            for row in range(down)
            for column in range(across)
        ]
        return across, down, found

    def _precinct(self, component: Component, level: int, column: int, row: int) -> Precinct:
        bands, trees = [], []
        for orientation in (1, 2, 3) if level else (0,):
            times = component.levels - level + (level > 0)
            shift = 2 ** (times - 1) if times else 0
            right, below = orientation & 1, orientation >> 1
            x0, x1 = (ceil((ceil(x / component.dx) - shift * right) / 2**times) for x in (self.x0, self.x1))
            y0, y1 = (ceil((ceil(y / component.dy) - shift * below) / 2**times) for y in (self.y0, self.y1))
            wide, high = (exponent - (level > 0) for exponent in component.precincts[level])
            x0, x1 = max(x0, column * 2**wide), min(x1, (column + 1) * 2**wide)
            y0, y1 = max(y0, row * 2**high), min(y1, (row + 1) * 2**high)
            step_x, step_y = 2 ** min(wide, component.width_exponent), 2 ** min(high, component.height_exponent)
            index = max(0, 3 * (level - 1) + orientation)
            rows = (
                [
                    [
                        Block(index, max(x0, x), max(y0, y), min(x1, x + step_x), min(y1, y + step_y))
                        for x in range(x0 // step_x * step_x, x1, step_x)
                    ]
                    for y in range(y0 // step_y * step_y, y1, step_y)
                    if x0 < x1
                ]
                if y0 < y1
                else []
            )
            bands.append(rows)
            size = (len(rows[0]), len(rows)) if rows else (0, 0)
            trees.append((_TagTree(*size), _TagTree(*size)) if rows else ())
        return Precinct(bands, trees)

    def packets(self, order: str, layers: range, components: range, levels: range) -> list[tuple[int, int, int, int]]:
        """Return (layer, resolution level, component, precinct) of all packets in a progression order, B.12.1."""
        loops = {
            "LRCP": self._lrcp,
            "RLCP": self._rlcp,
            "RPCL": self._rpcl,
            "PCRL": self._pcrl,
            "CPRL": self._cprl,
        }
        return list(loops[order](layers, components, levels))

    def _count(self, component: int, level: int) -> int:
        if level > self.components[component].levels:
            return 0
        across, down, _ = self.precincts[component, level]
        return across * down

    def _lrcp(self, layers, components, levels):
        for layer in layers:
            for level in levels:
                for component in components:
                    for precinct in range(self._count(component, level)):
                        yield layer, level, component, precinct

    def _rlcp(self, layers, components, levels):
        for level in levels:
            for layer in layers:
                for component in components:
                    for precinct in range(self._count(component, level)):
                        yield layer, level, component, precinct

    def _at(self, x: int, y: int, number: int, level: int) -> int | None:
        """Return the precinct of a component that comes at a point of the reference grid, B.12.1.3."""
        component = self.components[number]
        if not self._count(number, level):
            return None
        times = component.levels - level
        wide, high = component.precincts[level]
        x0, y0, _, _ = self.resolution(component, level)
        step_x, step_y = component.dx * 2 ** (wide + times), component.dy * 2 ** (high + times)
        if y % step_y and not (y == self.y0 and (y0 * 2**times) % 2 ** (high + times)):
            return None
        if x % step_x and not (x == self.x0 and (x0 * 2**times) % 2 ** (wide + times)):
            return None
        across, _, _ = self.precincts[number, level]
        column = ceil(x / (component.dx * 2**times)) // 2**wide - x0 // 2**wide
        row = ceil(y / (component.dy * 2**times)) // 2**high - y0 // 2**high
        return column + row * across

    def _rpcl(self, layers, components, levels):
        for level in levels:
            for y in range(self.y0, self.y1):
                for x in range(self.x0, self.x1):
                    for component in components:
                        precinct = self._at(x, y, component, level)
                        if precinct is not None:
                            for layer in layers:
                                yield layer, level, component, precinct

    def _pcrl(self, layers, components, levels):
        for y in range(self.y0, self.y1):
            for x in range(self.x0, self.x1):
                for component in components:
                    for level in levels:
                        precinct = self._at(x, y, component, level)
                        if precinct is not None:
                            for layer in layers:
                                yield layer, level, component, precinct

    def _cprl(self, layers, components, levels):
        for component in components:
            for y in range(self.y0, self.y1):
                for x in range(self.x0, self.x1):
                    for level in levels:
                        precinct = self._at(x, y, component, level)
                        if precinct is not None:
                            for layer in layers:
                                yield layer, level, component, precinct

    def read(self, data: bytes, packets: list[tuple[int, int, int, int]], headers: bytes | None = None) -> int:
        """Read packets, B.9 and B.10; return where they end. `headers` are packet headers that stand apart."""
        position = header = 0
        for layer, level, number, index in packets:
            if data[position : position + 2] == b"\xff\x91":
                position += 6
            precinct = self.precincts[number, level][2][index]
            bits = _Bits(headers, header) if headers is not None else _Bits(data, position)
            included = []
            if bits.read():
                for rows, trees in zip(precinct.bands, precinct.trees, strict=True):
                    included += self._read_band(bits, rows, trees, layer, self.components[number].style)
            end = bits.end()
            if bits.data[end : end + 2] == b"\xff\x92":
                end += 2
            position, header = (position, end) if headers is not None else (end, 0)
            for segment, length in included:
                segment[0] += data[position : position + length]
                position += length
        return position

    @staticmethod
    def _read_band(bits: _Bits, rows: list[list[Block]], trees: tuple, layer: int, style: int) -> list:
        included = []
        for y, row in enumerate(rows):
            for x, block in enumerate(row):
                if block.passes:
                    if not bits.read():
                        continue
                elif trees[0].decode(bits, x, y, layer + 1) > layer:
                    continue
                else:
                    block.zero_planes = trees[1].decode(bits, x, y, 1000)
                included += _read_lengths(bits, block, _number_of_passes(bits), style)
        return included


def _number_of_passes(bits: _Bits) -> int:
    """Table B.4."""
    if not bits.read():
        return 1
    if not bits.read():
        return 2
    for base, count in ((3, 2), (6, 5), (37, 7)):
        more = bits.read(count)
        if more < (1 << count) - 1 or count == 7:
            return base + more
    raise AssertionError


def _ends_segment(style: int, number: int) -> bool:
    """Whether a codeword segment ends after a pass, Table D.9."""
    if style & TERMINATE:
        return True
    return bool(style & BYPASS) and number >= 9 and number % 3 != 1


def _read_lengths(bits: _Bits, block: Block, passes: int, style: int) -> list:
    while bits.read():
        block.lblock += 1
    lengths = []
    while passes:
        if not block.passes or _ends_segment(style, block.passes - 1):
            block.segments.append([b"", 0])
        count = 1
        while count < passes and not _ends_segment(style, block.passes + count - 1):
            count += 1
        length = bits.read(block.lblock + count.bit_length() - 1)
        lengths.append((block.segments[-1], length))
        block.segments[-1][1] += count
        block.passes += count
        passes -= count
    return lengths
