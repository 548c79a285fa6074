"""Plots as SVG that takes the colours of the page around it: dark text on a light page, light text on a dark one."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gpucodec.errors import ParameterError

__all__ = ["Line", "draw", "require_bench"]

# Stands for the page's text colour in what matplotlib writes; no series has it.
_INK = "#010203"
_SERIES = ("#2f7ed8", "#e07b39", "#3a9d5d", "#c2457a", "#8a63d2", "#9a7b2f", "#2aa5a0", "#c94f4f", "#7a8794", "#5b6ee1")
_MARKERS = "os^vDPX*<>"
_SIZE = (5.6, 3.6)


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a plot.

    Parameters
    ----------
    name : str
        For the legend.
    x, y : sequence of float
        Its points.
    own : bool
        Whether it stands for gpucodec, and is drawn stronger.
    joined : bool
        Whether its points are joined.
    labels : sequence of str
        Text at each point, if any.
    number : int or None
        Which colour and marker it has; its place among the lines if it is None.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    own: bool = False
    joined: bool = True
    labels: Sequence[str] = ()
    number: int | None = None


def require_bench() -> None:
    """Refuse when what draws and writes reports is not installed.

    Raises
    ------
    ParameterError
        Says what to install.
    """
    from importlib.util import find_spec

    if missing := [name for name in ("jinja2", "matplotlib") if find_spec(name) is None]:
        raise ParameterError(f"Reports in HTML need {' and '.join(missing)}: install gpucodec[bench]")


def draw(
    lines: Sequence[Line], *, x: str, y: str, log_x: bool = False, log_y: bool = False, zero_y: bool = False
) -> str:
    """Return a plot as an SVG element.

    Parameters
    ----------
    lines : sequence of Line
        What to draw.
    x, y : str
        Names of the axes, with units.
    log_x, log_y : bool
        Whether an axis is logarithmic.
    zero_y : bool
        Whether the y axis begins at 0.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    look: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "gpucodec",
        "font.family": "sans-serif",
        "font.size": 9,
        "text.color": _INK,
        "axes.edgecolor": _INK,
        "axes.labelcolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with mpl.rc_context(look):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot()
        for number, line in enumerate(lines):
            _add(axes, line, number if line.number is None else line.number)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        plain = mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}")
        if log_x:
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter(plain)
        if log_y:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(plain)
            axes.yaxis.set_minor_formatter(mpl.ticker.NullFormatter() if _spans_decades(lines) else plain)
        elif zero_y:
            axes.set_ylim(bottom=0)
        axes.grid(color="#808080", alpha=0.25, linewidth=0.6)
        if len(lines) > 1:
            figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inlined(written.getvalue())


def _spans_decades(lines: Sequence[Line]) -> bool:
    """Return whether values are so far apart that powers of ten are labels enough."""
    values = [value for line in lines for value in line.y if value > 0]
    return bool(values) and max(values) > 100 * min(values)


def _add(axes: Any, line: Line, number: int) -> None:
    colour, marker = _SERIES[number % len(_SERIES)], _MARKERS[number % len(_MARKERS)]
    axes.plot(
        line.x,
        line.y,
        label=line.name,
        color=colour,
        marker=marker,
        markersize=7 if line.own else 5,
        linewidth=2.2 if line.own else 1.1,
        linestyle="-" if line.joined else "none",
    )
    for at_x, at_y, text in zip(line.x, line.y, line.labels, strict=False):
        axes.annotate(text, (at_x, at_y), textcoords="offset points", xytext=(5, 3), fontsize=7)


def _inlined(svg: str) -> str:
    """Return the element alone, in the page's text colour, with names that no other plot on the page has."""
    element = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    salt = f"p{abs(hash(element)) % 10**10}"
    element = re.sub(r'\bid="([^"]+)"', rf'id="{salt}-\1"', element)
    element = re.sub(r"url\(#([^)]+)\)", rf"url(#{salt}-\1)", element)
    return re.sub(r'xlink:href="#([^"]+)"', rf'xlink:href="#{salt}-\1"', element)
