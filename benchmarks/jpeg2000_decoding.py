"""JPEG 2000 through `decode_frames`, beside pylibjpeg-openjpeg called frame by frame as pydicom calls it; and parts."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from gpucodec_kernels.target import set_num_threads
from openjpeg.utils import decode_pixel_data

import gpucodec
from benchmarks.measure import interleaved
from benchmarks.openjpeg_peer import encoded
from benchmarks.workloads import WORKLOADS, single_frames
from gpucodec.codecs.jpeg2000 import encode_frames
from gpucodec.codestream.j2k_parameters import CodingParameters
from gpucodec.codestream.j2k_plan import plan_decoding
from gpucodec.codestream.j2k_reader import read_codestream
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = ["rows"]

_LOSSLESS = "1.2.840.10008.1.2.4.90"
_LOSSY = "1.2.840.10008.1.2.4.91"
_RATIO = 10.0
_PEER = "pylibjpeg-openjpeg"
_REDUCED_SIDE = 4096
_TILED_SIDE, _TILE, _REGION = 8192, 512, 256
_SOT = b"\xff\x90\x00\x0a"


def rows(threads: tuple[int, ...], rounds: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each number of threads and workload, lossless and at a ratio of 10, and for parts of frames."""
    for number in threads:
        set_num_threads(number)
        for name, frames, spec in map(single_frames, WORKLOADS):
            yield _measure(name, frames, spec, number, rounds, _LOSSLESS)
            yield _measure(name, frames, spec, number, rounds, _LOSSY)
        yield _reduced(number, rounds)
        yield _region(number, rounds)


def _measure(
    name: str, frames: np.ndarray[Any, Any], spec: FrameSpec, threads: int, rounds: int, uid: str
) -> dict[str, Any]:
    lossless = uid == _LOSSLESS
    if spec.samples_per_pixel == 3:
        spec = spec.replace(photometric_interpretation="YBR_RCT" if lossless else "YBR_ICT")
    rates = {} if lossless else {"compression_ratios": [_RATIO]}
    codestreams = [encoded(frame, spec, **rates) for frame in frames]
    decode = partial(gpucodec.decode_frames, codestreams, uid, spec=spec)

    def decode_peer() -> list[bytearray]:
        return [decode_pixel_data(codestream, version=2) for codestream in codestreams]

    theirs = [np.frombuffer(raw, spec.dtype).reshape(spec.shape) for raw in decode_peer()]
    _check(name, decode(), np.stack(theirs), 0 if lossless else 1)
    times = interleaved({"gpucodec": decode, _PEER: decode_peer}, rounds)
    return {
        "codec": "JPEG 2000 lossless" if lossless else f"JPEG 2000 {_RATIO:g}:1",
        "workload": name,
        "direction": "decode",
        "threads": threads,
        "seconds": times,
        "megabytes_per_second": {who: frames.nbytes / taken["median"] / 1e6 for who, taken in times.items()},
        "ratio": times[_PEER]["median"] / times["gpucodec"]["median"],
        "bytes": {_PEER: sum(map(len, codestreams))},
    }


def _check(name: str, ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any], tolerance: int) -> None:
    if np.abs(ours.astype(np.int64) - theirs).max() > tolerance:
        raise RuntimeError(f"{name}: samples differ by more than {tolerance}")


# -- parts of frames, against the whole


def _large(side: int) -> np.ndarray[Any, Any]:
    """Return a square picture, of the radiograph beside its mirror images."""
    _, frames, _ = next(each for each in map(single_frames, WORKLOADS) if "CR" in each[0])
    tile = np.block([[frames[0], frames[0][:, ::-1]], [frames[0][::-1], frames[0][::-1, ::-1]]])
    repeats = [-(-side // length) for length in tile.shape]
    return np.ascontiguousarray(np.tile(tile, repeats)[:side, :side])


def _reduced(threads: int, rounds: int) -> dict[str, Any]:
    frame = _large(_REDUCED_SIDE)
    codestreams = gpucodec.encode_frames(frame[None], _LOSSLESS)
    return _part(f"reduce=3 of {_REDUCED_SIDE}x{_REDUCED_SIDE}", frame, codestreams, {"reduce": 3}, threads, rounds)


def _region(threads: int, rounds: int) -> dict[str, Any]:
    frame = _large(_TILED_SIDE)
    place = _TILED_SIDE // 2 + (_TILE - _REGION) // 2
    region = (place, place, _REGION, _REGION)
    codestreams = [_in_tiles(frame)]
    name = f"{_REGION}x{_REGION} of {_TILED_SIDE}x{_TILED_SIDE} in tiles of {_TILE}"
    (part,) = gpucodec.decode_frames(codestreams, _LOSSLESS, spec=FrameSpec.from_array(frame[None]), region=region)
    if not np.array_equal(part, frame[place : place + _REGION, place : place + _REGION]):
        raise RuntimeError(f"{name}: the region is not what it was")
    return _part(name, frame, codestreams, {"region": region}, threads, rounds)


def _in_tiles(frame: np.ndarray[Any, Any]) -> bytes:
    """Return a codestream in tiles, each of them coded as if it were a frame.

    Tiles begin where codeblocks of all levels do, so that both are cut up alike.
    """
    across = _TILED_SIDE // _TILE
    tiles = frame.reshape(across, _TILE, across, _TILE).swapaxes(1, 2).reshape(-1, _TILE, _TILE)
    batch = FrameBatch(np.ascontiguousarray(tiles), FrameSpec.from_array(tiles))
    coded = encode_frames(batch, CodingParameters(levels=_TILE.bit_length() - 1 - 6))
    begins = [codestream.index(_SOT) for codestream in coded]
    main = bytearray(coded[0][: begins[0]])
    if any(codestream[:begin] != main for codestream, begin in zip(coded, begins, strict=True)):
        raise RuntimeError("tiles have different headers")
    struct.pack_into(">2I", main, 8, _TILED_SIDE, _TILED_SIDE)
    parts = [
        codestream[begin : begin + 4] + struct.pack(">H", tile) + codestream[begin + 6 : -2]
        for tile, (codestream, begin) in enumerate(zip(coded, begins, strict=True))
    ]
    return b"".join([bytes(main), *parts, b"\xff\xd9"])


def _part(
    name: str, frame: np.ndarray[Any, Any], codestreams: list[bytes], options: dict[str, Any], threads: int, rounds: int
) -> dict[str, Any]:
    """Measure a part of a frame; both speeds are of the whole frame's bytes, so that their ratio is the time saved."""
    decode = partial(gpucodec.decode_frames, codestreams, _LOSSLESS, spec=FrameSpec.from_array(frame[None]))
    if not np.array_equal(decode()[0], frame):
        raise RuntimeError(f"{name}: the frame is not what it was")
    times = interleaved({"gpucodec": partial(decode, **options), "the whole": decode}, rounds)
    described = read_codestream(codestreams[0])
    whole, part = (plan_decoding(described, **asked).num_blocks for asked in ({}, options))
    return {
        "codec": "JPEG 2000 lossless",
        "workload": name,
        "direction": "decode",
        "threads": threads,
        "seconds": times,
        "megabytes_per_second": {who: frame.nbytes / taken["median"] / 1e6 for who, taken in times.items()},
        "ratio": times["the whole"]["median"] / times["gpucodec"]["median"],
        "codeblocks": {"the whole": whole, "part": part},
    }
