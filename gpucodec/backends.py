"""What can execute kernels here: arrays, copies and launches behind one small seam, and honest availability.

Codecs know only `Executor`. Outside of this file and ``gpucodec_kernels.target`` nothing mentions CuPy or
Numba's CUDA target.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, wraps
from importlib import import_module
from typing import Any, TypeVar

import numpy as np

from gpucodec.errors import BackendUnavailableError, DeviceError, DeviceMemoryError
from gpucodec.host import Executor, Mark, Stream

__all__ = [
    "KERNEL_BACKENDS",
    "Executor",
    "Mark",
    "Stream",
    "adopted",
    "device_seconds",
    "executor",
    "executors",
    "num_multiprocessors",
    "why_no_device",
    "why_unavailable",
]

KERNEL_BACKENDS = ("cpu", "cuda", "simulator")

# Backend -> the module whose `why_unavailable()` answers for it; it loads when first asked.
_ANSWERED_BY = {"nvjpeg2k": "gpucodec.libraries.nvjpeg2k_library"}

_CURE = "install gpucodec[cuda12] or gpucodec[cuda13]"
_COLD_BYTES = 256 << 20
_SMALLEST_PINNED = 1 << 12
_OUT_OF_MEMORY = 2  # cudaErrorMemoryAllocation and CUDA_ERROR_OUT_OF_MEMORY

M = TypeVar("M", bound=Callable[..., Any])


def _naming_device(method: M) -> M:
    """Let a method raise CuPy's and the driver's errors as ours."""

    @wraps(method)
    def call(self: _CudaExecutor, *arguments: Any) -> Any:
        try:
            return method(self, *arguments)
        except Exception as error:
            if (ours := self.device_error(error)) is None:
                raise
            raise ours from error

    return call  # type: ignore[return-value]


class _CudaStream(Stream):
    """A stream of CuPy's on the current GPU."""

    def __init__(self, where: _CudaExecutor) -> None:
        import cupy

        self._where = where
        self._stream = cupy.cuda.Stream(non_blocking=True)
        self.address = int(self._stream.ptr)

    def follow_current(self) -> None:
        self._stream.wait_event(self._where.mark().event)  # type: ignore[attr-defined]

    def synchronize(self) -> None:
        self._where.wait(self._stream)


class _CudaMark(Mark):
    """An event that was recorded on a stream."""

    def __init__(self) -> None:
        import cupy

        self.event = cupy.cuda.Event(disable_timing=True)
        self.event.record(cupy.cuda.get_current_stream())


class _CudaExecutor(Executor):
    """A GPU. CuPy owns memory and streams; Numba's kernels take both through their array and stream protocols.

    Parameters
    ----------
    backend : str
        ``"cuda"`` or ``"nvjpeg2k"``.
    number : int, optional
        Of the GPU; without it, the one that is current when something is asked for.
    """

    # Neighbouring threads take neighbouring samples, so that a warp's accesses fall together.
    samples_per_index = 1

    def __init__(self, backend: str, number: int | None = None) -> None:
        super().__init__(backend)
        self._number = number
        self._idle_streams: list[Any] = []
        self._held: list[tuple[Any, tuple[Any, ...]]] = []
        self._lock = threading.Lock()
        self._active = threading.local()

    @property
    def place(self) -> str:
        return f"cuda:{self.device}"

    def active(self) -> AbstractContextManager[None]:
        return nullcontext() if getattr(self._active, "is_on", False) else self._made_active()

    @contextmanager
    def _made_active(self) -> Iterator[None]:
        import cupy

        try:
            with cupy.cuda.Device(self.device), self._numba_device():
                # Streams are used again: the memory pool keeps what is freed apart by them.
                with self._lock:
                    stream = self._idle_streams.pop() if self._idle_streams else None
                stream = stream or cupy.cuda.Stream(non_blocking=True)
                self._active.is_on = True
                try:
                    with stream:
                        yield
                finally:
                    self._active.is_on = False
                    self._idle_streams.append(stream)
        except Exception as error:
            if (ours := self.device_error(error)) is None:
                raise
            raise ours from error

    def _numba_device(self) -> Any:
        """Return what makes Numba, which remembers a device for each thread, use this one."""
        import cupy

        if cupy.cuda.runtime.getDeviceCount() < 2:
            return nullcontext()
        from numba import cuda

        return cuda.gpus[self.device]

    @_naming_device
    def mark(self) -> Mark:
        return _CudaMark()

    @_naming_device
    def follow(self, mark: Mark) -> None:
        import cupy

        cupy.cuda.get_current_stream().wait_event(mark.event)  # type: ignore[attr-defined]

    @_naming_device
    def hold(self, *objects: Any) -> None:
        self._hold(*objects)

    def _hold(self, *objects: Any) -> Any:
        """Hold objects until the event that is returned."""
        event = _CudaMark().event
        with self._lock:
            before, self._held = self._held, []
            self._held = [(event, objects), *(pair for pair in before if not pair[0].done)]
        return event

    @_naming_device
    def wait(self, event_or_stream: Any) -> None:
        """Wait for a CuPy event or stream."""
        event_or_stream.synchronize()

    @_naming_device
    def free_memory(self) -> int | None:
        import cupy

        with cupy.cuda.Device(self.device) as device:
            pool = cupy.get_default_memory_pool()
            free = int(device.mem_info[0]) + int(pool.free_bytes())
            limit = int(pool.get_limit())
            return min(free, limit - int(pool.used_bytes())) if limit else free

    @_naming_device
    def empty(self, size: int, dtype: Any) -> Any:
        import cupy

        return cupy.empty(size, dtype)

    def temporary(self, size: int, dtype: Any) -> Any:
        return self.empty(size, dtype)

    def scratch(self, name: str, size: int, dtype: Any) -> Any:  # noqa: ARG002 - CuPy's pool keeps freed memory
        """Return an uninitialised device array."""
        return self.empty(size, dtype)

    @_naming_device
    def upload(self, array: Any) -> Any:
        """Return a host array's contents where the kernels run, in C order; an array that is on the device as it is."""
        import cupy

        if not isinstance(array, np.ndarray):
            return array
        made = cupy.empty(array.shape, array.dtype)
        if array.size:
            sent = _pinned(array.shape, array.dtype)
            np.copyto(sent, array)
            made.data.copy_from_host_async(sent.ctypes.data, sent.nbytes)
            self._hold(sent)
        return made

    @_naming_device
    def constant(self, array: np.ndarray[Any, Any]) -> Any:
        made = self.upload(array)
        _CudaMark().event.synchronize()
        return made

    @_naming_device
    def contiguous(self, array: Any) -> Any:
        import cupy

        return self.upload(array) if isinstance(array, np.ndarray) else cupy.ascontiguousarray(array)

    def download(self, array: Any) -> np.ndarray[Any, Any]:
        return self.begin_download(array)()

    @_naming_device
    def begin_download(self, array: Any) -> Callable[[], np.ndarray[Any, Any]]:
        import cupy

        received = _pinned(array.shape, array.dtype)
        if not array.size:
            return lambda: received
        array = cupy.ascontiguousarray(array)
        array.data.copy_to_host_async(received.ctypes.data, received.nbytes)
        event = self._hold(received, array)

        def finish() -> np.ndarray[Any, Any]:
            self.wait(event)
            return received

        return finish

    @property
    def device(self) -> int:
        import cupy

        return int(cupy.cuda.Device().id) if self._number is None else self._number

    def address(self, array: Any) -> int:
        return int(array.data.ptr)

    @_naming_device
    def new_stream(self) -> Stream:
        return _CudaStream(self)

    @_naming_device
    def launch(self, kernel: Any, count: int, *arguments: Any) -> None:
        import cupy
        from gpucodec_kernels.target import launch
        from numba import cuda

        stream = cuda.external_stream(cupy.cuda.get_current_stream().ptr)
        launch(self.backend, kernel, count, *arguments, stream=stream)

    def device_error(self, error: Exception) -> DeviceError | None:
        """Return what an error of CuPy or of the driver is for us; None if it is another one."""
        import cupy

        number = "" if self._number is None else f" {self._number}"
        if isinstance(error, cupy.cuda.memory.OutOfMemoryError):
            return DeviceMemoryError(f"GPU{number} has not the memory: {error}")
        of_driver = (cupy.cuda.runtime.CUDARuntimeError, cupy.cuda.driver.CUDADriverError)
        if not isinstance(error, of_driver) and type(error).__name__ != "CudaAPIError":  # the last one is Numba's
            return None
        if _OUT_OF_MEMORY in (getattr(error, "status", 0), getattr(error, "code", 0)):
            return DeviceMemoryError(f"GPU{number} has not the memory: {error}")
        return DeviceError(f"work on GPU{number} failed: {error}")


