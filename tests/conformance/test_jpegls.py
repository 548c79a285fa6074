"""The conformance set of ITU-T T.87 Annex E: every codestream against its source, and the sources against it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from gpucodec.backends import executor
from gpucodec.codecs.jpegls_decoding import decode_components
from gpucodec.codecs.jpegls_scans import Scans, scan_geometry
from gpucodec.codestream.jpegls import InterleaveMode, Preset, read_codestream
from tests.conformance_data import present

RGB = ("test8.ppm",)
SUBSAMPLED = ("test8r.pgm", "test8gr4.pgm", "test8bs2.pgm")


@dataclass(frozen=True)
class Case:
    """A codestream of the set: its sources and the parameters that Annex E names."""

    name: str
    sources: tuple[str, ...]
    near: int
    interleave: InterleaveMode
    thresholds: tuple[int, int, int]


CASES = [
    Case("t8c0e0", RGB, 0, InterleaveMode.NONE, (3, 7, 21)),
    Case("t8c0e3", RGB, 3, InterleaveMode.NONE, (12, 22, 42)),
    Case("t8c1e0", RGB, 0, InterleaveMode.LINE, (3, 7, 21)),
    Case("t8c1e3", RGB, 3, InterleaveMode.LINE, (12, 22, 42)),
    Case("t8c2e0", RGB, 0, InterleaveMode.SAMPLE, (3, 7, 21)),
    Case("t8c2e3", RGB, 3, InterleaveMode.SAMPLE, (12, 22, 42)),
    Case("t8nde0", ("test8bs2.pgm",), 0, InterleaveMode.NONE, (9, 9, 9)),
    Case("t8nde3", ("test8bs2.pgm",), 3, InterleaveMode.NONE, (9, 9, 9)),
    Case("t8sse0", SUBSAMPLED, 0, InterleaveMode.LINE, (3, 7, 21)),
    Case("t8sse3", SUBSAMPLED, 3, InterleaveMode.LINE, (12, 22, 42)),
    Case("t16e0", ("test16.pgm",), 0, InterleaveMode.NONE, (18, 67, 276)),
    Case("t16e3", ("test16.pgm",), 3, InterleaveMode.NONE, (27, 82, 297)),
]


@pytest.fixture(scope="module")
def folder() -> Path:
    return present("jpegls-conformance")


def read_netpbm(path: Path) -> list[np.ndarray]:
    """Return the components of a PGM or PPM file."""
    kind, columns, rows, largest = path.read_bytes().split(maxsplit=4)[:4]
    components = {b"P5": 1, b"P6": 3}[kind]
    dtype = ">u2" if int(largest) > 255 else "u1"
    size = int(rows) * int(columns) * components * np.dtype(dtype).itemsize
    # split() also eats samples that look like white space after the header's last
    raw = path.read_bytes()[-size:]
    samples = np.frombuffer(raw, dtype).reshape(int(rows), int(columns), components)
    return [samples[..., k].astype(samples.dtype.newbyteorder("=")) for k in range(components)]


def sources(folder: Path, case: Case) -> list[np.ndarray]:
    return [component for name in case.sources for component in read_netpbm(folder / name)]


def test_every_codestream_has_a_case(folder):
    assert {path.stem for path in folder.glob("*.jls")} == {case.name for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_headers_say_what_annex_e_says(folder, case):
    found = read_codestream((folder / f"{case.name}.jls").read_bytes())
    for scan in found.scans:
        assert scan.near == case.near
        assert scan.preset == Preset((1 << found.precision) - 1, case.thresholds, 31 if "nde" in case.name else 64)
        assert scan.interleave_mode is case.interleave
    assert found.is_subsampled == ("sse" in case.name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_decoded_samples_are_the_sources(folder, case):
    decoded = decode_components((folder / f"{case.name}.jls").read_bytes(), executor("cpu"))
    for ours, source in zip(decoded, sources(folder, case), strict=True):
        assert ours.shape == source.shape
        assert np.abs(ours.astype(int) - source).max() == case.near


def test_the_decoded_image_of_the_set(folder):
    (ours,) = decode_components((folder / "t16e3.jls").read_bytes(), executor("cpu"))
    (theirs,) = read_netpbm(folder / "t16e3.pgm")
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_encoded_sources_are_the_entropy_coded_data(folder, case):
    codestream = (folder / f"{case.name}.jls").read_bytes()
    description = read_codestream(codestream)
    where = executor("cpu")
    components = sources(folder, case)
    samples = np.concatenate([component.reshape(-1) for component in components])
    if case.interleave is InterleaveMode.SAMPLE:
        samples = np.stack(components, axis=-1).reshape(-1)
    begins = np.cumsum([0, *(component.size for component in components)])
    for scan in description.scans:
        planes = [(int(begins[k]), components[k].shape[1], 1) for k in scan.components]
        if case.interleave is InterleaveMode.SAMPLE:
            planes = [(k, 3 * components[k].shape[1], 3) for k in scan.components]
        scans = Scans(scan_geometry(description, scan, planes, 0), scan.preset, scan.near, samples.itemsize)
        slots, lengths, status = scans.encode(where, samples, np.array([planes[0][0]]), worst=False)
        assert status[0] == 0
        ((start, end),) = scan.intervals
        assert slots[: lengths[0]].tobytes() == codestream[start:end]
