"""The 5/3 wavelet against the lifting equations of Annex F in NumPy: exact, whatever the size."""

import numpy as np
import pytest
from gpucodec_kernels import dwt53, dwt_levels
from gpucodec_kernels.component_transform import Source
from hypothesis import given, settings
from hypothesis import strategies as st

from gpucodec.backends import Executor
from tests.reference import dwt
from tests.reference.frames import CONTAINERS, noise

EXAMPLES = settings(settings.get_profile("kernels"))


def transform(where: Executor, frames: np.ndarray, precision: int, levels: int, color: bool = False) -> np.ndarray:
    """Return ``(frames, components, rows, columns)`` planes of subbands; a guard behind them must stay."""
    planes = where.upload(np.full(frames.size + 64, -(2**31) + 7, np.int32))
    dwt53.forward(where, Source.of(where.upload(frames), precision), color, levels, planes)
    result = where.download(planes)
    assert (result[frames.size :] == -(2**31) + 7).all()
    rows, columns = frames.shape[1:3]
    return result[: frames.size].reshape(len(frames), -1, rows, columns)


def expected(frames: np.ndarray, precision: int, levels: int, color: bool = False) -> np.ndarray:
    planes = dwt.shifted_planes(frames, precision)
    return dwt.decompose(dwt.rct(planes) if color else planes, levels, dwt.analyse_53)


@pytest.mark.kernel
@EXAMPLES
@given(rows=st.integers(1, 21), columns=st.integers(1, 21), levels=st.integers(0, 6), seed=st.integers(0, 99))
def test_any_size_is_transformed_exactly(where: Executor, rows: int, columns: int, levels: int, seed: int) -> None:
    frames = noise((2, rows, columns), "i2", 16, seed)
    np.testing.assert_array_equal(transform(where, frames, 16, levels), expected(frames, 16, levels))


@pytest.mark.kernel
@pytest.mark.parametrize(("dtype", "precision"), CONTAINERS)
@pytest.mark.parametrize(("components", "color"), [(1, False), (3, False), (3, True), (4, True)])
def test_frames_of_every_container_are_transformed(
    where: Executor, dtype: str, precision: int, components: int, color: bool
) -> None:
    frames = noise((2, 5, 6) if components == 1 else (2, 5, 6, components), dtype, precision)
    np.testing.assert_array_equal(transform(where, frames, precision, 2, color), expected(frames, precision, 2, color))


@pytest.mark.kernel
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 9), (9, 1), (2, 2), (3, 40)])
def test_more_levels_than_a_picture_has_leave_it_alone(where: Executor, rows: int, columns: int) -> None:
    frames = noise((1, rows, columns), "u1", 8)
    enough = (max(rows, columns) - 1).bit_length()
    np.testing.assert_array_equal(transform(where, frames, 8, 32), expected(frames, 8, enough))


@pytest.mark.kernel
@pytest.mark.parametrize("pairs", [1, 2, 3])
def test_groups_of_rows_make_no_difference(where: Executor, monkeypatch: pytest.MonkeyPatch, pairs: int) -> None:
    monkeypatch.setattr(dwt_levels, "MIN_PAIRS", pairs)
    for rows in (2, 5, 8, 13, 16):
        frames = noise((1, rows, 6), "u2", 12, rows)
        np.testing.assert_array_equal(transform(where, frames, 12, 2), expected(frames, 12, 2))


@pytest.mark.parametrize(
    "shape", [(1, 300, 77), (3, 129, 64), (20, 33, 65), (1, 70, 260, 3), (1, 1, 4099), (1, 4099, 1)]
)
def test_large_frames_are_transformed_exactly(where: Executor, shape: tuple[int, ...]) -> None:
    frames = noise(shape, "u1", 8)
    color = len(shape) == 4
    np.testing.assert_array_equal(transform(where, frames, 8, 5, color), expected(frames, 8, 5, color))


def test_the_reference_undoes_what_it_did() -> None:
    planes = np.random.default_rng(3).integers(-(2**15), 2**15, (2, 13, 10))
    subbands = dwt.decompose(planes, 3, dwt.analyse_53)
    np.testing.assert_array_equal(dwt.reconstruct(subbands, 3, dwt.synthesise_53), planes)
