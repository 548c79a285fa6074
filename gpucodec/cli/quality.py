"""``gpucodec quality FILE``."""

from __future__ import annotations

import dataclasses
import json as json_module
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpucodec.cli.steps import check_writable, steps
from gpucodec.errors import GpucodecError, ParameterError

if TYPE_CHECKING:
    from gpucodec.comparison.pictures import Picture
    from gpucodec.comparison.quality import Outcome, Setting
    from gpucodec.comparison.targets import Wish

__all__ = ["quality"]

_INTERRUPTED = 130  # 128 + SIGINT
_MOST_BYTES = 1 << 30
_LOSSY = ("jpegls-near", "j2k-lossy", "htj2k-lossy")


def quality(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A DICOM file with pixel data.")],
    to: Annotated[list[str] | None, typer.Option("--to", metavar="NAME,...", help=f"Of {', '.join(_LOSSY)}.")] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames to try it on, spread evenly over the file.")] = 20,
    region: Annotated[
        str | None, typer.Option(metavar="ROW,COLUMN,ROWS,COLUMNS", help="The part of each frame to try it on.")
    ] = None,
    target_psnr: Annotated[float | None, typer.Option(help="Find the setting with at least this PSNR in dB.")] = None,
    target_error: Annotated[float | None, typer.Option(help="... with no larger error, in the file's units.")] = None,
    target_ratio: Annotated[float | None, typer.Option(help="... with at least this compression ratio.")] = None,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write everything as JSON.")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page to look at.")] = None,
) -> None:
    """Try the lossy settings of each codec on frames of a file, and show what each leaves of them.

    No setting is recommended: whether one may be used for diagnosis is not for a program to say. With a target, the one
    setting that meets it best is named, with the command that transcodes the file so. Ctrl-C keeps what was tried.

    Ends with 0, with 1 if the file cannot be read or no setting meets the target, with 2 if the command was wrong.
    """
    from gpucodec.comparison.quality import settings_of

    try:
        check_writable(json)
        check_writable(html)
        _require_extra()
        wish = _wish(target_psnr, target_error, target_ratio)
        settings = settings_of(_names(to))
        part = _region(region)
        picture = _picture(file, frames)
        if part is not None:
            picture = _cut(picture, part)
    except ParameterError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(_run(file, picture, settings, wish, json, html))


def _picture(file: Path, frames: int) -> Picture:
    from gpucodec.comparison.pictures import from_file

    try:
        return from_file(file, max_frames=frames, max_bytes=_MOST_BYTES, spread=True)
    except (GpucodecError, OSError) as error:
        typer.echo(f"Error: {file}: {error}", err=True)
        raise typer.Exit(1) from None


def _require_extra() -> None:
    from importlib.util import find_spec

    from gpucodec.comparison.plots import require_bench

    if find_spec("skimage") is None:
        raise ParameterError("Structural similarity needs scikit-image: install gpucodec[bench]")
    require_bench()


def _names(to: list[str] | None) -> tuple[str, ...]:
    return tuple(part for value in to for part in value.split(",") if part) if to else _LOSSY


def _wish(psnr: float | None, error: float | None, ratio: float | None) -> Wish | None:
    if psnr is None and error is None and ratio is None:
        return None
    from gpucodec.comparison.targets import Wish

    return Wish(psnr, error, ratio)


def _region(text: str | None) -> tuple[int, int, int, int] | None:
    if text is None:
        return None
    try:
        row, column, rows, columns = (int(part) for part in text.split(","))
    except ValueError:
        raise ParameterError(f"A region of '{text}' is not allowed, must be ROW,COLUMN,ROWS,COLUMNS") from None
    return row, column, rows, columns


