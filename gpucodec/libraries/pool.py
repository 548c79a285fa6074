"""The pool of worker processes in which the libraries run.

Why processes: none of the libraries releases the GIL, and pylibjpeg-openjpeg's encoder crashes the interpreter
when two threads call it at once. Why not `multiprocessing` or `concurrent.futures`: their spawn and forkserver
import the caller's ``__main__`` again, so that a script without a main guard would run itself twice, and fork
is not safe in a process with threads.

Workers start when first needed, stay warm, and end with their parent, however it ends. A batch is driven by the
thread that submits it; there are no threads here. Several threads may submit at once and share the workers.
Windows cannot hand file descriptors to a child: there the libraries run in the calling process only.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading

from gpucodec.errors import ParameterError
from gpucodec.libraries.process import WorkerProcess

__all__ = ["Pool", "get_pool", "set_workers", "shutdown", "why_unavailable"]


class Pool:
    """Worker processes, lent to one batch at a time each.

    Parameters
    ----------
    limit : int
        How many there may be.
    """

    def __init__(self, limit: int) -> None:
        self._changed = threading.Condition()
        self._limit = limit
        self._idle: list[WorkerProcess] = []
        self._busy: dict[WorkerProcess, object] = {}  # each with the one who borrowed it
        self._closed = False
        self._starting = 0
        self._waiting = 0

    @property
    def limit(self) -> int:
        """How many workers there may be."""
        return self._limit

    @property
    def is_warm(self) -> bool:
        """Whether any worker runs already."""
        return bool(self._idle or self._busy)

    @property
    def pids(self) -> list[int]:
        """The operating system's numbers of the workers."""
        with self._changed:
            return [worker.pid for worker in (*self._idle, *self._busy)]

    def acquire(self, owner: object, *, wait: bool) -> WorkerProcess | None:
        """Borrow a worker.

        Parameters
        ----------
        owner : object
            Who borrows; `abandon` ends whatever the owner still has.
        wait : bool
            Whether to wait until one is free. A caller that does not wait gets None when all are busy, and
            also when somebody else waits: one that has a worker lets those that have none go first.

        Raises
        ------
        WorkerError
            If a process is needed and cannot be started.
        """
        with self._changed:
            if not wait and (self._waiting or not self._is_one_free()):
                return None
            self._waiting += 1
            try:
                self._changed.wait_for(self._is_one_free)
            finally:
                self._waiting -= 1
            while self._idle:
                worker = self._idle.pop()
                if worker.is_alive():
                    self._busy[worker] = owner
                    return worker
                worker.kill()  # it died while idle: another takes its place
            self._starting += 1
        started: WorkerProcess | None = None
        try:
            started = WorkerProcess()
        finally:
            with self._changed:
                self._starting -= 1
                if started is not None:
                    self._busy[started] = owner
                self._changed.notify()
        return started

    def _is_one_free(self) -> bool:
        return bool(self._idle) or len(self._busy) + self._starting < self._limit

    def release(self, worker: WorkerProcess) -> None:
        """Take a worker back that has finished its task."""
        worker.relax()
        with self._changed:
            if self._busy.pop(worker, None) is not None:
                self._idle.append(worker)
            surplus = self._take_surplus()
            self._changed.notify()
        _end(surplus)

    def discard(self, worker: WorkerProcess) -> None:
        """End a worker and forget it."""
        worker.kill()
        with self._changed:
            self._busy.pop(worker, None)
            self._changed.notify()

    def abandon(self, owner: object) -> None:
        """End all workers that an owner still has, because it stops in the middle of its batch."""
        with self._changed:
            theirs = [worker for worker, borrower in self._busy.items() if borrower is owner]
        for worker in theirs:
            self.discard(worker)

    def set_limit(self, limit: int) -> None:
        """Change how many workers there may be; idle ones above it end now, busy ones after their task."""
        with self._changed:
            self._limit = limit
            surplus = self._take_surplus()
            self._changed.notify_all()
        _end(surplus)

    def _take_surplus(self) -> list[WorkerProcess]:
        allowed = 0 if self._closed else max(0, self._limit - len(self._busy))
        num_surplus = max(0, len(self._idle) - allowed)
        return [self._idle.pop() for _ in range(num_surplus)]

    def close(self) -> None:
        """End the idle workers, and those that are busy as soon as they are done."""
        with self._changed:
            self._closed = True
            surplus = self._take_surplus()
        _end(surplus)

    def kill(self) -> None:
        """End all workers now, also those that are busy: their batches fail."""
        self.close()
        with self._changed:
            for worker in self._busy:
                worker.interrupt()

    def forget(self) -> None:
        """In a forked child: let go of the parent's workers."""
        for worker in (*self._idle, *self._busy):
            worker.forget()


def _end(workers: list[WorkerProcess]) -> None:
    for worker in workers:  # all are told first, then waited for
        worker.stop()
    for worker in workers:
        worker.join()


class _State:
    """The one pool of this process, if it was needed already."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.limit = os.cpu_count() or 1
        self.pool: Pool | None = None


_state = _State()


def why_unavailable() -> str:
    """Return why worker processes cannot be used here; empty when they can."""
    if os.name != "posix":
        return "worker processes need file descriptors to be inherited, which this operating system does not do"
    if not sys.executable or getattr(sys, "frozen", False):
        return "worker processes need a Python interpreter, and this program has none of its own"
    return ""


def get_pool() -> Pool:
    """Return the pool of this process; its workers start when they are needed."""
    with _state.lock:
        if _state.pool is None:
            _state.pool = Pool(_state.limit)
        return _state.pool


def set_workers(count: int) -> None:
    """Set how many worker processes the libraries may use.

    Parameters
    ----------
    count : int
        1 or more; by default as many as there are CPUs.

    Raises
    ------
    ParameterError
        If it is not.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ParameterError(f"A number of workers of '{count}' is not allowed, must be an integer of 1 or more")
    with _state.lock:
        _state.limit = count
        if _state.pool is not None:
            _state.pool.set_limit(count)


def shutdown() -> None:
    """End the worker processes; a later batch starts new ones."""
    with _state.lock:
        pool, _state.pool = _state.pool, None
    if pool is not None:
        pool.close()


def _at_exit() -> None:
    if _state.pool is not None:
        _state.pool.kill()


def _after_fork_in_child() -> None:
    global _state
    pool = _state.pool
    limit = _state.limit
    _state = _State()  # a lock that another thread held would stay locked for ever
    _state.limit = limit
    if pool is not None:
        pool.forget()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
