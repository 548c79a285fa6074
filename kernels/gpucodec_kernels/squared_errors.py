"""How far two batches of frames lie apart: sums of squared differences, `CHUNK` samples of a frame an index.

A frame's sums are added up on the host. Bytes moved: each sample of both batches once, which is the least possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import float64, int64, uint64

from gpucodec_kernels.target import kernel

CHUNK = 8192


def _sum_chunk(index, frames, samples, others, frame_size, sample_stride, other_stride, chunks, flip, sums):
    """Add up one chunk. `flip` is the sign bit of signed samples: without it their order is that of unsigned ones."""
    number = uint64(index) // uint64(chunks)
    begin = uint64(index) % uint64(chunks) * uint64(CHUNK)
    end = min(begin + uint64(CHUNK), uint64(frame_size))
    first = uint64(frames[number]) * uint64(sample_stride) + begin
    second = number * uint64(other_stride) + begin
    piece = samples[first : first + (end - begin)]
    other = others[second : second + (end - begin)]
    total = int64(0)
    for place in range(end - begin):
        difference = int64(piece[place] ^ flip) - int64(other[place] ^ flip)
        total += difference * difference
    sums[index] = float64(total)


_ARGUMENTS = "int64, int64, int64, int64"
sum_chunk_8 = kernel(f"int32[::1], uint8[::1], uint8[::1], {_ARGUMENTS}, uint8, float64[::1]")(_sum_chunk)
sum_chunk_16 = kernel(f"int32[::1], uint16[::1], uint16[::1], {_ARGUMENTS}, uint16, float64[::1]")(_sum_chunk)


@kernel(f"int32[::1], uint32[::1], uint32[::1], {_ARGUMENTS}, uint32, float64[::1]")
def sum_chunk_32(index, frames, samples, others, frame_size, sample_stride, other_stride, chunks, flip, sums):
    """Do what the others do; the squares of these need more than 64 bits."""
    number = uint64(index) // uint64(chunks)
    begin = uint64(index) % uint64(chunks) * uint64(CHUNK)
    end = min(begin + uint64(CHUNK), uint64(frame_size))
    first = uint64(frames[number]) * uint64(sample_stride)
    second = number * uint64(other_stride)
    total = float64(0)
    for place in range(begin, end):
        difference = float64(
            int64(samples[first + uint64(place)] ^ flip) - int64(others[second + uint64(place)] ^ flip)
        )
        total += difference * difference
    sums[index] = total


_SUM_CHUNK = {1: sum_chunk_8, 2: sum_chunk_16, 4: sum_chunk_32}


def squared_errors(
    where: Any,
    frames: Sequence[int],
    samples: Any,
    others: Any,
    frame_size: int,
    strides: tuple[int, int],
    is_signed: bool,
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the sum of the squared differences of each frame's samples.

    Parameters
    ----------
    where : Executor
        What launches and allocates.
    frames : sequence of int
        Which frames of `samples` those of `others` are to be compared with.
    samples, others : array
        Flat uint8, uint16 or uint32, both alike; signed samples in two's complement.
    frame_size : int
        How many samples of each, from its first on.
    strides : tuple of int
        Samples between frames, of either.
    is_signed : bool
        Whether samples are signed.

    Returns
    -------
    numpy.ndarray
        float64, one a frame, on the host.
    """
    chunks = -(-frame_size // CHUNK)
    width = samples.dtype.itemsize
    flip = 1 << (8 * width - 1) if is_signed else 0
    num_frames = len(frames)
    sums = where.empty(num_frames * chunks, np.float64)
    numbers = where.upload(np.array(frames, np.int32))
    where.launch(
        _SUM_CHUNK[width], num_frames * chunks, numbers, samples, others, frame_size, *strides, chunks, flip, sums
    )  # fmt: skip
    total: np.ndarray[Any, np.dtype[np.float64]] = where.download(sums).reshape(num_frames, chunks).sum(axis=1)
    return total
