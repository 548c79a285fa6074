"""Executes compiled PTX thread by thread, in an order of choice, and finds what depends on the order."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from gpucodec_kernels.target import THREADS_PER_BLOCK, BlockKernel, Kernel, compile_ptx
from numba import types

from gpucodec.backends import Executor
from tests.ptx.memory import FaultError, Memory, Placed, token
from tests.ptx.translate import Program, translate

ARCHITECTURE = (8, 0)
ORDERS = ("forward", "backward", "shuffled")


@cache
def program_of(kernel: Kernel) -> Program:
    """Return a kernel's PTX, translated."""
    return translate(compile_ptx(kernel, ARCHITECTURE))


def in_order(numbers: Sequence[int], order: str, chance: random.Random) -> list[int]:
    """Return threads or blocks in the order in which they take their turns."""
    found = list(numbers)
    if order == "backward":
        found.reverse()
    elif order == "shuffled":
        chance.shuffle(found)
    return found


def run_kernel(kernel: Kernel, count: int, arguments: Sequence[Any], order: str = "forward") -> None:
    """Launch a kernel as `gpucodec_kernels.target.launch` does, on the machine; arrays are changed in place.

    Raises
    ------
    FaultError
        If a thread reads or writes outside of every array, races with another, or reads shared memory that
        nobody wrote; or if a block's threads do not meet at its barriers.
    """
    if not count:
        return
    program = program_of(kernel)
    memory = Memory()
    symbols = {name: memory.allocate(contents, 1, name) for name, contents in program.constants.items()}
    if program.shared_symbol:
        symbols[program.shared_symbol] = memory.allocate_shared(program.shared_bytes)
    is_array = [isinstance(kind, types.Array) for kind in kernel.argument_types]
    placed = Placed(memory, [array for array, wanted in zip(arguments, is_array, strict=True) if wanted])
    parameters = _parameters(kernel, count, arguments, iter(placed.addresses))
    memory.begin()
    threads = kernel.threads if isinstance(kernel, BlockKernel) else THREADS_PER_BLOCK
    blocks = count if isinstance(kernel, BlockKernel) else -(-count // threads)
    chance = random.Random(count)
    for block in in_order(range(blocks), order, chance):
        memory.forget_shared()
        run_block(program, memory, (block, blocks, threads), parameters, symbols, (order, chance))
    placed.copy_back()


def run_block(
    program: Program,
    memory: Memory,
    place: tuple[int, int, int],
    parameters: list[Any],
    symbols: dict[str, int],
    schedule: tuple[str, random.Random],
) -> None:
    """Run the threads of a block, from barrier to barrier."""
    block, blocks, threads = place
    running = {
        thread: program.run(thread, block, threads, blocks, parameters, symbols, memory.load, memory.store)
        for thread in range(threads)
    }
    epoch = 0
    while running:
        ended = []
        for thread in in_order(sorted(running), *schedule):
            memory.now = token(block, epoch, thread)
            if next(running[thread], "ended") == "ended":
                ended.append(thread)
        if ended and len(ended) < len(running):
            raise FaultError(f"threads {ended[:4]} of block {block} ended where others wait at barrier {epoch}")
        for thread in ended:
            del running[thread]
        epoch += 1


def _parameters(kernel: Kernel, count: int, arguments: Sequence[Any], addresses: Iterator[int]) -> list[Any]:
    """Return the entry point's parameters: an array is seven or more of them, as Numba passes it."""
    made: list[Any] = [] if isinstance(kernel, BlockKernel) else [count]
    for kind, argument in zip(kernel.argument_types, arguments, strict=True):
        if isinstance(kind, types.Array):
            if np.dtype(str(kind.dtype)) != argument.dtype or not argument.flags.c_contiguous:
                raise TypeError(f"Kernel {kernel.__name__}: {kind} is not an array of {argument.dtype}")
            made += [0, 0, argument.size, argument.itemsize, next(addresses), *argument.shape, *argument.strides]
        elif isinstance(kind, types.Float):
            made.append(float(np.dtype(str(kind)).type(argument)))
        else:
            value = int(np.dtype(str(kind)).type(argument))
            made.append(value & ((1 << kind.bitwidth) - 1))
    return made


class PtxExecutor(Executor):
    """A GPU whose memory is the host's, and whose kernels are compiled PTX on the machine.

    Parameters
    ----------
    order : str
        One of `ORDERS`.
    poison : int
        What fresh memory is full of: nothing may depend on it.
    """

    samples_per_index = 1

    def __init__(self, order: str = "forward", poison: int = 0xC3) -> None:
        super().__init__("cuda")
        self.order, self.poison = order, poison
        self.launched: dict[str, int] = {}

    def empty(self, size: int, dtype: Any) -> Any:
        return np.full(size * np.dtype(dtype).itemsize, self.poison, np.uint8).view(dtype)

    def temporary(self, size: int, dtype: Any) -> Any:
        return self.empty(size, dtype)

    def scratch(self, name: str, size: int, dtype: Any) -> Any:
        return self.empty(size, dtype)

    def upload(self, array: Any) -> Any:
        return array.copy()

    def download(self, array: Any) -> Any:
        return array.copy()

    def launch(self, kernel: Any, count: int, *arguments: Any) -> None:
        self.launched[kernel.__name__] = self.launched.get(kernel.__name__, 0) + 1
        run_kernel(kernel, count, arguments, self.order)
