"""``gpucodec quality``: a table, JSON, a page to look at, and one setting for a target."""

import json
import re
import shlex

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from gpucodec.cli.app import app
from gpucodec.dicom.sample_files import sample_file

run = CliRunner().invoke
CT = sample_file("CT_small.dcm")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quality")
    arguments = ["quality", str(CT), "--to", "jpegls-near,j2k-lossy", "--target-error", "6"]
    result = run(app, [*arguments, "--json", str(folder / "q.json"), "--html", str(folder / "q.html")])
    assert result.exit_code == 0, result.output
    return result.output, json.loads((folder / "q.json").read_text()), (folder / "q.html").read_text()


def test_every_setting_is_tried(report):
    _, found, _ = report
    tried = {(entry["target"], entry["option"]) for entry in found["outcomes"]}
    assert tried == {("jpegls-near", "jls_error"), ("j2k-lossy", "j2k_cr"), ("j2k-lossy", "j2k_psnr")}
    near = [entry for entry in found["outcomes"] if entry["option"] == "jls_error"]
    assert [entry["value"] for entry in near] == list(range(1, 16))
    assert all(entry["largest_error"] <= entry["value"] for entry in near)
    assert found["unit"] == "HU"


def test_the_answer_is_the_command_that_does_it(report, tmp_path):
    output, found, page = report
    assert found["answer"]["largest_error_in_units"] <= 6
    assert found["command"] in output.replace("\n", " ") or found["command"] in output
    words = shlex.split(found["command"])
    assert words[:2] == ["gpucodec", "transcode"]
    words[3] = str(tmp_path / "lossy.dcm")
    result = run(app, words[1:])
    assert result.exit_code == 0, result.output
    lossy = pydicom.dcmread(tmp_path / "lossy.dcm")
    error = np.abs(lossy.pixel_array.astype(int) - pydicom.dcmread(CT).pixel_array).max()
    assert error == found["answer"]["largest_error"]
    assert words[-1] in page


def test_no_setting_is_recommended(report):
    output, _, page = report
    assert "No setting is recommended" in output
    assert "recommends none" in page


def test_the_page_holds_its_pictures(report):
    _, _, page = report
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", page)
    assert page.count("data:image/png;base64,") >= 20
    assert 'type="range"' in page


def test_a_region_is_cut_out(tmp_path):
    path = tmp_path / "q.json"
    result = run(app, ["quality", str(CT), "--to", "jpegls-near", "--region", "10,20,64,32", "--json", str(path)])
    assert result.exit_code == 0, result.output
    first = json.loads(path.read_text())["outcomes"][0]
    assert first["bits_per_sample"] == pytest.approx(first["encoded_bytes"] * 8 / (64 * 32))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--to", "rle"], 2, "No lossy transfer syntax"),
        (["--region", "1,2,3"], 2, "ROW,COLUMN,ROWS,COLUMNS"),
        (["--region", "100,0,64,64"], 2, "is not inside frames of 128 x 128"),
        (["--target-psnr", "50", "--target-ratio", "3"], 2, "Ask for one"),
        (["--html", "nowhere/q.html"], 2, "Cannot write the report"),
    ],
)
def test_wrong_commands_are_refused(arguments, code, message):
    result = run(app, ["quality", str(CT), *arguments])
    assert result.exit_code == code
    assert message in result.output


@pytest.mark.parametrize("name", ["rtplan.dcm", "liver_1frame.dcm", "examples_palette.dcm"])
def test_files_without_frames_to_compress_with_losses_are_refused(name):
    path = sample_file(name)
    if path is None:
        pytest.fail(f"{name} is part of pydicom")
    result = run(app, ["quality", str(path)])
    assert result.exit_code == 1
    assert "Error" in result.output


def test_a_target_that_nothing_meets_ends_with_1():
    result = run(app, ["quality", str(CT), "--to", "jpegls-near", "--target-ratio", "500"])
    assert result.exit_code == 1
    assert "No setting gives a ratio of at least 500" in result.output


def test_a_subsampled_ultrasound_is_tried_as_it_decodes():
    path = sample_file("examples_ybr_color.dcm")
    result = run(app, ["quality", str(path), "--to", "jpegls-near", "--frames", "3"])
    assert result.exit_code == 0, result.output
    assert "3 frames" in result.output
