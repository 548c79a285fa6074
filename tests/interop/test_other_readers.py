"""Files written by `gpucodec.transcode`, read by GDCM and by DCMTK."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.pixels import pixel_array

import gpucodec
from tests.interop.reference_files import IMAGES, other_plugin

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

SOURCES = (
    "CT_small.dcm",  # 16 bits, signed
    "MR_small.dcm",
    "examples_rgb_color.dcm",
    "examples_overlay.dcm",  # 12 of 16 bits
    "SC_rgb_rle_2frame.dcm",
    "SC_rgb_rle_16bit_2frame.dcm",  # colour in 16 bits
    "emri_small.dcm",  # ten frames
    "emri_small_jpeg_2k_lossless.dcm",
)
RUNS: dict[str, dict[str, Any]] = {
    "rle": {},
    "jpegls": {},
    "jpegls-near": {"jls_error": 2},
    "j2k": {},
    "j2k-lossy": {"j2k_cr": [10.0]},
    "explicit": {},
}
LARGEST_ERROR = {"jpegls-near": 2}
# GDCM takes the bytes of 16-bit colour in RLE for planes, also in the file that we start from.
GDCM_MISREADS = {("rle", "SC_rgb_rle_16bit_2frame.dcm")}
# Tool of DCMTK -> the targets that it decompresses; its free part does not read JPEG 2000.
DCMTK_DECODERS = {"dcmdrle": ["rle"], "dcmdjpls": ["jpegls", "jpegls-near"]}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a folder for each target."""
    root = tmp_path_factory.mktemp("written")
    names = [name for name in SOURCES if name in IMAGES]
    assert len(names) > 4
    for target, options in RUNS.items():
        report = gpucodec.transcode([IMAGES[name][0] for name in names], root / target, target, **options)
        assert [file.error for file in report.files] == [""] * len(names)
    return root


def decoded(path: Path) -> np.ndarray:
    """Return what pydicom and its own plugins decode."""
    ds = dcmread(path)
    uid = ds.file_meta.TransferSyntaxUID
    return pixel_array(ds, raw=True, decoding_plugin=other_plugin(uid) if uid.is_compressed else "")


def decoded_by_gdcm(path: Path) -> np.ndarray:
    """Return GDCM's samples, colour-by-pixel."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    image = reader.GetImage()
    pixel_format = image.GetPixelFormat()
    kind = "ui"[pixel_format.GetPixelRepresentation()]
    dtype = np.dtype(f"<{kind}{pixel_format.GetBitsAllocated() // 8}")
    samples = np.frombuffer(image.GetBuffer().encode("utf-8", errors="surrogateescape"), dtype)
    columns, rows, *frames = image.GetDimensions()
    if pixel_format.GetSamplesPerPixel() == 1:
        return samples.reshape(*frames, rows, columns)
    if image.GetPlanarConfiguration() == 0:
        return samples.reshape(*frames, rows, columns, 3)
    return np.moveaxis(samples.reshape(*frames, 3, rows, columns), -3, -1)


def check(actual: np.ndarray, name: str, path: Path, target: str) -> None:
    """Compare with the source; where the loss is not bounded, with what another decoder makes of the file."""
    expected = decoded(path if target == "j2k-lossy" else IMAGES[name][0])
    assert actual.shape == expected.shape
    error = int(np.abs(actual.astype(np.int64) - expected).max())
    assert error <= LARGEST_ERROR.get(target, 0)
    assert (error > 0) == (target in LARGEST_ERROR)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("target", RUNS)
def test_gdcm_reads_the_samples(written: Path, target: str, name: str) -> None:
    if name not in IMAGES:
        pytest.skip(f"{name} comes with pydicom-data")
    path = written / target / name
    samples = decoded_by_gdcm(path)
    if (target, name) in GDCM_MISREADS:
        np.testing.assert_array_equal(samples, decoded_by_gdcm(IMAGES[name][0]))
        return
    check(samples, name, path, target)


def dcmtk(tool: str, *arguments: object) -> str:
    """Run a tool of DCMTK's, which must say nothing of errors and warnings, and return what it prints."""
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} of DCMTK is not on the PATH")
    result = subprocess.run(
        [found, *map(str, arguments)], capture_output=True, encoding="latin-1", check=False, timeout=60
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("target", RUNS)
def test_dcmdump_reads_the_structure(written: Path, target: str, name: str) -> None:
    if name not in IMAGES:
        pytest.skip(f"{name} comes with pydicom-data")
    path = written / target / name
    output = dcmtk("dcmdump", path)
    ds = dcmread(path)
    assert ds.SOPInstanceUID in output
    assert ("(0028,0008)" in output) == ("NumberOfFrames" in ds)
    items = output.count("(fffe,e000) pi")
    assert items == (0 if target == "explicit" else 1 + int(ds.get("NumberOfFrames", 1)))


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize(("tool", "target"), [(tool, each) for tool, all_ in DCMTK_DECODERS.items() for each in all_])
def test_dcmtk_decodes_the_samples(written: Path, tmp_path: Path, tool: str, target: str, name: str) -> None:
    if name not in IMAGES:
        pytest.skip(f"{name} comes with pydicom-data")
    path = written / target / name
    dcmtk(tool, path, tmp_path / "native.dcm")
    check(decoded(tmp_path / "native.dcm"), name, path, target)
