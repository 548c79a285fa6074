"""Look in the first hour on a GPU whether everything is right there, and how fast it is.

``python -m benchmarks.gpu_day --out FOLDER`` looks at the machine, runs every kernel on the GPU and compares it with
the CPU bit by bit, encodes and decodes both ways against the CPU and the libraries, forces what can go wrong with
memory and with several GPUs, measures each kernel's bandwidth beside that of a copy, calibrates, and runs the
comparison. All of it lands in the folder, with a report in ``report.md``. The last line says PASS or FAIL; it ends with
0 or 1.

Every step is a process of its own: one that crashes, hangs or poisons the GPU's context takes no other along. With
``--resume`` those that passed before are not done again. ``--backend simulator --quick`` does it all in Numba's CUDA
simulator on tiny frames; what needs a GPU's clock is then said to be not measured.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.gpu_day_report import verdict, write_files
from benchmarks.gpu_day_result import Day, Result

__all__ = ["STEPS", "main", "run_all", "run_step"]

# Step -> where its function is, in the order in which an hour that ends early is spent best.
STEPS = {
    "environment": "gpu_day_environment:environment_step",
    "kernels": "gpu_day_kernels:kernels_step",
    "codecs": "gpu_day_codecs:codecs_step",
    "nvjpeg2k": "gpu_day_codecs:nvjpeg2k_step",
    "arrays": "gpu_day_codecs:arrays_step",
    "memory": "gpu_day_faults:memory_step",
    "devices": "gpu_day_faults:devices_step",
    "profile": "gpu_day_profile:profile_step",
    "calibration": "gpu_day_environment:calibration_step",
    "bench": "gpu_day_environment:bench_step",
}
_PATIENCE = 300.0  # seconds beside a step's own time, for the compilers and for what cannot stop in between
_SAID = 2000  # characters of what a crashed process said at last

Command = Callable[[str, Day], Sequence[str]]


def main() -> int:
    """Do the steps that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_day", description=__doc__.splitlines()[0])
    parser.add_argument("--backend", choices=("cuda", "simulator", "cpu"), default="cuda")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="tiny frames")
    parser.add_argument("--resume", action="store_true", help="keep the steps that passed before")
    parser.add_argument("--box", type=float, default=900.0, metavar="SECONDS", help="for each step")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS), metavar="STEP")
    parser.add_argument("--child", choices=STEPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    day = Day(options.backend, options.out.resolve(), options.quick, options.box)
    (day.folder / "steps").mkdir(parents=True, exist_ok=True)
    if options.child:
        return _be_child(options.child, day)
    if day.backend == "simulator":
        os.environ["NUMBA_ENABLE_CUDASIM"] = "1"  # for the steps' processes; it must be there before Numba is
    results = run_all(options.only, day, resume=options.resume)
    write_files(day, results)
    line, code = verdict(results)
    print(f"everything is in {day.folder}\n{line}", flush=True)
    return code


def run_all(
    steps: Sequence[str], day: Day, *, resume: bool = False, command: Command | None = None
) -> dict[str, Result]:
    """Do steps one after the other, each in its own process.

    Parameters
    ----------
    steps : sequence of str
        Their names.
    day : Day
        What they are asked.
    resume : bool
        Whether results that passed before are taken as they are.
    command : callable, optional
        Returns what runs a step.

    Returns
    -------
    dict of str to Result
        In order. Without a backend that can be used nothing but the environment is looked at.
    """
    results: dict[str, Result] = {}
    for name in steps:
        kept = _kept(name, day) if resume else None
        results[name] = kept or run_step(name, day, (command or _command)(name, day))
        result = results[name]
        failed = f", {len(result.failures)} failed" if result.failures else ""
        print(f"{name}: {result.status}, {len(result.checks)} checks{failed}, {result.seconds:.0f} s", flush=True)
        for line in (*result.notes, *(f"{check.name}: {check.detail}" for check in result.failures[:5])):
            print(f"  {line}", flush=True)
        if name == "environment" and result.is_bad:
            break
    return results


def run_step(name: str, day: Day, command: Sequence[str]) -> Result:
    """Do one step in a process of its own, and return what came of it whatever becomes of the process."""
    path, log = _path(name, day), _path(name, day).with_suffix(".log")
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    status, why = "crashed", ""
    with log.open("w", encoding="utf-8") as output:
        try:
            done = subprocess.run(
                command, stdout=output, stderr=subprocess.STDOUT, timeout=day.box + _PATIENCE, check=False
            )
            why = f"its process ended with {done.returncode}"
        except subprocess.TimeoutExpired as error:
            status, why = "timed out", f"it was ended after {error.timeout:.0f} s"
    if path.is_file():
        result = Result.read(path)
    else:
        said = log.read_text(encoding="utf-8", errors="replace")[-_SAID:].strip()
        result = Result(status, notes=[why, *said.splitlines()])
    result.seconds = time.monotonic() - begin
    result.write(path)
    return result


def _command(name: str, day: Day) -> list[str]:
    command = [sys.executable, "-m", "benchmarks.gpu_day", "--child", name, "--backend", day.backend]
    return [*command, "--out", str(day.folder), "--box", str(day.box), *(["--quick"] if day.quick else [])]


def _path(name: str, day: Day) -> Path:
    return day.folder / "steps" / f"{name}.json"


def _kept(name: str, day: Day) -> Result | None:
    if not _path(name, day).is_file():
        return None
    result = Result.read(_path(name, day))
    return result if result.status == "passed" else None


def _be_child(name: str, day: Day) -> int:
    module, _, function = STEPS[name].partition(":")
    try:
        result: Result = getattr(importlib.import_module(f"benchmarks.{module}"), function)(day)
    except Exception as error:  # what a step did not expect is its result
        traceback.print_exc()
        result = Result("crashed", notes=[f"{type(error).__name__}: {error}"])
    result.write(_path(name, day))
    return int(result.is_bad)


if __name__ == "__main__":
    sys.exit(main())
