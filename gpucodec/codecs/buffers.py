"""Bytes objects that kernels fill and read in place."""

from __future__ import annotations

import ctypes
import operator
from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from gpucodec.backends import Executor

__all__ = ["LoadedCodestreams", "laid_out", "load_codestreams", "memory_window", "uninitialised_bytes"]

_new_bytes = ctypes.pythonapi.PyBytes_FromStringAndSize
_new_bytes.restype = ctypes.py_object
_new_bytes.argtypes = (ctypes.c_void_p, ctypes.c_ssize_t)

# A bytes object is its header, its contents and a terminating zero byte, which `__basicsize__` counts.
_CONTENTS_OFFSET = bytes.__basicsize__ - 1


def uninitialised_bytes(size: int) -> tuple[bytes, np.ndarray[Any, Any]]:
    """Return a new bytes object and a writable view of its contents.

    Python's C interface makes such objects for just this: to be filled before anybody else sees them. Kernels
    then write where the caller reads, many threads share the cost of the memory's first use, and none holds the
    GIL for a copy.

    Parameters
    ----------
    size : int
        Number of bytes, 1 or more.
    """
    made: bytes = _new_bytes(None, size)
    memory = (ctypes.c_uint8 * size).from_address(id(made) + _CONTENTS_OFFSET)
    return made, np.ctypeslib.as_array(memory)


def memory_window(pieces: Sequence[bytes]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return one array in which all pieces can be read where they lie, and where each begins in it.

    Between the pieces lies whatever memory is there, or none: only the pieces may be read. They must outlive
    the array.

    Parameters
    ----------
    pieces : sequence of bytes
        One or more.

    Returns
    -------
    window : numpy.ndarray
        uint8, from the first byte of the piece with the lowest address to the last of that with the highest.
    starts : numpy.ndarray
        int64, the index of each piece's first byte.
    """
    addresses = np.fromiter(map(id, pieces), np.int64, len(pieces)) + _CONTENTS_OFFSET
    lowest = int(addresses.min())
    end = max(address + len(piece) for address, piece in zip(addresses.tolist(), pieces, strict=True))
    memory = (ctypes.c_uint8 * (end - lowest)).from_address(lowest)
    return np.ctypeslib.as_array(memory), addresses - lowest


class LoadedCodestreams(Sequence[bytes]):
    """Codestreams that are on the host and on a device; a slice shares its device's memory.

    Parameters
    ----------
    codestreams : sequence of bytes
        Those on the host.
    where : Executor
        The device.
    source : array
        All of them, there.
    starts : numpy.ndarray
        int64, where in it each begins.
    """

    def __init__(
        self, codestreams: Sequence[bytes], where: Executor, source: Any, starts: np.ndarray[Any, Any]
    ) -> None:
        self.codestreams, self.place, self.source, self.starts = codestreams, where.place, source, starts

    def __len__(self) -> int:
        return len(self.codestreams)

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> LoadedCodestreams: ...

    def __getitem__(self, index: int | slice) -> bytes | LoadedCodestreams:
        if not isinstance(index, slice):
            return self.codestreams[index]
        made = object.__new__(LoadedCodestreams)
        made.codestreams, made.place = self.codestreams[index], self.place
        made.source, made.starts = self.source, self.starts[index]
        return made

    def are(self, codestreams: Sequence[bytes]) -> bool:
        """Whether these are they, the very objects."""
        return len(codestreams) == len(self) and all(map(operator.is_, codestreams, self.codestreams))


def load_codestreams(where: Executor, codestreams: Sequence[bytes]) -> Sequence[bytes]:
    """Copy codestreams to a device, before they are decoded there; on the host they are what they were."""
    if not where.is_asynchronous or not len(codestreams):
        return codestreams
    return LoadedCodestreams(codestreams, where, *laid_out(where, codestreams))


def laid_out(where: Executor, codestreams: Sequence[bytes]) -> tuple[Any, np.ndarray[Any, Any]]:
    """Return an array where the kernels run that holds all codestreams, and where each begins; no copy on the host."""
    if where.on_host:
        return memory_window(codestreams)
    if isinstance(codestreams, LoadedCodestreams) and codestreams.place == where.place:
        return codestreams.source, codestreams.starts
    lengths = np.fromiter(map(len, codestreams), np.int64, len(codestreams))
    return where.upload(np.frombuffer(b"".join(codestreams), np.uint8)), np.cumsum(lengths) - lengths
