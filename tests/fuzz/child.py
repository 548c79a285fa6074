"""A process of its own for each kind of work that may crash or hang, called again and again."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

__all__ = ["Child", "ChildError"]


class ChildError(Exception):
    """The process died, ran out of time, or the function raised what it should not have."""


class Child:
    """Calls functions in another process, with a limit on the time of each call.

    The process leads a group: when it is ended, what it started ends with it.
    """

    def __init__(self, seconds: float, memory: int = 0) -> None:
        self.seconds = seconds
        self.memory = memory
        self._process: Any = None
        self._pipe: Any = None

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        if self._process is None:
            self._start()
        self._pipe.send((function, arguments))
        if not self._pipe.poll(self.seconds):
            self.close()
            raise ChildError(f"no answer in {self.seconds:g} s")
        try:
            result, error = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join(10)
            code = self._process.exitcode
            self.close()
            raise ChildError(f"the process died with exit code {code}") from None
        if error is not None:
            raise ChildError(error)
        return result

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, self.memory), daemon=True)
        self._process.start()
        other.close()

    def close(self) -> None:
        """End the process, and its group."""
        if self._process is None:
            return
        if self._process.is_alive() and os.getpgid(self._process.pid) == self._process.pid:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()
        self._pipe.close()
        self._process = self._pipe = None

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _serve(pipe: Any, memory: int) -> None:
    import resource
    import warnings

    os.setsid()
    warnings.simplefilter("ignore")  # pydicom has much to say about damaged files
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        try:
            answer = function(*arguments), None
        except BaseException as error:  # a panic of a library in Rust is no Exception
            answer = None, f"{type(error).__name__}: {error}"
        pipe.send(answer)
