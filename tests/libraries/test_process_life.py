"""How workers live and die with their parent: each test is a script in a Python of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)

BATCH = """
import os, sys
sys.path.insert(0, {here!r})
from gpucodec.libraries import pool
from gpucodec.libraries.batch import Work, run_in_pool

def run(count=8, order=0, size=100, function="encode_frame", spec=None):
    results = [b""] * count
    def put(index, content, found):
        results[index] = content
    frame = bytes([order]) + bytes(size - 1)
    run_in_pool(Work("crashing_library", function, spec, None, "a test", count, 0, size, lambda i: frame, put),
                pool.get_pool())
    return results
"""


def start(script, **keywords):
    return subprocess.Popen(
        [sys.executable, "-c", BATCH.format(here=HERE) + script],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        **keywords,
    )


def finish(process):
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def is_gone(pid):
    """Whether a process ended; it may wait as a zombie for a parent that does not look."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return status.rpartition(")")[2].split()[0] == "Z"


def wait_until_gone(pids):
    while not all(is_gone(pid) for pid in pids):
        pass  # the limit is that of the test run


def test_a_script_without_a_main_guard_does_not_run_twice(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(BATCH.format(here=HERE) + "print('once', flush=True)\nassert len(run()) == 8\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "once\n", "")


def test_workers_end_with_a_parent_that_ends():
    code, output = finish(start("run(); print(*pool.get_pool().pids)"))
    assert code == 0
    pids = list(map(int, output.split()))
    assert pids
    wait_until_gone(pids)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_a_parent_that_is_killed(number):
    process = start("run(); print(*pool.get_pool().pids, flush=True); sys.stdin.read()")
    pids = list(map(int, process.stdout.readline().split()))
    assert pids
    assert not any(is_gone(pid) for pid in pids)
    process.send_signal(number)
    code, _ = finish(process)
    assert code == -number
    wait_until_gone(pids)


def test_a_full_memory_is_an_error_and_no_signal():
    script = """
import resource
from gpucodec.errors import WorkerError
run()
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    run(2, size=4 << 20)
except WorkerError as error:
    print(error)
print(len(run()))
"""
    code, output = finish(start(script))
    assert code == 0
    error, number = output.splitlines()
    assert error.startswith("Frame 0: no shared memory for a test: [Errno 27]")
    assert number == "8"


def test_a_worker_that_cannot_grow_its_buffer_is_an_error():
    """The limit is inherited: here it is the worker that has no room for its results."""
    script = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
from gpucodec.errors import WorkerError
try:
    run(1, order=6, size=100_000)
except WorkerError as error:
    print(error)
"""
    code, output = finish(start(script))
    assert (code, output.startswith("Frame 0: OSError in the worker process: [Errno 27]")) == (0, True)


def test_a_forked_child_makes_its_own_pool():
    script = """
run()
before = set(pool.get_pool().pids)
child = os.fork()
if not child:
    try:
        run()
        mine = set(pool.get_pool().pids)
        pool.shutdown()
        os._exit(0 if mine and not mine & before else 1)
    finally:
        os._exit(2)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
run()
print(code, set(pool.get_pool().pids) == before)
"""
    assert finish(start(script)) == (0, "0 True\n")


def test_a_keyboard_interrupt_ends_the_batch_and_leaves_a_usable_pool(tmp_path):
    script = f"""
import signal
pool.get_pool()
run()
signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
signal.setitimer(signal.ITIMER_REAL, 0.2)
try:
    run(function="slow_frame", spec={str(tmp_path / "never")!r})
except KeyboardInterrupt:
    print("interrupted", len(pool.get_pool()._busy))
print(len(run()))
"""
    assert finish(start(script)) == (0, "interrupted 0\n8\n")


def test_ctrl_c_on_a_terminal_does_not_reach_the_workers():
    """A terminal sends the interrupt to the whole process group of the parent."""
    script = """
import signal
signal.signal(signal.SIGINT, lambda *_: print("parent", flush=True))
run()
before = set(pool.get_pool().pids)
print("ready", flush=True)
sys.stdin.readline()
run()
print(set(pool.get_pool().pids) == before)
"""
    process = start(script, start_new_session=True)
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    assert process.stdout.readline() == "parent\n"
    assert process.communicate("go\n", timeout=60)[0] == "True\n"


def test_workers_import_only_what_they_need():
    script = """
import json
sys.path.insert(0, "/nowhere/added/at/run/time")
names = run(1, function="modules_frame")[0].decode().split()
print(*sorted({"numba", "pydicom", "gpucodec.dicom", "multiprocessing", "concurrent"} & set(names)))
print("/nowhere/added/at/run/time" in names)
"""
    assert finish(start(script)) == (0, "\nTrue\n")
