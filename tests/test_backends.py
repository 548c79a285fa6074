"""The seam between codecs and what executes kernels."""

import sys
import threading

import numpy as np
import pytest

from gpucodec import backends
from gpucodec.errors import BackendUnavailableError


@pytest.fixture
def _asked_anew():
    backends.why_unavailable.cache_clear()
    backends.executor.cache_clear()
    yield
    backends.why_unavailable.cache_clear()
    backends.executor.cache_clear()


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
    monkeypatch.setattr(backends, "_LARGEST_SCRATCH", 100)
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

    asarray = staticmethod(np.asarray)
    asnumpy = staticmethod(np.asarray)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (lambda sums: sums.__setitem__(slice(None), [0, 3, 7]), ""),
        (lambda sums: None, "returned wrong values"),
        (
            lambda sums: (_ for _ in ()).throw(RuntimeError("no kernel image")),
            "did not run on the GPU (no kernel image)",
        ),
    ],
)
def test_the_probe_looks_at_what_a_kernel_wrote(monkeypatch: pytest.MonkeyPatch, outcome, words: str) -> None:
    def launch(self, kernel, count, sums) -> None:
        outcome(sums)

    monkeypatch.setitem(sys.modules, "cupy", _FakeCupy)
    monkeypatch.setattr(backends._CudaExecutor, "launch", launch)
    reason = backends._probe(_FakeCupy)
    assert words in reason if words else reason == ""


def test_the_simulator_says_how_to_switch_it_on() -> None:
    if backends.why_unavailable("simulator"):
        assert "NUMBA_ENABLE_CUDASIM=1" in backends.why_unavailable("simulator")
