"""Encoding of codeblocks, T.800 Annexes C and D: a model writes symbols, the MQ coder codes them.

One index is a lane. It encodes the codeblocks `lane`, `lane` + `lanes` ... of a launch, two at a time so that the MQ
coder can take turns between them; as soon as one is done the next takes its place. What a lane needs beside its input
and output stays in the cache, however many codeblocks there are. GPUs have kernels of their own, in `encode_apart`.

Arrays
    coefficients      int32, all planes; of a magnitude the lowest `fractional_bits` bits are not coded
    blocks            int32, six a codeblock of one plane: x, y, width, height, orientation (0 LL, 1 HL, 2 LH, 3 HH) and
                      number of magnitude bit-planes M_b; the same codeblocks for all planes
    weights           float64, one a codeblock of one plane: what a squared error of one quantizer step counts
    words, symbols    scratch, `scratch_words` and `scratch_symbols` a lane
    slots             bytes, `slot_bytes` a codeblock of the launch
    lengths           int32, one a codeblock of all planes: bytes in its slot
    zero_bitplanes    int32, likewise: magnitude bit-planes that are not coded because they hold zeros alone
    num_passes        int32, likewise
    pass_lengths      int32, `max_passes` a codeblock of all planes: bytes that suffice to decode up to each pass
    pass_distortions  float64, likewise: by how much the passes up to each make the weighted squared error smaller
    status            int32, one a codeblock of all planes

A launch encodes `num_jobs` codeblocks from `first_job` on, in the order ``plane * num_blocks + block``.

Bytes moved for each coefficient coded with b bits in s symbols: 4 read, 2 (b + 2) / 8 of bit-planes, 2 s of symbols,
and b / 8 written, of which all but the first and the last stay in the cache; the least possible is 4 + b / 8.
"""

from __future__ import annotations

from numpy import float64, int32, int64, uint64

from gpucodec_kernels.ebcot.bit_planes import WORD, largest_magnitude_bits, split_bit_planes
from gpucodec_kernels.ebcot.emission import SLACK
from gpucodec_kernels.ebcot.model import (
    FLAG_DISTORTION,
    FLAG_ESTIMATE,
    FLAG_PASS_LENGTHS,
    FLAG_REVERSIBLE,
    model_codeblock,
)
from gpucodec_kernels.ebcot.mq_encoder import (
    COUNT,
    NUM_MQ_WORDS,
    SLOT_WORDS,
    code_symbol_pairs,
    code_symbols,
    init_encoder,
    load_states,
    reset_contexts,
)
from gpucodec_kernels.ebcot.passes import BIT_PLANES
from gpucodec_kernels.ebcot.raw_encoder import code_raw_bits
from gpucodec_kernels.ebcot.segments import (
    ACTIVE,
    ENDS,
    INDEX,
    NUM_JOB_WORDS,
    NUM_PASSES,
    PASS,
    PLACE,
    STYLE_BYPASS,
    STYLE_PREDICTABLE,
    STYLE_RESET,
    STYLE_SEGMENTATION,
    STYLE_TERMINATE,
    STYLE_VERTICALLY_CAUSAL,
    end_pass,
    is_raw,
    is_terminated,
    settle_lengths,
)
from gpucodec_kernels.target import device_function, kernel

__all__ = [
    "BLOCK_FIELDS",
    "FLAG_DISTORTION",
    "FLAG_ESTIMATE",
    "FLAG_PASS_LENGTHS",
    "FLAG_REVERSIBLE",
    "STATUS_OK",
    "STATUS_OVERFLOW",
    "STATUS_TOO_MANY_BITPLANES",
    "STYLE_BYPASS",
    "STYLE_PREDICTABLE",
    "STYLE_RESET",
    "STYLE_SEGMENTATION",
    "STYLE_TERMINATE",
    "STYLE_VERTICALLY_CAUSAL",
    "encode_codeblocks",
    "is_terminated",
    "scratch_symbols",
    "scratch_words",
    "worst_slot_bytes",
]

STATUS_OK = 0
STATUS_OVERFLOW = 1  # the slot is too small
STATUS_TOO_MANY_BITPLANES = 2  # more than M_b, or than `max_passes` or the scratch allow

BLOCK_FIELDS = 6

_ZERO = uint64(0)
_ONE = uint64(1)
_TWO = uint64(2)
_THREE = uint64(3)


