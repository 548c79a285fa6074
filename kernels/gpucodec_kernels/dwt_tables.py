"""What describes the inverse wavelet of a frame, and the launches that it comes to.

`Tables` say where subbands lie and where samples go, for one frame: tiles, regions, discarded resolution levels, and
components that are coded each in its own way are nothing but rows of them. `steps_of` turns them into launches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from gpucodec_kernels import dwt_items

Array = np.ndarray[Any, Any]

_WINDOW = [(name, "i8") for name in ("top", "bottom", "left", "right")]
CHAIN = np.dtype([("reversible", "i8"), ("place", "i8"), ("pitch", "i8"), *_WINDOW, ("scale", "f8")])
JOB = np.dtype(
    [("chain", "i8"), ("turn", "i8"), *_WINDOW]
    + [(f"{band}_{what}", "i8") for band in ("hl", "lh", "hh") for what in ("place", "pitch")]
    + [(f"{band}_scale", "f8") for band in ("hl", "lh", "hh")]
)
STORE = np.dtype(
    [("chain", "i8"), ("components", "i8"), *_WINDOW]
    + [(f"{what}", "i8") for what in ("place", "row_stride", "pixel_stride", "component_stride")]
    + [("shift", "i8"), ("low", "i8"), ("high", "i8")]
)

_K = 1.230174104914001  # Table F.4
_ALIGN = 16  # elements


@dataclass(frozen=True)
class Tables:
    """What the inverse wavelet of one frame is made of.

    All windows are half-open, on the grid of their resolution; the parity of their first row and column decides which
    samples are low-pass. Places and pitches are in elements, places within the frame.

    Parameters
    ----------
    chains : numpy.ndarray
        Of dtype `CHAIN`, one for each tile-component: whether it is `reversible`; `place` and `pitch` of the deepest
        LL's window in the coefficients; the window; what one in it stands for.
    jobs : numpy.ndarray
        Of dtype `JOB`, one for each level of each chain, in any order: the chain; the turn, of which 1 is the last and
        gives the finest resolution; the window that it makes; place and pitch of the three other subbands' parts that
        belong to it; their steps. LL of a job is a part of the window that the turn before it made.
    stores : numpy.ndarray
        Of dtype `STORE`, one for each tile-component, or one for three chains in a row that the inverse RCT or ICT
        joins (`components` is 3): the part of the last window to keep; where its first sample goes and the distances
        to others; what is added to samples, and the least and the largest that they are clamped to after that.
    """

    chains: Array
    jobs: Array
    stores: Array


@dataclass(frozen=True)
class Step:
    """One launch before it is cut into items: a row of `gpucodec_kernels.dwt_items` for each whole window.

    Parameters
    ----------
    kind : str
        ``"load"``, ``"synthesise"`` or ``"store"``.
    reversible : bool
        Which transform.
    rows : numpy.ndarray
        int64, ``(windows, FIELDS)``.
    scales : numpy.ndarray
        The steps that rows refer to, float32.
    reads, writes : int
        Which half of `lows`; 2 for none.
    """

    kind: str
    reversible: bool
    rows: Array
    scales: Array
    reads: int
    writes: int

    @property
    def components(self) -> int:
        """The most that one window has."""
        return int(self.rows[:, dwt_items.COMPONENTS].max())


class _Planes:
    """Where the plane that each chain has come to lies in its half of `lows`, and its window."""

    def __init__(self, number: int) -> None:
        self.place, self.pitch = np.zeros(number, np.int64), np.zeros(number, np.int64)
        self.window = np.zeros((number, 4), np.int64)

    def put(self, chains: Array, windows: Array) -> int:
        """Give the planes of these chains places one behind another, and return how many elements they take."""
        order = np.argsort(chains)
        chains, windows = chains[order], windows[order]
        pitch = (windows[:, 3] - windows[:, 2] + _ALIGN - 1) // _ALIGN * _ALIGN
        sizes = pitch * (windows[:, 1] - windows[:, 0])
        ends = np.cumsum(sizes)
        self.place[chains], self.pitch[chains], self.window[chains] = ends - sizes, pitch, windows
        return int(ends[-1]) if len(ends) else 0

    def part(self, chains: Array, windows: Array) -> Array:
        """Return where these windows begin in the planes of these chains."""
        have = self.window[chains]
        empty = (windows[:, ::2] >= windows[:, 1::2]).any(axis=1)
        _require_inside(windows[~empty], have[~empty])
        down, right = windows[:, 0] - have[:, 0], windows[:, 2] - have[:, 2]
        return self.place[chains] + np.where(empty, 0, down * self.pitch[chains] + right)


class _Builder:
    """Goes through the turns of tables, and collects steps."""

    def __init__(self, tables: Tables) -> None:
        self.chains, self.stores = tables.chains, tables.stores
        # Jobs of a turn lie in the order of their chains: so do their steps.
        self.jobs = tables.jobs[np.lexsort((tables.jobs["chain"], tables.jobs["turn"]))]
        chain, turn = self.jobs["chain"], self.jobs["turn"]
        self.depth = np.bincount(chain, minlength=len(self.chains))
        twice = (np.diff(chain) == 0) & (np.diff(turn) == 0)
        if twice.any() or (turn < 1).any() or (turn > self.depth[chain]).any():
            raise ValueError("Turns of the inverse wavelet must count from 1 without gaps in each chain")
        self.scales, self.low_scales = _scales(self.chains, self.jobs)
        self.planes = _Planes(len(self.chains))
        self.sizes = [0, 0]
        self.steps: list[Step] = []
        self.stored = np.zeros(len(self.chains), bool)

    def build(self) -> None:
        """Collect the steps of all turns, and of the planes that are left to store."""
        for turn in range(int(self.depth.max(initial=0)) + 1, 0, -1):
            self._take_turn(turn)
        self._store()

    def _take_turn(self, turn: int) -> None:
        half = turn & 1
        jobs = np.flatnonzero(self.jobs["turn"] == turn)
        rows = self._synthesis_rows(jobs)
        if turn == 1:
            stored, kept = self._fused(jobs, rows)
            self._add("synthesise", stored, self.scales, 1 - half, 2)
            jobs, rows = jobs[kept], rows[kept]
        loaded = np.flatnonzero(self.depth == turn - 1)
        makers = np.concatenate([loaded, self.jobs["chain"][jobs]])
        windows = np.concatenate([_windows(self.chains[loaded]), _windows(self.jobs[jobs])])
        self.sizes[half] = max(self.sizes[half], self.planes.put(makers, windows))
        self._lead_to_lows(rows)
        self._add("synthesise", rows, self.scales, 1 - half, half)
        self._add("load", self._load_rows(loaded), self.low_scales, 2, half)

    def _add(self, kind: str, rows: Array, scales: Array, reads: int, writes: int) -> None:
        """Add a step for each of the two transforms that there are rows of."""
        is_empty = (rows[:, dwt_items.ROWS] == 0) | (rows[:, dwt_items.COLUMNS] == 0)
        rows = rows[~is_empty]
        reversible = self.chains["reversible"][rows[:, dwt_items.CHAIN]] != 0
        for transform in (True, False):
            chosen = rows[reversible == transform]
            if len(chosen):
                self.steps.append(Step(kind, transform, chosen, scales, reads, writes))

    def _lead_to_lows(self, rows: Array) -> None:
        chains = rows[:, dwt_items.CHAIN]
        rows[:, dwt_items.OUT], rows[:, dwt_items.OUT_ROW] = self.planes.place[chains], self.planes.pitch[chains]
        rows[:, dwt_items.OUT_PIXEL] = 1

    def _load_rows(self, chains: Array) -> Array:
        """Return what takes these chains' LL to `lows`."""
        rows = _plane_rows(chains, _windows(self.chains[chains]))
        rows[:, dwt_items.LL], rows[:, dwt_items.LL_PITCH] = self.chains["place"][chains], self.chains["pitch"][chains]
        rows[:, dwt_items.SCALES] = chains
        self._lead_to_lows(rows)
        return rows

    def _synthesis_rows(self, which: Array) -> Array:
        """Return what these jobs read."""
        jobs = self.jobs[which]
        windows, chains = _windows(jobs), jobs["chain"]
        rows = _plane_rows(chains, windows)
        parities = windows[:, ::2] & 1
        rows[:, dwt_items.PARITY_Y], rows[:, dwt_items.PARITY_X] = parities.T
        rows[:, dwt_items.TOP : dwt_items.RIGHT + 1] += np.repeat(parities, 2, axis=1)
        rows[:, dwt_items.LL] = self.planes.part(chains, (windows + 1) // 2)
        rows[:, dwt_items.LL_PITCH] = self.planes.pitch[chains]
        for band, column in (("hl", dwt_items.HL), ("lh", dwt_items.LH), ("hh", dwt_items.HH)):
            rows[:, column], rows[:, column + 1] = jobs[f"{band}_place"], jobs[f"{band}_pitch"]
        rows[:, dwt_items.SCALES] = 3 * which
        return rows

    def _fused(self, jobs: Array, rows: Array) -> tuple[Array, Array]:
        """Return what makes samples in the last turn, and which of its jobs leave planes."""
        chains, joined = self.stores["chain"], self.stores["components"] == 3
        of_chain = np.full(len(self.chains), -1)
        of_chain[self.jobs["chain"][jobs]] = np.arange(len(jobs))
        three = np.stack([of_chain[chains + component * joined] for component in range(3)])
        able = (three >= 0).all(axis=0)
        able &= self.chains["reversible"][chains] == self.chains["reversible"][chains + 2 * joined]
        three, stores = three[:, able], self.stores[able]
        alike, apart = _alike(*(rows[one] for one in three))
        three, stores = three[:, alike], stores[alike]
        stored = rows[three[0]]
        stored[:, dwt_items.LOWS_APART], stored[:, dwt_items.COEFFICIENTS_APART] = apart[:, alike]
        made, windows = _windows(self.jobs[jobs[three[0]]]), _windows(stores)
        _require_inside(windows, made)
        origins = made[:, ::2] - (made[:, ::2] & 1)
        stored[:, dwt_items.TOP : dwt_items.RIGHT + 1] = windows - np.repeat(origins, 2, axis=1)
        self._lead_to_output(stored, stores)
        kept = np.ones(len(jobs), bool)
        kept[three.reshape(-1)] = False
        return stored, kept

    def _lead_to_output(self, rows: Array, stores: Array) -> None:
        rows[:, dwt_items.OUT], rows[:, dwt_items.OUT_ROW] = stores["place"], stores["row_stride"]
        rows[:, dwt_items.OUT_PIXEL] = stores["pixel_stride"]
        rows[:, dwt_items.OUT_COMPONENT] = stores["component_stride"]
        rows[:, dwt_items.COMPONENTS] = stores["components"]
        rows[:, dwt_items.LOWEST] = stores["low"] - stores["shift"]
        rows[:, dwt_items.HIGHEST] = stores["high"] - stores["shift"]
        rows[:, dwt_items.BASE] = stores["low"]
        self.stored[stores["chain"]] = True

    def _store(self) -> None:
        """Add what stores planes that the last turn left."""
        stores = self.stores[~self.stored[self.stores["chain"]]]
        chains, joined = stores["chain"], stores["components"] == 3
        rows = _plane_rows(chains, _windows(stores))
        self._lead_to_output(rows, stores)
        parts = [self.planes.part(chains + number * joined, _windows(stores)) for number in range(3)]
        rows[:, dwt_items.LL], rows[:, dwt_items.LL_PITCH] = parts[0], self.planes.pitch[chains]
        rows[:, dwt_items.LOWS_APART] = parts[1] - parts[0]
        if (parts[2] - parts[1] != parts[1] - parts[0]).any():
            raise ValueError("Components that a transform joins must have windows of the same size")
        self._add("store", rows, self.low_scales, 1, 2)


def _windows(table: Array) -> Array:
    return np.stack([table[name] for name, _ in _WINDOW], axis=1)


def _require_inside(windows: Array, others: Array) -> None:
    if ((windows[:, ::2] < others[:, ::2]) | (windows[:, 1::2] > others[:, 1::2])).any():
        raise ValueError("A window of the inverse wavelet is not a part of the one that it is taken from")


def _plane_rows(chains: Array, windows: Array) -> Array:
    """Return rows for whole windows, without places."""
    rows = np.zeros((len(chains), dwt_items.FIELDS), np.int64)
    rows[:, dwt_items.CHAIN] = chains
    rows[:, dwt_items.ROWS] = rows[:, dwt_items.BOTTOM] = windows[:, 1] - windows[:, 0]
    rows[:, dwt_items.COLUMNS] = rows[:, dwt_items.RIGHT] = windows[:, 3] - windows[:, 2]
    rows[:, dwt_items.COMPONENTS] = 1
    return rows


def _alike(first: Array, second: Array, third: Array) -> tuple[Array, Array]:
    """Return which three jobs differ in nothing but places, these by the same distance, and these distances."""
    same = [*range(dwt_items.PARITY_X, dwt_items.RIGHT + 1), *range(dwt_items.LL_PITCH, dwt_items.HH_PITCH + 1, 2)]
    able = ((first[:, same] == second[:, same]) & (first[:, same] == third[:, same])).all(axis=1)
    apart = np.zeros((2, len(first)), np.int64)
    ends_x = first[:, dwt_items.PARITY_X] + first[:, dwt_items.COLUMNS]
    ends_y = first[:, dwt_items.PARITY_Y] + first[:, dwt_items.ROWS]
    low_x = (ends_x + 1) // 2 > first[:, dwt_items.PARITY_X]
    low_y = (ends_y + 1) // 2 > first[:, dwt_items.PARITY_Y]
    there = {dwt_items.LL: low_x & low_y, dwt_items.HL: (ends_x > 1) & low_y, dwt_items.LH: low_x & (ends_y > 1)}
    there[dwt_items.HH] = (ends_x > 1) & (ends_y > 1)
    for column, exists in there.items():
        step = second[:, column] - first[:, column]
        known = apart[0 if column == dwt_items.LL else 1]
        able &= ~exists | ((third[:, column] - second[:, column] == step) & ((known == 0) | (known == step)))
        known[exists] = step[exists]
    return able, apart


def _scales(chains: Array, jobs: Array) -> tuple[Array, Array]:
    """Return the factors of HL, LH, HH of each job, and of LL of each chain: steps times the filters' K and 1/K.

    K that LL of a turn would be multiplied by is part of all factors of the turns before it.
    """
    extra = np.ones(len(chains))
    scales = np.zeros((len(jobs), 3))
    for turn in range(1, int(jobs["turn"].max(initial=0)) + 1):
        which = np.flatnonzero(jobs["turn"] == turn)
        taken = jobs[which]
        # A single sample is left alone, or halved at an odd place.
        down, across = taken["bottom"] - taken["top"] > 1, taken["right"] - taken["left"] > 1
        low_y, low_x = np.where(down, _K, 1.0), np.where(across, _K, 1.0)
        high_y, high_x = np.where(down, 1 / _K, 0.5), np.where(across, 1 / _K, 0.5)
        gain = extra[taken["chain"]]
        scales[which, 0] = taken["hl_scale"] * gain * high_x * low_y
        scales[which, 1] = taken["lh_scale"] * gain * low_x * high_y
        scales[which, 2] = taken["hh_scale"] * gain * high_x * high_y
        extra[taken["chain"]] = gain * low_x * low_y
    return scales.astype(np.float32).reshape(-1), (chains["scale"] * extra).astype(np.float32)


def steps_of(tables: Tables) -> tuple[list[Step], int]:
    """Return the launches that tables ask for, in their order, and how many elements of `lows` a frame needs."""
    builder = _Builder(tables)
    builder.build()
    starts = (0, builder.sizes[0])
    for step in builder.steps:
        if step.reads < 2:
            step.rows[:, dwt_items.LL] += starts[step.reads]
        if step.writes < 2:
            step.rows[:, dwt_items.OUT] += starts[step.writes]
    return builder.steps, sum(builder.sizes)


def mallat_tables(
    rows: int,
    columns: int,
    components: int,
    levels: int,
    *,
    steps: Sequence[float] | None = None,
    color: bool = False,
    shift: int,
    low: int,
    high: int,
) -> Tables:
    """Describe planes as the forward transforms leave them, and frames of colour by pixel.

    Parameters
    ----------
    rows, columns, components : int
        Of a frame.
    levels : int
        Number of decomposition levels.
    steps : sequence of float, optional
        What one in each subband stands for, in the order of QCD; reversible (5/3, RCT) where it is not given.
    color : bool
        Whether the first three components are transformed.
    shift, low, high : int
        What is added to samples, and what they are clamped to then.

    Returns
    -------
    Tables
        For coefficients ``(components, rows, columns)`` and samples ``(rows, columns, components)`` of a frame.
    """
    sizes = [(rows, columns)]
    while len(sizes) <= levels and sizes[-1] != (1, 1):
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    scales = [1.0] * (3 * levels + 1) if steps is None else steps
    chains = np.zeros(components, CHAIN)
    jobs = np.zeros((components, len(sizes) - 1), JOB)
    place = np.arange(components) * rows * columns
    chains["reversible"], chains["scale"], chains["place"], chains["pitch"] = steps is None, scales[0], place, columns
    chains["bottom"], chains["right"] = sizes[-1]
    for turn, ((height, width), (low_height, low_width)) in enumerate(pairwise(sizes), 1):
        job = jobs[:, turn - 1]
        job["chain"], job["turn"], job["bottom"], job["right"] = np.arange(components), turn, height, width
        job["hl_place"], job["lh_place"] = place + low_width, place + low_height * columns
        job["hh_place"] = job["lh_place"] + low_width
        for band, scale in zip(("hl", "lh", "hh"), scales[3 * (levels - turn) + 1 :][:3], strict=True):
            job[f"{band}_pitch"], job[f"{band}_scale"] = columns, scale
    stores = np.zeros(components - 2 if color else components, STORE)
    stores["chain"] = np.arange(len(stores))
    stores["components"], stores["bottom"], stores["right"] = 1, rows, columns
    if color:
        stores["components"][0] = 3
        stores["chain"][1:] += 2
    stores["place"], stores["row_stride"] = stores["chain"], columns * components
    stores["pixel_stride"], stores["component_stride"] = components, 1
    stores["shift"], stores["low"], stores["high"] = shift, low, high
    return Tables(chains, jobs.reshape(-1), stores)
