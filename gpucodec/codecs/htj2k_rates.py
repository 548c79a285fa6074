"""The quantizers of HTJ2K: bit-planes without quantization, T.814 and T.800 Annex E, and step sizes for a quality."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from gpucodec.codecs.jpeg2000_rates import Quantizer
from gpucodec.codestream.j2k_parameters import CodingParameters
from gpucodec.frames import FrameSpec

__all__ = ["GUARD_BITS", "lossless_quantizer"]

GUARD_BITS = 1

# What the lifting steps of the 5/3 wavelet, T.800 F.4.8.1, amount to: low-pass and high-pass filter.
_LOW_53 = np.array([-1, 2, 6, 2, -1]) / 8
_HIGH_53 = np.array([-1, 2, -1]) / 2


def lossless_quantizer(spec: FrameSpec, parameters: CodingParameters) -> Quantizer:
    """Return the bit-planes that coefficients of the 5/3 wavelet can need, and no more.

    A sample of B bits, one more behind the RCT, grows by at most the sum of the absolute values of the filter that
    leads to a subband. OpenJPH tells the same bit-planes.
    """
    from gpucodec_kernels import quantization as q

    bits = spec.bits_stored + int(parameters.component_transform)
    exponents = []
    for orientation, level in q.subbands(parameters.levels):
        if level == 0:
            exponents.append(bits)  # samples themselves, of which the smallest has a magnitude of as many bits
            continue
        low, high = _gain(level, False), _gain(level, True)
        gain = (low * low, high * low, high * low, high * high)[orientation]
        exponents.append(bits + math.ceil(math.log2(gain) - 1e-9) - GUARD_BITS)
    return Quantizer(exponents, [0] * len(exponents), None, np.array(exponents, np.int32), np.ones(len(exponents)), 0)


@lru_cache(maxsize=128)
def _gain(level: int, is_high: bool) -> float:
    """Return the sum of absolute values of the filter that leads to a subband's samples in one direction."""
    taps = _HIGH_53 if is_high else _LOW_53
    for _ in range(level - 1):
        spread = np.zeros(2 * len(taps) - 1)
        spread[::2] = taps
        taps = np.convolve(spread, _LOW_53)
    return float(np.abs(taps).sum())
