"""Packet headers that stand together in PPM or PPT marker segments, ITU-T T.800 A.7.4 and A.7.5."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gpucodec.codestream.j2k_segments import Segment
from gpucodec.errors import CodestreamError

__all__ = ["PackedHeaders"]

_NONE = np.empty((0, 3), np.int64)


def _joined(segments: Sequence[Segment]) -> bytes:
    """Return the bodies of numbered segments in the order of their numbers."""
    numbered = {}
    for segment in segments:
        (number,) = segment.unpack(">B", 0)
        if number in numbered:
            raise segment.wrong(f"there are two segments with the number {number}")
        numbered[number] = segment.body[1:]
    return b"".join(numbered[number] for number in sorted(numbered))


class PackedHeaders:
    """Collects packed packet headers while tile-parts are gone through.

    Parameters
    ----------
    main : sequence of Segment
        The PPM marker segments.
    """

    def __init__(self, main: Sequence[Segment]) -> None:
        self.is_in_main = bool(main)
        self._main = _joined(main)
        self._first = main[0] if main else None
        self._position = 0
        self._parts: dict[tuple[int, int], bytes] = {}

    def next_tile_part(self, tile: int, index: int) -> None:
        """Take what PPM holds for the next tile-part in the codestream."""
        position = self._position
        if position + 4 > len(self._main):
            raise self._wrong(f"tile-part {index} of tile {tile} has no packet headers")
        (length,) = struct.unpack_from(">I", self._main, position)
        end = position + 4 + length
        if end > len(self._main):
            raise self._wrong(f"{length} bytes of packet headers of tile-part {index} of tile {tile} are not all there")
        self._parts[tile, index] = self._main[position + 4 : end]
        self._position = end

    def _wrong(self, message: str) -> CodestreamError:
        if self._first is None:
            raise AssertionError  # asked for a tile-part where there is no PPM
        return self._first.wrong(message)

    def add_tile_part(self, tile: int, index: int, segments: Sequence[Segment]) -> None:
        """Take what the PPT marker segments of a tile-part header hold."""
        if not segments:
            return
        if self.is_in_main:
            raise segments[0].wrong("there must not be PPT beside PPM", -4)
        self._parts[tile, index] = _joined(segments)

    def in_order(self, tile_parts: Sequence[tuple[int, int]]) -> tuple[bytes, npt.NDArray[np.int64]]:
        """Return all of them joined, and for each tile-part its tile, first byte and end."""
        if not self._parts:
            return b"", _NONE
        rows = []
        pieces = []
        position = 0
        for tile, index in tile_parts:
            piece = self._parts.get((tile, index))
            if piece is not None:
                rows.append((tile, position, position + len(piece)))
                pieces.append(piece)
                position += len(piece)
        return b"".join(pieces), np.array(rows, np.int64).reshape(-1, 3)
