"""What pylibjpeg-openjpeg writes, as pydicom calls it, and what it reads."""

import numpy as np
from openjpeg.utils import decode_pixel_data, encode_pixel_data

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


def encoded(frame, spec, **options):
    """Return the codestream that pylibjpeg-openjpeg makes of a frame; `compression_ratios`, `signal_noise_ratios`."""
    container = f"<{frame.dtype.kind}{next(size for size in (1, 2, 4) if spec.bits_stored <= 8 * size)}"
    return encode_pixel_data(
        np.ascontiguousarray(frame).astype(container).tobytes(),
        rows=spec.rows,
        columns=spec.columns,
        samples_per_pixel=spec.samples_per_pixel,
        bits_stored=spec.bits_stored,
        pixel_representation=spec.pixel_representation,
        photometric_interpretation=spec.photometric_interpretation,
        **options,
    )


def decoded(codestream, spec):
    """Return the frame that pylibjpeg-openjpeg reads."""
    size = next(size for size in (1, 2, 4) if spec.bits_stored <= 8 * size)
    samples = np.frombuffer(decode_pixel_data(codestream, version=2), f"<{spec.dtype.kind}{size}")
    return samples.reshape(spec.shape).astype(spec.dtype)


def psnr(frame, other, bits_stored):
    """Return the peak signal-to-noise ratio of two frames in dB."""
    error = np.mean((frame.astype(float) - other.astype(float)) ** 2)
    return 10 * np.log10((2**bits_stored - 1) ** 2 / error) if error else np.inf
