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
    cleanup_pass,
    raw_significance_propagation_pass,
    segmentation_symbol,
    significance_propagation_pass,
)
from gpucodec_kernels.ebcot.decode_planes import clear_coefficients, store_coefficients
from gpucodec_kernels.ebcot.decode_refinement import (
    decode_refinement_pairs,
    decode_refinements,
    emit_contexts,
    place_refinements,
    take_raw_refinements,
)
from gpucodec_kernels.ebcot.decode_state import (
    ACTIVE,
    BIT_PLANES,
    BITS,
    FLAGS,
    NUM_PASSES,
    NUM_PLANES,
    NUM_REFINEMENTS,
    NUMBER,
    ORIENTATION,
    PASS,
    PASSES_LEFT,
    REGION,
    REGIONS,
    SEGMENT,
    STYLE,
    set_shape,
    side_words,
)
from gpucodec_kernels.ebcot.emission import SLACK
from gpucodec_kernels.ebcot.mq_decoder import (
    PADDING,
    init_decoder,
    init_raw_decoder,
    load_states,
    reset_contexts,
)
from gpucodec_kernels.ebcot.segments import STYLE_RESET, STYLE_SEGMENTATION, is_raw
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

_ZERO = uint64(0)
_ONE = uint64(1)
_TWO = uint64(2)
_THREE = uint64(3)


def scratch_words(width: int, height: int, planes: int) -> int:
    """Return the words of scratch of a lane, for codeblocks up to this size and number of bit-planes."""
    return 2 * side_words(width, height, planes)


def scratch_symbols(width: int, height: int) -> int:
    """Return the bytes of symbols of a lane."""
    return 2 * (width * height + SLACK)


@device_function
def begin_codeblock(side, number, symbols, coded, coded_fields, first_segment, blocks, num_blocks):
    """Begin a codeblock; return its status."""
    first = (number % int64(num_blocks)) * int64(BLOCK_FIELDS)
    zero_bitplanes, passes = coded[number * int64(coded_fields)], coded[number * int64(coded_fields) + int64(1)]
    side[ACTIVE], side[NUMBER] = _ONE, uint64(number)
    side[ORIENTATION], side[STYLE] = uint64(blocks[first + 3]), uint64(blocks[first + 5])
    side[PASS], side[NUM_PASSES], side[PASSES_LEFT] = _ZERO, _ZERO, _ZERO
    side[SEGMENT] = uint64(first_segment[number])
    width, height = uint64(blocks[first + 1]), uint64(blocks[first + 2])
    used = set_shape(side, width, height)
    if passes <= int32(0):
        return int32(STATUS_OK)
    planes = blocks[first + 4] - zero_bitplanes
    most = int32(31) if blocks[first + 7] != int32(0) else int32(30)
    if zero_bitplanes < int32(0) or planes <= int32(0) or planes > int32(MAX_PLANES):
        return int32(STATUS_BITPLANES)
    used += uint64(planes) * side[REGION]
    fits = used <= uint64(len(side)) and width * height + uint64(SLACK) <= uint64(len(symbols))
    if not fits or planes - blocks[first + 6] > most:
        return int32(STATUS_BITPLANES)
    for place in range(uint64(FLAGS), used):
        side[place] = _ZERO
    reset_contexts(side)
    side[NUM_PLANES] = uint64(planes)
    side[NUM_PASSES] = uint64(min(passes, int32(3) * planes - int32(2)))
    return int32(STATUS_OK) if passes <= int32(3) * planes - int32(2) else int32(STATUS_PASSES)


@device_function
def begin_segment(side, data, segment_begins, segments, last_segment):
    """Begin the codeword segment that the next pass is in; return whether there is one."""
    while side[PASSES_LEFT] == _ZERO:
        segment = side[SEGMENT]
        if segment >= uint64(last_segment):
            return False
        begin, length = segment_begins[segment], int64(segments[_TWO * segment])
        side[SEGMENT] = segment + _ONE
        side[PASSES_LEFT] = uint64(max(segments[_TWO * segment + _ONE], int32(0)))
        if begin < int64(0) or length < int64(0) or begin + length > int64(len(data)) - int64(PADDING):
            return False
        after = uint64(begin + length)
        if data[after] != uint8(0xFF) or data[after + _ONE] != uint8(0xFF):
            return False
        if is_raw(side[PASS], side[STYLE]):
            init_raw_decoder(side, data, uint64(begin))
        else:
            init_decoder(side, data, uint64(begin))
    return True


