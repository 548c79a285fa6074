"""Exclusive prefix sum: where each of many pieces begins when they are laid one after the other.

Three launches over chunks of `chunk` values: `sum_chunk` adds up each chunk, `offset_chunks` (one index) turns the
sums into the chunks' offsets, `offset_values` gives each value its own. Nothing depends on the order in which
indices run.

Arrays
    lengths   int32, the values
    sums      int64, one for each chunk; holds the sums first and the offsets afterwards
    offsets   int64, one longer than `lengths`; the last is the total
"""

from __future__ import annotations

from numpy import int64

from gpucodec_kernels.target import kernel

CHUNK = 256


@kernel("int32[::1], int64, int64[::1]", gpu=False)
def sum_chunk(index, lengths, chunk, sums):
    """Add up one chunk."""
    begin = int64(index) * chunk
    total = int64(0)
    for place in range(begin, min(begin + chunk, int64(len(lengths)))):
        total += int64(lengths[place])
    sums[index] = total


@kernel("int64[::1]")
def offset_chunks(index, sums):
    """Turn all chunks' sums into offsets. One index does it: there are 256 times fewer of them than values."""
    total = int64(index)
    for place in range(int64(len(sums))):
        length = sums[place]
        sums[place] = total
        total += length


@kernel("int32[::1], int64, int64[::1], int64[::1]", gpu=False)
def offset_values(index, lengths, chunk, sums, offsets):
    """Write the offsets of one chunk's values; the last chunk writes the total too."""
    begin = int64(index) * chunk
    end = min(begin + chunk, int64(len(lengths)))
    total = sums[index]
    for place in range(begin, end):
        offsets[place] = total
        total += int64(lengths[place])
    if end == int64(len(lengths)):
        offsets[end] = total
