"""The pydicom plugin "gpucodec": every transfer syntax that a backend here serves, batched behind pydicom's back.

pydicom hands its plugins one frame at a time, with the runner that holds the whole image. The window
(`gpucodec.dicom.window`) codes ahead from there. Nothing is registered until `register` is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gpucodec.codecs.base import DecodeRequest, EncodeRequest
from gpucodec.codecs.dispatch import consider
from gpucodec.codecs.formats import FORMATS, Family
from gpucodec.codecs.options import EncodeOptions
from gpucodec.dicom.plugin_coders import find_decoder, find_encoder, forget_encoders
from gpucodec.dicom.plugin_decode import decode_frame
from gpucodec.dicom.plugin_encode import encode_frame
from gpucodec.dicom.plugin_runner import LABEL
from gpucodec.frames import FrameSpec

__all__ = ["DECODER_DEPENDENCIES", "ENCODER_DEPENDENCIES", "LABEL", "is_available", "register", "unregister"]

_LIBRARY = {
    Family.RLE: ("numba>=0.61",),
    Family.JPEG: ("pylibjpeg>=2.0", "pylibjpeg-libjpeg>=2.3"),
    Family.JPEG_LS: ("pyjpegls>=1.5",),
    Family.JPEG_2000: ("pylibjpeg>=2.0", "pylibjpeg-openjpeg>=2.4"),
    Family.HTJ2K: ("pylibjpeg>=2.0", "pylibjpeg-openjpeg>=2.4"),
}

# What pydicom names when the plugin cannot serve a transfer syntax here.
DECODER_DEPENDENCIES = {uid: ("numpy", *_LIBRARY[entry.family]) for uid, entry in FORMATS.items()}
ENCODER_DEPENDENCIES = {
    uid: ("numpy", *_LIBRARY[entry.family]) for uid, entry in FORMATS.items() if entry.family is not Family.JPEG
}

# A frame that every transfer syntax may carry.
_TYPICAL = FrameSpec(rows=64, columns=64)


def register() -> None:
    """Make pydicom know the plugin ``"gpucodec"``; again if it already does, which changes nothing.

    It is added to the encoder and the decoder of every transfer syntax that some backend here serves, behind the
    plugins that pydicom already has: name it to use it. pydicom has no encoders of HTJ2K; it gets them, see
    `gpucodec.dicom.plugin_coders`. Its ``Dataset.compress`` hands `j2k_cr` and `j2k_psnr` on for JPEG 2000 alone: for
    HTJ2K they are called `compression_ratios` and `signal_noise_ratios` there.

    Examples
    --------
    >>> import gpucodec
    >>> from pydicom import examples
    >>> from pydicom.uid import RLELossless
    >>> gpucodec.register()
    >>> ds = examples.ct
    >>> ds.compress(RLELossless, encoding_plugin="gpucodec")
    >>> ds.decompress(decoding_plugin="gpucodec")
    """
    for coder, function in _coders():
        if LABEL not in coder.available_plugins:
            coder.add_plugin(LABEL, (__name__, function))


def unregister() -> None:
    """Make pydicom forget the plugin ``"gpucodec"``; nothing happens if it does not know it."""
    for uid in FORMATS:
        for coder in (find_encoder(uid, make=False), find_decoder(uid)):
            if coder is not None and LABEL in coder.available_plugins:
                coder.remove_plugin(LABEL)
    forget_encoders()


def is_available(uid: str) -> bool:
    """Whether the plugin can decode, or encode, a transfer syntax here; pydicom asks when the plugin is added."""
    return _can_decode(str(uid)) or _can_encode(str(uid))


def _coders() -> Iterator[tuple[Any, str]]:
    """Yield pydicom's encoders and decoders that the plugin serves, each with the name of its function."""
    for uid in FORMATS:
        encoder = find_encoder(uid, make=True) if _can_encode(uid) else None
        if encoder is not None:
            yield encoder, encode_frame.__name__
        decoder = find_decoder(uid) if _can_decode(uid) else None
        if decoder is not None:
            yield decoder, decode_frame.__name__


def _can_encode(uid: str) -> bool:
    if uid not in FORMATS:
        return False
    entry = FORMATS[uid]
    lossy_wavelet = entry.family in (Family.JPEG_2000, Family.HTJ2K) and not entry.lossless
    options = EncodeOptions.for_transfer_syntax(uid, j2k_cr=[10.0] if lossy_wavelet else None)
    return _is_served(EncodeRequest(uid, _TYPICAL, 1, options))


def _can_decode(uid: str) -> bool:
    return uid in FORMATS and _is_served(DecodeRequest(uid, _TYPICAL, 1))


def _is_served(request: EncodeRequest | DecodeRequest) -> bool:
    return any(not reasons for codec, reasons in consider(request) if codec.backend != "simulator")
