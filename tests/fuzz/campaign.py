"""One mutated file after the other: transcoded in one process, compared by pydicom's plugins in another."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gpucodec import errors
from tests.fuzz.child import Child, ChildError
from tests.fuzz.sources import sources
from tests.interop.reference_files import other_plugin
from tests.mutation import mutated

__all__ = ["SECONDS", "Summary", "run"]

# A library may take 60 s for its frames before its worker is ended; reading, writing and verifying come on top.
SECONDS = 180.0
_ORACLE_SECONDS = 60.0
_ORACLE_MEMORY = 8 << 30  # pydicom believes any claim of a header

TARGETS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("explicit", {}),
    ("rle", {}),
    ("jpegls", {}),
    ("j2k", {}),
    ("jpegls-near", {"jls_error": 2}),
    ("j2k-lossy", {"j2k_cr": [8.0]}),
)
# What a file may fail with: every error that gpucodec raises on purpose.
_ALLOWED = {name for name in errors.__all__ if name != "BackendUnavailableError"}


@dataclass
class Summary:
    """What a campaign found.

    Parameters
    ----------
    files : int
        How many files were transcoded.
    syntaxes : Counter
        Files of each Transfer Syntax UID.
    outcomes : Counter
        ``"done"`` and the types of the errors.
    compared : Counter
        For files reported verified: ``"equal"`` or ``"within"`` for what pydicom's plugins read too, and how many
        sources pydicom refuses.
    violations : list of str
        What must not be, with where the file is kept.
    peak_megabytes : float
        The most memory that the transcoding process has had.
    """

    files: int = 0
    syntaxes: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    compared: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    peak_megabytes: float = 0.0


def run(num_files: int, seed: int, kept: Path) -> Iterator[Summary]:
    """Transcode mutated files, and yield the summary after each.

    Parameters
    ----------
    num_files : int
        How many.
    seed : int
        Of file `k` the random numbers depend on `seed` and `k` alone, so that each can be made again.
    kept : pathlib.Path
        Folder for the files that something is wrong with.
    """
    summary, real = Summary(), sources()
    start = int(np.random.default_rng(seed).integers(len(real)))
    with (
        tempfile.TemporaryDirectory() as folder,
        Child(SECONDS) as coder,
        Child(_ORACLE_SECONDS, _ORACLE_MEMORY) as reader,
    ):
        for index in range(num_files):
            rng = np.random.default_rng([seed, index])
            name, uid, content = real[(start + index) % len(real)]
            damaged, what = mutated(content, rng)
            source = Path(folder) / f"{seed}-{index}-{name}"
            source.write_bytes(damaged)
            target, options = TARGETS[rng.integers(len(TARGETS))]
            summary.files += 1
            summary.syntaxes[uid] += 1
            wrong = _check(source, target, options, coder, reader, summary)
            if wrong:
                kept.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, kept / source.name)
                summary.violations.append(f"{kept / source.name} ({what}) to {target}: {wrong}")
            source.unlink()
            yield summary


def _check(source: Path, target: str, options: dict[str, Any], coder: Child, reader: Child, summary: Summary) -> str:
    """Return what is wrong, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "out.dcm"
        try:
            report, peak = coder(_transcode, str(source), str(written), target, options)
        except ChildError as error:
            summary.outcomes["crash, hang or exception"] += 1
            return str(error)
        summary.peak_megabytes = max(summary.peak_megabytes, peak)
        summary.outcomes[report["error_type"] or report["status"]] += 1
        there = sorted(path.name for path in Path(folder).iterdir())
        if report["status"] != "done":
            if report["error_type"] not in _ALLOWED:
                return f"failed with {report['error']}"
            return f"failed with {report['error']} and left {there}" if there else ""
        if there != [written.name] or report["verified"] is not True:
            return f"done, verified is {report['verified']!r}, and {there} is there"
        return _compare(source, written, report["max_abs_error"], reader, summary)


def _compare(source: Path, written: Path, max_abs_error: int, reader: Child, summary: Summary) -> str:
    try:
        reader(_load, str(source))
    except ChildError:
        summary.compared["pydicom cannot read the source"] += 1
        return ""
    try:
        kind, wrong = reader(_difference, str(written), max_abs_error)
    except ChildError as error:
        kind, wrong = "different", f"pydicom cannot read what was written: {error}"
    summary.compared[kind] += 1
    return wrong


def _transcode(source: str, written: str, target: str, options: dict[str, Any]) -> tuple[dict[str, Any], float]:
    import resource

    import gpucodec

    (file,) = gpucodec.transcode(source, written, target, workers=1, **options).files
    return file.to_dict(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


_loaded: list[np.ndarray] = []


def _load(path: str) -> None:
    """Keep what pydicom's own plugins decode from the source.

    The bytes of a damaged JPEG 2000 codeblock mean nothing, and decoders make different things of them: of such a
    source it is kept what gpucodec decodes, and what is held to it is that the result is what was read.
    """
    _loaded[:] = [_pixels(path, of_source=True)]


def _difference(path: str, max_abs_error: int) -> tuple[str, str]:
    """Compare what pydicom's own plugins decode from what was written with what was kept."""
    expected, actual = _loaded[0], _pixels(path)
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        return "different", f"{actual.dtype}{actual.shape} was written, pydicom reads {expected.dtype}{expected.shape}"
    largest = max(
        (int(np.abs(one.astype(np.int64) - other).max()) for one, other in zip(expected, actual, strict=True)),
        default=0,
    )
    if largest != max_abs_error:
        return "different", f"samples differ by up to {largest}, reported was {max_abs_error}"
    return ("within the reported error" if largest else "equal"), ""


def _pixels(path: str, *, of_source: bool = False) -> np.ndarray:
    from pydicom import dcmread
    from pydicom.pixels import pixel_array

    import gpucodec
    from gpucodec.codecs.formats import FORMATS, Family

    ds = dcmread(path)
    uid = ds.file_meta.TransferSyntaxUID
    plugin = other_plugin(uid) if uid.is_compressed else ""
    if of_source and uid.is_compressed and FORMATS[uid].family in (Family.JPEG_2000, Family.HTJ2K):
        gpucodec.register()
        plugin = "gpucodec"
    found = pixel_array(ds, raw=True, decoding_plugin=plugin)
    return found.astype(found.dtype.newbyteorder("="), copy=False)
