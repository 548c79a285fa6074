"""What a JPEG or JPEG-LS codestream says about its colour space, where it says anything.

Three marks are known: component identifiers that spell RGB (ITU-T T.872 6.1), a JFIF segment in APP0 (T.871 10.1),
which means YCbCr, and an Adobe segment in APP14 (T.872 6.5.3), whose last byte is the transform.
"""

from __future__ import annotations

__all__ = ["codestream_colour"]

_SOF = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
_APP0, _APP14 = 0xE0, 0xEE
_MAX_SEGMENTS = 1024
_ADOBE_TRANSFORMS = {0: "RGB", 1: "YBR"}


def codestream_colour(codestream: bytes) -> str:
    """Return ``"RGB"``, ``"YBR"``, or an empty string where the codestream does not say.

    Parameters
    ----------
    codestream : bytes
        One frame of three components. Bytes that cannot be read say nothing; decoding will complain about them.
    """
    offset, marked = 2, ""
    for _ in range(_MAX_SEGMENTS):
        if offset + 4 > len(codestream) or codestream[offset] != 0xFF:
            return marked
        code = codestream[offset + 1]
        if code == 0xFF:  # a fill byte
            offset += 1
            continue
        if code in _STANDALONE:
            offset += 2
            continue
        end = offset + 2 + int.from_bytes(codestream[offset + 2 : offset + 4], "big")
        content = codestream[offset + 4 : end]
        if code in _SOF:
            return "RGB" if content[6::3] in (b"RGB", b"rgb") else marked
        marked = marked or _application_colour(code, content)
        offset = end
    return marked


def _application_colour(code: int, content: bytes) -> str:
    if code == _APP0 and content.startswith(b"JFIF"):
        return "YBR"
    if code == _APP14 and content.startswith(b"Adobe") and len(content) > 11:
        return _ADOBE_TRANSFORMS.get(content[11], "")
    return ""
