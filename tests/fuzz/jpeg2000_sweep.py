"""JPEG 2000 lossless, all sizes, precisions, signs and colours: OpenJPEG's bytes, and three decoders read them.

``python -m tests.fuzz.jpeg2000_sweep [STEP]`` takes every STEP-th case, all without, and ends with 1 if one differs.
Where OpenJPEG's own codestream does not decode to the frame (its encoder overflows on strong contrasts of 23 bits and
more), ours must.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import imagecodecs
import numpy as np
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import JPEG2000Lossless

from gpucodec.codecs.jpeg2000 import encode_frames, parameters_for
from gpucodec.codecs.options import EncodeOptions
from gpucodec.frames import FrameBatch, FrameSpec
from tests.interop.openjpeg_peer import decoded, encoded, without_comment

SIZES = ((32, 32), (33, 47), (64, 64), (65, 129), (100, 1500), (512, 512), (1023, 1025), (2048, 2048), (4096, 4096))
BITS = (8, 10, 12, 15, 16, 18, 20, 22, 24)
COLOURS = (("MONOCHROME2", 1), ("RGB", 3), ("YBR_RCT", 3))
KINDS = ("noise", "smooth", "zero", "flat", "edge")
_ALL_COMBINATIONS = 600  # pixels squared; of larger frames a few


@dataclass(frozen=True)
class Case:
    """One frame."""

    size: tuple[int, int]
    bits: int
    signed: bool
    colour: str
    samples: int
    kind: str

    def frame(self) -> np.ndarray:
        """Return it."""
        random = np.random.default_rng(self.bits * 1000 + self.size[0])
        low, high = (-(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1) if self.signed else (0, (1 << self.bits) - 1)
        shape = (*self.size, self.samples) if self.samples > 1 else self.size
        dtype = f"{'ui'[self.signed]}{next(size for size in (1, 2, 4) if self.bits <= 8 * size)}"
        if self.kind == "noise":
            return random.integers(low, high, shape, endpoint=True).astype(dtype)
        if self.kind in ("zero", "flat"):
            return np.full(shape, 0 if self.kind == "zero" else high, dtype)
        y, x = np.mgrid[: self.size[0], : self.size[1]]
        wave = (
            (np.sin(x / 37) + np.cos(y / 23) + 2) / 4 if self.kind == "smooth" else (x + y > sum(self.size) // 2) * 1.0
        )
        frame = wave * (high - low) * 0.9 + low + random.normal(0, 3, self.size)
        frame = np.stack([frame, frame[::-1], np.roll(frame, 5)], axis=-1) if self.samples > 1 else frame
        return np.clip(frame, low, high).astype(dtype)


def cases() -> Iterator[Case]:
    """Yield every case."""
    for size in SIZES:
        large = size[0] * size[1] > _ALL_COMBINATIONS**2
        for bits in BITS[::4] if large else BITS:
            for signed in (False, True):
                for colour, samples in COLOURS:
                    for kind in KINDS[:: 2 if large else 1]:
                        yield Case(size, bits, signed, colour, samples, kind)


def difference(case: Case) -> str:
    """Return what is wrong with a case, an empty string if nothing is."""
    frame = case.frame()
    spec = FrameSpec.from_array(frame[None], bits_stored=case.bits, photometric_interpretation=case.colour)
    (ours,) = encode_frames(FrameBatch(frame[None], spec), parameters_for(spec, EncodeOptions()))
    theirs = without_comment(encoded(frame, spec))
    if ours != theirs and np.array_equal(decoded(theirs, spec), frame):
        return f"{len(ours)} bytes are not OpenJPEG's {len(theirs)}"
    if not np.array_equal(decoded(ours, spec), frame):
        return "OpenJPEG decodes another frame"
    if not np.array_equal(imagecodecs.jpeg2k_decode(ours), frame):
        return "imagecodecs decodes another frame"
    return "" if _gdcm_reads(ours, spec, frame) else "GDCM decodes another frame"


def _gdcm_reads(codestream: bytes, spec: FrameSpec, frame: np.ndarray) -> bool:
    """Return whether GDCM gets the frame back, as pydicom calls it: of up to 16 bits, and no signed colour."""
    if spec.bits_stored > 16 or (spec.samples_per_pixel > 1 and (spec.bits_stored > 8 or spec.pixel_representation)):
        return True
    options = {field: getattr(spec, field) for field in FrameSpec.__dataclass_fields__} | {"number_of_frames": 1}
    decoder = get_decoder(JPEG2000Lossless)
    array, _ = decoder.as_array(encapsulate([codestream]), raw=True, decoding_plugin="gdcm", **options)
    return bool(np.array_equal(array, frame))


def run(every: Iterable[Case], wrong_with: Callable[[Case], str]) -> int:
    """Run every STEP-th case that there is, as the command line says; return 1 if something is wrong with one."""
    step = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    chosen = list(every)[::step]
    differing = 0
    for case in chosen:
        if said := wrong_with(case):
            differing += 1
            print(f"{case}: {said}", flush=True)
    print(f"{len(chosen)} frames, {differing} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(run(cases(), difference))
