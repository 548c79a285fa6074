"""Arrays of the stand-in: a class of their own, whose work is put off, and which never turn into NumPy's alone."""

from __future__ import annotations

import operator
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.device import current
from tests.device.machine import Block, Stream


class PooledMemory:
    """Holds a block until nobody refers to it."""

    def __init__(self, size: int) -> None:
        machine = current.machine()
        self.block: Block = machine.device.allocate(size, machine.stream)
        self.size = size

    def __del__(self) -> None:
        if hasattr(self, "block"):
            self.block.device.release(self.block)


class MemoryPointer:
    def __init__(self, mem: PooledMemory, offset: int) -> None:
        self.mem, self.ptr = mem, mem.block.ptr + offset
        self._offset = offset

    @property
    def device_id(self) -> int:
        return self.mem.block.device.number

    def _bytes(self, size: int) -> np.ndarray:
        assert self._offset + size <= self.mem.block.buffer.size
        return self.mem.block.buffer[self._offset : self._offset + size]

    def copy_from_host_async(self, mem: int, size: int, stream: Any = None) -> None:
        machine, there = current.machine(), self._bytes(size)
        here = machine.host_bytes(mem, size)
        machine.copies["to device"].append(size)
        enqueue(lambda: np.copyto(there, here), self.mem.block, stream=stream)

    def copy_to_host_async(self, mem: int, size: int, stream: Any = None) -> None:
        machine, there = current.machine(), self._bytes(size)
        here = machine.host_bytes(mem, size)
        machine.copies["to host"].append(size)
        enqueue(lambda: np.copyto(here, there), self.mem.block, stream=stream)


def enqueue(work: Callable[[], Any], *blocks: Block, stream: Any = None) -> None:
    """Ask the current stream for work on some blocks."""
    machine = current.machine()
    on: Stream = machine.stream if stream is None else stream._stream
    for block in blocks:
        if block.device is not on.device:
            raise RuntimeError(f"memory of device {block.device.number} on a stream of device {on.device.number}")
    machine.enqueue(on, work)


class Flags:
    def __init__(self, flags: Any) -> None:
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, flags.owndata

    def __getitem__(self, name: str) -> bool:
        return bool(getattr(self, name.lower()))


