"""Tiles of colour frames, thread by thread: one launch reads them, one writes them, with the colour transform in it."""

import numpy as np
import pytest
from gpucodec_kernels import dwt53, dwt97
from gpucodec_kernels.component_transform import Source
from gpucodec_kernels.dwt_inverse import Inverse, mallat_tables

from gpucodec.backends import executor
from tests.kernels.blocks import BlockExecutor
from tests.reference.frames import noise


def planar(source: Source) -> Source:
    """Return the same frames plane by plane."""
    rows, columns, components = source.rows, source.columns, source.components
    pixels = source.samples.reshape(source.num_frames, rows * columns, components)
    samples = np.ascontiguousarray(pixels.transpose(0, 2, 1)).reshape(-1)
    strides = (rows * columns * components, columns, 1, rows * columns)
    return Source(samples, source.num_frames, rows, columns, components, source.is_signed, source.precision, *strides)


@pytest.mark.parametrize(
    ("reversible", "dtype", "precision", "by_plane", "schedule"),
    [
        (True, "u1", 8, False, "backwards"),
        (True, "i2", 12, True, "shuffled"),
        (True, "u4", 24, False, "forwards"),
        (False, "i1", 8, True, "backwards"),
        (False, "u2", 16, False, "shuffled"),
    ],
)
def test_frames_are_read_by_the_launch_that_filters_them(
    reversible: bool, dtype: str, precision: int, by_plane: bool, schedule: str
) -> None:
    frames = noise((1, 5, 6, 3), dtype, precision)
    source = Source.of(frames, precision)
    if by_plane:
        source = planar(source)
    results = []
    for where in (executor("cpu"), blocks := BlockExecutor(schedule)):
        planes = np.full(frames.size, -9, np.int32)
        if reversible:
            dwt53.forward(where, source, True, 1, planes)
        else:
            dwt97.forward(where, source, True, 1, np.full(4, 0.37, np.float32), planes, 2)
        results.append(planes)
    assert len(blocks.launched) == 1
    # Compilers may round a multiplication and an addition as one.
    np.testing.assert_allclose(results[1], results[0], atol=0 if reversible else 1)


@pytest.mark.parametrize(
    ("reversible", "width", "limits", "schedule"),
    [
        (True, 1, (128, 0, 255), "shuffled"),
        (True, 2, (0, -2048, 2047), "backwards"),
        (False, 2, (2048, 0, 4095), "forwards"),
        (False, 4, (1 << 19, 0, (1 << 20) - 1), "shuffled"),
    ],
)
def test_frames_are_written_by_the_launch_that_reconstructs_them(
    reversible: bool, width: int, limits: tuple, schedule: str
) -> None:
    rows, columns, steps = 5, 6, None if reversible else [0.5, 0.25, 0.25, 0.125]
    limits_of = dict(zip(("shift", "low", "high"), limits, strict=True))
    tables = mallat_tables(rows, columns, 3, 1, steps=steps, color=True, **limits_of)
    coefficients = np.random.default_rng(3).integers(-400, 400, 3 * rows * columns, np.int32)
    inverse, results = Inverse(tables), []
    for where in (executor("cpu"), blocks := BlockExecutor(schedule)):
        output = np.full(3 * rows * columns + 5, 77, f"u{width}")
        inverse(where, 1, coefficients, coefficients.size, output, output.size)
        results.append(output.view(f"i{width}" if limits[1] < 0 else f"u{width}").astype(np.int64))
    assert blocks.launched == ["load_low", "_tile_53" if reversible else "_tile_97"]
    np.testing.assert_allclose(results[1], results[0], atol=0 if reversible else 1)
