"""FrameSpec and FrameBatch: what an array tells, and what is refused."""

import numpy as np
import pytest

from gpucodec import FrameBatch, FrameSpec
from gpucodec.errors import ParameterError


@pytest.mark.parametrize(
    ("dtype", "shape", "expected"),
    [
        ("u1", (2, 3, 4), FrameSpec(3, 4)),
        ("i2", (1, 5, 6), FrameSpec(5, 6, bits_allocated=16, bits_stored=16, pixel_representation=1)),
        ("u1", (1, 2, 2, 3), FrameSpec(2, 2, samples_per_pixel=3, photometric_interpretation="RGB")),
    ],
)
def test_an_array_tells_its_attributes(dtype: str, shape: tuple[int, ...], expected: FrameSpec) -> None:
    assert FrameSpec.from_array(np.zeros(shape, dtype)) == expected


def test_attributes_can_be_given() -> None:
    spec = FrameSpec.from_array(np.zeros((1, 2, 2), "u2"), bits_stored=12, photometric_interpretation="MONOCHROME1")
    assert (spec.bits_stored, spec.photometric_interpretation) == (12, "MONOCHROME1")


def test_what_follows_from_the_attributes() -> None:
    spec = FrameSpec(3, 5, 3, 16, 12, 1, "RGB")
    assert spec.dtype == np.int16
    assert spec.shape == (3, 5, 3)
    assert (spec.num_samples, spec.num_bytes) == (45, 90)
    assert spec.value_range == (-2048, 2047)
    assert spec.replace(pixel_representation=0).value_range == (0, 4095)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"rows": 0}, r"\(0028,0010\) 'Rows' value of '0' .* 1 to 65535"),
        ({"columns": 65536}, r"\(0028,0011\) 'Columns'"),
        ({"samples_per_pixel": 2}, r"\(0028,0002\) 'Samples per Pixel' .* 1, 3 or 4"),
        ({"bits_allocated": 12}, r"\(0028,0100\) 'Bits Allocated' .* 8, 16, 32 or 64"),
        ({"bits_stored": 9}, r"\(0028,0101\) 'Bits Stored' value of '9' .* which is 8"),
        ({"pixel_representation": 2}, r"\(0028,0103\) 'Pixel Representation' .* 0 or 1"),
        ({"planar_configuration": 2}, r"\(0028,0006\) 'Planar Configuration' .* 0 or 1"),
    ],
)
def test_attributes_out_of_range_are_named_with_tag_value_and_choice(attributes: dict[str, int], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        FrameSpec(**({"rows": 2, "columns": 2} | attributes))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((1, 2, 2), "f4"), "dtype 'float32' is not supported"),
        (np.zeros((2, 2), "u1"), "2D"),
        (np.zeros((1, 0, 2), "u1"), "'Rows' value of '0'"),
    ],
)
def test_arrays_that_hold_no_frames_are_refused(array: np.ndarray, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        FrameSpec.from_array(array)


def test_unknown_attributes_are_refused() -> None:
    with pytest.raises(ParameterError, match="bit_stored"):
        FrameSpec.from_array(np.zeros((1, 2, 2), "u1"), bit_stored=7)


def test_a_batch_must_fit_its_spec() -> None:
    spec = FrameSpec(128, 128, bits_allocated=16, bits_stored=12)
    message = r"Mismatch between the expected ndarray shape \(1, 128, 128\) and the actual shape \(1, 128, 129\)"
    with pytest.raises(ParameterError, match=message):
        FrameBatch(np.zeros((1, 128, 129), "u2"), spec)
    with pytest.raises(ParameterError, match="dtype 'int16' is not consistent"):
        FrameBatch(np.zeros((1, 128, 128), "i2"), spec)
    batch = FrameBatch(np.zeros((3, 128, 128), "u2"), spec)
    assert (len(batch), batch.num_bytes) == (3, 3 * 128 * 128 * 2)
