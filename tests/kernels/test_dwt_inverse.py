"""The inverse wavelets against the equations of Annex F in NumPy, at any origin and of any size."""

import itertools

import numpy as np
import pytest
from gpucodec_kernels import dwt53, dwt53_inverse, dwt97, dwt_inverse, quantization
from gpucodec_kernels.component_transform import Source
from gpucodec_kernels.dwt_inverse import Inverse, mallat_tables
from hypothesis import given, settings
from hypothesis import strategies as st

from gpucodec.backends import Executor
from tests.reference import dwt
from tests.reference.frames import CONTAINERS, noise
from tests.reference.subbands import Subbands, Window

EXAMPLES = settings(settings.get_profile("kernels"))
LIMITS = {"shift": 100, "low": 0, "high": 65535}
GUARD = 173


def reconstruct(where: Executor, subbands: Subbands, size: int, dtype: str = "u2", frames: int = 2) -> np.ndarray:
    """Return the samples of equal frames; what lies between and behind them must stay."""
    coefficients = np.concatenate([subbands.coefficients, np.full(5, 1 << 20, np.int32)])
    output = where.upload(np.full(frames * (size + 7), GUARD, dtype))
    inverse = Inverse(subbands.tables)
    inverse(where, frames, where.upload(np.tile(coefficients, frames)), coefficients.size, output, size + 7)
    result = where.download(output).reshape(frames, size + 7)
    assert (result[:, size:] == GUARD).all()
    assert (result == result[0]).all()
    return result[0, :size]


def agree(reversible: bool, found: np.ndarray, planes: np.ndarray, shift: int, low: int, high: int) -> None:
    """Compare samples with exact values: equal, or rounded to one that is as near as float32 tells."""
    assert found.shape == planes.shape
    if reversible:
        np.testing.assert_array_equal(found, np.clip(planes + shift, low, high))
    else:
        np.testing.assert_allclose(found, np.clip(planes + shift, low, high), rtol=0, atol=0.5 + 2.0**-6)


def one_plane(where: Executor, reversible: bool, window: Window, levels: int, seed: int) -> None:
    subbands = Subbands(reversible, np.random.default_rng(seed))
    plane = subbands.add(window, levels)
    rows, columns = plane.shape
    subbands.keep(0, 1, window, (0, columns, 1, 0), **LIMITS)
    found = reconstruct(where, subbands, plane.size).reshape(rows, columns)
    agree(reversible, found, plane, **LIMITS)


@pytest.mark.kernel
@pytest.mark.parametrize("reversible", [True, False])
@EXAMPLES
@given(
    top=st.integers(0, 9),
    left=st.integers(0, 9),
    rows=st.integers(1, 21),
    columns=st.integers(1, 21),
    levels=st.integers(0, 6),
    seed=st.integers(0, 99),
)
def test_any_window_is_reconstructed(
    where: Executor, reversible: bool, top: int, left: int, rows: int, columns: int, levels: int, seed: int
) -> None:
    one_plane(where, reversible, (top, top + rows, left, left + columns), levels, seed)


@pytest.mark.kernel
@pytest.mark.parametrize("reversible", [True, False])
@pytest.mark.parametrize("top", [0, 1])
@pytest.mark.parametrize("left", [0, 1])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 2), (2, 1), (1, 5), (5, 1), (2, 2), (3, 2)])
def test_single_rows_and_columns_at_odd_places_are_halved(
    where: Executor, reversible: bool, top: int, left: int, rows: int, columns: int
) -> None:
    one_plane(where, reversible, (top, top + rows, left, left + columns), 1, 5)


@pytest.mark.parametrize("reversible", [True, False])
@pytest.mark.parametrize("window", [(3, 203, 1, 2701), (0, 131, 0, 2048), (7, 8, 5, 4104), (6, 4105, 3, 4)])
def test_large_windows_are_cut_into_rectangles(where: Executor, reversible: bool, window: Window) -> None:
    one_plane(where, reversible, window, 3, 1)


@pytest.mark.kernel
@pytest.mark.parametrize("reversible", [True, False])
@pytest.mark.parametrize("origin", [(0, 0), (1, 1), (2, 3)])
def test_rectangles_make_no_difference(
    where: Executor, monkeypatch: pytest.MonkeyPatch, reversible: bool, origin: tuple[int, int]
) -> None:
    monkeypatch.setattr(dwt_inverse, "_MIN_ROWS", 2)
    monkeypatch.setattr(dwt_inverse, "_STRIP", 32)
    top, left = origin
    for rows, columns in ((9, 33), (6, 70), (17, 31)):
        one_plane(where, reversible, (top, top + rows, left, left + columns), 2, rows)


