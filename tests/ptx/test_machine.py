"""The machine that executes PTX computes what NumPy computes, and finds what must not happen."""

import numpy as np
import pytest
from gpucodec_kernels.target import block_kernel, kernel, synchronize
from numpy import float32, int32, int64, uint32, uint64

from tests.ptx.machine import ORDERS, run_kernel
from tests.ptx.memory import FaultError

pytestmark = pytest.mark.compile


@kernel("int64[::1], int64[::1], int64[::1]")
def compute_integers(index, ones, others, results):
    one, other = ones[index], others[index]
    place = index * int32(12)
    narrow, amount = int32(one), uint32(other) & uint32(31)
    results[place] = one + other
    results[place + int32(1)] = one * other
    results[place + int32(2)] = one >> int64(amount)
    results[place + int32(3)] = int64(uint64(one) >> uint64(amount))
    results[place + int32(4)] = int64(int32(narrow >> int32(amount)))
    results[place + int32(5)] = int64(uint32(uint32(one) << amount))
    results[place + int32(6)] = min(one, other)
    results[place + int32(7)] = int64(max(uint64(one), uint64(other)))
    results[place + int32(8)] = int64(one < other)
    results[place + int32(9)] = one & ~other
    results[place + int32(10)] = int64(int32(narrow - int32(other)))
    results[place + int32(11)] = one // (other | int64(1))


@kernel("float32[::1], float32[::1], float32[::1], int32[::1]")
def compute_floats(index, ones, others, results, whole):
    one, other = ones[index], others[index]
    place = index * int32(4)
    results[place] = one + other
    results[place + int32(1)] = one * other
    results[place + int32(2)] = one / other
    results[place + int32(3)] = float32(int32(index) - int32(7))
    whole[index] = int32(one)


@kernel("int32[::1], int32[::1]")
def add_neighbour(index, values, results):
    results[index] = values[index] + values[index + int32(1)]


@kernel("int32[::1]")
def write_one(index, values):
    values[int32(0)] = index


@kernel("int32[::1], int32[::1]")
def read_of_the_next(index, values, results):
    results[index] = values[index + int32(1)]
    values[index] = int32(1)


@block_kernel("int32[::1]", threads=32, shared_type="int32", shared_size=32)
def turn_round(index, thread, shared, values):
    shared[thread] = values[index * int32(32) + thread]
    synchronize()
    values[index * int32(32) + thread] = shared[int32(31) - thread]


@block_kernel("int32[::1]", threads=32, shared_type="int32", shared_size=32)
def turn_round_too_early(index, thread, shared, values):
    shared[thread] = values[index * int32(32) + thread]
    values[index * int32(32) + thread] = shared[int32(31) - thread]


@block_kernel("int32[::1]", threads=32, shared_type="int32", shared_size=33)
def read_what_nobody_wrote(index, thread, shared, values):
    shared[thread] = thread
    synchronize()
    values[thread] = shared[thread + int32(1)]


@block_kernel("int32[::1]", threads=32, shared_type="int32", shared_size=32)
def leave_before_the_barrier(index, thread, shared, values):
    if thread < int32(31):
        synchronize()
    values[thread] = thread


def test_integers_are_those_of_numpy() -> None:
    rng = np.random.default_rng(1)
    scale = rng.integers(0, 63, (2, 300))
    ones, others = rng.integers(-(2**63), 2**63 - 1, (2, 300)) >> scale
    found = np.zeros((300, 12), np.int64)
    run_kernel(compute_integers, 300, [ones, others, found.reshape(-1)], "shuffled")
    amount = others & 31
    narrow = ones.astype(np.int32)
    u1, u2 = ones.view(np.uint64), others.view(np.uint64)
    expected = np.stack(
        [
            ones + others,
            ones * others,
            ones >> amount,
            (u1 >> amount.astype(np.uint64)).view(np.int64),
            narrow >> amount.astype(np.int32),
            (ones.astype(np.uint32) << amount.astype(np.uint32)).astype(np.int64),
            np.minimum(ones, others),
            np.maximum(u1, u2).view(np.int64),
            ones < others,
            ones & ~others,
            narrow - others.astype(np.int32),
            ones // (others | 1),
        ],
        axis=1,
    )
    assert np.array_equal(found, expected)


