"""Decoding of codeblocks, T.800 Annexes C, D, E.1 and H.

One index is a lane. It decodes the codeblocks ``order[lane]``, ``order[lane + lanes]`` ... of a launch, two at a time:
where the contexts of a pass are known beforehand, in magnitude refinement passes, the MQ decoder takes turns between
the two, so that the steps of one fill the time in which the other waits for its own. What a lane needs beside its input
and output stays in the cache, however many codeblocks there are.

A codeblock's number is ``frame * num_blocks + block``. Arrays
    order           int32, the numbers of the codeblocks to decode
    data            bytes; each codeword segment is followed by `PADDING` bytes 0xFF
    segment_begins  int64, one a segment: its first byte in `data`
    segments        int32, two a segment: its length in bytes and its coding passes
    first_segment   int32, one a codeblock of all frames and one more: its first segment
    coded           int32, `coded_fields` a codeblock of all frames: zero bit-planes, coding passes
    block_places    int64, one a codeblock of a frame: its upper left coefficient's place in the frame's coefficients
    blocks          int32, eight a codeblock of a frame: row stride, width, height, orientation (0 LL, 1 HL, 2 LH,
                    3 HH), number of magnitude bit-planes M_b (with the shift of a region of interest), code-block
                    style, that shift, whether the coefficients are reversible
    words, symbols  scratch, `scratch_words` and `scratch_symbols` a lane
    coefficients    int32, `frame_stride` a frame; reversible ones as they are, others doubled (see `decode_planes`)
    status          int32, one a codeblock of all frames

Bytes moved for each coefficient coded with b bits: b / 8 read and 4 written, which is the least possible; and of flags,
bit-planes and symbols some 10 + b, which stay in the cache.
"""

from __future__ import annotations

from numpy import int32, int64, uint8, uint64

from gpucodec_kernels.ebcot.decode_passes import (
    BIT_PLANES,
    cleanup_pass,
    decode_raw_refinements,
    decode_refinement_pairs,
    decode_refinements,
    place_refinements,
    raw_significance_propagation_pass,
    refinement_symbols,
    segmentation_symbol,
    significance_propagation_pass,
)
from gpucodec_kernels.ebcot.decode_planes import WORD, clear_coefficients, store_coefficients
from gpucodec_kernels.ebcot.emission import SLACK
from gpucodec_kernels.ebcot.mq_decoder import (
    NUM_MQ_WORDS,
    PADDING,
    SLOT_WORDS,
    init_decoder,
    init_raw_decoder,
    load_states,
    reset_contexts,
)
from gpucodec_kernels.ebcot.segments import STYLE_RESET, STYLE_SEGMENTATION, STYLE_VERTICALLY_CAUSAL, is_raw
from gpucodec_kernels.target import device_function, kernel

__all__ = [
    "BLOCK_FIELDS",
    "PADDING",
    "STATUS_BITPLANES",
    "STATUS_DATA",
    "STATUS_OK",
    "STATUS_PASSES",
    "STATUS_SEGMENTATION",
    "decode_codeblocks",
    "scratch_symbols",
    "scratch_words",
]

STATUS_OK = 0
STATUS_SEGMENTATION = 1  # a segmentation symbol was wrong
STATUS_BITPLANES = 2  # more bit-planes than a coefficient or the scratch holds, or none
STATUS_PASSES = 3  # more passes than the bit-planes have
STATUS_DATA = 4  # a segment is missing, leaves the data, or is not followed by its padding

BLOCK_FIELDS = 8

MAX_PLANES = 62  # with those of a region of interest

# Words of a job.
ACTIVE = 0
NUMBER = 1  # which codeblock of all frames
PASS = 2
NUM_PASSES = 3
NUM_PLANES = 4
SEGMENT = 5  # of all frames
PASSES_LEFT = 6  # in the segment
PLACE = 7  # the next refinement
NUM_REFINEMENTS = 8
WIDTH = 9
HEIGHT = 10
ORIENTATION = 11
STYLE = 12
BEGIN = 13  # of the segment
LENGTH = 14
NUM_JOB_WORDS = 16

_ZERO = uint64(0)
_ONE = uint64(1)
_TWO = uint64(2)
_THREE = uint64(3)


