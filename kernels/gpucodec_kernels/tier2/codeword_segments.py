"""Which coding passes share a codeword segment, ITU-T T.800 Tables D.8 and D.9, and how lengths are told (B.10.7)."""

from __future__ import annotations

from numpy import int32

from gpucodec_kernels.target import device_function

BYPASS = 1
TERMINATE = 4
FIRST_BYPASSED_PASS = 10


@device_function
def bit_length(value):
    """Return how many bits a number of 0 or more takes, 0 for 0."""
    length = int32(0)
    while value > int32(0):
        value = int32(value >> int32(1))
        length = int32(length + int32(1))
    return length


@device_function
def is_terminated(style, number):
    """Return whether a codeword segment ends after a coding pass that is not the last (T.800 Table D.9)."""
    if style & int32(TERMINATE) != int32(0):
        return True
    if style & int32(BYPASS) == int32(0) or number < int32(FIRST_BYPASSED_PASS - 1):
        return False
    # From the fourth bit-plane on: after the cleanup pass, and after the raw magnitude refinement pass.
    return (number - int32(1)) % int32(3) != int32(0)


@device_function
def segment_end(first, end, style):
    """Return the pass after the codeword segment that begins at pass `first`, or `end` if that comes before."""
    number = first
    while number < end:
        number = int32(number + int32(1))
        if is_terminated(style, int32(number - int32(1))):
            break
    return number
