"""From coefficients to words of bits, signs and bit-planes in the order of the scan; and distortions from those."""

from __future__ import annotations

from numpy import float64, int32, int64, uint64

from gpucodec_kernels.bits import leading_zeros, population_count
from gpucodec_kernels.ebcot.passes import BIT_PLANES, MEMBERS, NEGATIVE
from gpucodec_kernels.target import device_function

WORD = 64

_ZERO = uint64(0)
_ONE = uint64(1)
_FOUR = uint64(4)
_DISTORTION_BITS = uint64(6)  # bits below a bit-plane that distortions look at


@device_function
def largest_magnitude_bits(coefficients, start, row_stride, width, height):
    """Return how many bits the magnitudes of a codeblock need."""
    union = int32(0)
    for row in range(height):
        samples = coefficients[start + int64(row) * row_stride : start + int64(row) * row_stride + int64(width)]
        for column in range(width):
            sample = samples[column]
            union |= (sample ^ (sample >> int32(31))) - (sample >> int32(31))
    return uint64(64) - uint64(leading_zeros(uint64(union)))


@device_function
def split_bit_planes(coefficients, start, row_stride, shape, num_planes, words, gathered):
    """Write the words of signs and of all bit-planes; `gathered` is where 64 words of scratch begin."""
    width, height, across, stride, region = shape
    buffer = words[gathered : gathered + uint64(WORD)]
    for stripe in range((height + uint64(3)) >> uint64(2)):
        for column in range(across):
            columns = min(uint64(16), width - column * uint64(16))
            rows = min(_FOUR, height - stripe * _FOUR)
            if columns < uint64(16) or rows < _FOUR:
                for place in range(uint64(WORD)):
                    buffer[place] = _ZERO
            for row in range(rows):
                first = start + int64(stripe * _FOUR + row) * row_stride + int64(column) * int64(16)
                samples = coefficients[first : first + int64(columns)]
                for place in range(columns):
                    sample = samples[place]
                    sign = sample >> int32(31)
                    # The sign lies above the magnitude's 31 bits.
                    buffer[place * _FOUR + row] = uint64((sample ^ sign) - sign) | (uint64(-sign) << uint64(31))
            i = (stripe + _ONE) * stride + column + _ONE
            words[uint64(NEGATIVE) * region + i] = collect_bit(buffer, uint64(31))
            for plane in range(num_planes):
                words[(uint64(BIT_PLANES) + plane) * region + i] = collect_bit(buffer, plane)


@device_function
def collect_bit(buffer, position):
    """Return a word of one bit of each of 64 words."""
    word = _ZERO
    for place in range(uint64(WORD)):
        word |= ((buffer[place] >> position) & _ONE) << place
    return word


@device_function
def distortion_of_pass(words, shape, plane, fractional_bits, refinement, exact):
    """Return by how much the last pass made the sum of squared errors smaller, in quantizer steps squared.

    A decoder puts a coefficient into the middle of what is known of it. Before bit-plane p, significance made of a
    magnitude m an error of m squared and makes of it (m - 1.5 * 2^p)^2; refinement of the low bits l < 2^(p + 1)
    turns (l - 2^p)^2 into (l - 1.5 * 2^p)^2 or (l - 0.5 * 2^p)^2. Both differences are linear, so counting bits adds
    them up. With `exact`, nothing is left after this bit-plane.
    """
    _, height, across, stride, region = shape
    lowest = plane - min(plane, _DISTORTION_BITS)
    bits = (uint64(BIT_PLANES) + plane) * region
    zeros, ones, lows_of_zeros, lows_of_ones = int64(0), int64(0), int64(0), int64(0)
    for stripe in range((height + uint64(3)) >> uint64(2)):
        for column in range(across):
            i = (stripe + _ONE) * stride + column + _ONE
            members = words[uint64(MEMBERS) * region + i]
            if members == _ZERO:
                continue
            with_one = members & words[bits + i]
            with_zero = members & ~with_one
            ones += int64(population_count(with_one))
            zeros += int64(population_count(with_zero))
            for lower in range(lowest, plane):
                bit = words[(uint64(BIT_PLANES) + lower) * region + i]
                weight = int64(1) << int64(_DISTORTION_BITS + lower - plane)
                lows_of_ones += int64(population_count(bit & with_one)) * weight
                lows_of_zeros += int64(population_count(bit & with_zero)) * weight
    if exact != _ZERO:
        return float64(zeros) if refinement != _ZERO else float64(ones)
    # In 128ths of 2^p squared; the low bits of a one include the one itself, and bits that are not looked at are half.
    unseen = int64(1) if plane > _DISTORTION_BITS else int64(0)
    lows_of_ones = int64(2) * lows_of_ones + (int64(128) + unseen) * ones
    lows_of_zeros = int64(2) * lows_of_zeros + unseen * zeros
    if refinement != _ZERO:
        total = lows_of_ones - int64(160) * ones + int64(96) * zeros - lows_of_zeros
    else:
        total = int64(3) * lows_of_ones - int64(288) * ones
    exponent = int64(2) * (int64(plane) - int64(fractional_bits)) - int64(7)
    scale = float64(int64(1) << abs(exponent))
    return float64(total) * scale if exponent >= int64(0) else float64(total) / scale
