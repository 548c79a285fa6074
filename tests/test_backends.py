"""The seam between codecs and what executes kernels."""

import sys
import threading

import numpy as np
import pytest

from gpucodec import backends, host
from gpucodec.errors import BackendUnavailableError, DeviceError


@pytest.fixture
def _asked_anew():
    backends.why_unavailable.cache_clear()
    backends.diagnosis.cache_clear()
    backends.executors.cache_clear()
    yield
    backends.why_unavailable.cache_clear()
    backends.diagnosis.cache_clear()
    backends.executors.cache_clear()


def test_scratch_is_kept_for_a_thread_and_a_name() -> None:
    where = backends.executor("cpu")
    first = where.scratch("test", 1000, np.int32)
    assert (first.size, first.dtype) == (1000, np.int32)
    assert np.shares_memory(first, where.scratch("test", 500, np.uint8))
    assert not np.shares_memory(first, where.scratch("other", 1000, np.int32))
    others: list[np.ndarray] = []
    thread = threading.Thread(target=lambda: others.append(where.scratch("test", 1000, np.int32)))
    thread.start()
    thread.join()
    assert not np.shares_memory(first, others[0])


def test_large_scratch_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_LARGEST_SCRATCH", 100)
    where = backends.executor("cpu")
    large = where.scratch("large", 101, np.uint8)
    assert not np.shares_memory(large, where.scratch("large", 101, np.uint8))


@pytest.mark.usefixtures("_asked_anew")
@pytest.mark.parametrize(("missing", "word"), [("cupy", "CuPy")])
def test_a_missing_package_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch, missing: str, word: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    reason = backends.why_unavailable("cuda")
    assert word in reason
    assert "gpucodec[cuda12]" in reason
    with pytest.raises(BackendUnavailableError, match="'cuda' cannot be used here"):
        backends.executor("cuda")


class _FakeCupy:
    """As much of CuPy as the probe needs, over NumPy."""

    class cuda:  # noqa: N801 - CuPy's own name
        class runtime:  # noqa: N801 - CuPy's own name
            class CUDARuntimeError(RuntimeError):
                """What CuPy raises when CUDA does."""

        class driver:  # noqa: N801 - CuPy's own name
            class CUDADriverError(RuntimeError):
                """What CuPy raises when the driver does."""

        class memory:  # noqa: N801 - CuPy's own name
            class OutOfMemoryError(MemoryError):
                """What CuPy raises when its pool does."""

    asarray = staticmethod(np.asarray)
    asnumpy = staticmethod(np.asarray)


def test_the_simulator_says_how_to_switch_it_on() -> None:
    if backends.why_unavailable("simulator"):
        assert "NUMBA_ENABLE_CUDASIM=1" in backends.why_unavailable("simulator")


class _FakeStream:
    """As much of CuPy's streams as a library needs."""

    def __init__(self, non_blocking: bool = False) -> None:
        self.ptr, self.waits_for, self.fails = 77, [], False
        self.non_blocking = non_blocking

    def wait_event(self, event) -> None:
        self.waits_for.append(event.stream)

    def synchronize(self) -> None:
        if self.fails:
            raise _FakeCupy.cuda.runtime.CUDARuntimeError("an illegal memory access")


class _FakeEvent:
    def __init__(self, disable_timing: bool = False) -> None:
        self.stream = None

    def record(self, stream) -> None:
        self.stream = stream


@pytest.fixture
def fake_cupy(monkeypatch: pytest.MonkeyPatch):
    cuda = type("cuda", (_FakeCupy.cuda,), {"Stream": _FakeStream, "Event": _FakeEvent})
    cuda.get_current_stream = staticmethod(lambda: "the current stream")
    fake = type("cupy", (_FakeCupy,), {"cuda": cuda})
    monkeypatch.setitem(sys.modules, "cupy", fake)
    return fake


def test_a_stream_for_libraries_begins_after_the_current_one(fake_cupy) -> None:
    stream = backends._CudaExecutor("nvjpeg2k").new_stream()
    assert (stream.address, stream._stream.non_blocking) == (77, True)
    stream.follow_current()
    assert stream._stream.waits_for == ["the current stream"]


def test_what_fails_on_a_stream_is_an_error_of_ours(fake_cupy) -> None:
    stream = backends._CudaExecutor("nvjpeg2k").new_stream()
    stream.synchronize()
    stream._stream.fails = True
    with pytest.raises(DeviceError, match="work on GPU failed: an illegal memory access"):
        stream.synchronize()


@pytest.mark.usefixtures("_asked_anew")
def test_nvjpeg2k_without_cupy_is_unavailable_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert "install gpucodec[cuda12] or gpucodec[cuda13]" in backends.why_unavailable("nvjpeg2k")
    with pytest.raises(BackendUnavailableError, match="'nvjpeg2k' cannot be used here"):
        backends.executor("nvjpeg2k")
