"""Encoding of codeblocks for GPUs: `encode` in two launches, the model and then the MQ coder, symbols in between.

One index is a codeblock, so that there are as many threads as codeblocks. A thread keeps either what the model needs in
registers or what the coder needs: 166 and 64 of them instead of 251, and two or four times the warps are resident.

Arrays are those of `encode`; `words` and `symbols` hold, for each codeblock of a launch, `scratch_words` words (those
of the MQ coder, of the job, and the regions) and `scratch_symbols` bytes. What one launch leaves in them the other
takes.

Bytes moved for each coefficient: those of `encode`, whose symbols are in memory on GPUs in any case.
"""

from __future__ import annotations

from numpy import int64, uint64

from gpucodec_kernels.ebcot import encode
from gpucodec_kernels.ebcot.encode import begin_job, finish_job
from gpucodec_kernels.ebcot.mq_encoder import NUM_MQ_WORDS, SLOT_WORDS, code_symbols, init_encoder, load_states
from gpucodec_kernels.ebcot.raw_encoder import code_raw_bits
from gpucodec_kernels.ebcot.segments import ACTIVE, ENDS, NUM_JOB_WORDS, PASS, PLACE, end_pass, is_raw
from gpucodec_kernels.target import kernel

_ZERO = uint64(0)
_ONE = uint64(1)


def scratch_words(width: int, height: int, planes: int, fractional_bits: int = 6) -> int:
    """Return the words of scratch of a codeblock, for those up to this size and number of coded bit-planes."""
    return NUM_MQ_WORDS + (encode.scratch_words(width, height, planes, fractional_bits) - NUM_MQ_WORDS) // 2


def scratch_symbols(width: int, height: int, planes: int) -> int:
    """Return the bytes of symbols of a codeblock."""
    return encode.scratch_symbols(width, height, planes) // 2


@kernel(
    "int32, int32[::1], int64, int64, int32[::1], float64[::1], int32, int32, int32, int32, uint64[::1], int64, "
    "uint8[::1], int64, int32, int32[::1], int32[::1], int32[::1], float64[::1], int32[::1]"
)
def model_codeblocks(
    index, first_job, coefficients, plane_stride, row_stride, blocks, weights, num_blocks, fractional_bits, style,
    flags, words, words_stride, symbols, symbols_stride, max_passes, lengths, zero_bitplanes, num_passes,
    pass_distortions, status,
):  # fmt: skip
    """Write the symbols of a codeblock.

    Moves more than the least: a codeblock's bit-planes and states, 27 kB of 64 x 64 coefficients, fit neither into
    a thread's registers nor, for a warp, into shared memory. They are written and read once a coding pass.
    """
    mine = words[int64(index) * words_stride : (int64(index) + int64(1)) * words_stride]
    job = mine[int64(NUM_MQ_WORDS) : int64(NUM_MQ_WORDS + NUM_JOB_WORDS)]
    first_symbol = int64(index) * symbols_stride
    load_states(mine)
    job[ACTIVE] = _ZERO
    if begin_job(
        int64(first_job) + int64(index), job, mine[int64(0) : int64(SLOT_WORDS)],
        mine[int64(NUM_MQ_WORDS + NUM_JOB_WORDS) : words_stride], symbols[first_symbol : first_symbol + symbols_stride],
        coefficients, plane_stride, row_stride, blocks, weights, num_blocks, fractional_bits, style, flags, max_passes,
        lengths, zero_bitplanes, num_passes, pass_distortions, status,
    ):  # fmt: skip
        job[ACTIVE] = _ONE


@kernel(
    "int32, int32, int32, uint64[::1], int64, uint8[::1], int64, uint8[::1], int64, int32, int32[::1], int32[::1], "
    "int32[::1]"
)
def code_codeblocks(
    index, first_job, style, flags, words, words_stride, symbols, symbols_stride, slots, slot_bytes, max_passes,
    lengths, pass_lengths, status,
):  # fmt: skip
    """Code the symbols of a codeblock.

    Moves more than the least: each codeblock has the table of states and its contexts' states in device memory, 1.8 kB
    that the second-level cache holds; with small codeblocks that is more than their symbols.
    """
    mine = words[int64(index) * words_stride : (int64(index) + int64(1)) * words_stride]
    job = mine[int64(NUM_MQ_WORDS) : int64(NUM_MQ_WORDS + NUM_JOB_WORDS)]
    if job[ACTIVE] == _ZERO:
        return
    mq_words = mine[int64(0) : int64(NUM_MQ_WORDS)]
    slot = mq_words[0:SLOT_WORDS]
    first_symbol = int64(index) * symbols_stride
    its_symbols = symbols[first_symbol : first_symbol + symbols_stride]
    out = slots[int64(index) * slot_bytes : (int64(index) + int64(1)) * slot_bytes]
    limit = uint64(slot_bytes) - _ONE
    styles = uint64(style)
    init_encoder(slot, slots[0:0], _ZERO)
    is_done = False
    while not is_done:
        end = job[uint64(ENDS) + job[PASS]]
        if is_raw(job[PASS], styles):
            code_raw_bits(slot, its_symbols, job[PLACE], end, out, limit)
        else:
            code_symbols(mq_words, _ZERO, its_symbols, job[PLACE], end, out, limit)
        job[PLACE] = end
        is_done = end_pass(job, slot, out, limit, styles)
    number = int64(first_job) + int64(index)
    finish_job(number, job, slot, out, max_passes, styles, flags, lengths, pass_lengths, status)
