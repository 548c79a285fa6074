"""The model of a codeblock, T.800 D.1 to D.3: from coefficients to the symbols of all passes."""

from __future__ import annotations

from numpy import float64, uint8, uint64

from gpucodec_kernels.ebcot.bit_planes import distortion_of_pass
from gpucodec_kernels.ebcot.estimate import estimated_distortion
from gpucodec_kernels.ebcot.passes import (
    BIT_PLANES,
    cleanup_pass,
    magnitude_refinement_pass,
    significance_propagation_pass,
)
from gpucodec_kernels.ebcot.segments import ENDS, STYLE_SEGMENTATION, STYLE_VERTICALLY_CAUSAL, is_raw
from gpucodec_kernels.target import device_function

FLAG_DISTORTION = 1
FLAG_REVERSIBLE = 2
FLAG_PASS_LENGTHS = 4
FLAG_ESTIMATE = 8

_ZERO = uint64(0)
_ONE = uint64(1)
_TWO = uint64(2)
_THREE = uint64(3)


@device_function
def model_codeblock(words, job, symbols, shape, num_planes, orientation, style, settings, weight, distortions):
    """Write the symbols of all passes, where each pass's symbols end, and the distortion that each leaves.

    Parameters
    ----------
    words : uint64[:]
        The codeblock's regions, bit-planes filled (see `passes`).
    job : uint64[:]
        Words of the job (see `segments`).
    symbols : uint8[:]
        Receives the symbols.
    shape : tuple of uint64
        Width, height, words across, words from stripe to stripe, words of a region.
    num_planes : uint64
        Bit-planes, those of the fraction included.
    orientation, style : uint64
        The subband, and the code-block style bits.
    settings : tuple of uint64
        Fractional bits, and flags.
    weight : float64
        What an error of one quantizer step counts.
    distortions : float64[:]
        Receives by how much all passes so far make the distortion smaller, with FLAG_DISTORTION.
    """
    fractional_bits, flags = settings
    region = shape[4]
    causal = style & uint64(STYLE_VERTICALLY_CAUSAL)
    at = _ZERO
    pass_index = _ZERO
    total = float64(0.0)
    num_bitplanes = num_planes - fractional_bits
    for coded in range(num_bitplanes):
        plane = num_planes - _ONE - coded
        bits = (uint64(BIT_PLANES) + plane) * region
        for kind in range(_ZERO if coded > _ZERO else _TWO, _THREE):
            if kind == _ZERO:
                raw = _ONE if is_raw(pass_index, style) else _ZERO
                at = significance_propagation_pass(words, symbols, at, shape, bits, orientation, causal, raw)
            elif kind == _ONE:
                at = magnitude_refinement_pass(words, symbols, at, shape, bits, causal)
            else:
                at = cleanup_pass(words, symbols, at, shape, bits, orientation, causal)
                if (style & uint64(STYLE_SEGMENTATION)) != _ZERO:
                    # The uniform context codes 1, 0, 1, 0, D.5.
                    for symbol in range(uint64(4)):
                        symbols[at + symbol] = uint8(uint64(27) - (symbol & _ONE))
                    at += uint64(4)
            job[uint64(ENDS) + pass_index] = at
            if (flags & uint64(FLAG_DISTORTION)) != _ZERO:
                refinement = _ONE if kind == _ONE else _ZERO
                exact = (flags & uint64(FLAG_REVERSIBLE)) if plane == _ZERO else _ZERO
                if (flags & uint64(FLAG_ESTIMATE)) != _ZERO:
                    total += estimated_distortion(words, shape, plane, fractional_bits, refinement)
                else:
                    total += distortion_of_pass(words, shape, plane, fractional_bits, refinement, exact)
                distortions[pass_index] = total * weight
            pass_index += _ONE
