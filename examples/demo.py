"""Transcode real DICOM files to everything that can be encoded here, verify each, and print one table.

    python examples/demo.py [OUTDIR]

The files are a CT, an MR, an RGB, a multi-frame and an already compressed one that ship inside pydicom; nothing is
downloaded. Ends with 0 only if every file was transcoded and verified.
"""

from __future__ import annotations

import shutil
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from pydicom.data import get_testdata_file

import gpucodec
from gpucodec.cli.tables import console, file_line, report_table
from gpucodec.transcoder.report import FileReport

FILES = (
    "CT_small.dcm",  # 16 bits, signed
    "MR_small.dcm",  # 16 bits, signed
    "examples_rgb_color.dcm",  # RGB
    "examples_ybr_color.dcm",  # 30 frames, JPEG Baseline
    "examples_jpeg2k.dcm",  # JPEG 2000 Lossless, with a colour transform
)
# Folder -> what to transcode to, and its options.
TARGETS = {
    "rle": ("rle", {}),
    "jpegls": ("jpegls", {}),
    "jpegls-near": ("jpegls-near", {"jls_error": 2}),
    "j2k": ("j2k", {}),
    "j2k-lossy": ("j2k-lossy", {"j2k_cr": [20, 10]}),
    "htj2k": ("htj2k", {}),
}


def main(folder: Path) -> int:
    """Run the demo and return the exit code."""
    # pydicom warns of values in its own example files that the standard does not allow.
    warnings.filterwarnings("ignore", module=r"pydicom\.")
    source = write_sources(folder / "in")
    prepare()
    files: list[FileReport] = []
    for name, (target, options) in TARGETS.items():
        files += gpucodec.transcode(source, folder / name, target, overwrite=True, **options).files
    out = console()
    out.print(report_table(files))
    for file in files:
        if file.status != "done":
            out.print(file_line(file), markup=False, soft_wrap=True)
    verified = sum(file.verified is True for file in files)
    expected = len(FILES) * len(TARGETS)
    out.print(f"{verified} of {expected} verified; the files are in {folder}", markup=False, soft_wrap=True)
    return 0 if verified == expected else 1


def write_sources(folder: Path) -> Path:
    """Copy the files out of pydicom."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        found = get_testdata_file(name, download=False)
        if not isinstance(found, str):
            raise SystemExit(f"{name} is not among the files of this pydicom")
        shutil.copyfile(found, folder / name)
    return folder


def prepare() -> None:
    """Compile the kernels before anything is timed; they are kept on disk, so only the first run waits."""
    start = time.perf_counter()
    print("Preparing the kernels ...", flush=True)
    frames = np.zeros((1, 8, 8), np.uint16)
    rle = "1.2.840.10008.1.2.5"
    spec = gpucodec.FrameSpec.from_array(frames)
    gpucodec.decode_frames(gpucodec.encode_frames(frames, rle), rle, spec=spec)
    print(f"... took {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/demo")))
