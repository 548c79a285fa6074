"""Runs blocks of threads in plain Python, in several orders, and finds what a GPU would leave to chance.

A thread of a block runs from one `synchronize` to the next, then another does, in an order of the schedule's. What
two threads do between two synchronisations has no order on a GPU: a place that one of them writes must not be touched
by another. Nor may a place of shared memory be read that nobody has written, nor a thread be missing at a
synchronisation, nor two threads of a launch write the same byte of an array.
"""

import random
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
from gpucodec_kernels.target import BlockKernel, Kernel

from gpucodec.backends import Executor

SCHEDULES = ["forwards", "backwards", "shuffled"]


class RaceError(AssertionError):
    """Two threads meet at a place without an order."""


class _Watched:
    """An array that knows who touched which element since when; `when` is the phase between synchronisations."""

    def __init__(self, array: np.ndarray, run: "_Run", *, shared: bool) -> None:
        self.array, self.run, self.shared = array, run, shared
        self.dtype = array.dtype
        self.writers: dict[int, tuple[int, int, int]] = {}  # phase, block, thread
        self.readers: dict[int, tuple[int, int, int]] = {}

    def __len__(self) -> int:
        return len(self.array)

    def _place(self, place: Any) -> int:
        number = int(place)
        assert 0 <= number < len(self.array), f"place {number} of an array of {len(self.array)}"
        return number

    def __getitem__(self, place: Any) -> Any:
        at, now = self._place(place), self.run.now()
        written = self.writers.get(at)
        if self.shared and written is None:
            raise RaceError(f"shared[{at}] is read before it is written")
        if written is not None and self._unordered(written, now):
            raise RaceError(f"element {at} is read by {now} and written by {written}")
        before = self.readers.get(at)
        # One reader of a phase is kept, and whether there was another thread.
        if before is None or before[:2] != now[:2]:
            self.readers[at] = now
        elif before[2] != now[2]:
            self.readers[at] = (*now[:2], -1)
        return self.array[at]

    def __setitem__(self, place: Any, value: Any) -> None:
        at, now = self._place(place), self.run.now()
        for what, others in (("written", self.writers), ("read", self.readers)):
            before = others.get(at)
            if before is not None and self._unordered(before, now):
                raise RaceError(f"element {at} is written by {now} and {what} by {before}")
        self.writers[at] = now
        self.array[at] = value

    def _unordered(self, before: tuple[int, int, int], now: tuple[int, int, int]) -> bool:
        if before[1:] == now[1:]:
            return False
        return before[1] != now[1] or before[0] == now[0]


class _Run:
    """One launch, thread by thread."""

    def __init__(self, kernel: BlockKernel, schedule: str) -> None:
        self.kernel, self.schedule = kernel, schedule
        self.random = random.Random(kernel.__name__)
        self.phase = self.block = self.thread = 0

    def now(self) -> tuple[int, int, int]:
        return self.phase, self.block, self.thread

    def run_block(self, block: int, arguments: list[Any]) -> None:
        self.block = block
        # What shared memory holds at first is left over from others.
        leftover = np.frombuffer(self.random.randbytes(self.kernel.shared_size * 8), self.kernel.shared_type)
        shared = _Watched(leftover[: self.kernel.shared_size].copy(), self, shared=True)
        calls = [
            partial(self.kernel.python, np.int32(block), np.int32(number), shared, *arguments)
            for number in range(self.kernel.threads)
        ]
        if self.kernel.shared_size == 1:  # nothing to share, and nobody to wait for
            for number, call in self._ordered(list(enumerate(calls))):
                self.thread = number
                call()
            return
        threads = [_Thread(call) for call in calls]
        for thread in threads:
            thread.start()
        waiting = list(enumerate(threads))
        while waiting:
            self.phase += 1
            for number, thread in self._ordered(waiting):
                self.thread = number
                thread.take_turn()
            left = [(number, thread) for number, thread in waiting if not thread.done]
            assert len(left) in (0, len(threads)), "some threads have ended while others wait for them"
            waiting = left

    def _ordered(self, threads: list[Any]) -> Iterable[Any]:
        if self.schedule == "shuffled":
            return self.random.sample(threads, len(threads))
        return threads if self.schedule == "forwards" else reversed(threads)


class _Thread(threading.Thread):
    """A thread of a block, which runs when it is told to."""

    def __init__(self, call: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self.call, self.done = call, False
        self.error: BaseException | None = None
        self.may_run, self.has_stopped = threading.Semaphore(0), threading.Semaphore(0)

    def run(self) -> None:
        self.may_run.acquire()
        try:
            with np.errstate(over="raise", under="raise"):
                self.call()
        except BaseException as error:
            self.error = error
        self.done = True
        self.has_stopped.release()

    def take_turn(self) -> None:
        self.may_run.release()
        self.has_stopped.acquire()
        if self.error is not None:
            raise self.error

    def syncthreads(self) -> None:
        self.has_stopped.release()
        self.may_run.acquire()


class BlockExecutor(Executor):
    """An executor on the host for which code chooses as for a GPU: kernels of blocks run here, others on the CPU."""

    def __init__(self, schedule: str) -> None:
        super().__init__("cuda")
        self.schedule = schedule
        self.launched: list[str] = []

    def launch(self, kernel: Kernel, count: int, *arguments: Any) -> None:
        """Run a kernel for every index from 0 to `count`."""
        self.launched.append(kernel.__name__)
        if not isinstance(kernel, BlockKernel):
            from gpucodec_kernels.target import launch

            launch("cpu", kernel, count, *arguments)
            return
        run = _Run(kernel, self.schedule)
        cast = [
            _Watched(argument, run, shared=False) if convert is None else convert(argument)
            for argument, convert in zip(arguments, kernel.converters(), strict=True)
        ]
        for block in range(count):
            run.run_block(block, cast)
