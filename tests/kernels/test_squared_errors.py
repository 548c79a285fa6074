"""Sums of squared differences, against NumPy's."""

import numpy as np
import pytest
from gpucodec_kernels.squared_errors import CHUNK, squared_errors

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
@pytest.mark.parametrize("size", [1, 100, CHUNK + 7])
def test_sums_are_numpys(where, dtype, size):
    random = np.random.default_rng(size)
    range_of = np.iinfo(dtype)
    strides = (size + 5, size + 2)
    frames, others = (
        random.integers(range_of.min, range_of.max, (4, stride), dtype, endpoint=True) for stride in strides
    )
    frames[0], others[0] = range_of.min, range_of.max
    chosen = [3, 0, 2]
    found = squared_errors(
        where,
        chosen,
        *(where.upload(array.reshape(-1).view(f"u{array.itemsize}")) for array in (frames, others[:3])),
        size,
        strides,
        dtype[0] == "i",
    )
    expected = [
        float(((frames[frame, :size].astype(object) - others[place, :size].astype(object)) ** 2).sum())
        for place, frame in enumerate(chosen)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
