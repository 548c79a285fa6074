"""Significance and exponents of quads, T.814 7.3.4 to 7.3.6: MEL events and VLC codewords to one word a quad.

Codeblocks of equal width are decoded side by side, `slots` of them: each step takes look-ups one after the other, and
the next codeblock's need not wait for them. A word of a quad is the entry of `decode_tables` with its unsigned residual
u in it.

A row of quads lies in a buffer of ``(quads + 3) * slots`` words, `slots` a quad; one quad of zeros stands before it and
at least one after it.
"""

from __future__ import annotations

from numpy import uint32, uint64

from gpucodec_kernels.ht.decode_gather import pairs_decoder
from gpucodec_kernels.ht.decode_streams import (
    EVENTS,
    LEFT,
    MOST_EVENTS,
    POSITION,
    ROWS,
    STOP,
    load_unaligned,
    read_events,
)
from gpucodec_kernels.ht.decode_tables import (
    CONTEXT_MASK,
    FIRST_RESIDUALS,
    OUTSIDE,
    RESIDUAL_SHIFT,
    RESIDUALS,
    RHO_SHIFT,
    TABLE_ENTRIES,
)
from gpucodec_kernels.target import inline_function, instruction

CHUNK_PAIRS = 8  # pairs of quads that take at most `MOST_EVENTS` MEL events

_ZERO, _ONE = uint64(0), uint64(1)
_SEVEN_BITS = uint64(127)
_NEXT_CONTEXT = uint64(CONTEXT_MASK)
_NO_CONTEXT = uint64(128)  # indices below have context 0
_EVENT_SHIFT = uint64(10)
_BOTTOM_LEFT, _LAST, _BIT = uint32(RHO_SHIFT + 8), uint32(RHO_SHIFT + 24), uint32(1)


@inline_function
def decode_any_pairs(first_row, lanes, state, window, tables, above, row, begin, end):
    """Decode the pairs of quads `begin` to `end` of a row, of every slot."""
    slots, first_slot, last_slot = lanes
    quads_table = _ZERO if first_row else uint64(TABLE_ENTRIES)
    for pair in range(begin, end):
        at = uint64(2) * pair * slots
        for slot in range(first_slot, last_slot):
            position = state[uint64(POSITION) * slots + slot]
            events = state[uint64(EVENTS) * slots + slot]
            word = load_unaligned(window, position >> uint64(3)) >> (position & uint64(7))
            context = uint64(above[at + slot]) | state[uint64(LEFT) * slots + slot]
            asks = _ONE if context < _NO_CONTEXT else _ZERO
            index = context | (word & _SEVEN_BITS) | ((events & asks) << _EVENT_SHIFT)
            events = events >> asks
            first = uint64(tables[quads_table + index])
            length = first & uint64(7)
            word = word >> length
            position = position + length
            context = uint64(above[at + slots + slot]) | (first & _NEXT_CONTEXT)
            asks = _ONE if context < _NO_CONTEXT else _ZERO
            index = context | (word & _SEVEN_BITS) | ((events & asks) << _EVENT_SHIFT)
            events = events >> asks
            second = uint64(tables[quads_table + index])
            length = second & uint64(7)
            word = word >> length
            position = position + length
            index = (first & uint64(64)) | ((second & uint64(64)) << _ONE)
            if first_row:
                asks = (first & second & uint64(64)) >> uint64(6)
                index = index | ((events & asks) << uint64(8))
                events = events >> asks
                index = index + uint64(FIRST_RESIDUALS)
            else:
                index = index + uint64(RESIDUALS)
            residuals = uint64(tables[index + (word & uint64(63))])
            length = residuals & uint64(7)
            suffix = (residuals >> uint64(4)) & uint64(15)
            word = word >> length
            position = position + length + suffix
            suffixes = word & ((_ONE << suffix) - _ONE)
            length = (residuals >> uint64(8)) & uint64(7)
            u_first = ((residuals >> uint64(12)) & uint64(15)) + (suffixes & ((_ONE << length) - _ONE))
            u_second = (residuals >> uint64(16)) + (suffixes >> length)
            state[uint64(POSITION) * slots + slot] = position
            state[uint64(EVENTS) * slots + slot] = events
            state[uint64(LEFT) * slots + slot] = second & _NEXT_CONTEXT
            row[at + slot] = uint32(first | (u_first << uint64(RESIDUAL_SHIFT)))
            row[at + slots + slot] = uint32(second | (u_second << uint64(RESIDUAL_SHIFT)))


