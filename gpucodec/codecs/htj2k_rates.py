"""The quantizers of HTJ2K: bit-planes without quantization, T.814 and T.800 Annex E, and step sizes for a quality."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from gpucodec.codecs.jpeg2000_rates import Quantizer
from gpucodec.codestream.j2k_parameters import CodingParameters
from gpucodec.frames import FrameSpec

__all__ = ["guard_bits", "lossless_quantizer", "lossy_quantizer", "step_bounds"]

_LOSSLESS_GUARD_BITS = 1
# HT codeblocks do not tell how many bit-planes they would have needed, so there are enough at once.
_LOSSY_GUARD_BITS = 3
_FEW_BITS = 8

# What the lifting steps of the 5/3 wavelet, T.800 F.4.8.1, amount to: low-pass and high-pass filter.
_LOW_53 = np.array([-1, 2, 6, 2, -1]) / 8
_HIGH_53 = np.array([-1, 2, -1]) / 2

# Decoders have 32 bits for a coefficient: its sign, its magnitude with what guard bits add, and half a step.
_MOST_EXPONENT = 28
_LARGEST_NORM = 6  # bits, of the deepest subband's at five levels


def guard_bits(parameters: CodingParameters) -> int:
    """Return the guard bits that are told in a codestream."""
    return _LOSSLESS_GUARD_BITS if parameters.reversible else _LOSSY_GUARD_BITS


def lossless_quantizer(spec: FrameSpec, parameters: CodingParameters) -> Quantizer:
    """Return the bit-planes that coefficients of the 5/3 wavelet can need, and no more.

    A sample of B bits, one more behind the RCT, grows by at most the sum of the absolute values of the filter that
    leads to a subband. OpenJPH tells the same bit-planes. That filters round at each level counts in samples of few
    bits, which get one bit more.
    """
    from gpucodec_kernels import quantization as q

    bits = spec.bits_stored + int(parameters.component_transform)
    bits += bits < _FEW_BITS
    exponents = []
    for orientation, level in q.subbands(parameters.levels):
        if level == 0:
            exponents.append(bits)  # samples themselves, of which the smallest has a magnitude of as many bits
            continue
        low, high = _gain(level, False), _gain(level, True)
        gain = (low * low, high * low, high * low, high * high)[orientation]
        exponents.append(bits + math.ceil(math.log2(gain) - 1e-9) - _LOSSLESS_GUARD_BITS)
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


def step_bounds(spec: FrameSpec) -> tuple[float, float]:
    """Return the base-two logarithms of the finest and the coarsest step that can be told and held."""
    return float(spec.bits_stored + _LARGEST_NORM - _MOST_EXPONENT), float(spec.bits_stored + _LARGEST_NORM + 1)


def lossy_quantizer(spec: FrameSpec, parameters: CodingParameters, log2_step: float) -> Quantizer:
    """Return steps that count alike in every subband: ``2**log2_step`` units of a sample each.

    HT codeblocks cannot be cut short anywhere, so it is the step that decides on the quality. It is told with 11 bits
    of mantissa, (E-3), which is fine enough.
    """
    from gpucodec_kernels import quantization as q

    exponents, mantissas = [], []
    for orientation, level in q.subbands(parameters.levels):
        # The gain cancels: R_b holds it, and so does the norm of the table.
        fraction, exponent = math.frexp(2.0**log2_step / q.norm(q.NORMS_97, orientation, level))
        told = spec.bits_stored - (exponent - 1)
        exponents.append(min(max(told, 0), _MOST_EXPONENT))
        mantissas.append(min(int((2 * fraction - 1) * 2048), 2047))
    steps = q.step_sizes(spec.bits_stored, parameters.levels, exponents, mantissas)
    bitplanes = np.array(exponents, np.int32) + (_LOSSY_GUARD_BITS - 1)
    # A step's fraction is cut off, not rounded: one bit of it is needed at least.
    fraction_bits = min(q.FRACTION_BITS, 31 - int(bitplanes.max()))
    return Quantizer(exponents, mantissas, steps, bitplanes, np.ones(len(exponents)), fraction_bits)
