"""From how many bytes on a batch is worth a GPU: what was measured on it, or else an estimate.

The estimate is a model, and no GPU has measured it. A GPU takes

    launches * 40 us + copies * 20 us + bytes / link + max(slowest item, bytes * cost / multiprocessors' worth)

and the CPU takes ``bytes * cost / threads``, where

- *cost* is what one thread of a CPU takes for a byte of samples, measured (see benchmarks/NOTES.md, 16 frames of CT);
- 40 us is taken for a launch: about 5 us of the driver's (NVIDIA, "CUDA Graphs" and Nsight Systems' documentation give
  3 to 10), the rest Numba's, which looks at every argument in Python; 20 us for a copy with its synchronisation;
- *link* is four fifths of the rate of the PCI Express generation that the architecture came with, 16 lanes wide;
- an *item* is what one GPU thread does alone (a row, a scan, a codeblock); such a thread is taken for 1/40 of a CPU's,
  at 1.5 GHz, as it waits four to six cycles for each instruction that needs the one before;
- a *multiprocessor* is taken for two threads of a CPU, at 1.5 GHz: twenty warps hide those cycles, and as the lanes of
  a warp go different ways in entropy coding, one in eight of them works.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from gpucodec.calibration import Stored, read
from gpucodec.driver import Gpu

__all__ = ["BACKENDS", "Threshold", "estimate", "forget", "key", "size", "stored", "threshold", "why_small"]

BACKENDS = ("cuda", "nvjpeg2k")  # those that run on a GPU

_LAUNCH_SECONDS = 40e-6
_COPY_SECONDS = 20e-6
_COPIES = 4  # samples, codestreams, where they lie, how long they are
_THREAD_OF_GPU = 1 / 40
_MULTIPROCESSOR = 2.0
_CLOCK = 1.5


@dataclass(frozen=True, slots=True)
class _Architecture:
    """What is known of an architecture from its maker's data sheets."""

    link: float  # bytes a second
    clock: float  # GHz, boost


_ARCHITECTURES = {
    (7, 5): _Architecture(12.6e9, 1.6),  # PCI Express 3; Tesla T4 1.59, Quadro RTX 6000 1.77
    (8, 0): _Architecture(25.2e9, 1.4),  # 4; A100 1.41
    (8, 6): _Architecture(25.2e9, 1.7),  # 4; GeForce RTX 3080 1.71, A40 1.74
    (8, 9): _Architecture(25.2e9, 2.5),  # 4; GeForce RTX 4090 2.52, L40 2.49
    (9, 0): _Architecture(50.4e9, 1.8),  # 5; H100 1.76 to 1.98
    (10, 0): _Architecture(50.4e9, 1.8),  # 5; B200, as H100
    (12, 0): _Architecture(50.4e9, 2.4),  # 5; GeForce RTX 5090 2.41
}


@dataclass(frozen=True, slots=True)
class _Work:
    """What a family's work in a direction is made of."""

    cost: float  # nanoseconds a byte of one CPU thread
    launches: int
    item: int  # bytes of samples that one GPU thread does


