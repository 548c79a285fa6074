"""Codes of the JPEG 2000 markers, ITU-T T.800 Table A.2 and T.814 A.2."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Marker", "marker_name"]


class Marker(IntEnum):
    """Delimiters and marker segments of the main and the tile-part headers."""

    SOC = 0xFF4F
    CAP = 0xFF50
    SIZ = 0xFF51
    COD = 0xFF52
    COC = 0xFF53
    TLM = 0xFF55
    PLM = 0xFF57
    PLT = 0xFF58
    CPF = 0xFF59
    QCD = 0xFF5C
    QCC = 0xFF5D
    RGN = 0xFF5E
    POC = 0xFF5F
    PPM = 0xFF60
    PPT = 0xFF61
    CRG = 0xFF63
    COM = 0xFF64
    SOT = 0xFF90
    SOD = 0xFF93
    EOC = 0xFFD9


def marker_name(code: int) -> str:
    """Return a marker's name, or its code where it has none here."""
    return Marker(code).name if code in Marker._value2member_map_ else f"{code:04x}"
