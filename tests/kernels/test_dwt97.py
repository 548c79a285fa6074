"""The 9/7 wavelet with quantisation against the lifting equations of Annex F in NumPy's float64."""

import numpy as np
import pytest
from gpucodec_kernels import dwt97, dwt_levels, quantization
from gpucodec_kernels.component_transform import Source
from hypothesis import given, settings
from hypothesis import strategies as st

from gpucodec.backends import Executor
from tests.reference import dwt
from tests.reference.frames import CONTAINERS, noise

EXAMPLES = settings(settings.get_profile("kernels"))


def check(where: Executor, frames: np.ndarray, precision: int, levels: int, color: bool = False) -> None:
    """Transform frames and compare with float64, to half a unit of what is written and float32's rounding."""
    exponents, mantissas = quantization.choose_steps(precision, levels)
    steps = quantization.step_sizes(precision, levels, exponents, mantissas)
    fraction_bits = min(6, 24 - precision)
    planes = where.upload(np.full(frames.size + 64, -77, np.int32))
    source = Source.of(where.upload(frames), precision)
    dwt97.forward(where, source, color, levels, steps, planes, fraction_bits)
    result = where.download(planes)
    assert (result[frames.size :] == -77).all()

    exact = dwt.shifted_planes(frames, precision)
    exact = dwt.decompose(dwt.ict(exact) if color else exact.astype(float), levels, dwt.analyse_97)
    units = dwt.steps_of_places(*frames.shape[1:3], levels, steps) / 2**fraction_bits
    # A dozen roundings to 24 bits each level, of values of at most `precision` bits and a half.
    rounding = 2.0 ** (precision - 24) * 8 * (1 + levels)
    deviation = np.abs(result[: frames.size].reshape(exact.shape) * units - exact)
    assert (deviation <= units / 2 + rounding).all()


@pytest.mark.kernel
@EXAMPLES
@given(rows=st.integers(1, 21), columns=st.integers(1, 21), levels=st.integers(0, 6), seed=st.integers(0, 99))
def test_any_size_is_transformed(where: Executor, rows: int, columns: int, levels: int, seed: int) -> None:
    check(where, noise((2, rows, columns), "i2", 12, seed), 12, levels)


@pytest.mark.kernel
@pytest.mark.parametrize(("dtype", "precision"), CONTAINERS)
@pytest.mark.parametrize(("components", "color"), [(1, False), (3, False), (3, True), (4, True)])
def test_frames_of_every_container_are_transformed(
    where: Executor, dtype: str, precision: int, components: int, color: bool
) -> None:
    frames = noise((2, 5, 6) if components == 1 else (2, 5, 6, components), dtype, precision)
    check(where, frames, precision, 2, color)


@pytest.mark.kernel
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 9), (9, 1), (2, 2), (3, 40)])
def test_a_picture_may_have_fewer_samples_than_levels(where: Executor, rows: int, columns: int) -> None:
    check(where, noise((1, rows, columns), "u1", 8), 8, 10)


@pytest.mark.kernel
@pytest.mark.parametrize("pairs", [1, 2, 3])
def test_groups_of_rows_make_no_difference(where: Executor, monkeypatch: pytest.MonkeyPatch, pairs: int) -> None:
    for rows in (2, 5, 8, 13, 16):
        results = []
        for smallest in (pairs, 1000):
            monkeypatch.setattr(dwt_levels, "MIN_PAIRS", smallest)
            frames = noise((1, rows, 6), "u2", 12, rows)
            planes = where.empty(frames.size, np.int32)
            dwt97.forward(where, Source.of(where.upload(frames), 12), False, 2, np.full(7, 0.5, np.float32), planes)
            results.append(where.download(planes))
        np.testing.assert_array_equal(*results)


@pytest.mark.parametrize(
    "shape", [(1, 300, 77), (3, 129, 64), (20, 33, 65), (1, 70, 260, 3), (1, 1, 4099), (1, 4099, 1)]
)
def test_large_frames_are_transformed(where: Executor, shape: tuple[int, ...]) -> None:
    check(where, noise(shape, "u1", 8), 8, 5, len(shape) == 4)


def test_the_reference_undoes_what_it_did() -> None:
    planes = np.random.default_rng(3).normal(size=(2, 13, 10))
    subbands = dwt.decompose(planes, 3, dwt.analyse_97)
    np.testing.assert_allclose(dwt.reconstruct(subbands, 3, dwt.synthesise_97), planes, atol=1e-12)
