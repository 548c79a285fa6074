"""Runs codecs as if on a GPU, every kernel as plain Python on arrays that count what is read and written."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from gpucodec_kernels.target import THREADS_PER_BLOCK, BlockKernel, Kernel

from benchmarks.kernel_traffic import SECTOR_BYTES, CountedArray, Launch, Log, settle
from gpucodec.backends import Executor

__all__ = ["CountingExecutor", "run_block"]

_MEMORY_BYTES = 1 << 34  # addresses alone: pages come with their first use
_ALIGNMENT = 512  # of what CuPy allocates


class DeviceArray(np.ndarray):  # type: ignore[type-arg]
    """An array in an executor's memory. What the host computes of it with NumPy is there as well, as with CuPy."""

    _where: CountingExecutor | None = None

    def __array_finalize__(self, made_of: Any) -> None:
        """Be of the same memory as what it is made of."""
        self._where = getattr(made_of, "_where", None)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **keywords: Any) -> Any:
        """Compute; the host needs what it computes with."""
        results = None if out is None else tuple(each.view(np.ndarray) for each in out)
        found = getattr(ufunc, method)(*map(self._read, inputs), out=results, **keywords)
        return self._kept(found) if out is None else out[0]

    def __getitem__(self, key: Any) -> Any:
        """Return elements, or a part of the same memory."""
        found = super().__getitem__(key)
        if isinstance(found, np.ndarray) and np.may_share_memory(found, self):
            return found
        self._read(self)
        return self._kept(np.asarray(found)) if isinstance(found, np.ndarray) else found

    def copy(self, order: Any = "C") -> Any:
        """Return a copy in the same memory."""
        return self._kept(self._read(self).copy(order))

    def astype(self, *given: Any, **keywords: Any) -> Any:
        """Return the elements as another type."""
        return self._kept(self._read(self).astype(*given, **keywords))

    def _read(self, value: Any) -> Any:
        if not isinstance(value, DeviceArray):
            return value
        if value._where is not None:
            value._where.read(value)
        return value.view(np.ndarray)

    def _kept(self, found: Any) -> Any:
        return found if self._where is None or not isinstance(found, np.ndarray) else self._where.upload(found)