def test_floats_are_those_of_numpy() -> None:
    rng = np.random.default_rng(2)
    ones, others = (rng.normal(size=(2, 300)) * 10.0 ** rng.integers(-6, 7, (2, 300))).astype(np.float32)
    found, whole = np.zeros((300, 4), np.float32), np.zeros(300, np.int32)
    run_kernel(compute_floats, 300, [ones, others, found.reshape(-1), whole])
    counted = np.arange(300, dtype=np.float32) - 7
    assert np.array_equal(found, np.stack([ones + others, ones * others, ones / others, counted], axis=1))
    assert np.array_equal(whole, ones.astype(np.int32))


@pytest.mark.parametrize("order", ORDERS)
def test_what_does_not_depend_on_the_order_is_no_race(order: str) -> None:
    values, results = np.arange(201, dtype=np.int32), np.zeros(200, np.int32)
    run_kernel(add_neighbour, 200, [values, results], order)
    assert np.array_equal(results, 2 * np.arange(200) + 1)
    turned = np.arange(96, dtype=np.int32)
    run_kernel(turn_round, 3, [turned], order)
    assert np.array_equal(turned, np.arange(96).reshape(3, 32)[:, ::-1].reshape(-1))


@pytest.mark.parametrize("order", ORDERS)
def test_a_race_is_found_in_every_order(order: str) -> None:
    with pytest.raises(FaultError, match="race"):
        run_kernel(read_of_the_next, 200, [np.zeros(201, np.int32), np.zeros(200, np.int32)], order)
    with pytest.raises(FaultError, match=r"race|before anything"):
        run_kernel(turn_round_too_early, 1, [np.zeros(32, np.int32)], order)


def test_two_writers_of_one_element_are_a_race() -> None:
    with pytest.raises(FaultError, match="wrote what another thread wrote"):
        run_kernel(write_one, 4, [np.zeros(1, np.int32)])


def test_an_access_outside_of_every_array_is_found() -> None:
    with pytest.raises(FaultError, match=r"outside of every array.*argument 0"):
        run_kernel(add_neighbour, 200, [np.zeros(200, np.int32), np.zeros(200, np.int32)])


def test_reading_what_nobody_wrote_is_found() -> None:
    with pytest.raises(FaultError, match="before anything was written"):
        run_kernel(read_what_nobody_wrote, 1, [np.zeros(32, np.int32)])


def test_a_thread_that_misses_a_barrier_is_found() -> None:
    with pytest.raises(FaultError, match="ended where others wait"):
        run_kernel(leave_before_the_barrier, 1, [np.zeros(32, np.int32)])


def test_arrays_that_overlap_on_the_host_do_so_on_the_machine() -> None:
    whole = np.arange(10, dtype=np.int32)
    with pytest.raises(FaultError, match="race"):
        run_kernel(add_neighbour, 9, [whole, whole[:9]])


@block_kernel("int32[::1]", threads=32, shared_type="uint32", shared_size=8)
def read_bytes_of_words(index, thread, shared, values):
    if thread < int32(8):
        shared[thread] = uint32(0x03020100) + uint32(thread)
    synchronize()
    byte = uint32(thread)
    values[thread] = int32(uint32(shared[byte >> uint32(2)] >> uint32(uint32(8) * (byte & uint32(3)))) & uint32(0xFF))


def test_a_byte_of_a_word_is_read_as_the_word_was_written() -> None:
    values = np.zeros(32, np.int32)
    run_kernel(read_bytes_of_words, 1, [values], "backward")
    words = (0x03020100 + np.arange(8)).astype("<u4")
    assert np.array_equal(values, words.view(np.uint8))