def _run(
    file: Path, picture: Picture, settings: list[Setting], wish: Wish | None, json: Path | None, html: Path | None
) -> int:
    from gpucodec.comparison.quality import possible

    able, reasons = possible(picture, settings)
    failures = [f"{series}: {reason}" for series, reason in reasons.items()]
    for number, reason in picture.left_out.items():
        typer.echo(f"Left out: frame {number}: {reason}", err=True)
    if not able:
        typer.echo(f"Error: {file}: no lossy transfer syntax can carry these frames", err=True)
        for line in failures:
            typer.echo(f"  {line}", err=True)
        return 1
    keep = len(picture.frames) // 2
    outcomes, chosen, stopped = _tried(picture, able, wish, failures, keep)
    recipe = _show(file, picture, outcomes, failures, wish, chosen)
    if json is not None:
        _write_json(json, picture, outcomes, failures, wish, chosen, recipe)
    if html is not None:
        from gpucodec.comparison.environment import environment
        from gpucodec.comparison.quality_page import write_quality_page

        write_quality_page(
            html,
            picture,
            outcomes,
            failures,
            environment(),
            shlex.join(["gpucodec", *sys.argv[1:]]),
            keep=keep,
            chosen=chosen,
            asked=str(wish) if wish is not None else "",
            recipe=recipe,
            stopped=stopped,
        )
    if stopped:
        typer.echo(f"{stopped}: what was tried until then is kept", err=True)
        return _INTERRUPTED
    return int(wish is not None and chosen is None)


def _cut(picture: Picture, region: tuple[int, int, int, int]) -> Picture:
    row, column, rows, columns = region
    spec = picture.spec
    if row < 0 or column < 0 or rows < 1 or columns < 1 or row + rows > spec.rows or column + columns > spec.columns:
        raise ParameterError(f"The region {region} is not inside frames of {spec.rows} x {spec.columns}")
    frames = picture.frames[:, row : row + rows, column : column + columns].copy()
    return dataclasses.replace(picture, frames=frames, spec=spec.replace(rows=rows, columns=columns))


def _tried(
    picture: Picture, able: list[Setting], wish: Wish | None, failures: list[str], keep: int
) -> tuple[list[Outcome], Outcome | None, str]:
    from gpucodec.comparison.quality import Outcome, sweep
    from gpucodec.comparison.targets import answer

    outcomes: list[Outcome] = []
    chosen = None
    try:
        with steps(len(able)) as said:
            for found in sweep(picture, able, said, keep):
                if isinstance(found, Outcome):
                    outcomes.append(found)
                else:
                    failures.append(f"{found[0]}: {found[1]}")
            if wish is not None:
                chosen = answer(picture, outcomes, wish, said, keep)
    except KeyboardInterrupt:
        return outcomes, None, "Interrupted"
    return outcomes, chosen, ""


def _show(
    file: Path,
    picture: Picture,
    outcomes: list[Outcome],
    failures: list[str],
    wish: Wish | None,
    chosen: Outcome | None,
) -> str:
    """Print the table and the answer; return the command that transcodes the file so."""
    from rich import box
    from rich.table import Table

    from gpucodec.cli.tables import printable, show_table
    from gpucodec.comparison.quality_page import cells

    unit = picture.attributes.get("unit", "")
    count = len(picture.frames)
    title = f"{picture.name}: {count} frame{'s' * (count != 1)}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
    for number, name in enumerate(("Setting", "Ratio", "Bits/sample", "Largest error", "in units", "PSNR dB", "SSIM")):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    for entry in outcomes:
        table.add_row(str(entry.setting), *cells(entry, unit))
    show_table(table)
    for line in failures:
        typer.echo(printable(f"Not tried: {line}"))
    typer.echo("The peak of PSNR and the range of SSIM are those of Bits Stored. No setting is recommended.")
    if wish is None:
        return ""
    if chosen is None:
        typer.echo(f"No setting gives {wish}")
        return ""
    recipe = shlex.join(["gpucodec", "transcode", str(file), f"{file.stem}-lossy.dcm", *chosen.setting.arguments])
    ratio, _, _, error, psnr, _ = cells(chosen, unit)
    typer.echo(
        f"For {wish}: {chosen.setting} ({ratio}:1, PSNR {psnr} dB, largest error {error})\n  {printable(recipe)}"
    )
    return recipe


def _write_json(
    path: Path,
    picture: Picture,
    outcomes: list[Outcome],
    failures: list[str],
    wish: Wish | None,
    chosen: Outcome | None,
    recipe: str,
) -> None:
    from gpucodec.comparison.environment import environment

    found: dict[str, Any] = {
        "kind": "gpucodec quality",
        "file": picture.origin,
        "frames": list(picture.numbers),
        "left_out": picture.left_out,
        "unit": picture.attributes.get("unit", ""),
        "outcomes": [entry.as_dict() for entry in outcomes],
        "failures": failures,
        "environment": environment(),
    }
    if wish is not None:
        found |= {"asked": str(wish), "answer": chosen.as_dict() if chosen else None, "command": recipe}
    path.write_text(json_module.dumps(found, indent=1) + "\n", encoding="utf-8")
