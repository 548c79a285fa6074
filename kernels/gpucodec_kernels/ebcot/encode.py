"""Encoding of codeblocks, T.800 Annexes C and D: a model writes symbols, the MQ coder codes them."""

from __future__ import annotations

from numpy import float64, int32, int64, uint8, uint32, uint64

from gpucodec_kernels.ebcot.bit_planes import WORD, distortion_of_pass, largest_magnitude_bits, split_bit_planes
from gpucodec_kernels.ebcot.emission import SLACK
from gpucodec_kernels.ebcot.mq_encoder import (
    COUNT,
    NUM_MQ_WORDS,
    code_symbols,
    flush,
    flush_predictably,
    init_encoder,
    reset_contexts,
)
from gpucodec_kernels.ebcot.passes import (
    BIT_PLANES,
    cleanup_pass,
    magnitude_refinement_pass,
    significance_propagation_pass,
)
from gpucodec_kernels.ebcot.raw_encoder import code_raw_bits, flush_raw_encoder, init_raw_encoder, raw_extra_bytes
from gpucodec_kernels.target import device_function, kernel

STYLE_BYPASS = 1
STYLE_RESET = 2
STYLE_TERMINATE = 4
STYLE_VERTICALLY_CAUSAL = 8
STYLE_PREDICTABLE = 16
STYLE_SEGMENTATION = 32

FLAG_DISTORTION = 1
FLAG_REVERSIBLE = 2
FLAG_PASS_LENGTHS = 4

STATUS_OK = 0
STATUS_OVERFLOW = 1  # the slot is too small
STATUS_TOO_MANY_BITPLANES = 2

BLOCK_FIELDS = 6  # x, y, width, height, orientation, number of magnitude bit-planes
MAX_BITPLANES = 31

# Control words beside those of the MQ coder.
_JOB = NUM_MQ_WORDS
_ACTIVE = NUM_MQ_WORDS + 1
_PLACE = NUM_MQ_WORDS + 2  # the next symbol
_PASS = NUM_MQ_WORDS + 3
_NUM_PASSES = NUM_MQ_WORDS + 4
_NUM_BITPLANES = NUM_MQ_WORDS + 5
_ENDS = NUM_MQ_WORDS + 8  # where each pass's symbols end
_LENGTHS = _ENDS + 3 * MAX_BITPLANES  # cumulative bytes after each pass
_NUM_CONTROL_WORDS = _LENGTHS + 3 * MAX_BITPLANES + 6

_ZERO = uint64(0)
_ONE = uint64(1)
_TWO = uint64(2)
_THREE = uint64(3)


