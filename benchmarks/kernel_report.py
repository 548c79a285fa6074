"""What each kernel costs on each GPU: registers, memory, resident warps, bytes moved, and how wide its arithmetic is.

``python -m benchmarks.kernel_report`` needs no GPU. It compiles every kernel that GPUs launch to PTX and to machine
code for every supported architecture (what compiled before is kept in ``build/kernel_report``), and it runs small
frames through every codec, counting what each launch reads and writes (`benchmarks.kernel_traffic` says how). It ends
with 1 if a kernel spills registers or uses a stack, cannot be resident at all, is launched by no codec, or moves more
than 1.25 times the least bytes possible without a paragraph in its docstring that begins "Moves more than the least:"
and says why.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import cache
from inspect import cleandoc
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from gpucodec_kernels.target import Kernel

from benchmarks.kernel_compilation import Usage, all_kernels, assemble, gpu_kernels, kept_usage, threads_of
from benchmarks.kernel_occupancy import ARCHITECTURES, LIMITS, resident_warps

__all__ = ["ARCHITECTURES", "KernelReport", "Moved", "all_kernels", "assemble", "gpu_kernels", "main", "reason_of"]

MOST_MOVED = 1.25  # times the least
_OTHERS = -1  # in the place of a workload's number
_REASON = re.compile(r"^Moves more than the least: (.*?)(?:\n\s*\n|\Z)", re.DOTALL | re.MULTILINE)

Capability = tuple[int, int]


@dataclass
class Moved:
    """Bytes of all launches of a kernel, and the samples of the pictures that they were for."""

    launches: int = 0
    samples: int = 0
    asked: int = 0
    moved: int = 0
    least: int = 0

    def add(self, other: Moved) -> None:
        """Add what other launches moved."""
        self.launches += other.launches
        self.samples += other.samples
        self.asked += other.asked
        self.moved += other.moved
        self.least += other.least

    @property
    def ratio(self) -> float:
        """How many times the least is moved."""
        return self.moved / max(1, self.least)

    def per_sample(self) -> dict[str, float]:
        """Return bytes a sample, rounded as they are printed."""
        samples = max(1, self.samples)
        return {name: round(getattr(self, name) / samples, 3) for name in ("asked", "moved", "least")}


@dataclass
class KernelReport:
    """What is known of one kernel."""

    name: str
    threads: int
    reason: str
    usages: dict[Capability, Usage] = field(default_factory=dict)
    moved: Moved = field(default_factory=Moved)

    def warps(self, capability: Capability) -> int:
        """Return the resident warps of a multiprocessor."""
        usage = self.usages[capability]
        return resident_warps(capability, self.threads, usage.registers, usage.shared)

    def problems(self) -> list[str]:
        """Return what is wrong with the kernel."""
        found = []
        for capability, usage in self.usages.items():
            if usage.spills:
                found.append(f"{self.name}: {usage.spills} bytes of stack and spills on {architecture(capability)}")
            if self.warps(capability) == 0:
                found.append(f"{self.name}: no block is resident on {architecture(capability)}")
        if not self.moved.launches:
            found.append(f"{self.name}: no codec launches it; is it for GPUs?")
        elif self.moved.ratio > MOST_MOVED and not self.reason:
            found.append(
                f"{self.name}: moves {self.moved.ratio:.2f} times the least bytes and its docstring does not say why"
            )
        return found


def architecture(capability: Capability) -> str:
    """Return the compilers' name of an architecture."""
    return f"sm_{capability[0]}{capability[1]}"


def reason_of(kernel: Kernel) -> str:
    """Return why a kernel moves more than the least, from its docstring; nothing where it does not say."""
    found = _REASON.search(cleandoc(kernel.python.__doc__ or ""))
    return " ".join(found.group(1).split()) if found else ""


# -- measuring, in as many processes as there are processors


@cache
def _executor() -> Any:
    from benchmarks.kernel_replay import CountingExecutor

    names = {id(kernel): name for name, kernel in all_kernels()}
    return CountingExecutor(lambda kernel: names[id(kernel)])


def _count(number: int) -> list[tuple[str, int, int, dict[str, Moved]]]:
    """Run a workload, or what none launches; return runs: name, samples, least bytes, and what each kernel moved."""
    from benchmarks.kernel_workloads import WORKLOADS, run_others, run_workload

    found = []
    where = _executor()
    for run in run_others(where) if number == _OTHERS else run_workload(WORKLOADS[number], where):
        kernels: dict[str, Moved] = {}
        for launch in run.launches:
            moved = Moved(1, 0, launch.asked, launch.moved, launch.least)
            kernels.setdefault(launch.kernel, Moved(samples=run.samples)).add(moved)
        found.append((run.name, run.samples, run.least, kernels))
    return found


def _compile(pair: tuple[str, Capability]) -> Usage:
    return kept_usage(*pair)


