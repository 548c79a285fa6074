"""HTJ2K lossless, all sizes, precisions, signs and colours: OpenJPH's packets, and three decoders read them.

``python -m tests.fuzz.htj2k_sweep [STEP]`` takes every STEP-th case, all without, and ends with 1 if one differs.
imagecodecs' OpenJPH codes samples of whole bytes, up to 16 bits: packets are compared there. OpenJPEG reads no more
than 24 bits, OpenJPH everything here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import imagecodecs
import numpy as np

import gpucodec
from gpucodec.codecs.options import EncodeOptions
from gpucodec.dicom.coding import encode_batch
from gpucodec.frames import FrameBatch, FrameSpec
from tests.fuzz.jpeg2000_sweep import COLOURS, KINDS, Case, run

_UID = "1.2.840.10008.1.2.4.201"
SIZES = (
    (1, 1), (1, 77), (77, 1), (2, 3), (5, 64), (31, 33), (64, 64), (65, 129), (100, 1500), (512, 512), (1023, 1025),
    (4096, 4096), (8192, 8192),
)  # fmt: skip
BITS = (1, 2, 7, 8, 10, 12, 15, 16, 17, 20, 24)
_ALL_COMBINATIONS = 600  # pixels squared; of larger frames a few
_SOD = b"\xff\x93"


def cases() -> Iterator[Case]:
    """Yield every case."""
    for size in SIZES:
        large = size[0] * size[1] > _ALL_COMBINATIONS**2
        for bits in BITS[3::4] if large else BITS:
            for signed in (False, True):
                for colour, samples in COLOURS[:: 2 if large else 1]:
                    for kind in KINDS[:: 3 if large else 1]:
                        yield Case(size, bits, signed, colour, samples, kind)


def difference(case: Case) -> str:
    """Return what is wrong with a case, an empty string if nothing is."""
    frame = case.frame()
    spec = FrameSpec.from_array(frame[None], bits_stored=case.bits, photometric_interpretation=case.colour)
    # Not `encode_frames`, which keeps to what DICOM objects may hold: no signed colour.
    (ours,) = encode_batch(FrameBatch(frame[None], spec), _UID, EncodeOptions(), "cpu", validate=False).codestreams
    if not np.array_equal(gpucodec.decode_frames([ours], _UID, spec=spec, backend="cpu")[0], frame):
        return "gpucodec decodes another frame"
    if min(case.size) > 1 and not np.array_equal(imagecodecs.htj2k_decode(ours, planar=False), frame):
        return "OpenJPH decodes another frame"
    if not np.array_equal(gpucodec.decode_frames([ours], _UID, spec=spec, backend="library")[0], frame):
        return "OpenJPEG decodes another frame"
    if case.bits not in (8, 16) or min(case.size) < 2**5:
        return ""
    theirs = imagecodecs.htj2k_encode(frame, reversible=True, rgb=case.colour == "YBR_RCT")
    same = ours[ours.index(_SOD) :] == theirs[theirs.index(_SOD) :]
    return "" if same else f"packets are not OpenJPH's ({len(ours)} and {len(theirs)} bytes)"


if __name__ == "__main__":
    sys.exit(run(cases(), difference))
