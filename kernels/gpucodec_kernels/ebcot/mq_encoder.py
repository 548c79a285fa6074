"""The MQ coder, T.800 Annex C, on symbols that a model wrote beforehand, for two codeblocks at once.

Coding a symbol has no branches: which decision comes next is what no processor can predict. Two codeblocks are coded
in turn, so that the steps of one fill the time in which the other waits for its own.

The standard puts out a byte as soon as eight bits are there, which is as unpredictable. Here up to 33 bits wait in the
code register before `put_bytes` takes all bytes out of it. The result is the same but where a carry that came later
went through a whole byte: the standard would have kept such a byte as 0xFF and put the carry into the bit stuffed after
it. `put_bytes` notices what could be that, in one of two thousand bytes, and the symbols since the last state that was
kept are coded again with `put_bytes` after every one.

Words of a slot, that is of one of the two codeblocks
    0 to 23       the contexts' states, as `mq_tables` packs them
    A             the interval, in bits 16 to 31
    C             the code register, above its 28 bits room for carries, and `MARK`, which tells how far it was shifted
    CT            shifts until the next byte
    B             the last byte, to which a carry may still be added
    COUNT         bytes so far, `B` included
    SUSPECT       whether bytes may differ from those that the standard puts out
The words of a lane are those of slots 0 and 1, copies of both, and `STATES`.
"""

from __future__ import annotations

from numpy import uint8, uint64

from gpucodec_kernels.bits import choose, leading_zeros, leading_zeros_32
from gpucodec_kernels.ebcot.mq_tables import INITIAL_STATES, NUM_CONTEXTS, NUM_STATES, STATES
from gpucodec_kernels.target import device_function

A = 24
C = 25
CT = 26
B = 27
COUNT = 28
SUSPECT = 29
SLOT_WORDS = 32
_COPIES = 2 * SLOT_WORDS
_TABLE = 4 * SLOT_WORDS
NUM_MQ_WORDS = _TABLE + NUM_STATES

MARK = uint64(1 << 30)
CHUNK = 256  # symbols between two states that are kept

_ZERO = uint64(0)
_ONE = uint64(1)
_BYTE = uint64(0xFF)
_CARRY = uint64(0x8000000)
_SLOT = uint64(SLOT_WORDS)
_STATES_AT = uint64(_TABLE)
_QE = uint64(0xFFFF0000)
_HALF = uint64(0x80000000)
_FULL = uint64(49)


@device_function
def load_states(words):
    """Copy the table of states to where the lane's other words are."""
    for state in range(NUM_STATES):
        words[uint64(_TABLE) + uint64(state)] = STATES[state]


@device_function
def reset_contexts(slot):
    """Put every context into its initial state, Table D.7."""
    for context in range(NUM_CONTEXTS):
        slot[context] = INITIAL_STATES[context]


@device_function
def init_encoder(slot, out, num_bytes):
    """INITENC, C.2.8, to go on after `num_bytes` bytes."""
    last = uint64(out[num_bytes - _ONE]) if num_bytes > _ZERO else _ZERO
    slot[A] = _HALF
    slot[C] = MARK
    slot[CT] = uint64(13) if last == _BYTE else uint64(12)
    slot[B] = last
    slot[COUNT] = num_bytes
    slot[SUSPECT] = _ZERO


@device_function
def code_symbol(a, c, words, first_context, symbol):
    """ENCODE, C.2.2, but for bytes: CODEMPS, CODELPS and RENORME; return the interval and the code register."""
    context = first_context + (symbol >> _ONE)
    state = words[context]
    after_mps = words[_STATES_AT + ((state >> uint64(8)) & _BYTE)]
    after_lps = words[_STATES_AT + (state >> uint64(56))]
    qe = state & _QE
    rest = a - qe
    lps = ((symbol ^ state) & _ONE) != _ZERO
    lower = lps != (rest < qe)  # conditional exchange, C.2.5
    following = choose(rest < _HALF, after_mps, state)
    words[context] = choose(lps, after_lps, following)
    a = choose(lower, qe, rest)
    shift = leading_zeros_32(a)
    c = (c + (choose(lower, _ZERO, qe) >> uint64(16))) << shift
    return a << shift, c


@device_function
def byte_out(c, b, count, out, limit):
    """BYTEOUT, C.2.7, of a register whose byte is due; return the register, the new last byte and its bits."""
    full = b == _BYTE
    if not full:
        b += (c >> uint64(27)) & _ONE
        c &= _CARRY - _ONE
    out[min(max(count, _ONE) - _ONE, limit)] = uint8(b)
    stuffed = _ONE if b == _BYTE else _ZERO
    kept = uint64(19) + stuffed
    return c & ((_ONE << kept) - _ONE), (c >> kept) & _BYTE, uint64(8) - stuffed


