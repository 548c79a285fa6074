"""The MQ coder, T.800 Annex C, on symbols that a model wrote beforehand.

The coder's state lies in a codeblock's control words. While symbols are coded it lies in local variables, and every
step is free of branches but for the output of a byte: which decision comes next is what no processor can predict.
"""

from __future__ import annotations

from numpy import uint8, uint64

from gpucodec_kernels.bits import leading_zeros
from gpucodec_kernels.ebcot.mq_tables import INITIAL_STATES, NUM_CONTEXTS, STATES
from gpucodec_kernels.target import device_function

# Control words.
A = 0  # the interval
C = 1  # the code register
CT = 2  # shifts until the next byte
B = 3  # the last byte, to which a carry may still be added
COUNT = 4  # bytes so far, `B` included
CONTEXTS = 8
NUM_MQ_WORDS = 32

_ZERO = uint64(0)
_ONE = uint64(1)
_BYTE = uint64(0xFF)
_CARRY = uint64(0x8000000)


@device_function
def reset_contexts(control):
    """Put every context into its initial state, Table D.7."""
    for context in range(NUM_CONTEXTS):
        control[uint64(CONTEXTS) + uint64(context)] = STATES[INITIAL_STATES[context]]


@device_function
def init_encoder(control, out, num_bytes):
    """INITENC, C.2.8, to go on after `num_bytes` bytes."""
    last = uint64(out[num_bytes - _ONE]) if num_bytes > _ZERO else _ZERO
    control[A] = uint64(0x8000)
    control[C] = _ZERO
    control[CT] = uint64(13) if last == _BYTE else uint64(12)
    control[B] = last
    control[COUNT] = num_bytes


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
def code_symbols(control, symbols, begin, end, out, limit):
    """ENCODE, C.2.2, for the symbols from `begin` to `end`."""
    a, c, ct, b, count = control[A], control[C], control[CT], control[B], control[COUNT]
    for place in range(begin, end):
        symbol = uint64(symbols[place])
        context = uint64(CONTEXTS) + (symbol >> _ONE)
        state = control[context]
        qe = state >> uint64(32)
        lps = (symbol ^ state) & _ONE
        a -= qe
        exchanged = uint64(a < qe)
        lower = lps ^ exchanged
        c += _ZERO if lower else qe
        a = qe if lower else a
        shift = uint64(leading_zeros(a)) - uint64(48)
        moved = uint64(min(shift, _ONE))
        following = (state >> ((lps + moved) << uint64(3))) & _BYTE
        control[context] = STATES[following]
        a <<= shift
        c <<= shift
        while shift >= ct:
            over = shift - ct
            rest = c & ((_ONE << over) - _ONE)
            c, b, ct = byte_out(c >> over, b, count, out, limit)
            c = (c << over) | rest
            count += _ONE
            shift = over
        ct -= shift
    control[A], control[C], control[CT], control[B], control[COUNT] = a, c, ct, b, count


@device_function
def flush(control, out, limit):
    """FLUSH, C.2.9; return the number of bytes, without a last byte 0xFF."""
    a, c, ct, b, count = control[A], control[C], control[CT], control[B], control[COUNT]
    top = c + a
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
def flush_predictably(control, out, limit):
    """Terminate so that a decoder can check for errors, D.4.2; return the number of bytes."""
    c, ct, b, count = control[C], control[CT], control[B], control[COUNT]
    wanted = uint64(12) - ct if ct < uint64(12) else _ZERO
    while wanted > _ZERO:
        c, b, next_ct = byte_out(c << ct, b, count, out, limit)
        count += _ONE
        ct = next_ct
        wanted -= min(wanted, ct)
    if b != _BYTE:
        c, b, ct = byte_out(c << ct, b, count, out, limit)
        count += _ONE
    return count - min(count, _ONE)
