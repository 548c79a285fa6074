"""Passes that are left out before a frame is coded to its end."""

import numpy as np
import pytest
from gpucodec_kernels.tier2.allocation import rank_passes

from gpucodec.backends import Executor
from gpucodec.codecs.jpeg2000_pruning import ErrorPruning, Part, RoomPruning, _rank_below

WHERE = Executor("cpu")
PASSES = 4
# A codeblock of three passes and one of four, slopes 64, 16, 4 and 32, 8, 2, 1/2.
COUNTS = np.array([3, 4], np.int32)
ENDS = np.array([10, 20, 30, 0, 10, 20, 30, 40], np.int32)
TAKEN = np.array([640.0, 800.0, 840.0, 0.0, 320.0, 400.0, 420.0, 425.0])


def part():
    ranks = np.zeros(2 * PASSES, np.int32)
    WHERE.launch(rank_passes, 2, 0, 1, 2, PASSES, np.ones(1), COUNTS, ENDS, TAKEN, ranks)
    return Part(COUNTS.copy(), np.array([30, 40], np.int32), ENDS, TAKEN, ranks)


@pytest.mark.parametrize("slope", [64.0, 16.0, 4.0, 2.0**-20, 5.3e9])
def test_a_rank_is_that_of_the_kernels(slope):
    ranks = np.zeros(1, np.int32)
    WHERE.launch(
        rank_passes, 1, 0, 1, 1, 1, np.ones(1), np.ones(1, np.int32), np.full(1, 7, np.int32), np.full(1, 7 * slope),
        ranks,
    )  # fmt: skip
    assert _rank_below(slope) == ranks[0]


def test_slopes_of_no_use_have_the_lowest_rank():
    assert _rank_below(0.0) == _rank_below(2.0**-140) == 0


def test_passes_that_gain_too_little_for_an_error_are_left_out():
    few = part()
    left_out = ErrorPruning(3.0 / 4, PASSES).prune(WHERE, few)
    assert few.passes.tolist() == [3, 1 + 1]
    assert few.lengths.tolist() == [30, 20]
    assert left_out.tolist() == [0.0, 25.0]


def test_passes_that_there_is_no_room_for_are_left_out():
    pruning = RoomPruning(45.0, PASSES)
    first = part()
    left_out = pruning.prune(WHERE, first)
    # Slopes 64, 32, 16 and 8 take 40 bytes, with 4 it would be 50.
    assert first.passes.tolist() == [2, 2]
    assert first.lengths.tolist() == [20, 20]
    assert left_out.tolist() == [40.0, 25.0]
    second = part()
    pruning.prune(WHERE, second)
    assert second.passes.tolist() == [1, 1]
