"""Distortion as the lossy encoders of the field estimate it, for the same cuts at the same compression ratio.

Where a pass takes bytes and by how much it lowers the squared error decide together where a codeblock is cut. With
the estimates of OpenJPEG its cuts are found again, and with them its lengths. They differ from what
`bit_planes.distortion_of_pass` measures in two points: a refinement never counts as a loss, and nothing is thought
to be left after the last bit-plane.
"""

from __future__ import annotations

from numpy import float64, int64, uint64

from gpucodec_kernels.bits import population_count, trailing_zeros
from gpucodec_kernels.ebcot.bit_planes import BIT_PLANES, MEMBERS
from gpucodec_kernels.target import device_function

_BITS = 6  # below the plane that are looked at
_ZERO = uint64(0)
_ONE = uint64(1)


@device_function
def bits_at(words, plane, lower, region, i):
    """Return the bits `lower` places below a plane; zeros below the lowest plane."""
    if lower > plane:
        return _ZERO
    return words[(uint64(BIT_PLANES) + plane - lower) * region + i]


@device_function
def sum_of_lows(words, plane, region, i, chosen):
    """Return the sum of the six bits below a plane, taken as numbers, of the chosen coefficients."""
    total = int64(0)
    for lower in range(_ONE, uint64(_BITS + 1)):
        count = int64(population_count(bits_at(words, plane, lower, region, i) & chosen))
        total += count << int64(uint64(_BITS) - lower)
    return total


@device_function
def sum_of_last_squares(words, plane, region, i, chosen, refined):
    """Return what the last bit-plane is thought to take away, in 64ths: everything."""
    total = int64(0)
    while chosen != _ZERO:
        place = uint64(trailing_zeros(chosen))
        chosen &= chosen - _ONE
        value = int64(0)
        for lower in range(uint64(_BITS + 1)):
            bit = (bits_at(words, plane, lower, region, i) >> place) & _ONE
            value += int64(bit) << int64(uint64(_BITS) - lower)
        value -= int64(64) * refined
        total += (value * value + int64(32)) >> int64(6)
    return total


@device_function
def estimated_distortion(words, shape, plane, fractional_bits, refinement):
    """Return by how much the last pass is thought to make the squared error smaller, in quantizer steps squared."""
    _, height, across, stride, region = shape
    bits = (uint64(BIT_PLANES) + plane) * region
    total = int64(0)
    for stripe in range((height + uint64(3)) >> uint64(2)):
        for column in range(across):
            i = (stripe + _ONE) * stride + column + _ONE
            members = words[uint64(MEMBERS) * region + i]
            if members == _ZERO:
                continue
            ones = members & words[bits + i]
            if plane == fractional_bits:
                if refinement != _ZERO:
                    total += sum_of_last_squares(words, plane, region, i, members, int64(1))
                else:
                    total += sum_of_last_squares(words, plane, region, i, ones, int64(0))
            elif refinement != _ZERO:
                high, low = bits_at(words, plane, _ONE, region, i), bits_at(words, plane, _ONE + _ONE, region, i)
                ones &= high | low
                zeros = members & ~words[bits + i] & ~(high & low)
                total += sum_of_lows(words, plane, region, i, ones) - int64(16) * int64(population_count(ones))
                total += int64(48) * int64(population_count(zeros)) - sum_of_lows(words, plane, region, i, zeros)
            else:
                total += int64(48) * int64(population_count(ones))
                total += int64(3) * sum_of_lows(words, plane, region, i, ones)
    exponent = int64(2) * (int64(plane) - int64(fractional_bits)) - int64(6)
    scale = float64(int64(1) << abs(exponent))
    return float64(total) * scale if exponent >= int64(0) else float64(total) / scale
