"""Tiles in shared memory give what rows in lines give. There is no block of threads to run them on a CPU."""

import numpy as np
import pytest
from gpucodec_kernels import dwt53, dwt97, dwt_tiles, quantization
from gpucodec_kernels.component_transform import Source
from gpucodec_kernels.target import block_kernel, simulator_enabled, synchronize
from numpy import int32

from gpucodec.backends import Executor
from tests.reference.frames import noise

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(not simulator_enabled(), reason="blocks of threads need a GPU or the simulator"),
]
# One sample, edges of every kind, more than one tile in either direction. Blocks are slow to simulate.
FRAMES = [
    ((1, 1, 1), "u1", 8),
    ((1, 1, 6), "u4", 24),
    ((1, 7, 1), "i2", 12),
    ((2, 2, 3), "u2", 12),
    ((1, 34, 67), "i2", 12),
    ((1, 5, 6, 3), "u1", 8),
    ((1, 3, 4, 4), "u1", 8),
]


@block_kernel("int32[::1], int32[::1]", threads=8, shared_type="int32", shared_size=8)
def reverse_eight(index, thread, shared, values, reversed_values):
    """Reverse each eight values by way of shared memory."""
    shared[thread] = values[index * int32(8) + thread]
    synchronize()
    reversed_values[index * int32(8) + thread] = shared[int32(7) - thread]


def test_threads_of_a_block_share_memory(where: Executor) -> None:
    values, result = np.arange(24, dtype=np.int32), np.zeros(24, np.int32)
    where.launch(reverse_eight, 3, values, result)
    np.testing.assert_array_equal(result.reshape(3, 8), values.reshape(3, 8)[:, ::-1])


@pytest.mark.parametrize(("shape", "dtype", "precision"), FRAMES)
def test_tiles_of_53_are_exact(where: Executor, shape: tuple[int, ...], dtype: str, precision: int) -> None:
    frames = noise(shape, dtype, precision)
    source = Source.of(frames, precision)
    color = len(shape) == 4 and shape[3] == 3
    expected, found = np.full(frames.size, -9, np.int32), np.full(frames.size + 9, -9, np.int32)
    dwt53.forward(where, source, color, 2, expected, tiles=False)
    dwt53.forward(where, source, color, 2, found, tiles=True)
    np.testing.assert_array_equal(found[: frames.size], expected)
    assert (found[frames.size :] == -9).all()


@pytest.mark.parametrize(("shape", "dtype", "precision"), FRAMES)
def test_tiles_of_97_round_alike(where: Executor, shape: tuple[int, ...], dtype: str, precision: int) -> None:
    # On a GPU multiplications and additions fuse; the simulator computes as the CPU does.
    frames = noise(shape, dtype, precision)
    source = Source.of(frames, precision)
    color = len(shape) == 4 and shape[3] == 3
    steps = quantization.step_sizes(precision, 2, *quantization.choose_steps(precision, 2))
    expected, found = np.full(frames.size, -9, np.int32), np.full(frames.size + 9, -9, np.int32)
    dwt97.forward(where, source, color, 2, steps, expected, 2, tiles=False)
    dwt97.forward(where, source, color, 2, steps, found, 2, tiles=True)
    np.testing.assert_array_equal(found[: frames.size], expected)
    assert (found[frames.size :] == -9).all()


def test_more_than_three_components_with_colour_are_left_to_lines() -> None:
    assert not dwt_tiles.can_transform(Source.of(noise((1, 2, 2, 4), "u1", 8), 8), color=True)
    assert dwt_tiles.can_transform(Source.of(noise((1, 2, 2, 4), "u1", 8), 8), color=False)
