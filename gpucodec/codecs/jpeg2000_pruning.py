"""Coding passes that no layer can have room for, known before a large frame is coded to its end."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpucodec.backends import Executor

__all__ = ["Pruning"]


class Pruning:
    """Drops passes of a frame's codeblocks while others are still to be coded, so that their bytes need no memory.

    Layers take every pass of a rank and above. If the passes above some rank in what is coded so far already take more
    than there is room for, then passes of that rank will be in no layer: leaving them out changes nothing.

    Parameters
    ----------
    room : float
        Bytes that all passes of the frame may take.
    max_passes : int
        Passes of a codeblock at most.
    """

    def __init__(self, room: float, max_passes: int) -> None:
        self.room, self.max_passes = room, max_passes
        self.lost = -1
        self.ranks = np.empty(0, np.int32)
        self.new_bytes = np.empty(0, np.int32)

    def prune(self, where: Executor, passes: Any, lengths: Any, pass_lengths: Any, ranks: Any) -> None:
        """Look at some codeblocks, and shorten them: `passes` and `lengths` are changed.

        Parameters
        ----------
        where : Executor
            Where the arrays lie.
        passes, lengths : array
            int32, one a codeblock.
        pass_lengths, ranks : array
            int32, ``(codeblocks, max_passes)`` flat, see `gpucodec_kernels.tier2.allocation`.
        """
        shape = (-1, self.max_passes)
        counts = where.download(passes)
        coded = np.arange(self.max_passes) < counts[:, None]
        its_ranks = np.where(coded, where.download(ranks).reshape(shape), np.int32(-1))
        ends = where.download(pass_lengths).reshape(shape)
        lost = self._lost_rank(its_ranks[coded], np.diff(ends, axis=1, prepend=np.int32(0))[coded])
        kept = np.count_nonzero(its_ranks > lost, axis=1).astype(np.int32)
        shorter = np.where(kept > 0, ends[np.arange(len(kept)), kept - 1], 0)
        lengths[:] = where.upload(np.where(kept == counts, where.download(lengths), shorter).astype(np.int32))
        passes[:] = where.upload(kept)

    def _lost_rank(self, ranks: np.ndarray[Any, Any], new_bytes: np.ndarray[Any, Any]) -> int:
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
