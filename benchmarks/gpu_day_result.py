"""What a step of the first hour on a GPU is asked for, and what it answers."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["NOT_MEASURED", "Check", "Day", "Result"]

NOT_MEASURED = "not measured (simulator)"


@dataclass(frozen=True)
class Day:
    """What all steps are asked.

    Parameters
    ----------
    backend : str
        ``"cuda"``, ``"simulator"``, or ``"cpu"``, which compares the CPU with itself.
    folder : Path
        Where results go.
    quick : bool
        Whether tiny frames do.
    box : float
        Seconds after which a step that has several things to do begins no other one.
    """

    backend: str
    folder: Path
    quick: bool = False
    box: float = 600.0
    begin: float = field(default_factory=time.monotonic, compare=False)

    @property
    def on_gpu(self) -> bool:
        """Whether there is a clock to measure with."""
        return self.backend == "cuda"

    @property
    def is_over(self) -> bool:
        """Whether the step's time is up."""
        return time.monotonic() - self.begin > self.box


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    name : str
        What.
    passed : bool
        Whether it is as it should be.
    detail : str
        What was found.
    """

    name: str
    passed: bool
    detail: str = ""


@dataclass
class Result:
    """What came of a step.

    Parameters
    ----------
    status : str
        ``"passed"``, ``"failed"``, ``"skipped"``, ``"crashed"`` or ``"timed out"``.
    checks : list of Check
        What was looked at.
    notes : list of str
        What a reader must know, such as why it was skipped.
    data : dict
        Figures, as JSON has them.
    seconds : float
        How long it took.
    """

    status: str = "passed"
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def of(cls, checks: list[Check], notes: list[str] | None = None, **data: Any) -> Result:
        """Return the result of checks: failed if one is, and if there is none."""
        passed = bool(checks) and all(check.passed for check in checks)
        return cls("passed" if passed else "failed", checks, notes or ([] if checks else ["nothing was checked"]), data)

    @classmethod
    def skipped(cls, reason: str) -> Result:
        """Return the result of a step that cannot be done here."""
        return cls("skipped", notes=[reason])

    @property
    def is_bad(self) -> bool:
        """Whether the day has failed with it."""
        return self.status not in ("passed", "skipped")

    @property
    def failures(self) -> list[Check]:
        """The checks that failed."""
        return [check for check in self.checks if not check.passed]

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Result:
        """Return what `write` wrote."""
        values = json.loads(path.read_text(encoding="utf-8"))
        values["checks"] = [Check(**check) for check in values["checks"]]
        return cls(**values)
