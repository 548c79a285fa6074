"""Exclusive prefix sum for GPUs: a block of threads takes `VALUES` neighbouring values, through shared memory.

Three launches, as in `gpucodec_kernels.prefix_sum`, whose chunks here are blocks': `sum_block` adds up each block's
values, `offset_sums` (one block) turns the sums into the blocks' offsets, `offset_block` gives each value its own.
Where one block takes all values the last does alone. Neighbouring threads read and write neighbouring values; a
thread adds up `OWN` neighbours in shared memory, where they are an odd number of words from the next thread's.

Bytes moved for each value, beside the least possible: 8 read and 8 written beside 4 and 8, for reading the values
once more is what it costs that blocks do not wait for each other; where one block takes all values, the least.

Arrays as in `gpucodec_kernels.prefix_sum`.
"""

from __future__ import annotations

from numpy import int64, uint32

from gpucodec_kernels.block_sums import add_up
from gpucodec_kernels.target import block_kernel, device_function, inline_function, synchronize

THREADS = 128
OWN = 8  # values of a thread
VALUES = THREADS * OWN
SUMS = VALUES + THREADS  # behind the values in shared memory
BLOCK = {"threads": THREADS, "shared_type": "int64", "shared_size": SUMS + 2 * THREADS}


@inline_function
def place_of(value):
    """Return where a block's value is in shared memory."""
    return uint32(value + uint32(value >> uint32(3)))


@device_function
def make_offsets(shared, thread, offset):
    """Turn a block's values in shared memory into their offsets; return the offset behind the last."""
    first = place_of(uint32(thread * uint32(OWN)))
    total = int64(0)
    for own in range(uint32(OWN)):
        total += shared[first + uint32(own)]
    before, all_of_them = add_up(shared, uint32(SUMS), thread, uint32(THREADS), total)
    own_offset = int64(offset + before - total)
    for own in range(uint32(OWN)):
        value = shared[first + uint32(own)]
        shared[first + uint32(own)] = own_offset
        own_offset = int64(own_offset + value)
    synchronize()
    return int64(offset + all_of_them)


@block_kernel("int32[::1], int64[::1]", threads=THREADS, shared_type="int64", shared_size=2 * THREADS)
def sum_block(index, thread, shared, lengths, sums):
    """Add up one block's values."""
    first, mine = int64(index) * int64(VALUES), uint32(thread)
    left = uint32(min(int64(VALUES), int64(len(lengths)) - first))
    total = int64(0)
    for value in range(mine, left, uint32(THREADS)):
        total += int64(lengths[first + int64(value)])
    _, all_of_them = add_up(shared, uint32(0), mine, uint32(THREADS), total)
    if mine == uint32(0):
        sums[index] = all_of_them


@block_kernel("int64[::1]", **BLOCK)
def offset_sums(index, thread, shared, sums):
    """Turn all blocks' sums into offsets; one block does it, since they are `VALUES` times fewer than values."""
    mine, offset = uint32(thread), int64(index)
    for first in range(int64(0), int64(len(sums)), int64(VALUES)):
        left = uint32(min(int64(VALUES), int64(len(sums)) - first))
        for value in range(mine, uint32(VALUES), uint32(THREADS)):
            shared[place_of(value)] = sums[first + int64(value)] if value < left else int64(0)
        synchronize()
        offset = make_offsets(shared, mine, offset)
        for value in range(mine, left, uint32(THREADS)):
            sums[first + int64(value)] = shared[place_of(value)]
        synchronize()


@block_kernel("int32[::1], int64[::1], int64[::1]", **BLOCK)
def offset_block(index, thread, shared, lengths, sums, offsets):
    """Write the offsets of one block's values; the last block writes the total too. One block alone needs no sums."""
    first, mine = int64(index) * int64(VALUES), uint32(thread)
    left = uint32(min(int64(VALUES), int64(len(lengths)) - first))
    for value in range(mine, uint32(VALUES), uint32(THREADS)):
        shared[place_of(value)] = int64(lengths[first + int64(value)]) if value < left else int64(0)
    synchronize()
    offset = int64(0)
    if len(lengths) > VALUES:
        offset = sums[index]
    total = make_offsets(shared, mine, offset)
    for value in range(mine, left, uint32(THREADS)):
        offsets[first + int64(value)] = shared[place_of(value)]
    if mine == uint32(0) and first + int64(left) == int64(len(lengths)):
        offsets[first + int64(left)] = total
