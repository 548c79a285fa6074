"""``gpucodec transcode``: arguments, exit codes, lines, tables and the JSON report."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from typer.testing import Result

from gpucodec.transcoder.targets import TARGETS

_Run = Callable[..., Result]
_Copy = Callable[..., Path]


def test_a_tree_is_mirrored_and_verified(run: _Run, copy_real: _Copy, tmp_path: Path) -> None:
    copy_real("CT_small.dcm")
    copy_real("MR_small.dcm", folder="in/a/b")
    result = run("transcode", tmp_path / "in", tmp_path / "out", "--to", "jpegls")
    assert result.exit_code == 0
    for name in ("CT_small.dcm", "a/b/MR_small.dcm"):
        before, after = pydicom.dcmread(tmp_path / "in" / name), pydicom.dcmread(tmp_path / "out" / name)
        assert after.file_meta.TransferSyntaxUID == TARGETS["jpegls"]
        after.decompress(decoding_plugin="pyjpegls")
        np.testing.assert_array_equal(after.pixel_array, before.pixel_array)
    assert "2 done, 0 failed, 0 skipped" in result.output


def test_a_pipe_gets_a_line_a_file_and_a_table_that_is_not_cut(run: _Run, copy_real: _Copy, tmp_path: Path) -> None:
    source = copy_real("CT_small.dcm", folder="a-folder-with-a-name-that-is-long" * 4)
    result = run("transcode", source, tmp_path / "out", "--to", "jpegls-near", "--jls-error", 1)
    line = next(line for line in result.output.splitlines() if line.startswith("done: "))
    assert f"{source}/CT_small.dcm: 1 frame, Explicit VR Little Endian to JPEG-LS Near Lossless by cpu" in line
    assert "verified, error up to 1, PSNR" in line
    row = next(line for line in result.output.splitlines() if line.startswith(str(source)))
    assert "cpu (jpegls)" in row


@pytest.mark.parametrize(("name", "uid"), TARGETS.items())
def test_every_name_writes_its_transfer_syntax(
    run: _Run, copy_real: _Copy, tmp_path: Path, name: str, uid: str
) -> None:
    source = copy_real("MR_small.dcm") / "MR_small.dcm"
    several = {"jpegls-near": ["--jls-error", 3], "j2k-lossy": ["--j2k-cr", "20,10", "--j2k-cr", 5]}
    options = (several | {"htj2k-lossy": ["--j2k-cr", 5]}).get(name, [])
    result = run("transcode", source, tmp_path / "out.dcm", "--to", name, *options)
    assert result.exit_code == 0, result.output
    assert pydicom.dcmread(tmp_path / "out.dcm").file_meta.TransferSyntaxUID == uid


@pytest.mark.parametrize("name", ["htj2k", "htj2k-rpcl", "htj2k-lossy"])
def test_what_a_backend_cannot_write_fails_with_reasons(run: _Run, copy_real: _Copy, tmp_path: Path, name: str) -> None:
    options = ["--j2k-cr", 10] if name == "htj2k-lossy" else []
    options += ["--backend", "library"]
    result = run("transcode", copy_real("MR_small.dcm"), tmp_path / "out", "--to", name, *options)
    assert result.exit_code == 1
    assert "(library (pylibjpeg-openjpeg): pylibjpeg-openjpeg cannot write HTJ2K" in result.output


def test_one_bad_file_is_a_line_and_exit_code_1(run: _Run, copy_real: _Copy, tmp_path: Path) -> None:
    source = copy_real("CT_small.dcm", "rtplan.dcm")
    (source / "DICOMDIR").touch()
    (source / ".hidden").touch()
    result = run("transcode", source, tmp_path / "out", "--to", "rle", "--traceback")
    assert result.exit_code == 1
    assert f"failed: {source / 'rtplan.dcm'}: " in result.output
    assert f"skipped: {source / 'DICOMDIR'}: " in result.output
    assert "1 done, 1 failed, 2 skipped" in result.output
    assert "Traceback" in result.output
    assert os.listdir(tmp_path / "out") == ["CT_small.dcm"]  # noqa: PTH208 - names are what counts


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in", "out"], "--to"),
        (["in", "--to", "rle"], "SOURCE"),
        (["in", "out", "--to", "gif"], "Cannot transcode to 'gif'"),
        (["nothing", "out", "--to", "rle"], "no such file or folder"),
        (["in", "out", "--to", "j2k-lossy"], "requires a lossy configuration option such as 'j2k_cr' or 'j2k_psnr'"),
        (["in", "out", "--to", "jpegls-near"], "requires 'jls_error'"),
        (["in", "out", "--to", "j2k", "--j2k-cr", "10"], "did you mean to use 'JPEG 2000' instead?"),
        (["in", "out", "--to", "j2k-lossy", "--j2k-cr", "ten"], "must be numbers"),
        (["in", "out", "--to", "j2k-lossy", "--j2k-cr", "5,10"], "strictly decreasing"),
        (["in", "out", "--to", "rle", "--max-memory", "lots"], "A size of 'lots'"),
        (["in", "out", "--to", "rle", "--backend", "abacus"], "No backend named 'abacus'"),
        (["in", "out", "--to", "rle", "--workers", "0"], "--workers"),
        (["in", "out", "--to", "rle", "--json", "nowhere/report.json"], "Cannot write the report"),
        (["in", "in/CT_small.dcm", "--to", "rle"], "must be a folder"),
    ],
)
def test_a_wrong_command_is_exit_code_2_and_writes_nothing(
    run: _Run, copy_real: _Copy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], message: str
) -> None:
    copy_real("CT_small.dcm")
    monkeypatch.chdir(tmp_path)
    result = run("transcode", *arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "out").exists()


def test_a_backend_that_is_not_here_says_what_to_install(run: _Run, copy_real: _Copy, tmp_path: Path) -> None:
    result = run("transcode", copy_real("CT_small.dcm"), tmp_path / "out", "--to", "htj2k", "--backend", "cuda")
    assert result.exit_code == 1
    assert "The backend 'cuda' cannot be used here" in result.output
    assert "install" in result.output


def test_the_json_report_has_everything(run: _Run, copy_real: _Copy, tmp_path: Path) -> None:
    source = copy_real("CT_small.dcm", "rtplan.dcm")
    path = tmp_path / "report.json"
    run("transcode", source, tmp_path / "out", "--to", "j2k-lossy", "--j2k-psnr", 80, "--json", path)
    report = json.loads(path.read_text())
    assert set(report) == {"to_uid", "to_name", "totals", "files"}
    done, failed = report["files"]
    assert set(done) == set(failed) == {
        "source", "destination", "status", "frames", "from_uid", "from_name", "to_uid", "to_name", "raw_bytes",
        "bytes_in", "bytes_out", "ratio", "megabytes_per_second", "seconds", "backend", "codec", "rejected", "verified",
        "max_abs_error", "psnr", "error", "error_type", "elapsed", "device_failures",
    }  # fmt: skip
    assert (done["status"], done["verified"], done["frames"], done["raw_bytes"]) == ("done", True, 1, 32768)
    assert (done["backend"], done["codec"]) == ("cpu", "jpeg2000")
    assert 75 < done["psnr"] < 90
    assert done["bytes_out"] < (tmp_path / "out/CT_small.dcm").stat().st_size
    assert (failed["status"], failed["error_type"], failed["verified"]) == ("failed", "CodestreamError", False)
    assert {name: report["totals"][name] for name in ("done", "failed", "skipped", "verified")} == {
        "done": 1, "failed": 1, "skipped": 0, "verified": 1,
    }  # fmt: skip


def test_options_arrive(run: _Run, copy_real: _Copy, tmp_path: Path) -> None:
    source = copy_real("MR_small.dcm") / "MR_small.dcm"
    target = tmp_path / "out.dcm"
    target.write_bytes(b"old")
    assert run("transcode", source, target, "--to", "rle").exit_code == 1
    result = run(
        "transcode", source, target, "--to", "rle", "--overwrite", "--keep-uid", "--no-verify", "--encapsulate-ext",
        "--workers", 1, "--max-memory", "1M", "--backend", "cpu",
    )  # fmt: skip
    assert result.exit_code == 0
    assert "not verified" in result.output
    ds = pydicom.dcmread(target)
    assert ds.SOPInstanceUID == pydicom.dcmread(source).SOPInstanceUID
    assert len(ds.ExtendedOffsetTable) == 8


def test_a_device_number_reaches_cuda(
    run: _Run, copy_real: _Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    result = run("transcode", copy_real("MR_small.dcm"), tmp_path / "out", "--to", "rle", "--device", 1)
    assert result.exit_code == 0
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"


def test_names_cannot_steer_the_terminal(run: _Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a\x1b[31m[bold]\n.dcm").write_bytes(b"no DICOM")
    result = run("transcode", tmp_path / "in", tmp_path / "out", "--to", "rle")
    assert "\x1b" not in result.output
    assert r"a\x1b[31m[bold]\n.dcm" in result.output


def test_a_terminal_gets_a_bar(copy_real: _Copy, tmp_path: Path) -> None:
    source = copy_real("CT_small.dcm", "rtplan.dcm")
    command = [sys.executable, "-m", "gpucodec.cli.app", "transcode", str(source), str(tmp_path / "out"), "--to", "rle"]
    master, slave = pty.openpty()
    environment = os.environ | {"COLUMNS": "200", "TERM": "xterm"}
    with subprocess.Popen(command, stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        shown = b""
        try:
            while piece := os.read(master, 65536):
                shown += piece
        except OSError:  # how Linux says that the other side is closed
            pass
        os.close(master)
    assert process.returncode == 1
    for expected in (b"2/2 files", b"100%", b"MB/s", b"failed: ", b"1 done, 1 failed, 0 skipped"):
        assert expected in shown
