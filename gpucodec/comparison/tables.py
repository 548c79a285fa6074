"""The comparison on a terminal, as JSON, and against an earlier one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from gpucodec.comparison.rows import Row, key_of
from gpucodec.errors import ParameterError

__all__ = [
    "TITLES",
    "Slower",
    "bench_tables",
    "figures",
    "left_out",
    "ordered",
    "read_rows",
    "slower_than",
    "what",
    "write_rows",
]

TITLES = {
    "codecs": "Codecs",
    "threads": "More threads",
    "frames": "More frames at once",
    "size": "Larger frames",
    "files": "Whole files",
}
# A median this much larger is slower, whatever the runs' own spread.
_TOLERANCE = 0.10
_KIND = "gpucodec bench"


def bench_tables(rows: Sequence[Row]) -> list[Table]:
    """Return a table for each section and picture; within a job the fastest stands first, what was wrong last."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if not row.problem.startswith("cannot"):
            groups.setdefault((row.section, row.picture), []).append(row)
    return [_table(section, picture, members) for (section, picture), members in groups.items()]


def _table(section: str, picture: str, rows: list[Row]) -> Table:
    table = Table(title=f"{TITLES[section]}: {picture}", title_justify="left", box=box.SIMPLE, pad_edge=False)
    table.add_column("Transfer syntax", overflow="fold")
    table.add_column("", overflow="fold")
    table.add_column("Contender", overflow="fold")
    for name in ("MB/s", "±", "Ratio", "Bits/sample", "CPU s", "Peak", "First s"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Result", overflow="fold")
    before: tuple[Any, ...] = ()
    for row in ordered(rows):
        job = (row.syntax, what(row))
        shown = ("", "") if job == before else job
        style = "bold" if not row.is_peer and row.is_valid else "" if row.is_valid else "red"
        table.add_row(*(Text(cell) for cell in (*shown, row.contender, *figures(row))), style=style)
        before = job
    return table


def what(row: Row) -> str:
    """Return what a row tells of its job beside the transfer syntax."""
    if row.section == "threads":
        return f"{row.direction}, {row.threads} threads"
    if row.section == "frames":
        return f"{row.direction}, {row.frames} frames"
    if row.section == "size":
        return f"{row.direction}, {row.samples / 1e6:.2f} M samples"
    return row.direction


def ordered(rows: Iterable[Row]) -> list[Row]:
    """Return rows by job in the order in which the jobs came, within a job by speed, and what has none behind."""
    jobs: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        jobs.setdefault((row.syntax, what(row)), []).append(row)
    return [row for job in jobs.values() for row in sorted(job, key=_slowness)]


def _slowness(row: Row) -> float:
    return row.median if row.is_valid else float("inf")


def figures(row: Row) -> tuple[str, ...]:
    """Return the cells of a row: speed, spread, ratio, bits, processor time, memory, first call, result."""
    if not row.is_valid:
        return ("-", "", "", "", "", "", "", row.problem or row.verdict or "stopped before it was measured")
    cpu = sorted(row.cpu_seconds)[len(row.cpu_seconds) // 2]
    peak = f"{row.peak_bytes / 1e6:.0f} MB" if row.peak_bytes else ""
    return (
        f"{row.megabytes_per_second:.0f}" if row.megabytes_per_second >= 10 else f"{row.megabytes_per_second:.1f}",
        f"{row.spread:.0%}",
        f"{row.ratio:.2f}",
        f"{row.bits_per_sample:.2f}",
        f"{cpu:.3f}",
        peak,
        f"{row.first_seconds:.2f}",
        row.verdict,
    )


def left_out(rows: Iterable[Row]) -> list[str]:
    """Return, once each, who could not do what and why."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.problem.startswith("cannot: "):
            what = f"{row.syntax} {row.direction}"
            known = reasons.setdefault((row.contender, row.problem.removeprefix("cannot: ")), [])
            if what not in known:
                known.append(what)
    return [f"{who}: {why} ({', '.join(what)})" for (who, why), what in sorted(reasons.items())]


def write_rows(path: Path, rows: Iterable[Row], environment: dict[str, Any], command: str) -> None:
    """Write everything that was found as JSON."""
    found = {"kind": _KIND, "command": command, "environment": environment, "rows": [row.as_dict() for row in rows]}
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def read_rows(path: Path) -> tuple[list[Row], dict[str, Any]]:
    """Read rows that `write_rows` wrote, and the environment that they were found in.

    Raises
    ------
    ParameterError
        If the file cannot be read, or is something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["kind"] != _KIND:
            raise ParameterError(f"'{path}' is no report of gpucodec bench")
        return [Row.from_dict(row) for row in found["rows"]], dict(found["environment"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParameterError(f"'{path}' cannot be read as a report of gpucodec bench: {error}") from error


@dataclass(frozen=True, slots=True)
class Slower:
    """A row that was faster before.

    Parameters
    ----------
    row, old : Row
        Now and then.
    factor : float
        How many times as long it takes.
    """

    row: Row
    old: Row
    factor: float


def slower_than(rows: Iterable[Row], old_rows: Iterable[Row]) -> list[Slower]:
    """Return gpucodec's own rows that take longer than they did, by more than the spread of either, slowest first.

    Machines drift: where peers did the same job both times, time is counted in theirs.
    """
    old = {key_of(row): row for row in old_rows if row.is_valid}
    now = [row for row in rows if row.is_valid]
    drift = _drift(now, old)
    found = []
    for row in now:
        then = old.get(key_of(row))
        if row.is_peer or then is None:
            continue
        factor = row.median / then.median / drift
        if factor > 1.0 + max(_TOLERANCE, row.spread + then.spread):
            found.append(Slower(row, then, factor))
    return sorted(found, key=lambda slower: -slower.factor)


def _drift(rows: list[Row], old: dict[tuple[Any, ...], Row]) -> float:
    """Return how many times as long the peers take now."""
    factors = sorted(row.median / old[key_of(row)].median for row in rows if row.is_peer and key_of(row) in old)
    return factors[len(factors) // 2] if factors else 1.0
