"""The model of what kernels move, on kernels whose traffic is known beforehand."""

from typing import Any

import numpy as np
import pytest
from gpucodec_kernels.target import Kernel, block_kernel, kernel, synchronize
from numpy import int32, int64

from benchmarks.kernel_replay import CountingExecutor
from benchmarks.kernel_traffic import Launch

COUNT = 256  # two thread blocks


@kernel("int32[::1], int32[::1]")
def copy(index, source, target):
    target[index] = source[index]


@kernel("int32[::1], int32[::1]")
def gather_strided(index, source, target):
    target[index] = source[int64(index) * int64(8)]


@kernel("int32[::1], int32[::1]")
def sum_all(index, source, target):
    total = int32(0)
    for place in range(len(source)):
        total += source[place]
    target[index] = total


@kernel("int32[::1], int32[::1], int32[::1]")
def copy_through_scratch(index, source, scratch, target):
    scratch[index] = source[index]
    target[index] = scratch[index]


@kernel("uint8[::1], uint8[::1]")
def copy_a_slice_of_words(index, source, target):
    words, begin = target.view(np.uint16), int64(index) * int64(2)
    part = source[begin : begin + int64(2)]
    words[index] = np.uint16(part[0]) | np.uint16(np.uint16(part[1]) << np.uint16(8))


@kernel("int32[::1], int32[::1]")
def read_one_too_many(index, source, target):
    target[index] = source[int64(index) + int64(1)]


@block_kernel("int32[::1], int32[::1]", threads=64, shared_type="int32", shared_size=64)
def reverse_blocks(index, thread, shared, source, target):
    shared[thread] = source[int64(index) * int64(64) + int64(thread)]
    synchronize()
    target[int64(index) * int64(64) + int64(thread)] = shared[63 - thread]


@pytest.fixture
def where() -> CountingExecutor:
    return CountingExecutor(lambda kernel: kernel.__name__)


def launched(where: CountingExecutor, what: Kernel, source: Any, size: int, count: int = COUNT) -> tuple[Launch, Any]:
    target = where.empty(size, source.dtype)
    where.launch(what, count, where.upload(source), target)
    found = where.download(target)
    (launch,) = where.take_launches()
    return launch, found


def test_a_copy_by_neighbours_moves_the_least(where: CountingExecutor) -> None:
    source = np.arange(COUNT, dtype=np.int32)
    launch, found = launched(where, copy, source, COUNT)
    assert found.tolist() == source.tolist()
    assert launch.kernel == "copy"
    assert launch.asked == launch.moved == launch.least == 2 * 4 * COUNT


def test_a_strided_read_moves_a_sector_for_each_element(where: CountingExecutor) -> None:
    source = np.arange(8 * COUNT, dtype=np.int32)
    launch, found = launched(where, gather_strided, source, COUNT)
    assert found.tolist() == source[::8].tolist()
    assert launch.moved == 32 * COUNT + 4 * COUNT
    assert launch.least == 4 * COUNT + 4 * COUNT


def test_what_all_threads_read_is_moved_once_a_block(where: CountingExecutor) -> None:
    source = np.ones(64, np.int32)
    launch, found = launched(where, sum_all, source, COUNT)
    assert set(found.tolist()) == {64}
    assert launch.asked == 4 * (64 * COUNT + COUNT)
    assert launch.moved == 4 * (2 * 64 + COUNT)
    assert launch.least == 4 * (64 + COUNT)


def test_scratch_is_moved_but_not_of_the_least(where: CountingExecutor) -> None:
    source, target = where.upload(np.arange(COUNT, dtype=np.int32)), where.empty(COUNT, np.int32)
    where.launch(copy_through_scratch, COUNT, source, where.scratch("s", COUNT, np.int32), target)
    where.download(target)
    (launch,) = where.take_launches()
    assert launch.moved == 4 * 4 * COUNT
    assert launch.least == 2 * 4 * COUNT


