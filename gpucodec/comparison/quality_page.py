"""What the lossy settings leave of a picture, as one self-contained page to look at."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gpucodec.comparison.bench_page import render
from gpucodec.comparison.images import as_png, cut, difference_shown, shown
from gpucodec.comparison.pictures import Picture, evenly_spread
from gpucodec.comparison.plots import Line, draw
from gpucodec.comparison.quality import Outcome

__all__ = ["cells", "write_quality_page"]

_SHOWN_OF_A_SERIES = 4
_EQUAL_DB = 120.0  # where a picture that did not change is drawn


def cells(found: Outcome, unit: str) -> tuple[str, ...]:
    """Return the cells of a row: ratio, bits per sample, largest error, the same in units, PSNR, SSIM."""
    return (
        f"{found.ratio:.2f}",
        f"{found.bits_per_sample:.3f}",
        str(found.largest_error),
        f"{found.largest_error_in_units:g} {unit}".strip(),
        f"{found.psnr:.2f}" if math.isfinite(found.psnr) else "equal",
        f"{found.ssim:.5f}" if math.isfinite(found.ssim) else "-",
    )


def write_quality_page(
    path: Path,
    picture: Picture,
    outcomes: Sequence[Outcome],
    failures: Sequence[str],
    environment: dict[str, Any],
    command: str,
    *,
    keep: int = 0,
    chosen: Outcome | None = None,
    asked: str = "",
    recipe: str = "",
    stopped: str = "",
) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
        The file.
    picture : Picture
        What was coded.
    outcomes : sequence of Outcome
        What each setting left of it.
    failures : sequence of str
        What could not be done, and why.
    environment : dict
        The machine and the versions.
    command : str
        The command line.
    keep : int
        Index of the frame that the outcomes hold decoded.
    chosen : Outcome or None
        The answer to what was asked, if something was.
    asked, recipe : str
        What was asked, and the command that does it.
    stopped : str
        Why not everything was tried, if so.
    """
    unit = picture.attributes.get("unit", "")
    frame = cut(picture.frames[keep])
    everything = [*outcomes, *([chosen] if chosen is not None and chosen not in outcomes else [])]
    page = render(
        "quality.html.j2",
        picture=picture,
        frames=len(picture.frames),
        frame_number=picture.numbers[keep],
        is_cut=frame.shape[:2] != picture.frames.shape[1:3],
        plots=_plots(outcomes, unit),
        rows=[
            {"setting": entry.setting, "cells": cells(entry, unit), "chosen": entry is chosen} for entry in everything
        ],
        original=as_png(shown(frame, picture)),
        views=[_view(entry, frame, picture, entry is chosen) for entry in _viewed(outcomes, chosen)],
        environment=environment,
        command=command,
        failures=failures,
        asked=asked,
        recipe=recipe,
        chosen=chosen,
        stopped=stopped,
        unit=unit,
    )
    path.write_text(page, encoding="utf-8")


def _series(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    series: dict[str, list[Outcome]] = {}
    for entry in outcomes:
        series.setdefault(entry.setting.series, []).append(entry)
    return series


def _viewed(outcomes: Sequence[Outcome], chosen: Outcome | None) -> list[Outcome]:
    """Return the answer and a few settings of each series, from mild to strong: a page must not grow without limit."""
    picked = [] if chosen is None else [chosen]
    for members in _series(outcomes).values():
        picked += [members[index] for index in evenly_spread(len(members), _SHOWN_OF_A_SERIES)]
    return [entry for number, entry in enumerate(picked) if entry not in picked[:number]]


def _view(found: Outcome, frame: Any, picture: Picture, is_chosen: bool) -> dict[str, Any]:
    decoded = cut(found.decoded)
    error, largest = difference_shown(frame, decoded)
    unit = picture.attributes.get("unit", "")
    ratio, bits, _, _, psnr, ssim = cells(found, unit)
    return {
        "name": f"{found.setting}{' (the answer)' if is_chosen else ''}",
        "image": as_png(shown(decoded, picture)),
        "difference": as_png(error),
        "text": f"{ratio}:1, {bits} bits a sample, PSNR {psnr} dB, SSIM {ssim}",
        "white": f"{largest} ({largest * abs(found.slope):g} {unit or 'units'})" if largest else "nothing",
    }


def _plots(outcomes: Sequence[Outcome], unit: str) -> list[dict[str, str]]:
    measures: list[tuple[str, str, Callable[[Outcome], float], bool]] = [  # whether its axis is logarithmic
        ("PSNR in dB", "peak signal-to-noise ratio", lambda entry: min(entry.psnr, _EQUAL_DB), False),
        ("SSIM", "structural similarity", lambda entry: entry.ssim, False),
        (
            f"largest error{f' in {unit}' if unit else ''}",
            "largest absolute error of a sample",
            lambda entry: entry.largest_error_in_units,
            True,
        ),
    ]
    plots = []
    for axis, caption, value, by_powers in measures:
        lines = []
        for name, members in _series(outcomes).items():
            able = (entry for entry in members if math.isfinite(value(entry)) and (value(entry) > 0 or not by_powers))
            drawn = sorted(able, key=lambda entry: entry.ratio)
            lines.append(Line(name, [entry.ratio for entry in drawn], [value(entry) for entry in drawn], own=True))
        svg = draw(lines, x="compression ratio", y=axis, log_x=True, log_y=by_powers)
        plots.append({"svg": svg, "caption": f"{caption[0].upper()}{caption[1:]} against compression ratio"})
    return plots
