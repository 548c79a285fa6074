"""Bits into bytes, T.814 7.1: where a byte could make a marker code with the next, that has a bit less.

Raw bits are words of 64 of which the lowest comes first; a word more than they take may be read.
"""

from __future__ import annotations

from numpy import uint8, uint64

from gpucodec_kernels.bits import trailing_zeros
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


@device_function
def stuff_magnitudes(raw, count, out):
    """Write `count` bits of MagSgn as bytes, ones behind the last; return how many.

    After a byte 0xFF the next has seven bits. A last byte 0xFF is left out: whoever reads on finds ones.
    """
    position, place, after = _ZERO, _ZERO, _ZERO
    while position + uint64(64) <= count:
        word = window(raw, position)
        if after != _ZERO:
            word = (word & uint64(0x7F)) | word >> _SEVEN << _EIGHT
        out[place] = uint8(word)
        out[place + _ONE] = uint8(word >> _EIGHT)
        out[place + uint64(2)] = uint8(word >> uint64(16))
        out[place + uint64(3)] = uint8(word >> uint64(24))
        out[place + uint64(4)] = uint8(word >> uint64(32))
        out[place + uint64(5)] = uint8(word >> uint64(40))
        out[place + uint64(6)] = uint8(word >> uint64(48))
        out[place + _SEVEN] = uint8(word >> uint64(56))
        position -= after
        after = _ZERO
        found = full_bytes(word) & word
        written = _EIGHT
        if found != _ZERO:
            written = (uint64(trailing_zeros(found)) >> uint64(3)) + _ONE
            after = _ONE
        place += written
        position += written << uint64(3)
    while position < count:
        room = _EIGHT - after
        taken = min(room, count - position)
        mask = (_ONE << taken) - _ONE
        byte = (window(raw, position) & mask) | (((_ONE << room) - _ONE) & ~mask)
        out[place] = uint8(byte)
        place += _ONE
        position += taken
        after = uint64(byte == uint64(0xFF))
    return place - after


@device_function
def stuff_codewords(raw, count, last, out):
    """Write `count` bits of VLC as bytes from out[last] downwards; return how many, how many bits are left, and those.

    After a byte above 0x8F, as the byte 0xFF before the first counts, one of seven set bits takes no more.
    """
    position, place, before = _ZERO, last, uint64(0xFF)
    while position + uint64(64) <= count:
        word = window(raw, position)
        above = word & (word << _ONE | word << uint64(2) | word << uint64(3)) & _HIGH
        found = full_bytes(word) & (above << _EIGHT | uint64(before > uint64(0x8F)) << _SEVEN)
        written, bits = _EIGHT, uint64(64)
        if found != _ZERO:
            mark = uint64(trailing_zeros(found))
            written = (mark >> uint64(3)) + _ONE
            bits = mark
            word &= ~(_ONE << mark)
        out[place] = uint8(word)
        out[place - _ONE] = uint8(word >> _EIGHT)
        out[place - uint64(2)] = uint8(word >> uint64(16))
        out[place - uint64(3)] = uint8(word >> uint64(24))
        out[place - uint64(4)] = uint8(word >> uint64(32))
        out[place - uint64(5)] = uint8(word >> uint64(40))
        out[place - uint64(6)] = uint8(word >> uint64(48))
        out[place - _SEVEN] = uint8(word >> uint64(56))
        before = word >> ((written - _ONE) << uint64(3)) & uint64(0xFF)
        place -= written
        position += bits
    full = True
    while full:
        bits = window(raw, position) & uint64(0xFF)
        room = _EIGHT
        if before > uint64(0x8F) and bits & uint64(0x7F) == uint64(0x7F):
            room = _SEVEN
            bits = uint64(0x7F)
        full = position + room <= count
        if full:
            out[place] = uint8(bits)
            before = bits
            place -= _ONE
            position += room
    left = count - position
    return last - place, left, window(raw, position) & ((_ONE << left) - _ONE)
