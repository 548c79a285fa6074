import itertools

import numpy as np
import pytest
from pydicom.pixels.encoders.base import ENCODING_PROFILES
from pydicom.uid import JPEG2000, JPEG2000Lossless, JPEGLSLossless, JPEGLSNearLossless, RLELossless

from gpucodec.codecs.formats import FORMATS
from gpucodec.codecs.options import EncodeOptions
from gpucodec.dicom.profiles import (
    PROFILES,
    encoded_photometric_interpretation,
    storable_transfer_syntaxes,
    validate_profile,
    validate_values,
)
from gpucodec.errors import ParameterError, UnsupportedError
from gpucodec.frames import FrameSpec

HTJ2K = {
    "1.2.840.10008.1.2.4.201": "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.202": "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.203": "1.2.840.10008.1.2.4.91",
}
INTERPRETATIONS = [
    "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT", "ARGB",
]  # fmt: skip


def allowed_by_pydicom(uid, spec):
    return any(
        spec.photometric_interpretation == name
        and spec.samples_per_pixel == samples
        and spec.pixel_representation in signs
        and spec.bits_allocated in allocated
        and spec.bits_stored in stored
        for name, samples, signs, allocated, stored in ENCODING_PROFILES[uid]
    )


def is_allowed(uid, spec):
    try:
        validate_profile(uid, spec)
    except ParameterError:
        return False
    return True


@pytest.mark.parametrize("uid", sorted(FORMATS))
def test_every_combination_is_judged_as_pydicom_judges_it(uid):
    peer = HTJ2K.get(uid, uid)  # pydicom encodes no HTJ2K, whose table has the rows of JPEG 2000's
    stored = {8: (1, 2, 7, 8), 16: (1, 2, 8, 9, 12, 15, 16), 32: (16, 17, 32), 64: (38, 39, 64)}
    for name, samples, sign, allocated in itertools.product(INTERPRETATIONS, (1, 3), (0, 1), stored):
        for bits in stored[allocated]:
            spec = FrameSpec(4, 4, samples, allocated, bits, sign, name)
            assert is_allowed(uid, spec) == allowed_by_pydicom(peer, spec), spec


def test_every_format_has_its_table():
    assert set(PROFILES) == set(FORMATS)


def test_refusal_lists_the_values_and_says_which_one_is_wrong():
    spec = FrameSpec(4, 4, bits_allocated=16, bits_stored=1)
    with pytest.raises(ParameterError) as caught:
        validate_profile(JPEGLSLossless, spec)
    lines = str(caught.value).splitlines()
    assert lines[0] == (
        "One or more of the following values is not valid for pixel data encoded with 'JPEG-LS Lossless':"
    )
    assert "  (0028,0101) Bits Stored: 1" in lines
    assert "  (0028,0004) Photometric Interpretation: MONOCHROME2" in lines
    assert (
        "A (0028,0101) 'Bits Stored' value of '1' is not allowed with (0028,0004) 'Photometric Interpretation' "
        "'MONOCHROME2', must be one of: 2 to 16"
    ) in lines
    assert sum(line.startswith("A (0028") for line in lines) == 1
    assert lines[-1] == "See Part 5, Section 8.2 of the DICOM Standard for more information"


def test_refusal_of_a_colour_space_names_those_allowed():
    spec = FrameSpec(4, 4, 3, photometric_interpretation="YBR_ICT")
    with pytest.raises(ParameterError, match=r"'YBR_ICT' is not allowed, must be one of: .*RGB.*YBR_RCT"):
        validate_profile(JPEG2000Lossless, spec)


def test_unknown_transfer_syntax_is_unsupported():
    with pytest.raises(UnsupportedError, match=r"1\.2\.840\.10008\.1\.2\.1"):
        validate_profile("1.2.840.10008.1.2.1", FrameSpec(4, 4))


