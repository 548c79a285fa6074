"""Batches through three stages at once: while one is loaded, another is computed, and a third is stored.

It knows nothing of frames or devices: stages are functions, and a *worker* is whatever they run on, each with three
threads of its own, one a stage. The rules:

* Results come in the order of the items, whoever made them.
* No more than three items a worker are read and not yet done with, the one that the caller is working on included,
  and a worker has no more than one that is loaded and waits.
* An error comes where the result would have: what precedes it is delivered, what follows is not begun.
* A worker that fails with a `DeviceError` is left out from then on. Others do again what it had begun, and the rest;
  the failure of the last one is the error.
* A batch that runs into a `DeviceMemoryError` is split, and its parts go through all the stages again, each a result of
  its own in its place. What cannot be split is tried once more with its worker to itself.
* When the iterator is closed or ends, nothing of it is running any more, and the source is closed.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from enum import Enum, auto
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from gpucodec.errors import DeviceError, DeviceMemoryError, GpucodecError
from gpucodec.stage_threads import Task, start

__all__ = ["AHEAD", "PipelineStoppedError", "Worker", "run_pipeline"]

AHEAD = 3  # items a worker: one being loaded, one computed, one stored or in the caller's hands

_STAGES = ("load", "compute", "store")

Item = TypeVar("Item")
Result = TypeVar("Result")


class PipelineStoppedError(GpucodecError):
    """The work was given up because it was told to stop."""


class Worker(Protocol):
    """What stages run on."""

    def active(self) -> AbstractContextManager[Any]:
        """Return a context in which the calling thread works for it."""


def run_pipeline(
    items: Iterable[Item],
    load: Callable[[Any, Item], Any],
    compute: Callable[[Any, Any], Any],
    store: Callable[[Any, Any], Result],
    *,
    workers: Sequence[Worker],
    split: Callable[[Item], Sequence[Item]] = lambda _: (),
    stop: threading.Event | None = None,
    on_failure: Callable[[Any, DeviceError], None] = lambda _worker, _error: None,
    threads: bool = True,
) -> Generator[Result, None, None]:
    """Take items through three stages and yield what the last one makes of each.

    Parameters
    ----------
    items : iterable
        What goes in. It is read by one thread at a time, not always the same.
    load, compute, store : callable
        ``stage(worker, what)``: `load` gets an item, the others what the stage before returned.
    workers : sequence of Worker
        One or more.
    split : callable
        Returns the parts of an item, none if it has but one.
    stop : threading.Event, optional
        Once set, nothing more is begun.
    on_failure : callable
        Hears of each worker that failed while there were others, with its error; called by the caller's thread.
    threads : bool
        False where there is nothing to gain, as for one item: the stages then follow one another in the caller's
        thread, an item at a time, and the rules are the same.

    Raises
    ------
    PipelineStoppedError
        If `stop` was set before the last result was taken.
    """
    source = iter(items)
    flow: _Flow[Item, Result] = _Flow(source, (load, compute, store), workers, split, stop, AHEAD if threads else 1)
    tasks: list[Task] = []
    try:
        if threads:
            flow.start(tasks)
        yield from flow.results(on_failure, in_this_thread=not threads)
    finally:
        flow.close()
        for task in tasks:
            task.wait()
        if isinstance(source, Generator):
            source.close()


class _State(Enum):
    READING = auto()
    WAITING = auto()
    WORKING = auto()
    DONE = auto()


class _Lane:
    """A worker, and how much it has begun."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.num_begun = 0
        self.failed = False
        self.queues: list[list[_Batch]] = [[] for _ in _STAGES]


class _Batch:
    """An item, or a part of one, on its way."""

    def __init__(self, item: Any = None, root: object = None, error: BaseException | None = None) -> None:
        self.item = item
        self.root = root or self  # what was read from the source
        self.state = _State.READING if root is None else _State.WAITING
        self.lane: _Lane | None = None  # who works on it; whoever else comes with a result of it comes too late
        self.alone = False
        self.value: Any = None  # what the next stage gets; the result in the end
        self.error = error

    def taken(self) -> Any:
        """Return the value, and hold it no longer."""
        value, self.value = self.value, None
        return value


