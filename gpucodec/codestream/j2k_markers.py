"""The marker segments of a JPEG 2000 codestream, ITU-T T.800 Annex A and T.814 A.3. One tile, one tile-part."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from gpucodec.codestream.j2k_parameters import CodeblockStyle, CodingParameters
from gpucodec.errors import UnsupportedError
from gpucodec.frames import FrameSpec

__all__ = ["EOC", "main_header", "tile_part_header"]

SOC = b"\xff\x4f"
SOD = b"\xff\x93"
EOC = b"\xff\xd9"
_CAP, _SIZ, _COD, _QCD, _TLM, _PLT, _SOT = 0xFF50, 0xFF51, 0xFF52, 0xFF5C, 0xFF55, 0xFF58, 0xFF90

_PART_15_RSIZ = 1 << 14
_PART_15_PCAP = 1 << (32 - 15)
_HT_IRREVERSIBLE = 1 << 5
_HT_STYLE = 1 << 6

_SOT_BYTES = 12
_LARGEST_SEGMENT = 65535
_LARGEST_TILE_PART = (1 << 32) - 1


def main_header(
    spec: FrameSpec, parameters: CodingParameters, exponents: Sequence[int], mantissas: Sequence[int], guard_bits: int
) -> bytes:
    """Return SOC, SIZ, CAP for HT codeblocks, COD and QCD.

    Parameters
    ----------
    spec : FrameSpec
        What the frame is; *Bits Stored* is the precision.
    parameters : CodingParameters
        How it is coded.
    exponents, mantissas : sequence of int
        For each subband in the order of QCD; without quantization only the exponents are told, A.6.4.
    guard_bits : int
        0 to 7.
    """
    cap = _cap(parameters, max(exponents) + guard_bits - 1) if parameters.high_throughput else b""
    siz = _siz(spec, parameters)
    return SOC + siz + cap + _cod(parameters) + _qcd(parameters, exponents, mantissas, guard_bits)


def tile_part_header(
    parameters: CodingParameters, num_packet_bytes: int, packet_lengths: Iterable[int]
) -> tuple[bytes, bytes]:
    """Return the TLM marker segment, which belongs at the end of the main header, and the tile-part header.

    Parameters
    ----------
    parameters : CodingParameters
        Whether TLM and PLT are wanted.
    num_packet_bytes : int
        Bytes of all packets.
    packet_lengths : iterable of int
        Bytes of each packet, looked at for PLT alone.
    """
    plt = _plt(packet_lengths) if parameters.plt else b""
    length = _SOT_BYTES + len(plt) + len(SOD) + num_packet_bytes
    fits = length <= _LARGEST_TILE_PART
    if parameters.tlm and not fits:
        raise UnsupportedError(f"A tile-part of {length} bytes is too long for TLM, at most {_LARGEST_TILE_PART}")
    # A length of 0 says that the tile-part, which must then be the last, goes up to EOC (A.4.2).
    sot = struct.pack(">HHHIBB", _SOT, 10, 0, length if fits else 0, 0, 1)
    # One tile-part: its tile's index needs not be told, its length takes 32 bits (A.7.1).
    tlm = struct.pack(">HHBBI", _TLM, 8, 0, 0x40, length) if parameters.tlm else b""
    return tlm, sot + plt + SOD


def _cap(parameters: CodingParameters, bitplanes: int) -> bytes:
    """Return the capabilities that a decoder needs: HT codeblocks alone, one HT set each, T.814 A.3 and 8.7."""
    # The largest number of magnitude bit-planes, T.814 (8-3).
    if bitplanes <= 8:
        magnitude = 0
    elif bitplanes < 28:
        magnitude = bitplanes - 8
    else:
        magnitude = min(31, 13 + -(-bitplanes // 4))
    irreversible = 0 if parameters.reversible else _HT_IRREVERSIBLE
    return struct.pack(">HHIH", _CAP, 8, _PART_15_PCAP, irreversible | magnitude)


def _siz(spec: FrameSpec, parameters: CodingParameters) -> bytes:
    capabilities = _PART_15_RSIZ if parameters.high_throughput else 0
    area = (spec.columns, spec.rows, 0, 0)
    depth = spec.pixel_representation << 7 | (spec.bits_stored - 1)
    components = bytes((depth, 1, 1)) * spec.samples_per_pixel
    head = (_SIZ, 38 + len(components), capabilities, *area, *area, spec.samples_per_pixel)
    return struct.pack(">HHH8IH", *head) + components


def _cod(parameters: CodingParameters) -> bytes:
    coding_style = bool(parameters.precincts) | parameters.sop << 1 | parameters.eph << 2
    order, layers = parameters.progression_order, parameters.num_layers
    width, height = parameters.codeblock_width_exponent - 2, parameters.codeblock_height_exponent - 2
    style = int(CodeblockStyle(parameters.codeblock_style)) | _HT_STYLE * parameters.high_throughput
    wavelet = int(parameters.reversible)
    precincts = bytes(
        high << 4 | wide
        for wide, high in (parameters.precinct(resolution) for resolution in range(parameters.levels + 1))
        if parameters.precincts
    )
    head = struct.pack(
        ">HHBBHB", _COD, 12 + len(precincts), coding_style, order, layers, parameters.component_transform
    )
    return head + bytes((parameters.levels, width, height, style, wavelet)) + precincts


def _qcd(parameters: CodingParameters, exponents: Sequence[int], mantissas: Sequence[int], guard_bits: int) -> bytes:
    if parameters.reversible:
        steps = bytes(exponent << 3 for exponent in exponents)
        style = 0
    else:
        pairs = zip(exponents, mantissas, strict=True)
        steps = b"".join(struct.pack(">H", exponent << 11 | mantissa) for exponent, mantissa in pairs)
        style = 2
    return struct.pack(">HHB", _QCD, 3 + len(steps), guard_bits << 5 | style) + steps


def _plt(packet_lengths: Iterable[int]) -> bytes:
    """Return as many PLT marker segments as the packets need, A.7.3."""
    segments = [bytearray()]
    for length in packet_lengths:
        entry = _seven_bits_a_byte(length)
        if len(segments[-1]) + len(entry) > _LARGEST_SEGMENT - 3:
            segments.append(bytearray())
        segments[-1] += entry
    if len(segments) > 256:
        raise UnsupportedError(f"{len(segments)} PLT marker segments would be needed, at most 256 are possible")
    numbered = enumerate(segments)
    return b"".join(struct.pack(">HHB", _PLT, 3 + len(entries), number) + entries for number, entries in numbered)


def _seven_bits_a_byte(value: int) -> bytes:
    entry = [value & 0x7F]
    while value := value >> 7:
        entry.append(0x80 | value & 0x7F)
    return bytes(reversed(entry))
