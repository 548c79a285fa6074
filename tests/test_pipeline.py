"""The pipeline of batches: order, back-pressure, errors, cancellation, workers that fail, memory that is short."""

import contextlib
import signal
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpucodec.errors import DeviceError, DeviceMemoryError
from gpucodec.pipeline import AHEAD, PipelineStoppedError, run_pipeline

PATIENCE = 30  # seconds: only a fault takes as long
STAGES = ("load", "compute", "store")
both_ways = pytest.mark.parametrize("threads", [True, False], ids=["threads", "serial"])


class Bench:
    """A worker, or the device that several stages share: it counts what is going on."""

    def __init__(self, name: str = "one", memory: int = 10**9) -> None:
        self.name = name
        self.memory = memory
        self.inside = 0
        self.lock = threading.Lock()

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        with self.lock:
            self.inside += 1
        yield
        with self.lock:
            self.inside -= 1


class Source:
    """An iterator over batches that notes how far it was read, and that it was closed."""

    def __init__(self, batches: Sequence[Any], watch: Callable[[int], None] = lambda index: None) -> None:
        self.num_read = 0
        self.closed = False
        self._batches, self._watch = batches, watch

    def __iter__(self) -> Iterator[Any]:
        try:
            for index, batch in enumerate(self._batches):
                self.num_read += 1
                self._watch(index)
                yield batch
        finally:
            self.closed = True


def same(worker: Any, value: Any) -> Any:
    return value


def halves(batch: Sequence[int]) -> list[Sequence[int]]:
    middle = len(batch) // 2
    return [batch[:middle], batch[middle:]] if middle else []


def wait_for(event: threading.Event) -> None:
    assert event.wait(PATIENCE)


def test_three_items_are_in_three_stages_at_once() -> None:
    together = threading.Barrier(3)

    def stage(position: int) -> Callable[[Any, int], int]:
        def run(worker: Any, item: int) -> int:
            if item + position == 2:  # item 2 is loaded, 1 computed, 0 stored
                together.wait(PATIENCE)
            return item

        return run

    stages = [stage(position) for position in range(3)]
    assert list(run_pipeline(range(5), *stages, workers=[Bench()])) == [0, 1, 2, 3, 4]


def test_results_come_in_order_though_later_ones_are_made_first() -> None:
    second_stored = threading.Event()

    def compute(worker: Any, item: int) -> int:
        if item == 0:  # a worker that has nothing to do comes first: the other one has item 1
            wait_for(second_stored)
        return item

    def store(worker: Any, item: int) -> int:
        if item == 1:
            second_stored.set()
        return item

    assert list(run_pipeline(range(8), same, compute, store, workers=[Bench(), Bench()])) == list(range(8))


@pytest.mark.parametrize("num_workers", [1, 2])
def test_the_source_is_read_three_a_worker_ahead_and_no_further(num_workers: int) -> None:
    third_read = threading.Event()
    done = 0

    def watch(index: int) -> None:
        assert index - done < AHEAD * num_workers  # one that the caller is working on counts
        if index == AHEAD - 1:
            third_read.set()

    def compute(worker: Any, item: int) -> int:
        if item == 1:
            wait_for(third_read)
        return item

    source = Source(range(20), watch)
    for result in run_pipeline(source, same, compute, same, workers=[Bench()] * num_workers):
        assert result == done
        if not done:
            wait_for(third_read)  # read while the first is worked on here
        done += 1
    assert source.num_read == 20


def test_in_the_callers_thread_nothing_is_read_ahead() -> None:
    source = Source(range(5))
    names = set()

    def compute(worker: Any, item: int) -> int:
        names.add(threading.current_thread())
        return item

    for index, _ in enumerate(run_pipeline(source, same, compute, same, workers=[Bench()], threads=False)):
        assert source.num_read == index + 1
    assert names == {threading.current_thread()}


@both_ways
@pytest.mark.parametrize("where", ["source", *STAGES])
def test_an_error_comes_once_in_its_place_and_ends_everything(where: str, threads: bool) -> None:
    begun: dict[str, list[int]] = {name: [] for name in STAGES}
    bench = Bench()

    def fail_like_this(item: int) -> None:
        if item == 5:
            raise ZeroDivisionError("of all things")

    def stage(name: str) -> Callable[[Any, int], int]:
        def run(worker: Any, item: int) -> int:
            begun[name].append(item)
            if name == where:
                fail_like_this(item)
            return item

        return run

    source = Source(range(100), fail_like_this if where == "source" else lambda index: None)
    results = run_pipeline(source, *map(stage, STAGES), workers=[bench], threads=threads)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ZeroDivisionError) as caught:
        next(results)
    assert "fail_like_this" in "".join(traceback.format_exception(caught.value))
    assert next(results, "ended") == "ended"
    assert source.closed
    assert bench.inside == 0
    assert source.num_read <= 5 + AHEAD
    if where in STAGES:
        later = STAGES[STAGES.index(where) + 1 :]
        assert all(max(begun[name], default=0) < 5 for name in later)
        assert begun[where].count(5) == 1


