"""Coding passes that no layer can want, known before a large frame is coded to its end.

They are left out while others are still to be coded, so that their bytes need no memory. Layers take every pass of a
rank and above, so leaving out those below the rank of all layers changes nothing.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gpucodec.backends import Executor

__all__ = ["ErrorPruning", "Part", "Pruning", "RoomPruning"]

Integers = npt.NDArray[np.int32]

# Of passes that a slope separates from the others, each coefficient is left with about a tenth of the slope, squared
# error a byte, as its own squared error; coefficients that are zero anyhow with less.
_SLOPE_OF_ERROR = 4.0


@dataclass(frozen=True, slots=True)
class Part:
    """Some coded codeblocks; arrays lie where the kernels run, `passes` and `lengths` are changed.

    Parameters
    ----------
    passes, lengths : array
        int32, one a codeblock.
    pass_lengths, distortions, ranks : array
        ``(codeblocks, passes)`` flat, see `gpucodec_kernels.tier2.allocation`.
    """

    passes: Any
    lengths: Any
    pass_lengths: Any
    distortions: Any
    ranks: Any


class Pruning(ABC):
    """Leaves out passes of a frame's codeblocks.

    Parameters
    ----------
    max_passes : int
        Passes of a codeblock at most.
    """

    def __init__(self, max_passes: int) -> None:
        self.max_passes = max_passes

    @abstractmethod
    def lost_rank(self, ranks: Integers, new_bytes: Integers) -> int:
        """Return the highest rank that no layer takes, -1 if each may be taken, after some more passes."""

    def prune(self, where: Executor, part: Part) -> npt.NDArray[np.float64]:
        """Shorten some codeblocks.

        Parameters
        ----------
        where : Executor
            Where the arrays lie.
        part : Part
            The codeblocks.

        Returns
        -------
        array
            float64, on the host: the squared error that the passes left out would have taken away.
        """
        shape = (-1, self.max_passes)
        counts = where.download(part.passes).copy()
        coded = np.arange(self.max_passes) < counts[:, None]
        its_ranks = np.where(coded, where.download(part.ranks).reshape(shape), np.int32(-1))
        ends = where.download(part.pass_lengths).reshape(shape)
        lost = self.lost_rank(its_ranks[coded], np.diff(ends, axis=1, prepend=np.int32(0))[coded])
        kept = np.count_nonzero(its_ranks > lost, axis=1).astype(np.int32)
        codeblocks = np.arange(len(kept))
        shorter = np.where(kept > 0, ends[codeblocks, kept - 1], 0)
        part.lengths[:] = where.upload(np.where(kept == counts, where.download(part.lengths), shorter).astype(np.int32))
        part.passes[:] = where.upload(kept)
        taken = where.download(part.distortions).reshape(shape)
        before, after = (np.where(some > 0, taken[codeblocks, some - 1], 0.0) for some in (counts, kept))
        return before - after


class RoomPruning(Pruning):
    """Leaves out what there is no room for: passes whose better ones take more bytes than layers have.

    Parameters
    ----------
    room : float
        Bytes that all passes of the frame may take.
    max_passes : int
        Passes of a codeblock at most.
    """

    def __init__(self, room: float, max_passes: int) -> None:
        super().__init__(max_passes)
        self.room = room
        self.lost = -1
        self.ranks = np.empty(0, np.int32)
        self.new_bytes = np.empty(0, np.int32)

    def lost_rank(self, ranks: Integers, new_bytes: Integers) -> int:
        """Return the highest rank that does not fit any more, -1 if everything still does; remember the higher ones."""
        ranks, new_bytes = np.concatenate([self.ranks, ranks]), np.concatenate([self.new_bytes, new_bytes])
        order = np.argsort(ranks)[::-1]
        self.ranks, self.new_bytes = ranks[order], new_bytes[order]
        too_much = np.flatnonzero(np.cumsum(self.new_bytes, dtype=np.int64) > self.room)
        if len(too_much):
            self.lost = int(self.ranks[too_much[0]])
        higher = self.ranks > self.lost
        self.ranks, self.new_bytes = self.ranks[higher], self.new_bytes[higher]
        return self.lost


class ErrorPruning(Pruning):
    """Leaves out what an error that may remain makes needless: passes that gain far less a byte than others must.

    That others suffice is not certain: if they do not, the frame has to be coded again without this.

    Parameters
    ----------
    error : float
        Mean squared error that samples may have.
    max_passes : int
        Passes of a codeblock at most.
    """

    def __init__(self, error: float, max_passes: int) -> None:
        super().__init__(max_passes)
        self.lost = _rank_below(_SLOPE_OF_ERROR * error)

    def lost_rank(self, ranks: Integers, new_bytes: Integers) -> int:  # noqa: ARG002 - the slope is known beforehand
        """Return the rank of the slope."""
        return self.lost


def _rank_below(slope: float) -> int:
    """Return a rank as `gpucodec_kernels.tier2.allocation.slope_rank` does, 0 for slopes too small to have one."""
    from gpucodec_kernels.tier2 import allocation

    mantissa, exponent = math.frexp(slope)
    per_octave = allocation.RANKS_PER_OCTAVE
    rank = (exponent - allocation.LOWEST_EXPONENT) * per_octave + int((mantissa - 0.5) * 2 * per_octave)
    return min(max(rank, 0), allocation.HIGHEST_RANK - 1) if slope > 0 else 0