_CODEBLOCK, _ROW, _FRAME = 64 * 64 * 2, 512, 512 * 512 * 2
_WORK = {
    ("rle", True): _Work(0.87, 7, _ROW),
    ("rle", False): _Work(0.49, 5, _ROW),
    ("jpegls", True): _Work(3.9, 6, _FRAME),
    ("jpegls", False): _Work(4.5, 6, _FRAME),
    ("jpeg2000", True): _Work(16.4, 20, _CODEBLOCK),
    ("jpeg2000", False): _Work(16.9, 20, _CODEBLOCK),
    ("htj2k", True): _Work(1.6, 20, _CODEBLOCK),
    ("htj2k", False): _Work(1.4, 20, _CODEBLOCK),
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """From where on a GPU is used.

    Parameters
    ----------
    num_bytes : int, optional
        Bytes of samples in a batch; None for never.
    source : str
        Where the figure comes from.
    is_measured : bool
        Whether it was measured on this GPU.
    """

    num_bytes: int | None
    source: str
    is_measured: bool

    def why_not(self, num_bytes: int) -> str:
        """Return why a batch is not for the GPU; an empty string if it is."""
        if self.num_bytes is None:
            return f"the CPU is faster on this machine, whatever the size ({self.source})"
        if num_bytes >= self.num_bytes:
            return ""
        return f"a batch of {size(num_bytes)}: below {size(self.num_bytes)} the CPU is faster ({self.source})"


def size(num_bytes: float) -> str:
    """Return a number of bytes in a unit that suits it (powers of 1000)."""
    for unit in ("bytes", "KB", "MB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.3g} GB"


def why_small(backend: str, family: str, encoding: bool, num_bytes: int) -> str:
    """Return why a batch is too small for a backend's GPU; an empty string if it is not, or there is none.

    Parameters
    ----------
    backend : str
        The backend.
    family : str
        Such as ``"rle"``.
    encoding : bool
        Whether frames are to be encoded, not decoded.
    num_bytes : int
        Bytes of samples in the batch.
    """
    found = threshold(backend, family, encoding)
    return found.why_not(num_bytes) if found else ""


@cache
def threshold(backend: str, family: str, encoding: bool) -> Threshold | None:
    """Return from where on a backend's GPU is used; None if no GPU is behind it, or nothing is known of the family."""
    from gpucodec.backends import diagnosis

    if backend not in BACKENDS or (family, encoding) not in _WORK:
        return None
    gpus = diagnosis().usable or diagnosis().reachable
    if not gpus:
        return None
    measured = stored().of(gpus[0])
    name = key(backend, family, encoding)
    if measured and name in measured.thresholds:
        return Threshold(measured.thresholds[name], f"calibrated {measured.date}", is_measured=True)
    return estimate(gpus[0], family, encoding)


def key(backend: str, family: str, encoding: bool) -> str:
    """Return the name of a threshold in the file."""
    return f"{backend} {family} {'encode' if encoding else 'decode'}"


@cache
def stored() -> Stored:
    """Return what the file of calibrations holds, read once."""
    return read()


def forget() -> None:
    """Read the file again when it is next asked for."""
    stored.cache_clear()
    threshold.cache_clear()


def estimate(gpu: Gpu, family: str, encoding: bool, threads: int = 0) -> Threshold:
    """Return the default for a GPU, rounded up to 1, 2 or 5 and zeros: the model knows no better.

    Parameters
    ----------
    gpu : Gpu
        The GPU.
    family : str
        Such as ``"rle"``.
    encoding : bool
        Whether frames are to be encoded, not decoded.
    threads : int
        How many threads the CPU has for it; 0 for as many as kernels use here.
    """
    known = max((cc for cc in _ARCHITECTURES if cc <= gpu.compute_capability), default=min(_ARCHITECTURES))
    crossing = _crossing(_ARCHITECTURES[known], gpu.num_multiprocessors, _WORK[family, encoding], threads or _threads())
    at_least = None if crossing is None else _rounded_up(crossing)
    return Threshold(at_least, "default for compute capability {}.{}".format(*known), is_measured=False)


def _rounded_up(number: float) -> int:
    decade = 10 ** int(math.log10(number))
    return int(next(step * decade for step in (1, 2, 5, 10) if step * decade >= number))


def _threads() -> int:
    from gpucodec_kernels.target import get_num_threads

    return int(get_num_threads())


def _crossing(architecture: _Architecture, multiprocessors: int, work: _Work, threads: int) -> float | None:
    """Return the bytes from which on the GPU takes no longer than the CPU; None if there are none."""
    cost, speed = work.cost * 1e-9, architecture.clock / _CLOCK
    overhead = work.launches * _LAUNCH_SECONDS + _COPIES * _COPY_SECONDS
    slowest_item = work.item * cost / (_THREAD_OF_GPU * speed)
    won_a_byte = cost / threads - 1 / architecture.link
    won_when_full = won_a_byte - cost / (max(1, multiprocessors) * _MULTIPROCESSOR * speed)
    if won_when_full <= 0:
        return None
    return max((overhead + slowest_item) / won_a_byte, overhead / won_when_full)
