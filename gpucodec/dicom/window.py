"""Coding ahead: batches for a caller that asks frame by frame, as pydicom does.

A caller's first frame is coded alone, because a single one may be all that is wanted. When the second call asks
for the frame after it, the caller is walking through the image, and a window of frames is coded in one batch.
Every frame is compared with the one that the window was made of before its result is handed out, so a caller
that jumps about gets what it asked for, coded alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from gpucodec.errors import GpucodecError

__all__ = ["FrameWindow", "window_frames"]

Result = TypeVar("Result")

_USUAL_BYTES = 64 << 20
_MOST_BYTES = 256 << 20


def window_frames(frame_bytes: int) -> int:
    """Return how many frames make a good batch: about 64 MiB, a frame a core if they fit 256 MiB, at least one."""
    frame_bytes = max(1, frame_bytes)
    wanted = max(os.cpu_count() or 1, _USUAL_BYTES // frame_bytes)
    return max(1, min(wanted, _MOST_BYTES // frame_bytes))


class FrameWindow(Generic[Result]):
    """Results for frames that are asked for one by one, from batches coded ahead.

    Parameters
    ----------
    num_frames : int
        How many frames the image is said to have.
    batch_frames : int
        How many frames to code at once.
    take : callable
        ``take(first, count)`` returns the sources of up to `count` frames from `first` on; fewer at the end.
        It is asked in order, without gaps, from frame 0.
    code : callable
        ``code(sources, first)`` codes a batch and returns a result for each source. Its `GpucodecError` is kept
        for the frame that it belongs to.
    """

    def __init__(
        self,
        num_frames: int,
        batch_frames: int,
        take: Callable[[int, int], list[bytes]],
        code: Callable[[Sequence[bytes], int], list[Result]],
    ) -> None:
        self._num_frames = num_frames
        self._batch_frames = batch_frames
        self._take = take
        self._code = code
        self._next = 0
        self._first = b""
        self._failed: bytes | None = None
        self._is_walking = num_frames > 2
        self._sources: dict[int, bytes] = {}
        self._results: dict[int, Result] = {}

    def serve(self, source: bytes) -> Result:
        """Return the result for the frame that the caller asks for now.

        Parameters
        ----------
        source : bytes
            The frame as the caller holds it: samples to encode, or a codestream to decode.
        """
        if source is self._failed:  # pydicom tries a frame that failed once more
            self._next -= 1
        index, self._next = self._next, self._next + 1
        self._failed = source
        result = self._serve(source, index)
        self._failed = None
        return result

    def _serve(self, source: bytes, index: int) -> Result:
        if index == 0:
            self._first = source
            return self._alone(source, index)
        if index == 1:
            self._begin(source)
        elif self._is_walking and index not in self._sources and index < self._num_frames:
            self._fill(index, self._take(index, self._batch_frames))
        if self._is_walking and self._sources.get(index) == source:
            result = self._results.pop(index) if index in self._results else self._alone(source, index)
            del self._sources[index]
            return result
        self._give_up()
        return self._alone(source, index)

    def _begin(self, source: bytes) -> None:
        """Look whether the first two frames asked for are the image's first two, and start the window if so."""
        if not self._is_walking or self._sources:
            return
        ahead = self._take(0, self._batch_frames + 1)
        first, self._first = self._first, b""
        if ahead[:2] == [first, source]:
            self._fill(1, ahead[1:])

    def _fill(self, index: int, sources: list[bytes]) -> None:
        self._sources = dict(enumerate(sources, start=index))
        try:
            results = self._code(sources, index) if len(sources) > 1 else []
        except GpucodecError:
            results = []  # the frame that is to blame raises it again when its turn comes, coded alone
        self._results = dict(enumerate(results, start=index))

    def _give_up(self) -> None:
        self._is_walking = False
        self._sources, self._results = {}, {}

    def _alone(self, source: bytes, index: int) -> Result:
        return self._code([source], index)[0]
