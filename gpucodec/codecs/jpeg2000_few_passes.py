"""Frames whose every coding pass is noticed: passes are added one by one, not by their slope alone.

Layers take every pass of a slope and above. Where one pass more or less changes the signal-to-noise ratio by much,
as in small frames and in those that use little of their range, there may be none of these sets close to what is
wanted. So passes are added to the largest set that is not enough, steepest first, but for those that are too much.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gpucodec.backends import Executor
from gpucodec.codecs.jpeg2000_blocks import CodedBlocks

__all__ = ["FewPasses", "Passes", "come_closer"]

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int32]
Measured = Callable[[Any, int, list[int]], Floats]
Step = tuple[int, int]  # a codeblock, and how many of its passes are kept then

_MOST_STEPS = 400
_TRIES = 12
_NEW_CODEBLOCK = 1.0  # bytes that a packet header tells of it
_INSIDE = 0.15  # of the interval that is wanted: kept away from, for what coefficients lose is not what samples lose


@dataclass(frozen=True, slots=True)
class Passes:
    """The coding passes of a frame.

    Parameters
    ----------
    counts : array
        int32, one a codeblock: how many there are.
    lengths : array
        ``(codeblocks, passes)``: bytes up to each.
    distortions : array
        float64, likewise: squared error that those up to each take away.
    rest : float
        Squared error that all of them leave.
    """

    counts: Counts
    lengths: npt.NDArray[np.int32]
    distortions: Floats
    rest: float

    def error(self, kept: Counts) -> float:
        """Return the squared error of coefficients of which so many passes are kept."""
        taken = self._with_none(self.distortions)
        codeblocks = np.arange(len(kept))
        return self.rest + float((taken[codeblocks, self.counts] - taken[codeblocks, kept]).sum())

    def steps(self, kept: Counts, low: float, high: float, left_out: set[Step]) -> list[Step]:
        """Return what to add to the passes that are kept, so that the error comes between two bounds or close above."""
        kept = kept.copy()
        taken, lengths = self._with_none(self.distortions), self._with_none(self.lengths)
        lengths[:, 1:] += _NEW_CODEBLOCK
        numbers, codeblocks = np.arange(taken.shape[1]), np.arange(len(kept))
        possible = numbers <= self.counts[:, None]
        possible[tuple(zip(*left_out, strict=True)) if left_out else ([], [])] = False
        left = self.error(kept)
        made: list[Step] = []
        while left > high and len(made) < _MOST_STEPS:
            gains = taken - taken[codeblocks, kept][:, None]
            costs = np.maximum(lengths - lengths[codeblocks, kept][:, None], 0.5)
            allowed = possible & (numbers > kept[:, None]) & (gains > 0) & (left - gains >= low)
            if not allowed.any():
                break
            codeblock, number = divmod(int(np.argmax(np.where(allowed, gains / costs, -1.0))), len(numbers))
            left -= float(gains[codeblock, number])
            kept[codeblock] = number
            made.append((codeblock, number))
        return made

    def _with_none(self, cumulative: npt.NDArray[np.generic]) -> Floats:
        return np.pad(cumulative, ((0, 0), (1, 0))).astype(np.float64)


def come_closer(
    passes: Passes, too_few: Counts, measure: Callable[[Counts], float], low: float, high: float
) -> Counts | None:
    """Find passes that leave an error between two bounds.

    Parameters
    ----------
    passes : Passes
        All that there are.
    too_few : array
        int32, one a codeblock: passes that leave more.
    measure : callable
        Returns the squared error that samples have with some passes.
    low, high : float
        The bounds.

    Returns
    -------
    array or None
        Passes of each codeblock; None if none were found.
    """
    kept, error = too_few, measure(too_few)
    margin = (high / low) ** _INSIDE
    left_out: set[Step] = set()
    for _ in range(_TRIES):
        # What coefficients lose tells what samples lose, up to a factor that is about the same for similar passes.
        factor = error / max(passes.error(kept), 1e-12)
        steps = passes.steps(kept, low * margin / factor, high / margin / factor, left_out)
        if not steps:
            return None
        following = _after(kept, steps)
        reached = measure(following)
        if reached < low:
            number, following, reached = _longest_start(kept, error, steps, measure, (low, high))
            left_out.add(steps[number])
        if low <= reached <= high:
            return following
        kept, error = following, reached
    return None


def _longest_start(
    kept: Counts, error: float, steps: list[Step], measure: Callable[[Counts], float], bounds: tuple[float, float]
) -> tuple[int, Counts, float]:
    """Return how many of some steps, which are too many, are not, the passes after them, and the error.

    The search ends where the error is between the bounds.
    """
    least, most = 0, len(steps)
    passes = kept
    while most - least > 1:
        number = (least + most) // 2
        following = _after(kept, steps[:number])
        reached = measure(following)
        if reached < bounds[0]:
            most = number
        else:
            least, passes, error = number, following, reached
        if bounds[0] <= reached <= bounds[1]:
            break
    return least, passes, error


def _after(kept: Counts, steps: list[Step]) -> Counts:
    following = kept.copy()
    for codeblock, number in steps:
        following[codeblock] = number
    return following


class FewPasses:
    """Frames of which a set of passes by their slopes is far above what is wanted, while the next one is below.

    Parameters
    ----------
    where : Executor
        Where kernels run.
    blocks : CodedBlocks
        The coded codeblocks.
    measure : callable
        Returns the squared errors of some frames' samples: takes passes, a layer, and the frames.
    weights : array
        float64, one a component: what a squared error counts.
    num_frames : int
        How many frames there are.
    """

    def __init__(
        self, where: Executor, blocks: CodedBlocks, measure: Measured, weights: Floats, num_frames: int
    ) -> None:
        self.where, self.blocks, self.measure, self.num_frames = where, blocks, measure, num_frames
        self.of_frame = len(blocks.passes) // num_frames
        self.weights = np.repeat(weights, self.of_frame // len(weights))

    def correct(self, layer_passes: Any, too_few: Any, finite: list[int], far: Any, bounds: Floats) -> Any:
        """Return the layers' passes, changed where others come closer.

        Parameters
        ----------
        layer_passes, too_few : array
            As `Tier2.allocate` returns them: what is best so far, and the most that is not enough.
        finite : list of int
            The layers that have a target.
        far : array
            Whether frames are far above it, ``(frames, those layers)``.
        bounds : array
            The squared errors that samples should have between them, ``(those layers, 2)``.
        """
        shape = (self.num_frames, -1, self.of_frame)
        chosen = self.where.download(layer_passes).reshape(shape).copy()
        below = self.where.download(too_few).reshape(shape)
        for frame in np.flatnonzero(far.any(axis=1)).tolist():
            passes = self._passes(frame)
            for place in np.flatnonzero(far[frame]).tolist():
                layer = finite[place]
                told = chosen[frame, layer - 1] if layer else 0

                def measured(kept: Any, frame: int = frame, layer: int = layer) -> float:
                    trial = chosen.copy()
                    trial[frame, layer] = kept
                    return float(self.measure(self.where.upload(trial.reshape(-1)), layer, [frame])[0])

                found = come_closer(passes, np.maximum(below[frame, layer], told), measured, *bounds[place].tolist())
                if found is not None:
                    chosen[frame, layer] = found
            np.maximum.accumulate(chosen[frame], axis=0, out=chosen[frame])
        return self.where.upload(chosen.reshape(-1))

    def _passes(self, frame: int) -> Passes:
        of_frame, most = self.of_frame, self.blocks.max_passes
        members = slice(frame * of_frame, (frame + 1) * of_frame)
        its_passes = slice(frame * of_frame * most, (frame + 1) * of_frame * most)
        download, blocks = self.where.download, self.blocks
        counts = download(blocks.passes[members])
        coded = np.arange(most) < counts[:, None]
        lengths = np.where(coded, download(blocks.pass_lengths[its_passes]).reshape(-1, most), 0)
        taken = np.where(coded, download(blocks.pass_distortions[its_passes]).reshape(-1, most), 0.0)
        rest = float(download(blocks.rests[members]) @ self.weights) if blocks.rests is not None else 0.0
        return Passes(counts, lengths, taken * self.weights[:, None], rest)
