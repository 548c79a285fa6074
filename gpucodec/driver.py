"""What NVIDIA's driver says of itself and its GPUs, asked through its own library, without CuPy or Numba."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from ctypes import byref, c_char, c_int
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["LIBRARY", "Driver", "Gpu", "ask_driver", "load_driver"]

LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_NODES = ("/dev/nvidia0", "/dev/nvidiactl", "/proc/driver/nvidia/version")
# Of CUdevice_attribute.
_MULTIPROCESSORS, _MAJOR, _MINOR = 16, 75, 76
_NAME_BYTES = 256


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU.

    Parameters
    ----------
    number : int
        The driver's number of it, from 0, among those that this process may see.
    name : str
        Such as ``"NVIDIA A100-SXM4-40GB"``.
    compute_capability : tuple of int
        Major and minor version.
    num_multiprocessors : int
        How many multiprocessors it has.
    """

    number: int
    name: str
    compute_capability: tuple[int, int]
    num_multiprocessors: int

    @property
    def architecture(self) -> str:
        """The compute capability as it is written."""
        return "{}.{}".format(*self.compute_capability)


@dataclass(frozen=True, slots=True)
class Driver:
    """What the driver said.

    Parameters
    ----------
    library : str
        The name of its library; empty if there is none.
    error : str
        Why the library cannot be loaded or asked, where it is there.
    has_nodes : bool
        Whether the system has the device files of NVIDIA's kernel module.
    version : int
        The newest CUDA that it serves, such as 12040 for 12.4; 0 if it did not say.
    status : int
        What initialising it returned; 0 is success.
    gpus : tuple of Gpu
        Those that this process may see.
    """

    library: str = ""
    error: str = ""
    has_nodes: bool = False
    version: int = 0
    status: int = 0
    gpus: tuple[Gpu, ...] = ()


def load_driver() -> Any:
    """Return the driver's library.

    Raises
    ------
    OSError
        If it is not there or cannot be loaded.
    """
    if sys.platform == "win32":
        return ctypes.WinDLL(LIBRARY)
    return ctypes.CDLL(LIBRARY)


def ask_driver(load: Callable[[], Any] = load_driver) -> Driver:
    """Ask the driver, if there is one; nothing is called that needs a context on a GPU.

    Parameters
    ----------
    load : callable
        Returns its library, or raises OSError.
    """
    has_nodes = any(Path(node).exists() for node in _NODES)
    try:
        library = load()
    except OSError as error:
        return Driver("" if _is_missing(str(error)) else LIBRARY, str(error), has_nodes)
    version, count = c_int(), c_int()
    try:
        status = library.cuDriverGetVersion(byref(version)) or library.cuInit(0)
        status = status or library.cuDeviceGetCount(byref(count))
        gpus = tuple(_gpu(library, number) for number in range(count.value)) if status == 0 else ()
    except AttributeError as error:  # a library that has not even these calls
        return Driver(LIBRARY, str(error), has_nodes)
    return Driver(LIBRARY, "", has_nodes, version.value, status, gpus)


def _is_missing(message: str) -> bool:
    """Whether it is the library itself that was not found, and nothing that it needs."""
    words = ("no such file", "could not find module", "image not found")
    return LIBRARY in message and any(word in message.lower() for word in words)


def _gpu(library: Any, number: int) -> Gpu:
    device, name = c_int(), (c_char * _NAME_BYTES)()
    library.cuDeviceGet(byref(device), number)
    library.cuDeviceGetName(name, _NAME_BYTES, device)
    major, minor, multiprocessors = (_attribute(library, device, what) for what in (_MAJOR, _MINOR, _MULTIPROCESSORS))
    return Gpu(number, name.value.decode("utf-8", "replace"), (major, minor), multiprocessors)


def _attribute(library: Any, device: c_int, what: int) -> int:
    value = c_int()
    library.cuDeviceGetAttribute(byref(value), what, device)
    return value.value