@pytest.mark.kernel
@pytest.mark.parametrize("reversible", [True, False])
@pytest.mark.parametrize("levels", [0, 2])
@pytest.mark.parametrize("keep", [(4, 9, 3, 10), (3, 4, 9, 10), (2, 12, 4, 5)])
def test_a_part_of_a_window_is_stored(where: Executor, reversible: bool, levels: int, keep: Window) -> None:
    window = (2, 13, 3, 18)
    subbands = Subbands(reversible, np.random.default_rng(4))
    plane = subbands.add(window, levels)[keep[0] - window[0] : keep[1] - window[0], keep[2] - window[2] :]
    plane = plane[:, : keep[3] - keep[2]]
    subbands.keep(0, 1, keep, (0, plane.shape[1], 1, 0), **LIMITS)
    agree(reversible, reconstruct(where, subbands, plane.size).reshape(plane.shape), plane, **LIMITS)


@pytest.mark.kernel
@pytest.mark.parametrize("reversible", [True, False])
@pytest.mark.parametrize("levels", [(2, 2, 2), (0, 0, 0), (2, 1, 2), (0, 2, 1)])
@pytest.mark.parametrize("planar", [False, True])
def test_three_components_become_colours(
    where: Executor, reversible: bool, levels: tuple[int, int, int], planar: bool
) -> None:
    window, rows, columns = (1, 8, 2, 11), 7, 9
    subbands = Subbands(reversible, np.random.default_rng(8))
    planes = np.stack([subbands.add(window, level) for level in (*levels, 1)])[None]
    pixels, apart = (1, rows * columns) if planar else (4, 1)
    subbands.keep(0, 3, window, (0, columns * pixels, pixels, apart), **LIMITS)
    subbands.keep(3, 1, window, (3 * apart, columns * pixels, pixels, 0), **LIMITS)
    found = reconstruct(where, subbands, planes.size)
    found = found.reshape(4, rows, columns) if planar else np.moveaxis(found.reshape(rows, columns, 4), -1, 0)
    agree(reversible, found, (dwt.undo_rct if reversible else dwt.undo_ict)(planes)[0], **LIMITS)


@pytest.mark.kernel
def test_tiles_and_transforms_may_differ(where: Executor) -> None:
    # Two tiles beside each other, of which one is reversible, with levels of their own.
    first = Subbands(True, np.random.default_rng(1))
    left = first.add((0, 6, 0, 5), 3)
    first.reversible = False
    right = first.add((0, 6, 5, 12), 1)
    first.keep(0, 1, (0, 6, 0, 5), (0, 12, 1, 0), **LIMITS)
    first.keep(1, 1, (0, 6, 5, 12), (5, 12, 1, 0), **LIMITS)
    found = reconstruct(where, first, 72).reshape(6, 12)
    agree(True, found[:, :5], left, **LIMITS)
    agree(False, found[:, 5:], right, **LIMITS)


@pytest.mark.kernel
@pytest.mark.parametrize("reversible", [True, False])
@pytest.mark.parametrize(("dtype", "precision"), CONTAINERS)
@pytest.mark.parametrize("levels", [0, 1])
def test_samples_are_clamped_and_stored(
    where: Executor, reversible: bool, dtype: str, precision: int, levels: int
) -> None:
    is_signed = dtype[0] == "i"
    low, high = (-(1 << (precision - 1)), (1 << (precision - 1)) - 1) if is_signed else (0, (1 << precision) - 1)
    limits = {"shift": 0 if is_signed else 1 << (precision - 1), "low": low, "high": high}
    subbands = Subbands(reversible, np.random.default_rng(2), reach=2 << precision)
    plane = subbands.add((1, 6, 0, 7), levels)
    subbands.keep(0, 1, (1, 6, 0, 7), (0, 7, 1, 0), **limits)
    found = reconstruct(where, subbands, plane.size, f"u{dtype[1]}").view(dtype).reshape(plane.shape)
    if precision > 16 and not reversible:  # float32 has no more than 24 bits to offer
        np.testing.assert_allclose(found, np.clip(plane + limits["shift"], low, high), atol=4)
    else:
        agree(reversible, found.astype(np.int64), plane, **limits)


