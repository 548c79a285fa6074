"""JPEG-LS codestreams of every make, put together around entropy-coded data that CharLS wrote."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from importlib import import_module

import numpy as np

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
SOF55, LSE, SOS, DRI, DNL, COM, APP8 = 0xF7, 0xF8, 0xDA, 0xDD, 0xDC, 0xFE, 0xE8
NONE, LINE, SAMPLE = 0, 1, 2
_HEADROOM = bytes(1024)  # CharLS is given a buffer of twice the source, which is too little for a few pixels


def charls(frame: np.ndarray, bits: int, near: int = 0, interleave: int = SAMPLE) -> bytes:
    """Encode ``(rows, columns)`` or ``(rows, columns, components)`` with CharLS."""
    rows, columns, components = (*frame.shape, 1)[:3]
    if components == 1:
        interleave = NONE
    source = np.moveaxis(frame, -1, 0) if frame.ndim == 3 and interleave == NONE else frame
    source = np.ascontiguousarray(source).tobytes() + _HEADROOM
    return bytes(import_module("_CharLS")._encode(source, near, interleave, rows, columns, components, bits))


def decoded_by_charls(codestream: bytes) -> np.ndarray:
    """Decode with CharLS to ``(rows, columns)`` or ``(rows, columns, components)``."""
    from jpeg_ls import decode_pixel_data

    content, info = decode_pixel_data(codestream)
    samples = np.frombuffer(content, "u1" if info["bits_per_sample"] <= 8 else "<u2")
    rows, columns, components = info["height"], info["width"], info["components"]
    if components == 1:
        return samples.reshape(rows, columns)
    if info["interleave_mode"] == NONE:
        return np.moveaxis(samples.reshape(components, rows, columns), 0, -1)
    return samples.reshape(rows, columns, components)


def segment(code: int, content: bytes) -> bytes:
    return bytes((0xFF, code)) + struct.pack(">H", len(content) + 2) + content


def frame_header(
    rows: int, columns: int, precision: int, components: int = 1, factors: Sequence[int] = (), code: int = SOF55
) -> bytes:
    factors = factors or [0x11] * components
    described = b"".join(bytes((k + 1, factor, 0)) for k, factor in enumerate(factors))
    return segment(code, struct.pack(">BHHB", precision, rows, columns, len(factors)) + described)


def scan_header(
    components: Sequence[int] = (1,), near: int = 0, interleave: int = NONE, transform: int = 0, tables: bytes = b""
) -> bytes:
    tables = tables or bytes(len(components))
    named = b"".join(bytes(pair) for pair in zip(components, tables, strict=True))
    return segment(SOS, bytes((len(components),)) + named + bytes((near, interleave, transform)))


def preset(maximum: int = 0, thresholds: Sequence[int] = (0, 0, 0), reset: int = 0) -> bytes:
    return segment(LSE, struct.pack(">B5H", 1, maximum, *thresholds, reset))


def mapping_table(entries: np.ndarray, identifier: int = 1, kind: int = 2) -> bytes:
    size = entries.dtype.itemsize
    return segment(LSE, bytes((kind, identifier, size)) + entries.astype(f">u{size}").tobytes())


def entropy_coded(codestream: bytes) -> list[bytes]:
    """Return the entropy-coded data of each scan of a codestream that CharLS wrote."""
    scans = []
    offset = codestream.index(b"\xff\xda")
    while codestream[offset : offset + 2] == b"\xff\xda":
        start = offset + 2 + int.from_bytes(codestream[offset + 2 : offset + 4], "big")
        offset = start
        while not (codestream[offset] == 0xFF and codestream[offset + 1] >= 0x80):
            offset += 1
        scans.append(codestream[start:offset])
    return scans


def coded(frame: np.ndarray, bits: int, near: int = 0, interleave: int = SAMPLE) -> bytes:
    """Return the entropy-coded data of the one scan that CharLS makes of a frame."""
    (scan,) = entropy_coded(charls(frame, bits, near, interleave))
    return scan


def with_restarts(
    frame: np.ndarray, bits: int, interval: int, near: int = 0, interleave: int = SAMPLE, width: int = 2
) -> bytes:
    """Return a codestream with restart markers: each interval is coded as if it were a frame (T.87 C.2.5)."""
    components = frame.shape[2] if frame.ndim == 3 else 1
    mode = interleave if components > 1 else NONE
    header = SOI + frame_header(*frame.shape[:2], bits, components) + segment(DRI, interval.to_bytes(width, "big"))
    data = b""
    for number, first in enumerate(range(0, len(frame), interval)):
        data += bytes((0xFF, 0xD0 + (number - 1) % 8)) * (number > 0)
        data += coded(frame[first : first + interval], bits, near, interleave)
    return header + scan_header(range(1, components + 1), near, mode) + data + EOI


def insert(codestream: bytes, *segments: bytes) -> bytes:
    """Put segments behind SOI."""
    return codestream[:2] + b"".join(segments) + codestream[2:]
