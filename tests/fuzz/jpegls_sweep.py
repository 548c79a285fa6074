"""Every precision, NEAR and interleave mode of JPEG-LS, and the longest lines and columns, against CharLS both ways.

``python -m tests.fuzz.jpegls_sweep [STEP]`` takes every STEP-th case, all without, and ends with 1 at the first
difference: our bytes are CharLS's, and either decodes the other's to the same samples.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gpucodec.backends import executor
from gpucodec.codecs.base import DecodeRequest
from gpucodec.codecs.jpegls import JpeglsCodec
from gpucodec.codecs.jpegls_scans import Scans, scan_geometry
from gpucodec.codestream.jpegls import read_codestream
from gpucodec.frames import FrameSpec
from tests.codecs.jpegls_streams import LINE, NONE, SAMPLE, charls, decoded_by_charls, entropy_coded

_LONGEST = 65535


@dataclass(frozen=True)
class Case:
    """One frame and how it is coded."""

    bits: int
    near: int
    interleave: int
    shape: tuple[int, ...]


def cases() -> Iterator[Case]:
    """Yield every case; CharLS loses the fourth of four components, and garbles two."""
    for bits in range(2, 17):
        largest = min(255, ((1 << bits) - 1) // 2)
        for near in range(largest + 1):
            yield Case(bits, near, NONE, (13, 23))
            for interleave in (NONE, LINE, SAMPLE):
                yield Case(bits, near, interleave, (7, 11, 3))
        for near in (0, 1, largest):
            for shape in ((1, 1), (1, _LONGEST), (_LONGEST, 1)):
                yield Case(bits, near, NONE, shape)
                for interleave in (NONE, LINE, SAMPLE):
                    yield Case(bits, near, interleave, (*shape, 3))


def picture(case: Case) -> np.ndarray:
    """Return a frame with noise, slopes and flat parts, some of whose lines are of the lowest and highest values."""
    rng = np.random.default_rng([case.bits, case.near, case.interleave, *case.shape])
    top = (1 << case.bits) - 1
    steps = rng.integers(-2 * case.near - 2, 2 * case.near + 3, case.shape)
    values = np.clip(np.cumsum(steps * (rng.random(case.shape) < 0.6), axis=int(case.shape[1] > 1)) + top // 2, 0, top)
    noisy = rng.random(case.shape) < rng.choice([0.0, 0.05, 1.0])
    values = np.where(noisy, rng.integers(0, top + 1, case.shape), values)
    values[::5] = np.where(rng.random(values[::5].shape) < 0.5, 0, top)
    return values.astype("u1" if case.bits <= 8 else "u2")


def check(case: Case) -> None:
    """Compare what our kernels and CharLS make of a case.

    Raises
    ------
    RuntimeError
        If they differ.
    """
    frame = picture(case)
    theirs = charls(frame, case.bits, case.near, case.interleave)
    if _encoded(frame, theirs) != entropy_coded(theirs):
        raise RuntimeError(f"encoded differently: {case}")
    rows, columns, components = (*case.shape, 1)[:3]
    spec = FrameSpec(rows, columns, components, bits_allocated=8 * frame.itemsize, bits_stored=case.bits)
    (decoded,) = JpeglsCodec("cpu").decode_batch([theirs], DecodeRequest("1.2.840.10008.1.2.4.81", spec, 1)).frames
    if not np.array_equal(decoded, decoded_by_charls(theirs)):
        raise RuntimeError(f"decoded differently: {case}")
    if np.abs(decoded.astype(int) - frame).max() > case.near:
        raise RuntimeError(f"decoded with an error above NEAR: {case}")


def _encoded(frame: np.ndarray, like: bytes) -> list[bytes]:
    """Encode a frame into the scans of another codestream; return each one's entropy-coded data."""
    description = read_codestream(like)
    columns, components = description.columns, len(description.components)
    made = []
    for scan in description.scans:
        planes = [(k, columns * components, components) for k in scan.components]
        geometry = scan_geometry(description, scan, planes, 0)
        scans = Scans(geometry, scan.preset, scan.near, frame.itemsize)
        slots, lengths, status = scans.encode(
            executor("cpu"), frame.reshape(-1), np.array([planes[0][0]], np.int64), worst=True
        )
        if status[0]:
            raise RuntimeError(f"a status of {status[0]} where the slot holds anything")
        made.append(slots[: lengths[0]].tobytes())
    return made


def main() -> int:
    """Check as many cases as the first argument says."""
    step = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    chosen = list(cases())[::step]
    for case in chosen:
        check(case)
    print(f"JPEG-LS: {len(chosen)} cases, no difference from CharLS")
    return 0


if __name__ == "__main__":
    sys.exit(main())
