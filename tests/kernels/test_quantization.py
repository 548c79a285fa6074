"""Quantisation against NumPy; step sizes against what OpenJPEG writes; norms against the wavelets themselves."""

import numpy as np
import pytest
from gpucodec_kernels import quantization
from gpucodec_kernels.quantization import quantize_line
from gpucodec_kernels.target import kernel
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import float32, uint64
from openjpeg.utils import encode_array

from gpucodec.backends import Executor
from tests.reference import dwt

EXAMPLES = settings(settings.get_profile("kernels"))


@kernel("float32[::1], uint64, float32, float32, int32[::1]")
def quantize_some(index, lines, length, factor, step, planes):
    """Quantise `length` values for each index."""
    at = uint64(uint64(index) * length)
    quantize_line(lines, at, length, factor, step, planes, at)


@pytest.mark.kernel
@EXAMPLES
@given(
    values=st.lists(st.floats(-(2.0**20), 2.0**20, width=32), min_size=1, max_size=40),
    step=st.sampled_from([2.0**-6, 0.5, 0.7, 1.0, 3.0]),
)
def test_values_become_the_nearest_multiples_of_the_step(where: Executor, values: list[float], step: float) -> None:
    lines = np.array(values, np.float32)
    planes = where.empty(lines.size, np.int32)
    where.launch(quantize_some, 1, where.upload(lines), lines.size, 1, step, planes)
    expected = np.rint(lines / np.float32(step)).astype(np.int64)
    np.testing.assert_array_equal(where.download(planes), expected)


@pytest.mark.kernel
def test_halves_go_to_the_even_neighbour_and_what_is_too_large_to_the_limit(where: Executor) -> None:
    lines = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 2.0**31, -(2.0**40), 3.0e38], np.float32)
    planes = where.empty(lines.size, np.int32)
    where.launch(quantize_some, 1, where.upload(lines), lines.size, float32(1), float32(1), planes)
    limit = 2**31 - 128
    assert where.download(planes).tolist() == [0, 2, 2, 0, -2, limit, -limit, limit]


@pytest.mark.parametrize(("precision", "dtype"), [(8, np.uint8), (12, np.uint16), (16, np.uint16)])
def test_step_sizes_are_those_that_openjpeg_writes(precision: int, dtype: type) -> None:
    frame = np.random.default_rng(1).integers(0, 1 << precision, (64, 64), dtype)
    codestream = encode_array(frame, bits_stored=precision, compression_ratios=[4])
    quantisation = codestream.index(b"\xff\x5c")
    length = int.from_bytes(codestream[quantisation + 2 : quantisation + 4])
    assert codestream[quantisation + 4] == 0x42  # scalar expounded, two guard bits
    written = np.frombuffer(codestream[quantisation + 5 : quantisation + 2 + length], ">u2")
    exponents, mantissas = quantization.choose_steps(precision, 5)
    assert [(exponent << 11) | mantissa for exponent, mantissa in zip(exponents, mantissas, strict=True)] == list(
        written
    )


@pytest.mark.parametrize("levels", [0, 1, 5])
def test_there_is_a_step_for_each_subband(levels: int) -> None:
    exponents, mantissas = quantization.choose_steps(12, levels)
    steps = quantization.step_sizes(12, levels, exponents, mantissas)
    assert len(steps) == len(quantization.subbands(levels)) == 3 * levels + 1
    for (orientation, level), step in zip(quantization.subbands(levels), steps, strict=True):
        norm = quantization.norm(quantization.NORMS_97, orientation, level)
        gain = 2 ** quantization.GAINS[orientation]
        # Steps are in units of 2**-13 and have eleven bits of mantissa.
        assert step / gain * norm == pytest.approx(1, rel=2**-11 + norm * 2**-13)


def test_the_deepest_levels_have_the_smallest_step_there_is() -> None:
    exponents, mantissas = quantization.choose_steps(12, 32)
    assert quantization.step_sizes(12, 32, exponents, mantissas)[0] == 2.0**-13
    assert max(exponents) < 32  # five bits in QCD
    assert max(mantissas) < 2048


def basis_norm(orientation: int, level: int, synthesise: dwt.Synthesis) -> float:
    """Return the L2 norm of what one coefficient in the middle of a subband stands for."""
    size = 16 * 2**level
    half = size >> level
    subbands = np.zeros((size, size))
    row, column = (half // 2 + (half if orientation & 2 else 0)), (half // 2 + (half if orientation & 1 else 0))
    # Rounding of the 5/3 wavelet is lost beside so large a coefficient.
    subbands[row, column] = 2.0**24
    return float(np.sqrt((dwt.reconstruct(subbands, level, synthesise).astype(float) ** 2).sum()) / 2**24)


@pytest.mark.parametrize("orientation", [0, 1, 2, 3])
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_norms_are_those_of_the_wavelets(orientation: int, level: int) -> None:
    of_53 = basis_norm(orientation, level, dwt.synthesise_53)
    of_97 = basis_norm(orientation, level, dwt.synthesise_97) * 2 ** quantization.GAINS[orientation]
    assert quantization.norm(quantization.NORMS_53, orientation, level) == pytest.approx(of_53, rel=0.02)
    assert quantization.norm(quantization.NORMS_97, orientation, level) == pytest.approx(of_97, rel=0.05)


def test_norms_beyond_the_table_double() -> None:
    for table in (quantization.NORMS_53, quantization.NORMS_97):
        for orientation in range(4):
            last = quantization.norm(table, orientation, 9)
            assert quantization.norm(table, orientation, 11) == pytest.approx(4 * last, rel=0.01)
