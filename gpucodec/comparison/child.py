"""A contender's process: it loads a job, codes it as often as it is told, and says what each time cost."""

from __future__ import annotations

import traceback
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from gpucodec.comparison.contenders import Contender, Job
from gpucodec.comparison.measuring import measured

__all__ = ["serve"]


def serve(channel: Connection, contender: Contender) -> None:
    """Answer requests until the channel is closed; an error of the contender's is an answer, too."""
    session = _Session(contender)
    while True:
        try:
            request, arguments = channel.recv()
        except (EOFError, OSError):
            return
        try:
            answer = ("done", getattr(session, request)(*arguments))
        except Exception as error:
            last = traceback.format_exception_only(error)[-1].strip()
            answer = ("failed", last)
        try:
            channel.send(answer)
        except OSError:
            return


class _Session:
    """What the process knows: its contender, the job, and the results of the last run."""

    def __init__(self, contender: Contender) -> None:
        self._contender = contender
        self._result: Any = None

    def load(self, job: Job, frames: str, codestreams: list[bytes] | None) -> None:
        """Take a job: frames in a file, and codestreams if it is to decode."""
        self._job = job
        self._frames: Any = np.load(frames)
        self._prepared = None if codestreams is None else self._contender.prepare(codestreams, job)

    def run(self, encoding: bool) -> Any:
        """Code everything once; return what it cost."""
        self._result = None
        contender, job = self._contender, self._job
        if encoding:
            cost, self._result = measured(lambda: contender.encode(self._frames, job), contender.timed)
        else:
            cost, self._result = measured(lambda: contender.decode(self._prepared, job), contender.timed)
        return cost

    def codestreams(self) -> list[bytes]:
        """Return what the last run encoded."""
        return [bytes(codestream) for codestream in self._result]

    def decoded_to(self, path: str) -> None:
        """Write what the last run decoded to a file."""
        with open(path, "wb") as file:  # noqa: PTH123 - np.save would append a suffix to a path
            np.save(file, np.ascontiguousarray(self._result))