@pytest.mark.kernel
@pytest.mark.parametrize("reversible", [True, False])
def test_windows_with_a_margin_give_the_samples_of_the_whole(where: Executor, reversible: bool) -> None:
    whole, keep = (1, 40, 3, 45), (17, 23, 18, 30)
    subbands = Subbands(reversible, np.random.default_rng(6))
    plane = subbands.add(whole, 2)[keep[0] - whole[0] : keep[1] - whole[0], keep[2] - whole[2] : keep[3] - whole[2]]
    parts, wanted = {}, keep
    for turn in (1, 2):
        parts[turn] = grown = (wanted[0] - 4, wanted[1] + 4, wanted[2] - 4, wanted[3] + 4)
        wanted = (grown[0] // 2, (grown[1] + 1) // 2, grown[2] // 2, (grown[3] + 1) // 2)
    subbands.jobs = [narrowed(job, parts[job[1]]) for job in subbands.jobs]
    subbands.keep(0, 1, keep, (0, keep[3] - keep[2], 1, 0), **LIMITS)
    agree(reversible, reconstruct(where, subbands, plane.size).reshape(plane.shape), plane, **LIMITS)


def narrowed(job: tuple, to: Window) -> tuple:
    """Return a job that makes a smaller window."""
    chain, turn, top, _, left, _, *places = job
    for number, (high_rows, high_columns) in enumerate(((0, 1), (1, 0), (1, 1))):
        down = (to[0] + 1 - high_rows) // 2 - (top + 1 - high_rows) // 2
        across = (to[2] + 1 - high_columns) // 2 - (left + 1 - high_columns) // 2
        places[2 * number] += down * places[2 * number + 1] + across
    return (chain, turn, *to, *places)


@pytest.mark.kernel
@pytest.mark.parametrize("shape", [(2, 1, 1), (1, 9, 14), (2, 5, 6, 3), (1, 4, 5, 4)])
@pytest.mark.parametrize("levels", [0, 2, 9])
def test_what_the_forward_transforms_did_is_undone(where: Executor, shape: tuple[int, ...], levels: int) -> None:
    frames, color = noise(shape, "u1", 8), len(shape) == 4
    source = Source.of(where.upload(frames), 8)
    steps = quantization.step_sizes(8, levels, *quantization.choose_steps(8, levels)) / 16
    size, components = frames[0].size, shape[3] if color else 1
    for given_steps in (None, steps):
        planes, output = where.empty(frames.size, np.int32), where.empty(frames.size, np.uint8)
        if given_steps is None:
            dwt53.forward(where, source, color, levels, planes)
        else:
            dwt97.forward(where, source, color, levels, steps, planes, 0)
        tables = mallat_tables(
            *shape[1:3], components, levels, steps=given_steps, color=color, shift=128, low=0, high=255
        )
        Inverse(tables)(where, len(frames), planes, size, output, size)
        np.testing.assert_array_equal(where.download(output).reshape(shape), frames)


def test_windows_that_do_not_fit_are_refused() -> None:
    subbands = Subbands(True, np.random.default_rng(0))
    subbands.add((0, 8, 0, 8), 1)
    subbands.keep(0, 1, (0, 9, 0, 8), (0, 8, 1, 0), **LIMITS)
    with pytest.raises(ValueError, match="not a part of"):
        Inverse(subbands.tables)
    subbands.stores.clear()
    subbands.chains[0] = (1, 0, 4, 1, 4, 0, 4, 1.0)  # LL without its first row
    with pytest.raises(ValueError, match="not a part of"):
        Inverse(subbands.tables)


def test_turns_must_follow_each_other() -> None:
    subbands = Subbands(True, np.random.default_rng(0))
    subbands.add((0, 8, 0, 8), 1)
    subbands.jobs[0] = (0, 2, *subbands.jobs[0][2:])
    with pytest.raises(ValueError, match="without gaps"):
        Inverse(subbands.tables)


@pytest.mark.filterwarnings("error")
def test_lifting_of_what_no_encoder_writes_wraps_around():
    """Damaged codestreams hold anything; sums of 32 bits are taken modulo 2**32, and nothing warns of it."""
    extremes = [np.int32(value) for value in (-(2**31), -(2**31) + 1, -3, 0, 2**31 - 2, 2**31 - 1)]
    for value, left, right in itertools.product(extremes, repeat=3):
        whole = [int(number) for number in (value, left, right)]
        low, high = dwt53_inverse.low_pass(value, left, right), dwt53_inverse.high_pass(value, left, right)
        assert low == wrapped(whole[0] - (wrapped(whole[1] + whole[2] + 2) >> 2))
        assert high == wrapped(whole[0] + (wrapped(whole[1] + whole[2]) >> 1))
        assert dwt53_inverse.halved(value) == wrapped(whole[0] + (whole[0] < 0)) >> 1


def wrapped(value):
    return (value + 2**31) % 2**32 - 2**31
