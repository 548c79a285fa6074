"""Bits into bytes, T.814 7.1: where a byte could make a marker code with the next, that has a bit less.

Raw bits are words of 64 of which the lowest comes first, and positions count bits from the beginning of the memory.
"""

from __future__ import annotations

from numpy import uint8, uint64

from gpucodec_kernels.bits import keep_branch, trailing_zeros
from gpucodec_kernels.ht.layout import VLC_LAST
from gpucodec_kernels.target import device_function, inline_function

_ZERO = uint64(0)
_ONE = uint64(1)
_SEVEN = uint64(7)
_EIGHT = uint64(8)
_LOW = uint64(0x7F7F7F7F7F7F7F7F)
_UNITS = uint64(0x0101010101010101)
_HIGH = uint64(0x8080808080808080)


@inline_function
def window(raw, position):
    """Return 64 bits from a place on."""
    place, shift = position >> uint64(6), position & uint64(63)
    return raw[place] >> shift | raw[place + _ONE] << (uint64(63) - shift) << _ONE


@inline_function
def full_bytes(word):
    """Return bit 7 of each byte whose other bits are all set."""
    return ((word & _LOW) + _UNITS) & _HIGH


@inline_function
def store_eight(word, out, place):
    """Write the bytes of a word, the lowest first."""
    out[place] = uint8(word)
    out[place + _ONE] = uint8(word >> _EIGHT)
    out[place + uint64(2)] = uint8(word >> uint64(16))
    out[place + uint64(3)] = uint8(word >> uint64(24))
    out[place + uint64(4)] = uint8(word >> uint64(32))
    out[place + uint64(5)] = uint8(word >> uint64(40))
    out[place + uint64(6)] = uint8(word >> uint64(48))
    out[place + _SEVEN] = uint8(word >> uint64(56))


@device_function
def stuff_magnitudes(memory_64, position, end, out):
    """Write the bits from a position up to another as MagSgn bytes, ones behind the last; return how many.

    After a byte 0xFF the next has seven bits. A last byte 0xFF is left out: whoever reads on finds ones.
    """
    place, after = _ZERO, _ZERO
    while position + uint64(64) <= end:
        word = window(memory_64, position)
        if after != _ZERO:
            keep_branch()
            word = (word & uint64(0x7F)) | word >> _SEVEN << _EIGHT
            position -= _ONE
            after = _ZERO
        store_eight(word, out, place)
        found = full_bytes(word) & word
        if found != _ZERO:
            keep_branch()
            written = (uint64(trailing_zeros(found)) >> uint64(3)) + _ONE
            place += written
            position += written << uint64(3)
            after = _ONE
        else:
            place += _EIGHT
            position += uint64(64)
    while position < end:
        room = _EIGHT - after
        taken = min(room, end - position)
        mask = (_ONE << taken) - _ONE
        byte = (window(memory_64, position) & mask) | (((_ONE << room) - _ONE) & ~mask)
        out[place] = uint8(byte)
        place += _ONE
        position += taken
        after = uint64(byte == uint64(0xFF))
    return place - after


@device_function
def stuff_codewords(memory_64, position, end, memory_8):
    """Write the bits from a position up to another as VLC bytes from `VLC_LAST` downwards.

    After a byte above 0x8F, as the byte 0xFF before the first counts, one of seven set bits takes no more. Returns how
    many bytes are whole, how many bits are left, and those.
    """
    place, before = VLC_LAST, _HIGH
    while position + uint64(64) <= end:
        word = window(memory_64, position)
        above = word & (word << _ONE | word << uint64(2) | word << uint64(3)) & _HIGH
        found = full_bytes(word) & (above << _EIGHT | before >> uint64(56))
        written, bits = _EIGHT, uint64(64)
        before = above
        if found != _ZERO:
            keep_branch()
            bits = uint64(trailing_zeros(found))
            written = (bits >> uint64(3)) + _ONE
            word &= ~(_ONE << bits)
            before = _ZERO
        memory_8[place] = uint8(word)
        memory_8[place - _ONE] = uint8(word >> _EIGHT)
        memory_8[place - uint64(2)] = uint8(word >> uint64(16))
        memory_8[place - uint64(3)] = uint8(word >> uint64(24))
        memory_8[place - uint64(4)] = uint8(word >> uint64(32))
        memory_8[place - uint64(5)] = uint8(word >> uint64(40))
        memory_8[place - uint64(6)] = uint8(word >> uint64(48))
        memory_8[place - _SEVEN] = uint8(word >> uint64(56))
        place -= written
        position += bits
    high = before >> uint64(63) != _ZERO
    while True:
        bits = window(memory_64, position) & uint64(0xFF)
        room = _EIGHT
        if high and bits & uint64(0x7F) == uint64(0x7F):
            room = _SEVEN
            bits = uint64(0x7F)
        if position + room > end:
            break
        memory_8[place] = uint8(bits)
        high = bits > uint64(0x8F)
        place -= _ONE
        position += room
    left = end - position
    return VLC_LAST - place, left, window(memory_64, position) & ((_ONE << left) - _ONE)