def test_of_two_errors_the_first_in_order_is_raised() -> None:
    second_failed = threading.Event()

    def compute(worker: Any, item: int) -> int:
        if item == 0:
            wait_for(second_failed)
            raise ValueError("the first in order")
        second_failed.set()
        raise KeyError("the first in time")

    with pytest.raises(ValueError, match="the first in order"):
        next(run_pipeline(range(9), same, compute, same, workers=[Bench(), Bench()]))


def test_an_error_of_the_worker_itself_is_raised() -> None:
    class Broken(Bench):
        def active(self) -> Any:
            raise ZeroDivisionError("no such worker")

    source = Source(range(3))
    with pytest.raises(ZeroDivisionError, match="no such worker"):
        list(run_pipeline(source, same, same, same, workers=[Broken()]))


def _slow(started: threading.Event, go_on: threading.Event, begun: list[int]) -> Callable[[Any, int], int]:
    """Return a stage that waits in item 1."""

    def compute(worker: Any, item: int) -> int:
        begun.append(item)
        if item == 1:
            started.set()
            wait_for(go_on)
        return item

    return compute


def test_closing_the_iterator_ends_everything() -> None:
    started, go_on, begun = threading.Event(), threading.Event(), list[int]()
    source, bench = Source(range(100)), Bench()
    results = run_pipeline(source, same, _slow(started, go_on, begun), same, workers=[bench])
    assert next(results) == 0
    wait_for(started)
    closer = threading.Thread(target=results.close)
    closer.start()
    go_on.set()
    closer.join(PATIENCE)
    assert not closer.is_alive()
    assert bench.inside == 0
    assert source.closed
    assert set(begun) <= {0, 1, 2, 3}
    assert next(results, "ended") == "ended"


def test_an_iterator_that_was_never_begun_begins_nothing() -> None:
    source = Source(range(3))
    run_pipeline(source, same, same, same, workers=[Bench()]).close()
    assert source.num_read == 0


@both_ways
def test_stop_ends_everything(threads: bool) -> None:
    stop, begun = threading.Event(), list[int]()

    def compute(worker: Any, item: int) -> int:
        begun.append(item)
        if item == 2:
            stop.set()
        return item

    source, bench = Source(range(100)), Bench()
    results = run_pipeline(source, same, compute, same, workers=[bench], stop=stop, threads=threads)
    with pytest.raises(PipelineStoppedError):
        list(results)
    assert begun == [0, 1, 2]
    assert bench.inside == 0
    assert source.closed


def test_an_interrupt_of_the_caller_ends_everything() -> None:
    begun: list[int] = []
    main = threading.main_thread()
    interrupted = threading.Event()

    def compute(worker: Any, item: int) -> int:
        begun.append(item)
        if item == 1:
            signal.pthread_kill(main.ident or 0, signal.SIGINT)
            wait_for(interrupted)
        return item

    def hear(number: int, frame: Any) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    source, bench = Source(range(100)), Bench()
    previous = signal.signal(signal.SIGINT, hear)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(run_pipeline(source, same, compute, same, workers=[bench]))
    finally:
        signal.signal(signal.SIGINT, previous)
    assert bench.inside == 0
    assert source.closed
    assert max(begun) < 5


def test_threads_and_what_they_keep_are_there_for_the_next_run() -> None:
    bench = Bench()
    seen: list[set[tuple[str, int]]] = []
    for _ in range(3):
        names: set[tuple[str, int]] = set()

        def stage(name: str, names: set[tuple[str, int]] = names) -> Callable[[Any, int], int]:
            def run(worker: Any, item: int) -> int:
                names.add((name, threading.get_ident()))
                return item

            return run

        assert len(list(run_pipeline(range(9), *map(stage, STAGES), workers=[bench]))) == 9
        seen.append(names)
    assert len(seen[0]) == 3
    assert seen[0] == seen[1] == seen[2]


