"""Where a GPU begins to be faster, on invented timings."""

import random
from collections.abc import Callable

import pytest

from gpucodec.codecs.crossing import Point, crossing_of, find_crossing
from gpucodec.errors import DeviceMemoryError

SIZES = [4096 << step for step in range(15)]


class Bench:
    """A machine whose clock goes on only by work; both sides are seconds as a function of bytes."""

    def __init__(self, cpu: Callable[[int], float], device: Callable[[int], float]) -> None:
        self.now, self.sizes, self.cpu, self.device = 0.0, [], cpu, device

    def clock(self) -> float:
        return self.now

    def race(self, num_bytes: int):
        def work(seconds):
            def do() -> None:
                self.now += seconds(num_bytes)

            return do

        self.sizes.append(num_bytes)
        return work(self.cpu), work(self.device)

    def find(self, seconds: float = 60.0):
        return find_crossing(self.race, SIZES, clock=self.clock, seconds=seconds)


def linear(overhead: float, rate: float) -> Callable[[int], float]:
    return lambda num_bytes: overhead + num_bytes / rate


def test_a_crossing_is_found_and_larger_batches_are_left_alone() -> None:
    bench = Bench(linear(0, 1e9), linear(1e-3, 10e9))
    found = bench.find()
    assert found.is_clear
    assert found.num_bytes == pytest.approx(1e-3 / (1e-9 - 1e-10), rel=0.1)
    assert bench.sizes[-1] < 16 << 20


def test_never_is_an_answer() -> None:
    bench = Bench(linear(0, 10e9), linear(1e-3, 9e9))
    found = bench.find()
    assert (found.num_bytes, found.is_clear) == (None, True)
    assert bench.sizes == SIZES  # it comes close: all were tried


def test_a_device_that_stays_far_behind_is_not_tried_to_the_end() -> None:
    bench = Bench(linear(0, 10e9), linear(0, 1e9))
    found = bench.find()
    assert (found.num_bytes, found.is_clear, bench.sizes) == (None, True, SIZES[:4])


def test_always_is_an_answer() -> None:
    bench = Bench(linear(0, 1e9), linear(0, 2e9))
    assert (bench.find().num_bytes, bench.sizes) == (0, SIZES[:3])


def test_noise_does_not_move_it_far() -> None:
    for seed in range(20):
        noise = random.Random(seed)

        def noisy(work, noise=noise):
            return lambda num_bytes: work(num_bytes) * (1 + noise.expovariate(3))

        bench = Bench(noisy(linear(0, 1e9)), noisy(linear(1e-3, 10e9)))
        found = bench.find()
        assert found.is_clear
        assert 400_000 < found.num_bytes < 3_000_000


def test_a_lone_win_is_not_believed() -> None:
    points = [Point(1 << k, 1.0, device) for k, device in enumerate([2.0, 0.5, 2.0, 0.9, 0.5])]
    found = crossing_of(points, complete=True)
    assert 4 < found.num_bytes < 8  # between the last loss and the win after it


def test_what_time_leaves_open_is_not_said() -> None:
    bench = Bench(linear(0, 1e6), linear(10, 10e6))
    found = bench.find(seconds=60)
    assert (found.num_bytes, found.is_clear) == (None, False)
    assert bench.now < 120


def test_time_that_ends_after_a_win_leaves_an_answer() -> None:
    bench = Bench(linear(0, 1e5), linear(0.1, 1.2e5))
    found = bench.find(seconds=20)
    assert found.is_clear
    assert bench.sizes[-1] < SIZES[-1]
    assert found.num_bytes == pytest.approx(0.1 / (1e-5 - 1 / 1.2e5), rel=0.1)


def test_each_side_counts_by_its_best_round() -> None:
    times = iter([9, 9, 5, 1, 3, 2, 4, 3])  # the first two are before it counts
    bench = Bench(lambda _: next(times), lambda _: next(times))
    found = find_crossing(bench.race, [100], clock=bench.clock, seconds=60)
    assert found.points == (Point(100, 3.0, 1.0),)


@pytest.mark.parametrize(("device", "num_bytes", "is_clear"), [(0.9, 0, True), (1.1, None, False)])
def test_what_does_not_fit_ends_it(device: float, num_bytes: int | None, is_clear: bool) -> None:
    def limited(size: int) -> float:
        if size > 100_000:
            raise DeviceMemoryError("GPU 0 has not the memory")
        return device

    found = Bench(lambda _: 1.0, limited).find()
    assert (found.num_bytes, found.is_clear, len(found.points)) == (num_bytes, is_clear, 5)


def test_nothing_measured_is_nothing_known() -> None:
    assert crossing_of([], complete=False).is_clear is False
