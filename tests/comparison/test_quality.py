"""What lossy settings leave of a picture, and the one setting that meets a wish."""

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from gpucodec.comparison.pictures import Picture, from_file
from gpucodec.comparison.quality import Outcome, Setting, outcome, possible, settings_of, similarity, sweep
from gpucodec.comparison.targets import Wish, answer
from gpucodec.dicom.sample_files import sample_file
from gpucodec.errors import ParameterError
from gpucodec.frames import FrameSpec


@pytest.fixture(scope="module")
def ct():
    return from_file(sample_file("CT_small.dcm"), max_frames=5, max_bytes=1 << 30)


def settings(target, option, *values):
    return [Setting(target, option, value) for value in values]


def test_outcomes_are_those_of_scikit_image(ct):
    found = outcome(ct, Setting("j2k-lossy", "j2k_cr", 8))
    low, high = ct.spec.value_range
    assert found.psnr == pytest.approx(peak_signal_noise_ratio(ct.frames[0], found.decoded, data_range=high - low))
    expected = structural_similarity(ct.frames[0], found.decoded, data_range=high - low)
    assert found.ssim == pytest.approx(expected)
    assert found.largest_error == np.abs(ct.frames[0].astype(int) - found.decoded).max()
    assert found.ratio == pytest.approx(8, rel=0.05)
    assert found.bits_per_sample == pytest.approx(ct.frames.itemsize * 8 / found.ratio)


def test_errors_are_told_in_the_units_of_the_modality(ct):
    assert ct.attributes["unit"] == "HU"
    doubled = Picture(ct.name, ct.origin, ct.frames, ct.spec, ct.numbers, attributes={"slope": -2.0})
    found = outcome(doubled, Setting("jpegls-near", "jls_error", 5))
    assert found.largest_error == 5
    assert found.largest_error_in_units == 10.0


def test_a_stronger_setting_is_smaller_and_worse(ct):
    found = list(sweep(ct, settings("jpegls-near", "jls_error", 1, 4, 12)))
    assert [entry.largest_error for entry in found] == [1, 4, 12]
    assert found[0].ratio < found[1].ratio < found[2].ratio
    assert found[0].psnr > found[1].psnr > found[2].psnr
    assert found[0].ssim > found[2].ssim


def test_frames_smaller_than_the_window_have_no_similarity():
    frames = np.zeros((1, 6, 30), np.uint8)
    assert math.isnan(similarity(frames, frames, (0, 255)))


def test_a_palette_is_not_coded_with_losses():
    frames = np.zeros((1, 16, 16), np.uint8)
    picture = Picture("p", "p", frames, FrameSpec(16, 16, photometric_interpretation="PALETTE COLOR"), (0,))
    able, reasons = possible(picture, settings_of(["jpegls-near", "j2k-lossy"]))
    assert able == []
    assert set(reasons) == {"jpegls-near, jls_error", "j2k-lossy, j2k_cr", "j2k-lossy, j2k_psnr"}


def test_unknown_targets_are_refused():
    with pytest.raises(ParameterError, match="jpegls-near, j2k-lossy, htj2k-lossy"):
        settings_of(["rle"])


@pytest.mark.parametrize("wish", [{}, {"psnr": 40.0, "ratio": 3.0}, {"error": -1.0}])
def test_one_wish_at_a_time(wish):
    with pytest.raises(ParameterError):
        Wish(**wish)


def test_the_answer_to_a_largest_error_is_that_error(ct):
    found = list(sweep(ct, settings("jpegls-near", "jls_error", *range(1, 8))))
    best = answer(ct, found, Wish(error=5.0))
    assert best.setting == Setting("jpegls-near", "jls_error", 5)
    assert answer(ct, found, Wish(error=0.5)) is None


def test_the_answer_lies_between_the_settings_of_the_sweep(ct):
    found = list(sweep(ct, settings("j2k-lossy", "j2k_cr", 2, 4, 8, 16)))
    target = (found[1].psnr + found[2].psnr) / 2
    best = answer(ct, found, Wish(psnr=target))
    assert best.psnr >= target
    assert 4 < best.setting.value < 8
    # the next step towards smaller files is already below the target
    assert outcome(ct, Setting("j2k-lossy", "j2k_cr", best.setting.value + 0.3)).psnr < target


def test_the_answer_to_a_ratio_is_the_best_picture_that_small(ct):
    found = list(sweep(ct, [*settings("jpegls-near", "jls_error", 1, 15), *settings("j2k-lossy", "j2k_cr", 4, 10)]))
    best = answer(ct, found, Wish(ratio=4.0))
    assert isinstance(best, Outcome)
    assert best.ratio >= 4.0
    assert best.psnr == max(entry.psnr for entry in [*found, best] if entry.ratio >= 4.0)
