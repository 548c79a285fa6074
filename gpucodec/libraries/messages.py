"""What the pool and its workers say to each other, and how: pickled, with a length before it, over a socket.

Pixels and codestreams do not travel here, they stand in the worker's `SharedBuffer`. A worker is a shield
against crashes, not a sandbox: it runs with the same rights as its parent, and each trusts the other's messages.
"""

from __future__ import annotations

import pickle
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Any

from gpucodec.errors import GpucodecError

__all__ = ["Reply", "Task", "receive", "send"]

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Task:
    """Several frames for one worker.

    Parameters
    ----------
    module : str
        Dotted name of the library's module.
    function : str
        ``"encode_frame"`` or ``"decode_frame"``.
    spec, options
        The function's second and third argument.
    inputs : list of tuple of int
        Offset and length of each frame's bytes in the shared buffer.
    output_offset : int
        Where in the shared buffer the results may start.
    time_limit : float
        Seconds after which the parent gives up.
    """

    module: str
    function: str
    spec: Any
    options: Any
    inputs: list[tuple[int, int]]
    output_offset: int
    time_limit: float


@dataclass(slots=True)
class Reply:
    """What came of a task.

    Parameters
    ----------
    outputs : list of tuple
        For each finished frame: offset and length of its bytes in the shared buffer, and the spec found (None
        when encoding).
    error : GpucodecError, optional
        Why the frame after the last output failed.
    """

    outputs: list[tuple[int, int, Any]] = field(default_factory=list)
    error: GpucodecError | None = None


def send(channel: socket.socket, message: Any, deadline: float | None = None) -> None:
    """Send a message.

    Raises
    ------
    TimeoutError
        If the deadline (on `time.monotonic`) passes.
    OSError
        If the other side is gone.
    """
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    _arm(channel, deadline)
    channel.sendall(_LENGTH.pack(len(body)) + body)


def receive(channel: socket.socket, deadline: float | None = None) -> Any:
    """Wait for a message.

    Raises
    ------
    EOFError, OSError
        If the other side is gone.
    TimeoutError
        If the deadline (on `time.monotonic`) passes.
    """
    (length,) = _LENGTH.unpack(_receive_exactly(channel, _LENGTH.size, deadline))
    return pickle.loads(_receive_exactly(channel, length, deadline))


def _receive_exactly(channel: socket.socket, length: int, deadline: float | None) -> bytearray:
    body = bytearray(length)
    with memoryview(body) as view:
        done = 0
        while done < length:
            _arm(channel, deadline)
            count = channel.recv_into(view[done:])
            if not count:
                raise EOFError
            done += count
    return body


def _arm(channel: socket.socket, deadline: float | None) -> None:
    if deadline is None:
        channel.settimeout(None)
        return
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    channel.settimeout(left)
