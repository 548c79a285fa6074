"""The prefix sum over kernels' results, as codecs call it."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpucodec.backends import Executor

__all__ = ["exclusive_prefix_sum"]


def exclusive_prefix_sum(where: Executor, lengths: Any, count: int, blocks: bool | None = None) -> Any:
    """Return the exclusive prefix sum of int32 lengths, int64 and one longer, where the kernels run.

    Parameters
    ----------
    where : Executor
        What launches and allocates.
    lengths : array
        The lengths.
    count : int
        How many.
    blocks : bool, optional
        Whether blocks of threads add up; they do on GPUs.
    """
    offsets = where.empty(count + 1, np.int64)
    if where.backend == "cuda" if blocks is None else blocks:
        _launch_blocks(where, lengths, count, offsets)
    else:
        _launch_chunks(where, lengths, count, offsets)
    return offsets


def _launch_chunks(where: Executor, lengths: Any, count: int, offsets: Any) -> None:
    from gpucodec_kernels import prefix_sum

    num_chunks = -(-count // prefix_sum.CHUNK)
    sums = where.empty(num_chunks, np.int64)
    where.launch(prefix_sum.sum_chunk, num_chunks, lengths, prefix_sum.CHUNK, sums)
    where.launch(prefix_sum.offset_chunks, 1, sums)
    where.launch(prefix_sum.offset_values, num_chunks, lengths, prefix_sum.CHUNK, sums, offsets)


def _launch_blocks(where: Executor, lengths: Any, count: int, offsets: Any) -> None:
    from gpucodec_kernels import prefix_sum_blocks

    num_blocks = -(-count // prefix_sum_blocks.VALUES)
    sums = where.empty(num_blocks, np.int64)
    if num_blocks > 1:
        where.launch(prefix_sum_blocks.sum_block, num_blocks, lengths, sums)
        where.launch(prefix_sum_blocks.offset_sums, 1, sums)
    where.launch(prefix_sum_blocks.offset_block, num_blocks, lengths, sums, offsets)
