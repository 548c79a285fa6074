"""The files of the first hour on a GPU, and its last line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from benchmarks.gpu_day_result import NOT_MEASURED, Day, Result

__all__ = ["verdict", "write_files"]

# Which steps' results make up a file beside the report.
_FILES = {
    "environment.json": ("environment", "calibration"),
    "parity.json": ("kernels", "codecs", "nvjpeg2k", "arrays", "memory", "devices"),
    "profile.json": ("profile",),
}


def verdict(results: Mapping[str, Result]) -> tuple[str, int]:
    """Return the last line, and what the process ends with: 0 if nothing failed and something passed."""
    bad = [f"{name} ({result.status})" for name, result in results.items() if result.is_bad]
    skipped = [name for name, result in results.items() if result.status == "skipped"]
    without = f", without {', '.join(skipped)}, which cannot be done here" if skipped else ""
    if bad:
        return f"FAIL: {', '.join(bad)}{without}", 1
    passed = len(results) - len(skipped)
    if not passed:
        return f"FAIL: nothing was done{without}", 1
    return f"PASS: {passed} of {len(results)} steps{without}", 0


def write_files(day: Day, results: Mapping[str, Result]) -> None:
    """Write the JSON files and ``report.md`` into the day's folder."""
    for name, steps in _FILES.items():
        found = {step: asdict(results[step]) for step in steps if step in results}
        (day.folder / name).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (day.folder / "report.md").write_text("\n".join(_report(day, results)) + "\n", encoding="utf-8")


def _report(day: Day, results: Mapping[str, Result]) -> Iterator[str]:
    yield f"# GPU day, backend {day.backend}{', quick' if day.quick else ''}\n"
    yield f"**{verdict(results)[0]}**\n"
    yield "| step | status | checks | failed | seconds |"
    yield "|---|---|---|---|---|"
    for name, result in results.items():
        cells = (name, result.status, len(result.checks), len(result.failures), f"{result.seconds:.0f}")
        yield f"| {' | '.join(map(str, cells))} |"
    for name, result in results.items():
        yield f"\n## {name}\n"
        yield from (f"- {_cell(note)}" for note in result.notes)
        yield from (f"- **failed**: {_cell(check.name)}: {_cell(check.detail)}" for check in result.failures)
    if "profile" in results:
        yield from _profile(results["profile"])
    if (day.folder / "bench.html").is_file():
        yield "\nThe comparison with other codecs is in `bench.html` and `bench.json`."


def _profile(result: Result) -> Iterator[str]:
    copy = result.data.get("copy_gigabytes_per_second")
    yield f"\nA copy from the GPU's memory to its memory: {_figure(copy, 'GB/s')}.\n"
    yield "| frames | kernel | launches | microseconds | GB/s | of a copy's |"
    yield "|---|---|---|---|---|---|"
    for row in result.data.get("kernels", []):
        speed = row.get("gigabytes_per_second")
        part = f"{speed / copy:.0%}" if speed and copy else NOT_MEASURED if row["seconds"] is None else "unknown"
        time = NOT_MEASURED if row["seconds"] is None else f"{row['seconds'] * 1e6:.1f}"
        shown = NOT_MEASURED if row["seconds"] is None else _figure(speed, "")
        yield f"| {' | '.join((row['job'], row['kernel'], str(row['launches']), time, shown, part))} |"


def _figure(value: float | None, unit: str) -> str:
    return f"{value:.1f} {unit}".strip() if value else NOT_MEASURED if unit else "unknown"


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")
