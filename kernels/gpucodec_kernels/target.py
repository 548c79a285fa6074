"""The only place that knows what executes a kernel: Numba on the CPU, Numba CUDA, or the CUDA simulator.

A kernel is one plain function of an index, written once. `kernel` and `device_function` leave the function as
it is and remember it; when a target first launches it, the function is specialised for that target: its
globals are copied, and every device function in them is replaced by the one compiled for that target.

On the CPU a compiled loop calls the kernel for a range of indices without holding the GIL, and a pool of
threads takes ranges until none is left. Numba's own parallel loops are not used: their portable threading
layer ends the process when two Python threads launch at once.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np

from gpucodec_kernels.sources import fingerprint as _sources_fingerprint

__all__ = [
    "BlockKernel",
    "Kernel",
    "KernelError",
    "block_kernel",
    "device_function",
    "inline_function",
    "instruction",
    "kernel",
    "launch",
    "on_cuda",
    "on_prepare",
    "set_num_threads",
    "simulator_enabled",
    "synchronize",
]

THREADS_PER_BLOCK = 128
SIMULATOR_THREADS_PER_BLOCK = 16  # the simulator starts one operating-system thread per CUDA thread
MAX_COUNT = 2**31 - 2**16  # indices are int32, the last block of threads included

_CPU_LOOP = """
def {name}(start, stop, {arguments}):
    for index in range(start, stop):
        body(int32(index), {arguments})
"""

_CUDA_ENTRY = """
def {name}(count, {arguments}):
    index = cuda.grid(1)
    if index < count:
        body(int32(index), {arguments})
"""

_CUDA_BLOCK_ENTRY = """
def {name}({arguments}):
    shared = cuda.shared.array(shared_size, shared_type)
    body(int32(cuda.blockIdx.x), int32(cuda.threadIdx.x), shared, {arguments})
"""

# What a driver answers to code that it cannot take or start on its device. Other failures, those of work before this
# among them, are not the kernel's.
_REFUSALS = {
    200: "invalid image",
    209: "no binary for this GPU",
    218: "invalid PTX",
    221: "no just-in-time compiler",
    222: "unsupported version of PTX",
    223: "just-in-time compilation is disabled",
    300: "invalid source",
    701: "out of resources",
}

_prepare_lock = threading.Lock()
_prepare_listeners: list[Callable[[str, bool], None]] = []


class KernelError(RuntimeError):
    """A kernel cannot be compiled for the device, or not be started there."""


class DeviceFunction:
    """A function that kernels call. Called from plain Python, as the simulator does, it is that function."""

    def __init__(
        self, python: FunctionType, instructions: Mapping[str, Callable[[], Any]], inline: bool = False
    ) -> None:
        self.python = python
        self.inline = inline
        self.instructions = dict(instructions)
        self.__doc__ = python.__doc__
        self.__name__ = python.__name__

    def __call__(self, *arguments: Any) -> Any:
        """Run the plain Python function."""
        return self.python(*arguments)


class Kernel:
    """One launch: a function of an index and of arrays.

    Parameters
    ----------
    python : function
        ``f(index, *arguments)``; writes its results into arrays, returns and raises nothing.
    signature : str
        The Numba types of the arguments after the index, such as ``"uint8[::1], int32"``.
    gpu : bool
        Whether GPUs launch it; where they have a kernel of their own for the same work, they do not.
    """

    def __init__(self, python: FunctionType, signature: str, gpu: bool = True) -> None:
        self.python = python
        self.signature = signature
        self.gpu = gpu
        self.__doc__ = python.__doc__
        self.__name__ = python.__name__
        names = python.__code__.co_varnames[1 : python.__code__.co_argcount]
        self.argument_names = tuple(names)
        self._loops: dict[str, Any] = {}

    def compiled(self, target: str) -> Any:
        """Return the compiled loop (cpu) or entry point (cuda, simulator), made at the first call."""
        found = self._loops.get(target)
        if found is None:
            with _prepare_lock:
                found = self._loops.get(target)
                if found is None:
                    found = self._loops[target] = self._prepare(target)
        return found

    def _prepare(self, target: str) -> Any:
        for listener in _prepare_listeners:
            listener(self.__name__, True)
        try:
            return _cpu_loop(self) if target == "cpu" else _cuda_entry(self, target)
        except Exception as error:
            if target == "cuda" and _is_refusal(error, compiling=True):
                raise KernelError(f"the kernel {self.__name__} cannot be compiled for this GPU ({error})") from error
            raise
        finally:
            for listener in _prepare_listeners:
                listener(self.__name__, False)

    @property
    def argument_types(self) -> tuple[Any, ...]:
        """The Numba types of the arguments after the index."""
        return _parse(self.signature)

    def converters(self) -> tuple[Any, ...]:
        """For each argument the NumPy type that a scalar is cast to, or None for an array."""
        return _converters(self.signature)


class BlockKernel(Kernel):
    """One launch of blocks of threads that share memory: a variant for GPUs of what a kernel does.

    Parameters
    ----------
    python : function
        ``f(index, thread, shared, *arguments)`` for the block's index and the thread's index in it.
    signature : str
        The Numba types of the arguments after `shared`.
    threads : int
        How many threads a block has.
    shared_type : str
        Type of the shared array, such as ``"int32"``.
    shared_size : int
        Its length.
    """

    def __init__(self, python: FunctionType, signature: str, threads: int, shared_type: str, shared_size: int) -> None:
        super().__init__(python, signature)
        self.argument_names = self.argument_names[2:]
        self.threads = threads
        self.shared_type = shared_type
        self.shared_size = shared_size


def device_function(function: FunctionType) -> DeviceFunction:
    """Mark a function that kernels call."""
    return DeviceFunction(function, {})


def inline_function(function: FunctionType) -> DeviceFunction:
    """Mark a function that kernels call once a sample: the compilers are told not to make a call of it."""
    return DeviceFunction(function, {}, inline=True)


def instruction(**makers: Callable[[], Any]) -> Callable[[FunctionType], DeviceFunction]:
    """Mark a function that kernels call and for which some targets have an instruction.

    Parameters
    ----------
    **makers
        For a target, ``cpu`` or ``cuda``, a function that returns what its compiler takes in the plain
        function's place, or None where this processor has no such instruction. The plain function says what it
        means, and is what the simulator runs.
    """
    return lambda function: DeviceFunction(function, makers)


def kernel(signature: str, *, gpu: bool = True) -> Callable[[FunctionType], Kernel]:
    """Mark a function of an index as a kernel with these argument types; with `gpu` false it is not for GPUs."""
    return lambda function: Kernel(function, signature, gpu)


def block_kernel(
    signature: str, *, threads: int, shared_type: str, shared_size: int
) -> Callable[[FunctionType], BlockKernel]:
    """Mark a function of an index, a thread and a shared array as a kernel for GPUs, where `index` is a block's."""
    return lambda function: BlockKernel(function, signature, threads, shared_type, shared_size)


