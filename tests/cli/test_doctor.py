"""``gpucodec doctor``: faults, thresholds, calibration; and the warning of commands that go on without a GPU."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from gpucodec import backends, calibration, routing
from gpucodec.cli import doctor_tables
from gpucodec.codecs import calibrating
from gpucodec.codecs.calibrating import Measured
from gpucodec.codecs.crossing import Crossing, Point
from gpucodec.diagnosis import Diagnosis, Facts, diagnose
from gpucodec.driver import Driver, Gpu

_Run = Callable[..., Result]

T4 = Gpu(0, "Tesla T4", (7, 5), 40)
NO_DEVICE = diagnose(Facts(driver=Driver("libcuda.so.1", "", True, 12040, 100), visible=""))


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def put(found: Diagnosis) -> None:
        def why(backend: str) -> str:
            return "" if backend in ("cpu", "library") else found.why_not() or ("no wheel" * (backend == "nvjpeg2k"))

        for module in (backends, doctor_tables):
            monkeypatch.setattr(module, "diagnosis", lambda: found)
            monkeypatch.setattr(module, "why_unavailable", why)
        routing.forget()

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    yield put
    monkeypatch.undo()
    routing.forget()


GOOD = Diagnosis((), (T4,), (T4,), expected=True)


def test_faults_are_shown_with_their_cures(run: _Run, pretend) -> None:
    pretend(NO_DEVICE)
    result = run("doctor")
    assert result.exit_code == 0
    assert "What is wrong with the GPU" in result.output
    (line,) = [line for line in result.output.splitlines() if line.startswith("the driver shows no GPU")]
    assert 'CUDA_VISIBLE_DEVICES is ""' in line
    assert "unset it" in line
    assert "Batches that 'auto' sends" not in result.output


def test_no_gpu_is_no_fault_where_nobody_wants_one(run: _Run, pretend) -> None:
    pretend(diagnose(Facts()))
    assert "What is wrong with the GPU" not in run("doctor").output


def test_thresholds_are_shown_with_where_they_come_from(run: _Run, pretend) -> None:
    pretend(GOOD)
    output = run("doctor").output
    assert "Tesla T4" in output
    assert "cuda rle encode" in output
    assert "default for compute capability 7.5, an estimate" in output
    assert "nvjpeg2k jpeg2000 encode" not in output  # it cannot be used


def test_a_calibration_that_is_ignored_is_told(run: _Run, pretend) -> None:
    pretend(GOOD)
    calibration.path().parent.mkdir()
    calibration.path().write_text("{")
    output = run("doctor").output
    assert f"The calibration in {calibration.path()} is ignored: " in output


def test_what_calibrating_found_is_kept_and_shown(run: _Run, pretend, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(GOOD)
    asked: list[object] = []
    points = (Point(4096, 1e-3, 2e-3), Point(65_536, 4e-3, 2e-3))

    def measure(backends, **_):
        asked.append(backends)
        return [
            Measured("cuda", "rle", True, Crossing(16_384, True, points)),
            Measured("cuda", "rle", False, Crossing(None, True, points)),
        ]

    monkeypatch.setattr(calibrating, "calibrate", measure)
    result = run("doctor", "--calibrate")
    assert result.exit_code == 0
    assert asked == [["cuda"]]
    assert "from 16.4 KB on" in result.output
    assert "4.1 KB: 1 and 2, 65.5 KB: 4 and 2" in result.output
    assert f"Kept for Tesla T4 in {calibration.path()}" in result.output
    lines = {line[:16].strip(): line for line in run("doctor").output.splitlines()}
    assert "16.4 KB" in lines["cuda rle encode"]
    assert "calibrated 20" in lines["cuda rle encode"]
    assert "never" in lines["cuda rle decode"]
    assert "default for" in lines["cuda jpegls enco"]


def test_without_a_gpu_there_is_nothing_to_calibrate(run: _Run, pretend) -> None:
    pretend(NO_DEVICE)
    result = run("doctor", "--calibrate")
    assert result.exit_code == 1
    assert "There is no GPU to calibrate for: the driver shows no GPU" in result.output
    assert not calibration.path().exists()


def test_where_nothing_can_be_kept_is_told(run: _Run, pretend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(GOOD)
    monkeypatch.setattr(calibrating, "calibrate", lambda *_, **__: [])
    (tmp_path / "gpucodec").write_text("a file where the folder should be")
    result = run("doctor", "--calibrate")
    assert result.exit_code == 1
    assert "cannot be kept" in result.output


def test_a_backend_can_be_required(run: _Run, pretend) -> None:
    pretend(NO_DEVICE)
    result = run("doctor", "--require", "cpu", "--require", "library")
    assert (result.exit_code, result.output) == (0, "cpu: usable\nlibrary: usable\n")
    result = run("doctor", "--require", "cpu", "--require", "cuda")
    assert result.exit_code == 1
    assert "cuda: the driver shows no GPU" in result.output
    assert run("doctor", "--require", "gpu").exit_code == 1


def test_calibrating_runs_to_its_end_in_the_simulator_and_keeps_nothing(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "XDG_CONFIG_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "gpucodec.cli.app", "doctor", "--calibrate-with", "simulator", "--families", "rle"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.count("never: the CPU was faster up to 512 bytes") == 2
    assert "Nothing is kept of this" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_commands_warn_once_of_a_gpu_that_cannot_be_used(copy_real, tmp_path: Path) -> None:
    source = copy_real("CT_small.dcm", "MR_small.dcm")
    program = """
import sys
from gpucodec import backends
from gpucodec.cli.app import main
from gpucodec.driver import Driver
backends.ask_driver = lambda: Driver("libcuda.so.1", "", True, 12040, 999)
main()
"""
    command = [sys.executable, "-c", program, "transcode", source, tmp_path / "out", "--to", "rle"]
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_ENABLE_CUDASIM"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr.count("No GPU can be used, the CPU does the work: ") == 1
    assert "NVIDIA's driver fails with 999" in done.stderr
    assert "2 done, 0 failed" in done.stdout
