"""Real files to every target, read back by pydicom's own plugins."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import get_decoder
from skimage.metrics import peak_signal_noise_ratio

import gpucodec
from gpucodec.errors import ParameterError
from gpucodec.transcoder.report import FileReport, Report
from gpucodec.transcoder.settings import Listener
from gpucodec.transcoder.targets import TARGETS

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR UI")

SOURCES = (
    "CT_small.dcm",  # signed
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "image_dfl.dcm",  # deflated
    "examples_rgb_color.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
    "SC_rgb_rle_16bit_2frame.dcm",
    "SC_rgb_jpeg_gdcm.dcm",  # JPEG Lossless
    "SC_rgb_jpeg_dcmtk.dcm",  # JPEG Baseline
    "MR_small_jpeg_ls_lossless.dcm",
    "examples_jpeg2k.dcm",  # with a colour transform
    "examples_overlay.dcm",  # 12 of 16 bits
)
# Target -> its options, and the plugin of pydicom's that reads it without us.
RUNS = {
    "rle": ({}, "pydicom"),
    "jpegls": ({}, "pyjpegls"),
    "jpegls-near": ({"jls_error": 2}, "pyjpegls"),
    "j2k": ({}, "pylibjpeg"),
    "j2k-lossy": ({"j2k_cr": [20, 8]}, "pylibjpeg"),
    "htj2k": ({}, "pylibjpeg"),
    "htj2k-rpcl": ({}, "pylibjpeg"),
    "htj2k-lossy": ({"j2k_cr": [8]}, "pylibjpeg"),
    "explicit": ({}, ""),
}
_Read = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, copy_real: Callable[..., Path]) -> Path:
    return copy_real(tmp_path_factory.mktemp("in"), *SOURCES)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, source: Path) -> dict[str, tuple[Path, Report]]:
    done = {}
    for target, (options, _) in RUNS.items():
        folder = tmp_path_factory.mktemp("out") / target
        done[target] = folder, gpucodec.transcode(source, folder, target, **options)
    return done


@pytest.mark.parametrize("target", RUNS)
def test_every_file_is_done_and_verified_and_nothing_else_is_there(
    runs: dict[str, tuple[Path, Report]], target: str
) -> None:
    folder, report = runs[target]
    assert [(file.error, file.status, file.verified) for file in report.files] == [("", "done", True)] * len(SOURCES)
    assert sorted(path.name for path in folder.iterdir()) == sorted(SOURCES)
    assert {file.to_uid for file in report.files} == {TARGETS[target]}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("target", RUNS)
def test_pydicom_reads_what_was_written(
    runs: dict[str, tuple[Path, Report]], source: Path, read_pixels: _Read, target: str, name: str
) -> None:
    folder, report = runs[target]
    file = next(file for file in report.files if Path(file.source).name == name)
    options, plugin = RUNS[target]
    expected, actual = read_pixels(source / name), read_pixels(folder / name, plugin)
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    largest = int(np.abs(actual.astype(np.int64) - expected).max())
    if target.endswith("-lossy"):
        # Decoders of the 9/7 wavelet may differ by one in a sample, T.803.
        peak = 2 ** pydicom.dcmread(folder / name).BitsStored - 1
        error, reported = (peak / 10 ** (psnr / 20) for psnr in (_psnr(expected, actual, peak), file.psnr))
        assert abs(file.max_abs_error - largest) <= 1
        assert reported == pytest.approx(error, rel=0.01, abs=0.6)
        return
    assert largest == file.max_abs_error
    if target == "jpegls-near":
        assert 0 < largest <= options["jls_error"]
    else:
        assert largest == 0


def _psnr(expected: np.ndarray, actual: np.ndarray, peak: int) -> float:
    return float(peak_signal_noise_ratio(expected.astype(float), actual.astype(float), data_range=peak))


_MAY_CHANGE = {
    "LossyImageCompression",
    "LossyImageCompressionMethod",
    "LossyImageCompressionRatio",
    "PhotometricInterpretation",
    "PixelData",
    "PlanarConfiguration",
    "SOPInstanceUID",
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("target", ["rle", "explicit"])
def test_everything_but_the_pixel_data_is_what_it_was(
    runs: dict[str, tuple[Path, Report]], source: Path, target: str, name: str
) -> None:
    before, after = pydicom.dcmread(source / name), pydicom.dcmread(runs[target][0] / name)
    assert {element.keyword for element in before} - _MAY_CHANGE == {element.keyword for element in after} - _MAY_CHANGE
    for element in before:
        # Group lengths count bytes, and words have the byte order of their file.
        if element.keyword not in _MAY_CHANGE and element.tag.element and element.VR not in ("OW", "OB", "UN"):
            assert after[element.tag].value == element.value, element.keyword


def test_lossy_steps_are_written_down(runs: dict[str, tuple[Path, Report]]) -> None:
    ds = pydicom.dcmread(runs["j2k-lossy"][0] / "CT_small.dcm")
    file = next(file for file in runs["j2k-lossy"][1].files if file.source.endswith("CT_small.dcm"))
    assert ds.LossyImageCompression == "01"
    assert ds.LossyImageCompressionMethod == "ISO_15444_1"
    assert float(ds.LossyImageCompressionRatio) == pytest.approx(file.ratio, rel=1e-6)
    assert "LossyImageCompressionRatio" not in pydicom.dcmread(runs["j2k"][0] / "CT_small.dcm")


def test_the_report_says_what_was_read_and_written(runs: dict[str, tuple[Path, Report]], source: Path) -> None:
    report = runs["rle"][1]
    file = next(file for file in report.files if file.source.endswith("SC_rgb_rle_16bit_2frame.dcm"))
    assert (file.frames, file.from_name, file.to_name) == (2, "RLE Lossless", "RLE Lossless")
    assert file.raw_bytes == 2 * 100 * 100 * 3 * 2
    assert (file.backend, file.codec) == ("cpu", "rle")
    assert "cuda (rle)" in file.rejected
    assert set(file.seconds) == {"read", "encode", "write", "verify"}
    assert report.totals["frames"] == len(SOURCES) + 1
    assert report.totals["verified"] == len(SOURCES)


def test_uids_are_new_unless_they_are_to_be_kept(
    tmp_path: Path, source: Path, runs: dict[str, tuple[Path, Report]]
) -> None:
    before = pydicom.dcmread(source / "CT_small.dcm").SOPInstanceUID
    after = pydicom.dcmread(runs["rle"][0] / "CT_small.dcm")
    assert after.SOPInstanceUID != before
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
    gpucodec.transcode(source / "CT_small.dcm", tmp_path, "rle", generate_instance_uid=False)
    assert pydicom.dcmread(tmp_path / "CT_small.dcm").SOPInstanceUID == before


def test_small_batches_give_the_same_file(
    tmp_path: Path, source: Path, runs: dict[str, tuple[Path, Report]], read_pixels: _Read
) -> None:
    name = "SC_rgb_rle_16bit_2frame.dcm"
    report = gpucodec.transcode(source / name, tmp_path / name, "j2k", max_memory=1)
    assert report.ok
    encoded = [pydicom.dcmread(folder / name).PixelData for folder in (tmp_path, runs["j2k"][0])]
    assert encoded[0] == encoded[1]


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("target", ["rle", "explicit"])
def test_bits_above_the_stored_ones_are_kept_and_do_not_matter(
    tmp_path: Path, source: Path, target: str, signed: int
) -> None:
    ds = pydicom.dcmread(source / "examples_overlay.dcm")
    assert (ds.BitsAllocated, ds.BitsStored) == (16, 12)
    containers = ds.pixel_array | np.uint16(0x5000)
    containers[0, :2] = 0x0FFF, 0x8800
    ds.PixelData, ds.PixelRepresentation = containers.tobytes(), signed
    ds.save_as(tmp_path / "in.dcm")
    (file,) = gpucodec.transcode(tmp_path / "in.dcm", tmp_path / "out.dcm", target).files
    assert (file.error, file.verified, file.max_abs_error) == ("", True, 0)
    written = pydicom.dcmread(tmp_path / "out.dcm")
    decoder = get_decoder(written.file_meta.TransferSyntaxUID)
    found, _ = decoder.as_array(written, raw=True, correct_unused_bits=False)
    np.testing.assert_array_equal(found.view("u2"), containers)


def test_an_extended_offset_table_is_written_on_request(tmp_path: Path, source: Path, read_pixels: _Read) -> None:
    name = "SC_rgb_rle_16bit_2frame.dcm"
    gpucodec.transcode(source / name, tmp_path / name, "rle", encapsulate_ext=True)
    ds = pydicom.dcmread(tmp_path / name)
    assert len(ds.ExtendedOffsetTable) == len(ds.ExtendedOffsetTableLengths) == 16
    np.testing.assert_array_equal(read_pixels(tmp_path / name), read_pixels(source / name))


def test_a_file_may_replace_itself(tmp_path: Path, copy_real: Callable[..., Path], read_pixels: _Read) -> None:
    path = copy_real(tmp_path, "CT_small.dcm") / "CT_small.dcm"
    before = read_pixels(path)
    assert not gpucodec.transcode(path, path, "jpegls").ok
    assert gpucodec.transcode(path, path, "jpegls", overwrite=True).ok
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == TARGETS["jpegls"]
    np.testing.assert_array_equal(read_pixels(path, "pyjpegls"), before)


def test_without_verification_the_report_says_so(tmp_path: Path, source: Path) -> None:
    (file,) = gpucodec.transcode(source / "CT_small.dcm", tmp_path / "out.dcm", "rle", verify=False).files
    assert (file.status, file.verified, file.max_abs_error) == ("done", "skipped", None)
    assert "verify" not in file.seconds


def test_the_listener_hears_of_every_byte(tmp_path: Path, source: Path) -> None:
    class Heard(Listener):
        source_bytes = 0.0
        raw_bytes = 0

        def __init__(self) -> None:
            self.reports: list[FileReport] = []

        def advanced(self, source_bytes: float, raw_bytes: int) -> None:
            self.source_bytes += source_bytes
            self.raw_bytes += raw_bytes

        def finished(self, report: FileReport) -> None:
            self.reports.append(report)

    heard = Heard()
    (tmp_path / "in").mkdir()
    (tmp_path / "in/broken.dcm").write_bytes(b"no DICOM")
    (tmp_path / "in/good.dcm").write_bytes((source / "SC_rgb_rle_16bit_2frame.dcm").read_bytes())
    report = gpucodec.transcode(tmp_path / "in", tmp_path / "out", "rle", listener=heard, workers=1, max_memory=1)
    sizes = sum(path.stat().st_size for path in (tmp_path / "in").iterdir())
    assert heard.source_bytes == pytest.approx(sizes)
    assert heard.raw_bytes == report.totals["raw_bytes"] == 120_000
    assert sorted(file.status for file in heard.reports) == ["done", "failed"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"uid": "jpeg"}, "Cannot transcode to"),
        ({"backend": "gpu"}, "No backend named 'gpu'"),
        ({"workers": 0}, "'workers' value of '0'"),
        ({"max_memory": 0}, "'max_memory' value of '0'"),
        ({"quality": 1}, "Unknown encoding options"),
    ],
)
def test_what_is_not_allowed_is_refused_before_anything_is_written(
    tmp_path: Path, source: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        gpucodec.transcode(source, tmp_path / "out", **({"uid": "rle"} | options))
    assert not (tmp_path / "out").exists()
