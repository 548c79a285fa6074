"""The prefix sum over kernels' results, as codecs call it."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpucodec.backends import Executor

__all__ = ["exclusive_prefix_sum"]


def exclusive_prefix_sum(where: Executor, lengths: Any, count: int) -> Any:
    """Return the exclusive prefix sum of int32 lengths, int64 and one longer, where the kernels run."""
    from gpucodec_kernels import prefix_sum

    num_chunks = -(-count // prefix_sum.CHUNK)
    sums = where.empty(num_chunks, np.int64)
    offsets = where.empty(count + 1, np.int64)
    where.launch(prefix_sum.sum_chunk, num_chunks, lengths, prefix_sum.CHUNK, sums)
    where.launch(prefix_sum.offset_chunks, 1, sums)
    where.launch(prefix_sum.offset_values, num_chunks, lengths, prefix_sum.CHUNK, sums, offsets)
    return offsets
