"""Where kernels run and their arrays are, as codecs see it: `Executor`, which for the host is all there is to it."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import numpy as np

__all__ = ["Executor", "Mark", "Stream"]

_LARGEST_SCRATCH = 64 << 20  # what a thread keeps of each name, at most
_CACHE_LINE = 64
_SMALLEST_TEMPORARY = 1 << 18
_kept = threading.local()
_one_at_a_time = threading.Lock()  # the simulator stands in for CUDA in a kernel's globals while it runs


class Mark:
    """A point in the work that a thread has asked a device for; on the host it is reached when it is made."""


class Stream:
    """Work that a library does in order, beside the current stream's; on the host it is done when a call returns."""

    address = 0

    def follow_current(self) -> None:
        """Let what is asked of this stream from now on begin after what the current stream has been asked so far."""

    def synchronize(self) -> None:
        """Wait until everything asked of this stream is done.

        Raises
        ------
        DeviceError
            If the GPU says that something of it failed.
        """


class Executor:
    """One device. This class is the CPU, and the simulator, whose arrays are NumPy's too.

    On a GPU all is done in the order in which it is asked for, and later than that: what a thread asks for goes to its
    current stream, which `active` makes one of the thread's own. Two streams wait for each other by `mark` and
    `follow` alone, and memory goes back to the stream that it was allocated on as soon as nobody refers to it. So an
    array that another stream reads or writes must be referred to until that one is done: until the thread that
    uses it has waited (`download`), or by `hold`.

    Parameters
    ----------
    backend : str
        ``"cpu"``, ``"cuda"`` or ``"simulator"``.
    """

    # Samples per index for kernels that work on neighbouring samples: enough to vectorise.
    samples_per_index = 8192

    def __init__(self, backend: str) -> None:
        self.backend = backend

    @property
    def on_host(self) -> bool:
        """Whether kernels read and write the caller's memory itself; the simulator copies arrays, as a GPU needs."""
        return self.backend == "cpu"

    @property
    def place(self) -> Hashable:
        """Where arrays are: those of one executor can be used by all that have the same."""
        return self.backend

    def active(self) -> AbstractContextManager[None]:
        """Let the calling thread's work go to this device, to a stream that no other thread has meanwhile."""
        return nullcontext()

    def mark(self) -> Mark:
        """Return the point that the current stream reaches when it has done what it was asked for so far."""
        return Mark()

    def follow(self, mark: Mark) -> None:
        """Let what is asked of the current stream from now on begin when a mark of another one is reached."""

    def hold(self, *objects: Any) -> None:
        """Refer to objects until the current stream has done what it was asked for so far."""

    def free_memory(self) -> int | None:
        """Return how many bytes could be allocated; None on the host, which has no arrays of its own."""
        return None

    @property
    def is_asynchronous(self) -> bool:
        """Whether launches return before their work is done, and arrays are somewhere else than on the host."""
        return False

    def empty(self, size: int, dtype: Any) -> Any:
        """Return an uninitialised one-dimensional array where the kernels run."""
        return np.empty(size, dtype)

    def temporary(self, size: int, dtype: Any) -> Any:
        """Return an uninitialised array where the kernels run, whose memory is the system's again when it is let go.

        Memory that the C library takes back it may keep, and that of large frames is then not there for what comes
        next.
        """
        num_bytes = size * np.dtype(dtype).itemsize
        if num_bytes < _SMALLEST_TEMPORARY:
            return self.empty(size, dtype)
        return np.frombuffer(_mapped(num_bytes), dtype, size)

    def scratch(self, name: str, size: int, dtype: Any) -> Any:
        """Return an uninitialised array where the kernels run, the calling thread's until it asks for `name` again."""
        return self.host_scratch(name, size, dtype)

    @staticmethod
    def host_scratch(name: str, size: int, dtype: Any) -> np.ndarray[Any, Any]:
        """Return an uninitialised host array, the calling thread's until it asks for the same name again.

        Fresh memory costs more than most kernels do with it: the system clears every page at its first use.
        """
        num_bytes = size * np.dtype(dtype).itemsize
        if num_bytes > _LARGEST_SCRATCH:
            return _aligned(num_bytes).view(dtype)
        kept = _kept.__dict__.get(name)
        if kept is None or kept.nbytes < num_bytes:
            kept = _kept.__dict__[name] = _aligned(num_bytes)
        view: np.ndarray[Any, Any] = kept[:num_bytes].view(dtype)
        return view

    def upload(self, array: np.ndarray[Any, Any]) -> Any:
        """Return a host array's contents where the kernels run; the same array where that is the host."""
        return array

    def constant(self, array: np.ndarray[Any, Any]) -> Any:
        """Return a host array's contents where the kernels run, there for the streams of all threads."""
        return self.upload(array)

    def contiguous(self, array: Any) -> Any:
        """Return an array of any layout, on the host or already where the kernels run, as a C-contiguous one there."""
        return np.ascontiguousarray(array)

    def download(self, array: Any) -> np.ndarray[Any, Any]:
        """Return an array's contents on the host, after all launches before it are done.

        What comes from a GPU is in memory that copies to and from it need: it should not be kept for long.
        """
        result: np.ndarray[Any, Any] = array
        return result

    def begin_download(self, array: Any) -> Callable[[], np.ndarray[Any, Any]]:
        """Ask for an array's contents on the host; what is returned waits for them and returns them."""
        return lambda: self.download(array)

    @property
    def device(self) -> int:
        """The number of the current GPU; 0 where there is none."""
        return 0

    def address(self, array: Any) -> int:
        """Return where the memory of an array begins, for libraries; the array must be there where kernels run."""
        return int(array.ctypes.data)

    def new_stream(self) -> Stream:
        """Return a new stream for libraries."""
        return Stream()

    def launch(self, kernel: Any, count: int, *arguments: Any) -> None:
        """Run a kernel for every index from 0 to `count`."""
        from gpucodec_kernels.target import launch

        with _one_at_a_time if self.backend == "simulator" else nullcontext():
            launch(self.backend, kernel, count, *arguments)


def _mapped(num_bytes: int) -> mmap.mmap:
    """Return memory that is only ours, in large pages where the system has them: its first use then costs a quarter."""
    if not hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, num_bytes)
    mapped = mmap.mmap(-1, num_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):
            mapped.madvise(mmap.MADV_HUGEPAGE)
    return mapped


def _aligned(num_bytes: int) -> np.ndarray[Any, Any]:
    """Return an uninitialised host array that begins with a cache line: vectors of 64 bytes then cross none."""
    memory = np.empty(num_bytes + _CACHE_LINE, np.uint8)
    begin = -memory.ctypes.data % _CACHE_LINE
    return memory[begin : begin + num_bytes]
