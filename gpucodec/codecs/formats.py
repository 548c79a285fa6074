"""The transfer syntaxes that gpucodec knows, as data: UID, name, family, and what each may carry.

PS3.5 Annex A and PS3.6 Annex A. Only strings here: pydicom is not needed to know what a codestream is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gpucodec.errors import UnsupportedError

__all__ = ["FORMATS", "Family", "Format", "get_format"]


class Family(StrEnum):
    """What kind of codestream a transfer syntax carries."""

    RLE = "rle"
    JPEG = "jpeg"
    JPEG_LS = "jpegls"
    JPEG_2000 = "jpeg2000"
    HTJ2K = "htj2k"


@dataclass(frozen=True, slots=True)
class Format:
    """One compressed transfer syntax.

    Parameters
    ----------
    uid : str
        Transfer Syntax UID.
    name : str
        Its name in PS3.6.
    family : Family
        The kind of codestream.
    lossless : bool
        Whether the transfer syntax allows lossless compression alone.
    lossy_method : str
        Defined term of (0028,2114) Lossy Image Compression Method, PS3.3 C.7.6.1.1.5.1.
    """

    uid: str
    name: str
    family: Family
    lossless: bool
    lossy_method: str = ""


_ALL = (
    Format("1.2.840.10008.1.2.5", "RLE Lossless", Family.RLE, lossless=True),
    Format("1.2.840.10008.1.2.4.50", "JPEG Baseline (Process 1)", Family.JPEG, False, "ISO_10918_1"),
    Format("1.2.840.10008.1.2.4.51", "JPEG Extended (Process 2 and 4)", Family.JPEG, False, "ISO_10918_1"),
    Format("1.2.840.10008.1.2.4.57", "JPEG Lossless, Non-Hierarchical (Process 14)", Family.JPEG, lossless=True),
    Format("1.2.840.10008.1.2.4.70", "JPEG Lossless, Non-Hierarchical, First-Order Prediction", Family.JPEG, True),
    Format("1.2.840.10008.1.2.4.80", "JPEG-LS Lossless", Family.JPEG_LS, lossless=True),
    Format("1.2.840.10008.1.2.4.81", "JPEG-LS Near Lossless", Family.JPEG_LS, False, "ISO_14495_1"),
    Format("1.2.840.10008.1.2.4.90", "JPEG 2000 Lossless", Family.JPEG_2000, lossless=True),
    Format("1.2.840.10008.1.2.4.91", "JPEG 2000", Family.JPEG_2000, False, "ISO_15444_1"),
    Format("1.2.840.10008.1.2.4.201", "HTJ2K Lossless", Family.HTJ2K, lossless=True),
    Format("1.2.840.10008.1.2.4.202", "HTJ2K Lossless RPCL", Family.HTJ2K, lossless=True),
    Format("1.2.840.10008.1.2.4.203", "HTJ2K", Family.HTJ2K, False, "ISO_15444_15"),
)

FORMATS = {entry.uid: entry for entry in _ALL}


def get_format(uid: str) -> Format:
    """Return the format of a Transfer Syntax UID.

    Raises
    ------
    UnsupportedError
        If gpucodec knows no codestream for that UID.
    """
    try:
        return FORMATS[str(uid)]
    except KeyError:
        known = ", ".join(f"{entry.name} ({entry.uid})" for entry in _ALL)
        raise UnsupportedError(f"No codec for the transfer syntax UID '{uid}'; known are {known}") from None
