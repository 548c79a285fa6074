import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from gpucodec.errors import CodestreamError, ParameterError, WorkerError
from gpucodec.libraries import batch, pool
from gpucodec.libraries.batch import Work, run_in_pool
from gpucodec.libraries.pool import Pool

sys.path.insert(0, str(Path(__file__).parent))  # workers take over the path, and find the stand-in there
from crashing_library import BUG, CRASH, EXIT, LARGE, PLAIN, STOP, WRONG


@pytest.fixture
def workers():
    made = Pool(2)
    yield made
    made.kill()


def run(workers, frames, first_frame=0, function="encode_frame", spec=None):
    """Run frames through the stand-in; its results are the frames reversed."""
    results = [b""] * len(frames)

    def put(index, content, found):
        results[index] = content

    run_in_pool(
        Work(
            "crashing_library", function, spec, None, "encoding 'Test' (1.2.3)", len(frames), first_frame,
            max(map(len, frames)), frames.__getitem__, put,
        ),
        workers,
    )  # fmt: skip
    return results


def plain(count, size=100):
    return [bytes([PLAIN]) + os.urandom(size - 1) for _ in range(count)]


@pytest.mark.parametrize(("count", "size"), [(1, 1), (3, 7), (1000, 50), (5, 3_000_000)])
def test_results_come_in_order(workers, count, size):
    frames = plain(count, size)
    assert run(workers, frames) == [frame[::-1] for frame in frames]
    assert len(workers.pids) == min(count, 2)


def test_results_may_be_much_larger_than_the_frames(workers):
    frames = [bytes([LARGE]) * size for size in (1000, 5000, 1)]
    assert run(workers, frames) == [frame * 1000 for frame in frames]


def test_a_large_buffer_is_given_back(workers):
    run(workers, plain(1, 40_000_000))
    (worker,) = workers._idle
    assert worker.buffer.size <= 64 << 20
    frames = plain(4, 50)
    assert run(workers, frames) == [frame[::-1] for frame in frames]


def test_workers_stay_warm(workers):
    run(workers, plain(4))
    before = set(workers.pids)
    run(workers, plain(4))
    assert set(workers.pids) == before
    assert os.getpid() not in before


def test_several_threads_at_once(workers):
    outcomes = {}

    def submit(number):
        frames = plain(50, 100 + number)
        outcomes[number] = run(workers, frames) == [frame[::-1] for frame in frames]

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == dict.fromkeys(range(6), True)
    assert len(workers.pids) == 2


@pytest.mark.parametrize(
    ("order", "message"),
    [(CRASH, r"was ended by signal 11 \(SIGSEGV\)"), (EXIT, "ended with exit code 7")],
)
@pytest.mark.parametrize("position", [0, 17, 39])
def test_a_crash_names_the_frame(workers, order, message, position):
    frames = plain(40)
    frames[position] = bytes([order]) * 100
    expected = rf"^Frame {1000 + position}: the worker process for encoding 'Test' \(1.2.3\) {message}"
    with pytest.raises(WorkerError, match=expected):
        run(workers, frames, first_frame=1000)
    frames = plain(40)
    assert run(workers, frames) == [frame[::-1] for frame in frames]


def test_the_first_of_several_bad_frames_is_named(workers):
    frames = plain(40)
    frames[30] = frames[35] = bytes([CRASH]) * 100
    frames[21] = bytes([WRONG]) * 100
    with pytest.raises(CodestreamError, match="frame 21"):
        run(workers, frames)


def test_a_worker_killed_while_idle_is_replaced(workers):
    run(workers, plain(4))
    killed = set(workers.pids)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    frames = plain(4)
    assert run(workers, frames) == [frame[::-1] for frame in frames]
    assert not killed & set(workers.pids)


def kill_one(workers, earlier=()):
    """Kill a busy worker that was not there earlier, and return its number."""
    while True:
        for worker in list(workers._busy):
            if worker.pid not in earlier:
                os.kill(worker.pid, signal.SIGKILL)
                return worker.pid


