"""Coding parameters against T.87's tables and words."""

import numpy as np
import pytest
from gpucodec_kernels.jpegls import parameters


@pytest.mark.parametrize(
    ("maximum", "near", "expected"),
    [
        (255, 0, (3, 7, 21)),  # T.87 Table C.3
        (4095, 0, (18, 67, 276)),
        (65535, 0, (18, 67, 276)),
        (1023, 0, (6, 19, 72)),
        (255, 3, (12, 22, 42)),
        (127, 0, (2, 3, 10)),
        (3, 0, (2, 3, 3)),
        (1, 0, (1, 1, 1)),
    ],
)
def test_default_thresholds(maximum: int, near: int, expected: tuple[int, int, int]) -> None:
    if maximum >= 127 or near:
        assert parameters.default_thresholds(maximum, near) == expected
    t1, t2, t3 = parameters.default_thresholds(maximum, near)
    assert near + 1 <= t1 <= t2 <= t3 <= maximum


def test_what_is_derived() -> None:
    values = parameters.scan_parameters(rows=2, columns=3, maximum_sample_value=255, near=3)
    assert values[[parameters.RANGE, parameters.QBPP, parameters.LIMIT]].tolist() == [38, 6, 32]
    assert not parameters.is_lossless(values)
    values = parameters.scan_parameters(rows=2, columns=3, maximum_sample_value=65535)
    assert values[[parameters.RANGE, parameters.QBPP, parameters.LIMIT]].tolist() == [65536, 16, 64]
    assert parameters.is_lossless(values)


def test_the_gradient_table_holds_the_regions() -> None:
    values = parameters.scan_parameters(rows=1, columns=1, maximum_sample_value=255, near=2, thresholds=(4, 8, 16))
    table = parameters.gradient_table(values)
    regions = {g: int(table[g + 255]) for g in (-255, -16, -15, -8, -7, -4, -3, -2, 0, 2, 3, 4, 7, 8, 15, 16, 255)}
    assert list(regions.values()) == [-4, -4, -3, -3, -2, -2, -1, 0, 0, 0, 1, 2, 2, 3, 3, 4, 4]
    assert table.dtype == np.int8


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rows", 0),
        ("columns", 0),
        ("columns", 2**31),
        ("components", 5),
        ("interleave", 3),
        ("maximum_sample_value", 65536),
        ("near", 128),
        ("reset", 2),
        ("thresholds", (5, 4, 20)),
        ("thresholds", (3, 7, 256)),
        ("sample_mask", -1),
    ],
)
def test_what_kernels_cannot_work_with_is_refused(name: str, value: object) -> None:
    given = {"rows": 1, "columns": 1, "components": 3, "interleave": 2, "maximum_sample_value": 255, name: value}
    with pytest.raises(ValueError, match="JPEG-LS"):
        parameters.scan_parameters(**given)  # type: ignore[arg-type]