@device_function
def put_bytes(c, slot, out, limit):
    """Take all bytes that are due out of the code register; return it."""
    ct, b, count, suspect = slot[CT], slot[B], slot[COUNT], slot[SUSPECT]
    shifted = uint64(33) - uint64(leading_zeros(c))
    c ^= MARK << shifted
    while shifted >= ct:
        shifted -= ct
        top = c >> shifted
        # A byte 0xFF that was due, and later a carry less than the interval, leave eleven zeros where it was.
        if (top >> uint64(16)) & uint64(0x7FF) == _ZERO:
            suspect = _ONE
        below = c & ((_ONE << shifted) - _ONE)
        top, b, ct = byte_out(top, b, count, out, limit)
        c = (top << shifted) | below
        count += _ONE
    slot[CT], slot[B], slot[COUNT], slot[SUSPECT] = ct - shifted, b, count, suspect
    return c | MARK


@device_function
def keep_slot(words, side):
    """Copy a slot's words aside."""
    for word in range(_SLOT):
        words[uint64(_COPIES) + side * _SLOT + word] = words[side * _SLOT + word]


@device_function
def code_again(words, side, symbols, begin, end, out, limit):
    """Code symbols from the slot that was kept on, with bytes put out when the standard does."""
    base = side * _SLOT
    for word in range(_SLOT):
        words[base + word] = words[uint64(_COPIES) + base + word]
    slot = words[base : base + _SLOT]
    a, c = slot[A], slot[C]
    for place in range(begin, end):
        a, c = code_symbol(a, c, words, base, uint64(symbols[place]))
        c = put_bytes(c, slot, out, limit)
    slot[A], slot[C], slot[SUSPECT] = a, c, _ZERO


@device_function
def code_symbols(words, side, symbols, begin, end, out, limit):
    """Code the symbols of one slot from `begin` to `end`."""
    base = side * _SLOT
    slot = words[base : base + _SLOT]
    while begin < end:
        stop = min(end, begin + uint64(CHUNK))
        keep_slot(words, side)
        a, c = slot[A], slot[C]
        for place in range(begin, stop):
            a, c = code_symbol(a, c, words, base, uint64(symbols[place]))
            if c >> _FULL != _ZERO:
                c = put_bytes(c, slot, out, limit)
        c = put_bytes(c, slot, out, limit)
        slot[A], slot[C] = a, c
        if slot[SUSPECT] != _ZERO:
            code_again(words, side, symbols, begin, stop, out, limit)
        begin = stop


@device_function
def code_symbol_pairs(words, symbols_0, symbols_1, count, out_0, out_1, limit):
    """Code `count` symbols of both slots."""
    slot_0, slot_1 = words[_ZERO:_SLOT], words[_SLOT : _SLOT + _SLOT]
    begin = _ZERO
    while begin < count:
        stop = min(count, begin + uint64(CHUNK))
        keep_slot(words, _ZERO)
        keep_slot(words, _ONE)
        a_0, c_0, a_1, c_1 = slot_0[A], slot_0[C], slot_1[A], slot_1[C]
        for place in range(begin, stop):
            a_0, c_0 = code_symbol(a_0, c_0, words, _ZERO, uint64(symbols_0[place]))
            if c_0 >> _FULL != _ZERO:
                c_0 = put_bytes(c_0, slot_0, out_0, limit)
            a_1, c_1 = code_symbol(a_1, c_1, words, _SLOT, uint64(symbols_1[place]))
            if c_1 >> _FULL != _ZERO:
                c_1 = put_bytes(c_1, slot_1, out_1, limit)
        c_0 = put_bytes(c_0, slot_0, out_0, limit)
        c_1 = put_bytes(c_1, slot_1, out_1, limit)
        slot_0[A], slot_0[C], slot_1[A], slot_1[C] = a_0, c_0, a_1, c_1
        if slot_0[SUSPECT] != _ZERO:
            code_again(words, _ZERO, symbols_0, begin, stop, out_0, limit)
        if slot_1[SUSPECT] != _ZERO:
            code_again(words, _ONE, symbols_1, begin, stop, out_1, limit)
        begin = stop


@device_function
def flush(slot, out, limit):
    """FLUSH, C.2.9; return the number of bytes, without a last byte 0xFF."""
    c, ct, b, count = slot[C] ^ MARK, slot[CT], slot[B], slot[COUNT]
    top = c + (slot[A] >> uint64(16))
    c |= uint64(0xFFFF)
    if c >= top:
        c -= uint64(0x8000)
    for _ in range(2):
        c, b, ct = byte_out(c << ct, b, count, out, limit)
        count += _ONE
    if b == _BYTE:
        return count - _ONE
    out[min(count - _ONE, limit)] = uint8(b)
    return count


@device_function
def flush_predictably(slot, out, limit):
    """Terminate so that a decoder can check for errors, D.4.2; return the number of bytes."""
    c, ct, b, count = slot[C] ^ MARK, slot[CT], slot[B], slot[COUNT]
    wanted = uint64(12) - ct if ct < uint64(12) else _ZERO
    while wanted > _ZERO:
        c, b, ct = byte_out(c << ct, b, count, out, limit)
        count += _ONE
        wanted -= min(wanted, ct)
    if b != _BYTE:
        c, b, ct = byte_out(c << ct, b, count, out, limit)
        count += _ONE
    return count - min(count, _ONE)
