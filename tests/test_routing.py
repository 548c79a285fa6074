"""From how many bytes on a batch goes to a GPU."""

from pathlib import Path

import pytest

from gpucodec import backends, routing
from gpucodec.calibration import Calibration, store
from gpucodec.diagnosis import Diagnosis
from gpucodec.driver import Gpu
from gpucodec.routing import _ARCHITECTURES, _WORK, Threshold, _Architecture, _crossing, _Work, estimate, size

T4 = Gpu(0, "Tesla T4", (7, 5), 40)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def put(*these: Gpu) -> None:
        monkeypatch.setattr(backends, "diagnosis", lambda: Diagnosis((), these, these, expected=True))
        routing.forget()

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    yield put
    monkeypatch.undo()
    routing.forget()


def test_the_model_is_what_it_says() -> None:
    link, clock = _ARCHITECTURES[7, 5].link, _ARCHITECTURES[7, 5].clock / 1.5
    bytes_from = _crossing(_ARCHITECTURES[7, 5], 40, _WORK["rle", True], threads=2)
    overhead, cost = 7 * 40e-6 + 4 * 20e-6, 0.87e-9
    gpu = overhead + bytes_from / link + max(512 * cost * 40 / clock, bytes_from * cost / (40 * 2 * clock))
    assert bytes_from * cost / 2 == pytest.approx(gpu)


def test_a_slow_item_makes_the_threshold_large() -> None:
    fast = _Architecture(link=1e12, clock=1.5)
    alone = _crossing(fast, 100, _Work(cost=4, launches=0, item=500_000), threads=1)
    # The CPU does as many items as it does in the time that one GPU thread takes for one.
    assert alone == pytest.approx(40 * 500_000, rel=0.02)


def test_a_gpu_that_is_no_faster_is_never_used() -> None:
    assert _crossing(_ARCHITECTURES[7, 5], 1, _WORK["jpeg2000", True], threads=3) is None
    assert estimate(Gpu(0, "tiny", (7, 5), 1), "rle", True, threads=8).num_bytes is None


@pytest.mark.parametrize("work", _WORK, ids=lambda work: f"{work[0]}-{work[1]}")
def test_more_processors_never_raise_it_and_more_threads_never_lower_it(work: tuple[str, bool]) -> None:
    for capability in _ARCHITECTURES:
        found = [
            estimate(Gpu(0, "GPU", capability, processors), *work, threads=threads).num_bytes or 1 << 60
            for processors, threads in ((160, 2), (80, 2), (40, 2), (40, 8), (40, 32))
        ]
        assert found == sorted(found)


@pytest.mark.parametrize(
    ("capability", "named"),
    [((7, 5), "7.5"), ((8, 0), "8.0"), ((8, 7), "8.6"), ((8, 9), "8.9"), ((9, 0), "9.0"), ((10, 3), "10.0")],
)
def test_each_architecture_has_a_default_and_unknown_ones_that_of_the_one_before(capability, named: str) -> None:
    found = estimate(Gpu(0, "GPU", capability, 100), "jpeg2000", True, threads=8)
    assert found.num_bytes > 100_000
    assert (found.source, found.is_measured) == (f"default for compute capability {named}", False)


def test_reasons_name_both_sizes_and_where_they_come_from() -> None:
    found = Threshold(2_000_000, "calibrated 2026-11-23", is_measured=True)
    assert found.why_not(40_000) == "a batch of 40 KB: below 2 MB the CPU is faster (calibrated 2026-11-23)"
    assert found.why_not(2_000_000) == ""
    never = Threshold(None, "calibrated 2026-11-23", is_measured=True).why_not(1 << 40)
    assert never == "the CPU is faster on this machine, whatever the size (calibrated 2026-11-23)"


@pytest.mark.parametrize(
    ("num_bytes", "text"), [(12, "12 bytes"), (4096, "4.1 KB"), (2e6, "2 MB"), (1.5e8, "150 MB"), (3e9, "3 GB")]
)
def test_sizes_are_read_at_a_glance(num_bytes: float, text: str) -> None:
    assert size(num_bytes) == text


def test_what_was_measured_on_this_gpu_goes_before_the_default(gpus) -> None:
    gpus(T4)
    assert routing.threshold("cuda", "rle", True) == estimate(T4, "rle", True)
    store(T4, Calibration("2026-11-23", 8, {"cuda rle encode": 0, "nvjpeg2k jpeg2000 decode": None}))
    assert not routing.threshold("cuda", "rle", True).is_measured  # the file was read before
    routing.forget()
    assert routing.threshold("cuda", "rle", True) == Threshold(0, "calibrated 2026-11-23", is_measured=True)
    assert routing.threshold("cuda", "rle", False) == estimate(T4, "rle", False)
    assert routing.threshold("nvjpeg2k", "jpeg2000", False).num_bytes is None
    gpus(Gpu(0, "A100", (8, 0), 108))
    assert not routing.threshold("cuda", "rle", True).is_measured


def test_a_damaged_file_leaves_the_defaults(gpus, tmp_path: Path) -> None:
    gpus(T4)
    (tmp_path / "gpucodec").mkdir()
    (tmp_path / "gpucodec" / "calibration.json").write_text("{")
    assert routing.threshold("cuda", "rle", True) == estimate(T4, "rle", True)
    assert routing.stored().problem


def test_without_a_gpu_nothing_is_routed_or_read(gpus, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus()
    monkeypatch.setattr(routing, "read", lambda: pytest.fail("the file was read"))
    assert routing.threshold("cuda", "rle", True) is None
    assert routing.threshold("cpu", "rle", True) is None
    assert routing.why_small("cuda", "rle", True, 1) == ""
    gpus(T4)
    assert routing.threshold("cpu", "rle", True) is None
    assert routing.threshold("cuda", "jpeg", False) is None