class Failing:
    """Stages of which one fails on one worker when it meets a number."""

    def __init__(self, where: str, worker: str, number: int) -> None:
        self.where, self.worker, self.number = where, worker, number
        self.failed: set[str] = set()
        self.after: list[Any] = []

    def stages(self) -> list[Callable[[Any, Any], Any]]:
        return [self._stage(name) for name in STAGES]

    def _stage(self, name: str) -> Callable[[Any, Any], Any]:
        def run(worker: Bench, batch: Sequence[int]) -> Sequence[int]:
            if worker.name in self.failed and name == "load":
                self.after.append(batch)
            if name == self.where and self.worker in ("all", worker.name) and max(batch) >= self.number:
                self.failed.add(worker.name)
                raise DeviceError(f"{worker.name} fell off the bus")
            return batch

        return run


@both_ways
@pytest.mark.parametrize("where", STAGES)
def test_the_work_of_a_worker_that_fails_is_done_by_the_others(where: str, threads: bool) -> None:
    failing = Failing(where, "a", 4)
    told: list[tuple[str, str]] = []
    results = run_pipeline(
        [[number] for number in range(40)],
        *failing.stages(),
        workers=[Bench("a"), Bench("b"), Bench("c")],
        on_failure=lambda worker, error: told.append((worker.name, str(error))),
        threads=threads,
    )
    assert list(results) == [[number] for number in range(40)]
    if failing.failed:  # the others may have been so quick that it got none
        assert told == [("a", "a fell off the bus")]
        assert len(failing.after) < AHEAD  # what its thread had begun when another stage failed
    assert not threads or failing.failed <= {"a"}


def test_what_a_failed_worker_had_begun_is_done_again_in_its_place() -> None:
    """Both workers hold batches when one fails: the order of the results does not change."""
    met, done_by = threading.Barrier(2), Counter[str]()
    told: list[str] = []

    def compute(worker: Bench, item: int) -> int:
        done_by[worker.name] += 1
        if done_by[worker.name] == 1:
            met.wait(PATIENCE)
        if worker.name == "a":
            raise DeviceError("a fell off the bus")
        return item

    workers = [Bench("a"), Bench("b")]
    results = run_pipeline(
        range(12), same, compute, same, workers=workers, on_failure=lambda worker, error: told.append(worker.name)
    )
    assert list(results) == list(range(12))
    assert done_by == {"a": 1, "b": 12}
    assert told == ["a"]


@both_ways
def test_the_failure_of_the_last_worker_is_the_error(threads: bool) -> None:
    failing = Failing("compute", "all", 4)
    told: list[str] = []
    source = Source([[number] for number in range(40)])
    results = run_pipeline(
        source,
        *failing.stages(),
        workers=[Bench("a"), Bench("b")],
        on_failure=lambda worker, error: told.append(worker.name),
        threads=threads,
    )
    found: list[Any] = []
    with pytest.raises(DeviceError, match="fell off the bus") as caught:
        found.extend(results)
    assert found == [[number] for number in range(len(found))]
    assert len(found) <= 4
    assert len(told) == 1
    assert {*told, str(caught.value)[0]} == {"a", "b"}
    assert source.closed


class Memory:
    """Stages on a worker whose memory what is on its way has to share: what is loaded is held until it is stored."""

    def __init__(self, split: Callable[[Any], list[Any]] = halves) -> None:
        self.used: Counter[Bench] = Counter()
        self.lock = threading.Lock()
        self.refused: list[int] = []
        self.sizes: list[int] = []
        self.split = split

    def load(self, worker: Bench, batch: Sequence[int]) -> Any:
        with self.lock:
            if self.used[worker] + len(batch) > worker.memory:
                self.refused.append(len(batch))
                raise DeviceMemoryError("no room")
            self.used[worker] += len(batch)
            self.sizes.append(len(batch))
        return batch, Held(self, worker, len(batch))

    def compute(self, worker: Bench, loaded: Any) -> Any:
        return loaded

    def store(self, worker: Bench, computed: Any) -> Any:
        batch, held = computed
        held.release()
        return batch

    def run(self, batches: Any, workers: list[Bench], *, threads: bool = True) -> list[int]:
        stages = (self.load, self.compute, self.store)
        found = run_pipeline(batches, *stages, workers=workers, split=self.split, threads=threads)
        return [number for batch in found for number in batch]


class Held:
    """Memory that is there again once nothing refers to it, as a device array's."""

    def __init__(self, memory: Memory, worker: Bench, size: int) -> None:
        self.memory, self.worker, self.size = memory, worker, size

    def release(self) -> None:
        with self.memory.lock:
            self.memory.used[self.worker] -= self.size
            self.size = 0

    __del__ = release


