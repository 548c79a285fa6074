"""The MEL coder, T.814 7.1.3 and 7.3.3: runs of events that did not happen."""

from __future__ import annotations

from numpy import uint8, uint64

from gpucodec_kernels.target import device_function, inline_function

_ZERO = uint64(0)
_ONE = uint64(1)
_EIGHT = uint64(8)
# MEL_EXPONENTS, four bits a state.
_EXPONENTS = uint64(0x5433222111000)
_LAST_STATE = uint64(12)


@inline_function
def exponent_of(state):
    """Return how many bits a run takes."""
    return _EXPONENTS >> (state << uint64(2)) & uint64(15)


@device_function
def encode_events(events, count, out):
    """Encode events, each 0 (none), 1 (did not happen) or 2 (did).

    Returns how many whole bytes there are, the bits of the next, most significant first, how many it lacks, and
    how many bits it may have.
    """
    place, bits, have, room = _ZERO, _ZERO, _ZERO, _EIGHT
    state, run = _ZERO, _ZERO
    for number in range(uint64(count) + _ONE):
        event = uint64(1)
        value, length = _ZERO, _ZERO
        if uint64(number) == uint64(count):
            if run > _ZERO:
                value, length = _ONE, _ONE
        else:
            event = uint64(events[uint64(number)])
            if event == _ZERO:
                continue
            exponent = exponent_of(state)
            if event == _ONE:
                run += _ONE
                if run >= _ONE << exponent:
                    value, length, run = _ONE, _ONE, _ZERO
                    state = min(state + _ONE, _LAST_STATE)
            else:
                value, length, run = run, exponent + _ONE, _ZERO
                if state > _ZERO:
                    state -= _ONE
        bits = bits << length | value
        have += length
        while have >= room:
            have -= room
            byte = bits >> have & ((_ONE << room) - _ONE)
            out[place] = uint8(byte)
            place += _ONE
            room = uint64(7) if byte == uint64(0xFF) else _EIGHT
        bits &= (_ONE << have) - _ONE
    return place, bits, room - have
