"""Bytes objects that are filled in place."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

__all__ = ["uninitialised_bytes"]

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