def scratch_words(width: int, height: int, planes: int) -> int:
    """Return the words of scratch of a lane, for codeblocks up to this size and number of bit-planes."""
    across, stripes = -(-width // 16) + 2, -(-height // 4) + 2
    flags = (16 * across + 2) * stripes
    return NUM_MQ_WORDS + 2 * (NUM_JOB_WORDS + WORD + flags + (BIT_PLANES + planes) * across * stripes)


def scratch_symbols(width: int, height: int) -> int:
    """Return the bytes of symbols of a lane."""
    return 2 * (width * height + SLACK)


@device_function
def shape_of(job):
    """Return width, height, words across, words from stripe to stripe, words of a region; and words of flags."""
    width, height = job[WIDTH], job[HEIGHT]
    across = (width + uint64(15)) >> uint64(4)
    stripes = ((height + _THREE) >> _TWO) + _TWO
    stride = across + _TWO
    return (width, height, across, stride, stripes * stride), stripes * (across * uint64(16) + _TWO)


@device_function
def begin_job(number, job, words, symbols, coded, coded_fields, first_segment, blocks, num_blocks):
    """Begin a codeblock; return its status."""
    first = (number % int64(num_blocks)) * int64(BLOCK_FIELDS)
    zero_bitplanes, passes = coded[number * int64(coded_fields)], coded[number * int64(coded_fields) + int64(1)]
    job[NUMBER] = uint64(number)
    job[WIDTH], job[HEIGHT] = uint64(blocks[first + 1]), uint64(blocks[first + 2])
    job[ORIENTATION], job[STYLE] = uint64(blocks[first + 3]), uint64(blocks[first + 5])
    job[PASS] = _ZERO
    job[NUM_PASSES] = _ZERO
    job[PASSES_LEFT] = _ZERO
    job[NUM_REFINEMENTS] = _ZERO
    job[SEGMENT] = uint64(first_segment[number])
    if passes <= int32(0):
        return int32(STATUS_OK)
    planes = blocks[first + 4] - zero_bitplanes
    roi_shift = blocks[first + 6]
    most = int32(31) if blocks[first + 7] != int32(0) else int32(30)
    if zero_bitplanes < int32(0) or planes <= int32(0) or planes - roi_shift > most or planes > int32(MAX_PLANES):
        return int32(STATUS_BITPLANES)
    shape, num_flags = shape_of(job)
    used = num_flags + (uint64(BIT_PLANES) + uint64(planes)) * shape[4]
    if used + uint64(WORD) > uint64(len(words)) or shape[0] * shape[1] + uint64(SLACK) > uint64(len(symbols)):
        return int32(STATUS_BITPLANES)
    for place in range(used):
        words[place] = _ZERO
    job[NUM_PLANES] = uint64(planes)
    job[NUM_PASSES] = uint64(min(passes, int32(3) * planes - int32(2)))
    return int32(STATUS_OK) if passes <= int32(3) * planes - int32(2) else int32(STATUS_PASSES)


@device_function
def begin_segment(job, slot, data, segment_begins, segments, last_segment):
    """Begin the codeword segment that the next pass is in; return whether there is one."""
    while job[PASSES_LEFT] == _ZERO:
        segment = job[SEGMENT]
        if segment >= uint64(last_segment):
            return False
        begin, length = segment_begins[segment], int64(segments[_TWO * segment])
        job[SEGMENT] = segment + _ONE
        job[PASSES_LEFT] = uint64(max(segments[_TWO * segment + _ONE], int32(0)))
        if begin < int64(0) or length < int64(0) or begin + length + int64(PADDING) > int64(len(data)):
            return False
        after = uint64(begin + length)
        if data[after] != uint8(0xFF) or data[after + _ONE] != uint8(0xFF):
            return False
        job[BEGIN], job[LENGTH] = uint64(begin), uint64(length)
        if job[PASSES_LEFT] != _ZERO:
            codeword = data[begin : begin + length + int64(PADDING)]
            if is_raw(job[PASS], job[STYLE]):
                init_raw_decoder(slot, codeword)
            else:
                init_decoder(slot, codeword)
    return True


@device_function
def run_passes(job, mq, base, words, symbols, data, segment_begins, segments, last_segment):
    """Decode passes until refinements are due, or none is left; return the status."""
    status = int32(STATUS_OK)
    shape, num_flags = shape_of(job)
    flags, regions = words[:num_flags], words[num_flags:]
    style, orientation = job[STYLE], job[ORIENTATION]
    causal = style & uint64(STYLE_VERTICALLY_CAUSAL)
    slot = mq[base : base + uint64(SLOT_WORDS)]
    while job[PASS] < job[NUM_PASSES]:
        if not begin_segment(job, slot, data, segment_begins, segments, last_segment):
            job[NUM_PASSES] = job[PASS]
            return int32(STATUS_DATA)
        segment = data[job[BEGIN] : job[BEGIN] + job[LENGTH] + uint64(PADDING)]
        pass_index = job[PASS]
        kind = (pass_index + _TWO) % _THREE
        plane = job[NUM_PLANES] - _ONE - (pass_index + _TWO) // _THREE
        bits = (uint64(BIT_PLANES) + plane) * shape[4]
        if kind == _ONE:
            count = refinement_symbols(symbols, regions, shape, causal)
            if count > _ZERO and not is_raw(pass_index, style):
                job[PLACE], job[NUM_REFINEMENTS] = _ZERO, count
                return status
            decode_raw_refinements(mq, base, segment, symbols, _ZERO, count)
            place_refinements(symbols, regions, shape, bits)
        elif kind == _TWO:
            cleanup_pass(mq, base, segment, regions, flags, shape, bits, orientation, causal)
            if (style & uint64(STYLE_SEGMENTATION)) != _ZERO and segmentation_symbol(mq, base, segment) != uint64(10):
                status = int32(STATUS_SEGMENTATION)
        elif is_raw(pass_index, style):
            raw_significance_propagation_pass(mq, base, segment, regions, flags, shape, bits, causal)
        else:
            significance_propagation_pass(mq, base, segment, regions, flags, shape, bits, orientation, causal)
        end_pass(job, slot)
    return status


@device_function
def end_pass(job, slot):
    """Go on to the next pass."""
    if (job[STYLE] & uint64(STYLE_RESET)) != _ZERO:
        reset_contexts(slot)
    job[PASS] += _ONE
    job[PASSES_LEFT] -= _ONE


@device_function
def finish_refinements(job, slot, words, symbols):
    """Put all refinements of a pass where they belong, and end the pass."""
    shape, num_flags = shape_of(job)
    plane = job[NUM_PLANES] - _ONE - (job[PASS] + _TWO) // _THREE
    place_refinements(symbols, words[num_flags:], shape, (uint64(BIT_PLANES) + plane) * shape[4])
    job[NUM_REFINEMENTS] = _ZERO
    end_pass(job, slot)


@device_function
def finish_job(job, words, buffer, blocks, block_places, num_blocks, frame_stride, coefficients):
    """Write a codeblock's coefficients."""
    number = int64(job[NUMBER])
    block = number % int64(num_blocks)
    first = block * int64(BLOCK_FIELDS)
    start = (number // int64(num_blocks)) * frame_stride + block_places[block]
    row_stride = int64(blocks[first])
    if job[PASS] == _ZERO:
        clear_coefficients(coefficients, start, row_stride, job[WIDTH], job[HEIGHT])
        return
    shape, num_flags = shape_of(job)
    planes = job[NUM_PLANES]
    last_pass = job[PASS] - _ONE
    partly = _ONE if last_pass % _THREE == _ONE else _ZERO
    levels = (planes, planes - _ONE - (last_pass + _TWO) // _THREE, partly, uint64(blocks[first + 6]))
    reversible = _ONE if blocks[first + 7] != int32(0) else _ZERO
    store_coefficients(coefficients, start, row_stride, shape, words[num_flags:], buffer, levels, reversible)


@kernel(
    "int32, int32[::1], int32, uint8[::1], int64[::1], int32[::1], int32[::1], int32[::1], int32, int64[::1], "
    "int32[::1], int32, int64, uint64[::1], int64, uint8[::1], int64, int32[::1], int32[::1]"
)
def decode_codeblocks(
    lane, lanes, order, num_jobs, data, segment_begins, segments, first_segment, coded, coded_fields, block_places,
    blocks, num_blocks, frame_stride, words, words_stride, symbols, symbols_stride, coefficients, status,
):  # fmt: skip
    """Decode the codeblocks `lane`, `lane` + `lanes` ... of a launch."""
    mine = words[int64(lane) * words_stride : (int64(lane) + int64(1)) * words_stride]
    half = (words_stride - int64(NUM_MQ_WORDS)) // int64(2)
    mq = mine[0:NUM_MQ_WORDS]
    job_0 = mine[int64(NUM_MQ_WORDS) : int64(NUM_MQ_WORDS + NUM_JOB_WORDS)]
    job_1 = mine[int64(NUM_MQ_WORDS) + half : int64(NUM_MQ_WORDS + NUM_JOB_WORDS) + half]
    symbols_half = symbols_stride // int64(2)
    symbols_0 = symbols[int64(lane) * symbols_stride : int64(lane) * symbols_stride + symbols_half]
    symbols_1 = symbols[int64(lane) * symbols_stride + symbols_half : (int64(lane) + int64(1)) * symbols_stride]
    load_states(mq)
    for word in range(NUM_JOB_WORDS):
        job_0[word] = _ZERO
        job_1[word] = _ZERO
    following = int64(lane)
    while True:
        for side in range(2):
            begin = int64(NUM_MQ_WORDS) + int64(side) * half
            job = mine[begin : begin + int64(NUM_JOB_WORDS)]
            buffer = mine[begin + int64(NUM_JOB_WORDS) : begin + int64(NUM_JOB_WORDS + WORD)]
            its_words = mine[begin + int64(NUM_JOB_WORDS + WORD) : begin + half]
            its_symbols = symbols_1 if side else symbols_0
            base = uint64(side) * uint64(SLOT_WORDS)
            slot = mq[base : base + uint64(SLOT_WORDS)]
            if job[NUM_REFINEMENTS] != _ZERO and job[PLACE] == job[NUM_REFINEMENTS]:
                finish_refinements(job, slot, its_words, its_symbols)
            while job[NUM_REFINEMENTS] == _ZERO and (job[ACTIVE] != _ZERO or following < int64(num_jobs)):
                if job[ACTIVE] == _ZERO:
                    number = int64(order[following])
                    following += int64(lanes)
                    status[number] = begin_job(
                        number, job, its_words, its_symbols, coded, coded_fields, first_segment, blocks, num_blocks
                    )
                    reset_contexts(slot)
                    job[ACTIVE] = _ONE
                number = int64(job[NUMBER])
                found = run_passes(
                    job, mq, base, its_words, its_symbols, data, segment_begins, segments, first_segment[number + 1]
                )
                if found != int32(STATUS_OK):
                    status[number] = found
                if job[NUM_REFINEMENTS] == _ZERO:
                    finish_job(job, its_words, buffer, blocks, block_places, num_blocks, frame_stride, coefficients)
                    job[ACTIVE] = _ZERO
        if job_0[ACTIVE] == _ZERO and job_1[ACTIVE] == _ZERO:
            return
        segment_0 = data[job_0[BEGIN] : job_0[BEGIN] + job_0[LENGTH] + uint64(PADDING)]
        segment_1 = data[job_1[BEGIN] : job_1[BEGIN] + job_1[LENGTH] + uint64(PADDING)]
        place_0, end_0 = job_0[PLACE], job_0[NUM_REFINEMENTS]
        place_1, end_1 = job_1[PLACE], job_1[NUM_REFINEMENTS]
        if end_0 != _ZERO and end_1 != _ZERO:
            count = min(end_0 - place_0, end_1 - place_1)
            decode_refinement_pairs(
                mq, _ZERO, segment_0, symbols_0[place_0 : place_0 + count],
                uint64(SLOT_WORDS), segment_1, symbols_1[place_1 : place_1 + count], count,
            )  # fmt: skip
            job_0[PLACE] = place_0 + count
            job_1[PLACE] = place_1 + count
        elif end_0 != _ZERO:
            decode_refinements(mq, _ZERO, segment_0, symbols_0, place_0, end_0)
            job_0[PLACE] = end_0
        else:
            decode_refinements(mq, uint64(SLOT_WORDS), segment_1, symbols_1, place_1, end_1)
            job_1[PLACE] = end_1
