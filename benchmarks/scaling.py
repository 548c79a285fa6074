"""``python -m benchmarks.scaling``: the cost of a sample, from small frames to large ones and from one frame to many.

JPEG 2000 encoding, lossless and at a compression ratio of 10, of pieces of one radiograph repeated as often as it
takes; one thread's processor time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from gpucodec_kernels.target import set_num_threads

from benchmarks.workloads import WORKLOADS
from gpucodec.codecs.jpeg2000 import encode_frames
from gpucodec.codestream.j2k_parameters import CodingParameters
from gpucodec.frames import FrameBatch, FrameSpec

_WAYS = {"lossless": CodingParameters(), "10:1": CodingParameters(reversible=False, ratios=(10.0,))}


def _batches() -> Iterator[np.ndarray[Any, Any]]:
    picture = next(workload for workload in WORKLOADS if "CR" in workload.name).frames[0]
    for side in (256, 512, 1024, 2048, 4096, 8192):
        repeats = -(-side // 1792)
        yield np.tile(picture[:1792, :1792], (repeats, repeats))[None, :side, :side]
    for count in (1, 16, 256, 4096):
        corners = [divmod(37 * number, 1700) for number in range(count)]
        yield np.stack([picture[row : row + 128, column : column + 128] for row, column in corners])


def main() -> int:
    """Print nanoseconds a sample."""
    set_num_threads(1)
    for frames in _batches():
        batch = FrameBatch(np.ascontiguousarray(frames), FrameSpec.from_array(frames, bits_stored=15))
        for way, parameters in _WAYS.items():
            taken = []
            for _ in range(2 if frames.size > 1 << 24 else 4):
                start = time.process_time()
                encode_frames(batch, parameters)
                taken.append(time.process_time() - start)
            count, rows, columns = frames.shape
            print(f"{count} x {rows} x {columns}, {way}: {min(taken) / frames.size * 1e9:.1f} ns a sample", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
