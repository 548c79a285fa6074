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
