"""The writing of symbols where the processor has instructions for it, against the plain functions."""

import numpy as np
import pytest
from gpucodec_kernels.ebcot.emission import SLACK, emit_refinements, emit_runs, emit_significance
from gpucodec_kernels.target import kernel, simulator_enabled
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import int64, uint64

from gpucodec.backends import Executor

pytestmark = pytest.mark.skipif(simulator_enabled(), reason="the simulator runs the plain functions themselves")
WORDS = st.lists(st.integers(0, 2**64 - 1) | st.just(0) | st.just(2**64 - 1), min_size=11, max_size=11)


@kernel("uint64[::1], uint8[::1], int64[::1]")
def emit(index, words, symbols, ends):
    """Write symbols of all three kinds one after the other."""
    at = emit_refinements(symbols, uint64(index), words[0], words[1], words[2], words[3])
    ends[0] = int64(at)
    labels = (words[2], words[3], words[4], words[5])
    sign_labels = (words[6], words[7], words[8])
    at = emit_significance(symbols, at, words[0], words[1], labels, words[9], sign_labels)
    ends[1] = int64(at)
    ends[2] = int64(emit_runs(symbols, at, words[0], words[1], labels, words[9], sign_labels, words[10]))


@settings(max_examples=200, deadline=None)
@given(words=WORDS)
def test_symbols_are_the_same(where: Executor, words: list[int]) -> None:
    given_words = np.array(words, np.uint64)
    # What ends a run is a member that becomes significant.
    given_words[10] &= given_words[0] & given_words[1]
    symbols, ends = np.zeros(64 + 128 + 256 + SLACK, np.uint8), np.zeros(3, np.int64)
    where.launch(emit, 1, given_words, symbols, ends)
    plain_symbols, plain_ends = np.zeros_like(symbols), np.zeros_like(ends)
    emit.python(np.int32(0), given_words, plain_symbols, plain_ends)
    np.testing.assert_array_equal(ends, plain_ends)
    np.testing.assert_array_equal(symbols[: ends[2]], plain_symbols[: ends[2]])
