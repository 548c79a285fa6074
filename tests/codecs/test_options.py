"""Options against transfer syntaxes, in the words that pydicom's users know."""

import pytest

from gpucodec.codecs.options import DecodeOptions, EncodeOptions
from gpucodec.errors import ParameterError

RLE, NEAR, JPEG_LS = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.80"
J2K_LOSSLESS, J2K, HTJ2K = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.203"


@pytest.mark.parametrize(
    ("uid", "options", "lossy"),
    [
        (RLE, {}, False),
        (JPEG_LS, {"jls_error": 0, "j2k_cr": None}, False),
        (NEAR, {"jls_error": 255}, True),
        (NEAR, {}, False),
        (J2K, {"j2k_cr": [20, 5, 1]}, True),
        (J2K, {"j2k_psnr": (40, 80.5)}, True),
        (J2K, {"j2k_psnr": 40}, True),
        (HTJ2K, {"j2k_cr": [2]}, True),
    ],
)
def test_options_that_go_together(uid: str, options: dict, lossy: bool) -> None:
    assert EncodeOptions.for_transfer_syntax(uid, **options).is_lossy is lossy


@pytest.mark.parametrize(
    ("uid", "options", "words"),
    [
        (
            JPEG_LS,
            {"jls_error": 1},
            "transfer syntax of 'JPEG-LS Lossless' - did you mean to use 'JPEG-LS Near Lossless'",
        ),
        (RLE, {"jls_error": 1}, "did you mean to use 'JPEG-LS Near Lossless'"),
        (NEAR, {"jls_error": 256}, "'jls_error' value of '256' is not allowed"),
        (NEAR, {"jls_error": 1.5}, "'1.5' is not allowed"),
        (NEAR, {"jls_error": True}, "'True' is not allowed"),
        (J2K_LOSSLESS, {"j2k_cr": [2]}, "'JPEG 2000 Lossless' - did you mean to use 'JPEG 2000' instead"),
        (J2K_LOSSLESS, {"j2k_psnr": [2]}, "did you mean to use 'JPEG 2000'"),
        (RLE, {"j2k_cr": [2]}, "A lossy configuration option is being used"),
        (J2K, {}, "requires a lossy configuration option such as 'j2k_cr' or 'j2k_psnr'"),
        (HTJ2K, {}, "The 'HTJ2K' transfer syntax requires a lossy"),
        (J2K, {"j2k_cr": [2], "j2k_psnr": [40]}, "please specify only one"),
        (J2K, {"j2k_cr": [5, 20]}, "strictly decreasing order"),
        (J2K, {"j2k_cr": [5, 5]}, "strictly decreasing order"),
        (J2K, {"j2k_psnr": [80, 40]}, "strictly increasing order"),
        (J2K, {"j2k_cr": [0.5]}, "at least 1"),
        (J2K, {"j2k_psnr": [float("nan")]}, "must be finite"),
        (J2K, {"j2k_cr": "ten"}, "must be a number or several"),
        (J2K, {"j2k_psnr": [40, None]}, "must be a number or several"),
        (J2K, {"j2k_cr": list(range(300, 100, -1))}, "200 quality layers, at most 100"),
        (J2K, {"j2k_ratio": [2]}, r"Unknown encoding options \['j2k_ratio'\]"),
    ],
)
def test_options_that_do_not_are_refused(uid: str, options: dict, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        EncodeOptions.for_transfer_syntax(uid, **options)


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ParameterError, match="max_frame_bytes"):
        DecodeOptions(max_frame_bytes=0)


@pytest.mark.parametrize(
    "options",
    [
        {"reduce": -1},
        {"reduce": 33},
        {"reduce": True},
        {"reduce": 1.0},
        {"layers": -1},
        {"layers": 65536},
        {"region": (0, 0, 1)},
        {"region": (0, 0, 0, 1)},
        {"region": (-1, 0, 1, 1)},
        {"region": (0, 0, 1, 1.5)},
        {"region": 7},
    ],
    ids=str,
)
def test_parts_that_cannot_be_are_refused(options: dict) -> None:
    (name,) = options
    with pytest.raises(ParameterError, match=f"'{name}' of '.*' is not allowed"):
        DecodeOptions(**options)


def test_what_asks_for_a_part() -> None:
    assert not DecodeOptions().is_partial
    assert not DecodeOptions(reduce=0, layers=0, region=None).is_partial
    assert DecodeOptions(reduce=32).is_partial
    assert DecodeOptions(layers=65535).is_partial
    assert DecodeOptions(region=[0, 0, 1, 1]).region == (0, 0, 1, 1)
    assert DecodeOptions(region=[0, 0, 1, 1]).is_partial
