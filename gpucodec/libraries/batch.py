"""Running one batch in the pool: cut into chunks, handed out, collected. A worker's death or hang becomes an error."""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gpucodec.errors import GpucodecError, WorkerError, at_frame
from gpucodec.libraries.messages import Task
from gpucodec.libraries.pool import Pool
from gpucodec.libraries.process import WorkerDiedError, WorkerProcess

__all__ = ["Work", "run_in_pool"]

# A chunk may take this long, counted by its uncompressed size. The slowest library, OpenJPEG, does more than
# 10 MB/s on an old core, so that only a worker that will never finish is ended; the 60 s are for a machine
# that swaps.
SECONDS_PER_CHUNK = 60.0
SECONDS_PER_MEGABYTE = 1.0

# A message there and back takes about 0.2 ms: small frames travel together until a chunk holds milliseconds of
# work, but each worker should get several chunks, so that all end at about the same time.
_CHUNK_BYTES = 2 << 20
_CHUNKS_PER_WORKER = 4


@dataclass(frozen=True, slots=True)
class Work:
    """One batch.

    Parameters
    ----------
    module, function : str
        What each worker calls: ``function(bytes, spec, options)`` of a library's module.
    spec, options
        Its second and third argument.
    what : str
        What is done, as messages name it, such as ``"encoding 'JPEG 2000'"``.
    num_frames : int
        How many frames.
    first_frame : int
        Index in its file of the first.
    frame_bytes : int
        Size of one frame, uncompressed.
    get : callable
        ``get(i)`` is frame i's input, C-contiguous.
    put : callable
        ``put(i, content, found)`` takes frame i's result; may be called in any order.
    """

    module: str
    function: str
    spec: Any
    options: Any
    what: str
    num_frames: int
    first_frame: int
    frame_bytes: int
    get: Callable[[int], Any]
    put: Callable[[int, bytes, Any], None]


def run_in_pool(work: Work, pool: Pool) -> None:
    """Run a batch in worker processes.

    Raises
    ------
    GpucodecError
        The error of the first frame that failed; no frame after it need have been tried.
    WorkerError
        If a worker died or ran out of time in a frame; names it. The pool stays usable.
    """
    _Run(work, pool).run()


class _Run:
    def __init__(self, work: Work, pool: Pool) -> None:
        self.work = work
        self.pool = pool
        self.pending = deque(_cut(work, pool.limit))
        self.running: dict[WorkerProcess, tuple[int, int]] = {}
        self.suspects: set[int] = set()  # frames at which a worker died once
        self.failed: tuple[int, GpucodecError] | None = None

    def run(self) -> None:
        try:
            while self.pending or self.running:
                self._hand_out()
                self._collect()
        finally:
            self.pool.abandon(self)  # none, unless this batch was interrupted
        if self.failed:
            raise self.failed[1]

    def _hand_out(self) -> None:
        while self.pending:
            worker = self.pool.acquire(self, wait=not self.running)
            if worker is None:
                return
            first, count = self.pending.popleft()
            try:
                worker.start(self._load(worker, first, count))
                self.running[worker] = (first, count)
            except WorkerDiedError as death:
                self._bury(worker, first, count, death)
            except OSError as error:  # the buffer could not be made larger
                self.pool.discard(worker)
                self._fail(first, WorkerError(f"no shared memory for {self.work.what}: {error}"))

    def _load(self, worker: WorkerProcess, first: int, count: int) -> Task:
        """Put the input of a chunk into a worker's buffer, and reserve what its results will probably need."""
        contents = [memoryview(self.work.get(first + i)).cast("B") for i in range(count)]
        length = sum(map(len, contents))
        num_bytes = count * self.work.frame_bytes
        worker.buffer.reserve(length + num_bytes)
        inputs, offset = [], 0
        for content in contents:
            worker.buffer.write(offset, content)
            inputs.append((offset, len(content)))
            offset += len(content)
        limit = SECONDS_PER_CHUNK + SECONDS_PER_MEGABYTE * num_bytes / 1e6
        work = self.work
        return Task(work.module, work.function, work.spec, work.options, inputs, offset, limit)

    def _collect(self) -> None:
        """Wait for at least one running chunk, and take the results of all that are done."""
        if not self.running:
            return
        with selectors.DefaultSelector() as selector:
            for worker in self.running:
                selector.register(worker, selectors.EVENT_READ, worker)
            left = min(worker.deadline for worker in self.running) - time.monotonic()
            ready = {key.data for key, _ in selector.select(max(0.0, left))}
        late = {worker for worker in self.running if worker.deadline <= time.monotonic()}
        for worker in ready | late:
            self._finish(worker, *self.running.pop(worker))

    def _finish(self, worker: WorkerProcess, first: int, count: int) -> None:
        try:
            reply = worker.finish()
        except WorkerDiedError as death:
            self._bury(worker, first, count, death)
            return
        for index, (offset, length, found) in enumerate(reply.outputs, first):
            self.work.put(index, worker.buffer.read(offset, length), found)
        self.pool.release(worker)
        if reply.error is not None:
            self._fail(first + len(reply.outputs), reply.error)

    def _bury(self, worker: WorkerProcess, first: int, count: int, death: WorkerDiedError) -> None:
        """Replace a dead worker, and try its frames once more, each alone.

        So the guilty one of several is found, and a worker that was killed for no fault of the frame, by the
        system for want of memory or by somebody, costs nothing.
        """
        self.pool.discard(worker)
        if count > 1 or not (death.was_late or first in self.suspects):
            self.suspects.update(range(first, first + count))
            self.pending.extendleft((index, 1) for index in reversed(range(first, first + count)))
            return
        self._fail(first, WorkerError(f"the worker process for {self.work.what} {death}"))

    def _fail(self, index: int, error: GpucodecError) -> None:
        """Note the error of the earliest frame that failed, and drop what comes after it."""
        if self.failed is None or index < self.failed[0]:
            self.failed = (index, at_frame(error, self.work.first_frame + index))
        last = self.failed[0]
        self.pending = deque(chunk for chunk in self.pending if chunk[0] < last)


def _cut(work: Work, num_workers: int) -> list[tuple[int, int]]:
    """Return first frame and number of frames of each chunk."""
    even = -(-work.num_frames // (num_workers * _CHUNKS_PER_WORKER))
    size = max(1, min(even, _CHUNK_BYTES // work.frame_bytes))
    return [(first, min(size, work.num_frames - first)) for first in range(0, work.num_frames, size)]
