"""Bits that bypass the MQ coder, T.800 D.6: packed from the most significant on, a zero stuffed after each 0xFF."""

from __future__ import annotations

from numpy import uint8, uint64

from gpucodec_kernels.ebcot.mq_encoder import COUNT, CT, B
from gpucodec_kernels.target import device_function

_ZERO = uint64(0)
_ONE = uint64(1)
_UNUSED = uint64(64)  # for CT: no bit was written in this codeword segment


@device_function
def init_raw_encoder(slot, num_bytes):
    """Begin a segment of raw bits after `num_bytes` bytes. `B` holds the bits of the byte that is being filled."""
    slot[CT] = _UNUSED
    slot[B] = _ZERO
    slot[COUNT] = num_bytes


@device_function
def code_raw_bits(slot, symbols, begin, end, out, limit):
    """Write the decisions of symbols as bits."""
    b, ct, count = slot[B], slot[CT], slot[COUNT]
    for place in range(begin, end):
        if ct == _UNUSED:
            ct = uint64(8)
        ct -= _ONE
        b |= (uint64(symbols[place]) & _ONE) << ct
        if ct == _ZERO:
            out[min(count, limit)] = uint8(b)
            count += _ONE
            ct = uint64(7) if b == uint64(0xFF) else uint64(8)
            b = _ZERO
    slot[B], slot[CT], slot[COUNT] = b, ct, count


@device_function
def raw_extra_bytes(slot, out, limit, predictable):
    """Return how many bytes beyond those written the bits so far need."""
    ct, count = slot[CT], slot[COUNT]
    if ct < uint64(7):
        return _ONE
    if ct == uint64(7) and (predictable != _ZERO or out[min(count - _ONE, limit)] != uint8(0xFF)):
        return _ONE
    return _ZERO


@device_function
def flush_raw_encoder(slot, out, limit, predictable):
    """End a segment of raw bits, the last byte filled with 0, 1, 0, ... (D.4.2, D.6); return the number of bytes."""
    ct, count = slot[CT], slot[COUNT]
    if raw_extra_bytes(slot, out, limit, predictable) != _ZERO:
        filler = uint64(0x55) >> (uint64(8) - ct) if ct < uint64(8) else _ZERO
        out[min(count, limit)] = uint8(slot[B] | filler)
        return count + _ONE
    if ct == uint64(7) and predictable == _ZERO:
        return count - _ONE  # a last 0xFF
    tail = ct == uint64(8) and predictable == _ZERO and count >= uint64(2)
    # What a decoder reads beyond the end makes up for 0xFF 0x7F.
    if tail and out[min(count - _ONE, limit)] == uint8(0x7F) and out[min(count - uint64(2), limit)] == uint8(0xFF):
        return count - uint64(2)
    return count