@device_function
def run_passes(side, symbols, data, segment_begins, segments, last_segment):
    """Decode passes until refinements wait, or none is left; return the status."""
    status = int32(STATUS_OK)
    while side[PASS] < side[NUM_PASSES]:
        if not begin_segment(side, data, segment_begins, segments, last_segment):
            side[NUM_PASSES] = side[PASS]
            return int32(STATUS_DATA)
        plane = side[NUM_PLANES] - _ONE - (side[PASS] + _TWO) // _THREE
        side[BITS] = side[REGIONS] + (uint64(BIT_PLANES) + plane) * side[REGION]
        kind = side[PASS] % _THREE
        raw = is_raw(side[PASS], side[STYLE])
        if kind == _TWO:
            count = emit_contexts(side, symbols)
            if not raw:
                side[NUM_REFINEMENTS] = count
                if count != _ZERO:
                    return status
            take_raw_refinements(side, symbols, count, data)
            place_refinements(side, symbols)
        elif kind == _ZERO:
            cleanup_pass(side, data)
            if (side[STYLE] & uint64(STYLE_SEGMENTATION)) != _ZERO and segmentation_symbol(side, data) != uint64(10):
                status = int32(STATUS_SEGMENTATION)
        elif raw:
            raw_significance_propagation_pass(side, data)
        else:
            significance_propagation_pass(side, data)
        end_pass(side)
    return status


@device_function
def end_pass(side):
    """Go on to the next pass."""
    if (side[STYLE] & uint64(STYLE_RESET)) != _ZERO:
        reset_contexts(side)
    side[PASS] += _ONE
    side[PASSES_LEFT] -= _ONE


@device_function
def finish_codeblock(side, blocks, block_places, num_blocks, frame_stride, coefficients):
    """Write a codeblock's coefficients."""
    number = int64(side[NUMBER])
    block = number % int64(num_blocks)
    first = block * int64(BLOCK_FIELDS)
    start = (number // int64(num_blocks)) * frame_stride + block_places[block]
    if side[PASS] == _ZERO:
        clear_coefficients(side, coefficients, start, int64(blocks[first]))
        return
    last_pass = side[PASS] - _ONE
    partly = _ONE if last_pass % _THREE == _ONE else _ZERO
    levels = (side[NUM_PLANES] - _ONE - (last_pass + _TWO) // _THREE, partly, uint64(blocks[first + 6]))
    reversible = _ONE if blocks[first + 7] != int32(0) else _ZERO
    store_coefficients(side, coefficients, start, int64(blocks[first]), levels, reversible)


@kernel(
    "int32, int32[::1], int32, uint8[::1], int64[::1], int32[::1], int32[::1], int32[::1], int32, int64[::1], "
    "int32[::1], int32, int64, uint64[::1], int64, uint8[::1], int64, int32[::1], int32[::1]"
)
def decode_codeblocks(
    lane, lanes, order, num_jobs, data, segment_begins, segments, first_segment, coded, coded_fields, block_places,
    blocks, num_blocks, frame_stride, words, words_stride, symbols, symbols_stride, coefficients, status,
):  # fmt: skip
    """Decode the codeblocks `lane`, `lane` + `lanes` ... of a launch.

    Moves more than the least: a codeblock's flags, a word of 64 bits for each column of four rows, its bit-planes
    and what is decoded on the way fit neither into a thread's registers nor, for a warp, into shared memory. They
    are written and read once a coding pass.
    """
    begin, half = int64(lane) * words_stride, words_stride // int64(2)
    side_0, side_1 = words[begin : begin + half], words[begin + half : begin + half + half]
    begin, half = int64(lane) * symbols_stride, symbols_stride // int64(2)
    symbols_0, symbols_1 = symbols[begin : begin + half], symbols[begin + half : begin + half + half]
    following = int64(lane)
    for half in range(2):
        side = side_1 if half else side_0
        load_states(side)
        side[ACTIVE], side[NUM_REFINEMENTS] = _ZERO, _ZERO
    while True:
        for half in range(2):
            side = side_1 if half else side_0
            its_symbols = symbols_1 if half else symbols_0
            while side[NUM_REFINEMENTS] == _ZERO and (side[ACTIVE] != _ZERO or following < int64(num_jobs)):
                if side[ACTIVE] == _ZERO:
                    number = int64(order[following])
                    following += int64(lanes)
                    status[number] = begin_codeblock(
                        side, number, its_symbols, coded, coded_fields, first_segment, blocks, num_blocks
                    )
                number = int64(side[NUMBER])
                last_segment = first_segment[number + int64(1)]
                found = run_passes(side, its_symbols, data, segment_begins, segments, last_segment)
                if found != int32(STATUS_OK):
                    status[number] = found
                if side[NUM_REFINEMENTS] == _ZERO:
                    finish_codeblock(side, blocks, block_places, num_blocks, frame_stride, coefficients)
                    side[ACTIVE] = _ZERO
        count_0, count_1 = side_0[NUM_REFINEMENTS], side_1[NUM_REFINEMENTS]
        if count_0 == _ZERO and count_1 == _ZERO:
            return
        pairs = min(count_0, count_1)
        decode_refinement_pairs(side_0, symbols_0, side_1, symbols_1, pairs, data)
        for half in range(2):
            side = side_1 if half else side_0
            its_symbols = symbols_1 if half else symbols_0
            count = side[NUM_REFINEMENTS]
            if count != _ZERO:
                decode_refinements(side, its_symbols, pairs, count, data)
                place_refinements(side, its_symbols)
                side[NUM_REFINEMENTS] = _ZERO
                end_pass(side)