class ndarray:  # noqa: N801 - CuPy's own name
    __array_priority__ = 100

    def __init__(self, shape: Any, dtype: Any = float) -> None:
        dtype = np.dtype(dtype)
        shape = (shape,) if np.ndim(shape) == 0 else tuple(shape)
        size = int(np.prod(shape)) * dtype.itemsize
        memory = PooledMemory(size)
        self._set(memory, memory.block.buffer[:size].view(dtype).reshape(shape))

    def _set(self, memory: PooledMemory, host: np.ndarray) -> None:
        self._memory, self._host = memory, host

    def _like(self, host: np.ndarray) -> ndarray:
        """Return another view of the same memory."""
        made = object.__new__(ndarray)
        made._set(self._memory, host)
        return made

    @property
    def _block(self) -> Block:
        return self._memory.block

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    device = property(lambda self: SimpleNamespace(id=self._block.device.number))
    strides = property(lambda self: self._host.strides)
    flags = property(lambda self: Flags(self._host.flags))
    T = property(lambda self: self.transpose())

    @property
    def data(self) -> MemoryPointer:
        return MemoryPointer(self._memory, self._host.ctypes.data - self._block.buffer.ctypes.data)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape, "typestr": self.dtype.str, "descr": self.dtype.descr, "version": 3,
            "strides": None if self.flags.c_contiguous else self.strides, "data": (self.data.ptr, False), "stream": 1,
        }  # fmt: skip

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self._block.device.number

    def __dlpack__(self, *, stream: int | None = None) -> Capsule:
        return Capsule(self)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()` instead.")

    def __array_function__(self, function: Any, *_: Any) -> Any:
        raise TypeError(f"{function.__name__} of NumPy on arrays of a device")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        if method != "__call__" or keywords:
            raise TypeError(f"{ufunc} on arrays of a device")
        return elementwise(ufunc, *inputs)

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Any:
        return (self[index] for index in range(len(self)))

    # -- views

    def reshape(self, *shape: Any) -> ndarray:
        there = self._host.reshape(*shape)
        if self.size and not np.shares_memory(there, self._host):
            return self.copy().reshape(*shape)
        return self._like(there)

    def view(self, dtype: Any = None) -> ndarray:
        return self._like(self._host.view(dtype))

    def transpose(self, *axes: Any) -> ndarray:
        return self._like(self._host.transpose(*axes))

    def ravel(self) -> ndarray:
        return self.reshape(-1)

    def __getitem__(self, index: Any) -> ndarray:
        parts = index if isinstance(index, tuple) else (index,)
        if not any(isinstance(part, (list, np.ndarray, ndarray)) for part in parts):
            there = self._host[index]
            # What is left of one element is still an array.
            return self._like(there if isinstance(there, np.ndarray) else self._host[(*parts, None)].reshape(()))
        return elementwise(lambda array, *places: array[_index(parts, places)], self, *_arrays(parts))

    def __setitem__(self, index: Any, value: Any) -> None:
        parts = index if isinstance(index, tuple) else (index,)
        if isinstance(value, np.ndarray) and value.ndim:
            raise TypeError("Unsupported type <class 'numpy.ndarray'>")
        there, arrays = self._host, _arrays(parts)
        source = value._host if isinstance(value, ndarray) else value
        hosts = [array._host for array in arrays]
        np.broadcast_to(np.empty(np.shape(source)), np.shape(there[_index(parts, [np.zeros_like(h) for h in hosts])]))
        others = [each._block for each in (value, *arrays) if isinstance(each, ndarray)]
        if isinstance(value, ndarray) and value.size:
            current.machine().copies["on device"].append(value.nbytes)
        enqueue(lambda: there.__setitem__(_index(parts, hosts), source), self._block, *others)

    # -- values

    def copy(self, order: str = "C") -> ndarray:
        return self.astype(self.dtype, order=order)

    def astype(
        self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True
    ) -> ndarray:
        dtype = np.dtype(dtype)
        is_ordered = order in ("K", "A") or self._host.flags.c_contiguous
        if not copy and dtype == self.dtype and is_ordered:
            return self
        made, here = ndarray(self.shape, dtype), self._host
        current.machine().copies["on device"].append(made.nbytes)
        enqueue(lambda: np.copyto(made._host, here, casting="unsafe"), made._block, self._block)
        return made

    def fill(self, value: Any) -> None:
        there = self._host
        enqueue(lambda: there.fill(value), self._block)

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> np.ndarray:
        machine, here = current.machine(), self._host
        machine.copies["to host"].append(self.nbytes)
        made = np.empty(self.shape, self.dtype)
        enqueue(lambda: np.copyto(made, here), self._block, stream=stream)
        machine.synchronize(machine.stream if stream is None else stream._stream)
        return made

    def item(self) -> Any:
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def max(self) -> ndarray:
        return elementwise(lambda a: np.asarray(a.max()), self)

    def min(self) -> ndarray:
        return elementwise(lambda a: np.asarray(a.min()), self)

    def any(self) -> ndarray:
        return elementwise(lambda a: np.asarray(a.any()), self)

    def all(self) -> ndarray:
        return elementwise(lambda a: np.asarray(a.all()), self)

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    __hash__ = None  # type: ignore[assignment]


def _arrays(parts: tuple[Any, ...]) -> list[ndarray]:
    """Return the parts of an index that are arrays, on the device."""
    from tests.device.cupy_stand_in import asarray

    return [asarray(part) for part in parts if isinstance(part, (list, np.ndarray, ndarray))]


def _index(parts: tuple[Any, ...], places: Any) -> tuple[Any, ...]:
    left = iter(places)
    return tuple(next(left) if isinstance(part, (list, np.ndarray, ndarray)) else part for part in parts)


def elementwise(function: Callable[..., Any], *operands: Any) -> ndarray:
    """Return what will be the result of a function of arrays and numbers."""
    if any(isinstance(each, np.ndarray) and each.ndim for each in operands):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    hosts = [each._host if isinstance(each, ndarray) else each for each in operands]
    alike = np.asarray(function(*(np.zeros_like(host) if isinstance(host, np.ndarray) else host for host in hosts)))
    made = ndarray(alike.shape, alike.dtype)
    blocks = [each._block for each in operands if isinstance(each, ndarray)]
    enqueue(lambda: np.copyto(made._host, function(*hosts)), made._block, *blocks)
    return made


def _in_place(function: Callable[..., Any]) -> Callable[[ndarray, Any], ndarray]:
    def method(self: ndarray, other: Any) -> ndarray:
        if isinstance(other, np.ndarray) and other.ndim:
            raise TypeError("Unsupported type <class 'numpy.ndarray'>")
        here, there = self._host, other._host if isinstance(other, ndarray) else other
        function(np.zeros_like(here), there)  # what NumPy refuses is refused now
        enqueue(lambda: function(here, there), self._block, *([other._block] if isinstance(other, ndarray) else []))
        return self

    return method


def _binary(function: Callable[..., Any], *, swapped: bool = False) -> Callable[[ndarray, Any], ndarray]:
    if swapped:
        return lambda self, other: elementwise(function, other, self)
    return lambda self, other: elementwise(function, self, other)


for _name in ("add", "sub", "mul", "and", "or", "xor", "lshift", "rshift", "floordiv", "mod"):
    _function = getattr(operator, f"__{_name}__")
    setattr(ndarray, f"__{_name}__", _binary(_function))
    setattr(ndarray, f"__r{_name}__", _binary(_function, swapped=True))
    setattr(ndarray, f"__i{_name}__", _in_place(getattr(operator, f"__i{_name}__")))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(ndarray, f"__{_name}__", _binary(getattr(operator, f"__{_name}__")))


class Capsule:
    """What goes from one package to another by DLPack."""

    def __init__(self, array: ndarray) -> None:
        self.array = array
