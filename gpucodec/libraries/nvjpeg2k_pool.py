"""Sessions of nvJPEG2000 that take turns, and are kept for the next batch.

A state may not be used again before the work it was given is done. So several sessions take turns: while the GPU works
for one, the host parses or uploads for the next.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from gpucodec.backends import Executor
from gpucodec.errors import GpucodecError, naming_frame
from gpucodec.libraries.nvjpeg2k_library import Handles, Library
from gpucodec.libraries.nvjpeg2k_sessions import Session

__all__ = ["MAX_RUNNING", "Sessions", "run", "sessions_for", "shutdown"]

MAX_RUNNING = 4

S = TypeVar("S", bound=Session)


class Sessions(Generic[S]):
    """Sessions of one kind on one GPU; one that is given back is taken again.

    Parameters
    ----------
    library : Library
        nvJPEG2000.
    where : Executor
        Where samples are.
    kind : type
        `DecodeSession` or `EncodeSession`.
    """

    def __init__(self, library: Library, where: Executor, kind: type[S]) -> None:
        self._library, self._where, self._kind = library, where, kind
        self._handles = Handles(library)
        self._root = self._handles.create(kind.root_kind)
        self._idle: list[S] = []
        self._lock = threading.Lock()

    def take(self) -> S:
        """Return a session for the caller alone."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._kind(self._library, self._where, self._root)

    def give_back(self, session: S) -> None:
        """Keep a session that has nothing left to do; those above `MAX_RUNNING` are closed.

        Raises
        ------
        GpucodecError
            If closing it fails.
        """
        session.rest()
        with self._lock:
            keep = len(self._idle) < MAX_RUNNING
            if keep:
                self._idle.append(session)
        if not keep and (failures := session.close()):
            raise GpucodecError("; ".join(failures))

    def refusal(self, show: Callable[[S], None]) -> list[str]:
        """Return what the library says against what a session is shown; nothing if it takes it."""
        try:
            session = self.take()
        except GpucodecError as error:
            return [str(error)]
        try:
            show(session)
        except GpucodecError as error:
            return [str(error), *session.abandon()]
        self.give_back(session)
        return []

    def close(self) -> list[str]:
        """Destroy all handles, and return what went wrong with any; no session may be taken."""
        failures = [failure for session in self._idle for failure in session.close()]
        self._idle.clear()
        return failures + self._handles.close()


def run(
    sessions: Sessions[S],
    count: int,
    start: Callable[[S, int], None],
    finish: Callable[[S, int], None],
    first_frame: int = 0,
) -> None:
    """Code frames, several sessions taking turns.

    Parameters
    ----------
    sessions : Sessions
        What codes.
    count : int
        How many frames.
    start, finish : callable
        Called with a session and a frame's index, in the order of frames: sets it to work, takes what came of it.
    first_frame : int
        The first frame's number in its file, for errors.
    """
    running: deque[tuple[int, S]] = deque()

    def finish_first() -> None:
        index, session = running[0]
        with naming_frame(first_frame + index):
            finish(session, index)
            running.popleft()
            sessions.give_back(session)

    try:
        for index in range(count):
            if len(running) == MAX_RUNNING:
                finish_first()
            with naming_frame(first_frame + index):
                running.append((index, sessions.take()))
                start(running[-1][1], index)
        while running:
            finish_first()
    except BaseException as error:
        for _, session in running:
            for failure in session.abandon():
                error.add_note(failure)
        raise


# -- what a process keeps

_kept: dict[tuple[str, int], Sessions[Any]] = {}
_lock = threading.Lock()


def sessions_for(library: Library, where: Executor, kind: type[S]) -> Sessions[S]:
    """Return this process's sessions of a kind on the current GPU."""
    key = (kind.root_kind, where.device)
    with _lock:
        if key not in _kept:
            _kept[key] = Sessions(library, where, kind)
        return _kept[key]


def shutdown() -> None:
    """Destroy everything that is kept, which also returns its memory on the GPU; no coding may be going on.

    Raises
    ------
    GpucodecError
        If the library failed to destroy something.
    """
    with _lock:
        failures = [failure for sessions in _kept.values() for failure in sessions.close()]
        _kept.clear()
    if failures:
        raise GpucodecError("; ".join(failures))


def _forget() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it when it forked
    _kept.clear()  # a GPU's state does not survive a fork


atexit.register(shutdown)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
