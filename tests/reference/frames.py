"""Frames of noise in every container and layout that kernels read."""

import numpy as np


def noise(shape: tuple[int, ...], dtype: str, precision: int, seed: int = 0) -> np.ndarray:
    """Return random frames that use the whole range of `precision` bits, its ends included."""
    kind = np.dtype(dtype).kind
    low, high = (0, 1 << precision) if kind == "u" else (-(1 << (precision - 1)), 1 << (precision - 1))
    random = np.random.default_rng(seed)
    frames = random.integers(low, high, shape, np.int64)
    frames[random.random(shape) < 0.05] = low
    frames[random.random(shape) < 0.05] = high - 1
    return frames.astype(dtype)


CONTAINERS = [("u1", 8), ("i1", 8), ("u1", 1), ("u2", 12), ("u2", 16), ("i2", 16), ("i2", 12), ("u4", 24), ("i4", 24)]
