"""What pylibjpeg-openjpeg writes, as pydicom calls it, and what it reads."""

from benchmarks.openjpeg_peer import decoded, encoded, psnr

__all__ = ["decoded", "encoded", "marker_segments", "psnr", "without_comment"]

_SOC = b"\xff\x4f"
_COM, _SOT = 0xFF64, 0xFF90


def marker_segments(codestream):
    """Yield marker, start and end of each marker segment of the main header."""
    assert codestream[:2] == _SOC
    at = 2
    while (marker := int.from_bytes(codestream[at : at + 2], "big")) != _SOT:
        end = at + 2 + int.from_bytes(codestream[at + 2 : at + 4], "big")
        yield marker, at, end
        at = end


def without_comment(codestream):
    """Return a codestream without its COM marker segments: they tell who wrote it."""
    kept = codestream
    for marker, start, end in reversed(list(marker_segments(codestream))):
        if marker == _COM:
            kept = kept[:start] + kept[end:]
    return kept
