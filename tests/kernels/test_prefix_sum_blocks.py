"""The prefix sum by blocks of threads, against NumPy's cumulative sum."""

import numpy as np
import pytest
from gpucodec_kernels import prefix_sum_blocks
from gpucodec_kernels.target import simulator_enabled

from gpucodec.backends import Executor
from gpucodec.codecs.prefix_sum import exclusive_prefix_sum
from tests.kernels.blocks import BlockExecutor

VALUES = prefix_sum_blocks.VALUES


def check(where: Executor, count: int) -> None:
    lengths = np.random.default_rng(count).integers(-(2**31), 2**31 - 1, count, np.int32)
    offsets = where.download(exclusive_prefix_sum(where, where.upload(lengths), count, blocks=True))
    np.testing.assert_array_equal(offsets, np.concatenate([[0], np.cumsum(lengths.astype(np.int64))]))


@pytest.mark.parametrize("count", [1, 7, 127, 129, VALUES, VALUES + 1, 3 * VALUES - 1])
@pytest.mark.parametrize("schedule", ["backwards", "shuffled"])
def test_offsets_are_the_sums_of_what_comes_before(count: int, schedule: str) -> None:
    check(BlockExecutor(schedule), count)


@pytest.mark.parametrize("count", [1, VALUES - 1, VALUES, VALUES + 1, 2 * VALUES + 3])
def test_one_block_turns_any_number_of_sums_into_offsets(count: int) -> None:
    sums = np.random.default_rng(count).integers(0, 2**40, count)
    expected = np.cumsum(sums) - sums
    BlockExecutor("forwards").launch(prefix_sum_blocks.offset_sums, 1, sums)
    np.testing.assert_array_equal(sums, expected)


@pytest.mark.kernel
@pytest.mark.skipif(not simulator_enabled(), reason="blocks of threads need a GPU or the simulator")
@pytest.mark.parametrize("count", [1, VALUES + 1])
def test_the_simulator_adds_up_alike(where: Executor, count: int) -> None:
    check(where, count)
