"""What can execute kernels here: arrays, copies and launches behind one small seam, and honest availability.

Codecs know only `Executor`. Outside of this file and ``gpucodec_kernels.target`` nothing mentions CuPy or
Numba's CUDA target.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from gpucodec.errors import BackendUnavailableError, GpucodecError

__all__ = [
    "KERNEL_BACKENDS",
    "Executor",
    "Stream",
    "device_seconds",
    "executor",
    "num_multiprocessors",
    "why_no_device",
    "why_unavailable",
]

KERNEL_BACKENDS = ("cpu", "cuda", "simulator")

# Backend -> the module whose `why_unavailable()` answers for it; it loads when first asked.
_ANSWERED_BY = {"nvjpeg2k": "gpucodec.libraries.nvjpeg2k_library"}

_CURE = "install gpucodec[cuda12] or gpucodec[cuda13]"
_LARGEST_SCRATCH = 64 << 20  # what a thread keeps of each name, at most
_CACHE_LINE = 64
_SMALLEST_TEMPORARY = 1 << 18
_COLD_BYTES = 256 << 20
_kept = threading.local()


class Stream:
    """Work that a library does in order, beside the current stream's; on the host it is done when a call returns."""

    address = 0

    def follow_current(self) -> None:
        """Let what is asked of this stream from now on begin after what the current stream has been asked so far."""

    def synchronize(self) -> None:
        """Wait until everything asked of this stream is done.

        Raises
        ------
        GpucodecError
            If the GPU says that something of it failed.
        """


class Executor:
    """The CPU, and the simulator, whose arrays are NumPy's too.

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
        return np.frombuffer(mmap.mmap(-1, num_bytes), dtype, size)

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

    def contiguous(self, array: Any) -> Any:
        """Return an array of any layout, on the host or already where the kernels run, as a C-contiguous one there."""
        return np.ascontiguousarray(array)

    def download(self, array: Any) -> np.ndarray[Any, Any]:
        """Return an array's contents on the host, after all launches before it are done."""
        result: np.ndarray[Any, Any] = array
        return result

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

        launch(self.backend, kernel, count, *arguments)


def _aligned(num_bytes: int) -> np.ndarray[Any, Any]:
    """Return an uninitialised host array that begins with a cache line: vectors of 64 bytes then cross none."""
    memory = np.empty(num_bytes + _CACHE_LINE, np.uint8)
    begin = -memory.ctypes.data % _CACHE_LINE
    return memory[begin : begin + num_bytes]


class _CudaStream(Stream):
    """A stream of CuPy's on the current GPU."""

    def __init__(self) -> None:
        import cupy

        self._stream = cupy.cuda.Stream(non_blocking=True)
        self.address = int(self._stream.ptr)

    def follow_current(self) -> None:
        import cupy

        event = cupy.cuda.Event(disable_timing=True)
        event.record(cupy.cuda.get_current_stream())
        self._stream.wait_event(event)

    def synchronize(self) -> None:
        import cupy

        try:
            self._stream.synchronize()
        except cupy.cuda.runtime.CUDARuntimeError as error:
            raise GpucodecError(f"work on the GPU failed: {error}") from error


class _CudaExecutor(Executor):
    """CuPy owns memory and streams; Numba's kernels take both through their array and stream protocols."""

    # Neighbouring threads take neighbouring samples, so that a warp's accesses fall together.
    samples_per_index = 1

    def empty(self, size: int, dtype: Any) -> Any:
        import cupy

        return cupy.empty(size, dtype)

    def temporary(self, size: int, dtype: Any) -> Any:
        return self.empty(size, dtype)

    def scratch(self, name: str, size: int, dtype: Any) -> Any:  # noqa: ARG002 - CuPy's pool keeps freed memory
        """Return an uninitialised device array."""
        return self.empty(size, dtype)

    def upload(self, array: np.ndarray[Any, Any]) -> Any:
        import cupy

        return cupy.asarray(array)

    def contiguous(self, array: Any) -> Any:
        import cupy

        return cupy.ascontiguousarray(array)

    def download(self, array: Any) -> np.ndarray[Any, Any]:
        import cupy

        host: np.ndarray[Any, Any] = cupy.asnumpy(array)
        return host

    @property
    def device(self) -> int:
        import cupy

        return int(cupy.cuda.Device().id)

    def address(self, array: Any) -> int:
        return int(array.data.ptr)

    def new_stream(self) -> Stream:
        return _CudaStream()

    def launch(self, kernel: Any, count: int, *arguments: Any) -> None:
        import cupy
        from gpucodec_kernels.target import launch
        from numba import cuda

        stream = cuda.external_stream(cupy.cuda.get_current_stream().ptr)
        launch(self.backend, kernel, count, *arguments, stream=stream)


