"""Launching: every index once, whatever the number of threads, from several threads at once, in forked children."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from gpucodec_kernels import target
from gpucodec_kernels.target import kernel
from numpy import int64

from gpucodec.backends import Executor


@kernel("int64[::1]")
def count_visit(index, visits):
    """Count one visit of the index."""
    visits[index] += int64(1)


@kernel("uint8[::1], uint8[::1]")
def copy_byte(index, source, copies):
    """Copy one byte."""
    copies[index] = source[index]


@kernel("int32, uint8, float32, float64[::1]")
def write_scalars(index, first, second, third, out):
    """Write what arrived."""
    out[index] = first + second + third


@pytest.mark.kernel
@pytest.mark.parametrize("count", [0, 1, 2, 31, 100])
def test_every_index_runs_once(where: Executor, count: int) -> None:
    visits = np.zeros(count + 1, np.int64)
    where.launch(count_visit, count, visits)
    np.testing.assert_array_equal(visits, [1] * count + [0])


@pytest.mark.kernel
def test_scalars_take_the_types_of_the_signature(where: Executor) -> None:
    out = np.zeros(3)
    where.launch(write_scalars, 3, 2**20, 255, 0.5, out)
    np.testing.assert_array_equal(out, [2**20 + 255.5] * 3)


@pytest.mark.kernel
def test_a_wrong_number_of_arguments_or_indices_is_refused(where: Executor) -> None:
    with pytest.raises(ValueError, match="takes"):
        where.launch(count_visit, 1)
    with pytest.raises(ValueError, match="count of -1"):
        where.launch(count_visit, -1, np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="count"):
        where.launch(count_visit, 2**31, np.zeros(1, np.int64))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_share_the_indices(threads: int) -> None:
    before = target.get_num_threads()
    target.set_num_threads(threads)
    try:
        visits = np.zeros(100_003, np.int64)
        target.launch("cpu", count_visit, visits.size, visits)
        assert (visits == 1).all()
    finally:
        target.set_num_threads(before)


def test_several_threads_may_launch_at_once() -> None:
    visits = [np.zeros(50_000, np.int64) for _ in range(6)]

    def launch_often(mine: np.ndarray) -> None:
        for _ in range(20):
            target.launch("cpu", count_visit, mine.size, mine)

    threads = [threading.Thread(target=launch_often, args=(mine,)) for mine in visits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((mine == 20).all() for mine in visits)


def test_no_number_of_threads_below_one() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        target.set_num_threads(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_launches_with_threads_of_its_own() -> None:
    program = """
import os, sys
import numpy as np
from gpucodec_kernels import prefix_sum, target
target.set_num_threads(3)
lengths, sums = np.ones(9999, np.int32), np.empty(9999, np.int64)
target.launch("cpu", prefix_sum.sum_chunk, 9999, lengths, 1, sums)
child = os.fork()
if child == 0:
    sums[:] = 0
    target.launch("cpu", prefix_sum.sum_chunk, 9999, lengths, 1, sums)
    os._exit(0 if (sums == 1).all() else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], timeout=120, check=False)
    assert done.returncode == 0


def test_machine_code_is_kept_for_the_next_process(tmp_path) -> None:
    program = """
import numpy as np, sys
from gpucodec_kernels import prefix_sum, target
loop = prefix_sum.offset_chunks.compiled("cpu")
print(sum(loop.stats.cache_hits.values()))
"""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", program]
    runs = [
        subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
        for _ in range(2)
    ]
    assert [run.stdout.strip() for run in runs] == ["0", "1"]


@pytest.mark.compile
def test_machine_code_for_gpus_is_kept_for_the_next_process(tmp_path) -> None:
    # Everything but loading the code into a driver is what happens on a GPU.
    program = """
import sys
from gpucodec_kernels import prefix_sum, target
from numba.cuda import dispatcher
from numba.cuda.cudadrv import devices
class Device:
    id, compute_capability = 0, eval(sys.argv[1])
class Module:
    initialized = True
    def get_function(self, name):
        self.module = self
        return self
class Context:
    device = Device()
    def create_module_image(self, machine_code, *_):
        assert len(machine_code.code) > 1000
        return Module()
dispatcher.get_current_device, devices.get_context = Device, lambda *_: Context()
if len(sys.argv) > 2:
    target._sources_fingerprint = lambda module: "changed"
entry = prefix_sum.offset_chunks.compiled("cuda")
print(sum(entry.stats.cache_hits.values()))
"""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", program]
    runs = [
        subprocess.run([*command, *words], env=environment, capture_output=True, text=True, timeout=120, check=True)
        for words in (["(8, 0)"], ["(8, 0)"], ["(9, 0)"], ["(9, 0)"], ["(9, 0)", "changed"])
    ]
    assert [run.stdout.strip() for run in runs] == ["0", "1", "0", "1", "0"]


class DriverError(Exception):
    """What Numba raises when the driver does."""

    def __init__(self, code: int) -> None:
        super().__init__(f"[{code}]")
        self.code = code


@kernel("int64[::1]", gpu=False)
def fill_on_hosts(index, values):
    """Write an index to its place."""
    values[index] = int64(index)


def test_a_kernel_that_is_not_for_gpus_is_not_launched_on_one() -> None:
    with pytest.raises(ValueError, match="fill_on_hosts is not for GPUs"):
        target.launch("cuda", fill_on_hosts, 3, np.zeros(3, np.int64))


def test_a_kernel_that_the_card_refuses_is_told_from_what_failed_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        code = 0

        def __getitem__(self, launch):
            return self

        def __call__(self, *arguments):
            raise DriverError(self.code)

    refusing = Refusing()
    monkeypatch.setitem(count_visit._loops, "cuda", refusing)
    refusing.code = 701
    with pytest.raises(target.KernelError, match=r"count_visit cannot be started on this GPU \(\[701\]\)"):
        target.launch("cuda", count_visit, 1, np.zeros(1, np.int64))
    refusing.code = 700  # an illegal address, of this kernel or of an earlier one
    with pytest.raises(DriverError):
        target.launch("cuda", count_visit, 1, np.zeros(1, np.int64))


@pytest.mark.parametrize(
    ("error", "refused"),
    [(TypeError("no such type"), True), (DriverError(222), True), (DriverError(719), False), (MemoryError(), False)],
)
def test_a_kernel_that_does_not_compile_is_named(monkeypatch: pytest.MonkeyPatch, error, refused: bool) -> None:
    def fail(*_):
        raise error

    monkeypatch.setattr(target, "_cuda_entry", fail)
    with pytest.raises(target.KernelError if refused else type(error)) as caught:
        target.launch("cuda", write_scalars, 1, 1, 1, 1.0, np.zeros(1))
    if refused:
        assert "the kernel write_scalars cannot be compiled for this GPU" in str(caught.value)


def test_listeners_hear_of_the_first_use_alone() -> None:
    heard: list[tuple[str, bool]] = []

    @kernel("int64[::1]")
    def nothing(index, values):
        values[index] = int64(0)

    target.on_prepare(lambda name, begins: heard.append((name, begins)))
    for _ in range(2):
        target.launch("cpu", nothing, 1, np.zeros(1, np.int64))
    assert heard == [("nothing", True), ("nothing", False)]


@pytest.mark.kernel
def test_read_only_arrays_are_taken(where: Executor) -> None:
    source = np.frombuffer(b"read only", np.uint8)
    copies = where.empty(9, np.uint8)
    where.launch(copy_byte, 9, where.upload(source), copies)
    assert copies.tobytes() == b"read only"
