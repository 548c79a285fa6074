"""How many frames are in memory at once: memory is bounded by the batch, never by the file."""

from __future__ import annotations

import re

from gpucodec.errors import ParameterError
from gpucodec.frames import FrameSpec

__all__ = ["DEFAULT_MAX_MEMORY", "frames_per_batch", "parse_size"]

DEFAULT_MAX_MEMORY = 256 << 20

# A byte of a batch costs about this many bytes while it is worked on: the samples, the copy that a worker
# process sees in shared memory, its result there, the codestreams, and while verifying a second set of samples.
_WORKING_BYTES_PER_BYTE = 6

_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?", re.IGNORECASE)


def frames_per_batch(spec: FrameSpec, max_memory: int) -> int:
    """Return how many frames may be worked on at once within `max_memory` bytes, at least one."""
    return max(1, max_memory // (_WORKING_BYTES_PER_BYTE * spec.num_bytes))


def parse_size(text: str) -> int:
    """Return the bytes that a size such as ``"512M"``, ``"1.5 GiB"`` or ``"1000000"`` stands for.

    Units are powers of 1024.

    Raises
    ------
    ParameterError
        If the text is no size, or less than one byte.
    """
    match = _SIZE.fullmatch(text.strip())
    size = int(float(match[1]) * (1 << _UNITS[match[2].upper()])) if match else 0
    if size < 1:
        raise ParameterError(f"A size of '{text}' is not allowed, use for example 512M or 2G")
    return size
