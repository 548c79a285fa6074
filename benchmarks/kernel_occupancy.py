"""How many warps of a kernel a multiprocessor holds at once, by its registers, shared memory and threads.

Limits are those of NVIDIA's CUDA programming guide, "Technical Specifications per Compute Capability"; what is
allocated is rounded up as NVIDIA's occupancy calculator (`cuda_occupancy.h`) has it. Shared memory is taken to have the
largest part of the memory that it shares with the first-level cache.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ARCHITECTURES", "LIMITS", "Limits", "resident_warps"]

WARP = 32
REGISTERS = 65536  # of a multiprocessor and of a block
MOST_REGISTERS = 255  # of a thread
REGISTER_UNIT = 256  # a warp's registers are a multiple of it
PARTITIONS = 4  # a warp's registers lie in one of the parts of a multiprocessor
MOST_THREADS = 1024  # of a block


@dataclass(frozen=True)
class Limits:
    """What a multiprocessor has.

    Parameters
    ----------
    warps, blocks : int
        Most that are resident.
    shared : int
        Bytes of shared memory.
    shared_of_block : int
        Most bytes of a block.
    shared_unit : int
        What is allocated is a multiple of it.
    shared_reserved : int
        Bytes of each block that the system takes.
    """

    warps: int
    blocks: int
    shared: int
    shared_of_block: int
    shared_unit: int
    shared_reserved: int


_KIB = 1024
LIMITS = {
    (7, 5): Limits(32, 16, 64 * _KIB, 64 * _KIB, 256, 0),
    (8, 0): Limits(64, 32, 164 * _KIB, 163 * _KIB, 128, _KIB),
    (8, 6): Limits(48, 16, 100 * _KIB, 99 * _KIB, 128, _KIB),
    (9, 0): Limits(64, 32, 228 * _KIB, 227 * _KIB, 128, _KIB),
    (10, 0): Limits(64, 32, 228 * _KIB, 227 * _KIB, 128, _KIB),
    (12, 0): Limits(48, 24, 100 * _KIB, 99 * _KIB, 128, _KIB),
}
ARCHITECTURES = tuple(LIMITS)


def resident_warps(compute_capability: tuple[int, int], threads: int, registers: int, shared: int) -> int:
    """Return how many warps are resident; 0 where not even one block is.

    Parameters
    ----------
    compute_capability : tuple of int
        One of `ARCHITECTURES`.
    threads : int
        Of a block.
    registers : int
        Of a thread.
    shared : int
        Bytes of a block, without what the system takes.
    """
    limits = LIMITS[compute_capability]
    warps = -(-threads // WARP)
    registers_of_warp = _rounded_up(registers * WARP, REGISTER_UNIT)
    shared_of_block = _rounded_up(shared + limits.shared_reserved, limits.shared_unit)
    # A block is let in as if it took as many warps of each part.
    if (
        threads > MOST_THREADS
        or registers > MOST_REGISTERS
        or registers_of_warp * _rounded_up(warps, PARTITIONS) > REGISTERS
        or shared > limits.shared_of_block
    ):
        return 0
    blocks = min(limits.blocks, limits.warps // warps)
    if registers_of_warp:
        blocks = min(blocks, PARTITIONS * (REGISTERS // PARTITIONS // registers_of_warp) // warps)
    if shared_of_block:
        blocks = min(blocks, limits.shared // shared_of_block)
    return blocks * warps


def _rounded_up(number: int, unit: int) -> int:
    return -(-number // unit) * unit
