"""``gpucodec info``, ``gpucodec doctor`` and ``gpucodec --version``."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

import gpucodec
from gpucodec.codecs.formats import FORMATS
from gpucodec.codecs.registry import BACKENDS

_Run = Callable[..., Result]
_Copy = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CT_small.dcm", ["Explicit VR Little Endian", "CT Image Storage", "128 x 128", "16 of 16 bits, signed"]),
        ("SC_rgb_rle_16bit_2frame.dcm", ["RLE Lossless", "3 samples a pixel", "RGB", "cpu (rle)", "not by cuda (rle)"]),
        ("examples_jpeg2k.dcm", ["YBR_RCT", "JPEG 2000 480 x 640, 3 components, 8 bits, unsigned", "cpu (jpeg2000)"]),
        ("SC_rgb_jls_lossy_line.dcm", ["JPEG-LS 100 x 100, 3 components, 8 bits, unsigned", "cpu (jpegls)"]),
        ("examples_ybr_color.dcm", ["Frames", "30", "YBR_FULL_422", "Ratio", "LossyImageCompressionRatio"]),
    ],
)
def test_info_says_what_is_in_a_file(run: _Run, copy_real: _Copy, name: str, expected: list[str]) -> None:
    result = run("info", copy_real(name) / name)
    assert result.exit_code == 0, result.output
    assert [text for text in expected if text not in result.output] == []


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [
        ("MR_small.dcm", [], "basic"),
        ("MR_small.dcm", ["--encapsulate-ext"], "extended"),
        ("JPEG2000.dcm", None, "none"),
    ],
)
def test_info_tells_the_kind_of_offset_table(
    run: _Run, copy_real: _Copy, tmp_path: Path, name: str, options: list[str] | None, kind: str
) -> None:
    path = copy_real(name) / name
    if options is not None:
        run("transcode", path, tmp_path / "out.dcm", "--to", "rle", *options)
        path = tmp_path / "out.dcm"
    lines = [line.split() for line in run("info", path).output.splitlines()]
    assert ["Offset", "table", kind] in lines


def test_info_of_what_is_no_image_is_an_error(run: _Run, copy_real: _Copy, tmp_path: Path) -> None:
    result = run("info", copy_real("rtplan.dcm") / "rtplan.dcm")
    assert result.exit_code == 1
    assert "Pixel Data" in result.output
    assert run("info", tmp_path / "nothing").exit_code == 2


def test_info_of_a_broken_codestream_says_so(run: _Run, copy_real: _Copy) -> None:
    path = copy_real("MR_small_jp2klossless.dcm") / "MR_small_jp2klossless.dcm"
    content = path.read_bytes()
    start = content.index(b"\xff\x4f\xff\x51")
    path.write_bytes(content[:start] + b"\0\0\0\0" + content[start + 4 :])
    result = run("info", path)
    assert result.exit_code == 0
    assert "broken: " in result.output


def test_doctor_covers_every_backend_and_transfer_syntax(run: _Run) -> None:
    result = run("doctor")
    assert result.exit_code == 0
    for expected in (*BACKENDS, *(entry.name for entry in FORMATS.values()), "pydicom", "pylibjpeg-openjpeg"):
        assert expected in result.output
    lines = result.output.splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith("HTJ2K Lossless RPCL"))
    assert "cpu (htj2k)" in lines[at]
    at = next(index for index, line in enumerate(lines) if line.startswith("RLE Lossless"))
    assert "cpu (rle)" in lines[at]


def test_version(run: _Run) -> None:
    result = run("--version")
    assert (result.exit_code, result.output) == (0, f"gpucodec {gpucodec.__version__}\n")
