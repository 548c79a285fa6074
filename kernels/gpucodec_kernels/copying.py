"""Moving pieces of bytes, and for GPUs: neighbouring threads move neighbouring words of a piece.

Where a kernel of an index moves a piece byte by byte, and the next index another piece far from it, here a group of
threads takes a piece. Words are aligned where they are written. Where they are not where they are read, a thread
makes each of two aligned ones, of which the next thread reads one again, from the first-level cache. Words that reach
beyond the piece on either side are moved as bytes.

Bytes moved for each byte of a piece: 1 read and 1 written, the least possible.
"""

from __future__ import annotations

from typing import Any

from numpy import int64, uint32, uint64

from gpucodec_kernels.aligned import ALIGNED_BYTES, load_aligned, skew_of, store_aligned
from gpucodec_kernels.target import block_kernel, device_function, inline_function, kernel

THREADS = 128
LANES = 32  # threads of a piece
PART = 1 << 14  # bytes of a slot that a group takes at once
BLOCK = {"threads": THREADS, "shared_type": "uint32", "shared_size": 1}


@device_function
def copy_piece(source, begin, target, place, length, lane, lanes):
    """Copy `length` bytes from `begin` of the source on to `place` of the target; `lanes` threads must call it."""
    head = min(length, uint32(uint32(4) - skew_of(target, place)) & uint32(3))
    skew = skew_of(source, uint64(begin + uint64(head)))
    shift = uint32(skew << uint32(3))
    # Words of the target for which the whole words of the source lie in the piece: from `first` to `last`.
    first = uint32(0) if head >= skew else uint32(1)
    needed = uint32(head + (uint32(ALIGNED_BYTES) if skew > uint32(0) else uint32(0)))
    last = first
    if uint32(length + skew) > needed:
        last = max(first, uint32(uint32(uint32(length + skew) - needed) >> uint32(2)))
    head = length if last == first else uint32(head + uint32(first << uint32(2)))
    for byte in range(lane, head, lanes):
        target[place + uint64(byte)] = source[begin + uint64(byte)]
    if last == first:
        return
    words = uint32(last - first)
    to, start = uint64(place + uint64(head)), uint64(begin + uint64(head) - uint64(skew))
    for word in range(lane, words, lanes):
        ahead = uint64(uint64(word) << uint64(2))
        value = load_aligned(source, uint64(start + ahead))
        if skew > uint32(0):
            above = load_aligned(source, uint64(start + ahead + uint64(ALIGNED_BYTES)))
            value = uint32(uint32(value >> shift) | uint32(above << uint32(uint32(32) - shift)))
        store_aligned(target, uint64(to + ahead), value)
    for byte in range(uint32(head + uint32(words << uint32(2))) + lane, length, lanes):
        target[place + uint64(byte)] = source[begin + uint64(byte)]


@inline_function
def group_of(index, thread, lanes):
    """Return which of all groups of `lanes` threads a thread belongs to, and which thread of it it is."""
    groups = uint32(uint32(THREADS) // lanes)
    return uint32(uint32(index) * groups + uint32(thread) // lanes), uint32(uint32(thread) % lanes)


@kernel("uint8[::1], int64, int64[::1], uint8[::1]", gpu=False)
def gather_slot(index, slots, slot_size, offsets, target):
    """Move one slot's bytes to ``offsets[index]``; they end where the next slot's begin."""
    this = int64(index)
    length = offsets[this + int64(1)] - offsets[this]
    source = slots[this * slot_size : this * slot_size + length]
    room = target[offsets[this] : offsets[this] + length]
    for byte in range(uint64(length)):
        room[byte] = source[byte]


@block_kernel("uint32, uint32, uint8[::1], int64, int64[::1], uint8[::1]", **BLOCK)
def gather_slots(index, thread, _, count, parts, slots, slot_size, offsets, target):
    """Move parts of slots' bytes to where ``offsets`` say, as `gather_slot` does."""
    group, lane = group_of(index, thread, uint32(LANES))
    slot, part = uint32(group // parts), int64(int64(group % parts) * int64(PART))
    if slot >= count:
        return
    place = int64(offsets[slot] + part)
    length = min(int64(offsets[slot + uint32(1)]) - place, int64(PART))
    if length > int64(0):
        begin = uint64(int64(slot) * slot_size + part)
        copy_piece(slots, begin, target, uint64(place), uint32(length), lane, uint32(LANES))


def gather(
    where: Any, count: int, slots: Any, slot_size: int, offsets: Any, target: Any, blocks: bool | None = None
) -> None:
    """Move slots' bytes together.

    Parameters
    ----------
    where : Executor
        What launches.
    count : int
        How many slots.
    slots : array
        Bytes of all slots, each `slot_size` long.
    slot_size : int
        Bytes of a slot.
    offsets : array
        Where in the target each slot's bytes begin, and behind the last where they end, int64.
    target : array
        Receives the bytes.
    blocks : bool, optional
        Whether blocks of threads move them; they do on GPUs.
    """
    if where.backend == "cuda" if blocks is None else blocks:
        parts = max(1, -(-slot_size // PART))
        where.launch(gather_slots, num_blocks(count * parts), count, parts, slots, slot_size, offsets, target)
    else:
        where.launch(gather_slot, count, slots, slot_size, offsets, target)


def num_blocks(pieces: int, lanes: int = LANES) -> int:
    """Return how many blocks of threads take so many pieces."""
    return -(-pieces * lanes // THREADS)
