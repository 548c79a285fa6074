"""Bits of a packet header, with a zero bit stuffed after each byte of all ones, ITU-T T.800 B.10.1.

A writer is three numbers that callers hand on: the position of the byte being filled, its bits so far, and how
many bits it has room for.
"""

from __future__ import annotations

from numpy import int32, uint8

from gpucodec_kernels.target import device_function


@device_function
def put_bits(out, position, byte, room, value, count):
    """Append the `count` lowest bits of an int32 `value`, the highest first; return the writer."""
    while count > int32(0):
        taken = min(count, room)
        count = int32(count - taken)
        room = int32(room - taken)
        bits = (value >> count) & int32((int32(1) << taken) - int32(1))
        byte = int32(byte | (bits << room))
        if room == int32(0):
            out[position] = uint8(byte)
            position += 1
            room = int32(7) if byte == int32(0xFF) else int32(8)
            byte = int32(0)
    return position, byte, room


@device_function
def put_zeros(out, position, byte, room, count):
    """Append `count` zero bits; return the writer."""
    while count > int32(0):
        taken = min(count, room)
        count = int32(count - taken)
        room = int32(room - taken)
        if room == int32(0):
            out[position] = uint8(byte)
            position += 1
            room = int32(7) if byte == int32(0xFF) else int32(8)
            byte = int32(0)
    return position, byte, room


@device_function
def finish_bits(out, position, byte, room):
    """Fill the last byte with zero bits; return the position after it. A header never ends with a byte of all ones."""
    if room < int32(8):
        out[position] = uint8(byte)
        position += 1
    return position
