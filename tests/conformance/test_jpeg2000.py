"""The conformance set of ISO/IEC 15444-4: decoded codestreams against its reference images, within its limits."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import gpucodec
from tests.conformance_data import ROOT, present

_SET = ROOT / "j2k-conformance"
_PGX_HEADER = re.compile(rb"PG (ML|LM) ?([+-]?) ?(\d+) (\d+) (\d+)\n")


@dataclass(frozen=True)
class Case:
    """One comparison: a component of a codestream, decoded without the highest resolution levels."""

    codestream: str
    reduce: int
    component: int
    reference: str
    max_abs_error: float
    max_mse: float


def cases(prefixes: str | tuple[str, ...]) -> list[Case]:
    """Return the comparisons of the codestreams whose names begin so."""
    if not _SET.is_dir():
        return []
    with (_SET / "cases.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["codestream"].startswith(prefixes)]
    return [
        Case(
            row["codestream"],
            int(row["reduce"]),
            int(row["component"]),
            row["reference"],
            float(row["max_abs_error"]),
            float(row["max_mse"]),
        )
        for row in rows
    ]


def read_pgx(path: Path) -> np.ndarray:
    """Return the samples of a PGX file, ISO/IEC 15444-4 Annex A."""
    content = path.read_bytes()
    header = _PGX_HEADER.match(content)
    assert header, path.name
    order, sign, depth, columns, rows = header.groups()
    kind = "i" if sign == b"-" else "u"
    dtype = f"{'>' if order == b'ML' else '<'}{kind}{1 if int(depth) <= 8 else 2}"
    return np.frombuffer(content, dtype, int(rows) * int(columns), header.end()).reshape(int(rows), int(columns))


@pytest.fixture(scope="module")
def folder() -> Path:
    return present("j2k-conformance")


def test_all_comparisons_of_part_1_are_here(folder):
    found = cases("p")
    assert len(found) == 45
    assert {case.codestream for case in found} == {path.name for path in folder.glob("p*.j2k")}


def test_all_comparisons_of_part_15_are_here(folder):
    found = cases(("ds", "hifi"))
    assert len(found) == 79
    assert {case.codestream for case in found} <= {path.name for path in folder.glob("ds*.j2k")}
    assert len({case.codestream for case in found}) == 33


@pytest.mark.parametrize("case", cases(("p", "ds", "hifi")), ids=lambda case: f"{case.codestream}-{case.component}")
def test_everything_decodes_within_both_limits(folder, case):
    codestream = (folder / case.codestream).read_bytes()
    decoded = gpucodec.decode_components(codestream, reduce=case.reduce, backend="cpu")[case.component]
    reference = read_pgx(folder / "references" / case.reference)
    assert decoded.shape == reference.shape
    error = np.abs(decoded.astype(np.int64) - reference)
    assert error.max() <= case.max_abs_error
    assert np.mean(error.astype(float) ** 2) <= case.max_mse
