"""What a GPU is given to do before it is believed, with a stand-in for CuPy; facts as they are found here."""

import sys
from contextlib import contextmanager

import numpy as np
import pytest

from gpucodec import backends
from gpucodec.diagnosis import Trial
from gpucodec.driver import Driver, Gpu
from gpucodec.errors import BackendUnavailableError, DeviceError, KernelCompilationError

T4 = Gpu(0, "Tesla T4", (7, 5), 40)


@pytest.fixture
def _asked_anew(monkeypatch: pytest.MonkeyPatch):
    for answer in (backends.why_unavailable, backends.diagnosis, backends.executors):
        answer.cache_clear()
    yield
    monkeypatch.undo()
    for answer in (backends.why_unavailable, backends.diagnosis, backends.executors):
        answer.cache_clear()


class Device:
    """What a GPU does with the trial's work; each step may be another function."""

    def __init__(self) -> None:
        self.upload = np.array
        self.download = np.array
        self.launch = lambda sums: sums.__setitem__(slice(None), [0, 3, 7])

    def put_into(self, monkeypatch: pytest.MonkeyPatch) -> None:
        @contextmanager
        def active(executor):
            yield

        executor = backends._CudaExecutor
        monkeypatch.setattr(executor, "active", active)
        monkeypatch.setattr(executor, "upload", lambda where, array: self.upload(array))
        monkeypatch.setattr(executor, "download", lambda where, array: self.download(array))
        monkeypatch.setattr(executor, "launch", lambda where, kernel, count, sums: self.launch(sums))


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    made = Device()
    made.put_into(monkeypatch)
    return made


def failing(error: Exception):
    def fail(*_):
        raise error

    return fail


class Unfit(np.ndarray):
    """An array of a CuPy that cannot compile."""

    def __add__(self, other):
        raise RuntimeError("CuPy failed to load libnvrtc.so.12")


def test_a_gpu_that_writes_what_it_should_is_good(device: Device) -> None:
    assert backends._try(0, kernels=True) == Trial()


@pytest.mark.parametrize(
    ("step", "does", "stage", "words"),
    [
        ("upload", failing(DeviceError("work on GPU 0 failed: all busy")), "copy", "all busy"),
        ("download", failing(MemoryError()), "copy", "MemoryError"),
        ("download", lambda array: array * 0, "values", "[0, 0, 0] for [3, 4, 5]"),
        ("upload", lambda array: np.array(array).view(Unfit), "cupy", "libnvrtc.so.12"),
        ("launch", failing(KernelCompilationError("unknown architecture")), "compile", "unknown architecture"),
        ("launch", failing(DeviceError("launch failed")), "run", "launch failed"),
        ("launch", lambda sums: None, "values", "[3, 4, 5] for [0, 3, 7] by a kernel"),
    ],
)
def test_a_trial_says_where_it_ended(device: Device, step: str, does, stage: str, words: str) -> None:
    setattr(device, step, does)
    trial = backends._try(0, kernels=True)
    assert trial.stage == stage
    assert words in trial.message


def test_wrong_sums_of_cupy_are_seen(device: Device) -> None:
    answers = iter([[3, 4, 5], [6, 8, 11]])
    device.download = lambda array: np.array(next(answers))
    assert backends._try(0, kernels=True).stage == "values"


def test_kernels_are_not_tried_where_they_cannot_run(device: Device) -> None:
    device.launch = failing(AssertionError("was launched"))
    assert backends._try(0, kernels=False) == Trial()


@pytest.mark.usefixtures("_asked_anew")
def test_the_facts_of_this_machine_are_found() -> None:
    found = backends.facts()
    assert found.numba_cuda.found
    assert found.packages["numba-cuda"]
    if not found.driver.library:
        assert found.trials == {}
        assert "no NVIDIA driver" in backends.why_unavailable("cuda")


@pytest.mark.usefixtures("_asked_anew")
def test_without_a_gpu_nothing_heavy_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "ask_driver", Driver)
    monkeypatch.setitem(sys.modules, "cupy", object())  # would fail if anything were asked of it
    assert backends.facts().cupy.error == ""


@pytest.mark.usefixtures("_asked_anew")
def test_a_cupy_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "ask_driver", lambda: Driver("libcuda.so.1", version=13000, gpus=(T4,)))
    monkeypatch.setitem(sys.modules, "cupy", object())
    assert "CuPy cannot be imported (" in backends.why_unavailable("cuda")
    with pytest.raises(BackendUnavailableError, match="'cuda' cannot be used here: CuPy cannot be imported"):
        backends.executors("cuda")


@pytest.mark.usefixtures("_asked_anew")
def test_executors_are_of_the_gpus_that_passed(monkeypatch: pytest.MonkeyPatch, device: Device) -> None:
    others = (Gpu(1, "GTX 1080", (6, 1), 20), Gpu(2, "A100", (8, 0), 108))
    cuda = type("cuda", (), {"runtime": type("runtime", (), {"runtimeGetVersion": staticmethod(lambda: 13000)})})
    cuda.Device = type("Device", (), {"id": 2})
    monkeypatch.setitem(sys.modules, "cupy", type("cupy", (), {"cuda": cuda}))
    monkeypatch.setattr(backends, "ask_driver", lambda: Driver("libcuda.so.1", version=13000, gpus=(T4, *others)))
    monkeypatch.setattr(backends, "simulator_enabled", lambda: False, raising=False)
    assert backends.why_unavailable("cuda") == ""
    assert [where.device for where in backends.executors("cuda")] == [2, 0]
