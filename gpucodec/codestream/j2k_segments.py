"""What the marker segments of main and tile-part headers say, one at a time, ITU-T T.800 A.6 and T.814 A.3."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from gpucodec.codestream.j2k_codes import marker_name
from gpucodec.codestream.j2k_parameters import MAX_LEVELS, MAX_PRECINCT_EXPONENT, ProgressionOrder
from gpucodec.codestream.j2k_size import FORMAT
from gpucodec.errors import CodestreamError

__all__ = [
    "CodingStyle",
    "PacketStyle",
    "Progression",
    "Quantization",
    "Segment",
    "read_capabilities",
    "read_coc",
    "read_cod",
    "read_poc",
    "read_qcc",
    "read_qcd",
    "read_rgn",
]

_HAS_PRECINCTS = 1
_HAS_SOP = 2
_HAS_EPH = 4
HIGH_THROUGHPUT = 0x40  # T.814 Table A.4
_MAX_BLOCK_EXPONENT = 10
_MAX_BLOCK_AREA_EXPONENT = 12
_PART_15 = 1 << (32 - 15)


class Segment(NamedTuple):
    """One marker segment.

    Parameters
    ----------
    code : int
        Its marker.
    body : bytes
        What follows its length.
    offset : int
        Where its marker is in the frame's bytes.
    """

    code: int
    body: bytes
    offset: int

    def wrong(self, message: str, place: int = 0) -> CodestreamError:
        """Return the error that says what is wrong at `place` in the body."""
        return CodestreamError(message, format=FORMAT, offset=self.offset + 4 + place, marker=marker_name(self.code))

    def unpack(self, layout: str, place: int) -> tuple[int, ...]:
        """Return what `struct.unpack_from` does, or say that the segment is too short."""
        if place + struct.calcsize(layout) > len(self.body):
            raise self.wrong(f"a length of {len(self.body) + 2} is too short", -2)
        return struct.unpack_from(layout, self.body, place)


@dataclass(frozen=True, slots=True)
class PacketStyle:
    """What COD says of a tile as a whole.

    Parameters
    ----------
    progression_order : ProgressionOrder
        The order of packets where POC says nothing.
    num_layers : int
        1 to 65535.
    component_transform : bool
        Whether the first three components went through the RCT or the ICT.
    sop, eph : bool
        Whether SOP marker segments may, and EPH markers must be there.
    """

    progression_order: ProgressionOrder
    num_layers: int
    component_transform: bool
    sop: bool
    eph: bool


@dataclass(frozen=True, slots=True)
class CodingStyle:
    """What COD or COC says of a component.

    Parameters
    ----------
    levels : int
        Decomposition levels.
    width_exponent, height_exponent : int
        Of codeblocks.
    codeblock_style : int
        Table A.19, and T.814's bits: 64 for HT codeblocks, 128 where only some are.
    reversible : bool
        Whether the wavelet is the 5/3 one.
    precincts : tuple of (int, int)
        Exponents of precincts' width and height, one pair a resolution level.
    """

    levels: int
    width_exponent: int
    height_exponent: int
    codeblock_style: int
    reversible: bool
    precincts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Quantization:
    """What QCD or QCC says of a component.

    Parameters
    ----------
    derived : bool
        Whether only the step of LL is told, and the others follow from it.
    guard_bits : int
        0 to 7.
    exponents, mantissas : tuple of int
        One a subband in the order LL, then HL, LH, HH of each level, coarsest first; without quantization
        mantissas are 0.
    """

    derived: bool
    guard_bits: int
    exponents: tuple[int, ...]
    mantissas: tuple[int, ...]

    def step(self, band: int, level: int, levels: int) -> tuple[int, int]:
        """Return exponent and mantissa of a subband, (E-5), by its index and its decomposition level."""
        if self.derived:
            return self.exponents[0] - (levels - level), self.mantissas[0]
        return self.exponents[band], self.mantissas[band]


@dataclass(frozen=True, slots=True)
class Progression:
    """One progression order volume, T.800 A.6.6 and B.12.2; ends are exclusive.

    Parameters
    ----------
    order : ProgressionOrder
        The order in it.
    first_resolution, end_resolution, first_component, end_component, end_layer : int
        What it has packets of, as far as there are such.
    """

    order: ProgressionOrder
    first_resolution: int
    end_resolution: int
    first_component: int
    end_component: int
    end_layer: int


def _progression_order(segment: Segment, value: int, place: int) -> ProgressionOrder:
    if value > max(ProgressionOrder):
        raise segment.wrong(f"a progression order of {value} is not allowed, must be 0 to 4", place)
    return ProgressionOrder(value)


def read_cod(segment: Segment) -> tuple[PacketStyle, CodingStyle]:
    """Read COD, A.6.1."""
    style, order, layers, transform = segment.unpack(">BBHB", 0)
    progression_order = _progression_order(segment, order, 1)
    if not layers:
        raise segment.wrong("0 layers are not allowed, must be 1 to 65535", 2)
    if transform > 1:
        raise segment.wrong(f"a multiple component transform of {transform} is not allowed, must be 0 or 1", 4)
    packets = PacketStyle(progression_order, layers, bool(transform), bool(style & _HAS_SOP), bool(style & _HAS_EPH))
    return packets, _coding_style(segment, 5, bool(style & _HAS_PRECINCTS))


def read_coc(segment: Segment, num_components: int) -> tuple[int, CodingStyle]:
    """Read COC, A.6.2: the component, and its style."""
    component, place = _component(segment, num_components)
    (style,) = segment.unpack(">B", place)
    return component, _coding_style(segment, place + 1, bool(style & _HAS_PRECINCTS))


def _component(segment: Segment, num_components: int, place: int = 0) -> tuple[int, int]:
    """Return a component's index and the place after it: one byte where there are less than 257 components."""
    wide = num_components > 256
    (component,) = segment.unpack(">H" if wide else ">B", place)
    if component >= num_components:
        raise segment.wrong(f"there is no component {component}, there are {num_components}", place)
    return component, place + 1 + wide


