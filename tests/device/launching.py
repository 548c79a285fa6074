"""Launches on the stand-in: a kernel that is compiled for the CPU runs when its stream gets to it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np
from gpucodec_kernels import target
from gpucodec_kernels.ht.decode_quads import decode_first_pairs, decode_pairs

from tests.device import current
from tests.device.arrays import enqueue, ndarray
from tests.device.block_kernels import run_blocks, run_plain
from tests.device.machine import Stream

# What the CPU has in the place of some of its functions works on all slots of a lane, of which a GPU's thread has one.
_PLAIN = {"read_quads_of_codeblocks": (decode_first_pairs, decode_pairs)}
_numba = threading.local()


class NumbaDevices:
    """Stands in for ``numba.cuda.gpus``: which device Numba takes for the calling thread's."""

    def __getitem__(self, number: int) -> Any:
        @contextmanager
        def use() -> Any:
            before = numba_device()
            _numba.device = number
            try:
                yield
            finally:
                _numba.device = before

        return use()


def numba_device() -> int:
    return getattr(_numba, "device", 0)


def external_stream(pointer: int) -> Stream:
    """Stands in for ``numba.cuda.external_stream``."""
    return next(stream for stream in current.machine().device.streams if stream.ptr == pointer)


class Entry:
    """Stands in for a kernel that Numba compiled for a GPU."""

    def __init__(self, kernel: target.Kernel) -> None:
        self.kernel = kernel

    def __getitem__(self, configuration: tuple[int, int, Stream]) -> Any:
        blocks, threads, stream = configuration
        return lambda *arguments: self._launch(blocks, threads, stream, arguments)

    def _launch(self, blocks: int, threads: int, stream: Stream, arguments: tuple[Any, ...]) -> None:
        machine, kernel = current.machine(), self.kernel
        in_blocks = isinstance(kernel, target.BlockKernel)
        count, given = (blocks, arguments) if in_blocks else (int(arguments[0]), arguments[1:])
        assert stream is machine.stream
        assert numba_device() == stream.device.number, "Numba takes another device for the current one"
        hosts = [_checked(kernel, *pair) for pair in zip(given, kernel.argument_types, strict=True)]
        machine.launches.append(kernel.__name__)
        used = [each._block for each in given if isinstance(each, ndarray)]
        if in_blocks:
            assert threads == kernel.threads
            enqueue(lambda: run_blocks(kernel, count, tuple(hosts)), *used)
        elif kernel.__name__ in _PLAIN:
            without = _PLAIN[kernel.__name__]
            enqueue(lambda: run_plain(kernel, without, count, tuple(hosts)), *used)
        else:
            enqueue(lambda: target.launch("cpu", kernel, count, *hosts), *used)


def _checked(kernel: target.Kernel, given: Any, kind: Any) -> Any:
    """Return an argument as the CPU takes it; refuse what does not fit the kernel's signature."""
    if not isinstance(kind, numba.types.Array):
        return given
    if not isinstance(given, ndarray):
        raise TypeError(f"{kernel.__name__}: {type(given)} is no array of the device")
    found = (given.ndim, str(given.dtype), given.flags.c_contiguous)
    if found != (kind.ndim, str(kind.dtype), True):
        raise TypeError(f"{kernel.__name__}: {found} instead of {kind}")
    return np.asarray(given._host)


def compiled(self: target.Kernel, where: str, _real: Any = target.Kernel.compiled) -> Any:
    """Stands in for `Kernel.compiled`."""
    return Entry(self) if where == "cuda" else _real(self, where)
