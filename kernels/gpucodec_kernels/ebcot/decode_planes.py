"""From bit-planes to coefficients, T.800 E.1 and Annex H, a coefficient put into the middle of what is known of it.

Magnitudes are doubled so that the middle is a bit: the one below the last bit that was decoded.
"""

from __future__ import annotations

from numpy import int32, int64, uint64

from gpucodec_kernels.ebcot.decode_passes import BIT_PLANES, NEGATIVE, SIGNIFICANT
from gpucodec_kernels.target import device_function

WORD = 64

_ZERO = uint64(0)
_ONE = uint64(1)
_FOUR = uint64(4)


@device_function
def clear_coefficients(coefficients, start, row_stride, width, height):
    """Write a codeblock of zeros."""
    for row in range(height):
        first = start + int64(row) * row_stride
        samples = coefficients[first : first + int64(width)]
        for column in range(width):
            samples[column] = int32(0)


@device_function
def store_coefficients(coefficients, start, row_stride, shape, regions, buffer, levels, reversible):
    """Write a codeblock's coefficients.

    Parameters
    ----------
    coefficients : int32[:]
        Receives them, from `start` on, with `row_stride` from row to row.
    shape : tuple of uint64
        Width, height, words across, words from stripe to stripe, words of a region.
    regions : uint64[:]
        The codeblock's regions (see `decode_passes`).
    buffer : uint64[:]
        64 words of scratch.
    levels : tuple of uint64
        The number of bit-planes, the last of which anything was decoded, whether that was its significance propagation
        pass alone, and the shift of a region of interest.
    reversible : uint64
        Whether coefficients are not doubled.
    """
    width, height, across, stride, region = shape
    num_planes, last, partly, roi_shift = levels
    for stripe in range((height + uint64(3)) >> uint64(2)):
        for column in range(across):
            i = (stripe + _ONE) * stride + column + _ONE
            significant = regions[uint64(SIGNIFICANT) * region + i]
            for place in range(uint64(WORD)):
                buffer[place] = _ZERO
            if significant != _ZERO:
                decoded = regions[(uint64(BIT_PLANES) + last) * region + i] if partly != _ZERO else significant
                add_plane(buffer, decoded, last)
                add_plane(buffer, significant & ~decoded, last + _ONE)
                for plane in range(last, num_planes):
                    add_plane(buffer, regions[(uint64(BIT_PLANES) + plane) * region + i], plane + _ONE)
                if roi_shift != _ZERO:
                    shift_down(buffer, roi_shift)
            negatives = regions[uint64(NEGATIVE) * region + i]
            columns = min(uint64(16), width - column * uint64(16))
            for row in range(min(_FOUR, height - stripe * _FOUR)):
                first = start + int64(stripe * _FOUR + row) * row_stride + int64(column) * int64(16)
                samples = coefficients[first : first + int64(columns)]
                for place in range(columns):
                    negative = int32((negatives >> (place * _FOUR + row)) & _ONE)
                    magnitude = int32(buffer[place * _FOUR + row] >> reversible)
                    samples[place] = (magnitude ^ -negative) + negative


@device_function
def add_plane(buffer, word, position):
    """Put the bits of a word, one each, into 64 words."""
    for place in range(uint64(WORD)):
        buffer[place] |= ((word >> place) & _ONE) << position


@device_function
def shift_down(buffer, roi_shift):
    """Shift down the doubled magnitudes that were shifted up because they are of the region of interest, H.1."""
    for place in range(uint64(WORD)):
        magnitude = buffer[place]
        if magnitude >> (roi_shift + _ONE) != _ZERO:
            # If bits below the lowest of its own were decoded too, the middle is still the middle.
            low = _ONE if magnitude & ((_ONE << roi_shift) - _ONE) != _ZERO else _ZERO
            buffer[place] = (magnitude >> roi_shift) | low
        else:
            buffer[place] = magnitude & uint64(0x7FFFFFFF)
