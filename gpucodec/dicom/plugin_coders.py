"""pydicom's encoders and decoders that the plugin is added to, and the encoders of HTJ2K that pydicom does not have.

pydicom decodes HTJ2K but has no encoder of it, so ``Dataset.compress`` refuses its transfer syntaxes before it looks
for plugins. While gpucodec is registered, pydicom's table of encoders has one for each of them, and its table of
profiles the rows of PS3.5 Table 8.2.14-1; whoever later adds encoders of their own is not disturbed, and an encoder
that pydicom itself comes to have is used instead.
"""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.encoders import base
from pydicom.uid import UID

from gpucodec.codecs.formats import FORMATS, Family
from gpucodec.dicom.profiles import PROFILES

__all__ = ["find_decoder", "find_encoder", "forget_encoders"]

_VERSION_ADDED = "3.0"
_OWN: dict[UID, Any] = {}


def find_decoder(uid: str) -> Any | None:
    """Return pydicom's decoder of a transfer syntax, None where it has none."""
    try:
        return get_decoder(uid)
    except NotImplementedError:
        return None


def find_encoder(uid: str, *, make: bool) -> Any | None:
    """Return pydicom's encoder of a transfer syntax.

    Parameters
    ----------
    uid : str
        The transfer syntax.
    make : bool
        Whether an encoder of HTJ2K is added to pydicom's table if there is none.

    Returns
    -------
    pydicom.pixels.encoders.base.Encoder or None
        None where there is none.
    """
    try:
        return base.get_encoder(uid)
    except NotImplementedError:
        if not make or FORMATS[uid].family is not Family.HTJ2K:
            return None
    key = UID(uid)
    encoder = base.Encoder(key)
    base._PIXEL_DATA_ENCODERS[key] = (encoder, _VERSION_ADDED)
    if key not in base.ENCODING_PROFILES:
        base.ENCODING_PROFILES[key] = [astuple(row) for row in PROFILES[uid]]
    _OWN[key] = encoder
    return encoder


def forget_encoders() -> None:
    """Take the encoders of HTJ2K out of pydicom's table again, but for those that somebody else's plugin uses."""
    for uid, encoder in list(_OWN.items()):
        if encoder.available_plugins:
            continue
        del _OWN[uid]
        if base._PIXEL_DATA_ENCODERS.get(uid, (None,))[0] is encoder:
            del base._PIXEL_DATA_ENCODERS[uid]
            base.ENCODING_PROFILES.pop(uid, None)
