"""The MQ decoder, T.800 Annex C, and raw bits, D.6, from codeword segments that ones follow.

The standard takes a byte whenever eight bits are used up; here the code register is a word of 64 bits. Its upper 16
bits are the standard's Chigh, below come bits that were read ahead, then a one, the mark, and zeros. When the mark has
come so far up that the lower half is zero, `refill` reads four bytes or more. A carry stuffed after 0xFF (C.2.7) is
added when its byte is read, so earlier than in the standard's decoder; an encoder's segment decodes the same.

Decoding a symbol has no branches but that of `refill`, for the reason told in `mq_encoder`.

Words of a slot, that is of one of the two codeblocks of a lane
    0 to 19       the contexts' states, as `decode_tables` packs them
    A             the interval, in bits 48 to 63
    C             the code register
    AT            the next byte of the segment
The words of a lane are those of slots 0 and 1 and the table of states.
"""

from __future__ import annotations

from typing import Any

from numpy import uint64

from gpucodec_kernels.bits import choose, leading_zeros, trailing_zeros
from gpucodec_kernels.ebcot.decode_tables import INITIAL_STATES, NUM_CONTEXTS, STATES
from gpucodec_kernels.ebcot.mq_tables import NUM_STATES
from gpucodec_kernels.target import device_function, inline_function, instruction
from gpucodec_kernels.words import load_word

PADDING = 16  # bytes 0xFF that follow each segment

A = 24
C = 25
AT = 26
SLOT_WORDS = 32
_TABLE = 2 * SLOT_WORDS
NUM_MQ_WORDS = _TABLE + NUM_STATES

LOWER_HALF = uint64(0xFFFFFFFF)

_ZERO = uint64(0)
_ONE = uint64(1)
_BYTE = uint64(0xFF)
_EIGHT = uint64(8)
_STATES_AT = uint64(_TABLE)
_QE = uint64(0xFFFF000000000000)
_HALF = uint64(0x8000000000000000)
_LOW_BITS = uint64(0x01010101)
_HIGH_BITS = uint64(0x80808080)


def _cpu_difference() -> Any:
    import numba

    return numba.njit(lambda first, second: first - second)


def _cuda_difference() -> Any:
    from numba import cuda

    return cuda.jit(device=True)(lambda first, second: first - second)


@instruction(cpu=_cpu_difference, cuda=_cuda_difference)
def difference(first, second):
    """Return the difference of two uint64 modulo 2**64."""
    return uint64((int(first) - int(second)) % 2**64)


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
def refill(c, at, segment, raw):
    """BYTEIN, C.3.4, for as many bytes as there is room for; return the code register and the next byte's place."""
    mark = uint64(trailing_zeros(c))
    c ^= _ONE << mark
    word = load_word(segment, at - _ONE)
    ones = ~word & LOWER_HALF
    # No byte 0xFF, neither the last one read nor the first three of the next four.
    if ((ones | _HIGH_BITS) - _LOW_BITS | ones) & _HIGH_BITS == _HIGH_BITS:
        bits = (
            (word << uint64(16)) & uint64(0xFF000000)
            | (word & uint64(0xFF0000))
            | (word >> uint64(16)) & uint64(0xFF00)
        )
        bits |= (word >> uint64(32)) & _BYTE
        return c | bits << (mark - uint64(31)) | _ONE << (mark - uint64(32)), at + uint64(4)
    while mark >= _EIGHT:
        byte = uint64(segment[at])
        if segment[at - _ONE] != _BYTE:
            c |= byte << (mark - uint64(7))
            mark -= _EIGHT
            at += _ONE
        elif byte <= uint64(0x8F):
            byte &= uint64(0x7F) if raw != _ZERO else _BYTE
            c += byte << (mark - uint64(6))
            mark -= uint64(7)
            at += _ONE
        else:  # the end
            c |= _BYTE << (mark - uint64(7))
            mark -= _EIGHT
    return c | _ONE << mark, at


@device_function
def init_decoder(slot, segment):
    """INITDEC, C.3.5."""
    # The first byte has none before it, and one bit fewer than Chigh holds comes in at first.
    c, at = refill(uint64(segment[0]) << uint64(55) | _ONE << uint64(54), _ONE, segment, _ZERO)
    slot[A], slot[C], slot[AT] = _HALF, c, at


@device_function
def init_raw_decoder(slot, segment):
    """Begin a segment of raw bits."""
    c, at = refill(uint64(segment[0]) << uint64(56) | _ONE << uint64(55), _ONE, segment, _ONE)
    slot[C], slot[AT] = c, at


@inline_function
def decode_bit(a, c, words, context):
    """DECODE, C.3.2, with MPS_EXCHANGE, LPS_EXCHANGE and RENORMD; return the interval, the register, the decision."""
    state = words[context]
    after_mps = words[_STATES_AT + ((state >> _EIGHT) & _BYTE)]
    after_lps = words[_STATES_AT + ((state >> uint64(16)) & _BYTE)]
    qe = state & _QE
    rest = a - qe
    lower = c < qe
    lps = lower != (rest < qe)  # conditional exchange
    a = choose(lower, qe, rest)
    c = choose(lower, c, difference(c, qe))
    words[context] = choose(lps, after_lps, choose(rest < _HALF, after_mps, state))
    shift = uint64(leading_zeros(a))
    return a << shift, c << shift, (state ^ choose(lps, _ONE, _ZERO)) & _ONE
