"""How a run shows its progress: a bar with MB/s and time left on a terminal, a line a file elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Timer

from gpucodec_kernels.target import on_prepare
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from gpucodec.cli.tables import console, file_line
from gpucodec.transcoder.plan import Plan
from gpucodec.transcoder.report import FileReport
from gpucodec.transcoder.settings import Listener

__all__ = ["listen"]

_NOTICE_SECONDS = 1.0


@contextmanager
def listen() -> Iterator[Listener]:
    """Return the listener that suits where the output goes."""
    on_prepare(_CompileNotice())
    if not sys.stdout.isatty():
        yield _Lines()
        return
    with _progress() as bars:
        yield _Bars(bars)


class _CompileNotice:
    """Says so when the first use of a kernel takes long enough to be noticed: it is being compiled."""

    def __init__(self) -> None:
        self._timers: dict[str, Timer] = {}
        self._lock = Lock()
        self._said = False

    def __call__(self, kernel: str, begins: bool) -> None:
        with self._lock:
            timer = self._timers.pop(kernel, None)
            if timer is not None:
                timer.cancel()
            if begins and not self._said:
                timer = self._timers[kernel] = Timer(_NOTICE_SECONDS, self._say)
                timer.daemon = True
                timer.start()

    def _say(self) -> None:
        with self._lock:
            said, self._said = self._said, True
        if not said:
            Console(stderr=True).print("Compiling kernels, for the first run only ...", style="dim", highlight=False)


class _Lines(Listener):
    """One line for each file that is finished."""

    def finished(self, report: FileReport) -> None:
        print(file_line(report), flush=True)


class _Bars(Listener):
    """A bar over the bytes of the sources; lines only for what failed."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None
        self._lock = Lock()
        self._raw_bytes = 0
        self._start = 0.0
        self._num_files = 0
        self._num_done = 0

    def started(self, plan: Plan) -> None:
        self._start = time.perf_counter()
        total = sum(task.num_bytes for task in plan.tasks)
        self._task = self._bars.add_task("", total=total or 1, files=f"0/{len(plan.tasks)}", speed="")
        self._num_files = len(plan.tasks)

    def advanced(self, source_bytes: float, raw_bytes: int) -> None:
        with self._lock:
            self._raw_bytes += raw_bytes
            speed = self._raw_bytes / 1e6 / max(time.perf_counter() - self._start, 1e-9)
        if self._task is not None:
            self._bars.update(self._task, advance=source_bytes, speed=f"{speed:.1f} MB/s")

    def finished(self, report: FileReport) -> None:
        if self._task is not None and report.destination:
            self._num_done += 1
            self._bars.update(self._task, files=f"{self._num_done}/{self._num_files}")
        if report.status == "failed":
            self._bars.console.print(file_line(report), markup=False, highlight=False, soft_wrap=True)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.fields[files]} files"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
        console=console(),
    )
