"""A stand-in for the package cupy: the part of it that gpucodec uses, under CuPy's names and as strict as CuPy."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.device import current
from tests.device.arrays import Capsule, MemoryPointer, PooledMemory, ndarray
from tests.device.machine import CUDADriverError, CUDARuntimeError, OutOfMemoryError, Recording

__version__ = "14.2.0"
__all__ = ["asarray", "ascontiguousarray", "asnumpy", "cuda", "empty", "from_dlpack", "ndarray", "zeros"]


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return ndarray(shape, dtype)


def zeros(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    made = ndarray(shape, dtype)
    made.fill(0)
    return made


def asarray(a: Any, dtype: Any = None, order: Any = None, *, blocking: bool = False) -> ndarray:
    if isinstance(a, ndarray):
        return a if dtype is None else a.astype(dtype, copy=False)
    if hasattr(a, "__cuda_array_interface__"):
        return from_dlpack(a)  # of this machine's own memory
    host = np.array(a, dtype)
    made = ndarray(host.shape, host.dtype)
    current.machine().copies["to device"].append(host.nbytes)
    from tests.device.arrays import enqueue

    enqueue(lambda: np.copyto(made._host, host), made._block)
    return made


def ascontiguousarray(a: Any, dtype: Any = None) -> ndarray:
    made = asarray(a, dtype)
    return made if made.flags.c_contiguous else made.copy()


def asnumpy(a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True) -> np.ndarray:
    return a.get(stream) if isinstance(a, ndarray) else np.asarray(a)


def from_dlpack(array: Any, *, device: Any = None, copy: Any = None) -> ndarray:
    kind, number = array.__dlpack_device__()
    if kind != 2:
        raise BufferError("from_dlpack of memory that is on no GPU")
    capsule = array.__dlpack__(stream=current.machine().stream.ptr)
    assert isinstance(capsule, Capsule)
    assert capsule.array._block.device.number == number
    return capsule.array._like(capsule.array._host)


def get_default_memory_pool() -> MemoryPool:
    return MemoryPool()


class MemoryPool:
    """The pool of the current device."""

    def free_bytes(self) -> int:
        return current.machine().device.free_bytes

    def used_bytes(self) -> int:
        return current.machine().device.used

    def total_bytes(self) -> int:
        return current.machine().device.acquired

    def get_limit(self) -> int:
        return current.machine().device.limit

    def set_limit(self, size: int) -> None:
        current.machine().device.limit = size

    def free_all_blocks(self, stream: Any = None) -> None:
        current.machine().device.free_all_blocks()


class Device:
    def __init__(self, device: int | None = None) -> None:
        self.id = current.machine().device.number if device is None else device
        self._before: list[int] = []

    def __enter__(self) -> Device:
        self._before.append(current.machine().device.number)
        current.machine().use(self.id)
        return self

    def __exit__(self, *_: Any) -> None:
        current.machine().use(self._before.pop())

    def use(self) -> None:
        current.machine().use(self.id)

    def synchronize(self) -> None:
        for stream in current.machine().devices[self.id].streams:
            current.machine().synchronize(stream)

    @property
    def mem_info(self) -> tuple[int, int]:
        device = current.machine().devices[self.id]
        return device.memory - device.acquired, device.memory

    attributes = property(lambda self: {"MultiProcessorCount": 2})
    compute_capability = "90"


class Stream:
    def __init__(
        self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: Any = None
    ) -> None:
        device = current.machine().device
        self._stream = device.default_stream if null else device.new_stream()
        self.ptr, self.device_id = self._stream.ptr, device.number
        self._before: list[Any] = []

    def __enter__(self) -> Stream:
        self._before.append(current.machine().stream)
        current.machine().use_stream(self._stream)
        return self

    def __exit__(self, *_: Any) -> None:
        current.machine().use_stream(self._before.pop())

    def use(self) -> Stream:
        current.machine().use_stream(self._stream)
        return self

    def synchronize(self) -> None:
        current.machine().synchronize(self._stream)

    def wait_event(self, event: Event) -> None:
        if event._recording is not None:
            current.machine().enqueue(self._stream, event._recording)


def get_current_stream(device_id: int = -1) -> Stream:
    made = object.__new__(Stream)
    made._stream, made._before = current.machine().stream, []
    made.ptr, made.device_id = made._stream.ptr, made._stream.device.number
    return made


class Event:
    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        self._recording: Recording | None = None

    def record(self, stream: Stream | None = None) -> None:
        on = current.machine().device.default_stream if stream is None else stream._stream
        self._recording = Recording(on)
        current.machine().enqueue(on, self._recording.finish)

    @property
    def done(self) -> bool:
        return self._recording is None or self._recording.done

    def synchronize(self) -> None:
        recording = self._recording
        if recording is not None:
            current.machine().run(lambda: recording.done, [recording.stream])


class PinnedMemoryPointer:
    """Pinned memory that is given back when nobody refers to it."""

    def __init__(self, address: int, size: int) -> None:
        self.ptr, self.size = address, size
        self._machine = current.machine()

    def __del__(self) -> None:
        self._machine.unpin(self.ptr)


def alloc_pinned_memory(size: int) -> Any:
    memory = (ctypes.c_uint8 * size).from_address(address := current.machine().pin(size))
    memory.owner = PinnedMemoryPointer(address, size)
    return memory


cuda = SimpleNamespace(
    Device=Device,
    Event=Event,
    MemoryPointer=MemoryPointer,
    PooledMemory=PooledMemory,
    Stream=Stream,
    alloc_pinned_memory=alloc_pinned_memory,
    driver=SimpleNamespace(CUDADriverError=CUDADriverError),
    get_current_stream=get_current_stream,
    get_elapsed_time=lambda begin, end: 1.0,
    is_available=lambda: True,
    memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
    runtime=SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        getDeviceCount=lambda: len(current.machine().devices),
        driverGetVersion=lambda: 13000,
        runtimeGetVersion=lambda: 13000,
    ),
)