def measure(
    kernels: Sequence[tuple[str, Kernel]], capabilities: Sequence[Capability], workloads: Sequence[int], jobs: int
) -> tuple[list[KernelReport], dict[str, Any]]:
    """Compile kernels, run workloads, and return what is known of each kernel and of each run."""
    reports = {name: KernelReport(name, threads_of(kernel), reason_of(kernel)) for name, kernel in kernels}
    runs: dict[str, Any] = {}
    pairs = [(name, capability) for name in reports for capability in capabilities]
    with ExitStack() as stack:
        in_order: Any = map
        if jobs > 1:
            in_order = stack.enter_context(ProcessPoolExecutor(jobs, get_context("spawn"))).map
        counted, compiled = in_order(_count, workloads), in_order(_compile, pairs)
        for run, samples, least, moved in chain.from_iterable(counted):
            runs[run] = _run(samples, least, moved)
            for name in moved.keys() & reports.keys():
                reports[name].moved.add(moved[name])
        for (name, capability), usage in zip(pairs, compiled, strict=True):
            reports[name].usages[capability] = usage
    return list(reports.values()), runs


def _run(samples: int, least: int, kernels: dict[str, Moved]) -> dict[str, Any]:
    moved = sum(each.moved for each in kernels.values())
    return {
        "samples": samples,
        "moved": round(moved / samples, 3),
        "least": round(least / samples, 3),
        "kernels": {name: each.per_sample() for name, each in kernels.items()},
    }


# -- telling


def as_json(reports: Sequence[KernelReport], runs: dict[str, Any]) -> dict[str, Any]:
    """Return everything as what a JSON file holds; bytes are a sample's."""
    return {
        "kernels": {
            report.name: {
                "threads": report.threads,
                "launches": report.moved.launches,
                **report.moved.per_sample(),
                "ratio": round(report.moved.ratio, 3),
                "reason": report.reason,
                "architectures": {
                    architecture(capability): {**asdict(usage), "warps": report.warps(capability)}
                    for capability, usage in report.usages.items()
                },
            }
            for report in reports
        },
        "runs": runs,
    }


def print_tables(reports: Sequence[KernelReport], runs: dict[str, Any]) -> None:
    """Print what is known of each kernel and each run."""
    from rich.console import Console
    from rich.table import Column, Table

    console = Console(width=None if sys.stdout.isatty() else 170)
    table = Table(
        Column("kernel", no_wrap=True), "arch", "threads", "registers", "stack", "spills", "shared", "warps", "loops",
        "32-bit", "64-bit", "addresses",
        title="Compiled: of inner loops, integer instructions by width", title_justify="left",
    )  # fmt: skip
    for report in reports:
        for capability, usage in report.usages.items():
            numbers = (usage.registers, usage.stack, usage.spill_stores + usage.spill_loads, usage.shared)
            warps = f"{report.warps(capability)}/{LIMITS[capability].warps}"
            arithmetic = (usage.loops, usage.narrow, usage.wide, usage.address)
            cells = (report.threads, *numbers, warps, *arithmetic)
            table.add_row(report.name, architecture(capability), *map(str, cells))
    console.print(table)
    table = Table(
        Column("kernel", no_wrap=True), "launches", "asked", "moved", "least", "ratio",
        Column("moves more than the least:", ratio=1),
        title="Moved: bytes for each sample of the pictures", title_justify="left",
    )  # fmt: skip
    for report in reports:
        cells = (f"{number:.2f}" for number in report.moved.per_sample().values())
        table.add_row(report.name, str(report.moved.launches), *cells, f"{report.moved.ratio:.2f}", report.reason)
    console.print(table)
    table = Table(
        "run", "kernels", "moved", "samples and codestream",
        title="All kernels of a run together: bytes a sample", title_justify="left",
    )  # fmt: skip
    for name, run in runs.items():
        table.add_row(name, str(len(run["kernels"])), f"{run['moved']:.1f}", f"{run['least']:.1f}")
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables and what is wrong; return 1 if something is."""
    from benchmarks.kernel_workloads import WORKLOADS

    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernel_report", description="What each kernel costs.")
    parser.add_argument("--kernel", action="append", metavar="NAME", help="report kernels whose names contain this")
    parser.add_argument("--arch", action="append", choices=list(map(architecture, ARCHITECTURES)))
    parser.add_argument("--moved", action="store_true", help="compile nothing, tell bytes moved alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the result there, too")
    parser.add_argument("--workload", action="append", metavar="NAME", help="run those whose names contain this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many processes")
    given = parser.parse_args(arguments)
    kernels = [(name, kernel) for name, kernel in gpu_kernels() if any(part in name for part in given.kernel or [""])]
    if not kernels:
        parser.error(f"no kernel's name contains {given.kernel}")
    wanted = [] if given.moved else given.arch or list(map(architecture, ARCHITECTURES))
    capabilities = [each for each in ARCHITECTURES if architecture(each) in wanted]
    workloads = [
        number
        for number, workload in enumerate(WORKLOADS)
        if any(part in workload.name for part in given.workload or [""])
    ]
    workloads += [] if given.workload else [_OTHERS]
    reports, runs = measure(kernels, capabilities, workloads, given.jobs)
    print_tables(reports, runs)
    if given.json:
        given.json.write_text(json.dumps(as_json(reports, runs), indent=1) + "\n")
    problems = [problem for report in reports for problem in report.problems()]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
