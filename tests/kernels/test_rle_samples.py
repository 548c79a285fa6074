"""Samples that blocks of threads make of byte planes, against NumPy."""

import numpy as np
import pytest
from gpucodec_kernels import rle_samples
from gpucodec_kernels.target import simulator_enabled

from gpucodec.backends import Executor
from tests.kernels.blocks import BlockExecutor


def check(where: Executor, pixels: int, segments: int) -> None:
    random = np.random.default_rng(pixels)
    planes = random.integers(1, 256, (3, segments, pixels), np.uint8)
    byte_places = random.permutation(segments).astype(np.int32)
    samples = where.upload(np.zeros(planes.size + 5, np.uint8))
    rle_samples.interleave(
        where, 3, where.upload(planes.reshape(-1)), pixels, where.upload(byte_places), samples, blocks=True
    )
    expected = planes[:, byte_places].transpose(0, 2, 1).reshape(-1)
    np.testing.assert_array_equal(where.download(samples), np.concatenate([expected, np.zeros(5, np.uint8)]))


@pytest.mark.parametrize("segments", [2, 3, 4, 15])
@pytest.mark.parametrize("pixels", [1, 6, 64, 513])
def test_every_byte_goes_to_its_sample(pixels: int, segments: int) -> None:
    check(BlockExecutor("shuffled"), pixels, segments)


@pytest.mark.kernel
@pytest.mark.skipif(not simulator_enabled(), reason="blocks of threads need a GPU or the simulator")
def test_the_simulator_makes_the_same_samples(where: Executor) -> None:
    check(where, 37, 2)