class _Flow(Generic[Item, Result]):
    """What was read and not yet handed over; every attribute is guarded by `changed`."""

    def __init__(
        self,
        source: Iterator[Item],
        stages: Sequence[Callable[[Any, Any], Any]],
        workers: Sequence[Worker],
        split: Callable[[Item], Sequence[Item]],
        stop: threading.Event | None,
        ahead: int,
    ) -> None:
        self.source, self.stages, self.split, self.stop, self.ahead = source, stages, split, stop, ahead
        self.changed = threading.Condition()
        self.lanes = [_Lane(worker) for worker in workers]
        self.batches: list[_Batch] = []  # in order
        self.handed_over: object = None  # what the caller is working on
        self.is_reading = False
        self.exhausted = False
        self.closed = False
        self.num_running = 0
        self.failures: list[tuple[Worker, DeviceError]] = []

    # The caller's side.

    def start(self, tasks: list[Task]) -> None:
        """Let threads begin, three a worker, and add what they do to `tasks`."""
        for lane in list(self.lanes):
            for stage, name in enumerate(_STAGES):
                work = partial(self._run, lane, stage)
                tasks.append(start((lane.worker, name), work, f"gpucodec-{name}"))

    def results(self, on_failure: Callable[[Any, DeviceError], None], *, in_this_thread: bool) -> Iterator[Result]:
        while True:
            with self.changed:
                self.handed_over = None
                self.changed.notify_all()
            if in_this_thread:
                self._work_off()
            batch, failures = self._next_done()
            for worker, error in failures:
                on_failure(worker, error)
            if batch is None:
                return
            if batch.error is not None:
                try:
                    raise batch.error
                finally:
                    del batch  # the error holds this frame, which must not hold the error
            yield batch.taken()

    def close(self) -> None:
        """Begin nothing more, and wait until nothing is running."""
        with self.changed:
            self.closed = True
            self._drop_from(0)
            self.changed.notify_all()
            while self.num_running:
                self.changed.wait()

    def _next_done(self) -> tuple[_Batch | None, list[tuple[Worker, DeviceError]]]:
        """Wait for the next result; None at the end."""
        with self.changed:
            while True:
                if self._is_stopped:
                    raise PipelineStoppedError("Interrupted")
                first = self.batches[0] if self.batches else None
                if first is None and self.exhausted:
                    return None, self._told()
                if first is not None and first.state is _State.DONE:
                    self.handed_over = self.batches.pop(0).root
                    return first, self._told()
                if not self.lanes:
                    told = self._told()
                    return _Batch(error=self.failures.pop()[1]), told
                self.changed.wait()

    def _told(self) -> list[tuple[Worker, DeviceError]]:
        """Return the failures that the caller has not heard of; that of the last worker is the error."""
        told = self.failures if self.lanes else self.failures[:-1]
        self.failures = self.failures[len(told) :]
        return told

    @property
    def _is_stopped(self) -> bool:
        return self.stop is not None and self.stop.is_set()

    # The threads' side.

    def _run(self, lane: _Lane, stage: int) -> None:
        """Work for one stage until there is nothing more to do."""
        with self.changed:
            self.num_running += 1
        try:
            if self.closed:  # the caller was interrupted while it started the threads
                return
            with lane.worker.active():
                while (batch := self._take(lane, stage)) is not None:
                    self._step(lane, stage, batch)
                    del batch
        except DeviceError as error:
            self._leave_out(lane, error)
        except BaseException as error:  # to be raised where the caller waits
            self._end_with(error)
        finally:
            with self.changed:
                self.num_running -= 1
                self.changed.notify_all()

    def _work_off(self) -> None:
        """Do the next batch in this thread, all its stages."""
        while self.lanes and (batch := self._take(lane := self.lanes[0], 0)) is not None:
            try:
                with lane.worker.active():
                    for stage in range(len(_STAGES)):
                        if batch.lane is lane:
                            self._step(lane, stage, batch)
            except DeviceError as error:
                self._leave_out(lane, error)
            if self.batches and self.batches[0].state is _State.DONE:
                return

    def _take(self, lane: _Lane, stage: int) -> _Batch | None:
        """Wait for a batch that a stage may begin with; None when there will be none."""
        with self.changed:
            while not (self.closed or lane.failed or self._is_stopped):
                if batch := self._next_loaded(lane, stage) if stage else self._next_waiting(lane):
                    return batch
                if not stage and self._may_read(lane):
                    self._read()
                    continue  # much may have changed meanwhile
                if self.exhausted and all(batch.state is _State.DONE for batch in self.batches):
                    break
                self.changed.wait()
            self.changed.notify_all()
            return None

    def _next_waiting(self, lane: _Lane) -> _Batch | None:
        batch = next((batch for batch in self.batches if batch.state is _State.WAITING), None)
        if batch is None or not self._has_room(lane) or (batch.alone and lane.num_begun):
            return None
        batch.state, batch.lane, batch.value = _State.WORKING, lane, batch.item
        lane.num_begun += 1
        return batch

    def _next_loaded(self, lane: _Lane, stage: int) -> _Batch | None:
        """Return the next batch that went through the stage before, but for those that others have now."""
        while lane.queues[stage]:
            batch = lane.queues[stage].pop(0)
            self.changed.notify_all()  # there is room for another one
            if batch.lane is lane:
                return batch
        return None

    def _has_room(self, lane: _Lane) -> bool:
        """Whether a worker may begin with another batch: not while one is loaded that it has not come to yet."""
        if not lane.num_begun:
            return True
        idle = any(not other.num_begun for other in self.lanes)  # it comes first
        alone = any(batch.alone and batch.lane is lane for batch in self.batches)
        return lane.num_begun < self.ahead and not lane.queues[1] and not idle and not alone

    def _may_read(self, lane: _Lane) -> bool:
        in_hand = {batch.root for batch in self.batches} | {self.handed_over} - {None}
        waiting = any(batch.state is _State.WAITING for batch in self.batches)
        full = len(in_hand) >= self.ahead * len(self.lanes)
        return not (waiting or full or self.exhausted or self.is_reading) and self._has_room(lane)

    def _read(self) -> None:
        """Read the next item, with the lock open meanwhile; then it waits for a worker."""
        batch = _Batch()
        self.batches.append(batch)
        self.is_reading = True
        try:
            batch.item = self._next_item()
        except StopIteration:
            self.exhausted = True
            if batch in self.batches:
                self.batches.remove(batch)
        except BaseException as error:  # to be raised where the caller waits
            if batch in self.batches:
                self._put_error(batch, error)
        else:
            batch.state = _State.WAITING  # of no effect if meanwhile something went wrong before it
        self.is_reading = False
        self.changed.notify_all()

    def _next_item(self) -> Item:
        self.changed.release()
        try:
            return next(self.source)
        finally:
            self.changed.acquire()

    def _step(self, lane: _Lane, stage: int, batch: _Batch) -> None:
        parts: Sequence[Item] = ()
        try:
            value = self.stages[stage](lane.worker, batch.taken())
        except DeviceMemoryError as error:
            parts = self.split(batch.item)
            if len(parts) < 2 and (batch.alone or lane.num_begun == 1):
                self._fail(lane, batch, error)
                return
        except DeviceError as error:
            self._leave_out(lane, error)
            return
        except BaseException as error:  # to be raised where the caller waits
            self._fail(lane, batch, error)
            return
        else:
            self._pass_on(lane, stage, batch, value)
            return
        # Only here the error is gone, and with its frames whatever they held on the device; some hold themselves.
        gc.collect(1)  # they are young
        self._try_again(lane, batch, parts)

    def _pass_on(self, lane: _Lane, stage: int, batch: _Batch, value: Any) -> None:
        with self.changed:
            if batch.lane is not lane:
                return
            batch.value = value
            if stage + 1 < len(_STAGES):
                lane.queues[stage + 1].append(batch)
            else:
                batch.item = None
                self._give_back(batch, _State.DONE)
            self.changed.notify_all()

    def _try_again(self, lane: _Lane, batch: _Batch, parts: Sequence[Item]) -> None:
        """Let a batch that did not fit wait again, in parts or for a worker that does nothing else."""
        with self.changed:
            if batch.lane is not lane:
                return
            self._give_back(batch, _State.WAITING)
            if len(parts) > 1:
                index = self.batches.index(batch)
                self.batches[index : index + 1] = [_Batch(part, batch.root) for part in parts]
            else:
                batch.alone = True
            self.changed.notify_all()

    def _fail(self, lane: _Lane, batch: _Batch, error: BaseException) -> None:
        with self.changed:
            if batch.lane is lane:
                self._put_error(batch, error)
            self.changed.notify_all()

    def _put_error(self, batch: _Batch, error: BaseException) -> None:
        """Let an error stand where the result would have; what follows is forgotten."""
        batch.error, batch.item = error, None
        self._give_back(batch, _State.DONE)
        self._drop_from(self.batches.index(batch) + 1)
        self.exhausted = True

    def _end_with(self, error: BaseException) -> None:
        """Let an error that belongs to no batch end everything."""
        with self.changed:
            self._drop_from(0)
            batch = _Batch()
            self.batches.append(batch)
            self._put_error(batch, error)
            self.changed.notify_all()

    def _leave_out(self, lane: _Lane, error: DeviceError) -> None:
        """Let a worker do nothing more; what it had begun waits for another."""
        with self.changed:
            if lane.failed or self.closed:
                return
            lane.failed = True
            self.lanes.remove(lane)
            self.failures.append((lane.worker, error))
            for batch in self.batches:
                if batch.lane is lane:
                    batch.value = None
                    self._give_back(batch, _State.WAITING)
            self.changed.notify_all()

    def _drop_from(self, index: int) -> None:
        for batch in self.batches[index:]:
            self._give_back(batch, _State.DONE)
            batch.item = batch.value = None
        del self.batches[index:]

    @staticmethod
    def _give_back(batch: _Batch, state: _State) -> None:
        """Take a batch from its worker."""
        if batch.lane is not None:
            batch.lane.num_begun -= 1
            batch.lane = None
        batch.state = state