def on_cuda(make: Callable[[Any], FunctionType]) -> Callable[[], Any]:
    """Return what `instruction` takes for ``cuda``: `make` gets Numba's CUDA module and returns a device function."""

    def maker() -> Any:
        from numba import cuda
        from numba.cuda import libdevice  # noqa: F401 - from here on an attribute of the module

        return cuda.jit(device=True)(make(cuda))

    return maker


def _cuda_synchronize(cuda: Any) -> FunctionType:
    def synchronize():  # type: ignore[no-untyped-def]
        cuda.syncthreads()

    return synchronize


@instruction(cuda=on_cuda(_cuda_synchronize))
def synchronize() -> None:
    """Wait for all threads of the block; what they wrote to shared memory is then there for all of them."""
    # The simulator runs a thread of a block in a thread of its own, which knows how to wait for the others.
    threading.current_thread().syncthreads()  # type: ignore[attr-defined]


def launch(target: str, what: Kernel, count: int, *arguments: Any, stream: Any = 0) -> None:
    """Run a kernel for every index from 0 to `count`.

    Parameters
    ----------
    target : str
        ``"cpu"``, ``"cuda"`` or ``"simulator"``.
    what : Kernel
        The kernel.
    count : int
        Number of indices, at most 2**31 - 2**16.
    *arguments
        What the kernel takes after the index. Scalars are cast to the types of its signature.
    stream : object
        CUDA stream to launch on.

    Raises
    ------
    ValueError
        If `count` is out of range, the number of arguments is wrong, or the kernel is not for GPUs.
    """
    if target == "cuda" and not what.gpu:
        raise ValueError(f"Kernel {what.__name__} is not for GPUs")
    if not 0 <= count <= MAX_COUNT:
        raise ValueError(f"Kernel {what.__name__}: a count of {count} is outside 0 to {MAX_COUNT}")
    converters = what.converters()
    if len(arguments) != len(converters):
        raise ValueError(f"Kernel {what.__name__} takes {what.argument_names}, {len(arguments)} arguments were given")
    if count == 0:
        return
    cast = [
        _writable(argument) if convert is None else convert(argument)
        for argument, convert in zip(arguments, converters, strict=True)
    ]
    compiled = what.compiled(target)
    if target == "cpu":
        _run_on_threads(compiled, count, cast)
        return
    blocks, threads = count, getattr(what, "threads", 0)
    if not isinstance(what, BlockKernel):
        threads = SIMULATOR_THREADS_PER_BLOCK if target == "simulator" else THREADS_PER_BLOCK
        blocks = -(-count // threads)
        cast.insert(0, np.int32(count))
    try:
        compiled[blocks, threads, stream](*cast)
    except Exception as error:
        if target == "cuda" and _is_refusal(error, compiling=False):
            raise KernelError(f"the kernel {what.__name__} cannot be started on this GPU ({error})") from error
        raise


def _is_refusal(error: Exception, *, compiling: bool) -> bool:
    """Whether an error says that a kernel is not for this device, and nothing of the device or of work before it."""
    code = getattr(error, "code", None)  # of an error of the driver's
    if code is not None:
        return code in _REFUSALS
    return compiling and not isinstance(error, (MemoryError, OSError))


def _writable(array: Any) -> Any:
    """Return an array that may be passed where signatures have no read-only arrays; nothing writes to inputs."""
    if not isinstance(array, np.ndarray) or array.flags.writeable:
        return array
    memory = (ctypes.c_char * array.nbytes).from_address(array.ctypes.data)
    memory.owner = array  # keeps the array's memory for as long as the view lives
    return np.frombuffer(memory, array.dtype).reshape(array.shape)


def on_prepare(listener: Callable[[str, bool], None]) -> None:
    """Have ``listener(kernel_name, begins)`` called around the first use of each kernel, which may compile it."""
    _prepare_listeners.append(listener)


def simulator_enabled() -> bool:
    """Whether this process runs Numba's CUDA simulator (NUMBA_ENABLE_CUDASIM=1 before Numba was imported)."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


# -- the CPU: a compiled loop over a range of indices, and threads that take ranges


class _Threads:
    """The pool of threads that launches share. The calling thread works too."""

    def __init__(self) -> None:
        self.number = _default_num_threads()
        self._executor: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(max(1, self.number - 1), thread_name_prefix="gpucodec")
            return self._executor

    def resize(self, number: int) -> None:
        with self._lock:
            self.number = number
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True)


def _default_num_threads() -> int:
    if given := os.environ.get("GPUCODEC_NUM_THREADS"):
        return max(1, int(given))
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


_threads = _Threads()


def _forget_threads() -> None:
    """Start anew in a forked child: the parent's threads, and the locks they may hold, are not there."""
    global _threads, _prepare_lock
    _threads = _Threads()
    _prepare_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


def set_num_threads(number: int) -> None:
    """Set how many threads the CPU target uses; the default is GPUCODEC_NUM_THREADS or the number of CPUs."""
    if number < 1:
        raise ValueError(f"The number of threads must be 1 or more, not {number}")
    _threads.resize(number)


def get_num_threads() -> int:
    """Return how many threads the CPU target uses."""
    return _threads.number


def _run_on_threads(loop: Any, count: int, arguments: list[Any]) -> None:
    workers = min(_threads.number, count)
    if workers == 1:
        loop(0, count, *arguments)
        return
    # Ranges small enough that uneven work spreads, large enough that taking one costs nothing beside it.
    step = max(1, count // (workers * 16))
    starts = itertools.count(0, step)

    def take_ranges() -> None:
        for start in starts:
            if start >= count:
                return
            loop(start, min(start + step, count), *arguments)

    executor = _threads.executor()
    others = [executor.submit(take_ranges) for _ in range(workers - 1)]
    try:
        take_ranges()
    finally:
        for other in others:
            # One that has not started finds no range left; waiting for it could wait for somebody else's launch.
            if not other.cancel():
                other.result()
        arguments.clear()  # it may stay in the queue for a while, and must not hold the arrays meanwhile


# -- specialising a function for a target


def _specialise(
    function: FunctionType,
    target: str,
    compile_function: Callable[[FunctionType, bool], Any],
    done: dict[DeviceFunction, Any],
) -> FunctionType:
    """Copy a function so that each device function it calls is the one compiled for the target.

    `done` holds those that are compiled already, and receives the others.
    """

    def compiled(device: DeviceFunction) -> Any:
        if device not in done:
            maker = device.instructions.get(target)
            done[device] = (maker and maker()) or compile_function(copy(device.python), device.inline)
        return done[device]

    def copy(original: FunctionType) -> FunctionType:
        names = dict(original.__globals__)
        for name in original.__code__.co_names:
            if isinstance(names.get(name), DeviceFunction):
                names[name] = compiled(names[name])
        made = FunctionType(original.__code__, names, original.__name__, original.__defaults__)
        made.__qualname__ = original.__qualname__
        made.__module__ = original.__module__
        return made

    return copy(function)


def _entry_function(what: Kernel, template: str, name: str, names: dict[str, Any]) -> FunctionType:
    """Make the loop or entry point from its template, as if it stood in the kernel's own file."""
    source = template.format(name=name, arguments=", ".join(what.argument_names))
    space = {"__name__": what.python.__module__, "int32": np.int32, **names}
    exec(compile(source, what.python.__code__.co_filename, "exec"), space)
    made: FunctionType = space[name]
    return made


# Kernels share the device functions they both call, so that each is compiled once for each set of types.
_cpu_functions: dict[DeviceFunction, Any] = {}


def _cpu_loop(what: Kernel) -> Any:
    import numba

    def compile_function(function: FunctionType, inline: bool) -> Any:
        # Nobody calls it from Python or C, and it allocates nothing: without the means to, a fifth less to compile.
        return numba.njit(nogil=True, forceinline=inline, no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False)(
            function
        )

    body = compile_function(_specialise(what.python, "cpu", compile_function, _cpu_functions), False)
    # Numba's cache looks at the kernel's own file alone; the name carries what else the machine code depends on.
    name = f"{what.__name__}_{_sources_fingerprint(what.python.__module__)}"
    function = _entry_function(what, _CPU_LOOP, name, {"body": body})
    types = (numba.types.int64, numba.types.int64, *what.argument_types)
    try:
        loop = numba.njit(nogil=True, cache=True, no_cfunc_wrapper=True)(function)
        loop.compile(numba.types.void(*types))
        loop.disable_compile()
    except (OSError, RuntimeError):  # no folder to cache in: compile for this process alone
        loop = numba.njit(nogil=True, no_cfunc_wrapper=True)(function)
        loop.compile(numba.types.void(*types))
        loop.disable_compile()
    return loop


def _cuda_entry(what: Kernel, target: str) -> Any:
    from numba import cuda

    if target == "simulator":
        return cuda.jit(_cuda_entry_function(what, what.python, cuda, what.__name__))
    # As on the CPU: the name carries what the machine code depends on. Numba adds its version, the compiler's, and the
    # architecture.
    name = f"cuda_{what.__name__}_{_sources_fingerprint(what.python.__module__)}"
    function, signature = _cuda_function(what, cuda, name), _cuda_signature(what)
    try:
        return cuda.jit(signature, cache=True)(function)
    except (OSError, RuntimeError):  # no folder to cache in: compile for this process alone
        return cuda.jit(signature)(function)


def _cuda_function(what: Kernel, cuda: Any, name: str) -> FunctionType:
    def compile_function(function: FunctionType, inline: bool) -> Any:
        return cuda.jit(device=True, forceinline=inline)(function)

    body = compile_function(_specialise(what.python, "cuda", compile_function, {}), False)
    return _cuda_entry_function(what, body, cuda, name)


def _cuda_entry_function(what: Kernel, body: Any, cuda: Any, name: str) -> FunctionType:
    names = {"body": body, "cuda": cuda}
    if not isinstance(what, BlockKernel):
        return _entry_function(what, _CUDA_ENTRY, name, names)
    from numba import types

    shared = {"shared_size": what.shared_size, "shared_type": getattr(types, what.shared_type)}
    return _entry_function(what, _CUDA_BLOCK_ENTRY, name, names | shared)


def _cuda_signature(what: Kernel) -> Any:
    from numba import types

    if isinstance(what, BlockKernel):
        return types.void(*what.argument_types)
    return types.void(types.int32, *what.argument_types)


def compile_ptx(what: Kernel, compute_capability: tuple[int, int]) -> str:
    """Compile a kernel to PTX for an architecture, without a GPU or a driver.

    Parameters
    ----------
    what : Kernel
        The kernel.
    compute_capability : tuple of int
        Major and minor version, such as ``(9, 0)``.

    Returns
    -------
    str
        PTX with one entry point.
    """
    from numba import cuda

    with _pretend_device(compute_capability):
        function = _cuda_function(what, cuda, what.__name__)
        ptx, _ = cuda.compile_ptx(function, _cuda_signature(what), cc=compute_capability)
    return str(ptx)


@contextmanager
def _pretend_device(compute_capability: tuple[int, int]) -> Iterator[None]:
    """Answer numba-cuda's question for the current device, which it asks for each device function."""
    from numba.cuda import dispatcher

    class _Device:
        pass

    device = _Device()
    device.compute_capability = compute_capability  # type: ignore[attr-defined]
    original = dispatcher.get_current_device
    dispatcher.get_current_device = lambda: device
    try:
        yield
    finally:
        dispatcher.get_current_device = original


@cache
def _parse(signature: str) -> tuple[Any, ...]:
    from numba.core import sigutils

    arguments, _ = sigutils.normalize_signature(f"void({signature})")
    return tuple(arguments)


@cache
def _converters(signature: str) -> tuple[Any, ...]:
    from numba import types

    return tuple(None if isinstance(kind, types.Array) else getattr(np, kind.name) for kind in _parse(signature))
