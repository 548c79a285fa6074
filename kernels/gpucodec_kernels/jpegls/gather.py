"""Moving encoded scans from their slots to their places, one after the other."""

from __future__ import annotations

from numpy import int64, uint64

from gpucodec_kernels.target import kernel


@kernel("uint8[::1], int64, int64[::1], uint8[::1]")
def gather_slot(index, slots, slot_size, offsets, codestreams):
    """Move one slot's bytes to ``offsets[index]``; they end where the next slot's begin."""
    this = int64(index)
    length = offsets[this + int64(1)] - offsets[this]
    source = slots[this * slot_size : this * slot_size + length]
    target = codestreams[offsets[this] : offsets[this] + length]
    for byte in range(uint64(length)):
        target[byte] = source[byte]
