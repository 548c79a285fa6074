"""The RLE header, PS3.5 G.5: how many segments a frame has and where each begins."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from gpucodec.errors import CodestreamError, TruncatedCodestreamError

__all__ = ["HEADER_BYTES", "MAX_SEGMENTS", "read_segment_bounds"]

HEADER_BYTES = 64
MAX_SEGMENTS = 15
_HEADER = struct.Struct("<16L")


def read_segment_bounds(codestream: bytes, num_segments: int, frame: int) -> list[int]:
    """Return the offsets at which a frame's segments begin, and the frame's end.

    Parameters
    ----------
    codestream : bytes
        One frame.
    num_segments : int
        How many segments the frame's attributes ask for.
    frame : int
        Index of the frame, for messages.

    Returns
    -------
    list of int
        `num_segments` + 1 increasing even offsets from the frame's first byte; the last is its length.

    Raises
    ------
    CodestreamError
        If the number of segments is another, or an offset lies in the header, outside of the frame, before the
        one before it, or is odd.
    """
    if len(codestream) < HEADER_BYTES:
        raise TruncatedCodestreamError(
            f"the frame has {len(codestream)} bytes, the RLE header alone takes {HEADER_BYTES}",
            format="RLE",
            frame=frame,
            offset=len(codestream),
        )
    found, *offsets = _HEADER.unpack_from(codestream)
    if found != num_segments:
        allowed = f"{num_segments}, from Samples per Pixel and Bits Allocated"
        raise CodestreamError(
            f"the header tells of {found} segments, expected are {allowed}", format="RLE", frame=frame, offset=0
        )
    bounds = [*offsets[:num_segments], len(codestream)]
    _check_bounds(bounds, frame)
    return bounds


def _check_bounds(bounds: Sequence[int], frame: int) -> None:
    end = bounds[-1]
    previous = HEADER_BYTES
    for segment, offset in enumerate(bounds):
        last = segment == len(bounds) - 1
        # Every segment has two bytes at least, so that a segment cannot begin where the one before it does.
        lowest = previous if segment == 0 else previous + 2
        if not lowest <= offset <= end or (offset & 1):
            what = "the frame's length" if last else "the offset of the segment"
            raise CodestreamError(
                f"{what} is {offset}, allowed are even numbers from {lowest} to {end}",
                format="RLE",
                frame=frame,
                segment=segment - 1 if last else segment,
                offset=offset if last else 4 * (segment + 1),
            )
        previous = offset
