"""Which codecs there are for a transfer syntax, best first."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from gpucodec.codecs.base import Codec
from gpucodec.codecs.formats import FORMATS, Family

__all__ = ["BACKENDS", "codecs_for"]

# In the order in which `auto` prefers them; the simulator is a test bench and never chosen by itself.
BACKENDS = ("cuda", "nvjpeg2k", "cpu", "library", "simulator")

# Family -> the modules whose `codecs(family)` lists codecs for it; they load when first asked for.
_MODULES: dict[Family, tuple[str, ...]] = {
    Family.RLE: ("gpucodec.codecs.rle", "gpucodec.libraries.pylibjpeg_rle"),
    Family.JPEG: ("gpucodec.libraries.libjpeg",),
    Family.JPEG_LS: ("gpucodec.codecs.jpegls", "gpucodec.libraries.charls"),
    Family.JPEG_2000: ("gpucodec.codecs.jpeg2000", "gpucodec.libraries.nvjpeg2k", "gpucodec.libraries.openjpeg"),
    Family.HTJ2K: ("gpucodec.codecs.htj2k", "gpucodec.libraries.nvjpeg2k", "gpucodec.libraries.openjpeg"),
}


@cache
def codecs_for(uid: str) -> tuple[Codec, ...]:
    """Return every codec for a transfer syntax, in the order of `BACKENDS`.

    Parameters
    ----------
    uid : str
        A Transfer Syntax UID; one that gpucodec does not know has no codecs.
    """
    if uid not in FORMATS:
        return ()
    family = FORMATS[uid].family
    found = [codec for module in _MODULES[family] for codec in import_module(module).codecs(family)]
    return tuple(sorted(found, key=lambda codec: BACKENDS.index(codec.backend)))
