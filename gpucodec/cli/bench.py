"""``gpucodec bench [FILES...]``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpucodec.cli.steps import check_writable
from gpucodec.errors import GpucodecError, ParameterError
from gpucodec.transcoder.targets import TARGETS

if TYPE_CHECKING:
    from gpucodec.comparison.bench import BenchSettings
    from gpucodec.comparison.pictures import Picture
    from gpucodec.comparison.rows import Row

__all__ = ["bench"]

_INTERRUPTED = 130  # 128 + SIGINT
_SECTIONS = "codecs, threads, frames, size, files"
_SHORT_SECTIONS = ("codecs",)


def bench(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="DICOM files; without any, built-in ones.")
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to", metavar="NAME,...", help=f"Of {', '.join(name for name in TARGETS if name != 'explicit')}."
        ),
    ] = None,
    sections: Annotated[list[str] | None, typer.Option("--only", metavar="PART,...", help=f"Of {_SECTIONS}.")] = None,
    short: Annotated[bool, typer.Option("--short", help="The codecs alone, and fewer rounds: a few minutes.")] = False,
    rounds: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Runs of each that count; 5, or 3 with --short.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Threads for everybody; one a CPU if not given.")
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames of each file at most.")] = 64,
    without: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A contender that stays out.")] = None,
    patience: Annotated[float, typer.Option(min=1, help="Seconds after which one counts as hung.")] = 300.0,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write everything as JSON.")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page with plots.")] = None,
    against: Annotated[Path | None, typer.Option(metavar="OLD.json", help="Mark what got slower since then.")] = None,
) -> None:
    """Compare the speed of gpucodec's backends and of every other codec that is installed here.

    All contenders take turns on the same frames, each in a process of its own, and every result is compared with its
    source. Whoever crashes, hangs or is wrong is shown so, and never as fast. Ctrl-C keeps what was measured.

    Ends with 0, with 1 if gpucodec itself failed or was wrong, or is slower than in OLD.json, with 2 if the command
    was wrong.
    """
    try:
        settings = _settings(to, sections, short, rounds, threads, without, patience)
        for path in (json, html):
            check_writable(path)
        ended = _run(files or [], settings, frames, json, html, against)
    except ParameterError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(ended)


def _settings(
    to: list[str] | None,
    sections: list[str] | None,
    short: bool,
    rounds: int | None,
    threads: int | None,
    without: list[str] | None,
    patience: float,
) -> BenchSettings:
    import os

    from gpucodec.comparison.bench import SECTIONS, BenchSettings
    from gpucodec.comparison.race import Settings

    chosen = tuple(_parts(sections)) or (_SHORT_SECTIONS if short else SECTIONS)
    if unknown := set(chosen) - set(SECTIONS):
        raise ParameterError(f"There is no part {sorted(unknown)}, there are {', '.join(SECTIONS)}")
    race = Settings(rounds or (3 if short else 5), patience)
    settings = BenchSettings(tuple(_parts(to)), chosen, threads or os.cpu_count() or 1, race, tuple(without or ()))
    if not settings.uids:
        raise ParameterError("There is nothing to compare: 'explicit' does not compress")
    settings.taking_part()
    return settings


def _parts(values: list[str] | None) -> Iterator[str]:
    return (part for value in values or () for part in value.split(",") if part)


def _run(
    files: list[Path], settings: BenchSettings, frames: int, json: Path | None, html: Path | None, against: Path | None
) -> int:
    from gpucodec.cli.tables import console
    from gpucodec.comparison.environment import environment
    from gpucodec.comparison.plots import require_bench
    from gpucodec.comparison.tables import bench_tables, left_out, read_rows, slower_than, write_rows

    if html is not None:
        require_bench()
    old = read_rows(against)[0] if against is not None else []
    pictures = list(_pictures(files, frames))
    out = console()
    if not pictures:
        raise ParameterError("There is nothing to compare: no frame could be read" if files else _NO_SAMPLES)
    rows, stopped = _measured(pictures, settings)
    for table in bench_tables(rows):
        out.print(table)
    for line in left_out(rows):
        out.print(f"Not compared: {line}", markup=False, highlight=False, soft_wrap=True)
    slower = slower_than(rows, old)
    for entry in slower:
        what = f"{entry.row.picture}, {entry.row.syntax}, {entry.row.direction}, {entry.row.contender}"
        out.print(f"Slower than in {against}: {what}: {entry.factor:.2f} times as long", markup=False, soft_wrap=True)
    if against is not None and not slower:
        out.print(f"Nothing is slower than in {against}", markup=False)
    command = shlex.join(["gpucodec", *sys.argv[1:]])
    if json is not None:
        write_rows(json, rows, environment(), command)
    if html is not None:
        from gpucodec.comparison.bench_page import write_bench_page

        name = str(against) if against is not None else ""
        write_bench_page(html, rows, pictures, environment(), command, stopped=stopped, against=name, slower=slower)
    if stopped:
        typer.echo(f"{stopped}: what was measured until then is kept", err=True)
        return _INTERRUPTED
    return int(bool(slower) or any(_is_our_fault(row) for row in rows))


_NO_SAMPLES = "There are no built-in pictures here: name files, or install gpucodec[bench]"


def _is_our_fault(row: Row) -> bool:
    return not row.is_peer and not row.is_valid and not row.problem.startswith("cannot")


def _pictures(files: list[Path], frames: int) -> Iterator[Picture]:
    """Yield what to work on; a file that cannot be read is told and left out."""
    from gpucodec.cli.tables import printable
    from gpucodec.comparison.pictures import built_in, from_file

    if not files:
        yield from built_in()
    for file in files:
        try:
            picture = from_file(file, max_frames=frames, max_bytes=_MOST_BYTES)
        except (GpucodecError, OSError) as error:
            typer.echo(printable(f"Left out: {file}: {error}"), err=True)
            continue
        for number, reason in picture.left_out.items():
            typer.echo(printable(f"Left out: {file}, frame {number}: {reason}"), err=True)
        yield picture


_MOST_BYTES = 256 << 20


def _measured(pictures: list[Picture], settings: BenchSettings) -> tuple[list[Row], str]:
    from gpucodec.cli.steps import steps
    from gpucodec.comparison.bench import bench as compare
    from gpucodec.comparison.bench import num_steps

    rows: list[Row] = []
    try:
        with steps(num_steps(pictures, settings)) as said:
            for row in compare(pictures, settings, said):
                rows.append(row)
    except KeyboardInterrupt:
        return rows, "Interrupted"
    return rows, ""
