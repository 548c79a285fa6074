"""Runs codecs as if on a GPU, every kernel as plain Python on arrays that count what is read and written."""

from __future__ import annotations

import ast
import inspect
import mmap
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from textwrap import dedent
from types import FunctionType
from typing import Any

import numpy as np
import numpy.typing as npt
from gpucodec_kernels.target import THREADS_PER_BLOCK, BlockKernel, DeviceFunction, Kernel, synchronize

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

    @property
    def is_asynchronous(self) -> bool:
        """Whether codecs are to take what they take for a GPU, where launches return at once."""
        return True

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
                function, _ = _in_python(kernel.python)
                for begin in range(0, count, THREADS_PER_BLOCK):
                    for number in range(begin, min(count, begin + THREADS_PER_BLOCK)):
                        function(np.int32(number), *given)
                    log.end_block()
        self._events.append(log.finish(self._name_of(kernel), count))

    # -- device memory

    def holds(self, array: Any) -> bool:
        """Return whether an array lies in device memory."""
        return isinstance(array, np.ndarray) and 0 <= array.ctypes.data - self._begin < self._end

    def _address(self, array: Any) -> int:
        return int(array.ctypes.data) - self._begin if array.size else 0


# -- blocks of threads: each thread is a generator that stops where it waits for the others


def run_block(kernel: BlockKernel, block: int, arguments: Sequence[Any]) -> None:
    """Run one block of a kernel, thread by thread in their order between synchronisations."""
    shared = np.zeros(kernel.shared_size, kernel.shared_type)
    function, waits = _in_python(kernel.python)
    calls = (function(np.int32(block), np.int32(thread), shared, *arguments) for thread in range(kernel.threads))
    if not waits:
        deque(calls, maxlen=0)
        return
    running = list(calls)
    while running:
        running = [thread for thread in running if next(thread, None)]


@cache
def _in_python(function: FunctionType) -> tuple[FunctionType, bool]:
    """Return a function that calls device functions directly, as a generator if it waits; and whether it does.

    Where it synchronises it yields True, and so does each call of a function that waits.
    """
    names = dict(function.__globals__)
    waiting = set()
    for name in function.__code__.co_names:
        device = names.get(name)
        if device is synchronize:
            waiting.add(name)
        elif isinstance(device, DeviceFunction):
            names[name], waits = _in_python(device.python)
            if waits:
                waiting.add(name)
    if not waiting:
        return FunctionType(function.__code__, names, function.__name__, function.__defaults__), False
    tree = ast.parse(dedent(inspect.getsource(function)))
    definition: Any = tree.body[0]
    definition.decorator_list = []
    synchronising = {name for name in waiting if names[name] is synchronize}
    source = ast.fix_missing_locations(_Waits(waiting, synchronising).visit(tree))
    exec(compile(source, function.__code__.co_filename, "exec"), names)
    return names[function.__name__], True


class _Waits(ast.NodeTransformer):
    """Makes a generator of a function: calls of functions that wait yield."""

    def __init__(self, waiting: set[str], synchronising: set[str]) -> None:
        self._waiting, self._synchronising = waiting, synchronising

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Replace a call."""
        self.generic_visit(node)
        if not isinstance(node.func, ast.Name) or node.func.id not in self._waiting:
            return node
        if node.func.id in self._synchronising:
            return ast.Yield(ast.Constant(True))
        return ast.YieldFrom(node)
