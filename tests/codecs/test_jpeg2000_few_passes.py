"""Passes that are chosen one by one."""

import itertools

import numpy as np
import pytest

from gpucodec.codecs.jpeg2000_few_passes import Passes, come_closer

PASSES = Passes(
    counts=np.array([3, 2, 0], np.int32),
    lengths=np.array([[4, 6, 9], [2, 5, 0], [0, 0, 0]], np.int32),
    distortions=np.array([[60.0, 80.0, 90.0], [7.0, 12.0, 0.0], [0.0, 0.0, 0.0]]),
    rest=3.0,
)
NONE = np.zeros(3, np.int32)


def test_an_error_is_what_is_left_out_and_the_rest():
    assert PASSES.error(NONE) == 90 + 12 + 3
    assert PASSES.error(np.array([1, 2, 0], np.int32)) == 30 + 3
    assert PASSES.error(PASSES.counts) == 3


def test_nearly_every_set_of_passes_is_found():
    missed = []
    for kept in itertools.product(range(4), range(3), [0]):
        error = PASSES.error(np.array(kept, np.int32))
        found = come_closer(PASSES, NONE, PASSES.error, error * 0.97, error * 1.03)
        if found is None:
            missed.append(kept)
        else:
            assert PASSES.error(found) == error
    # Nothing comes closer than nothing; and what is steepest is never taken back for two that are less steep.
    assert missed == [(0, 0, 0), (2, 2, 0)]


def test_passes_that_are_too_much_are_passed_over_for_shorter_ones():
    # The first pass of the first codeblock is the steepest, but leaves less than is wanted.
    found = come_closer(PASSES, NONE, PASSES.error, 90.0, 100.0)
    assert found is not None
    assert found.tolist() in ([0, 1, 0], [0, 2, 0])


def test_what_no_passes_reach_is_not_found():
    assert come_closer(PASSES, NONE, PASSES.error, 46.0, 80.0) is None
    assert come_closer(PASSES, NONE, PASSES.error, 1.0, 2.0) is None


@pytest.mark.parametrize("factor", [0.6, 0.9, 1.2])
def test_what_samples_lose_decides(factor):
    def measure(kept):
        return factor * PASSES.error(kept)

    found = come_closer(PASSES, NONE, measure, 24.0 * factor, 26.0 * factor)
    assert found is not None
    assert PASSES.error(found) == 25.0


def test_a_pass_that_turns_out_to_be_too_much_is_left_out():
    def measure(kept):
        return PASSES.error(kept) - 20.0 * (kept[1] == 1)

    found = come_closer(PASSES, NONE, measure, 90.0, 99.0)
    assert found is not None
    assert found.tolist() == [0, 2, 0]


def test_samples_that_lose_ever_less_than_is_foreseen():
    """Rounding makes small errors vanish: steps that seem to be needed are far too many."""
    rng = np.random.default_rng(7)
    gains = np.sort(rng.uniform(1.0, 2.0, (20, 20)))[:, ::-1]
    many = Passes(
        np.full(20, 20, np.int32), np.tile(np.arange(1, 21, dtype=np.int32), (20, 1)), np.cumsum(gains, axis=1), 1.0
    )

    def measure(kept):
        return max(many.error(kept) - 300.0, 0.01) ** 1.5

    found = come_closer(many, np.zeros(20, np.int32), measure, 900.0, 1000.0)
    assert found is not None
    assert 900.0 <= measure(found) <= 1000.0
