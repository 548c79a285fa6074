"""What the kernel report says, and what it fails on."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gpucodec_kernels.target import Kernel, kernel

from benchmarks import kernel_compilation, kernel_report
from benchmarks.kernel_compilation import Usage, gpu_kernels, kept_usage, threads_of
from benchmarks.kernel_report import KernelReport, Moved, main, reason_of

USAGE = Usage(
    registers=40, stack=0, spill_stores=0, spill_loads=0, shared=0, loops=1, narrow=2, wide=3, address=4
)  # fmt: skip


def report(
    usage: dict[str, int] | None = None, *, moved: int = 100, launches: int = 1, reason: str = ""
) -> KernelReport:
    usages = {(8, 0): USAGE, (9, 0): Usage(**{**vars(USAGE), **(usage or {})})}
    return KernelReport("some.kernel", 128, reason, usages, Moved(launches, 10, 400, moved, 100))


def test_a_kernel_that_is_well_has_no_problems() -> None:
    assert report().problems() == []
    assert report(moved=125).problems() == []


@pytest.mark.parametrize("field", ["stack", "spill_stores", "spill_loads"])
def test_a_spill_is_a_problem_of_its_architecture(field: str) -> None:
    assert report({field: 8}).problems() == ["some.kernel: 8 bytes of stack and spills on sm_90"]


def test_a_kernel_of_which_no_block_is_resident_is_a_problem() -> None:
    assert report({"shared": 228 * 1024}).problems() == ["some.kernel: no block is resident on sm_90"]


def test_more_than_a_quarter_over_the_least_needs_a_reason() -> None:
    (problem,) = report(moved=126).problems()
    assert problem == "some.kernel: moves 1.26 times the least bytes and its docstring does not say why"
    assert report(moved=126, reason="It has to.").problems() == []


def test_a_kernel_that_nothing_launches_is_a_problem() -> None:
    assert report(moved=0, launches=0).problems() == ["some.kernel: no codec launches it; is it for GPUs?"]


def test_moved_bytes_add_up_and_are_told_by_the_sample() -> None:
    moved = Moved(1, 50, 400, 300, 200)
    moved.add(Moved(2, 50, 100, 100, 0))
    assert moved == Moved(3, 100, 500, 400, 200)
    assert moved.ratio == 2
    assert moved.per_sample() == {"asked": 5.0, "moved": 4.0, "least": 2.0}
    assert Moved(1, 1, 32, 32, 0).ratio > kernel_report.MOST_MOVED


def test_reasons_are_found_in_docstrings() -> None:
    @kernel("int32[::1]")
    def with_reason(index, values):
        """Do something.

        Moves more than the least: each
        thread reads its neighbour's, too.

        And more.
        """

    @kernel("int32[::1]")
    def without(index, values):
        """Do something, which never moves more than the least: a reason is a paragraph of its own."""

    assert reason_of(with_reason) == "each thread reads its neighbour's, too."
    assert reason_of(without) == ""


def test_what_was_compiled_is_kept_until_its_source_changes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compiled = []

    def compile_it(what: Kernel, capability: tuple[int, int]) -> Usage:
        compiled.append((what.__name__, capability))
        return USAGE

    monkeypatch.setattr(kernel_compilation, "usage_of", compile_it)
    name, what = next(gpu_kernels())
    for _ in range(2):
        assert kept_usage(name, (8, 0), tmp_path) == USAGE
    assert kept_usage(name, (9, 0), tmp_path) == USAGE
    assert compiled == [(what.__name__, (8, 0)), (what.__name__, (9, 0))]
    monkeypatch.setattr(kernel_compilation, "fingerprint", lambda module: "another")
    kept_usage(name, (8, 0), tmp_path)
    assert len(compiled) == 3


def test_a_row_is_reported_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "kernels.json"
    names = ["--kernel", "transform_reversible_8", "--kernel", "store_reversible_8"]
    given = [*names, "--workload", "row of 8 bits", "--arch", "sm_75", "--jobs", "1", "--json", str(path)]
    assert main(given) == 0
    printed = capsys.readouterr().out
    found: dict[str, Any] = json.loads(path.read_text())
    assert sorted(found["kernels"]) == [
        "component_inverse.store_reversible_8",
        "component_transform.transform_reversible_8",
    ]
    transform = found["kernels"]["component_transform.transform_reversible_8"]
    # A row of 64 samples of a byte becomes words.
    assert (transform["moved"], transform["least"], transform["ratio"]) == (5.0, 5.0, 1.0)
    assert transform["launches"] == 1
    usage = transform["architectures"]["sm_75"]
    assert 0 < usage["warps"] <= 32
    assert usage["registers"] > 0
    assert usage["loops"] > 0
    ways = ("encoded", "decoded")
    assert list(found["runs"]) == [f"JPEG 2000 row of 8 bits{end}, {way}" for end in ("", ", quality") for way in ways]
    assert all(name in printed for name in found["kernels"])


def test_a_kernel_that_moves_too_much_ends_it_with_1(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(kernel_report, "MOST_MOVED", 0.9)
    given = ["--kernel", "transform_reversible_8", "--workload", "row of 8 bits", "--arch", "sm_75", "--jobs", "1"]
    assert main(given) == 1
    assert "transform_reversible_8: moves 1.00 times the least bytes" in capsys.readouterr().err


def test_a_kernel_that_is_not_there_is_refused() -> None:
    with pytest.raises(SystemExit):
        main(["--kernel", "no such kernel"])


def test_blocks_have_the_threads_that_launches_give_them() -> None:
    kernels = dict(gpu_kernels())
    assert threads_of(kernels["dwt_tiles.tile_53_8"]) == 256
    assert threads_of(kernels["component_transform.transform_reversible_8"]) == 128


def test_a_frame_comes_back_through_block_kernels_that_count() -> None:

    from benchmarks.kernel_workloads import WORKLOADS, run_workload

    workload = next(each for each in WORKLOADS if each.name == "JPEG 2000 12 bits")
    encoded, decoded = run_workload(replace(workload, shape=(1, 20, 24)), kernel_report._executor())
    assert encoded.samples == decoded.samples == 480
    moved = {launch.kernel: launch for launch in encoded.launches}
    tile = moved["dwt_tiles.tile_53_16"]
    assert tile.least >= np.dtype("u2").itemsize * 480 + 4 * 480
    assert tile.moved < 2 * tile.least
    assert any(launch.kernel.startswith("dwt_tiles_inverse.") for launch in decoded.launches)
