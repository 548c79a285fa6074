"""Threads that stay for a while after their work, so that the next work of the same kind finds what they keep.

A thread's scratch memory, and its stream on a GPU, are its own and end with it. Work says of which kind it is, and goes
to a thread that did that kind last.
"""

from __future__ import annotations

import contextvars
import os
import queue
import threading
from collections.abc import Callable, Hashable

__all__ = ["Task", "start"]

_IDLE_SECONDS = 10.0  # after that a thread ends, and gives its memory back

_lock = threading.Lock()
_idle: dict[Hashable, list[_Thread]] = {}


class Task:
    """Work that a thread does.

    Parameters
    ----------
    work : callable
        What to do, in a copy of the context of who asked for it. It must not raise.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._context = contextvars.copy_context()
        self._done = threading.Event()

    def wait(self) -> None:
        """Wait until it is done and its thread is idle."""
        self._done.wait()


class _Thread(threading.Thread):
    def __init__(self, kind: Hashable, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._kind = kind
        self.tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()

    def run(self) -> None:
        while task := self._next():
            try:
                task._context.run(task._work)
            finally:
                with _lock:
                    _idle.setdefault(self._kind, []).append(self)
                task._done.set()

    def _next(self) -> Task | None:
        while True:
            try:
                return self.tasks.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                with _lock:
                    others = _idle.get(self._kind, [])
                    if self in others:  # otherwise a task is on its way
                        others.remove(self)
                        if not others:
                            del _idle[self._kind]
                        return None


def start(kind: Hashable, work: Callable[[], None], name: str) -> Task:
    """Let a thread begin some work.

    Parameters
    ----------
    kind : hashable
        What kind of work it is: a thread that did this kind last does it, or a new one if none is idle.
    work : callable
        What to do; it must not raise.
    name : str
        Of a new thread.
    """
    task = Task(work)
    with _lock:
        others = _idle.get(kind)
        thread = others.pop() if others else None
        if others is not None and not others:
            del _idle[kind]
    if thread is None:
        thread = _Thread(kind, name)
        thread.tasks.put(task)
        thread.start()
    else:
        thread.tasks.put(task)
    return task


if hasattr(os, "register_at_fork"):
    # A child has none of its parent's threads, and must not wait for a lock that one of them held.
    def _forget() -> None:
        global _lock
        _lock = threading.Lock()
        _idle.clear()

    os.register_at_fork(after_in_child=_forget)
