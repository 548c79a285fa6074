"""The steps of the first hour on a GPU that need arrays, clocks and several GPUs, on GPUs that are not there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import gpu_day_codecs, gpu_day_faults, gpu_day_profile
from benchmarks.gpu_day_result import Day, Result
from tests.benchmarks.test_gpu_day import small_job
from tests.device.conftest import new_machine

__all__ = ["new_machine"]


@pytest.fixture
def day(new_machine: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Day:
    new_machine(2)
    monkeypatch.setattr(gpu_day_codecs, "jobs", lambda _: iter([small_job()]))
    monkeypatch.setattr(gpu_day_profile, "_jobs", lambda _: iter([small_job()]))
    return Day("cuda", tmp_path, quick=True)


@pytest.mark.parametrize(
    "step",
    [
        gpu_day_codecs.codecs_step,
        gpu_day_codecs.arrays_step,
        gpu_day_faults.memory_step,
        gpu_day_faults.devices_step,
        gpu_day_profile.profile_step,
    ],
)
def test_a_step_passes(day: Day, step: Callable[[Day], Result]) -> None:
    result = step(day)
    assert (result.status, result.failures) == ("passed", [])
    assert result.checks
