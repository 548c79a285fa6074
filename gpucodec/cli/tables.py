"""Lines and tables: what the commands print."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpucodec.transcoder.report import FileReport, Report

__all__ = [
    "add_row",
    "console",
    "file_line",
    "plain_table",
    "printable",
    "report_table",
    "show_report",
    "show_table",
    "size",
]

_MAX_ROWS = 100
_WIDE = 10_000  # a pipe has no width: columns are as wide as what is in them


def console() -> Console:
    """Return a console on standard output that cuts nothing off where there is no terminal."""
    return Console(width=None if sys.stdout.isatty() else _WIDE)


def printable(text: str) -> str:
    """Return text in which nothing steers the terminal: file names and messages may hold anything."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def size(num_bytes: float) -> str:
    """Return a number of bytes in a unit that suits it (powers of 1000)."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.0f} {unit}" if unit == "bytes" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} TB"


def show_table(table: Table) -> None:
    """Print a table."""
    console().print(table)


def plain_table(title: str, *columns: str) -> Table:
    """Return a table without a frame."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE, show_edge=False, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def add_row(table: Table, *cells: str) -> None:
    """Add a row of plain text, in which nothing is markup."""
    table.add_row(*(Text(cell) for cell in cells))


def file_line(report: FileReport) -> str:
    """Return what happened to a file in one line."""
    head = f"{report.status}: {report.source}"
    if report.status != "done":
        return printable(f"{head}: {report.error}")
    by = f" by {_codec(report)}" if report.codec else ""
    frames = f"{report.frames} frame{'s' * (report.frames != 1)}"
    return printable(
        f"{head}: {frames}, {report.from_name} to {report.to_name}{by}, {report.ratio:.2f}:1, "
        f"{report.megabytes_per_second:.1f} MB/s, {_verified(report)}"
    )


def report_table(files: Iterable[FileReport]) -> Table:
    """Return a row for each file that is done, up to a hundred."""
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    table.add_column("File", overflow="fold")
    for name in ("Frames", "From", "To", "Ratio", "MB/s", "Backend", "Verified"):
        right = name in ("Frames", "Ratio", "MB/s")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    done = [file for file in files if file.status == "done"]
    for file in done[:_MAX_ROWS]:
        table.add_row(*(Text(cell) for cell in _cells(file)))
    if len(done) > _MAX_ROWS:
        table.add_row(Text(f"... and {len(done) - _MAX_ROWS} more"))
    return table


def _cells(file: FileReport) -> tuple[str, ...]:
    return (
        printable(file.source),
        str(file.frames),
        file.from_name,
        file.to_name,
        f"{file.ratio:.2f}",
        f"{file.megabytes_per_second:.1f}",
        _codec(file),
        _verified(file),
    )


def _codec(file: FileReport) -> str:
    return f"{file.backend} ({file.codec})" if file.codec else "-"


def _verified(file: FileReport) -> str:
    if file.verified is not True:
        return "not verified"
    if file.psnr is None:
        return "verified, equal"
    return f"verified, error up to {file.max_abs_error}, PSNR {file.psnr:.1f} dB"


def show_report(report: Report) -> None:
    """Print the table of a run, why preferred backends did not run, what failed, and the totals."""
    out = console()
    totals = report.totals
    if totals["done"]:
        out.print()
        out.print(report_table(report.files))
    for line in _not_used(report):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    if out.is_terminal:
        for file in report.with_status("skipped"):
            out.print(file_line(file), markup=False, highlight=False, soft_wrap=True)
    line = f"{totals['done']} done, {totals['failed']} failed, {totals['skipped']} skipped"
    if totals["done"]:
        line += (
            f"; {totals['frames']} frames, {size(totals['raw_bytes'])} to {size(totals['bytes_out'])}, "
            f"{totals['ratio']:.2f}:1, {totals['seconds']:.1f} s, {totals['megabytes_per_second']:.1f} MB/s"
        )
    out.print(line, markup=False, highlight=False, soft_wrap=True)


def _not_used(report: Report) -> list[str]:
    """Return each reason why a preferred backend did not run, once."""
    reasons = {
        f"Not used: {name}: {'; '.join(why)}"
        for file in report.with_status("done")
        for name, why in file.rejected.items()
    }
    return [printable(reason) for reason in sorted(reasons)]
