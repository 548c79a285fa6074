"""A worker process: takes tasks from its parent and runs a library on them, until the parent is gone.

It is started by `gpucodec.libraries.pool` with the parent's `sys.path` and two inherited file descriptors, so
neither the parent's ``__main__`` nor anything but the one library that is needed is imported here.
"""

from __future__ import annotations

import math
import os
import signal
import socket
import sys
from importlib import import_module

from gpucodec.errors import GpucodecError, WorkerError
from gpucodec.libraries.messages import Reply, Task, receive, send
from gpucodec.libraries.shared_memory import SharedBuffer

__all__ = ["main"]

_GRACE = 30  # seconds that the parent has to end a stuck worker before the kernel does


def main(channel_fd: int, buffer_fd: int) -> None:
    """Serve tasks until the parent closes its end of the channel or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a panic of a library prints pages, and is an error anyway
        os.dup2(nowhere.fileno(), 2)
    channel = socket.socket(fileno=channel_fd)
    buffer = SharedBuffer(buffer_fd)
    while True:
        try:
            task = receive(channel)
            # A library that loops forever holds the GIL, and its parent may be dead: SIGALRM ends it from outside.
            signal.alarm(math.ceil(task.time_limit) + _GRACE)
            send(channel, _perform(task, buffer))
            signal.alarm(0)
        except (EOFError, ConnectionError):
            sys.exit(0)


def _perform(task: Task, buffer: SharedBuffer) -> Reply:
    """Run the task's function on each frame; the first failure ends the task."""
    reply = Reply()
    try:
        function = getattr(import_module(task.module), task.function)
        buffer.refresh()
        offset = task.output_offset
        for start, length in task.inputs:
            result = function(buffer.read(start, length), task.spec, task.options)
            content, found = result if isinstance(result, tuple) else (result, None)
            buffer.reserve(offset + len(content))
            buffer.write(offset, content)
            reply.outputs.append((offset, len(content), found))
            offset += len(content)
    except GpucodecError as error:
        reply.error = error
    except Exception as error:  # whatever it is, the parent raises it and the worker lives on
        reply.error = WorkerError(f"{type(error).__name__} in the worker process: {error}")
    return reply
