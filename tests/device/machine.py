"""GPUs that are not there: streams that put work off, memory that is poisoned when it is freed, and failures on demand.

All work of a stream is done in order, but when is the schedule's choice: what a real GPU may do early or late is done
as early or as late as the schedule likes, so that a missing wait shows as wrong values. Freed memory goes back to the
stream it was allocated on, is overwritten there when that stream gets to it, and is given out again at once.
"""

from __future__ import annotations

import ctypes
import itertools
import random
import threading
from collections import defaultdict, deque
from collections.abc import Callable

import numpy as np

POISON = 0xA5
SCHEDULES = ("at once", "late", "others first", "random")
_UNIT = 512


class CUDARuntimeError(RuntimeError):
    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class CUDADriverError(CUDARuntimeError):
    pass


class OutOfMemoryError(MemoryError):
    pass


class Recording:
    """What an event stands for once it is recorded."""

    def __init__(self, stream: Stream) -> None:
        self.stream, self.done = stream, False

    def finish(self) -> None:
        self.done = True


class Stream:
    """Work in order. An entry of the queue is something to call, or a recording to wait for."""

    def __init__(self, device: Device, pointer: int) -> None:
        self.device, self.ptr = device, pointer
        self.queue: deque[Callable[[], None] | Recording] = deque()

    def can_go_on(self) -> bool:
        return bool(self.queue) and not (isinstance(self.queue[0], Recording) and not self.queue[0].done)

    def step(self) -> None:
        entry = self.queue.popleft()
        if not isinstance(entry, Recording):
            self.device.count_down()
            entry()


class Block:
    """A piece of device memory."""

    def __init__(self, device: Device, pointer: int, size: int, stream: Stream) -> None:
        self.device, self.ptr, self.stream = device, pointer, stream
        memory = np.full(size + _UNIT, POISON, np.uint8)
        begin = -memory.ctypes.data % _UNIT
        self.buffer = memory[begin : begin + size]


