"""The first hour on a GPU runs to its end without one, and what is wrong there is said."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gpucodec_kernels import rle
from gpucodec_kernels.target import Kernel

from benchmarks import gpu_day, gpu_day_codecs, gpu_day_faults, gpu_day_kernels
from benchmarks.gpu_day import STEPS, run_all
from benchmarks.gpu_day_kernels import RLE, Job, kernels_step
from benchmarks.gpu_day_launches import Parity, device_path, watched
from benchmarks.gpu_day_report import verdict, write_files
from benchmarks.gpu_day_result import NOT_MEASURED, Check, Day, Result
from gpucodec.backends import executor
from gpucodec.errors import DeviceMemoryError
from gpucodec.frames import FrameSpec

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def day(tmp_path: Path) -> Day:
    return Day("cpu", tmp_path, quick=True)


def small_job(uid: str = RLE) -> Job:
    frames = np.random.default_rng(1).integers(0, 4096, (4, 8, 8)).astype("u2")
    return Job("small", uid, frames, FrameSpec.from_array(frames, bits_stored=12))


# -- all of it


def test_it_runs_to_its_end_in_the_simulator(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.gpu_day", "--backend", "simulator", "--quick", "--out", str(tmp_path)]
    env = {name: value for name, value in os.environ.items() if name != "NUMBA_ENABLE_CUDASIM"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("PASS: ")

    results = {name: Result.read(tmp_path / "steps" / f"{name}.json") for name in STEPS}
    assert {name for name, result in results.items() if result.status == "skipped"} <= {"nvjpeg2k", "arrays"}
    compared = results["kernels"].data["kernels"]
    assert {"ebcot.encode_apart.code_codeblocks", "ht.encode.encode_codeblocks"} <= set(compared)
    assert all(kernel["compared"] and not kernel["differing"] for kernel in compared.values())
    profile = json.loads((tmp_path / "profile.json").read_text(encoding="utf-8"))["profile"]["data"]
    assert profile["copy_gigabytes_per_second"] is None
    assert profile["kernels"]
    assert {row["seconds"] for row in profile["kernels"]} == {None}
    for name in ("environment.json", "parity.json", "bench.json", "report.md"):
        assert (tmp_path / name).stat().st_size > 100
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert report.count(NOT_MEASURED) > len(profile["kernels"])
    assert "GB/s |\n" not in report.replace("GB/s | of", "")


# -- processes: each step has its own


def pretend(scripts: dict[str, str]) -> Callable[[str, Day], Sequence[str]]:
    """Return commands that do what a script says in place of a step; the others pass."""
    passed = "Result.of([Check('all', True)])"

    def command(name: str, day: Day) -> list[str]:
        path = str(day.folder / "steps" / f"{name}.json")
        script = scripts.get(name, f"{passed}.write(Path({path!r}))").replace("PATH", repr(path))
        heading = "from pathlib import Path; from benchmarks.gpu_day_result import Check, Result; "
        return [sys.executable, "-c", heading + script]

    return command


def test_a_step_that_crashes_takes_no_other_along(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    scripts = {"kernels": "import os; print('illegal address', flush=True); os.abort()"}
    results = run_all(["environment", "kernels", "profile"], day, command=pretend(scripts))
    assert [result.status for result in results.values()] == ["passed", "crashed", "passed"]
    assert "illegal address" in results["kernels"].notes
    write_files(day, results)
    assert verdict(results) == ("FAIL: kernels (crashed)", 1)
    assert "illegal address" in (day.folder / "report.md").read_text(encoding="utf-8")


def test_a_step_that_hangs_is_ended(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(gpu_day, "_PATIENCE", 0.3)
    command = pretend({"memory": "import time; time.sleep(600)"})("memory", day)
    result = gpu_day.run_step("memory", Day("cpu", day.folder, box=0.2), command)
    assert (result.status, result.notes) == ("timed out", ["it was ended after 0 s"])
    assert verdict({"memory": result}) == ("FAIL: memory (timed out)", 1)


def test_what_a_step_raises_is_its_result(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Day) -> Result:
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(gpu_day_kernels, "kernels_step", fail)
    (day.folder / "steps").mkdir()
    assert gpu_day._be_child("kernels", day) == 1
    result = Result.read(day.folder / "steps" / "kernels.json")
    assert (result.status, result.notes) == ("crashed", ["ZeroDivisionError: on purpose"])


def test_without_the_backend_the_day_ends_at_once(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    scripts = {"environment": "Result.of([Check('the backend', False, 'no driver')]).write(Path(PATH))"}
    results = run_all(list(STEPS), day, command=pretend(scripts))
    assert list(results) == ["environment"]
    assert verdict(results) == ("FAIL: environment (failed)", 1)


def test_what_passed_before_is_not_done_again(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    crashes = {"kernels": "raise SystemExit(3)"}
    first = run_all(["environment", "kernels"], day, command=pretend(crashes))
    assert verdict(first)[1] == 1
    again = run_all(
        ["environment", "kernels"], day, resume=True, command=pretend({"environment": "raise SystemExit(3)"})
    )
    assert verdict(again) == ("PASS: 2 of 2 steps", 0)


def test_a_day_without_nvjpeg2000_passes_and_says_so(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_day_codecs, "why_unavailable", lambda _: "it is not installed")
    result = gpu_day_codecs.nvjpeg2k_step(day)
    assert (result.status, result.notes) == ("skipped", ["nvJPEG2000 cannot be used: it is not installed"])
    results = {"kernels": Result.of([Check("all", True)]), "nvjpeg2k": result}
    assert verdict(results) == ("PASS: 1 of 2 steps, without nvjpeg2k, which cannot be done here", 0)
    assert verdict({"nvjpeg2k": result})[1] == 1


def test_a_step_that_looked_at_nothing_has_failed() -> None:
    assert Result.of([]).is_bad


# -- what is wrong is found; the CPU stands for the device


def test_a_kernel_that_writes_something_else_fails_the_day(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_day_kernels, "jobs", lambda _: iter([small_job()]))
    assert kernels_step(day).status == "passed"

    where = executor("cpu")
    right = where.launch

    def wrong(kernel: Kernel, count: int, *arguments: Any) -> None:
        right(kernel, count, *arguments)
        if kernel is rle.write_header:
            next(argument for argument in reversed(arguments) if isinstance(argument, np.ndarray))[:1] ^= 1

    monkeypatch.setattr(where, "launch", wrong)
    result = kernels_step(day)
    assert result.status == "failed"
    found = {check.name: check.detail for check in result.failures}
    assert set(found) == {"rle.write_header", "small"}, "the kernel, and the job that could not read its own header"
    assert " differ, first [0]: " in found["rle.write_header"]
    assert verdict({"kernels": result}) == ("FAIL: kernels (failed)", 1)


@pytest.mark.parametrize(
    ("name", "dtype", "change", "passes"),
    [
        ("dwt53.any", "i4", 1, False),
        ("dwt_tiles.tile_97_8", "i4", 1, True),
        ("dwt_tiles.tile_97_8", "i4", 2, False),
        ("dwt97.any", "f4", 1e-4, True),  # of values up to 1000, a float32 has steps of 6e-5
        ("dwt97.any", "f4", 1e-2, False),
    ],
)
def test_rounding_is_allowed_where_it_is_stated_and_no_more(name: str, dtype: str, change: float, passes: bool) -> None:
    def double(index: Any, values: Any) -> None:
        values[index] = values[index] + values[index]

    kernel = Kernel(double, f"{'int32' if dtype == 'i4' else 'float32'}[::1]")
    values = np.array([0, 3, 500], dtype)

    def launch(_: Kernel, count: int, given: Any) -> None:
        given *= 2
        given[1] += change

    parity = Parity(executor("cpu"), names={id(kernel): name})
    parity.see(launch, kernel, 3, (values,))
    assert parity.tallies[name].differing == (0 if passes else 1)


def test_every_launch_is_seen_and_the_executor_is_as_before(day: Day) -> None:
    job, seen = small_job(), []
    with device_path("cpu") as (where, backend):
        before = where.launch
        codec = gpu_day_kernels.codec_of(job.uid, backend)
        with watched(where, lambda launch, kernel, count, arguments: seen.append(launch(kernel, count, *arguments))):
            job.encode(codec)
        assert where.launch == before
    assert len(seen) >= 2


def test_a_codec_that_decodes_to_something_else_is_wrong(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_day_codecs, "jobs", lambda _: iter([small_job()]))
    assert gpu_day_codecs.codecs_step(day).status == "passed"
    right = gpu_day_codecs._decode
    monkeypatch.setattr(gpu_day_codecs, "_decode", lambda *arguments: right(*arguments) ^ 1)
    result = gpu_day_codecs.codecs_step(day)
    assert result.status == "failed"
    assert {check.detail for check in result.failures} == {"WRONG: samples differ by up to 1"}


def test_lost_memory_and_lost_devices_are_seen() -> None:
    def gives_up(*_: Any) -> Any:
        raise DeviceMemoryError("no memory")

    assert gpu_day_faults._tried("x", lambda: gpu_day_faults._halved("cpu", gives_up)).detail.startswith("DeviceMemory")
    assert gpu_day_faults._halved("cpu", lambda _: []) == "no allocation grows with the frames: 0 bytes"
    assert gpu_day_faults._refused("cpu", lambda _: []) == "nothing was raised"
    found = [executor("cpu"), gpu_day_faults._another(executor("cpu"))]
    assert gpu_day_faults._one_fails(found, list, []) == "0 warnings instead of one"
    assert gpu_day_faults._on(found, lambda: [b"1"], [b"2"]) == "the result is another one"
