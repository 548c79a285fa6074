"""Bits of a packet header, without the zero bit that is stuffed after each byte of all ones, ITU-T T.800 B.10.1.

A reader is three numbers that callers hand on: the position of the next byte, the byte being read, and how many of its
bits are left. Where bytes end, bits are zero and the position runs past the end, which callers see in the end.
"""

from __future__ import annotations

from numpy import int32, int64

from gpucodec_kernels.target import device_function, inline_function


@inline_function
def get_bit(data, end, position, byte, left):
    """Return the next bit and the reader."""
    if left == int32(0):
        left = int32(7) if byte == int32(0xFF) else int32(8)
        byte = int32(data[position]) if position < end else int32(0)
        position += int64(1)
    left = int32(left - int32(1))
    return int32((byte >> left) & int32(1)), position, byte, left


@device_function
def get_bits(data, end, position, byte, left, count):
    """Return the next `count` bits, at most 32, as an int64, the first one highest, and the reader."""
    value = int64(0)
    while count > int32(0):
        if left == int32(0):
            left = int32(7) if byte == int32(0xFF) else int32(8)
            byte = int32(data[position]) if position < end else int32(0)
            position += int64(1)
        taken = min(count, left)
        count = int32(count - taken)
        left = int32(left - taken)
        value = (value << int64(taken)) | int64((byte >> left) & ((int32(1) << taken) - int32(1)))
    return value, position, byte, left


@device_function
def finish_reading(position, byte):
    """Return the position after the header: behind the bit stuffed after a last byte of all ones, too."""
    return position + int64(1) if byte == int32(0xFF) else position
