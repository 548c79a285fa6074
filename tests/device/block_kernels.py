"""Kernels of blocks of threads, compiled for the CPU: a thread of the system for each of theirs, and a barrier."""

from __future__ import annotations

import ctypes
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from gpucodec_kernels import target
from gpucodec_kernels.sources import fingerprint

_ENTRY = """
def {name}(blocks_, thread_, shared_, {arguments}):
    for block_ in range(blocks_):
        body(int32(block_), int32(thread_), shared_, {arguments})
        synchronize()
"""

_SYMBOL = "gpucodec_tests_barrier"
_barrier = (ctypes.c_uint8 * 64)()
_one_at_a_time = threading.Lock()


@cache
def _libc() -> Any:
    return ctypes.CDLL(None)


@cache
def _synchronize() -> Any:
    """Return what kernels wait for each other with; by its name, so that they can be cached."""
    import numba
    from llvmlite import binding

    wait = _libc().pthread_barrier_wait
    wait.argtypes, wait.restype = [ctypes.c_size_t], ctypes.c_int
    address = ctypes.addressof(_barrier)

    @numba.cfunc("void()")
    def call() -> None:
        wait(address)

    binding.add_symbol(_SYMBOL, call.address)
    named = numba.types.ExternalFunction(_SYMBOL, numba.types.void())

    @numba.njit(nogil=True)
    def synchronize() -> None:
        named()

    synchronize.kept = call
    return synchronize


@cache
def _compiled(what: target.Kernel, *without: target.DeviceFunction) -> Any:
    """Compile a kernel; some functions without the instructions that the CPU has in their place."""
    import numba

    in_blocks = isinstance(what, target.BlockKernel)
    names = {"synchronize": _synchronize()} if in_blocks else {}

    def compile_function(function: Any, inline: bool) -> Any:
        return numba.njit(nogil=True, forceinline=inline)(function)

    done = {target.synchronize: names["synchronize"]} if in_blocks else {}
    for function in without:
        plain = target._specialise(function.python, "cpu", compile_function, done)
        done[function] = compile_function(plain, function.inline)
    names["body"] = compile_function(target._specialise(what.python, "cpu", compile_function, done), False)
    name = f"gpu_{what.__name__}_{fingerprint(what.python.__module__)}"
    function = target._entry_function(what, _ENTRY if in_blocks else target._CPU_LOOP, name, names)
    types = [numba.types.int64, numba.types.int64]
    if in_blocks:
        types.append(numba.types.Array(getattr(numba.types, what.shared_type), 1, "C"))
    entry = numba.njit(nogil=True, cache=True)(function)
    entry.compile(numba.types.void(*types, *what.argument_types))
    return entry


def run_plain(
    what: target.Kernel, without: tuple[target.DeviceFunction, ...], count: int, arguments: tuple[Any, ...]
) -> None:
    """Run a kernel with some plain functions that do something else than the CPU's instructions in their place."""
    _compiled(what, *without)(0, count, *arguments)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1024, thread_name_prefix="block")


def run_blocks(what: target.BlockKernel, blocks: int, arguments: tuple[Any, ...]) -> None:
    """Run some blocks, one after the other."""
    entry = _compiled(what)
    shared = np.empty(what.shared_size, what.shared_type)
    with _one_at_a_time:
        _libc().pthread_barrier_init(ctypes.byref(_barrier), None, ctypes.c_uint(what.threads))
        running = [_threads().submit(entry, blocks, thread, shared, *arguments) for thread in range(what.threads)]
        for each in running:
            each.result()
        _libc().pthread_barrier_destroy(ctypes.byref(_barrier))
