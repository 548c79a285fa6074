"""One worker process as its parent sees it: started, given a task, waited for, ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time

from gpucodec.errors import WorkerError
from gpucodec.libraries.messages import Reply, Task, receive, send
from gpucodec.libraries.shared_memory import SharedBuffer

__all__ = ["WorkerDiedError", "WorkerProcess"]

# Runs before any module of ours can be imported; takes over the parent's sys.path, so that editable installs,
# PYTHONPATH and paths added at run time are found there too.
_BOOTSTRAP = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[3]); "
    "from gpucodec.libraries.worker import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)
_KEEP_BYTES = 64 << 20  # a worker's buffer above this is given back after the task
_STOP_SECONDS = 1.0


class WorkerDiedError(Exception):
    """The worker is gone, or was ended because its time was up; the message says how.

    Parameters
    ----------
    message : str
        How it ended.
    was_late : bool
        Whether it was ended because its time was up.
    """

    def __init__(self, message: str, *, was_late: bool = False) -> None:
        super().__init__(message)
        self.was_late = was_late


class WorkerProcess:
    """A worker process with its channel and its shared buffer.

    Raises
    ------
    WorkerError
        If the process cannot be started.
    """

    def __init__(self) -> None:
        self.deadline = 0.0
        try:
            self.buffer = SharedBuffer.create()
            self.channel, theirs = socket.socketpair()
        except OSError as error:
            raise WorkerError(f"Unable to start a worker process: {error}") from error
        try:
            self._process = _start(theirs.fileno(), self.buffer.fd)
        except OSError as error:
            self._release()
            raise WorkerError(f"Unable to start a worker process: {error}") from error
        finally:
            theirs.close()

    @property
    def pid(self) -> int:
        """The operating system's number of the process."""
        return self._process.pid

    def fileno(self) -> int:
        """Return the channel's descriptor: readable when a reply or the end is there."""
        return self.channel.fileno()

    def start(self, task: Task) -> None:
        """Hand over a task whose input is in the buffer.

        Raises
        ------
        WorkerDiedError
            If the worker cannot take it.
        """
        self.deadline = time.monotonic() + task.time_limit
        try:
            send(self.channel, task, self.deadline)
        except (OSError, TimeoutError) as error:
            raise self._last_words(error) from error

    def finish(self) -> Reply:
        """Wait for the reply, no longer than the task's deadline.

        Raises
        ------
        WorkerDiedError
            If the worker died, or did not answer in time and was ended.
        """
        try:
            reply: Reply = receive(self.channel, self.deadline)
            self.buffer.refresh()
        except (EOFError, OSError) as error:  # TimeoutError is an OSError
            raise self._last_words(error) from error
        return reply

    def relax(self) -> None:
        """Give back the memory that an unusually large task needed."""
        self.buffer.trim(_KEEP_BYTES)

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process at once and free what belongs to it."""
        self._process.kill()
        self._process.wait()
        self._release()

    def interrupt(self) -> None:
        """End the process at once; whoever waits for its reply learns that it died."""
        self._process.kill()

    def stop(self) -> None:
        """Let an idle process end by itself: the end of the channel is its signal."""
        self._release()

    def join(self) -> None:
        """Wait for a stopped process, and end it if it does not."""
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def forget(self) -> None:
        """In a forked child: close the child's copies of the descriptors; the process is the parent's."""
        self._release()
        self._process.returncode = 0  # it is no child of this process, which must not wait for it

    def _release(self) -> None:
        self.channel.close()
        self.buffer.close()

    def _last_words(self, error: BaseException) -> WorkerDiedError:
        if isinstance(error, TimeoutError):
            self.kill()
            return WorkerDiedError("did not finish in time and was ended", was_late=True)
        try:
            code = self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        self.kill()
        if code is None:
            return WorkerDiedError("broke the connection")
        if code < 0:
            return WorkerDiedError(f"was ended by signal {-code} ({_signal_name(-code)})")
        return WorkerDiedError(f"ended with exit code {code}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _start(channel_fd: int, buffer_fd: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _BOOTSTRAP, str(channel_fd), str(buffer_fd), json.dumps(sys.path)],
        pass_fds=(channel_fd, buffer_fd),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        # Workers are as many as cores; threads of NumPy's BLAS, which they never use, would only slow their start.
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        process_group=0,  # an interrupt from the keyboard is the parent's business
    )
