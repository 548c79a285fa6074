"""The comparison as one self-contained page: plots, every figure, the machine, the versions and the command."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from gpucodec.codecs.formats import get_format
from gpucodec.comparison.pictures import Picture
from gpucodec.comparison.plots import Line, draw
from gpucodec.comparison.rows import Row
from gpucodec.comparison.tables import TITLES, Slower, figures, left_out, ordered, what

__all__ = ["render", "write_bench_page"]

_RAW = "MB/s of raw pixels"


def write_bench_page(
    path: Path,
    rows: Sequence[Row],
    pictures: Sequence[Picture],
    environment: dict[str, Any],
    command: str,
    *,
    stopped: str = "",
    against: str = "",
    slower: Sequence[Slower] = (),
) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
        The file.
    rows : sequence of Row
        What was found.
    pictures : sequence of Picture
        What it was found on.
    environment : dict
        The machine and the versions.
    command : str
        The command line.
    stopped : str
        Why not everything was measured, if so.
    against : str
        Name of the report that these rows were held against, if any.
    slower : sequence of Slower
        What was faster there.
    """
    origins = {picture.name: picture.origin for picture in pictures}
    sections = [
        {
            "title": title,
            "open": name == "codecs",
            "plots": _PLOTS[name]([row for row in rows if row.section == name and row.is_valid]),
            "groups": _groups([row for row in rows if row.section == name], origins),
        }
        for name, title in TITLES.items()
        if any(row.section == name for row in rows)
    ]
    page = render(
        "bench.html.j2",
        sections=sections,
        environment=environment,
        command=command,
        rounds=max((len(row.seconds) for row in rows), default=0),
        left_out=left_out(rows),
        stopped=stopped,
        against=against,
        slower=slower,
    )
    path.write_text(page, encoding="utf-8")


def render(template: str, **values: Any) -> str:
    """Return a page made of a template beside this module, with the style that all pages share."""
    import jinja2

    folder = files("gpucodec.comparison") / "templates"
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    made = environment.from_string((folder / template).read_text(encoding="utf-8"))
    style = (folder / "base.css").read_text(encoding="utf-8")
    date = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    return made.render(style=style, date=date, **values)


def _groups(rows: Iterable[Row], origins: dict[str, str]) -> list[dict[str, Any]]:
    by_picture: dict[str, list[Row]] = {}
    for row in rows:
        if not row.problem.startswith("cannot"):
            by_picture.setdefault(row.picture, []).append(row)
    return [
        {"picture": picture, "origin": origins.get(picture, ""), "lines": [_line(row) for row in ordered(members)]}
        for picture, members in by_picture.items()
    ]


def _line(row: Row) -> dict[str, Any]:
    return {
        "syntax": row.syntax,
        "what": what(row),
        "contender": row.contender,
        "cells": figures(row),
        "own": not row.is_peer and row.is_valid,
        "valid": row.is_valid,
    }


def _by(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _numbers(rows: Iterable[Row]) -> dict[str, int]:
    """Give each contender a number, so that it looks the same in all plots of a section."""
    return {name: number for number, name in enumerate(dict.fromkeys(row.contender for row in rows))}


def _median(row: Row) -> float:
    return row.median


def _ratio_plots(rows: list[Row]) -> list[dict[str, str]]:
    """Throughput against ratio, a plot for each picture and direction, a point for each transfer syntax."""
    plots = []
    numbers = _numbers(rows)
    for (picture, direction), members in _by(rows, lambda row: (row.picture, row.direction)).items():
        lines = _points(members, numbers, lambda row: row.megabytes_per_second)
        caption = f"{picture}, {direction}: speed against compression ratio"
        plots.append({"svg": draw(lines, x="compression ratio", y=_RAW, log_y=True), "caption": caption})
    return plots


def _points(rows: list[Row], numbers: dict[str, int], value: Callable[[Row], float]) -> list[Line]:
    """Return a contender's points against their ratios, with the transfer syntax named at the fastest one's."""
    fastest = {name: min(group, key=_median) for name, group in _by(rows, lambda row: row.syntax).items()}
    return [
        Line(
            contender,
            [row.ratio for row in group],
            [value(row) for row in group],
            own=not group[0].is_peer,
            joined=False,
            labels=[_short(row) if row is fastest[row.syntax] else "" for row in group],
            number=numbers[contender],
        )
        for contender, group in _by(rows, lambda row: row.contender).items()
    ]


def _short(row: Row) -> str:
    """Return a transfer syntax's name as short as a plot has room for."""
    words = {"Lossless": "", "Image Compression": "", "(Lossless Only)": ""}
    name = get_format(row.uid).name
    for word, short in words.items():
        name = name.replace(word, short)
    return " ".join(name.split()) + (f" {row.options.split()[-1]}" if row.options else "")


def _scaling_plots(x: str, value: Callable[[Row], float], shown: str) -> Callable[[list[Row]], list[dict[str, str]]]:
    def plots(rows: list[Row]) -> list[dict[str, str]]:
        made = []
        numbers = _numbers(rows)
        for (syntax, direction), members in _by(rows, lambda row: (row.syntax, row.direction)).items():
            lines = [
                Line(
                    contender,
                    [value(row) for row in group],
                    [row.megabytes_per_second for row in group],
                    own=not group[0].is_peer,
                    number=numbers[contender],
                )
                for contender, group in _by(members, lambda row: row.contender).items()
            ]
            svg = draw(lines, x=x, y=_RAW, log_x=True, zero_y=True)
            made.append({"svg": svg, "caption": f"{syntax}, {direction}: {shown} ({members[0].picture})"})
        return made

    return plots


def _file_plots(rows: list[Row]) -> list[dict[str, str]]:
    """Seconds from start to end of each command, a plot for each picture, a group of points for each syntax."""
    plots = []
    numbers = _numbers(rows)
    for picture, members in _by(rows, lambda row: row.picture).items():
        lines = _points(members, numbers, _median)
        svg = draw(lines, x="compression ratio", y="seconds, the whole command", zero_y=True)
        plots.append(
            {"svg": svg, "caption": f"{picture}: reading, coding and writing a file ({members[0].frames} frames)"}
        )
    return plots


_PLOTS: dict[str, Callable[[list[Row]], list[dict[str, str]]]] = {
    "codecs": _ratio_plots,
    "threads": _scaling_plots("threads", lambda row: row.threads, "more threads"),
    "frames": _scaling_plots("frames in one call", lambda row: row.frames, "more frames at once"),
    "size": _scaling_plots("side of a frame in pixels", lambda row: row.samples**0.5, "larger frames"),
    "files": _file_plots,
}
