"""Subbands of tile-components at any origin: random ones, their place in memory, and what NumPy makes of them."""

from dataclasses import dataclass, field

import numpy as np
from gpucodec_kernels.dwt_tables import CHAIN, JOB, STORE, Tables

from tests.reference import dwt

Window = tuple[int, int, int, int]  # top, bottom, left, right


def halves(window: Window, high_rows: bool, high_columns: bool) -> Window:
    """Return a subband's window of the resolution's: (B-15) with one decomposition."""
    top, bottom, left, right = window
    down, across = int(not high_rows), int(not high_columns)
    return (top + down) // 2, (bottom + down) // 2, (left + across) // 2, (right + across) // 2


@dataclass
class Subbands:
    """Coefficients of one frame, filled chain by chain, and the tables that describe them."""

    reversible: bool
    rng: np.random.Generator
    size: int = 0
    values: list[np.ndarray] = field(default_factory=list)
    chains: list[tuple] = field(default_factory=list)
    jobs: list[tuple] = field(default_factory=list)
    stores: list[tuple] = field(default_factory=list)
    reach: int = 1 << 14

    def add(self, window: Window, levels: int) -> np.ndarray:
        """Add a tile-component with this many levels, and return what it is reconstructed to."""
        windows = [window]
        for _ in range(levels):
            windows.append(halves(windows[-1], False, False))
        chain = len(self.chains)
        plane, place, pitch, scale = self._band(windows[-1])
        self.chains.append((int(self.reversible), place, pitch, *windows[-1], scale))
        synthesise = dwt.synthesise_53 if self.reversible else dwt.synthesise_97
        for turn in range(levels, 0, -1):
            made = windows[turn - 1]
            bands = [self._band(halves(made, *which)) for which in ((False, True), (True, False), (True, True))]
            places = [number for _, place, pitch, _ in bands for number in (place, pitch)]
            self.jobs.append((chain, turn, *made, *places, *(scale for *_, scale in bands)))
            plane = dwt.synthesise_level((plane, *(band[0] for band in bands)), made[0], made[2], synthesise)
        return plane

    def _band(self, window: Window) -> tuple[np.ndarray, int, int, float]:
        """Lay a subband out with a gap behind each row, and return its true values with place, pitch and step."""
        rows, columns = window[1] - window[0], window[3] - window[2]
        pitch = columns + int(self.rng.integers(0, 4))
        block = self.rng.integers(-self.reach, self.reach, (rows, pitch), np.int32)
        place, self.size = self.size, self.size + block.size
        self.values.append(block.reshape(-1))
        scale = 1.0 if self.reversible else float(np.float32(self.rng.uniform(0.01, 0.05)))
        plane = block[:, :columns]
        return (plane.astype(np.int64) if self.reversible else plane * scale), place, pitch, scale

    def keep(self, chain: int, components: int, window: Window, layout: tuple[int, int, int, int], **limits) -> None:
        """Store a window of a chain: place, row stride, pixel stride and component stride; shift, low and high."""
        self.stores.append((chain, components, *window, *layout, limits["shift"], limits["low"], limits["high"]))

    @property
    def tables(self) -> Tables:
        """The tables of what was added."""
        return Tables(np.array(self.chains, CHAIN), np.array(self.jobs, JOB), np.array(self.stores, STORE))

    @property
    def coefficients(self) -> np.ndarray:
        """The frame's coefficients."""
        return np.concatenate([*self.values, np.zeros(0, np.int32)])
