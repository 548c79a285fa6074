"""Making samples of byte planes for GPUs: a block of threads takes `PIXELS` pixels through shared memory; PS3.5 G.2.

`gpucodec_kernels.rle.interleave_planes` makes a pixel an index, a byte at a time. Here neighbouring threads load
neighbouring words of the planes and store neighbouring words of the samples, wherever these are aligned.

Bytes moved for each byte of a frame: 1 read and 1 written, the least possible for planes that are in memory.
"""

from __future__ import annotations

from typing import Any

from numpy import uint8, uint32, uint64

from gpucodec_kernels import rle
from gpucodec_kernels.aligned import ALIGNED_BYTES, byte_of, load_aligned, skew_of, store_aligned
from gpucodec_kernels.target import block_kernel, device_function, synchronize

THREADS = 128
PIXELS = THREADS * ALIGNED_BYTES


@device_function
def load_planes(planes, frame, first, pixels, segments, shared, thread):
    """Load a word of each plane: four of the block's pixels."""
    pixel = uint32(first + uint32(ALIGNED_BYTES) * thread)
    for segment in range(segments):
        at = uint64(frame + uint64(segment) * uint64(pixels) + uint64(pixel))
        value = uint32(0)
        if uint64(pixel) + uint64(ALIGNED_BYTES) <= uint64(pixels) and skew_of(planes, at) == uint32(0):
            value = load_aligned(planes, at)
        else:
            for byte in range(uint32(ALIGNED_BYTES)):
                if uint64(pixel) + uint64(byte) < uint64(pixels):
                    value = uint32(
                        value | uint32(uint32(planes[at + uint64(byte)]) << uint32(uint32(8) * uint32(byte)))
                    )
        shared[uint32(uint32(segment) * uint32(THREADS)) + thread] = value


@block_kernel(
    "uint8[::1], uint32, uint32, uint32, int32[::1], uint8[::1]",
    threads=THREADS,
    shared_type="uint32",
    shared_size=rle.MAX_SEGMENTS * THREADS,
)
def interleave_block(index, thread, shared, planes, pixels, segments, blocks, byte_places, samples):
    """Make some pixels of one frame; `blocks` is how many blocks a frame has."""
    mine, first = uint32(thread), uint32(uint32(uint32(index) % blocks) * uint32(PIXELS))
    frame = uint64(uint64(uint32(uint32(index) // blocks)) * uint64(pixels) * uint64(segments))
    load_planes(planes, frame, first, pixels, segments, shared, mine)
    synchronize()
    begin = uint64(frame + uint64(first) * uint64(segments))
    length = uint32(min(uint32(PIXELS), uint32(pixels - first)) * segments)
    is_aligned = skew_of(samples, begin) == uint32(0)
    for word in range(mine, uint32(uint32(length + uint32(3)) >> uint32(2)), uint32(THREADS)):
        ahead = uint32(uint32(ALIGNED_BYTES) * word)
        is_whole = is_aligned and uint32(ahead + uint32(ALIGNED_BYTES)) <= length
        value = uint32(0)
        for byte in range(uint32(ALIGNED_BYTES)):
            place = uint32(ahead + uint32(byte))
            if place >= length:
                continue
            pixel = uint32(place // segments)
            segment = uint32(byte_places[uint32(place - uint32(pixel * segments))])
            made = byte_of(
                shared[uint32(segment * uint32(THREADS)) + uint32(pixel >> uint32(2))], uint32(pixel & uint32(3))
            )
            if is_whole:
                value = uint32(value | uint32(made << uint32(uint32(8) * uint32(byte))))
            else:
                samples[begin + uint64(place)] = uint8(made)
        if is_whole:
            store_aligned(samples, uint64(begin + uint64(ahead)), value)


def interleave(
    where: Any, num_frames: int, planes: Any, pixels: int, byte_places: Any, samples: Any, blocks: bool | None = None
) -> None:
    """Make the samples of some frames.

    Parameters
    ----------
    where : Executor
        What launches.
    num_frames : int
        How many frames.
    planes : array
        ``(frames, segments, pixels)`` flat bytes.
    pixels : int
        Pixels of a frame.
    byte_places : array
        For each byte of a pixel the segment that holds it, int32.
    samples : array
        Receives the bytes.
    blocks : bool, optional
        Whether blocks of threads make them; they do on GPUs.
    """
    segments = len(byte_places)
    if where.backend == "cuda" if blocks is None else blocks:
        of_frame = -(-pixels // PIXELS)
        where.launch(interleave_block, num_frames * of_frame, planes, pixels, segments, of_frame, byte_places, samples)
        return
    chunk = where.samples_per_index
    chunks = -(-pixels // chunk)
    where.launch(
        rle.interleave_planes, num_frames * chunks, planes, pixels, segments, chunks, chunk, byte_places, samples
    )