def _pinned(shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    """Return an uninitialised host array that a GPU copies from and to by itself."""
    import cupy

    dtype = np.dtype(dtype)
    size = int(np.prod(shape))
    if not size:
        return np.empty(shape, dtype)
    num_bytes = max(_SMALLEST_PINNED, size * dtype.itemsize)
    # The pool gives freed memory to those who ask for exactly as much: let them ask for eight sizes in each power of 2.
    step = 1 << (num_bytes.bit_length() - 4)
    memory = cupy.cuda.alloc_pinned_memory(-(-num_bytes // step) * step)
    return np.frombuffer(memory, dtype, size).reshape(shape)


def adopted(array: Any) -> Any:
    """Return an array on a GPU, whatever package made it, as one that executors take; nothing is copied.

    Parameters
    ----------
    array : object
        Has ``__dlpack__``, or ``__cuda_array_interface__``.

    Raises
    ------
    BackendUnavailableError
        If CuPy cannot be used here.
    """
    if reason := why_no_device():
        raise BackendUnavailableError(f"Arrays on a GPU cannot be used here: {reason}")
    import cupy

    if isinstance(array, cupy.ndarray):
        return array
    return cupy.from_dlpack(array) if hasattr(array, "__dlpack__") else cupy.asarray(array)


@cache
def executors(backend: str) -> tuple[Executor, ...]:
    """Return what runs kernels for a backend: an executor for each GPU, or one on the host.

    Raises
    ------
    BackendUnavailableError
        If it cannot be used here, with the reason and the cure.
    """
    if reason := why_unavailable(backend):
        raise BackendUnavailableError(f"The backend '{backend}' cannot be used here: {reason}")
    if backend not in ("cuda", "nvjpeg2k"):
        return (Executor(backend),)
    import cupy

    current = int(cupy.cuda.Device().id)
    numbers = range(int(cupy.cuda.runtime.getDeviceCount()))
    # The current one is known to be usable, and comes first.
    return tuple(
        _CudaExecutor(backend, number)
        for number in sorted(numbers, key=lambda number: number != current)
        if number == current or _is_usable(number)
    )


def _is_usable(number: int) -> bool:
    import cupy

    with cupy.cuda.Device(number):
        return not why_no_device()


def executor(backend: str) -> Executor:
    """Return what runs kernels for a backend, on the calling thread's GPU where there are several.

    Raises
    ------
    BackendUnavailableError
        If it cannot be used here, with the reason and the cure.
    """
    found = executors(backend)
    if len(found) == 1:
        return found[0]
    import cupy

    current = int(cupy.cuda.Device().id)
    return next((each for each in found if each.device == current), found[0])


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
