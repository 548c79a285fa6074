"""What can execute kernels here: arrays, copies and launches behind one small seam, and honest availability.

Codecs know only `Executor`. Outside of this file and ``gpucodec_kernels.target`` nothing mentions CuPy or
Numba's CUDA target.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import cache, wraps
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any, TypeVar

import numpy as np

from gpucodec.diagnosis import PACKAGES, Diagnosis, Facts, Module, Trial, diagnose, worth_a_trial
from gpucodec.driver import ask_driver
from gpucodec.errors import (
    BackendUnavailableError,
    DeviceError,
    DeviceMemoryError,
    GpucodecError,
    KernelCompilationError,
)
from gpucodec.host import Executor, Mark, Stream

__all__ = [
    "KERNEL_BACKENDS",
    "Executor",
    "Mark",
    "Stream",
    "adopted",
    "device_seconds",
    "diagnosis",
    "executor",
    "executors",
    "facts",
    "num_multiprocessors",
    "why_no_device",
    "why_unavailable",
]

KERNEL_BACKENDS = ("cpu", "cuda", "simulator")

# Backend -> the module whose `why_unavailable()` answers for it; it loads when first asked.
_ANSWERED_BY = {"nvjpeg2k": "gpucodec.libraries.nvjpeg2k_library"}

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
    def place(self) -> Hashable:
        return self

    @property
    def is_asynchronous(self) -> bool:
        return True

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

    def _let_go(self) -> None:
        """Wait for all that is held and hold it no longer, so that whoever tries again finds the memory free."""
        import cupy

        with self._lock:
            before, self._held = self._held, []
        for event, _ in before:
            try:
                event.synchronize()
            except cupy.cuda.runtime.CUDARuntimeError:
                return  # the device failed: whoever waits for it is told

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

    def device_error(self, error: Exception) -> GpucodecError | None:
        """Return what an error of CuPy, of the driver or of a kernel is for us; None if it is another one."""
        import cupy
        from gpucodec_kernels.target import KernelError

        if isinstance(error, KernelError):
            return KernelCompilationError(str(error))
        number = "" if self._number is None else f" {self._number}"
        if isinstance(error, cupy.cuda.memory.OutOfMemoryError):
            self._let_go()
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
    found = diagnosis().usable if backend == "cuda" else diagnosis().reachable
    # The current one comes first, where it is among them.
    numbers = sorted((gpu.number for gpu in found), key=lambda number: number != current)
    return tuple(_CudaExecutor(backend, number) for number in numbers)


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
    return diagnosis().why_not(kernels=False)


def _why_no_cuda() -> str:
    """Answer by what a tiny kernel wrote; a device count proves nothing."""
    return diagnosis().why_not()


@cache
def diagnosis() -> Diagnosis:
    """Return what is wrong with each GPU here and what helps, found out once a process."""
    return diagnose(facts())


def facts() -> Facts:
    """Find out what there is: the driver, the packages, and what becomes of a tiny piece of work on each GPU.

    Without a driver and a GPU nothing heavy is imported.
    """
    from gpucodec_kernels.target import simulator_enabled

    driver = ask_driver()
    packages = _installed()
    simulator = simulator_enabled()
    known = Facts(
        driver,
        _cupy_module(packages, try_it=bool(driver.gpus)),
        _numba_cuda_module(packages, try_it=bool(driver.gpus) and not simulator),
        packages,
        os.environ.get("CUDA_VISIBLE_DEVICES"),
        simulator,
    )
    trials = {gpu.number: _try(gpu.number, kernels) for gpu, kernels in worth_a_trial(known).items()}
    return replace(known, trials=trials)


def _installed() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _cupy_module(packages: Mapping[str, str], *, try_it: bool) -> Module:
    found, cuda = _is_found("cupy"), 0
    for name in packages:
        if name.startswith("cupy-cuda"):
            cuda = int(name.removeprefix("cupy-cuda").rstrip("x"))
    if not (found and try_it):
        return Module(found, cuda=cuda)
    try:
        import cupy

        return Module(found, cuda=int(cupy.cuda.runtime.runtimeGetVersion()) // 1000)
    except Exception as error:  # whatever a broken installation raises
        return Module(found, _told(error), cuda)


def _numba_cuda_module(packages: Mapping[str, str], *, try_it: bool) -> Module:
    found = _is_found("numba_cuda")
    major = packages.get("cuda-bindings", "0").partition(".")[0]
    cuda = int(major) if major.isdigit() else 0
    if not (found and try_it):
        return Module(found, cuda=cuda)
    try:
        import numba.cuda  # noqa: F401 - to see whether it can be
    except Exception as error:  # whatever a broken installation raises
        return Module(found, _told(error), cuda)
    return Module(found, cuda=cuda)


def _is_found(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None
    return find_spec(module) is not None


def _told(error: Exception) -> str:
    return str(error).strip() or type(error).__name__


def _try(number: int, kernels: bool) -> Trial:
    """Give a GPU a tiny piece of work, and look at what it wrote."""
    stage = "copy"
    try:
        where = _CudaExecutor("cuda", number)
        with where.active():
            sums = where.upload(np.array([3, 4, 5], np.int64))
            if (received := where.download(sums).tolist()) != [3, 4, 5]:
                return Trial("values", f"{received} for [3, 4, 5] after copying there and back")
            stage = "cupy"
            if (received := where.download(sums + sums).tolist()) != [6, 8, 10]:
                return Trial("values", f"{received} for [6, 8, 10] by a kernel of CuPy's")
            return _try_kernel(where, sums) if kernels else Trial()
    except Exception as error:  # whatever CuPy, Numba or the driver raises is what is to be told
        return Trial(stage, _told(error))


def _try_kernel(where: Executor, sums: Any) -> Trial:
    from gpucodec_kernels.prefix_sum import offset_chunks

    try:
        where.launch(offset_chunks, 1, sums)
        received = where.download(sums).tolist()
    except KernelCompilationError as error:
        return Trial("compile", _told(error))
    except Exception as error:  # as above
        return Trial("run", _told(error))
    return Trial() if received == [0, 3, 7] else Trial("values", f"{received} for [0, 3, 7] by a kernel")
