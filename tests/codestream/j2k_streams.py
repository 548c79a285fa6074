"""JPEG 2000 codestreams made piece by piece, T.800 Annex A, for tests of what reads them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tests.reference.tiles import Component

SOC, EOC = b"\xff\x4f", b"\xff\xd9"
ORDERS = ("LRCP", "RLCP", "RPCL", "PCRL", "CPRL")
Area = tuple[int, int, int, int]


def segment(code: int, body: bytes) -> bytes:
    return struct.pack(">HH", code, len(body) + 2) + body


def siz(area: Area, tiles: Area, components: Sequence[tuple[int, int, int]], rsiz: int = 0) -> bytes:
    """Return SIZ; areas are x0, y0, x1, y1 and tile x0, y0, width, height; components Ssiz, dx, dy."""
    x0, y0, x1, y1 = area
    tile_x0, tile_y0, width, height = tiles
    body = struct.pack(">H8IH", rsiz, x1, y1, x0, y0, width, height, tile_x0, tile_y0, len(components))
    return segment(0xFF51, body + b"".join(bytes(component) for component in components))


def style(component: Component, reversible: bool = True) -> bytes:
    """Return what COD and COC say of a component, precincts included."""
    sizes = bytes(high << 4 | wide for wide, high in component.precincts)
    blocks = (component.width_exponent - 2, component.height_exponent - 2)
    return bytes((component.levels, *blocks, component.style, reversible)) + sizes


def cod(component: Component, order: str = "LRCP", layers: int = 1, transform: int = 0, markers: int = 0) -> bytes:
    head = struct.pack(">BBHB", 1 | markers, ORDERS.index(order), layers, transform)
    return segment(0xFF52, head + style(component))


def coc(number: int, component: Component) -> bytes:
    return segment(0xFF53, bytes((number, 1)) + style(component))


def qcd(levels: int, guard_bits: int = 2, exponent: int = 8) -> bytes:
    return segment(0xFF5C, bytes((guard_bits << 5, *(exponent << 3,) * (3 * levels + 1))))


def poc(changes: Sequence[tuple[int, int, int, int, int, str]]) -> bytes:
    """Return POC of (first level, first component, end layer, end level, end component, order)."""
    rows = [
        struct.pack(">BBHBBB", *numbers, ORDERS.index(order))
        for *numbers, order in changes
    ]  # fmt: skip
    return segment(0xFF5F, b"".join(rows))


def tile_part(tile: int, index: int, header: bytes, packets: bytes, length: int | None = None) -> bytes:
    length = 12 + len(header) + 2 + len(packets) if length is None else length
    return struct.pack(">HHHIBB", 0xFF90, 10, tile, length, index, 0) + header + b"\xff\x93" + packets


def plain(packets: bytes = b"\x00" * 4, *, main: bytes = b"", tile: bytes = b"", end: bytes = EOC) -> bytes:
    """Return a codestream of one 16 x 16 tile with one component and three decomposition levels: empty packets."""
    component = Component(1, 1, 3, 6, 6, ((15, 15),) * 4)
    header = SOC + siz((0, 0, 16, 16), (0, 0, 16, 16), [(7, 1, 1)]) + cod(component) + qcd(3) + main
    return header + tile_part(0, 0, tile, packets) + end
