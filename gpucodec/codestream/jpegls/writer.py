"""Writing JPEG-LS headers as CharLS does, byte for byte. T.87 Annex C.2."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from gpucodec.codestream.jpegls.description import InterleaveMode, Preset
from gpucodec.codestream.jpegls.preset import default_preset

__all__ = ["EOI", "write_frame_header", "write_scan_header"]

EOI = b"\xff\xd9"
_SOI = b"\xff\xd8"
_SOF55 = 0xFFF7
_LSE = 0xFFF8
_SOS = 0xFFDA
_PRESET = 1
_FACTORS = 0x11  # no component is smaller than the image area
# Above 12 bits T.87's default thresholds differ from those of older software, so CharLS always says which it used.
_LARGEST_UNSAID = 12


def write_frame_header(
    rows: int, columns: int, precision: int, num_components: int, preset: Preset, near: int
) -> bytes:
    """Return SOI, SOF55 and, where the parameters are not what a decoder assumes, LSE.

    Parameters
    ----------
    rows, columns : int
        Size of the frame, 1 to 65535.
    precision : int
        Bits of a sample, 2 to 16.
    num_components : int
        1 to 255; they are numbered from 1.
    preset : Preset
        The coding parameters.
    near : int
        NEAR, on which the default thresholds depend.
    """
    described = b"".join(bytes((identifier, _FACTORS, 0)) for identifier in range(1, num_components + 1))
    length = 8 + len(described)
    header = _SOI + struct.pack(">HHBHHB", _SOF55, length, precision, rows, columns, num_components) + described
    if precision > _LARGEST_UNSAID or preset != default_preset((1 << precision) - 1, near):
        header += struct.pack(
            ">HHB5H", _LSE, 13, _PRESET, preset.maximum_sample_value, *preset.thresholds, preset.reset
        )
    return header


def write_scan_header(components: Sequence[int], near: int, interleave_mode: InterleaveMode) -> bytes:
    """Return SOS.

    Parameters
    ----------
    components : sequence of int
        The numbers of the scan's components, as the frame header gave them.
    near : int
        NEAR.
    interleave_mode : InterleaveMode
        ILV; `InterleaveMode.NONE` if there is one component.
    """
    named = b"".join(bytes((identifier, 0)) for identifier in components)
    start = struct.pack(">HHB", _SOS, 6 + len(named), len(components))
    return start + named + bytes((near, interleave_mode, 0))
