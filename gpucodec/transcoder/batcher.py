"""How many frames are in memory at once: memory is bounded by the batch, never by the file."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gpucodec.errors import ParameterError
from gpucodec.frames import FrameSpec

__all__ = ["DEFAULT_MAX_MEMORY", "Batches", "parse_size", "plan_batches"]

DEFAULT_MAX_MEMORY = 256 << 20

# A byte of a batch costs about this many bytes while it is worked on: the samples, the copy that a worker
# process sees in shared memory, its result there, the codestreams, and while verifying a second set of samples.
_WORKING_BYTES_PER_BYTE = 6

# With three batches on their way it is so much of one of them: measured, like the above, by what a process takes.
_OVERLAPPING_BYTES_PER_BYTE = 20

_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Batches:
    """How a file is divided.

    Parameters
    ----------
    frames : int
        How many frames a batch has.
    overlap : bool
        Whether several batches are on their way at once.
    """

    frames: int
    overlap: bool


def plan_batches(spec: FrameSpec, num_frames: int, max_memory: int) -> Batches:
    """Divide a file so that what is worked on at once stays within `max_memory` bytes.

    A file that fits as a whole is one batch. Batches overlap if three of them fit, and otherwise have at least a frame.
    """
    alone = max(1, max_memory // (_WORKING_BYTES_PER_BYTE * spec.num_bytes))
    overlapping = max_memory // (_OVERLAPPING_BYTES_PER_BYTE * spec.num_bytes)
    if num_frames <= alone or not overlapping:
        return Batches(alone, overlap=False)
    return Batches(overlapping, overlap=True)


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
