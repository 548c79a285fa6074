"""Resident warps, as NVIDIA's occupancy calculator and its guides have them."""

import pytest

from benchmarks.kernel_occupancy import ARCHITECTURES, resident_warps

# What cuda_occupancy.h of CUDA 13 returns for blocks of so many threads, registers of a thread and bytes of shared
# memory, with the largest part for shared memory: warps on 7.5, 8.0, 8.6, 9.0, 10.0 and 12.0.
CALCULATED = {
    (128, 37, 0): (32, 48, 48, 48, 48, 48),
    (320, 37, 0): (30, 40, 40, 40, 40, 40),
    (32, 80, 0): (16, 24, 16, 24, 24, 24),
    (32, 80, 28140): (2, 5, 3, 8, 8, 3),
    (128, 255, 0): (8, 8, 8, 8, 8, 8),
    (512, 255, 0): (0, 0, 0, 0, 0, 0),
    (256, 64, 28140): (16, 32, 24, 32, 32, 24),
    (256, 63, 33000): (8, 32, 24, 32, 32, 24),
    (128, 32, 1): (32, 64, 48, 64, 64, 48),
    (96, 40, 1024): (30, 48, 48, 48, 48, 48),
    (1024, 64, 512): (32, 32, 32, 32, 32, 32),
    (128, 40, 66000): (0, 8, 4, 12, 12, 4),
    (64, 16, 0): (32, 64, 32, 64, 64, 48),
    (768, 48, 49152): (24, 24, 24, 24, 24, 24),
}


@pytest.mark.parametrize(("block", "expected"), CALCULATED.items())
def test_warps_are_those_of_the_calculator(block: tuple[int, int, int], expected: tuple[int, ...]) -> None:
    assert tuple(resident_warps(capability, *block) for capability in ARCHITECTURES) == expected


@pytest.mark.parametrize("capability", [(8, 0), (9, 0)])
def test_the_example_of_the_best_practices_guide(capability: tuple[int, int]) -> None:
    # "a kernel with 128-thread blocks using 37 registers per thread results in an occupancy of 75% [...] whereas a
    # kernel with 320-thread blocks using the same 37 registers per thread results in an occupancy of 63%"
    assert resident_warps(capability, 128, 37, 0) / 64 == 0.75
    assert round(100 * resident_warps(capability, 320, 37, 0) / 64 + 0.1) == 63


def test_more_threads_registers_or_memory_than_a_block_may_have() -> None:
    assert resident_warps((8, 0), 1025, 16, 0) == 0
    assert resident_warps((8, 0), 32, 256, 0) == 0
    assert resident_warps((8, 6), 32, 16, 99 * 1024) > 0
    assert resident_warps((8, 6), 32, 16, 99 * 1024 + 1) == 0
