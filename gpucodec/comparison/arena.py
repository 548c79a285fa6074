"""Each contender's process as the comparison sees it: started, asked, waited for, and ended when it hangs."""

from __future__ import annotations

import multiprocessing
import signal
from types import TracebackType
from typing import Any

from gpucodec.comparison.child import serve
from gpucodec.comparison.contenders import Contender

__all__ = ["Corner", "OutOfTheRunningError"]

_STOP_SECONDS = 2.0


class OutOfTheRunningError(Exception):
    """A contender failed, crashed or hung; the message says which."""


class Corner:
    """A contender in a process of its own.

    Parameters
    ----------
    contender : Contender
        Who runs there.
    patience : float
        Seconds after which a request counts as hung.
    """

    def __init__(self, contender: Contender, patience: float) -> None:
        self.contender = contender
        self._patience = patience
        self._process: Any = None
        self._channel: Any = None

    def ask(self, request: str, *arguments: Any) -> Any:
        """Have the process do something.

        Raises
        ------
        OutOfTheRunningError
            If it fails, crashes or takes too long; the next request starts a new process.
        """
        if self._process is None:
            self._start()
        try:
            self._channel.send((request, arguments))
            if not self._channel.poll(self._patience):
                self._end()
                raise OutOfTheRunningError(f"timed out after {self._patience:.0f} s")
            status, answer = self._channel.recv()
        except (EOFError, OSError):
            raise OutOfTheRunningError(self._how_it_ended()) from None
        if status == "failed":
            raise OutOfTheRunningError(f"failed: {answer}")
        return answer

    def _start(self) -> None:
        # A fresh interpreter: what one contender loads or leaves behind is not another's, and no lock is inherited.
        context = multiprocessing.get_context("spawn")
        self._channel, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, self.contender), daemon=False)
        self._process.start()
        theirs.close()

    def _how_it_ended(self) -> str:
        self._process.join(_STOP_SECONDS)
        code = self._process.exitcode
        self._end()
        if code is not None and code < 0:
            return f"crashed: {signal.Signals(-code).name}"
        return f"crashed: its process ended with {code}"

    def _end(self) -> None:
        if self._process is None:
            return
        self._channel.close()
        self._process.join(_STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process = self._channel = None

    def __enter__(self) -> Corner:
        """Return the corner; the process starts with the first request."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        if self._process is not None and kind is not None:
            self._process.kill()
        self._end()
