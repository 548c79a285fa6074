"""The prefix sum against NumPy's cumulative sum."""

import numpy as np
import pytest

from gpucodec.backends import Executor
from gpucodec.codecs.prefix_sum import exclusive_prefix_sum

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 1000])
def test_offsets_are_the_sums_of_what_comes_before(where: Executor, count: int) -> None:
    lengths = np.random.default_rng(count).integers(0, 2**31 - 1, count, np.int32)
    offsets = where.download(exclusive_prefix_sum(where, where.upload(lengths), count))
    np.testing.assert_array_equal(offsets, np.concatenate([[0], np.cumsum(lengths.astype(np.int64))]))
