"""``python -m benchmarks.series``: whether JPEG-LS costs a tile the same in a long series, and what memory it takes.

Every figure is of a process of its own: processor time of all threads a tile, and the growth of the process's largest
resident size (Unix) by more than what the call returns.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

import gpucodec
from benchmarks.workloads import WORKLOADS
from gpucodec.comparison.environment import environment
from gpucodec.frames import FrameSpec

_LOSSLESS = "1.2.840.10008.1.2.4.80"
_NUMBERS = (100, 1000, 10000)
_WORKLOAD = "100 tiles 256x256 RGB"
_RESULTS = Path(__file__).parent / "results"


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _cost(work: Callable[[], Any]) -> tuple[Any, float, int]:
    """Return what the work returns, its processor time, and by how much the peak of memory grew."""
    peak, begin = _peak(), time.process_time()
    made = work()
    return made, time.process_time() - begin, _peak() - peak


def _measure(number: int) -> dict[str, Any]:
    tiles = next(workload.frames for workload in WORKLOADS if workload.name == _WORKLOAD)
    spec = FrameSpec.from_array(tiles)
    some = gpucodec.encode_frames(tiles, _LOSSLESS, spec=spec)  # compiles, and takes the scratch that is kept
    gpucodec.decode_frames(some, _LOSSLESS, spec=spec)
    frames = np.concatenate([tiles] * (number // len(tiles)))
    encoded, encoding, grown = _cost(lambda: gpucodec.encode_frames(frames, _LOSSLESS, spec=spec))
    written = sum(map(len, encoded))
    decoded, decoding, grown_again = _cost(lambda: gpucodec.decode_frames(encoded, _LOSSLESS, spec=spec))
    if not np.array_equal(decoded[-100:], tiles):
        raise RuntimeError("decoded wrongly")
    return {
        "codec": "JPEG-LS Lossless",
        "workload": f"{number} tiles 256x256 RGB",
        "encode_milliseconds": encoding / number * 1e3,
        "decode_milliseconds": decoding / number * 1e3,
        "encode_megabytes_beyond": (grown - written) / 1e6,
        "decode_megabytes_beyond": (grown_again - decoded.nbytes) / 1e6,
    }


def main() -> int:
    """Print a row for each length of a series, and keep them."""
    rows = []
    for number in _NUMBERS:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as own:
            row = own.submit(_measure, number).result()
        rows.append(row)
        print(row["workload"])
        for verb, beyond in (("encode", "codestreams"), ("decode", "frames")):
            cost, memory = row[f"{verb}_milliseconds"], row[f"{verb}_megabytes_beyond"]
            print(f"  {verb}: {cost:.3f} ms of processor time a tile, {memory:.0f} MB beyond the {beyond}", flush=True)
    path = _RESULTS / "jpegls-series.json"
    path.write_text(json.dumps({"environment": environment(), "rows": rows}, indent=1) + "\n")
    print(f"kept in {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
