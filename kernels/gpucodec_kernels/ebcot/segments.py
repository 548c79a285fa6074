"""Passes and codeword segments: which bypass the MQ coder, where segments end, how long they are (D.4 to D.6)."""

from __future__ import annotations

from numpy import int32, uint8, uint64

from gpucodec_kernels.ebcot.mq_encoder import (
    COUNT,
    CT,
    MARK,
    A,
    B,
    C,
    flush,
    flush_predictably,
    init_encoder,
    reset_contexts,
)
from gpucodec_kernels.ebcot.raw_encoder import flush_raw_encoder, init_raw_encoder, raw_extra_bytes
from gpucodec_kernels.target import device_function

# Bits of the code-block style, Table A.19.
STYLE_BYPASS = 1
STYLE_RESET = 2
STYLE_TERMINATE = 4
STYLE_VERTICALLY_CAUSAL = 8
STYLE_PREDICTABLE = 16
STYLE_SEGMENTATION = 32

MAX_PASSES = 3 * 31 - 2

# Words of a codeblock's job.
ACTIVE = 0
INDEX = 1  # which of the launch's codeblocks
PLACE = 2  # the next symbol
PASS = 3
NUM_PASSES = 4
ENDS = 8  # where each pass's symbols end
LENGTHS = ENDS + MAX_PASSES + 1  # cumulative bytes after each pass
INTERVALS = LENGTHS + MAX_PASSES + 1  # where a pass ends inside a segment: what the coder's registers held then
REGISTERS = INTERVALS + MAX_PASSES + 1
NUM_JOB_WORDS = REGISTERS + MAX_PASSES + 1

_ZERO = uint64(0)
_ONE = uint64(1)
_TWO = uint64(2)
_THREE = uint64(3)


@device_function
def is_raw(pass_index, style):
    """Return whether a pass bypasses the MQ coder: the first two of a bit-plane from the fifth on, D.6."""
    return (style & uint64(STYLE_BYPASS)) != _ZERO and pass_index > uint64(9) and pass_index % _THREE != _ZERO


@device_function
def is_terminated(pass_index, num_passes, style):
    """Return whether a codeword segment ends with a pass, Tables D.8 and D.9. Pass 0 is the first cleanup pass."""
    if pass_index + _ONE == num_passes or (style & uint64(STYLE_TERMINATE)) != _ZERO:
        return True
    return (style & uint64(STYLE_BYPASS)) != _ZERO and pass_index >= uint64(9) and pass_index % _THREE != _ONE


@device_function
def end_pass(job, slot, out, limit, style):
    """Write the current pass's length, end its segment where one ends; return whether it was the last pass."""
    pass_index, num_passes = job[PASS], job[NUM_PASSES]
    predictable = style & uint64(STYLE_PREDICTABLE)
    raw = is_raw(pass_index, style)
    if is_terminated(pass_index, num_passes, style):
        if raw:
            length = flush_raw_encoder(slot, out, limit, predictable)
        elif predictable != _ZERO:
            length = flush_predictably(slot, out, limit)
        else:
            length = flush(slot, out, limit)
        if is_raw(pass_index + _ONE, style):
            init_raw_encoder(slot, length)
        else:
            init_encoder(slot, out, min(length, limit + _ONE))
        slot[COUNT] = length
    elif raw:
        length = slot[COUNT] + raw_extra_bytes(slot, out, limit, predictable)
    else:
        # How many of the bytes to come are needed is known when they are there.
        length = slot[COUNT]
        job[uint64(INTERVALS) + pass_index] = slot[A] >> uint64(16)
        job[uint64(REGISTERS) + pass_index] = (slot[C] ^ MARK) | (slot[CT] << uint64(32)) | (slot[B] << uint64(40))
    job[uint64(LENGTHS) + pass_index] = length
    if (style & uint64(STYLE_RESET)) != _ZERO:
        reset_contexts(slot)
    job[PASS] = pass_index + _ONE
    return pass_index + _ONE == num_passes


@device_function
def truncation_length(interval, registers, count, end, out, limit):
    """Return the fewest bytes from which a decoder decodes all that was coded when the registers held this.

    Decoders read ones beyond the end. The bytes that are kept, and then ones, must be a number inside of the interval
    that was left, so below its upper end. Numbers here begin after byte ``count - 1``, to which the carry still goes.
    """
    fraction_bits = uint64(27) - ((registers >> uint64(32)) & uint64(0xFF))
    upper = (registers & uint64(0xFFFFFFFF)) + interval
    previous = _ZERO
    number = _ZERO
    if count > _ZERO:
        previous = uint64(out[min(count - _ONE, limit)])
        number = previous - (registers >> uint64(40))
    bits = _ZERO
    length = count
    while length < end:
        if bits <= fraction_bits:
            fits = (number + _ONE) << (fraction_bits - bits) <= upper
        else:
            fits = number + _ONE <= upper << (bits - fraction_bits)
        if fits:
            break
        byte_bits = uint64(7) if previous == uint64(0xFF) and length > _ZERO else uint64(8)
        previous = uint64(out[min(length, limit)])
        number = (number << byte_bits) + previous
        bits += byte_bits
        length += _ONE
    return length


@device_function
def settle_lengths(job, length, out, limit, style, estimated, pass_lengths):
    """Write how many bytes decode each pass and those before it, never a last 0xFF, which decoders make up.

    With `estimated` these are the numbers that OpenJPEG takes: mostly more than needed, rarely one too few.
    """
    num_passes = job[NUM_PASSES]
    following = length
    place = num_passes
    while place > _ZERO:
        place -= _ONE
        reached = job[uint64(LENGTHS) + place]
        if not is_terminated(place, num_passes, style) and not is_raw(place, style):
            if estimated != _ZERO:
                reached += _TWO
            else:
                reached = truncation_length(
                    job[uint64(INTERVALS) + place], job[uint64(REGISTERS) + place], reached, following, out, limit
                )
        following = min(reached, following)
        ends_full = following > _ZERO and out[min(following - _ONE, limit)] == uint8(0xFF)
        pass_lengths[place] = int32(following - _ONE) if ends_full else int32(following)
