"""The comparison of what was read with what was written."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from gpucodec.codecs.options import EncodeOptions
from gpucodec.errors import CodestreamError, VerificationError
from gpucodec.frames import FrameBatch, FrameSpec
from gpucodec.transcoder.verify import Comparison, allowed_error, compare, of_what_was_written


def _batch(frames: np.ndarray, first: int = 0, **attributes: object) -> FrameBatch:
    return FrameBatch(frames, FrameSpec.from_array(frames, **attributes), first)


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 4096, (4, 30, 50), dtype=np.uint16)


def test_equal_frames_have_no_error_and_no_psnr(frames: np.ndarray) -> None:
    found = compare([(_batch(frames), _batch(frames.copy()))], 0)
    assert (found.max_abs_error, found.psnr) == (0, None)


def test_one_sample_of_the_last_frame_is_enough_to_fail(frames: np.ndarray) -> None:
    wrong = frames.copy()
    wrong[3, 29, 49] ^= 1
    with pytest.raises(VerificationError, match=r"Frame 7 .* up to 1"):
        compare([(_batch(frames, 4), _batch(wrong, 4))], 0)


def test_an_error_within_the_allowed_one_is_reported_and_one_above_fails(frames: np.ndarray) -> None:
    near = frames.astype(np.int32) + np.random.default_rng(2).integers(-3, 4, frames.shape)
    near = near.clip(0, 4095).astype(np.uint16)
    found = compare([(_batch(frames), _batch(near))], 3)
    assert found.max_abs_error == 3
    with pytest.raises(VerificationError, match="at most 2 is allowed"):
        compare([(_batch(frames), _batch(near))], 2)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_error_and_psnr_are_those_of_another_tool(dtype: str) -> None:
    rng = np.random.default_rng(3)
    info = np.iinfo(dtype)
    first = rng.integers(info.min, info.max, (3, 40, 40, 3), dtype=dtype, endpoint=True)
    second = np.clip(first.astype(np.int64) + rng.integers(-9, 10, first.shape), info.min, info.max).astype(dtype)
    comparison = Comparison(None)
    comparison.add(_batch(first[:2]), _batch(second[:2]))
    comparison.add(_batch(first[2:], 2), _batch(second[2:], 2))
    expected = peak_signal_noise_ratio(first.astype(float), second.astype(float), data_range=info.max - info.min)
    assert comparison.psnr == pytest.approx(expected)
    assert comparison.max_abs_error == np.abs(first.astype(np.int64) - second.astype(np.int64)).max()


@pytest.mark.parametrize("wrong", ["zeros", "other frame"])
def test_a_lossy_frame_that_does_not_look_like_the_source_fails(wrong: str) -> None:
    ramp = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    other = np.zeros_like(ramp) if wrong == "zeros" else ramp[::-1, ::-1].copy()
    with pytest.raises(VerificationError, match="does not look like"):
        compare([(_batch(ramp[None]), _batch(other[None]))], None)


def test_a_lossy_frame_of_noise_that_became_grey_is_let_through() -> None:
    noise = np.random.default_rng(4).integers(1000, 1009, (1, 64, 64), dtype=np.uint16)
    grey = np.full_like(noise, round(float(noise.mean())))
    assert compare([(_batch(noise), _batch(grey))], None).max_abs_error == 4


def test_other_frames_than_those_that_were_read_fail(frames: np.ndarray) -> None:
    with pytest.raises(VerificationError, match="3 frames from frame 0"):
        compare([(_batch(frames[:2]), _batch(frames[:3]))], 0)
    with pytest.raises(VerificationError, match="2 frames from frame 2"):
        compare([(_batch(frames[:2]), _batch(frames[2:], 2))], 0)


@pytest.mark.parametrize(
    "attributes", [{"bits_stored": 12}, {"photometric_interpretation": "MONOCHROME1"}], ids=["bits", "colour"]
)
def test_equal_samples_that_mean_something_else_fail(frames: np.ndarray, attributes: dict[str, object]) -> None:
    with pytest.raises(VerificationError, match="what was read has"):
        compare([(_batch(frames), _batch(frames, **attributes))], 0)


def test_what_was_written_but_cannot_be_decoded_is_a_failed_verification() -> None:
    with pytest.raises(VerificationError, match="cannot be decoded"), of_what_was_written():
        raise CodestreamError("bad", frame=2)


def test_the_error_allowed_follows_from_the_options() -> None:
    assert allowed_error(EncodeOptions()) == 0
    assert allowed_error(EncodeOptions(jls_error=3)) == 3
    assert allowed_error(EncodeOptions(j2k_cr=(10.0,))) is None
    assert allowed_error(EncodeOptions(j2k_psnr=(40.0,))) is None
