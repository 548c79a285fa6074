"""``python -m benchmarks.memory``: the peak memory of encoding JPEG 2000, a sample, beyond frames and codestreams.

The system tells the largest resident size of the process since it was last asked to forget it (Linux). Compiled code
and libraries' pages are there before: a corner of each picture is encoded first, and its scratch given back. Every
figure is of a process of its own.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice, product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workloads import WORKLOADS, single_frames
from gpucodec import host
from gpucodec.codecs.jpeg2000 import encode_frames, parameters_for
from gpucodec.codecs.options import EncodeOptions
from gpucodec.comparison.environment import environment
from gpucodec.frames import FrameBatch, FrameSpec

_RESULTS = Path(__file__).parent / "results"
_OPTIONS = {
    "lossless": EncodeOptions(),
    "10:1": EncodeOptions(j2k_cr=(10.0,)),
    "50 dB": EncodeOptions(j2k_psnr=(50.0,)),
}


def _resident(field: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field)) * 1024


def _pictures() -> Iterator[tuple[str, np.ndarray[Any, Any], FrameSpec]]:
    for workload in WORKLOADS:
        yield single_frames(workload)
    noise = np.random.default_rng(0).integers(0, 1 << 16, (1, 2048, 2048), dtype=np.uint16)
    yield "noise 2048x2048 uint16", noise, FrameSpec.from_array(noise)


def _encode(frames: np.ndarray[Any, Any], spec: FrameSpec, options: EncodeOptions) -> int:
    rows, columns = frames.shape[1:3]
    told = spec.photometric_interpretation
    if spec.samples_per_pixel == 3:
        told = "YBR_ICT" if options.is_lossy else "YBR_RCT"
    spec = spec.replace(rows=rows, columns=columns, photometric_interpretation=told)
    return sum(map(len, encode_frames(FrameBatch(frames, spec), parameters_for(spec, options))))


def _measure(number: int, how: str) -> tuple[str, float, float]:
    """Return the name of a picture, and bytes a sample: the peak beyond frames and codestreams, and the codestreams."""
    name, frames, spec = next(islice(_pictures(), number, None))
    options = _OPTIONS[how]
    _encode(np.ascontiguousarray(frames[:1, :1100, :1100]), spec, options)
    vars(host._kept).clear()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    written = _encode(frames, spec, options)
    return name, (_resident("VmHWM") - before - written) / frames.size, written / frames.size


def main() -> int:
    """Print a row for each picture and way to code it, and keep them."""
    rows = []
    for number, how in product(range(len(WORKLOADS) + 1), _OPTIONS):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as own:
            name, taken, written = own.submit(_measure, number, how).result()
        rows.append(
            {"codec": "JPEG 2000", "workload": name, "options": how, "bytes_per_sample": taken, "output": written}
        )
        print(f"{name}, {how}: {taken:.2f} bytes a sample, codestreams {written:.2f}", flush=True)
    path = _RESULTS / "memory.json"
    path.write_text(json.dumps({"environment": environment(), "rows": rows}, indent=1) + "\n")
    print(f"kept in {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