@both_ways
@pytest.mark.parametrize("capacity", [1, 2, 3, 5, 8, 100])
def test_what_does_not_fit_is_halved_until_it_does(capacity: int, threads: bool) -> None:
    memory = Memory()
    batches = [range(begin, min(begin + 8, 30)) for begin in range(0, 30, 8)]
    assert memory.run(batches, [Bench(memory=capacity)], threads=threads) == list(range(30))
    assert max(memory.sizes) <= capacity


def test_the_smaller_size_is_kept_when_the_source_heeds_it() -> None:
    size = [8]

    def source() -> Iterator[range]:
        begin = 0
        while begin < 100:
            end = min(begin + size[0], 100)
            yield range(begin, end)
            begin = end

    def split(batch: range) -> list[Any]:
        size[0] = max(1, min(size[0], len(batch) // 2))
        return halves(batch)

    memory = Memory(split)
    assert memory.run(source(), [Bench(memory=8)]) == list(range(100))
    assert len(memory.refused) <= 8  # of the about 40 batches


@both_ways
def test_a_single_frame_that_does_not_fit_is_the_error(threads: bool) -> None:
    memory, bench = Memory(), Bench(memory=0)
    with pytest.raises(DeviceMemoryError, match="no room"):
        memory.run([range(8), range(8, 16)], [bench], threads=threads)
    assert bench.inside == 0
    assert memory.refused[-1] == 1


def test_a_single_frame_that_only_fits_alone_is_tried_alone() -> None:
    """Two are on their way when the second finds no room; it gets it once the other is done."""
    memory = Memory()
    refused = threading.Event()

    def load(worker: Bench, batch: Sequence[int]) -> Any:
        try:
            return memory.load(worker, batch)
        except DeviceMemoryError:
            refused.set()
            raise

    def compute(worker: Bench, loaded: Any) -> Any:
        wait_for(refused)
        return loaded

    batches = [[number] for number in range(7)]
    stages = (load, compute, memory.store)
    assert list(run_pipeline(batches, *stages, workers=[Bench(memory=1)], split=halves)) == batches


def test_what_failed_for_memory_holds_none_while_it_is_tried_again() -> None:
    """An exception holds its frames, and they what they made: it must be gone first."""
    memory, bench = Memory(), Bench(memory=4)

    def compute(worker: Bench, loaded: Any) -> Any:
        if len(loaded[0]) > 1:
            mine = loaded  # noqa: F841 - held by the frame of the exception
            error = DeviceMemoryError("no room to compute")
            raise error  # whose frame holds it
        return loaded

    stages = (memory.load, compute, memory.store)
    results = run_pipeline([range(4)], *stages, workers=[bench], split=halves)
    assert [number for batch in results for number in batch] == [0, 1, 2, 3]
    assert memory.refused == []


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_fails_no_frame_is_lost_doubled_or_out_of_place(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 9), max_size=12), label="batch sizes")
    capacities = data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=3), label="memory of each worker")
    workers = [Bench(str(index), capacity) for index, capacity in enumerate(capacities)]
    failures = data.draw(
        st.lists(
            st.tuples(st.sampled_from(STAGES), st.integers(0, 40)), min_size=len(workers) - 1, max_size=len(workers) - 1
        ),
        label="where all workers but the last fail, and after how many calls",
    )
    threads = data.draw(st.booleans(), label="threads")
    batches, total = [], 0
    for size in sizes:
        batches.append(range(total, total + size))
        total += size
    memory, calls = Memory(), Counter[tuple[str, str]]()

    def stage(name: str, run: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def failing(worker: Bench, value: Any) -> Any:
            calls[worker.name, name] += 1
            index = int(worker.name)
            if index < len(failures) and failures[index][0] == name and calls[worker.name, name] > failures[index][1]:
                raise DeviceError(f"worker {index}")
            return run(worker, value)

        return failing

    stages = [stage("load", memory.load), stage("compute", memory.compute), stage("store", memory.store)]
    told: list[Bench] = []
    results = run_pipeline(
        Source(batches), *stages, workers=workers, split=halves, on_failure=lambda worker, _: told.append(worker),
        threads=threads,
    )  # fmt: skip
    assert [number for batch in results for number in batch] == list(range(total))
    assert len(told) == len(set(told)) <= len(failures)
    assert all(worker.inside == 0 for worker in workers)
