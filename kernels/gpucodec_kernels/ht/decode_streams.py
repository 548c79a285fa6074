"""The three streams of a cleanup segment, T.814 7.1 and 7.3.3: stuffed bits taken out, MEL codewords as events.

MagSgn and VLC bits are moved into windows without stuffed bits, seven bytes at a time, the first bit the least
significant, so that all that follows may load eight bytes at any bit. MEL events are one bit each of a word, the next
the least significant, with a one above the last. All positions are uint64; those of a window are in bits.

The state of up to eight codeblocks that are decoded side by side lies field by field, a word each.
"""

from __future__ import annotations

from typing import Any

from numpy import uint8, uint32, uint64

from gpucodec_kernels.bits import keep_branch, leading_zeros, trailing_zeros
from gpucodec_kernels.jpegls.bits import swap_bytes
from gpucodec_kernels.target import device_function, instruction
from gpucodec_kernels.words import first_set_byte, load_word, store_word, zero_bytes

# Fields of the state: the next VLC bit; what the quad on the left adds to the context; the MEL events that wait; the
# next MEL byte in `data` and the end of the segment; the last MEL byte; bits not yet used, the last the least
# significant, and their number; the coder's state; what is left of a run, twice the zeros and whether a one follows.
POSITION, LEFT, EVENTS, MEL_NEXT, MEL_END, MEL_LAST, MEL_BITS, MEL_FILL, MEL_STATE, MEL_RUN = range(10)
# Rows of quads of the codeblock; VLC bits that there are; the next VLC bit after the last row.
ROWS, NUM_BITS, STOP = 10, 11, 12
NUM_FIELDS = 13

NO_EVENTS = 1  # the word of events while none waits
MOST_EVENTS = 24  # that a chunk of quads can take

_ZERO, _ONE = uint64(0), uint64(1)
_MOST_BITS = uint64(31)  # of events, so that they and the one above fill 32 bits
_EXPONENTS = uint64(0x5433222111000)  # of the run lengths in each state, four bits each, Table 2
_ALL = uint64(0xFFFFFFFFFFFFFFFF)
_SEVEN_BITS = uint64(0x7F7F7F7F7F7F7F7F)
_THREE_BITS = uint64(0x7070707070707070)
_LOW_BITS = uint64(0x0101010101010101)
_HIGH_BITS = uint64(0x8080808080808080)
_SEVEN_BYTES = uint64(0x00FFFFFFFFFFFFFF)


def _cpu_load() -> Any:
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    def load_unaligned(typing_context, array, position):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):
            data = context.make_array(signature.args[0])(context, builder, value=arguments[0]).data
            place = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(64).as_pointer())
            return builder.load(place, align=1)

        return types.uint64(array, types.uint64), generate

    return intrinsic(load_unaligned)


@instruction(cpu=_cpu_load)
def load_unaligned(array, position):
    """Return the eight bytes from `position` on, of a form that loops over codeblocks can be vectorised with."""
    return load_word(array, position)


@device_function
def start_mel(state, slots, slot, begin, end):
    """Begin to read the MEL bytes from `begin` on, of a segment that ends at `end`."""
    state[uint64(EVENTS) * slots + slot] = uint64(NO_EVENTS)
    state[uint64(MEL_NEXT) * slots + slot] = begin
    state[uint64(MEL_END) * slots + slot] = end
    # Not in a loop over the fields: NVIDIA's compiler then leaves out the store before it, in 13.5 at least.
    state[uint64(MEL_LAST) * slots + slot] = _ZERO
    state[uint64(MEL_BITS) * slots + slot] = _ZERO
    state[uint64(MEL_FILL) * slots + slot] = _ZERO
    state[uint64(MEL_STATE) * slots + slot] = _ZERO
    state[uint64(MEL_RUN) * slots + slot] = _ZERO


