"""Several files at once, each on a thread; the heavy work is done by kernels and worker processes."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

from gpucodec.transcoder.job import transcode_file
from gpucodec.transcoder.pending import remove_leftovers
from gpucodec.transcoder.plan import Plan
from gpucodec.transcoder.report import FileReport
from gpucodec.transcoder.settings import Listener, Settings

__all__ = ["available_cpus", "run_plan"]


def available_cpus() -> int:
    """Return how many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_plan(plan: Plan, settings: Settings, workers: int, listener: Listener) -> list[FileReport]:
    """Transcode the files of a plan.

    Parameters
    ----------
    plan : Plan
        What to do.
    settings : Settings
        How; its `max_memory` is that of the whole run and is shared by the files worked on at once.
    workers : int
        How many files are worked on at once.
    listener : Listener
        Hears of the progress.

    Returns
    -------
    list of FileReport
        The files of the plan in order, then those that could not be looked at, then those skipped.

    Raises
    ------
    KeyboardInterrupt
        After the files being worked on were given up and their temporary files removed.
    """
    listener.started(plan)
    at_once = max(1, min(workers, len(plan.tasks)))
    share = dataclasses.replace(settings, max_memory=settings.max_memory // at_once)
    remove_leftovers({task.destination.parent for task in plan.tasks})
    reports = _transcode_all(plan, share, at_once, listener)
    for report in _not_read(plan):
        listener.finished(report)
        reports.append(report)
    return reports


def _transcode_all(plan: Plan, settings: Settings, at_once: int, listener: Listener) -> list[FileReport]:
    stop = threading.Event()
    executor = ThreadPoolExecutor(at_once, thread_name_prefix="gpucodec-file")
    try:
        futures: list[Future[FileReport]] = [
            executor.submit(transcode_file, task, settings, listener.advanced, stop) for task in plan.tasks
        ]
        for future in as_completed(futures):
            listener.finished(future.result())
        return [future.result() for future in futures]
    finally:
        # Only an interruption gets here with work left: each file stops at its next batch and tidies up.
        stop.set()
        executor.shutdown(wait=True, cancel_futures=True)


def _not_read(plan: Plan) -> Iterator[FileReport]:
    for path, reason in plan.unreadable:
        yield FileReport(source=str(path), status="failed", error=reason, error_type="OSError")
    for path, reason in plan.skipped:
        yield FileReport(source=str(path), status="skipped", error=reason)
