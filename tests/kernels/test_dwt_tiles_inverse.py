"""Inverse tiles in shared memory give what rows in lines give. There is no block of threads to run them on a CPU."""

import numpy as np
import pytest
from gpucodec_kernels.dwt_inverse import Inverse
from gpucodec_kernels.target import simulator_enabled

from gpucodec.backends import Executor
from tests.reference.subbands import Subbands, Window

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(not simulator_enabled(), reason="blocks of threads need a GPU or the simulator"),
]
LIMITS = {"shift": 128, "low": 0, "high": 255}


def both(where: Executor, subbands: Subbands, size: int) -> None:
    """Compare tiles with lines, what lies behind each frame included."""
    coefficients = subbands.coefficients
    inverse, results = Inverse(subbands.tables), []
    for tiles in (False, True):
        output = where.upload(np.full(size + 5, 77, np.uint8))
        inverse(where, 1, where.upload(coefficients), coefficients.size, output, size + 5, tiles=tiles)
        results.append(where.download(output))
    # On a GPU multiplications and additions fuse; the simulator computes as the CPU does.
    tolerance = 0 if subbands.reversible else 1
    np.testing.assert_allclose(results[1].astype(int), results[0].astype(int), atol=tolerance)
    assert (results[1][size:] == 77).all()


@pytest.mark.parametrize("reversible", [True, False])
@pytest.mark.parametrize(
    ("window", "levels"),
    [
        ((0, 1, 0, 1), 1),
        ((1, 2, 1, 2), 1),
        ((1, 2, 0, 7), 1),
        ((0, 6, 3, 4), 1),
        ((1, 36, 3, 70), 1),
        ((2, 9, 1, 6), 2),
    ],
)
def test_tiles_give_what_lines_give(where: Executor, reversible: bool, window: Window, levels: int) -> None:
    subbands = Subbands(reversible, np.random.default_rng(3), reach=400)
    plane = subbands.add(window, levels)
    subbands.keep(0, 1, window, (0, plane.shape[1], 1, 0), **LIMITS)
    both(where, subbands, plane.size)


@pytest.mark.parametrize("reversible", [True, False])
def test_a_tile_of_three_components_becomes_colours(where: Executor, reversible: bool) -> None:
    window, keep = (1, 7, 2, 9), (2, 6, 3, 8)
    subbands = Subbands(reversible, np.random.default_rng(3), reach=400)
    for _ in range(3):
        subbands.add(window, 1)
    subbands.keep(0, 3, keep, (0, 15, 3, 1), **LIMITS)
    both(where, subbands, 60)
