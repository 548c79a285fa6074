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
      KernelCompilationError(RuntimeError)   a kernel cannot be compiled for this device, or not started there
      DeviceError(RuntimeError)              work on a GPU failed
        DeviceMemoryError                    it has not the memory
      WorkerError(RuntimeError)              a worker process died or ran out of time
    CodestreamWarning(UserWarning)           the bytes are wrong where the standard lets a decoder carry on
    DeviceWarning(UserWarning)               a GPU failed, others do its work
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = [
    "BackendUnavailableError",
    "CodestreamError",
    "CodestreamWarning",
    "DeviceError",
    "DeviceMemoryError",
    "DeviceWarning",
    "GpucodecError",
    "KernelCompilationError",
    "LimitExceededError",
    "ParameterError",
    "TruncatedCodestreamError",
    "UnsupportedError",
    "VerificationError",
    "WorkerError",
    "at_frame",
    "naming_frame",
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


class KernelCompilationError(GpucodecError, RuntimeError):
    """A kernel cannot be compiled for this device, or not be started there; nothing of the batch has been done."""


class DeviceError(GpucodecError, RuntimeError):
    """Work on a GPU failed; names the GPU, and what its driver said."""


class DeviceMemoryError(DeviceError):
    """A GPU has not the memory that work there needs; less of it at a time may do."""


class WorkerError(GpucodecError, RuntimeError):
    """A worker process died or ran out of time while it worked on a frame."""


class CodestreamWarning(UserWarning):
    """The bytes are wrong where the standard lets a decoder carry on; says what was wrong and where."""


class DeviceWarning(UserWarning):
    """A GPU failed and is not used any more for the job at hand; says which, and why. The others do its work."""


def at_frame(error: GpucodecError, frame: int) -> GpucodecError:
    """Return an error that names the frame it happened in.

    Parameters
    ----------
    error : GpucodecError
        What happened; one that names a frame already stays what it is.
    frame : int
        Index of the frame in its file, from 0.
    """
    if isinstance(error, CodestreamError):
        if error.frame is not None:
            return error
        place = {"offset": error.offset, "segment": error.segment, "marker": error.marker}
        return type(error)(error.message, format=error.format, frame=frame, **place)  # type: ignore[arg-type]
    if isinstance(error, UnsupportedError):
        return UnsupportedError(f"Frame {frame}: {error.what}", error.reasons)
    return type(error)(f"Frame {frame}: {error}")


@contextmanager
def naming_frame(frame: int) -> Iterator[None]:
    """Let the errors that are raised here name the frame.

    Parameters
    ----------
    frame : int
        Index of the frame in its file, from 0.
    """
    try:
        yield
    except GpucodecError as error:
        named = at_frame(error, frame)
        if named is error:
            raise
        raise named from error.__cause__