def _region_words(width: int, height: int) -> int:
    return (-(-height // 4) + 2) * (-(-width // 16) + 2)


def scratch_words(width: int, height: int, planes: int) -> int:
    """Return the words of scratch a lane needs for codeblocks up to this size and number of bit-planes."""
    return 2 * (_NUM_CONTROL_WORDS + WORD + (BIT_PLANES + planes) * _region_words(width, height))


def scratch_symbols(width: int, height: int, planes: int) -> int:
    """Return the bytes of symbols a lane needs: a decision a coefficient and bit-plane, signs, ends of runs."""
    area = -(-width // 16) * 16 * -(-height // 4) * 4
    return 2 * ((planes + 2) * area + 4 * planes + SLACK)


def worst_slot_bytes(width: int, height: int, planes: int) -> int:
    """Return a slot's bytes that no codeblock of this size exceeds."""
    return 2 * width * height * (planes + 2) // 8 * 2 + 16 * 3 * planes + 64


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
def write_distortion(words, shape, plane, settings, pass_index, weight, total, distortions):
    """Add what a pass took from the distortion, in the picture's units, and write the sum so far."""
    fractional_bits, flags = settings
    refinement = _ONE if pass_index % _THREE == _TWO else _ZERO
    exact = (flags & uint64(FLAG_REVERSIBLE)) if plane == _ZERO else _ZERO
    total += distortion_of_pass(words, shape, plane, fractional_bits, refinement, exact)
    distortions[pass_index] = total * weight
    return total


@device_function
def model_codeblock(words, control, symbols, shape, num_planes, orientation, style, settings, weight, distortions):
    """Write the symbols of all passes, and where each pass's symbols end."""
    fractional_bits, flags = settings
    _, _, _, _, region = shape
    causal = style & uint64(STYLE_VERTICALLY_CAUSAL)
    at = _ZERO
    pass_index = _ZERO
    total = float64(0.0)
    num_bitplanes = num_planes - fractional_bits
    for coded in range(num_bitplanes):
        plane = num_planes - _ONE - coded
        bits = (uint64(BIT_PLANES) + plane) * region
        for kind in range(_ZERO if coded > _ZERO else _TWO, _THREE):
            if kind == _ZERO:
                raw = _ONE if is_raw(pass_index, style) else _ZERO
                at = significance_propagation_pass(words, symbols, at, shape, bits, orientation, causal, raw)
            elif kind == _ONE:
                at = magnitude_refinement_pass(words, symbols, at, shape, bits, causal)
            else:
                at = cleanup_pass(words, symbols, at, shape, bits, orientation, causal)
                if (style & uint64(STYLE_SEGMENTATION)) != _ZERO:
                    # The uniform context codes 1, 0, 1, 0, D.5.
                    for symbol in range(uint64(4)):
                        symbols[at + symbol] = uint8(uint64(27) - (symbol & _ONE))
                    at += uint64(4)
            control[uint64(_ENDS) + pass_index] = at
            if (flags & uint64(FLAG_DISTORTION)) != _ZERO:
                total = write_distortion(words, shape, plane, settings, pass_index, weight, total, distortions)
            pass_index += _ONE


@device_function
def end_pass(control, out, limit, style):
    """End the slot's current pass: write its length and begin the next one's segment where that is a new one."""
    pass_index, num_passes = control[_PASS], control[_NUM_PASSES]
    predictable = style & uint64(STYLE_PREDICTABLE)
    raw = is_raw(pass_index, style)
    if is_terminated(pass_index, num_passes, style):
        if raw:
            length = flush_raw_encoder(control, out, limit, predictable)
        elif predictable != _ZERO:
            length = flush_predictably(control, out, limit)
        else:
            length = flush(control, out, limit)
        if is_raw(pass_index + _ONE, style):
            init_raw_encoder(control, length)
        else:
            init_encoder(control, out, length)
        control[COUNT] = length
        control[uint64(_LENGTHS) + pass_index] = length
    elif raw:
        extra = raw_extra_bytes(control, out, limit, predictable)
        control[uint64(_LENGTHS) + pass_index] = control[COUNT] + extra
    else:
        # The last byte is not written yet; what the registers hold takes three more at most.
        control[uint64(_LENGTHS) + pass_index] = control[COUNT] + _TWO
    if (style & uint64(STYLE_RESET)) != _ZERO:
        reset_contexts(control)
    control[_PASS] = pass_index + _ONE
    return pass_index + _ONE == num_passes


@device_function
def settle_lengths(control, out, limit, pass_lengths):
    """Write the cumulative lengths so that none is longer than a later one and none ends with 0xFF."""
    following = control[COUNT]
    place = control[_NUM_PASSES]
    while place > _ZERO:
        place -= _ONE
        following = min(control[uint64(_LENGTHS) + place], following)
        ends_full = following > _ZERO and out[min(following - _ONE, limit)] == uint8(0xFF)
        pass_lengths[place] = int32(following - _ONE) if ends_full else int32(following)


@device_function
def begin_job(
    job, control, words, symbols, coefficients, plane_stride, row_stride, blocks, weights, num_blocks,
    fractional_bits, style, flags, max_passes, lengths, zero_bitplanes, num_passes, pass_distortions, status,
):  # fmt: skip
    """Model one codeblock's symbols; return whether there are any."""
    block = job % int64(num_blocks)
    first = block * int64(BLOCK_FIELDS)
    x, y, width, height = blocks[first], blocks[first + 1], uint64(blocks[first + 2]), uint64(blocks[first + 3])
    orientation, magnitude_bitplanes = uint64(blocks[first + 4]), blocks[first + 5]
    start = (job // int64(num_blocks)) * plane_stride + int64(y) * row_stride + int64(x)
    num_planes = largest_magnitude_bits(coefficients, start, row_stride, width, height)
    fraction = uint64(fractional_bits)
    coded = num_planes - min(num_planes, fraction)
    lengths[job] = int32(0)
    num_passes[job] = int32(0)
    zero_bitplanes[job] = magnitude_bitplanes - int32(coded)
    status[job] = int32(STATUS_OK)
    if coded == _ZERO:
        return False
    passes = uint64(3) * coded - _TWO
    across = (width + uint64(15)) >> uint64(4)
    stride = across + _TWO
    region = (((height + _THREE) >> _TWO) + _TWO) * stride
    if int32(coded) > magnitude_bitplanes or passes > uint64(max_passes):
        status[job] = int32(STATUS_TOO_MANY_BITPLANES)
        return False
    shape = (width, height, across, stride, region)
    for place in range(uint64(BIT_PLANES) * region):
        words[place] = _ZERO
    split_bit_planes(coefficients, start, row_stride, shape, num_planes, words, (uint64(BIT_PLANES) + num_planes) * region)
    distortions = pass_distortions[0:0]
    weight = float64(0.0)
    if flags & int32(FLAG_DISTORTION):
        distortions = pass_distortions[job * int64(max_passes) : job * int64(max_passes) + int64(passes)]
        weight = weights[block]
    settings = (fraction, uint64(flags))
    model_codeblock(words, control, symbols, shape, num_planes, orientation, uint64(style), settings, weight, distortions)
    num_passes[job] = int32(passes)
    control[_JOB] = uint64(job)
    control[_PLACE] = _ZERO
    control[_PASS] = _ZERO
    control[_NUM_PASSES] = passes
    reset_contexts(control)
    return True


@kernel(
    "int32, int64, int32, int32[::1], int64, int64, int32[::1], float64[::1], int32, int32, int32, int32, uint64[::1], int64, "
    "uint8[::1], int64, uint8[::1], int64, int32, int32[::1], int32[::1], int32[::1], int32[::1], float64[::1], int32[::1]"
)
def encode_codeblocks(
    lane, lanes, first_job, num_jobs, coefficients, plane_stride, row_stride, blocks, weights, num_blocks, fractional_bits, style,
    flags, words, words_stride, symbols, symbols_stride, slots, slot_bytes, max_passes, lengths, zero_bitplanes,
    num_passes, pass_lengths, pass_distortions, status,
):  # fmt: skip
    """Encode the codeblocks `lane`, `lane` + `lanes` ...; see the module for the arrays."""
    my_words = words[int64(lane) * words_stride : (int64(lane) + int64(1)) * words_stride]
    my_symbols = symbols[int64(lane) * symbols_stride : (int64(lane) + int64(1)) * symbols_stride]
    control = my_words[0:_NUM_CONTROL_WORDS]
    regions = my_words[_NUM_CONTROL_WORDS : words_stride]
    styles = uint64(style)
    limit = uint64(slot_bytes - int64(1))
    for slot in range(int64(lane), int64(num_jobs), int64(lanes)):
        job = first_job + slot
        if not begin_job(
            job, control, regions, my_symbols, coefficients, plane_stride, row_stride, blocks, weights, num_blocks,
            fractional_bits, style, flags, max_passes, lengths, zero_bitplanes, num_passes, pass_distortions, status,
        ):  # fmt: skip
            continue
        out = slots[slot * slot_bytes : (slot + int64(1)) * slot_bytes]
        init_encoder(control, out, _ZERO)
        place = _ZERO
        done = False
        while not done:
            end = control[uint64(_ENDS) + control[_PASS]]
            if is_raw(control[_PASS], styles):
                code_raw_bits(control, my_symbols, place, end, out, limit)
            else:
                code_symbols(control, my_symbols, place, end, out, limit)
            place = end
            done = end_pass(control, out, limit, styles)
        if flags & int32(FLAG_PASS_LENGTHS):
            settle_lengths(
                control, out, limit, pass_lengths[job * int64(max_passes) : (job + int64(1)) * int64(max_passes)]
            )
        lengths[job] = int32(control[COUNT])
        if int64(control[COUNT]) > slot_bytes:
            status[job] = int32(STATUS_OVERFLOW)
