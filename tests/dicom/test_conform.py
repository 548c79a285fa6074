"""conform: a codestream's samples in the container and with the sign of its dataset.

The expected values are pydicom's: its decoder is given a plugin that returns the same samples.
"""

import itertools

import numpy as np
import pytest
from pydicom.pixels.decoders.base import DecodeRunner, _apply_sign_correction, _correct_unused_bits
from pydicom.uid import UID

from gpucodec.codecs.base import DecodeRequest
from gpucodec.dicom.conform import conform, decoded_photometric_interpretation
from gpucodec.errors import CodestreamError
from gpucodec.frames import FrameBatch, FrameSpec

RLE = "1.2.840.10008.1.2.5"
JPEG = "1.2.840.10008.1.2.4.70"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
HTJ2K = "1.2.840.10008.1.2.4.201"


def found_frames(precision, signed, samples=1, **attributes):
    bits = 8 if precision <= 8 else 16 if precision <= 16 else 32
    spec = FrameSpec(6, 7, samples, bits, precision, signed, **attributes)
    low, high = spec.value_range
    rng = np.random.default_rng(precision * 2 + signed)
    frames = rng.integers(low, high, (2, *spec.shape), spec.dtype, endpoint=True)
    frames.flat[:2] = low, high
    return FrameBatch(frames, spec)


def pydicom_result(found, request):
    """Do to the samples what pydicom's decoder does after its plugin has returned them."""
    spec = request.spec
    runner = DecodeRunner(UID(request.transfer_syntax_uid))
    runner.set_options(
        bits_allocated=spec.bits_allocated,
        bits_stored=spec.bits_stored,
        pixel_representation=spec.pixel_representation,
        photometric_interpretation=spec.photometric_interpretation,
        samples_per_pixel=spec.samples_per_pixel,
        j2k_is_signed=bool(found.spec.pixel_representation),
        j2k_precision=found.spec.bits_stored,
        jls_precision=found.spec.bits_stored,
    )
    array = np.empty(found.frames.shape, spec.dtype)
    array[:] = found.frames.view(f"{'ui'[spec.pixel_representation]}{found.frames.itemsize}")
    if runner._test_for("sign_correction"):
        return _apply_sign_correction(array, runner)
    if runner._test_for("shift_correction"):
        return _correct_unused_bits(array, runner)
    return array


FITTING = [(bits, size) for bits in (1, 7, 8, 12, 13, 16, 20) for size in (8, 16, 32) if bits <= size]


@pytest.mark.parametrize("uid", [RLE, JPEG, JPEG_LS, JPEG_2000, HTJ2K])
@pytest.mark.parametrize(("precision", "allocated"), FITTING)
def test_container_sign_and_unused_bits_are_those_that_pydicom_gives(uid, precision, allocated):
    for codestream_signed, dataset_signed, samples in itertools.product((0, 1), (0, 1), (1, 3)):
        colour = "MONOCHROME2" if samples == 1 else "RGB"
        found = found_frames(precision, codestream_signed, samples, photometric_interpretation=colour)
        spec = FrameSpec(6, 7, samples, allocated, precision, dataset_signed, colour)
        request = DecodeRequest(uid, spec, 2)
        expected = pydicom_result(found, request)
        result = conform(found, request)
        assert result.frames.dtype == spec.dtype
        np.testing.assert_array_equal(result.frames, expected)


def test_signed_values_survive_jpeg_ls_which_knows_no_sign():
    values = np.array([[[-2048, -1, 0, 2047]]], "i2")
    found = FrameBatch((values & 4095).astype("u2"), FrameSpec(1, 4, bits_allocated=16, bits_stored=12))
    spec = FrameSpec(1, 4, bits_allocated=16, bits_stored=12, pixel_representation=1)
    np.testing.assert_array_equal(conform(found, DecodeRequest(JPEG_LS, spec, 1)).frames, values)


def test_a_read_only_array_is_not_written_to():
    found = found_frames(12, 0)
    found.frames.setflags(write=False)
    before = found.frames.copy()
    spec = found.spec.replace(pixel_representation=1)
    conform(found, DecodeRequest(JPEG_LS, spec, 2))
    np.testing.assert_array_equal(found.frames, before)


@pytest.mark.parametrize(
    ("encoded", "decoded"),
    [("YBR_RCT", "RGB"), ("YBR_ICT", "RGB"), ("YBR_FULL_422", "YBR_FULL"), ("PALETTE COLOR", "PALETTE COLOR")],
)
def test_the_colour_space_is_the_decoded_one(encoded, decoded):
    assert decoded_photometric_interpretation(encoded) == decoded
    samples = 3 if "YBR" in encoded else 1
    found = found_frames(8, 0, samples, photometric_interpretation=encoded, planar_configuration=samples // 3)
    result = conform(found, DecodeRequest(JPEG_2000, found.spec, 2))
    assert (result.spec.photometric_interpretation, result.spec.planar_configuration) == (decoded, 0)


def test_samples_that_the_dataset_cannot_hold_are_the_codestreams_fault():
    request = DecodeRequest(JPEG_2000, FrameSpec(6, 7), 2, first_frame=40)
    with pytest.raises(CodestreamError, match=r"samples of 12 bits do not fit a \(0028,0100\)") as caught:
        conform(found_frames(12, 0), request)
    assert caught.value.frame == 40


@pytest.mark.parametrize("spec", [FrameSpec(7, 6), FrameSpec(6, 7, 3)])
def test_frames_of_another_size_are_the_codestreams_fault(spec):
    with pytest.raises(CodestreamError, match=r"have the shape \(6, 7\)"):
        conform(found_frames(8, 0), DecodeRequest(JPEG_2000, spec, 2))
