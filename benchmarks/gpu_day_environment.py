"""What the machine is, from which sizes on its GPU is worth it, and the comparison with everybody else there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import distributions
from importlib.util import find_spec

from benchmarks.gpu_day_result import NOT_MEASURED, Check, Day, Result
from gpucodec.backends import diagnosis, executors, why_unavailable
from gpucodec.comparison.contenders import contenders
from gpucodec.comparison.environment import environment
from gpucodec.dicom.sample_files import sample_file

__all__ = ["bench_step", "calibration_step", "environment_step"]

_VARIABLES = ("CUDA", "CUPY", "GPUCODEC", "LD_LIBRARY", "NUMBA", "NVIDIA")
_CALIBRATION_SECONDS = 120.0
_LEFT_OUT = tuple(who.name for who in contenders() if who.is_peer and who.name != "pylibjpeg")  # of quick days


def environment_step(day: Day) -> Result:
    """Note driver, GPUs, packages and what doctor says; the day ends here if the backend cannot be used."""
    reason = why_unavailable(day.backend)
    doctor = _said([sys.executable, "-m", "gpucodec.cli.app", "doctor"])
    packages = {found.metadata["Name"]: found.version for found in distributions()}
    data = {
        "machine": environment(),
        "packages": dict(sorted(packages.items())),
        "variables": {name: value for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)},
        "nvidia-smi": _said(["nvidia-smi"]) if shutil.which("nvidia-smi") else "not found",
        "nvidia-smi -q": _said(["nvidia-smi", "-q"]) if shutil.which("nvidia-smi") else "not found",
        "doctor": doctor,
    }
    notes = []
    if not reason:
        data["executors"] = [
            {"place": str(where.place), "free_bytes": where.free_memory()} for where in executors(day.backend)
        ]
        notes.append(f"{len(data['executors'])} device(s): {', '.join(row['place'] for row in data['executors'])}")
    if day.on_gpu:
        found = diagnosis()
        data["gpus"] = [asdict(gpu) for gpu in found.usable]
        data["faults"] = [str(fault) for fault in found.faults]
        notes += data["faults"]
    print(doctor)
    return Result.of([Check(f"the backend '{day.backend}' can be used", not reason, reason)], notes, **data)


def _said(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{type(error).__name__}: {error}"
    return done.stdout + done.stderr


def calibration_step(day: Day) -> Result:
    """Hold the contests of ``gpucodec doctor --calibrate``; nothing is kept for later runs."""
    from gpucodec.codecs.calibrating import SIMULATOR_SIZES, SIZES, calibrate

    if day.backend == "cpu":
        return Result.skipped("the CPU is not calibrated against itself")
    backends = [name for name in (day.backend, *(["nvjpeg2k"] if day.on_gpu else [])) if not why_unavailable(name)]
    measured = calibrate(
        backends,
        families=("rle",) if day.quick else (),
        sizes=SIZES if day.on_gpu else SIMULATOR_SIZES[:1] if day.quick else SIMULATOR_SIZES,
        seconds=min(_CALIBRATION_SECONDS, day.box),
        said=lambda line: print(line, flush=True),
    )
    rows, checks = [], []
    for row in measured:
        name = f"{row.backend}, {row.family}, {'encode' if row.encoding else 'decode'}"
        rows.append({"contest": name, "verdict": row.verdict if day.on_gpu else NOT_MEASURED})
        checks.append(Check(name, not row.problem, row.problem))
    notes = [f"{row['contest']}: {row['verdict']}" for row in rows]
    return Result.of(checks, [*notes, "`gpucodec doctor --calibrate` keeps it for `auto`"], contests=rows)


def bench_step(day: Day) -> Result:
    """Run ``gpucodec bench --short``; in quick days with one file and one format."""
    json_file, html_file = day.folder / "bench.json", day.folder / "bench.html"
    command = [sys.executable, "-m", "gpucodec.cli.app", "bench", "--short", "--json", str(json_file)]
    if find_spec("jinja2") and find_spec("matplotlib"):
        command += ["--html", str(html_file)]
    if day.quick:
        small = sample_file("CT_small.dcm")
        if small is None:
            return Result.skipped("pydicom's sample files are not installed")
        command += ["--to", "rle", "--rounds", "1", "--frames", "1", str(small)]
        command += [part for peer in _LEFT_OUT for part in ("--without", peer)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=day.box, check=False)
    print(done.stdout, done.stderr)
    checks = [Check("gpucodec bench", done.returncode == 0, f"it ended with {done.returncode}: {done.stderr[-500:]}")]
    rows = json.loads(json_file.read_text(encoding="utf-8"))["rows"] if json_file.is_file() else []
    if day.on_gpu:
        timed = [row for row in rows if row["contender"] == "gpucodec (cuda)" and row.get("megabytes_per_second")]
        checks.append(Check("the GPU took part", bool(timed), f"{len(timed)} rows"))
    return Result.of(checks, [] if day.on_gpu else [f"gpucodec on a GPU: {NOT_MEASURED}"], rows=len(rows))