@pytest.mark.parametrize(
    ("bits", "sign", "value", "range_"),
    [(12, 0, 4096, "(0, 4095)"), (12, 1, 2048, "(-2048, 2047)"), (12, 1, -2049, "(-2048, 2047)")],
)
def test_values_outside_bits_stored_are_refused_in_the_words_of_pydicom(bits, sign, value, range_):
    spec = FrameSpec(2, 2, bits_allocated=16, bits_stored=bits, pixel_representation=sign)
    frames = np.zeros((3, 2, 2), spec.dtype)
    validate_values(frames, spec, RLELossless)
    frames[2, 1, 1] = value
    with pytest.raises(ParameterError) as caught:
        validate_values(frames, spec, RLELossless)
    assert str(caught.value).startswith(
        f"The ndarray contains values that are outside the allowable range of {range_} for a (0028,0101) 'Bits "
        f"Stored' value of '{bits}'"
    )


@pytest.mark.parametrize("value", [2046, -2047])
def test_signed_near_lossless_keeps_its_distance_from_the_edges(value):
    spec = FrameSpec(2, 2, bits_allocated=16, bits_stored=12, pixel_representation=1)
    frames = np.full((1, 2, 2), value, "i2")
    options = EncodeOptions(jls_error=2)
    with pytest.raises(ParameterError) as caught:
        validate_values(frames, spec, JPEGLSNearLossless, options)
    assert str(caught.value).startswith(
        "The supported range of pixel values when performing lossy JPEG-LS encoding of signed integers with a "
        "(0028,0103) 'Bits Stored' value of '12' and a 'jls_error' of '2' is (-2046, 2045)"
    )
    validate_values(frames, spec, JPEGLSNearLossless, EncodeOptions(jls_error=1))
    validate_values(frames, spec, JPEGLSLossless, options)
    validate_values(frames.view("u2") & 2047, spec.replace(pixel_representation=0), JPEGLSNearLossless, options)


def test_signed_near_lossless_rule_holds_for_full_containers_too():
    spec = FrameSpec(1, 1, pixel_representation=1)
    with pytest.raises(ParameterError, match=r"\(-127, 126\)"):
        validate_values(np.full((1, 1, 1), 127, "i1"), spec, JPEGLSNearLossless, EncodeOptions(jls_error=1))


def test_no_frames_have_no_values():
    validate_values(np.zeros((0, 2, 2), "u2"), FrameSpec(2, 2, bits_allocated=16, bits_stored=12), RLELossless)


@pytest.mark.parametrize(
    ("uid", "name", "sign", "expected"),
    [
        (JPEG2000Lossless, "RGB", 0, "YBR_RCT"),
        (JPEG2000, "RGB", 0, "YBR_ICT"),
        ("1.2.840.10008.1.2.4.201", "RGB", 0, "YBR_RCT"),
        ("1.2.840.10008.1.2.4.202", "RGB", 0, "YBR_RCT"),
        ("1.2.840.10008.1.2.4.203", "RGB", 0, "YBR_ICT"),
        (JPEG2000Lossless, "RGB", 1, "RGB"),
        (JPEG2000Lossless, "YBR_FULL", 0, "YBR_FULL"),
        (RLELossless, "YBR_FULL_422", 0, "YBR_FULL"),
        (JPEGLSLossless, "RGB", 0, "RGB"),
    ],
)
def test_colour_transform_follows_the_transfer_syntax(uid, name, sign, expected):
    spec = FrameSpec(4, 4, 3, pixel_representation=sign, photometric_interpretation=name)
    assert encoded_photometric_interpretation(uid, spec) == expected


def test_storable_transfer_syntaxes():
    wide = set(storable_transfer_syntaxes(FrameSpec(4, 4, bits_allocated=32, bits_stored=32)))
    assert wide == {JPEG2000Lossless, JPEG2000, *HTJ2K}
    palette = FrameSpec(4, 4, photometric_interpretation="PALETTE COLOR")
    assert JPEGLSNearLossless not in storable_transfer_syntaxes(palette)
    assert {RLELossless, JPEGLSLossless, JPEG2000Lossless} < set(storable_transfer_syntaxes(palette))
    assert storable_transfer_syntaxes(FrameSpec(4, 4, 4, photometric_interpretation="ARGB")) == ()
