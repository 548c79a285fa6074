"""``gpucodec bench``: a table, JSON and a page; what is wrong with the command or the files is said."""

import json
import re

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from gpucodec.cli.app import app
from gpucodec.dicom.sample_files import sample_file

run = CliRunner().invoke


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "small <b>.dcm"
    ds = pydicom.dcmread(sample_file("MR_small.dcm"))
    ds.save_as(path)
    return path


@pytest.fixture(scope="module")
def report(small):
    folder = small.parent
    arguments = [
        "bench",
        str(small),
        "--to",
        "rle",
        "--only",
        "codecs,threads,files",
        "--rounds",
        "2",
        "--threads",
        "2",
    ]
    result = run(app, [*arguments, "--json", str(folder / "b.json"), "--html", str(folder / "b.html")])
    assert result.exit_code == 0, result.output
    return result.output, json.loads((folder / "b.json").read_text()), (folder / "b.html").read_text(), folder


def test_everybody_who_can_is_measured_and_right(report):
    _, found, _, _ = report
    rows = [row for row in found["rows"] if row["section"] == "codecs" and row["direction"] == "encode"]
    measured = {row["contender"]: row["verdict"] for row in rows if row["seconds"]}
    assert {"gpucodec (cpu)", "gpucodec (library)", "pydicom: pylibjpeg", "pydicom: pydicom"} <= set(measured)
    assert set(measured.values()) == {"equal"}
    assert all(len(row["seconds"]) == 2 for row in rows if row["seconds"])
    left_out = {row["contender"]: row["problem"] for row in rows if not row["seconds"]}
    assert left_out["imagecodecs"] == "cannot: imagecodecs has no codec for this transfer syntax"


def test_threads_and_whole_files_are_measured(report):
    _, found, _, _ = report
    threads = {row["threads"] for row in found["rows"] if row["section"] == "threads"}
    assert threads == {1, 2}
    files = {row["contender"]: row["verdict"] for row in found["rows"] if row["section"] == "files"}
    assert files["gpucodec transcode"] == files["pydicom loop: pylibjpeg"] == "equal"


def test_the_table_names_contenders_and_results(report):
    output, _, _, _ = report
    assert re.search(r"gpucodec \(cpu\) +\d+", output)
    assert "Not compared: imagecodecs" in output


def test_the_page_needs_nothing_else_and_escapes_names(report):
    _, found, page, _ = report
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", page)
    assert "<b>" not in page
    assert "small &lt;b&gt;.dcm" in page
    assert page.count("<svg") >= 4
    assert found["environment"]["processor"] in page


def test_against_itself_nothing_is_slower_and_against_a_faster_one_something_is(report, small):
    _, found, _, folder = report
    arguments = ["bench", str(small), "--to", "rle", "--only", "codecs", "--rounds", "2", "--threads", "2"]
    for row in found["rows"]:
        if not row["is_peer"]:
            row["seconds"] = [value / 100 for value in row["seconds"]]
    faster = folder / "faster.json"
    faster.write_text(json.dumps(found))
    result = run(app, [*arguments, "--against", str(faster)])
    assert result.exit_code == 1, result.output
    assert "Slower than in" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "gif"], "Cannot transcode to 'gif'"),
        (["--to", "explicit"], "does not compress"),
        (["--only", "colours"], "codecs, threads, frames, size, files"),
        (["--without", "nobody"], "No contender named"),
        (["--json", "nowhere/b.json"], "Cannot write the report"),
        (["--against", "nowhere.json"], "cannot be read"),
        (["nowhere.dcm"], "no frame could be read"),
    ],
)
def test_wrong_commands_end_with_2(arguments, message):
    result = run(app, ["bench", *arguments])
    assert result.exit_code == 2
    assert message in result.output


def test_a_file_without_pixels_is_left_out_with_the_reason(small):
    plan = sample_file("rtplan.dcm")
    arguments = ["bench", str(plan), str(small), "--to", "rle", "--only", "codecs", "--rounds", "1"]
    result = run(app, arguments)
    assert result.exit_code == 0, result.output
    assert f"Left out: {plan}" in result.output


def test_frames_are_not_changed_by_comparing_them(small):
    assert np.array_equal(pydicom.dcmread(small).pixel_array, pydicom.dcmread(sample_file("MR_small.dcm")).pixel_array)
