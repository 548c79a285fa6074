"""Names, options and sizes as a caller gives them."""

import pydicom.uid
import pytest

from gpucodec.errors import ParameterError
from gpucodec.frames import FrameSpec
from gpucodec.transcoder.batcher import Batches, parse_size, plan_batches
from gpucodec.transcoder.targets import TARGETS, encode_options, resolve_target, transfer_syntax_name

_PYDICOM = {
    "rle": pydicom.uid.RLELossless,
    "jpegls": pydicom.uid.JPEGLSLossless,
    "jpegls-near": pydicom.uid.JPEGLSNearLossless,
    "j2k": pydicom.uid.JPEG2000Lossless,
    "j2k-lossy": pydicom.uid.JPEG2000,
    "htj2k": pydicom.uid.HTJ2KLossless,
    "htj2k-rpcl": pydicom.uid.HTJ2KLosslessRPCL,
    "htj2k-lossy": pydicom.uid.HTJ2K,
    "explicit": pydicom.uid.ExplicitVRLittleEndian,
}


def test_the_names_stand_for_the_uids_that_pydicom_knows() -> None:
    assert {name: str(uid) for name, uid in _PYDICOM.items()} == TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_a_name_in_any_case_and_a_uid_resolve(name: str) -> None:
    assert resolve_target(name.upper()) == TARGETS[name]
    assert resolve_target(TARGETS[name]) == TARGETS[name]


@pytest.mark.parametrize("wrong", ["jpeg", "", "1.2.840.10008.1.2.4.50", "1.2"])
def test_other_names_and_syntaxes_are_refused_with_what_is_allowed(wrong: str) -> None:
    with pytest.raises(ParameterError, match="allowed are rle, jpegls"):
        resolve_target(wrong)


def test_every_uid_has_a_name() -> None:
    assert transfer_syntax_name("1.2.840.10008.1.2.2") == "Explicit VR Big Endian"
    assert transfer_syntax_name(TARGETS["rle"]) == "RLE Lossless"
    assert transfer_syntax_name("1.2.3") == "1.2.3"


def test_options_that_a_target_needs_must_be_given() -> None:
    with pytest.raises(ParameterError, match="requires a lossy configuration option such as 'j2k_cr' or 'j2k_psnr'"):
        encode_options(TARGETS["j2k-lossy"])
    with pytest.raises(ParameterError, match="requires 'jls_error'"):
        encode_options(TARGETS["jpegls-near"], jls_error=None)
    assert encode_options(TARGETS["jpegls-near"], jls_error=0).jls_error == 0


def test_options_that_do_not_go_with_a_target_are_refused() -> None:
    with pytest.raises(ParameterError, match="did you mean to use 'JPEG-LS Near Lossless'"):
        encode_options(TARGETS["jpegls"], jls_error=2)
    with pytest.raises(ParameterError, match="is not compressed"):
        encode_options(TARGETS["explicit"], j2k_cr=(10.0,))
    with pytest.raises(ParameterError, match="Unknown encoding options"):
        encode_options(TARGETS["j2k"], quality=3)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("64k", 65536), ("512M", 512 << 20), ("1.5 GiB", 3 << 29), ("2GB", 2 << 30), (" 1T ", 1 << 40)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1M", "M", "1X", "1e9", "1 2"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ParameterError, match="size"):
        parse_size(text)


def test_a_batch_fits_in_the_memory_but_is_never_empty() -> None:
    spec = FrameSpec(rows=100, columns=100, bits_allocated=16, bits_stored=16)
    assert plan_batches(spec, 10, 10 * 6 * 20_000) == Batches(10, overlap=False)  # the whole file
    assert plan_batches(spec, 11, 10 * 6 * 20_000) == Batches(3, overlap=True)
    assert plan_batches(spec, 11, 6 * 20_000) == Batches(1, overlap=False)  # three do not fit
    assert plan_batches(spec, 11, 1) == Batches(1, overlap=False)
