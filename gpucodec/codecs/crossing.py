"""Finding the size of a batch from which on a GPU is faster than the CPU."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gpucodec.errors import DeviceMemoryError

__all__ = ["Crossing", "Point", "crossing_of", "find_crossing"]

_FEWEST_ROUNDS, _MOST_ROUNDS = 3, 15
_LEAST_SECONDS = 0.02  # a round that is shorter than that is repeated
_CLEAR = 1.5  # times as fast
_IN_A_ROW = 3  # sizes
_STILL = 1.1  # times better is no better any more

Work = Callable[[], object]
# For a number of bytes: what does the work on the CPU, and on the device.
Race = Callable[[int], tuple[Work, Work]]


@dataclass(frozen=True, slots=True)
class Point:
    """What both took for a batch.

    Parameters
    ----------
    num_bytes : int
        Bytes of samples in the batch.
    cpu, device : float
        Seconds.
    """

    num_bytes: int
    cpu: float
    device: float

    @property
    def gain(self) -> float:
        """How many times as fast the device was."""
        return self.cpu / max(self.device, 1e-9)


@dataclass(frozen=True, slots=True)
class Crossing:
    """From where on the device is faster.

    Parameters
    ----------
    num_bytes : int, optional
        Bytes of samples in a batch: 0 for always, None for never.
    is_clear : bool
        Whether enough was measured to say so.
    points : tuple of Point
        What was measured.
    """

    num_bytes: int | None
    is_clear: bool
    points: tuple[Point, ...]


def find_crossing(race: Race, sizes: Iterable[int], *, clock: Callable[[], float], seconds: float) -> Crossing:
    """Let the CPU and the device do batches of growing size until it is clear from where on the device is faster.

    Parameters
    ----------
    race : callable
        Makes the two pieces of work for a number of bytes.
    sizes : iterable of int
        Numbers of bytes to try, growing.
    clock : callable
        Returns seconds.
    seconds : float
        How long it may take, about; the time that is left is asked before each size. What does not fit in the
        device's memory is left out, too.
    """
    points: list[Point] = []
    begin = last = clock()
    for num_bytes in sizes:
        took = clock() - last
        growth = num_bytes / points[-1].num_bytes if points else 1
        # The first two are cheap, and the first one includes what is done once.
        if len(points) > 1 and clock() - begin + took * growth > seconds:
            return crossing_of(points, complete=False)
        last = clock()
        try:
            points.append(_measured(num_bytes, *race(num_bytes), clock))
        except DeviceMemoryError:
            return crossing_of(points, complete=False)
        if _is_settled(points):
            break
    return crossing_of(points, complete=True)


def _measured(num_bytes: int, cpu: Work, device: Work, clock: Callable[[], float]) -> Point:
    """Let both take turns; the fastest of each counts, as everything else on the machine only ever adds to it."""
    best = [math.inf, math.inf]
    for call in (cpu, device):  # compiles, plans, and touches memory for the first time
        call()
    rounds = 0
    while rounds < _FEWEST_ROUNDS or (rounds < _MOST_ROUNDS and rounds * sum(best) < _LEAST_SECONDS):
        for side, call in enumerate((cpu, device)):
            start = clock()
            call()
            best[side] = min(best[side], clock() - start)
        rounds += 1
    return Point(num_bytes, *best)


def _is_settled(points: Sequence[Point]) -> bool:
    """Whether larger batches will tell nothing new."""
    if len(points) >= _IN_A_ROW and all(point.gain >= _CLEAR for point in points[-_IN_A_ROW:]):
        return True
    last = points[-4:]
    behind = len(last) == 4 and all(point.gain <= 1 / _CLEAR for point in last)
    return behind and max(point.gain for point in last) < min(point.gain for point in last) * _STILL


def crossing_of(points: Sequence[Point], *, complete: bool) -> Crossing:
    """Return from where on the device won for good.

    Parameters
    ----------
    points : sequence of Point
        What was measured, of growing size.
    complete : bool
        Whether larger sizes were not left out for want of time or memory.
    """
    losses = [index for index, point in enumerate(points) if point.gain < 1]
    if not points:
        return Crossing(None, False, ())
    if not losses:
        return Crossing(0, True, tuple(points))
    if losses[-1] == len(points) - 1:
        return Crossing(None, complete, tuple(points))
    lost, won = points[losses[-1]], points[losses[-1] + 1]
    part = math.log(lost.gain) / (math.log(lost.gain) - math.log(won.gain))
    return Crossing(round(lost.num_bytes * (won.num_bytes / lost.num_bytes) ** part), True, tuple(points))