class CountingExecutor(Executor):
    """An executor for which codecs choose what they choose for a GPU, and that counts what kernels move.

    Parameters
    ----------
    name_of : callable
        Returns the name under which a kernel's launches are counted.
    """

    samples_per_index = 1

    def __init__(self, name_of: Callable[[Kernel], str]) -> None:
        super().__init__("cuda")
        self._name_of = name_of
        self._memory = np.frombuffer(mmap.mmap(-1, _MEMORY_BYTES), np.uint8)
        self._begin = int(self._memory.ctypes.data)
        self._end = 0
        self._arrays: list[int] = []
        self._events: list[Launch | tuple[int, int]] = []

    def take_launches(self) -> list[Launch]:
        """Return all launches since the last call; what the host does not read until then is not needed."""
        events, self._events = self._events, []
        settle(events, np.array(self._arrays, np.int64))
        return [event for event in events if isinstance(event, Launch)]

    # -- what codecs use

    def empty(self, size: int, dtype: Any) -> Any:
        """Return an uninitialised array in device memory."""
        num_bytes = int(size) * np.dtype(dtype).itemsize
        begin = self._end
        self._end += -(-max(1, num_bytes) // _ALIGNMENT) * _ALIGNMENT
        if self._end > _MEMORY_BYTES:
            raise MemoryError("the memory for counting is used up")
        self._arrays.append(begin // SECTOR_BYTES)
        made = self._memory[begin : begin + num_bytes].view(dtype).view(DeviceArray)
        made._where = self
        return made

    def temporary(self, size: int, dtype: Any) -> Any:
        """Return an uninitialised array in device memory."""
        return self.empty(size, dtype)

    def scratch(self, name: str, size: int, dtype: Any) -> Any:  # noqa: ARG002 - the memory is new
        """Return an uninitialised array in device memory, a new one each time as a GPU's pool may."""
        return self.empty(size, dtype)

    def upload(self, array: npt.NDArray[Any]) -> Any:
        """Return a host array's contents in device memory."""
        if self.holds(array):
            return array
        source = np.ascontiguousarray(array)
        made = self.empty(source.size, source.dtype)
        made.view(np.ndarray)[:] = source.reshape(-1)
        return made.reshape(source.shape)

    def contiguous(self, array: Any) -> Any:
        """Return an array of any layout as a C-contiguous one in device memory."""
        return array if self.holds(array) and array.flags.c_contiguous else self.upload(array)

    def download(self, array: Any) -> npt.NDArray[Any]:
        """Return an array's contents on the host, which needs them."""
        self.read(array)
        return np.array(array)

    def read(self, array: npt.NDArray[Any]) -> None:
        """Note that the host needs an array."""
        if array.size:
            if not self.holds(array):
                raise TypeError("the host reads an array that is not in device memory")
            spans = ((length - 1) * step for length, step in zip(array.shape, array.strides, strict=True))
            self._events.append((self._address(array), sum(spans) + array.itemsize))

    def launch(self, kernel: Any, count: int, *arguments: Any) -> None:
        """Run a kernel for every index from 0 to `count`, and count."""
        if count == 0:
            return
        log = Log()
        given = []
        for name, argument, convert in zip(kernel.argument_names, arguments, kernel.converters(), strict=True):
            if convert is not None:
                given.append(convert(argument))
                continue
            if argument.size and not self.holds(argument):
                raise TypeError(f"{self._name_of(kernel)} is given {name}, which is not in device memory")
            given.append(CountedArray(argument.view(np.ndarray), self._address(argument), log.entries))
        with np.errstate(all="ignore"):
            if isinstance(kernel, BlockKernel):
                for block in range(count):
                    run_block(kernel, block, given)
                    log.end_block()
            else:
                for begin in range(0, count, THREADS_PER_BLOCK):
                    for number in range(begin, min(count, begin + THREADS_PER_BLOCK)):
                        kernel.python(np.int32(number), *given)
                    log.end_block()
        self._events.append(log.finish(self._name_of(kernel), count))

    # -- device memory

    def holds(self, array: Any) -> bool:
        """Return whether an array lies in device memory."""
        return isinstance(array, np.ndarray) and 0 <= array.ctypes.data - self._begin < self._end

    def _address(self, array: Any) -> int:
        return int(array.ctypes.data) - self._begin if array.size else 0


class _BlockThread(threading.Thread):
    """A thread of a block. One runs at a time, from one synchronisation to the next; they take turns."""

    def __init__(self, call: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._may_run = threading.Semaphore(0)
        self._has_stopped = threading.Semaphore(0)
        self.error: BaseException | None = None
        self.done = False

    def run(self) -> None:
        self._may_run.acquire()
        try:
            with np.errstate(all="ignore"):
                self._call()
        except BaseException as error:  # handed to the caller of `run_block`
            self.error = error
        self.done = True
        self._has_stopped.release()

    def take_turn(self) -> None:
        """Let it run to its next synchronisation, or to its end."""
        self._may_run.release()
        self._has_stopped.acquire()
        if self.error is not None:
            raise self.error

    def syncthreads(self) -> None:
        """Let the others come as far; `gpucodec_kernels.target.synchronize` calls it."""
        self._has_stopped.release()
        self._may_run.acquire()


def run_block(kernel: BlockKernel, block: int, arguments: list[Any]) -> None:
    """Run one block of a kernel, thread by thread in their order between synchronisations."""
    shared = np.zeros(kernel.shared_size, kernel.shared_type)
    threads = [
        _BlockThread(lambda number=number: kernel.python(np.int32(block), np.int32(number), shared, *arguments))
        for number in range(kernel.threads)
    ]
    for thread in threads:
        thread.start()
    waiting = threads
    while waiting:
        for thread in waiting:
            thread.take_turn()
        waiting = [thread for thread in waiting if not thread.done]