class Device:
    """One GPU: its streams, and its memory with a limit."""

    def __init__(self, machine: Machine, number: int, memory: int) -> None:
        self.machine, self.number, self.memory, self.limit = machine, number, memory, 0
        self.streams: list[Stream] = []
        self.free: defaultdict[int, list[Block]] = defaultdict(list)  # by stream, the last one freed last
        self.acquired = self.used = self.peak = 0
        self.failure: CUDARuntimeError | None = None
        self.fails_in: int | None = None
        self.default_stream = self.new_stream(0)

    def new_stream(self, pointer: int | None = None) -> Stream:
        stream = Stream(self, next(self.machine.pointers) if pointer is None else pointer)
        self.streams.append(stream)
        return stream

    def fail_after(self, steps: int) -> None:
        """Let the work that is done after so many steps fail, and everything that is asked for from then on."""
        self.fails_in = steps

    def count_down(self) -> None:
        if self.fails_in is not None:
            self.fails_in -= 1
            if self.fails_in < 0:
                self.failure = CUDARuntimeError(700, "cudaErrorIllegalAddress: an illegal memory access")
                raise self.failure

    def check(self) -> None:
        if self.failure is not None:
            raise CUDARuntimeError(self.failure.status, str(self.failure))

    def allocate(self, size: int, stream: Stream) -> Block:
        with self.machine.lock:
            self.check()
            rounded = -(-max(size, 1) // _UNIT) * _UNIT
            found = self._taken(rounded, stream) or self._acquired(rounded, size, stream)
            self.used += found.buffer.size
            self.peak = max(self.peak, self.used)
            return found

    def _taken(self, size: int, stream: Stream) -> Block | None:
        """Take freed memory of the stream's, the smallest that is enough and the last freed of such."""
        freed = self.free[stream.ptr]
        enough = [k for k, block in enumerate(freed) if size <= block.buffer.size <= 2 * size]
        return freed.pop(min(enough, key=lambda k: (freed[k].buffer.size, -k))) if enough else None

    def _acquired(self, rounded: int, size: int, stream: Stream) -> Block:
        limit = min(self.memory, self.limit or self.memory)
        if self.acquired + rounded > limit:
            self.free_all_blocks()
        if self.acquired + rounded > limit:
            raise OutOfMemoryError(f"Out of memory allocating {size} bytes (allocated so far: {self.acquired} bytes)")
        self.acquired += rounded
        pointer = next(self.machine.pointers) * (1 << 40)
        return Block(self, pointer, rounded, stream)

    def release(self, block: Block) -> None:
        with self.machine.lock:
            self.used -= block.buffer.size
            self.free[block.stream.ptr].append(block)
            self.machine.enqueue(block.stream, lambda: block.buffer.fill(POISON), checked=False)

    def free_all_blocks(self) -> None:
        """Give freed memory back, which waits for everything, as cudaFree does."""
        self.machine.run(lambda: not any(stream.queue for stream in self.streams), self.streams)
        for blocks in self.free.values():
            self.acquired -= sum(block.buffer.size for block in blocks)
            blocks.clear()

    @property
    def free_bytes(self) -> int:
        return sum(block.buffer.size for blocks in self.free.values() for block in blocks)


class Machine:
    """Some GPUs, and how they choose what to do next."""

    def __init__(self, num_devices: int = 1, schedule: str = "late", memory: int = 1 << 30, seed: int = 0) -> None:
        assert schedule in SCHEDULES
        self.schedule, self.random = schedule, random.Random(seed)
        self.lock = threading.RLock()
        self.pointers = itertools.count(1)
        self.copies: dict[str, list[int]] = {"to device": [], "to host": [], "on device": []}
        self.launches: list[str] = []
        self.devices = [Device(self, number, memory) for number in range(num_devices)]
        self.pinned: dict[int, np.ndarray] = {}
        self.free_pinned: defaultdict[int, list[int]] = defaultdict(list)
        self._current = threading.local()
        self._running = False

    # -- the calling thread's device and streams

    @property
    def device(self) -> Device:
        return self.devices[getattr(self._current, "device", 0)]

    def use(self, number: int) -> None:
        if not 0 <= number < len(self.devices):
            raise CUDARuntimeError(101, "cudaErrorInvalidDevice: invalid device ordinal")
        self._current.device = number

    @property
    def stream(self) -> Stream:
        return self._streams().get(self.device.number, self.device.default_stream)

    def use_stream(self, stream: Stream) -> None:
        if stream.device is not self.device:
            raise RuntimeError(f"a stream of device {stream.device.number} on device {self.device.number}")
        self._streams()[stream.device.number] = stream

    def _streams(self) -> dict[int, Stream]:
        if not hasattr(self._current, "streams"):
            self._current.streams = {}
        found: dict[int, Stream] = self._current.streams
        return found

    # -- work

    def enqueue(self, stream: Stream, work: Callable[[], None] | Recording, *, checked: bool = True) -> None:
        with self.lock:
            if checked:
                stream.device.check()
            stream.queue.append(work)
            if self.schedule == "at once" and not self._running:
                self.run(lambda: not any(each.can_go_on() for each in self._all_streams()), [stream], checked=checked)

    def synchronize(self, stream: Stream) -> None:
        self.run(lambda: not stream.queue, [stream])

    def run(self, is_enough: Callable[[], bool], wanted: list[Stream], *, checked: bool = True) -> None:
        """Let streams do what they have to until something is reached that the wanted ones lead to."""
        with self.lock:
            if checked and wanted:
                wanted[0].device.check()
            self._running = True
            try:
                if self.schedule == "others first":
                    self._run_others(wanted)
                while not is_enough():
                    self._step(self._next(wanted), wanted)
            except CUDARuntimeError:
                if checked:
                    raise
            finally:
                self._running = False

    @staticmethod
    def _step(stream: Stream, wanted: list[Stream]) -> None:
        """Let a stream do what is next; a device that fails is seen by those alone who ask that device."""
        try:
            stream.step()
        except CUDARuntimeError:
            if not wanted or wanted[0].device is stream.device:
                raise

    def _run_others(self, wanted: list[Stream]) -> None:
        others = [each for each in reversed(self._all_streams()) if each not in wanted and each.device.failure is None]
        while ready := [each for each in others if each.can_go_on()]:
            self._step(ready[0], wanted)

    def _next(self, wanted: list[Stream]) -> Stream:
        if self.schedule == "random":
            ready = [each for each in self._all_streams() if each.can_go_on() and each.device.failure is None]
            assert ready, "streams wait for each other"
            return self.random.choice(ready)
        stream = next(each for each in wanted if each.queue) if any(each.queue for each in wanted) else None
        if stream is None:
            stream = next(each for each in self._all_streams() if each.can_go_on())
        while not stream.can_go_on():
            head = stream.queue[0]
            assert isinstance(head, Recording)
            stream = head.stream
            assert stream.queue, "waits for what nobody is asked for"
        return stream

    def _all_streams(self) -> list[Stream]:
        return [stream for device in self.devices for stream in device.streams]

    # -- pinned memory

    def pin(self, size: int) -> int:
        with self.lock:
            self.device.check()
            if self.free_pinned[size]:
                return self.free_pinned[size].pop()
            memory = np.full(size, POISON, np.uint8)
            self.pinned[memory.ctypes.data] = memory
            return int(memory.ctypes.data)

    def unpin(self, address: int) -> None:
        with self.lock:
            self.pinned[address].fill(POISON)  # the host does not wait for streams
            self.free_pinned[self.pinned[address].size].append(address)

    def host_bytes(self, address: int, size: int) -> np.ndarray:
        """Return pinned memory; copies to and from any other are not asynchronous."""
        inside = any(
            begin <= address and address + size <= begin + memory.size for begin, memory in self.pinned.items()
        )
        assert inside, "an asynchronous copy of host memory that is not pinned"
        return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
