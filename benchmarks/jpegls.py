"""JPEG-LS through `encode_frames` and `decode_frames`, beside pyjpegls as pydicom calls it and imagecodecs' CharLS.

pyjpegls keeps the GIL, so it has one thread whatever is asked; imagecodecs lets it go and gets as many as gpucodec.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import imagecodecs
import numpy as np
from gpucodec_kernels.target import set_num_threads
from jpeg_ls import decode_pixel_data, encode_pixel_data

import gpucodec
from benchmarks.measure import interleaved
from benchmarks.workloads import WORKLOADS
from gpucodec.frames import FrameSpec

__all__ = ["rows"]

_LOSSLESS, _NEAR_LOSSLESS = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
_PICTURES = {workload.name: workload for workload in WORKLOADS}


@dataclass(frozen=True)
class _Case:
    """A workload as JPEG-LS codes it: `count` frames of a picture, with the bits that its dataset stores."""

    name: str
    picture: str
    count: int
    bits_stored: int
    near: int = 0
    planar_configuration: int = 0

    @cached_property
    def frames(self) -> np.ndarray[Any, Any]:
        """The frames."""
        return np.ascontiguousarray(_PICTURES[self.picture].frames[: self.count])

    @cached_property
    def unsigned(self) -> np.ndarray[Any, Any]:
        """The frames as JPEG-LS codes them, for imagecodecs, which takes no other."""
        mask = (1 << self.bits_stored) - 1
        return self.frames.view(f"u{self.frames.itemsize}") & np.array(mask, f"u{self.frames.itemsize}")

    @property
    def spec(self) -> FrameSpec:
        """What each frame is."""
        return FrameSpec.from_array(
            self.frames, bits_stored=self.bits_stored, planar_configuration=self.planar_configuration
        )

    @property
    def uid(self) -> str:
        """The transfer syntax."""
        return _NEAR_LOSSLESS if self.near else _LOSSLESS


_CASES = (
    _Case("16 CT 512x512", "16 CT 512x512 int16", 16, 14),
    _Case("100 tiles 256x256 RGB", "100 tiles 256x256 RGB", 100, 8),
    _Case("1 CR 1955x1841", "16 CR 1955x1841 uint16", 1, 15),
    _Case("100 tiles 256x256 RGB, by plane", "100 tiles 256x256 RGB", 100, 8, planar_configuration=1),
    _Case("16 CT 512x512, NEAR 2", "16 CT 512x512 int16", 16, 14, near=2),
    _Case("100 tiles 256x256 RGB, NEAR 2", "100 tiles 256x256 RGB", 100, 8, near=2),
    _Case("1 CR 1955x1841, NEAR 2", "16 CR 1955x1841 uint16", 1, 15, near=2),
)


def rows(threads: tuple[int, ...], rounds: int) -> Iterator[dict[str, Any]]:
    """Yield a row of results for each number of threads, workload and direction."""
    for number in threads:
        set_num_threads(number)
        with ThreadPoolExecutor(number) as pool:
            for case in _CASES:
                yield from _measure(case, number, pool, rounds)


def _measure(case: _Case, threads: int, pool: ThreadPoolExecutor, rounds: int) -> Iterator[dict[str, Any]]:
    frames, spec = case.frames, case.spec
    described = {
        "rows": spec.rows,
        "columns": spec.columns,
        "samples_per_pixel": spec.samples_per_pixel,
        "bits_stored": spec.bits_stored,
        "planar_configuration": spec.planar_configuration,
    }
    by_plane = spec.planar_configuration and spec.samples_per_pixel > 1
    raw = [np.ascontiguousarray(frame.transpose(2, 0, 1) if by_plane else frame).tobytes() for frame in frames]
    options = {"jls_error": case.near} if case.near else {}

    def encode() -> list[bytes]:
        return gpucodec.encode_frames(frames, case.uid, spec=spec, **options)

    def encode_pyjpegls() -> list[bytearray]:
        return [encode_pixel_data(frame, case.near, **described) for frame in raw]

    def encode_imagecodecs() -> list[bytes]:
        return list(pool.map(lambda frame: imagecodecs.jpegls_encode(frame, case.near), case.unsigned))

    codestreams = encode()
    if codestreams != [bytes(codestream) for codestream in encode_pyjpegls()]:
        raise RuntimeError(f"{case.name}: the codestreams are not pyjpegls's")

    def decode() -> np.ndarray[Any, Any]:
        return gpucodec.decode_frames(codestreams, case.uid, spec=spec)

    def decode_pyjpegls() -> list[Any]:
        return [decode_pixel_data(codestream)[0] for codestream in codestreams]

    def decode_imagecodecs() -> list[Any]:
        return list(pool.map(imagecodecs.jpegls_decode, codestreams))

    if np.abs(decode().astype(int) - frames).max() != case.near:
        raise RuntimeError(f"{case.name}: decoded wrongly")
    peers = {"encode": {"pyjpegls": encode_pyjpegls}, "decode": {"pyjpegls": decode_pyjpegls}}
    peers["decode"]["imagecodecs"] = decode_imagecodecs
    if not by_plane:  # imagecodecs has no way to ask for one scan a component
        peers["encode"]["imagecodecs"] = encode_imagecodecs
    yield _row(case, "encode", threads, {"gpucodec": encode} | peers["encode"], rounds)
    yield _row(case, "decode", threads, {"gpucodec": decode} | peers["decode"], rounds)


def _row(
    case: _Case, direction: str, threads: int, contenders: dict[str, Callable[[], Any]], rounds: int
) -> dict[str, Any]:
    times = interleaved(contenders, rounds)
    return {
        "codec": "JPEG-LS Near Lossless" if case.near else "JPEG-LS Lossless",
        "workload": case.name,
        "direction": direction,
        "threads": threads,
        "seconds": times,
        "megabytes_per_second": {name: case.frames.nbytes / taken["median"] / 1e6 for name, taken in times.items()},
        "ratio": times["pyjpegls"]["median"] / times["gpucodec"]["median"],
    }