@device_function
def read_run(state, slots, slot, data):
    """Decode a MEL codeword; return twice the number of zeros it stands for, plus one if a one follows them."""
    bits = state[uint64(MEL_BITS) * slots + slot]
    fill = state[uint64(MEL_FILL) * slots + slot]
    last = state[uint64(MEL_LAST) * slots + slot]
    at = state[uint64(MEL_NEXT) * slots + slot]
    end = state[uint64(MEL_END) * slots + slot]
    while fill < uint64(6):
        # The last byte of the segment, and half of the one before, hold the suffix's length; ones stand for them.
        byte = uint64(0xFF)
        if at + _ONE < end:
            byte = uint64(data[at])
            if at + uint64(2) == end:
                byte = byte | uint64(15)
            at = at + _ONE
        room = uint64(7) if last == uint64(0xFF) else uint64(8)
        bits = (bits << room) | (byte & (uint64(0xFF) >> (uint64(8) - room)))
        fill = fill + room
        last = byte
    level = state[uint64(MEL_STATE) * slots + slot]
    exponent = (_EXPONENTS >> (uint64(4) * level)) & uint64(15)
    fill = fill - _ONE
    run = uint64(2) << exponent
    if (bits >> fill) & _ONE:
        level = min(level + _ONE, uint64(12))
    else:
        fill = fill - exponent
        run = (((bits >> fill) << _ONE) & (run - _ONE)) | _ONE
        level = level - min(level, _ONE)
    state[uint64(MEL_BITS) * slots + slot] = bits & ((_ONE << fill) - _ONE)
    state[uint64(MEL_FILL) * slots + slot] = fill
    state[uint64(MEL_LAST) * slots + slot] = last
    state[uint64(MEL_NEXT) * slots + slot] = at
    state[uint64(MEL_STATE) * slots + slot] = level
    return run


@device_function
def read_events(state, slots, slot, data):
    """Decode MEL codewords until at least `MOST_EVENTS` events wait."""
    events = state[uint64(EVENTS) * slots + slot]
    number = uint64(63) - uint64(leading_zeros(events))
    events = events ^ (_ONE << number)
    run = state[uint64(MEL_RUN) * slots + slot]
    while number < uint64(MOST_EVENTS):
        if run == _ZERO:
            run = read_run(state, slots, slot, data)
        zeros = min(run >> _ONE, _MOST_BITS - number)
        number = number + zeros
        run = run - (zeros << _ONE)
        if run == _ONE and number < _MOST_BITS:
            events = events | (_ONE << number)
            number = number + _ONE
            run = _ZERO
    state[uint64(EVENTS) * slots + slot] = events | (_ONE << number)
    state[uint64(MEL_RUN) * slots + slot] = run