@instruction(cpu=lambda: pairs_decoder(True))
def decode_first_pairs(lanes, state, window, tables, above, row, begin, end):
    """Decode the pairs of quads `begin` to `end` of the first row, of every slot."""
    decode_any_pairs(True, lanes, state, window, tables, above, row, begin, end)


@instruction(cpu=lambda: pairs_decoder(False))
def decode_pairs(lanes, state, window, tables, above, row, begin, end):
    """Decode the pairs of quads `begin` to `end` of a row that is not the first, of every slot."""
    decode_any_pairs(False, lanes, state, window, tables, above, row, begin, end)


@inline_function
def find_contexts(lanes, row, above, width):
    """Write what a row of quads adds to the contexts of the quads below; `row` begins with zeros before the first."""
    slots, first_slot, last_slot = lanes
    # Either all slots take part, whose places follow one another, or one.
    step = _ONE if last_slot - first_slot == slots else slots
    for place in range(first_slot, width * slots, step):
        left = row[place]
        middle = row[place + slots]
        right = row[place + uint64(2) * slots]
        west = (left >> _LAST) | (middle >> _BOTTOM_LEFT)
        east = (middle >> _LAST) | (right >> _BOTTOM_LEFT)
        above[place] = ((west & _BIT) << uint32(7)) | ((east & _BIT) << uint32(9))


@inline_function
def begin_rows(lanes, width, contexts, row):
    """Prepare the buffers for the first row."""
    slots, first_slot, last_slot = lanes
    even = width + (width & _ONE)
    for quad in range(even + uint64(2)):
        for slot in range(first_slot, last_slot):
            row[quad * slots + slot] = uint32(0)
    for quad in range(even):
        for slot in range(first_slot, last_slot):
            contexts[quad * slots + slot] = uint32(OUTSIDE) if quad == width else uint32(0)


@inline_function
def decode_quads(lanes, width, rows, state, data, window, tables, buffers):
    """Decode all quads of the codeblocks of a group.

    Parameters
    ----------
    lanes : tuple
        Number of slots, of which those from the second number on before the third are decoded.
    width, rows : uint64
        Quads of a row, and rows: the most of a slot.
    state, data, window, tables : array
        State of the slots, codeword segments, VLC bits, and `decode_tables`.
    buffers : tuple
        Contexts and words of a row; the array where words of quads are written, and its words a slot.
    """
    slots, first_slot, last_slot = lanes
    contexts, row, quads, stride = buffers
    begin_rows(lanes, width, contexts, row)
    pairs = (width + _ONE) >> _ONE
    for number in range(rows):
        for slot in range(first_slot, last_slot):
            state[uint64(LEFT) * slots + slot] = _ZERO
        for begin in range(_ZERO, pairs, uint64(CHUNK_PAIRS)):
            end = min(pairs, begin + uint64(CHUNK_PAIRS))
            for slot in range(first_slot, last_slot):
                if state[uint64(EVENTS) * slots + slot] < uint64(1 << MOST_EVENTS):
                    read_events(state, slots, slot, data)
            if number == _ZERO:
                decode_first_pairs(lanes, state, window, tables, contexts, row[slots:], begin, end)
            else:
                decode_pairs(lanes, state, window, tables, contexts, row[slots:], begin, end)
        for slot in range(first_slot, last_slot):
            if number + _ONE == state[uint64(ROWS) * slots + slot]:
                state[uint64(STOP) * slots + slot] = state[uint64(POSITION) * slots + slot]
        find_contexts(lanes, row, contexts, width)
        for slot in range(first_slot, last_slot):
            first = (slot - first_slot) * stride + number * width
            for quad in range(width):
                quads[first + quad] = row[(quad + _ONE) * slots + slot]
