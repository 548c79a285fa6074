"""Passes and codeword segments: which bypass the MQ coder, where segments end, how long they are (D.4 to D.6)."""

from __future__ import annotations

from numpy import int32, uint8, uint64

from gpucodec_kernels.ebcot.mq_encoder import COUNT, flush, flush_predictably, init_encoder, reset_contexts
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
NUM_JOB_WORDS = LENGTHS + MAX_PASSES + 1

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
        # The last byte is not written yet; what the registers hold takes three more at most.
        length = slot[COUNT] + _TWO
    job[uint64(LENGTHS) + pass_index] = length
    if (style & uint64(STYLE_RESET)) != _ZERO:
        reset_contexts(slot)
    job[PASS] = pass_index + _ONE
    return pass_index + _ONE == num_passes


@device_function
def settle_lengths(job, length, out, limit, pass_lengths):
    """Write the cumulative lengths so that none is longer than a later one and none ends with 0xFF."""
    following = length
    place = job[NUM_PASSES]
    while place > _ZERO:
        place -= _ONE
        following = min(job[uint64(LENGTHS) + place], following)
        ends_full = following > _ZERO and out[min(following - _ONE, limit)] == uint8(0xFF)
        pass_lengths[place] = int32(following - _ONE) if ends_full else int32(following)