def test_what_a_later_launch_reads_is_needed_and_what_nobody_reads_is_not(where: CountingExecutor) -> None:
    source = where.upload(np.arange(COUNT, dtype=np.int32))
    between, target, lost = (where.empty(COUNT, np.int32) for _ in range(3))
    where.launch(copy, COUNT, source, between)
    where.launch(copy, COUNT, source, lost)
    where.launch(copy, COUNT, between, target)
    where.download(target)
    first, unread, last = where.take_launches()
    assert first.least == last.least == 2 * 4 * COUNT
    assert unread.least == 4 * COUNT


def test_what_is_written_again_before_it_is_read_was_not_needed(where: CountingExecutor) -> None:
    source, target = where.upload(np.arange(COUNT, dtype=np.int32)), where.empty(COUNT, np.int32)
    where.launch(copy, COUNT, source, target)
    where.launch(copy, COUNT // 2, source, target)
    where.download(target)
    first, second = where.take_launches()
    assert first.least == 4 * COUNT + 2 * COUNT
    assert second.least == 2 * 2 * COUNT


def test_the_least_is_counted_in_whole_sectors_of_each_array(where: CountingExecutor) -> None:
    launch, _ = launched(where, copy, np.arange(3, dtype=np.int32), 3, count=3)
    assert launch.asked == 2 * 12
    assert launch.moved == launch.least == 2 * 32


def test_parts_and_views_log_their_own_addresses(where: CountingExecutor) -> None:
    source = np.arange(2 * COUNT).astype(np.uint8)
    launch, found = launched(where, copy_a_slice_of_words, source, 2 * COUNT)
    assert found.tolist() == source.tolist()
    assert launch.moved == launch.least == 2 * 2 * COUNT


def test_a_block_of_threads_shares_memory_and_waits(where: CountingExecutor) -> None:
    source = np.arange(128, dtype=np.int32)
    launch, found = launched(where, reverse_blocks, source, 128, count=2)
    assert found.tolist() == [*range(63, -1, -1), *range(127, 63, -1)]
    assert launch.asked == launch.moved == launch.least == 2 * 4 * 128


def test_what_the_host_computes_with_is_needed_and_stays_on_the_device(where: CountingExecutor) -> None:
    source, target = where.upload(np.arange(COUNT, dtype=np.int32)), where.empty(COUNT, np.int32)
    where.launch(copy, COUNT, source, target)
    doubled = (target.reshape(2, -1)[:, :64] * 2).reshape(-1)
    assert where.holds(doubled)
    assert doubled.tolist() == [*range(0, 128, 2), *range(256, 384, 2)]
    (launch,) = where.take_launches()
    assert launch.least > 4 * COUNT


def test_reads_beyond_an_array_are_refused(where: CountingExecutor) -> None:
    with pytest.raises(IndexError, match="Element 256 of an array of 256"):
        launched(where, read_one_too_many, np.arange(COUNT, dtype=np.int32), COUNT)


def test_arrays_of_the_host_are_refused(where: CountingExecutor) -> None:
    with pytest.raises(TypeError, match="copy is given source, which is not in device memory"):
        where.launch(copy, 3, np.arange(3, dtype=np.int32), where.empty(3, np.int32))
    with pytest.raises(TypeError, match="not in device memory"):
        where.download(np.arange(3))


def test_an_array_that_is_not_aligned_is_refused(where: CountingExecutor) -> None:
    memory = where.empty(20, np.uint8)
    with pytest.raises(ValueError, match="not aligned"):
        where.launch(copy, 3, memory[1:17].view(np.int32), where.empty(3, np.int32))


def test_an_error_in_a_thread_of_a_block_is_raised(where: CountingExecutor) -> None:
    with pytest.raises(IndexError):
        launched(where, reverse_blocks, np.arange(100, dtype=np.int32), 128, count=2)
