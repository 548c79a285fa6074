"""What happened: one `FileReport` a file and a `Report` of the run, both ready for JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["FileReport", "Report"]


@dataclass(slots=True)
class FileReport:
    """What happened to one file.

    Parameters
    ----------
    source, destination : str
        Paths; `destination` is empty where none was planned.
    status : str
        ``"done"``, ``"failed"``, or ``"skipped"`` for what was never meant to be transcoded.
    frames : int
        Number of frames.
    from_uid, from_name, to_uid, to_name : str
        Transfer syntaxes.
    raw_bytes : int
        Bytes of all frames, uncompressed.
    bytes_in, bytes_out : int
        Bytes of the encoded frames in source and destination.
    seconds : dict of str to float
        Time spent to ``"read"`` (with decoding), ``"encode"``, ``"write"`` and ``"verify"``. Batches are read, encoded
        and written at once, so these may add up to more than `elapsed`.
    elapsed : float
        Seconds that the file took as a whole.
    backend, codec : str
        What encoded; both empty when nothing had to be encoded.
    rejected : dict of str to list of str
        The backends that would have been preferred, each with the reasons why it could not do it.
    device_failures : list of str
        The GPUs that failed on the way, each with what happened; others did their work.
    verified : bool or str
        Whether what was written was decoded again and found equal, within the allowed error, or, where
        the caller asked for a ratio or a PSNR, like the source; ``"skipped"`` when that was not asked for.
    max_abs_error : int or None
        Largest absolute difference of a sample, once verified.
    psnr : float or None
        Peak signal-to-noise ratio in dB over all frames, None where the frames are equal.
    error, error_type : str
        Why it failed or was skipped, in one line, and the class of the exception.
    traceback : str
        Where an error came from, for those who ask.
    """

    source: str
    destination: str = ""
    status: str = "done"
    frames: int = 0
    from_uid: str = ""
    from_name: str = ""
    to_uid: str = ""
    to_name: str = ""
    raw_bytes: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    elapsed: float = 0.0
    backend: str = ""
    codec: str = ""
    rejected: dict[str, list[str]] = field(default_factory=dict)
    device_failures: list[str] = field(default_factory=list)
    verified: bool | str = False
    max_abs_error: int | None = None
    psnr: float | None = None
    error: str = ""
    error_type: str = ""
    traceback: str = ""

    @property
    def ratio(self) -> float:
        """Uncompressed size over encoded size, 0 if nothing was written."""
        return self.raw_bytes / self.bytes_out if self.bytes_out else 0.0

    @property
    def megabytes_per_second(self) -> float:
        """Uncompressed MB (10**6 bytes) a second, of the whole way from reading to verifying."""
        return self.raw_bytes / 1e6 / self.elapsed if self.elapsed else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        plain = dataclasses.asdict(self)
        del plain["traceback"]
        plain["seconds"] = {name: round(value, 6) for name, value in self.seconds.items()}
        plain["elapsed"] = round(self.elapsed, 6)
        return plain | {"ratio": round(self.ratio, 4), "megabytes_per_second": round(self.megabytes_per_second, 3)}


@dataclass(slots=True)
class Report:
    """What happened in a run.

    Parameters
    ----------
    to_uid, to_name : str
        The transfer syntax transcoded to.
    files : list of FileReport
        One for each file that was found, in the order of the plan.
    seconds : float
        Wall time of the run.
    """

    to_uid: str
    to_name: str
    files: list[FileReport] = field(default_factory=list)
    seconds: float = 0.0

    def with_status(self, status: str) -> list[FileReport]:
        """Return the files with a status: ``"done"``, ``"failed"`` or ``"skipped"``."""
        return [file for file in self.files if file.status == status]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.with_status("failed")

    @property
    def totals(self) -> dict[str, Any]:
        """Counts, bytes, ratio and throughput over the files that are done."""
        done = self.with_status("done")
        raw = sum(file.raw_bytes for file in done)
        bytes_out = sum(file.bytes_out for file in done)
        return {
            "done": len(done),
            "failed": len(self.with_status("failed")),
            "skipped": len(self.with_status("skipped")),
            "verified": sum(file.verified is True for file in done),
            "frames": sum(file.frames for file in done),
            "raw_bytes": raw,
            "bytes_in": sum(file.bytes_in for file in done),
            "bytes_out": bytes_out,
            "ratio": round(raw / bytes_out, 4) if bytes_out else 0.0,
            "seconds": round(self.seconds, 6),
            "megabytes_per_second": round(raw / 1e6 / self.seconds, 3) if self.seconds else 0.0,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data: ``to_uid``, ``to_name``, ``totals`` and ``files``."""
        files = [file.to_dict() for file in self.files]
        return {"to_uid": self.to_uid, "to_name": self.to_name, "totals": self.totals, "files": files}

    def write_json(self, path: Path) -> None:
        """Write `to_dict` as JSON."""
        path.write_text(json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
