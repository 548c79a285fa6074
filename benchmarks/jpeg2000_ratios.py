"""``python -m benchmarks.jpeg2000_ratios``: signal-to-noise ratios that are asked for, reached, and their lengths.

JPEG 2000 beside pylibjpeg-openjpeg with the same `j2k_psnr`, both read by OpenJPEG. Where OpenJPEG falls short of what
is asked for by more than 0.3 dB, the length that counts is that of its shortest codestream that is as good as ours, if
it has one at all.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.openjpeg_peer import decoded, encoded, psnr
from gpucodec.codecs.jpeg2000 import encode_frames, parameters_for
from gpucodec.codecs.options import EncodeOptions
from gpucodec.comparison.environment import environment
from gpucodec.comparison.pictures import from_file, histology_tiles
from gpucodec.dicom.sample_files import sample_file
from gpucodec.frames import FrameBatch, FrameSpec

_RESULTS = Path(__file__).parent / "results"
_FILES = {"CT": "693_UNCR.dcm", "MR": "MR2_UNCI.dcm", "CR": "RG1_UNCI.dcm", "US": "US1_UNCI.dcm"}
_TILES = (0, 33, 66, 99)
_ASKED = range(30, 71, 5)
_MOST_OF_8_BITS = 60
_NEAR = 0.3  # dB
_LONGER = 1.01
_HALVINGS = 7

Frame = np.ndarray[Any, Any]


def _pictures() -> Iterator[tuple[str, Frame, FrameSpec]]:
    for name, file in _FILES.items():
        path = sample_file(file)
        if path is None:
            raise FileNotFoundError(f"{file} was not found; install pydicom-data")
        frame = from_file(path, max_frames=1, max_bytes=1 << 30).frames[0]
        yield from _ways(name, frame)
    tiles = histology_tiles()
    if tiles is None:
        raise ModuleNotFoundError("scikit-image is not installed")
    for number in _TILES:
        yield from _ways(f"tile {number}", tiles[number])


def _ways(name: str, frame: Frame) -> Iterator[tuple[str, Frame, FrameSpec]]:
    """Yield a picture, in colour with and without the colour transform."""
    largest = int(max(frame.max(), -int(frame.min()) - 1))
    bits = largest.bit_length() + (frame.dtype.kind == "i")
    spec = FrameSpec.from_array(frame[None], bits_stored=bits)
    if spec.samples_per_pixel == 1:
        yield name, frame, spec
        return
    for told, suffix in (("YBR_ICT", ", ICT"), ("RGB", "")):
        yield name + suffix, frame, spec.replace(photometric_interpretation=told)


def _openjpeg(frame: Frame, spec: FrameSpec, ratio: float) -> bytes:
    return encoded(frame, spec, signal_noise_ratios=[ratio])


def _reached(codestream: bytes, frame: Frame, spec: FrameSpec) -> float:
    return psnr(frame, decoded(codestream, spec), spec.bits_stored)


def _length_of(frame: Frame, spec: FrameSpec, ratio: float) -> int | None:
    """Return OpenJPEG's length for at least a signal-to-noise ratio."""
    low, high, length = ratio - 3, ratio + 12, None
    for _ in range(_HALVINGS):
        asked = (low + high) / 2
        codestream = _openjpeg(frame, spec, asked)
        if _reached(codestream, frame, spec) >= ratio:
            high, length = asked, min(length or len(codestream), len(codestream))
        else:
            low = asked
    return length


def _row(name: str, frame: Frame, spec: FrameSpec, asked: int) -> dict[str, Any]:
    parameters = parameters_for(spec, EncodeOptions(j2k_psnr=(float(asked),)))
    (ours,) = encode_frames(FrameBatch(frame[None], spec), parameters)
    other = _openjpeg(frame, spec, float(asked))
    reached, others = _reached(ours, frame, spec), _reached(other, frame, spec)
    alike = len(other) if others >= asked - _NEAR else _length_of(frame, spec, reached)
    return {
        "picture": name,
        "asked": asked,
        "reached": reached,
        "length": len(ours),
        "openjpeg_reached": others,
        "openjpeg_length": len(other),
        "openjpeg_length_as_good": alike,
        "is_met": abs(reached - asked) <= _NEAR and (alike is None or len(ours) <= _LONGER * alike),
    }


def main() -> int:
    """Print a row for each picture and ratio, and keep them; 1 if one is missed."""
    rows = []
    for name, frame, spec in _pictures():
        for asked in _ASKED:
            if spec.bits_stored == 8 and asked > _MOST_OF_8_BITS:
                continue
            row = _row(name, frame, spec, asked)
            rows.append(row)
            alike = row["openjpeg_length_as_good"]
            compared = "no such codestream" if alike is None else f"{100 * (row['length'] / alike - 1):+.1f} %"
            print(
                f"{name}, {asked} dB: {row['reached']:.2f} dB, {row['length']} bytes; OpenJPEG "
                f"{row['openjpeg_reached']:.2f} dB, {row['openjpeg_length']} bytes; as good: {compared}"
                f"{'' if row['is_met'] else ' MISSED'}",
                flush=True,
            )
    missed = sum(not row["is_met"] for row in rows)
    print(f"{len(rows)} codestreams, {missed} missed")
    path = _RESULTS / "jpeg2000-ratios.json"
    path.write_text(json.dumps({"environment": environment(), "rows": rows}, indent=1) + "\n")
    print(f"kept in {path}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
