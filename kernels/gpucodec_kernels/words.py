"""Eight bytes at a time: unaligned little-endian words in a byte array, and which of their bytes are zero.

On the CPU the eight loads or stores fuse into one unaligned access. Callers see to it that all eight bytes
lie in the part of the array that is theirs.
"""

from __future__ import annotations

from numpy import uint8, uint32, uint64

from gpucodec_kernels.bits import trailing_zeros
from gpucodec_kernels.target import device_function

WORD_BYTES = 8

_LOW_BITS = uint64(0x0101010101010101)
_HIGH_BITS = uint64(0x8080808080808080)


@device_function
def load_word(array, position):
    """Return the eight bytes from `position` on, the first in the least significant place."""
    at = uint64(position)
    return (
        uint64(array[at])
        | (uint64(array[at + uint64(1)]) << uint64(8))
        | (uint64(array[at + uint64(2)]) << uint64(16))
        | (uint64(array[at + uint64(3)]) << uint64(24))
        | (uint64(array[at + uint64(4)]) << uint64(32))
        | (uint64(array[at + uint64(5)]) << uint64(40))
        | (uint64(array[at + uint64(6)]) << uint64(48))
        | (uint64(array[at + uint64(7)]) << uint64(56))
    )


@device_function
def store_word(array, position, word):
    """Write the eight bytes of `word` from `position` on, the least significant first."""
    at = uint64(position)
    array[at] = uint8(word & uint64(0xFF))
    array[at + uint64(1)] = uint8((word >> uint64(8)) & uint64(0xFF))
    array[at + uint64(2)] = uint8((word >> uint64(16)) & uint64(0xFF))
    array[at + uint64(3)] = uint8((word >> uint64(24)) & uint64(0xFF))
    array[at + uint64(4)] = uint8((word >> uint64(32)) & uint64(0xFF))
    array[at + uint64(5)] = uint8((word >> uint64(40)) & uint64(0xFF))
    array[at + uint64(6)] = uint8((word >> uint64(48)) & uint64(0xFF))
    array[at + uint64(7)] = uint8(word >> uint64(56))


@device_function
def repeat_byte(value):
    """Return a word of eight times the same byte."""
    word = uint64(value)
    word |= word << uint64(8)
    word |= word << uint64(16)
    return word | (word << uint64(32))


@device_function
def zero_bytes(word):
    """Return a word whose lowest set bit lies in the first zero byte of `word`; 0 where no byte is zero.

    Bits above the lowest may lie in bytes that are not zero.
    """
    # word - 0x0101... borrows from the top of a zero byte; adding the complement instead keeps plain
    # Python and NumPy, in which the simulator computes, from seeing an overflow.
    carried = (word | _HIGH_BITS) - _LOW_BITS
    return ~(carried | word) & _HIGH_BITS


@device_function
def first_set_byte(word):
    """Return the index, from 0, of the lowest byte of `word` that is not zero. One of them must not be."""
    return uint32(trailing_zeros(word) >> uint32(3))
