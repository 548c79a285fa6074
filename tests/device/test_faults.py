"""What becomes of work when a GPU that is not there fails: routing, kernels that do not compile, wrong values."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from gpucodec_kernels import target

import gpucodec
from gpucodec import backends, routing
from gpucodec.codecs import dispatch
from gpucodec.codecs.base import EncodeRequest
from gpucodec.codecs.calibrating import calibrate
from gpucodec.codecs.dispatch import choose
from gpucodec.errors import BackendUnavailableError
from gpucodec.frames import FrameSpec
from tests.device import launching

JPEGLS = "1.2.840.10008.1.2.4.80"
FRAMES = (np.add.outer(np.arange(24), np.arange(20)) % 50).astype("u1")[None].repeat(2, axis=0)


@pytest.fixture
def gpus(new_machine, monkeypatch: pytest.MonkeyPatch, tmp_path):
    """Make machines that nobody has calibrated and whose kernels nobody has tried."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(dispatch, "_refused", {})
    monkeypatch.setattr(dispatch, "_has_told_of_gpu", False)

    def make(number: int = 1):
        made = new_machine(number)
        routing.forget()
        return made

    yield make
    routing.forget()


def refuse_kernels(monkeypatch: pytest.MonkeyPatch, refused) -> None:
    """Let the compiler refuse some kernels, by what `refused` says of their names."""

    def compiled(kernel, on):
        if on == "cuda" and refused(kernel.__name__):
            raise target.KernelError(
                f"the kernel {kernel.__name__} cannot be compiled for this GPU (no such instruction)"
            )
        return launching.compiled(kernel, on)

    monkeypatch.setattr(target.Kernel, "compiled", compiled)


def test_a_gpu_that_is_good_is_used_from_a_size_on(gpus) -> None:
    gpus()
    assert backends.diagnosis().faults == ()
    small = EncodeRequest(JPEGLS, FrameSpec(512, 512), 2)
    choice = choose(small)
    assert choice.codec.backend == "cpu"
    (reason,) = choice.rejected["cuda (jpegls)"]
    assert reason.startswith("a batch of 524 KB: below ") or "whatever the size" in reason
    assert reason.endswith("(default for compute capability 9.0)")
    on_device = EncodeRequest(JPEGLS, FrameSpec(512, 512), 2, on_device=True)
    assert choose(on_device).codec.backend == "cuda"


def test_auto_goes_on_with_the_cpu_when_a_kernel_does_not_compile(gpus, monkeypatch, caplog) -> None:
    gpus()
    refuse_kernels(monkeypatch, lambda name: name != "offset_chunks")
    monkeypatch.setattr(dispatch, "_why_slow", lambda codec, request: [])
    with caplog.at_level(logging.WARNING, "gpucodec"):
        found = [gpucodec.encode_frames(FRAMES, JPEGLS) for _ in range(2)]
    assert found == [gpucodec.encode_frames(FRAMES, JPEGLS, backend="cpu")] * 2
    (record,) = caplog.records
    assert record.message.startswith("cuda (jpegls) is not used from now on: the kernel ")
    for _ in range(2):
        with pytest.raises(BackendUnavailableError, match=r"cannot be used here: the kernel \w+ cannot be compiled"):
            gpucodec.encode_frames(FRAMES, JPEGLS, backend="cuda")


def test_a_gpu_on_which_no_kernel_compiles_is_told_of_once(gpus, monkeypatch, caplog) -> None:
    refuse_kernels(monkeypatch, lambda name: True)
    gpus()
    with caplog.at_level(logging.WARNING, "gpucodec"):
        for _ in range(2):
            gpucodec.encode_frames(FRAMES, JPEGLS)
    (record,) = caplog.records
    assert "No GPU can be used, the CPU does the work: a kernel cannot be compiled for GPU 0" in record.message
    assert [fault.name for fault in backends.diagnosis().faults] == ["kernel does not compile"]
    assert backends.why_no_device() == ""
    with pytest.raises(BackendUnavailableError, match="a kernel cannot be compiled for GPU 0"):
        gpucodec.encode_frames(FRAMES, JPEGLS, backend="cuda")


def test_a_gpu_that_returns_wrong_values_is_left_out(gpus, monkeypatch) -> None:
    correct = backends._CudaExecutor.begin_download

    def begin_download(where, array):
        finish = correct(where, array)
        return (lambda: finish() ^ 1) if where.device == 0 else finish

    monkeypatch.setattr(backends._CudaExecutor, "begin_download", begin_download)
    gpus(2)
    assert [fault.name for fault in backends.diagnosis().faults] == ["wrong values"]
    assert [where.device for where in backends.executors("cuda")] == [1]


def test_calibrating_runs_to_its_end(gpus) -> None:
    gpus()
    found = calibrate(["cuda"], families=["jpegls"], sizes=(256, 512))
    assert [each.problem for each in found] == ["", ""]
    assert all(len(each.crossing.points) == 2 for each in found)
