"""Level shift, RCT and ICT against the equations of Annex G in NumPy."""

import numpy as np
import pytest
from gpucodec_kernels import component_transform
from gpucodec_kernels.component_transform import Source

from gpucodec.backends import Executor
from tests.reference import dwt
from tests.reference.frames import CONTAINERS, noise

pytestmark = pytest.mark.kernel
SHAPES = [(2, 3, 5), (2, 4, 7, 3), (1, 3, 6, 4), (1, 1, 1)]


def planar(frames: np.ndarray, precision: int) -> Source:
    """Lay colour-by-plane frames out in memory and describe them."""
    num_frames, rows, columns, components = frames.shape
    samples = np.ascontiguousarray(frames.transpose(0, 3, 1, 2)).reshape(-1).view(f"u{frames.dtype.itemsize}")
    strides = (rows * columns * components, columns, 1, rows * columns)
    return Source(samples, num_frames, rows, columns, components, frames.dtype.kind == "i", precision, *strides)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "precision"), CONTAINERS)
def test_samples_are_shifted_and_transformed_reversibly(
    where: Executor, shape: tuple[int, ...], dtype: str, precision: int
) -> None:
    frames = noise(shape, dtype, precision)
    for color in [False, True] if len(shape) == 4 else [False]:
        planes = where.empty(frames.size, np.int32)
        component_transform.transform_reversible(where, Source.of(where.upload(frames), precision), color, planes)
        shifted = dwt.shifted_planes(frames, precision)
        expected = dwt.rct(shifted) if color else shifted
        np.testing.assert_array_equal(where.download(planes).reshape(expected.shape), expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "precision"), CONTAINERS)
def test_samples_are_shifted_and_transformed_irreversibly(
    where: Executor, shape: tuple[int, ...], dtype: str, precision: int
) -> None:
    frames = noise(shape, dtype, precision)
    step = 2.0 ** (precision - 16)  # float32 has no more than 24 bits to offer
    for color in [False, True] if len(shape) == 4 else [False]:
        planes = where.empty(frames.size, np.int32)
        source = Source.of(where.upload(frames), precision)
        component_transform.transform_irreversible(where, source, color, step, planes)
        shifted = dwt.shifted_planes(frames, precision)
        expected = (dwt.ict(shifted) if color else shifted) / step
        found = where.download(planes).reshape(expected.shape)
        np.testing.assert_allclose(found, expected, rtol=0, atol=0.5 + 2.0**-7)


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize(("dtype", "precision"), [("u1", 8), ("i2", 12)])
def test_colour_by_plane_reads_like_colour_by_pixel(where: Executor, dtype: str, precision: int, color: bool) -> None:
    frames = noise((2, 3, 5, 3), dtype, precision)
    results = []
    for source in (Source.of(frames, precision), planar(frames, precision)):
        planes, quantised = where.empty(frames.size, np.int32), where.empty(frames.size, np.int32)
        component_transform.transform_reversible(where, source, color, planes)
        component_transform.transform_irreversible(where, source, color, 0.25, quantised)
        results.append((planes, quantised))
    np.testing.assert_array_equal(results[0], results[1])


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_a_description_follows_the_array(dtype: str) -> None:
    frames = noise((2, 3, 4, 3), dtype, 8)
    source = Source.of(frames, 8)
    assert (source.num_frames, source.rows, source.columns, source.components, source.num_planes) == (2, 3, 4, 3, 6)
    assert source.is_signed == (dtype[0] == "i")
    assert source.strides == (36, 12, 3, 1)
    assert np.shares_memory(source.samples, frames)
