"""The MEL coder, T.814 7.1.3 and 7.3.3: runs of events that did not happen."""

from __future__ import annotations

from numpy import uint8, uint64

from gpucodec_kernels.bits import trailing_zeros
from gpucodec_kernels.ht.layout import MEL
from gpucodec_kernels.target import device_function, inline_function

_ZERO = uint64(0)
_ONE = uint64(1)
_SEVEN = uint64(7)
_EIGHT = uint64(8)
# `tables.MEL_EXPONENTS`, four bits a state.
_EXPONENTS = uint64(0x5433222111000)
_LAST_STATE = uint64(12)


@inline_function
def write_bits(bits, have, room, place, memory_8):
    """Write bytes while there are bits for one; after 0xFF a byte has seven. The first bits are the highest."""
    while have >= room:
        have -= room
        byte = bits >> have
        bits &= (_ONE << have) - _ONE
        memory_8[place] = uint8(byte)
        place += _ONE
        room = _SEVEN if byte == uint64(0xFF) else _EIGHT
    return bits, have, room, place


@device_function
def encode_events(begin, end, memory_8, memory_64):
    """Encode events, bytes from memory_8[begin] on of 0 (none), 1 (did not happen) or 2 (did), eight of them a word.

    Returns how many whole bytes there are, the bits of the next, and how many bits that lacks.
    """
    place, bits, have, room = MEL, _ZERO, _ZERO, _EIGHT
    state, run, most = _ZERO, _ZERO, _ONE
    for word in range(begin >> uint64(3), end >> uint64(3)):
        events = memory_64[uint64(word)]
        while events != _ZERO:
            happened = uint64(trailing_zeros(events)) & _ONE
            events &= events - _ONE
            if happened == _ZERO:
                run += _ONE
                if run < most:
                    continue
                bits = bits << _ONE | _ONE
                have += _ONE
                state = min(state + _ONE, _LAST_STATE)
            else:
                length = _EXPONENTS >> (state << uint64(2)) & uint64(15)
                bits = bits << (length + _ONE) | run
                have += length + _ONE
                state -= uint64(state > _ZERO)
            run = _ZERO
            most = _ONE << (_EXPONENTS >> (state << uint64(2)) & uint64(15))
            bits, have, room, place = write_bits(bits, have, room, place, memory_8)
    if run > _ZERO:
        bits, have, room, place = write_bits(bits << _ONE | _ONE, have + _ONE, room, place, memory_8)
    return place - MEL, bits, room - have