def _region_words(width: int, height: int) -> int:
    return (-(-height // 4) + 2) * (-(-width // 16) + 2)


def scratch_words(width: int, height: int, planes: int, fractional_bits: int = 6) -> int:
    """Return the words of scratch of a lane, for codeblocks up to this size and number of coded bit-planes."""
    regions = BIT_PLANES + planes + fractional_bits
    return NUM_MQ_WORDS + 2 * (NUM_JOB_WORDS + WORD + regions * _region_words(width, height))


def scratch_symbols(width: int, height: int, planes: int) -> int:
    """Return the bytes of symbols of a lane: a decision a coefficient and bit-plane, signs, ends of runs."""
    return 2 * ((planes + 2) * width * (height + 3) + 4 * planes + SLACK)


def worst_slot_bytes(width: int, height: int, planes: int) -> int:
    """Return the bytes of a slot that is always long enough: more than a bit a symbol, and ends of segments."""
    return (planes + 2) * width * height * 5 // 32 + 6 * (3 * planes) + 64


@device_function
def begin_job(
    number, job, slot, words, symbols, coefficients, plane_stride, row_stride, blocks, weights, num_blocks,
    fractional_bits, style, flags, max_passes, lengths, zero_bitplanes, num_passes, pass_distortions, status,
):  # fmt: skip
    """Model the symbols of a codeblock; return whether there are any."""
    block = number % int64(num_blocks)
    first = block * int64(BLOCK_FIELDS)
    x, y, width, height = blocks[first], blocks[first + 1], uint64(blocks[first + 2]), uint64(blocks[first + 3])
    orientation, magnitude_bitplanes = uint64(blocks[first + 4]), blocks[first + 5]
    start = (number // int64(num_blocks)) * plane_stride + int64(y) * row_stride + int64(x)
    num_planes = largest_magnitude_bits(coefficients, start, row_stride, width, height)
    fraction = uint64(fractional_bits)
    coded = num_planes - min(num_planes, fraction)
    lengths[number] = int32(0)
    num_passes[number] = int32(0)
    zero_bitplanes[number] = magnitude_bitplanes - int32(coded)
    status[number] = int32(STATUS_OK)
    if coded == _ZERO:
        return False
    passes = _THREE * coded - _TWO
    across = (width + uint64(15)) >> uint64(4)
    stride = across + _TWO
    region = (((height + _THREE) >> _TWO) + _TWO) * stride
    shape = (width, height, across, stride, region)
    gathered = (uint64(BIT_PLANES) + num_planes) * region
    fits = gathered + uint64(WORD) <= uint64(len(words))
    most_symbols = (coded + _TWO) * width * (height + _THREE) + uint64(4) * coded
    fits = fits and most_symbols + uint64(SLACK) <= uint64(len(symbols))
    if not fits or int32(coded) > magnitude_bitplanes or passes > uint64(max_passes):
        status[number] = int32(STATUS_TOO_MANY_BITPLANES)
        return False
    for place in range(uint64(BIT_PLANES) * region):
        words[place] = _ZERO
    split_bit_planes(coefficients, start, row_stride, shape, num_planes, words, gathered)
    distortions = pass_distortions[0:0]
    weight = float64(0.0)
    if flags & int32(FLAG_DISTORTION):
        distortions = pass_distortions[number * int64(max_passes) : number * int64(max_passes) + int64(passes)]
        weight = weights[block]
    settings = (fraction, uint64(flags))
    model_codeblock(words, job, symbols, shape, num_planes, orientation, uint64(style), settings, weight, distortions)
    num_passes[number] = int32(passes)
    job[PLACE] = _ZERO
    job[PASS] = _ZERO
    job[NUM_PASSES] = passes
    reset_contexts(slot)
    return True


@device_function
def finish_job(number, job, slot, out, max_passes, style, flags, lengths, pass_lengths, status):
    """Write what is known of a codeblock when it is encoded."""
    length = slot[COUNT]
    limit = uint64(len(out)) - _ONE
    if flags & int32(FLAG_PASS_LENGTHS):
        first = number * int64(max_passes)
        estimated = uint64(flags & int32(FLAG_ESTIMATE))
        settle_lengths(job, length, out, limit, style, estimated, pass_lengths[first : first + int64(max_passes)])
    lengths[number] = int32(length)
    if length > limit + _ONE:
        status[number] = int32(STATUS_OVERFLOW)


@kernel(
    "int32, int64, int32, int32[::1], int64, int64, int32[::1], float64[::1], int32, int32, int32, int32, uint64[::1], "
    "int64, uint8[::1], int64, uint8[::1], int64, int32, int32[::1], int32[::1], int32[::1], int32[::1], float64[::1], "
    "int32[::1]",
    gpu=False,
)
def encode_codeblocks(
    lane, lanes, first_job, num_jobs, coefficients, plane_stride, row_stride, blocks, weights, num_blocks,
    fractional_bits, style, flags, words, words_stride, symbols, symbols_stride, slots, slot_bytes, max_passes, lengths,
    zero_bitplanes, num_passes, pass_lengths, pass_distortions, status,
):  # fmt: skip
    """Encode the codeblocks `lane`, `lane` + `lanes` ... of a launch."""
    mine = words[int64(lane) * words_stride : (int64(lane) + int64(1)) * words_stride]
    mq_words = mine[0:NUM_MQ_WORDS]
    half = (words_stride - int64(NUM_MQ_WORDS)) // int64(2)
    job_0 = mine[int64(NUM_MQ_WORDS) : int64(NUM_MQ_WORDS + NUM_JOB_WORDS)]
    job_1 = mine[int64(NUM_MQ_WORDS) + half : int64(NUM_MQ_WORDS + NUM_JOB_WORDS) + half]
    symbols_half = symbols_stride // int64(2)
    first_symbol = int64(lane) * symbols_stride
    styles = uint64(style)
    limit = uint64(slot_bytes) - _ONE
    load_states(mq_words)
    job_0[ACTIVE] = _ZERO
    job_1[ACTIVE] = _ZERO
    following = int64(lane)
    while True:
        for side in range(2):
            begin = int64(NUM_MQ_WORDS) + int64(side) * half
            job = mine[begin : begin + int64(NUM_JOB_WORDS)]
            slot = mq_words[side * SLOT_WORDS : (side + 1) * SLOT_WORDS]
            begin_symbol = first_symbol + int64(side) * symbols_half
            while job[ACTIVE] == _ZERO and following < int64(num_jobs):
                if begin_job(
                    first_job + following, job, slot, mine[begin + int64(NUM_JOB_WORDS) : begin + half],
                    symbols[begin_symbol : begin_symbol + symbols_half], coefficients, plane_stride, row_stride, blocks,
                    weights, num_blocks, fractional_bits, style, flags, max_passes, lengths, zero_bitplanes, num_passes,
                    pass_distortions, status,
                ):  # fmt: skip
                    job[ACTIVE] = _ONE
                    job[INDEX] = uint64(following)
                    init_encoder(slot, slots[0:0], _ZERO)
                following += int64(lanes)
        if job_0[ACTIVE] == _ZERO and job_1[ACTIVE] == _ZERO:
            return
        place_0, place_1 = job_0[PLACE], job_1[PLACE]
        count = _ZERO
        both = job_0[ACTIVE] != _ZERO and job_1[ACTIVE] != _ZERO
        if both and not is_raw(job_0[PASS], styles) and not is_raw(job_1[PASS], styles):
            count = min(job_0[uint64(ENDS) + job_0[PASS]] - place_0, job_1[uint64(ENDS) + job_1[PASS]] - place_1)
        if count > _ZERO:
            begin_0 = first_symbol + int64(place_0)
            begin_1 = first_symbol + symbols_half + int64(place_1)
            out_0 = int64(job_0[INDEX]) * slot_bytes
            out_1 = int64(job_1[INDEX]) * slot_bytes
            code_symbol_pairs(
                mq_words, symbols[begin_0 : begin_0 + int64(count)], symbols[begin_1 : begin_1 + int64(count)], count,
                slots[out_0 : out_0 + slot_bytes], slots[out_1 : out_1 + slot_bytes], limit,
            )  # fmt: skip
            job_0[PLACE] = place_0 + count
            job_1[PLACE] = place_1 + count
        for side in range(2):
            begin = int64(NUM_MQ_WORDS) + int64(side) * half
            job = mine[begin : begin + int64(NUM_JOB_WORDS)]
            if job[ACTIVE] == _ZERO:
                continue
            slot = mq_words[side * SLOT_WORDS : (side + 1) * SLOT_WORDS]
            out = slots[int64(job[INDEX]) * slot_bytes : (int64(job[INDEX]) + int64(1)) * slot_bytes]
            end = job[uint64(ENDS) + job[PASS]]
            if count == _ZERO and job[PLACE] < end:
                begin_symbol = first_symbol + int64(side) * symbols_half
                its_symbols = symbols[begin_symbol : begin_symbol + symbols_half]
                if is_raw(job[PASS], styles):
                    code_raw_bits(slot, its_symbols, job[PLACE], end, out, limit)
                    job[PLACE] = end
                elif not both:
                    code_symbols(mq_words, uint64(side), its_symbols, job[PLACE], end, out, limit)
                    job[PLACE] = end
            if job[PLACE] == end and end_pass(job, slot, out, limit, styles):
                number = first_job + int64(job[INDEX])
                finish_job(number, job, slot, out, max_passes, styles, flags, lengths, pass_lengths, status)
                job[ACTIVE] = _ZERO
