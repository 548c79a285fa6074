"""The exceptions of gpucodec.

::

    GpucodecError
      CodestreamError(ValueError)            the bytes are wrong
        TruncatedCodestreamError             they end too soon
      UnsupportedError(NotImplementedError)  legal, but no backend here does it
      ParameterError(ValueError)             the caller is wrong
      LimitExceededError(ValueError)         refused before allocating
      VerificationError                      what was written does not decode to what was read
      BackendUnavailableError(RuntimeError)  asked for by name, not usable here
      WorkerError(RuntimeError)              a worker process died or ran out of time
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "BackendUnavailableError",
    "CodestreamError",
    "GpucodecError",
    "LimitExceededError",
    "ParameterError",
    "TruncatedCodestreamError",
    "UnsupportedError",
    "VerificationError",
    "WorkerError",
]


class GpucodecError(Exception):
    """Base of every error that gpucodec raises on purpose."""


class CodestreamError(GpucodecError, ValueError):
    """The bytes to be decoded are wrong.

    Parameters
    ----------
    message : str
        What is wrong, without the place.
    format : str, optional
        The format being decoded, such as ``"RLE"``.
    frame : int, optional
        Index of the frame in its file or batch, from 0.
    offset : int, optional
        Byte offset in the frame's codestream where the fault was found.
    segment : int, optional
        Index of the RLE segment, from 0.
    marker : str, optional
        Name of the marker segment, such as ``"SIZ"``.
    """

    def __init__(
        self,
        message: str,
        *,
        format: str = "",  # noqa: A002 - the word of the field, and an attribute of the error
        frame: int | None = None,
        offset: int | None = None,
        segment: int | None = None,
        marker: str = "",
    ) -> None:
        self.message = message
        self.format = format
        self.frame = frame
        self.offset = offset
        self.segment = segment
        self.marker = marker
        super().__init__(self._text())

    def _text(self) -> str:
        named = (("frame", self.frame), ("segment", self.segment), ("offset", self.offset), ("marker", self.marker))
        place = ", ".join(f"{name} {value}" for name, value in named if value not in (None, ""))
        head = f"{self.format}: " if self.format else ""
        return f"{head}{self.message} ({place})" if place else f"{head}{self.message}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by keyword, so that the place survives the way back from a worker process."""
        place = {name: getattr(self, name) for name in ("format", "frame", "offset", "segment", "marker")}
        return _rebuild, (type(self), self.message, place)


def _rebuild(cls: type[CodestreamError], message: str, place: dict[str, Any]) -> CodestreamError:
    return cls(message, **place)


class TruncatedCodestreamError(CodestreamError):
    """The codestream ends before its content does."""


class UnsupportedError(GpucodecError, NotImplementedError):
    """Legal, but no backend that is usable here does it.

    Parameters
    ----------
    what : str
        What was asked for.
    reasons : mapping of str to sequence of str, optional
        For each backend that was considered, why it cannot take the job.
    """

    def __init__(self, what: str, reasons: Mapping[str, Sequence[str]] | None = None) -> None:
        self.what = what
        self.reasons = {name: list(why) for name, why in (reasons or {}).items()}
        lines = [f"  {name}: {'; '.join(why)}" for name, why in self.reasons.items()]
        super().__init__("\n".join([what, *lines]))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.what, self.reasons)


class ParameterError(GpucodecError, ValueError):
    """The caller asked for something that is not allowed: what, its value, what is allowed."""


class LimitExceededError(GpucodecError, ValueError):
    """Refused before allocating: the claim is above the caller's limit."""


class VerificationError(GpucodecError):
    """What was written does not decode to what was read; nothing was replaced."""


class BackendUnavailableError(GpucodecError, RuntimeError):
    """A backend was asked for by name and cannot be used here; says what to install."""


class WorkerError(GpucodecError, RuntimeError):
    """A worker process died or ran out of time while it worked on a frame."""
