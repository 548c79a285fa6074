"""What commands that make reports share: a bar with the time left, and a look at where the report is to go."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from gpucodec.errors import ParameterError

__all__ = ["check_writable", "steps"]


def check_writable(path: Path | None) -> None:
    """Look, before any work is done, whether a report can be written.

    Raises
    ------
    ParameterError
        If the path is a folder, or in none that exists.
    """
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise ParameterError(f"Cannot write the report '{path}': it must be a file in a folder that exists")


@contextmanager
def steps(total: int) -> Iterator[Callable[[str], None]]:
    """Return what is to be called before each of `total` steps, with a word about it.

    The bar goes to standard error, so that standard output has the results alone.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=max(1, total))
        done = -1

        def said(what: str) -> None:
            nonlocal done
            done += 1
            bars.update(task, completed=min(done, total), description=escape(what))

        yield said
