"""A plain writer of JPEG 2000 codestreams that hold one codeblock: signed samples, no wavelet, one packet."""

from __future__ import annotations

import struct
from itertools import accumulate


def write_codestream(
    width: int, height: int, style: int, num_zero_bitplanes: int, segments: list[tuple[int, bytes]]
) -> bytes:
    """Return a codestream; samples are coefficients of 16 magnitude bit-planes.

    Parameters
    ----------
    width, height : int
        Of the codeblock, and so of the picture.
    style : int
        The code-block style bits.
    num_zero_bitplanes : int
        How many of the magnitude bit-planes are not coded.
    segments : list of (int, bytes)
        For each codeword segment the number of its passes, and its bytes.
    """
    precision, guard_bits = 16, 1
    siz = struct.pack(">HIIIIIIIIH", 0, width, height, 0, 0, width, height, 0, 0, 1) + bytes(
        [0x80 | precision - 1, 1, 1]
    )
    exponents = [(size - 1).bit_length() for size in (width, height)]
    cod = bytes([0, 0, 0, 1, 0, 0, *(max(0, exponent - 2) for exponent in exponents), style, 1])
    qcd = bytes([guard_bits << 5, precision << 3])
    body = _packet_header(num_zero_bitplanes, segments) + b"".join(data for _, data in segments)
    main = b"\xff\x4f" + b"".join(
        struct.pack(">HH", marker, len(data) + 2) + data
        for marker, data in ((0xFF51, siz), (0xFF52, cod), (0xFF5C, qcd))
    )
    tile = struct.pack(">HHHIBB", 0xFF90, 10, 0, len(body) + 14, 0, 1) + b"\xff\x93"
    return main + tile + body + b"\xff\xd9"


def _packet_header(num_zero_bitplanes: int, segments: list[tuple[int, bytes]]) -> bytes:
    """B.10: not empty; included; zero bit-planes; number of passes; lengths."""
    bits = "11" + "0" * num_zero_bitplanes + "1" + _num_passes(sum(passes for passes, _ in segments))
    fields = [(len(data), passes.bit_length() - 1) for passes, data in segments]
    increments = max(0, *(length.bit_length() - more - 3 for length, more in fields))
    bits += "1" * increments + "0"
    bits += "".join(f"{length:0{3 + increments + more}b}" for length, more in fields)
    return _stuffed(bits)


def _num_passes(number: int) -> str:
    """Table B.4."""
    if number < 3:
        return "0" if number == 1 else "10"
    if number < 6:
        return f"11{number - 3:02b}"
    return f"1111{number - 6:05b}" if number < 37 else f"111111111{number - 37:07b}"


def _stuffed(bits: str) -> bytes:
    """B.10.1: a byte after 0xFF begins with a zero."""
    data = bytearray()
    while bits or (data and data[-1] == 0xFF):
        room = 7 if data and data[-1] == 0xFF else 8
        data.append(int(bits[:room].ljust(room, "0"), 2))
        bits = bits[room:]
    return bytes(data)


def cut(data: bytes, passes: list[int], ends: list[int]) -> list[tuple[int, bytes]]:
    """Return segments of so many passes each; `ends` is where each of them ends."""
    starts = [0, *ends[:-1]]
    return [(number, data[start:end]) for number, start, end in zip(passes, starts, ends, strict=True)]


def last_passes(passes: list[int]) -> list[int]:
    """Return the index of the last pass of each segment."""
    return [total - 1 for total in accumulate(passes)]
