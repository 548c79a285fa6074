"""What a comparison found: one row for each picture, transfer syntax, direction and contender."""

from __future__ import annotations

import dataclasses
import statistics
from dataclasses import dataclass, field
from typing import Any

from gpucodec.codecs.formats import get_format

__all__ = ["Row", "key_of"]


@dataclass(slots=True)
class Row:
    """How one contender did one job.

    Parameters
    ----------
    section : str
        ``"codecs"``, ``"threads"``, ``"frames"``, ``"size"`` or ``"files"``.
    picture, uid, direction, contender : str
        The job: ``"encode"``, ``"decode"`` or, of whole files, ``"transcode"``.
    options : str
        The transfer syntax's options, as text.
    threads, frames, samples : int
        Threads allowed, frames coded at once, and samples of one.
    bits_stored : int
        Bits of a sample that carry its value.
    raw_bytes, encoded_bytes : int
        Bytes of all frames before and after; the latter is 0 where it is not known.
    first_seconds : float
        The first call, compilation and loading included; it is in no median.
    seconds, cpu_seconds : list of float
        The calls after it: time that went by, and processor time of all threads.
    peak_bytes : int or None
        Memory taken at most by any of them.
    verdict : str
        ``"equal"``, ``"within N"``, ``"PSNR N dB"``, or ``"WRONG: ..."``; what was wrong is never fast.
    problem : str
        Why there are no figures: ``"cannot: ..."``, ``"crashed: ..."``, ``"failed: ..."`` or ``"timed out ..."``.
    is_peer : bool
        Whether it is somebody else's work.
    """

    section: str
    picture: str
    uid: str
    direction: str
    contender: str
    options: str = ""
    threads: int = 1
    frames: int = 1
    samples: int = 0
    bits_stored: int = 8
    raw_bytes: int = 0
    encoded_bytes: int = 0
    first_seconds: float = 0.0
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    peak_bytes: int | None = None
    verdict: str = ""
    problem: str = ""
    is_peer: bool = True

    @property
    def syntax(self) -> str:
        """Name of the transfer syntax, with its options."""
        name = get_format(self.uid).name
        return f"{name} ({self.options})" if self.options else name

    @property
    def is_valid(self) -> bool:
        """Whether there are figures, of results that were right."""
        return bool(self.seconds) and not self.problem and not self.verdict.startswith("WRONG")

    @property
    def median(self) -> float:
        """Median of the seconds."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Half the range of the seconds as a part of their median."""
        return (max(self.seconds) - min(self.seconds)) / 2 / self.median if len(self.seconds) > 1 else 0.0

    @property
    def megabytes_per_second(self) -> float:
        """Raw bytes in a second, in millions."""
        return self.raw_bytes / self.median / 1e6

    @property
    def ratio(self) -> float:
        """Raw bytes an encoded byte; 0 where it is not known."""
        return self.raw_bytes / self.encoded_bytes if self.encoded_bytes else 0.0

    @property
    def bits_per_sample(self) -> float:
        """Encoded bits a sample; 0 where it is not known."""
        return self.encoded_bytes * 8 / (self.samples * self.frames) if self.samples else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON, the derived figures of valid rows included."""
        found = dataclasses.asdict(self)
        if self.is_valid:
            found |= {"median": self.median, "megabytes_per_second": self.megabytes_per_second}
        return found

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Row:
        """Return the row of `as_dict`'s result, whatever else a later version wrote."""
        known = {entry.name for entry in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


def key_of(row: Row) -> tuple[Any, ...]:
    """Return what a row must share with another for their figures to be compared."""
    return (
        row.section, row.picture, row.uid, row.options, row.direction, row.contender, row.threads, row.frames,
        row.samples,
    )  # fmt: skip