@device_function
def destuff_vlc(data, begin, end, window, out, room):
    """Move the VLC bits of a segment into a window from byte `out` on, at most so many bytes, zeros after them.

    MEL and VLC bytes lie from `begin` to `end` in `data`, the first VLC bits in the last byte but one. The window has
    eight bytes more than `room`. Returns the number of bits.
    """
    byte = uint64(data[end - uint64(2)])
    last = byte | uint64(15)
    bits = byte >> uint64(4)
    fill = uint64(3) if bits & uint64(7) == uint64(7) else uint64(4)
    bits = bits & ((_ONE << fill) - _ONE)
    left = end - begin - uint64(2)
    source = begin + left  # the byte before this one is next
    at = _ZERO
    while left >= uint64(8) and at + uint64(8) <= room:
        word = swap_bytes(load_word(data, source - uint64(8)))
        before = (word << uint64(8)) | last
        many = ((before & _THREE_BITS) + _THREE_BITS) & before
        stuffed = ((word & _SEVEN_BITS) + _LOW_BITS) & many & _HIGH_BITS
        if stuffed == _ZERO:
            keep_branch()
            store_word(window, out + at, bits | (word << fill))
            bits = (word >> _ONE) >> (uint64(63) - fill)
            last = word >> uint64(56)
            at = at + uint64(8)
            left = left - uint64(8)
            source = source - uint64(8)
            continue
        number = min(uint64(trailing_zeros(stuffed) >> uint32(3)) + _ONE, uint64(7))
        length = uint64(56)
        if stuffed & _SEVEN_BYTES:
            length = uint64(8) * number - _ONE
        last = (word >> (uint64(8) * number - uint64(8))) & uint64(0xFF)
        bits = bits | ((word & ((_ONE << length) - _ONE)) << fill)
        store_word(window, out + at, bits)
        fill = fill + length
        at = at + (fill >> uint64(3))
        bits = bits >> (fill & ~uint64(7))
        fill = fill & uint64(7)
        left = left - number
        source = source - number
    while left > _ZERO and at < room:
        source = source - _ONE
        left = left - _ONE
        byte = uint64(data[source])
        length = uint64(7) if last > uint64(0x8F) and byte & uint64(0x7F) == uint64(0x7F) else uint64(8)
        bits = bits | ((byte & ((_ONE << length) - _ONE)) << fill)
        fill = fill + length
        last = byte
        if fill >= uint64(8):
            window[out + at] = uint8(bits & uint64(0xFF))
            at = at + _ONE
            bits = bits >> uint64(8)
            fill = fill - uint64(8)
    number = at * uint64(8) + fill
    while at < room:
        store_word(window, out + at, bits)
        bits = _ZERO
        at = at + uint64(8)
    return number


@device_function
def destuff_magsgn(data, begin, end, window, room):
    """Move the MagSgn bits between two places of `data` into a window, at most `room` bytes; ones after them.

    The window has sixteen bytes more. Returns the number of bits; behind them are at least 64 ones.
    """
    source = begin
    bits, fill, at, after = _ZERO, _ZERO, _ZERO, _ZERO
    while source + uint64(8) <= end and at + uint64(8) <= room:
        word = load_word(data, source)
        full = zero_bytes(word ^ _ALL)
        if full | after == _ZERO:
            keep_branch()
            store_word(window, at, bits | (word << fill))
            bits = (word >> _ONE) >> (uint64(63) - fill)
            at = at + uint64(8)
            source = source + uint64(8)
            continue
        full = full & _SEVEN_BYTES
        number = uint64(7)
        if full != _ZERO:
            number = uint64(first_set_byte(full)) + _ONE
        length = uint64(8) * number - after
        value = ((word >> uint64(8)) << (uint64(8) - after)) | (word & (uint64(0xFF) >> after))
        bits = bits | ((value & ((_ONE << length) - _ONE)) << fill)
        store_word(window, at, bits)
        fill = fill + length
        at = at + (fill >> uint64(3))
        bits = bits >> (fill & ~uint64(7))
        fill = fill & uint64(7)
        source = source + number
        after = _ONE if full != _ZERO else _ZERO
    while source < end and at < room:
        byte = uint64(data[source])
        source = source + _ONE
        bits = bits | ((byte & (uint64(0xFF) >> after)) << fill)
        fill = fill + uint64(8) - after
        after = _ONE if byte == uint64(0xFF) else _ZERO
        if fill >= uint64(8):
            window[at] = uint8(bits & uint64(0xFF))
            at = at + _ONE
            bits = bits >> uint64(8)
            fill = fill - uint64(8)
    store_word(window, at, bits | (_ALL << fill))
    store_word(window, at + uint64(8), _ALL)
    return at * uint64(8) + fill


@device_function
def fill_ones(window, from_bits, to_bits):
    """Write ones behind the bits of a MagSgn window, so far that eight bytes may be loaded from `to_bits`."""
    at = (from_bits >> uint64(3)) + uint64(8)
    while at < (to_bits >> uint64(3)) + uint64(8):
        store_word(window, at, _ALL)
        at = at + uint64(8)