def _coding_style(segment: Segment, place: int, has_precincts: bool) -> CodingStyle:
    levels, width, height, style, wavelet = segment.unpack(">5B", place)
    width, height = width + 2, height + 2
    if levels > MAX_LEVELS:
        raise segment.wrong(f"{levels} decomposition levels are not allowed, at most {MAX_LEVELS} are", place)
    if max(width, height) > _MAX_BLOCK_EXPONENT or width + height > _MAX_BLOCK_AREA_EXPONENT:
        raise segment.wrong(f"codeblocks of 2**{width} x 2**{height} samples are not allowed", place + 1)
    if wavelet > 1:
        raise segment.wrong(f"a wavelet of {wavelet} is not allowed, must be 0 or 1", place + 4)
    if style & 0x80 and not style & HIGH_THROUGHPUT:
        raise segment.wrong(f"a codeblock style of {style:02x} is not allowed", place + 3)
    precincts = ((MAX_PRECINCT_EXPONENT, MAX_PRECINCT_EXPONENT),) * (levels + 1)
    if has_precincts:
        sizes = segment.unpack(f">{levels + 1}B", place + 5)
        precincts = tuple((size & 15, size >> 4) for size in sizes)
        for resolution, exponents in enumerate(precincts):
            if resolution and 0 in exponents:
                message = f"precincts of 2**{exponents[0]} x 2**{exponents[1]} samples are too small"
                raise segment.wrong(f"{message} at resolution level {resolution}", place + 5 + resolution)
    return CodingStyle(levels, width, height, style, bool(wavelet), precincts)


def read_qcd(segment: Segment) -> Quantization:
    """Read QCD, A.6.4."""
    return _quantization(segment, 0)


def read_qcc(segment: Segment, num_components: int) -> tuple[int, Quantization]:
    """Read QCC, A.6.5: the component, and its quantization."""
    component, place = _component(segment, num_components)
    return component, _quantization(segment, place)


def _quantization(segment: Segment, place: int) -> Quantization:
    (style,) = segment.unpack(">B", place)
    kind, guard_bits = style & 31, style >> 5
    if kind > 2:
        raise segment.wrong(f"a quantization style of {kind} is not allowed, must be 0, 1 or 2", place)
    rest = segment.body[place + 1 :]
    num_steps = 1 if kind == 1 else min(len(rest) // (1 if kind == 0 else 2), 3 * MAX_LEVELS + 1)
    if num_steps < 1 or (kind == 1 and len(rest) < 2):
        raise segment.wrong(f"a length of {len(segment.body) + 2} has no room for a step", -2)
    if kind == 0:
        return Quantization(False, guard_bits, tuple(step >> 3 for step in rest[:num_steps]), (0,) * num_steps)
    steps = struct.unpack_from(f">{num_steps}H", rest)
    exponents, mantissas = tuple(step >> 11 for step in steps), tuple(step & 0x7FF for step in steps)
    return Quantization(kind == 1, guard_bits, exponents, mantissas)


def read_rgn(segment: Segment, num_components: int) -> tuple[int, int]:
    """Read RGN, A.6.3: the component, and by how many bit-planes its region of interest is shifted up."""
    component, place = _component(segment, num_components)
    style, shift = segment.unpack(">BB", place)
    if style:
        raise segment.wrong(f"a region of interest of style {style} is not allowed, must be 0", place)
    return component, shift


def read_poc(segment: Segment, num_components: int) -> tuple[Progression, ...]:
    """Read POC, A.6.6."""
    wide = num_components > 256
    layout = ">BHHBHB" if wide else ">BBHBBB"
    size = struct.calcsize(layout)
    if not segment.body or len(segment.body) % size:
        raise segment.wrong(f"a length of {len(segment.body) + 2} is not that of whole progression changes", -2)
    found = []
    for place in range(0, len(segment.body), size):
        first_resolution, first_component, layers, resolutions, components, order = segment.unpack(layout, place)
        # With 256 components their number does not fit its byte, and 0 stands for it.
        end = components or (16384 if wide else 256)
        if first_resolution >= resolutions or first_component >= end or not layers:
            raise segment.wrong("an empty progression is not allowed", place)
        progression_order = _progression_order(segment, order, place + size - 1)
        found.append(Progression(progression_order, first_resolution, resolutions, first_component, end, layers))
    return tuple(found)


def read_capabilities(segment: Segment) -> str:
    """Read CAP, A.5.2: return which parts of the standard but Part 15 are needed; empty where none are."""
    (parts,) = segment.unpack(">I", 0)
    others = [str(part) for part in range(1, 33) if (parts & ~_PART_15) >> (32 - part) & 1]
    if len(segment.body) < 4 + 2 * parts.bit_count():
        raise segment.wrong(f"a length of {len(segment.body) + 2} is too short for its {parts.bit_count()} parts", -2)
    return f"the codestream needs Part {', '.join(others)} of the standard" if others else ""
