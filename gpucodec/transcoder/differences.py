"""By how much samples differ from what they were."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Difference", "difference", "peak_ratio"]

_CHUNK_SAMPLES = 1 << 20  # differences are taken in 64 bits, a piece at a time


@dataclass(frozen=True, slots=True)
class Difference:
    """Between samples and a likeness of them.

    Parameters
    ----------
    largest : int
        The largest absolute difference.
    squared : float
        The sum of the squared differences.
    num_samples : int
        How many samples were compared.
    variance : float
        Of the samples themselves.
    """

    largest: int
    squared: float
    num_samples: int
    variance: float

    @property
    def mean_squared(self) -> float:
        """Mean squared error."""
        return self.squared / self.num_samples

    @property
    def is_no_likeness(self) -> bool:
        """Whether a uniform grey frame would be as good a likeness."""
        return self.mean_squared > 1.25 * self.variance + 1.0


def difference(expected: Any, actual: Any) -> Difference:
    """Compare two arrays of integers of the same shape."""
    if np.array_equal(expected, actual):
        return Difference(0, 0.0, expected.size, 0.0)
    first, second = expected.reshape(-1), actual.reshape(-1)
    largest, squared = 0, 0.0
    for start in range(0, first.size, _CHUNK_SAMPLES):
        piece = first[start : start + _CHUNK_SAMPLES].astype(np.int64)
        piece -= second[start : start + _CHUNK_SAMPLES].astype(np.int64)
        largest = max(largest, int(np.abs(piece).max()))
        squared += float(np.square(piece, dtype=np.float64).sum())
    return Difference(largest, squared, first.size, float(np.var(expected, dtype=np.float64)))


def peak_ratio(squared: float, num_samples: int, value_range: tuple[int, int]) -> float:
    """Return the peak signal-to-noise ratio in dB, infinite without any error; the peak is the range of Bits Stored."""
    if not squared:
        return math.inf
    low, high = value_range
    return 10.0 * math.log10((high - low) ** 2 * num_samples / squared)
