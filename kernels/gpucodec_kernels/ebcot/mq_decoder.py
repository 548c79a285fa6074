"""The MQ decoder, T.800 Annex C, and raw bits, D.6, from codeword segments that ones follow.

The standard takes a byte whenever eight bits are used up; here the code register is a word of 64 bits. Its upper 16
bits are the standard's Chigh, below come bits that were read ahead, then a one, the mark, and zeros. A decision uses up
15 bits at most, so there are enough for one as long as the lower half is not zero, and for two as long as the lower
quarter is not; then `refill` reads as many bytes as fit. A carry stuffed after 0xFF (C.2.7) is added when its byte is
read, so earlier than in the standard's decoder; an encoder's segment decodes the same.

Decoding a symbol has no branches but that of `refill`, for the reason told in `mq_encoder`.

Words of a codeblock's side of a lane (see `decode_state`)
    0 to 19       the contexts' states, as `decode_tables` packs them
    A             the interval, in bits 48 to 63
    C             the code register
    AT            the next byte in `data`
    TABLE         the table of states
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
TABLE = 32
NUM_MQ_WORDS = TABLE + NUM_STATES

LOWER_HALF = uint64(0xFFFFFFFF)
LOWER_QUARTER = uint64(0xFFFF)

_ZERO = uint64(0)
_ONE = uint64(1)
_BYTE = uint64(0xFF)
_EIGHT = uint64(8)
_TABLE = uint64(TABLE)
_ODD_BYTES = uint64(0x00FF00FF00FF00FF)
_ODD_PAIRS = uint64(0x0000FFFF0000FFFF)
_QE = uint64(0xFFFF000000000000)
_HALF = uint64(0x8000000000000000)
_SIX_BYTES = uint64(0xFFFFFFFFFFFF)
_LOW_BITS = uint64(0x010101010101)
_HIGH_BITS = uint64(0x808080808080)


def _cpu_reverse_bytes() -> Any:
    from numba import types
    from numba.extending import intrinsic

    def reverse_bytes(typing_context, word):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):  # noqa: ARG001
            return builder.bswap(arguments[0])

        return types.uint64(types.uint64), generate

    return intrinsic(reverse_bytes)


@instruction(cpu=_cpu_reverse_bytes)
def reverse_bytes(word):
    """Return a word of the same eight bytes, the first one last."""
    word = (word & _ODD_BYTES) << _EIGHT | (word >> _EIGHT) & _ODD_BYTES
    word = (word & _ODD_PAIRS) << uint64(16) | (word >> uint64(16)) & _ODD_PAIRS
    return word << uint64(32) | word >> uint64(32)


@device_function
def load_states(side):
    """Copy the table of states to where the other words are."""
    for state in range(NUM_STATES):
        side[_TABLE + uint64(state)] = STATES[state]


@device_function
def reset_contexts(side):
    """Put every context into its initial state, Table D.7."""
    for context in range(NUM_CONTEXTS):
        side[context] = INITIAL_STATES[context]


@device_function
def refill(c, at, data, raw):
    """BYTEIN, C.3.4, for as many bytes as there is room for; return the code register and the next byte's place."""
    mark = uint64(trailing_zeros(c))
    c ^= _ONE << mark
    word = load_word(data, at - _ONE)
    ones = ~word & _SIX_BYTES
    # No byte 0xFF, neither the last one read nor the next five.
    if (((ones | _HIGH_BITS) - _LOW_BITS) | ones) & _HIGH_BITS == _HIGH_BITS:
        room = mark & ~uint64(7)
        bits = (reverse_bytes(word) << _EIGHT) >> (uint64(64) - room)
        mark -= room
        return c | bits << (mark + _ONE) | _ONE << mark, at + (room >> uint64(3))
    while mark >= _EIGHT:
        byte = uint64(data[at])
        if data[at - _ONE] != _BYTE:
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
def init_decoder(side, data, begin):
    """INITDEC, C.3.5, for a segment that begins at `begin`."""
    # The first byte has none before it, and one bit fewer than Chigh holds comes in at first.
    c, at = refill(uint64(data[begin]) << uint64(55) | _ONE << uint64(54), begin + _ONE, data, _ZERO)
    side[A], side[C], side[AT] = _HALF, c, at


@device_function
def init_raw_decoder(side, data, begin):
    """Begin a segment of raw bits."""
    c, at = refill(uint64(data[begin]) << uint64(56) | _ONE << uint64(55), begin + _ONE, data, _ONE)
    side[C], side[AT] = c, at


@inline_function
def decode_bit(a, c, side, context):
    """DECODE, C.3.2; return the interval, the code register and the decision."""
    state = side[context]
    after_mps = side[_TABLE + ((state >> _EIGHT) & _BYTE)]
    after_lps = side[_TABLE + ((state >> uint64(16)) & _BYTE)]
    qe = state & _QE
    rest = a - qe
    lower = c < qe
    lps = lower != (rest < qe)  # MPS_EXCHANGE and LPS_EXCHANGE
    a = choose(lower, qe, rest)
    c -= choose(lower, _ZERO, qe)
    side[context] = choose(lps, after_lps, choose(rest < _HALF, after_mps, state))
    shift = uint64(leading_zeros(a))  # RENORMD
    return a << shift, c << shift, (state ^ choose(lps, _ONE, _ZERO)) & _ONE