@cache
def executor(backend: str) -> Executor:
    """Return what runs kernels for a backend.

    Raises
    ------
    BackendUnavailableError
        If it cannot be used here, with the reason and the cure.
    """
    if reason := why_unavailable(backend):
        raise BackendUnavailableError(f"The backend '{backend}' cannot be used here: {reason}")
    return _CudaExecutor(backend) if backend in ("cuda", "nvjpeg2k") else Executor(backend)


def device_seconds(call: Callable[[], Any]) -> float:
    """Return how many seconds of the GPU's clock lie between the begin and the end of a call, its caches cold before.

    Parameters
    ----------
    call : callable
        What to run; it uses the current stream.
    """
    import cupy

    cupy.zeros(_COLD_BYTES, "u1")  # more than any GPU's second-level cache holds
    begin, end = cupy.cuda.Event(), cupy.cuda.Event()
    begin.record()
    call()
    end.record()
    end.synchronize()
    return float(cupy.cuda.get_elapsed_time(begin, end)) / 1e3


@cache
def num_multiprocessors(backend: str) -> int:
    """Return how many multiprocessors a backend's GPU has; 0 where there is none."""
    if backend != "cuda" or why_unavailable(backend):
        return 0
    import cupy

    return int(cupy.cuda.Device().attributes["MultiProcessorCount"])


@cache
def why_unavailable(backend: str) -> str:
    """Return why a backend cannot be used here, with the cure; an empty string when it can.

    Parameters
    ----------
    backend : str
        ``"cpu"``, ``"cuda"``, ``"simulator"``, ``"nvjpeg2k"`` or ``"library"``.
    """
    if backend == "cuda":
        return _why_no_cuda()
    if backend == "simulator":
        from gpucodec_kernels.target import simulator_enabled

        return "" if simulator_enabled() else "set NUMBA_ENABLE_CUDASIM=1 before Python starts"
    if backend in _ANSWERED_BY:
        reason: str = import_module(_ANSWERED_BY[backend]).why_unavailable()
        return reason
    return ""


def why_no_device() -> str:
    """Return why CuPy cannot use a GPU here, with the cure; an empty string when what it copies there comes back."""
    try:
        import cupy
    except ImportError as error:
        return f"CuPy cannot be imported ({error}); {_CURE}"
    sent = np.array([3, 4, 5], dtype=np.int64)
    try:
        received = cupy.asnumpy(cupy.asarray(sent)).tolist()
    except (cupy.cuda.runtime.CUDARuntimeError, OSError, RuntimeError) as error:
        return f"CuPy cannot use a GPU ({error}); install or update the NVIDIA driver, or use the CPU"
    return "" if received == sent.tolist() else f"the GPU returned wrong values ({received})"


def _why_no_cuda() -> str:
    """Probe the GPU by running a tiny kernel on it and looking at what it wrote; a device count proves nothing."""
    from gpucodec_kernels.target import simulator_enabled

    if simulator_enabled():
        return "this process runs the CUDA simulator; unset NUMBA_ENABLE_CUDASIM"
    try:
        import cupy
    except ImportError as error:
        return f"CuPy cannot be imported ({error}); {_CURE}"
    try:
        from numba import cuda
    except ImportError as error:
        return f"numba-cuda cannot be imported ({error}); {_CURE}"
    if not cuda.is_available():
        return "no NVIDIA driver with a usable GPU was found; install the driver or use the CPU"
    return _probe(cupy)


def _probe(cupy: Any) -> str:
    from gpucodec_kernels.prefix_sum import offset_chunks
    from numba import cuda

    probe = _CudaExecutor("cuda")
    try:
        sums = probe.upload(np.array([3, 4, 5], dtype=np.int64))
        probe.launch(offset_chunks, 1, sums)
        result = probe.download(sums).tolist()
    except (cupy.cuda.runtime.CUDARuntimeError, cuda.cudadrv.driver.CudaAPIError, OSError, RuntimeError) as error:
        return f"a kernel did not run on the GPU ({error}); update the driver, or install the matching CUDA extra"
    return "" if result == [0, 3, 7] else f"a kernel ran on the GPU and returned wrong values ({result})"
