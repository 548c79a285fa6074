"""Finding and calling the shared library of nvJPEG2000, and saying why it cannot be used here."""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Iterator
from ctypes import byref, c_int, c_void_p
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from typing import Any

from gpucodec.backends import why_no_device
from gpucodec.errors import BackendUnavailableError, CodestreamError, GpucodecError, UnsupportedError
from gpucodec.libraries.nvjpeg2k_abi import FUNCTIONS, STATUS_MEANINGS, Property, Status

__all__ = ["Handles", "Library", "load", "why_unavailable"]

_WHEELS = ("nvidia-nvjpeg2k-cu12", "nvidia-nvjpeg2k-cu13")
_SYSTEM_NAMES = ("libnvjpeg2k.so.0", "nvjpeg2k_0.dll")
_CURE = "install gpucodec[cuda12] or gpucodec[cuda13]"
# Creating these two takes no handle of another, and has a name of its own.
_ROOTS = {
    "nvjpeg2k": ("nvjpeg2kCreateSimple", "nvjpeg2kDestroy"),
    "nvjpeg2kEncoder": ("nvjpeg2kEncoderCreateSimple", "nvjpeg2kEncoderDestroy"),
}


class Library:
    """The shared library: every call's status is looked at.

    Parameters
    ----------
    shared : ctypes.CDLL
        The library, or what stands in for it.
    path : str
        Where it is, for messages.

    Raises
    ------
    BackendUnavailableError
        If it does not have all calls that are needed, which those before 0.9 do not.
    """

    def __init__(self, shared: Any, path: str) -> None:
        self.path = path
        self._functions: dict[str, Any] = {}
        for name, arguments in FUNCTIONS.items():
            try:
                function = getattr(shared, name)
            except AttributeError:
                raise BackendUnavailableError(f"nvJPEG2000 in {path} has no {name}, it is too old; {_CURE}") from None
            function.argtypes, function.restype = arguments, c_int
            self._functions[name] = function

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function.

        Raises
        ------
        CodestreamError
            If it says that the codestream is wrong.
        UnsupportedError
            If it says that it does not support what was asked.
        GpucodecError
            If it returns any other status but success.
        """
        if code := self._functions[name](*arguments):
            raise _failure(name, code)

    def version(self, name: str = "nvjpeg2kGetProperty") -> str:
        """Return the library's own version; with ``"nvjpeg2kGetCudartProperty"`` that of the CUDA it was built for."""
        numbers = []
        for part in Property:
            value = c_int()
            self.call(name, part, byref(value))
            numbers.append(str(value.value))
        return ".".join(numbers)


def _failure(name: str, code: int) -> GpucodecError:
    if code not in STATUS_MEANINGS:
        return GpucodecError(f"{name} returned {code}, which is no status of nvJPEG2000")
    status = Status(code)
    message = f"{name} returned {status.name} ({code}): {STATUS_MEANINGS[status]}"
    if status is Status.BAD_JPEG:
        return CodestreamError(message, format="JPEG 2000")
    if status is Status.JPEG_NOT_SUPPORTED:
        return UnsupportedError(message)
    return GpucodecError(message)


class Handles:
    """Handles that are destroyed together, the last one first."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._open: list[tuple[str, c_void_p]] = []

    def create(self, kind: str, *of: c_void_p) -> c_void_p:
        """Create a handle.

        Parameters
        ----------
        kind : str
            What of, such as ``"nvjpeg2kStream"``.
        *of : ctypes.c_void_p
            The handle that it belongs to, where it takes one.
        """
        create, destroy = _ROOTS.get(kind, (f"{kind}Create", f"{kind}Destroy"))
        handle = c_void_p()
        self._library.call(create, *of, byref(handle))
        self._open.append((destroy, handle))
        return handle

    def close(self) -> list[str]:
        """Destroy them all, and return what went wrong with any."""
        failures = []
        while self._open:
            destroy, handle = self._open.pop()
            try:
                self._library.call(destroy, handle)
            except GpucodecError as error:
                failures.append(str(error))
        return failures


@cache
def load() -> Library:
    """Load the library of an installed wheel, or the system's.

    Raises
    ------
    BackendUnavailableError
        If there is none that can be loaded, with the cure.
    """
    failures = []
    for path in (*_of_wheels(), *_of_system()):
        try:
            shared = ctypes.CDLL(path)
        except OSError as error:
            failures.append(str(error))
            continue
        return Library(shared, path)
    told = f" ({'; '.join(failures)})" if failures else ""
    raise BackendUnavailableError(f"nvJPEG2000 was not found{told}; {_CURE}")


def _of_wheels() -> Iterator[str]:
    for wheel in _WHEELS:
        try:
            installed = files(wheel) or ()
        except PackageNotFoundError:
            continue
        for file in installed:
            if "nvjpeg2k" in file.name and (".so" in file.suffixes or file.suffix == ".dll"):
                yield str(file.locate())


def _of_system() -> Iterator[str]:
    if found := ctypes.util.find_library("nvjpeg2k"):
        yield found
    yield from _SYSTEM_NAMES


def why_unavailable() -> str:
    """Return why nvJPEG2000 cannot be used here, with the cure; an empty string when it can.

    Asked through `gpucodec.backends.why_unavailable`, which remembers the answer.
    """
    try:
        library = load()
    except BackendUnavailableError as error:
        return str(error)
    return why_no_device() or _probe(library)


def _probe(library: Library) -> str:
    """Create what coding needs on the GPU, and destroy it again."""
    handles = Handles(library)
    try:
        handles.create("nvjpeg2kDecodeState", handles.create("nvjpeg2k"))
        handles.create("nvjpeg2kEncodeState", handles.create("nvjpeg2kEncoder"))
        reasons = []
    except GpucodecError as error:
        reasons = [str(error)]
    reasons += handles.close()
    if not reasons:
        return ""
    cuda = library.version("nvjpeg2kGetCudartProperty")
    return f"{'; '.join(reasons)}; nvJPEG2000 was built for CUDA {cuda}, update the driver or install the extra for it"
