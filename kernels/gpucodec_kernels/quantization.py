"""Dead-zone quantisation, ITU-T T.800 Annex E, and the step sizes that encoders choose.

Coefficients are quantised while the wavelet writes them: a subband other than LL is final once its level is done.
What is written is ``coefficient / step`` with `FRACTION_BITS` bits of fraction, rounded to the nearest, in two's
complement: the quantiser index of (E-6) is what remains of the magnitude without the fraction, and rate control
measures distortions with it. OpenJPEG gives its block coder the same integers.

Step sizes are relative to the nominal range of a subband: ``step = 2**(R_b - exponent) * (1 + mantissa / 2**11)``
(E-3), where R_b is the precision plus the gain of the subband (0, 1, 1 and 2 for LL, HL, LH, HH, Table E.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import float32

from gpucodec_kernels.bits import nearest_integer
from gpucodec_kernels.target import device_function

FRACTION_BITS = 6
GAINS = (0, 1, 1, 2)  # base-two logarithm, LL, HL, LH, HH: Table E.1

# L2 norms of the synthesis basis by orientation (LL, HL, LH, HH) and level, as the lossy encoders of the field
# tabulate them; deeper levels double. Those of 9/7 take the high-pass filter as twice what the standard's is: with
# the standard's scaling a norm is that of the table divided by 2**gain.
NORMS_53 = (
    (1.000, 1.500, 2.750, 5.375, 10.68, 21.34, 42.67, 85.33, 170.7, 341.3),
    (1.038, 1.592, 2.919, 5.703, 11.33, 22.64, 45.25, 90.48, 180.9),
    (1.038, 1.592, 2.919, 5.703, 11.33, 22.64, 45.25, 90.48, 180.9),
    (0.7186, 0.9218, 1.586, 3.043, 6.019, 12.01, 24.00, 47.97, 95.93),
)
NORMS_97 = (
    (1.000, 1.965, 4.177, 8.403, 16.90, 33.84, 67.69, 135.3, 270.6, 540.9),
    (2.022, 3.989, 8.355, 17.04, 34.27, 68.63, 137.3, 274.6, 549.0),
    (2.022, 3.989, 8.355, 17.04, 34.27, 68.63, 137.3, 274.6, 549.0),
    (2.080, 3.865, 8.307, 17.18, 34.71, 69.59, 139.3, 278.6, 557.2),
)


@device_function
def quantize_value(value, factor, step):
    """Return a coefficient times `factor` as a multiple of `step`; what does not fit becomes the largest that does."""
    limit = float32(2147483520.0)  # the largest float32 below 2**31
    return nearest_integer(min(max((value * factor) / step, -limit), limit))


@device_function
def quantize_line(lines, line, columns, factor, step, planes, at):
    """Quantise a part of a line."""
    for column in range(columns):
        planes[at + column] = quantize_value(lines[line + column], factor, step)


def norm(table: Sequence[Sequence[float]], orientation: int, level: int) -> float:
    """Return the L2 norm of a subband's synthesis basis.

    Parameters
    ----------
    table : sequence
        `NORMS_53` or `NORMS_97`.
    orientation : int
        0 LL, 1 HL, 2 LH, 3 HH.
    level : int
        Decomposition level, from 1; 0 is the picture itself, whose one subband is LL.
    """
    norms = table[orientation]
    place = level if orientation == 0 else level - 1
    beyond = max(0, place - (len(norms) - 1))
    return norms[place - beyond] * 2.0**beyond


def subbands(levels: int) -> list[tuple[int, int]]:
    """Return orientation and level of each subband in the order of QCD: LL, then HL, LH, HH from deepest to finest."""
    return [(0, levels)] + [(orientation, level) for level in range(levels, 0, -1) for orientation in (1, 2, 3)]


def choose_steps(precision: int, levels: int) -> tuple[list[int], list[int]]:
    """Return the exponents and mantissas, in the order of QCD, that make a unit of every subband count alike.

    The steps are ``2**gain / norm`` in units of the sample, in fixed point with 13 bits of fraction as OpenJPEG
    computes them, so that the very same numbers are in the codestream.
    """
    exponents, mantissas = [], []
    for orientation, level in subbands(levels):
        # The gain cancels: R_b holds it, and so does the norm of the table.
        fixed = max(1, math.floor(8192.0 / norm(NORMS_97, orientation, level)))
        log2 = fixed.bit_length() - 1
        shift = 11 - log2
        exponents.append(precision - (log2 - 13))
        mantissas.append((fixed << shift if shift >= 0 else fixed >> -shift) & 0x7FF)
    return exponents, mantissas


def step_sizes(
    precision: int, levels: int, exponents: Sequence[int], mantissas: Sequence[int]
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the steps that exponents and mantissas stand for, in units of the sample, in the order of QCD (E-3)."""
    gains = [GAINS[orientation] for orientation, _ in subbands(levels)]
    steps = [
        2.0 ** (precision + gain - exponent) * (1 + mantissa / 2048)
        for gain, exponent, mantissa in zip(gains, exponents, mantissas, strict=True)
    ]
    return np.array(steps, np.float32)