def test_a_worker_killed_twice_in_the_middle_of_a_frame(workers, tmp_path):
    caught = []

    def submit():
        try:
            run(workers, plain(1), first_frame=5, function="slow_frame", spec=str(tmp_path / "never"))
        except WorkerError as error:
            caught.append(str(error))

    thread = threading.Thread(target=submit)
    thread.start()
    kill_one(workers, [kill_one(workers)])
    thread.join()
    assert caught == ["Frame 5: the worker process for encoding 'Test' (1.2.3) was ended by signal 9 (SIGKILL)"]


def test_a_worker_killed_once_costs_nothing(workers, tmp_path):
    done = []
    gate = tmp_path / "gate"
    frames = plain(1)
    thread = threading.Thread(target=lambda: done.append(run(workers, frames, function="slow_frame", spec=str(gate))))
    thread.start()
    kill_one(workers)
    gate.touch()
    thread.join()
    assert done == [frames]


def test_a_chunk_that_lost_its_worker_is_done_again(workers, tmp_path):
    done = []
    gate = tmp_path / "gate"
    frames = plain(40)
    thread = threading.Thread(target=lambda: done.append(run(workers, frames, function="slow_frame", spec=str(gate))))
    thread.start()
    while len(workers._busy) < 2:
        pass
    kill_one(workers)
    gate.touch()
    thread.join()
    assert done == [frames]


def test_a_stuck_worker_is_ended(workers, monkeypatch):
    frames = plain(3)
    run(workers, frames)  # so that the limit is not spent on starting
    monkeypatch.setattr(batch, "SECONDS_PER_CHUNK", 0.3)
    frames[1] = bytes([STOP]) * 100
    with pytest.raises(WorkerError, match=r"^Frame 1: .* did not finish in time and was ended"):
        run(workers, frames)
    monkeypatch.undo()
    frames = plain(4)
    assert run(workers, frames) == [frame[::-1] for frame in frames]


def test_errors_of_the_library_come_back(workers):
    frames = plain(10)
    frames[4] = bytes([WRONG]) * 100
    with pytest.raises(CodestreamError) as caught:
        run(workers, frames, first_frame=90)
    error = caught.value
    assert (error.format, error.frame, error.offset, error.message) == ("TEST", 94, 3, "the bytes are wrong")
    before = set(workers.pids)
    frames[4] = bytes([BUG]) * 100
    with pytest.raises(WorkerError, match="Frame 4: KeyError in the worker process: 'a mistake'"):
        run(workers, frames)
    assert set(workers.pids) == before  # an error is no reason to lose a worker


def test_no_room_for_the_buffer_is_an_error(workers, monkeypatch):
    def full(fd, offset, length):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(WorkerError, match=r"Frame 0: no shared memory for encoding 'Test'.*No space left on device"):
        run(workers, plain(4))
    monkeypatch.undo()
    frames = plain(4)
    assert run(workers, frames) == [frame[::-1] for frame in frames]


def test_an_interrupt_leaves_a_usable_pool(workers):
    def interrupted(index):
        if index == 20:
            raise KeyboardInterrupt
        return bytes(100)

    work = Work("crashing_library", "encode_frame", None, None, "", 40, 0, 100, interrupted, lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        run_in_pool(work, workers)
    assert not workers._busy
    frames = plain(40)
    assert run(workers, frames) == [frame[::-1] for frame in frames]


def test_fewer_workers(workers):
    run(workers, plain(4))
    workers.set_limit(1)
    assert len(workers.pids) == 1
    assert len(set(run(workers, plain(20), function="who_frame"))) == 1


def test_close_ends_the_workers(workers):
    run(workers, plain(4))
    pids = workers.pids
    workers.close()
    assert workers.pids == []
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2"])
def test_set_workers_refuses(count):
    with pytest.raises(ParameterError, match="must be an integer of 1 or more"):
        pool.set_workers(count)


def test_set_workers_is_kept_for_a_pool_not_yet_made():
    pool.shutdown()
    pool.set_workers(3)
    try:
        assert pool.get_pool().limit == 3
    finally:
        pool.set_workers(os.cpu_count())


def test_a_program_without_an_interpreter_has_no_workers(monkeypatch):
    assert pool.why_unavailable() == ""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert "interpreter" in pool.why_unavailable()
