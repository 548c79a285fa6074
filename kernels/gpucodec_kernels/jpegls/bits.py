"""Bits in byte arrays, the most significant first, as T.87 writes them; stuffing and destuffing, T.87 A.1.

Codes are collected in a window without stuffed bits, eight bytes a store, and stuffed a line at a time; a decoder
destuffs into a window first and loads eight bytes at any bit. All positions are uint64, bits where the name says so.
"""

from __future__ import annotations

from numpy import uint8, uint64

from gpucodec_kernels.target import device_function, inline_function
from gpucodec_kernels.words import first_set_byte, load_word, store_word, zero_bytes

_EIGHTH_BYTE = uint64(0xFF00000000000000)
_ALL = uint64(0xFFFFFFFFFFFFFFFF)


@inline_function
def swap_bytes(word):
    """Return the eight bytes of a word in reverse."""
    even = uint64(0x00FF00FF00FF00FF)
    pairs = uint64(0x0000FFFF0000FFFF)
    word = ((word >> uint64(8)) & even) | ((word & even) << uint64(8))
    word = ((word >> uint64(16)) & pairs) | ((word & pairs) << uint64(16))
    return (word >> uint64(32)) | (word << uint64(32))


@inline_function
def load_bits(window, position_bits):
    """Return the bits from a bit position on, the first the most significant; 57 or more of the 64 are valid."""
    return swap_bytes(load_word(window, position_bits >> uint64(3))) << (position_bits & uint64(7))


@inline_function
def put_bits(window, bits, fill, at, value, length):
    """Append 1 to 56 bits to a window; return the new state.

    `bits` holds, in its lowest `fill` places, what of the byte `at` is written; above them lies what was written
    before.
    """
    bits = (bits << length) | value
    fill = fill + length
    store_word(window, at, swap_bytes(bits << (uint64(64) - fill)))
    return bits, fill & uint64(7), at + (fill >> uint64(3))


@device_function
def stuff(window, end_bits, slot, out, after_ff):
    """Move all whole bytes of a window into a slot, with a zero bit after each byte FFH.

    `after_ff` is 1 if the byte before `out` is FFH, else 0. The caller sees to it that the slot has room for a
    word more than all bits. Returns the bits that were moved, and the new `out` and `after_ff`.
    """
    position = uint64(0)
    while position + uint64(64) <= end_bits:
        word = swap_bytes(load_bits(window, position) >> after_ff)
        store_word(slot, out, word)
        found = zero_bytes((word ^ _ALL) | _EIGHTH_BYTE)
        if found == uint64(0):
            out = out + uint64(7)
            position = position + uint64(56) - after_ff
            after_ff = uint64(0)
        else:
            length = uint64(first_set_byte(found)) + uint64(1)
            out = out + length
            position = position + (length << uint64(3)) - after_ff
            after_ff = uint64(1)
    while position + uint64(8) - after_ff <= end_bits:
        byte = (load_bits(window, position) >> after_ff) >> uint64(56)
        position = position + uint64(8) - after_ff
        slot[out] = uint8(byte)
        out = out + uint64(1)
        after_ff = uint64(1) if byte == uint64(0xFF) else uint64(0)
    return position, out, after_ff


@device_function
def keep_rest(window, position, end_bits):
    """Return the fewer than eight bits between two positions as the state of `put_bits`."""
    fill = end_bits - position
    bits = uint64(0)
    if fill > uint64(0):
        bits = load_bits(window, position) >> (uint64(64) - fill)
    return bits, fill, uint64(0)


@inline_function
def take_bits(window, position, length):
    """Return the 0 to 56 bits from a bit position on, as uint64."""
    return (load_bits(window, position) >> uint64(1)) >> (uint64(63) - length)


@device_function
def keep_unread(window, position, end_bits):
    """Move what is left of a window, bytes and the bits of the last one, to its front; return the two positions."""
    first = position >> uint64(3)
    num_bytes = ((end_bits + uint64(7)) >> uint64(3)) - first
    moved = uint64(0)
    while moved < num_bytes:
        store_word(window, moved, load_word(window, first + moved))
        moved = moved + uint64(8)
    return position - (first << uint64(3)), end_bits - (first << uint64(3))


@device_function
def destuff(segment, source, after_ff, window, end_bits, room):
    """Append a segment's bytes from `source` on to a window, without stuffed bits, until `room` bytes are filled.

    It ends before a marker, too. The window has two words more. Returns the new `source` and `after_ff` (1 if the
    byte before is FFH), and the window's new end.
    """
    length = uint64(len(segment))
    bits, fill, at = keep_rest(window, end_bits & ~uint64(7), end_bits)
    at = end_bits >> uint64(3)
    while at < room:
        if source + uint64(8) <= length:
            word = load_word(segment, source)
            found = zero_bytes((word ^ _ALL) | _EIGHTH_BYTE)
            word = swap_bytes(word)
            if after_ff > uint64(0) and word >> uint64(63) > uint64(0):
                return source - uint64(1), uint64(0), at * uint64(8) + fill - uint64(8)
            if found == uint64(0):
                value = (word >> uint64(8)) & (uint64(0x00FFFFFFFFFFFFFF) >> after_ff)
                bits, fill, at = put_bits(window, bits, fill, at, value, uint64(56) - after_ff)
                source = source + uint64(7)
                after_ff = uint64(0)
            else:
                number = uint64(first_set_byte(found)) + uint64(1)
                value = (word << after_ff) >> (uint64(64) - (number << uint64(3)) + after_ff)
                bits, fill, at = put_bits(window, bits, fill, at, value, (number << uint64(3)) - after_ff)
                source = source + number
                after_ff = uint64(1)
        else:
            if source >= length:
                return source, after_ff, at * uint64(8) + fill
            byte = uint64(segment[source])
            if after_ff > uint64(0) and byte >= uint64(0x80):
                return source - uint64(1), uint64(0), at * uint64(8) + fill - uint64(8)
            bits, fill, at = put_bits(window, bits, fill, at, byte, uint64(8) - after_ff)
            source = source + uint64(1)
            after_ff = uint64(1) if byte == uint64(0xFF) else uint64(0)
    return source, after_ff, at * uint64(8) + fill
