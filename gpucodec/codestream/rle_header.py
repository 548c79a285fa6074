"""The RLE header, PS3.5 G.5: how many segments a frame has and where each begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpucodec.errors import CodestreamError, TruncatedCodestreamError

__all__ = ["HEADER_BYTES", "MAX_SEGMENTS", "read_segment_bounds"]

HEADER_BYTES = 64
MAX_SEGMENTS = 15
_SHORTEST_SEGMENT = 2  # a run of one byte


def read_segment_bounds(codestreams: Sequence[bytes], num_segments: int, first_frame: int = 0) -> np.ndarray[Any, Any]:
    """Return the offsets at which the segments of frames begin, and where the frames end.

    Segments of an odd number of bytes, which the standard forbids, are let through here: files with them exist.

    Parameters
    ----------
    codestreams : sequence of bytes
        One a frame.
    num_segments : int
        How many segments the frames' attributes ask for.
    first_frame : int
        Index of the first frame, for messages.

    Returns
    -------
    numpy.ndarray
        ``(frames, num_segments + 1)`` int64; increasing offsets from the frame's first byte, the last is its length.

    Raises
    ------
    CodestreamError
        If the number of segments is another, or an offset lies in the header, outside of the frame or before the
        end of the segment before it.
    """
    lengths = np.fromiter(map(len, codestreams), np.int64, len(codestreams))
    if (lengths < HEADER_BYTES).any():
        frame = int(np.argmax(lengths < HEADER_BYTES))
        raise TruncatedCodestreamError(
            f"the frame has {lengths[frame]} bytes, the RLE header alone takes {HEADER_BYTES}",
            format="RLE",
            frame=first_frame + frame,
            offset=int(lengths[frame]),
        )
    headers = b"".join(codestream[:HEADER_BYTES] for codestream in codestreams)
    fields = np.frombuffer(headers, "<u4").reshape(-1, HEADER_BYTES // 4).astype(np.int64)
    if (fields[:, 0] != num_segments).any():
        frame = int(np.argmax(fields[:, 0] != num_segments))
        raise CodestreamError(
            f"the header tells of {fields[frame, 0]} segments, expected are {num_segments}, "
            "from Samples per Pixel and Bits Allocated",
            format="RLE",
            frame=first_frame + frame,
            offset=0,
        )
    bounds = np.column_stack([fields[:, 1 : 1 + num_segments], lengths])
    _check_bounds(bounds, first_frame)
    return bounds


def _check_bounds(bounds: np.ndarray[Any, Any], first_frame: int) -> None:
    lowest = np.column_stack([np.full(len(bounds), HEADER_BYTES), bounds[:, :-1] + _SHORTEST_SEGMENT])
    wrong = (bounds < lowest) | (bounds > bounds[:, -1:])
    if not wrong.any():
        return
    frame, bound = divmod(int(np.argmax(wrong)), bounds.shape[1])
    offset, last = int(bounds[frame, bound]), bound == bounds.shape[1] - 1
    what = "the frame's length" if last else "the offset of the segment"
    raise CodestreamError(
        f"{what} is {offset}, allowed are {lowest[frame, bound]} to {bounds[frame, -1]}",
        format="RLE",
        frame=first_frame + frame,
        segment=bound - 1 if last else bound,
        offset=offset if last else 4 * (bound + 1),
    )
