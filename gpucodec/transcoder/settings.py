"""What a run was asked to do with every file, and how it tells of its progress."""

from __future__ import annotations

from dataclasses import dataclass

from gpucodec.codecs.options import EncodeOptions
from gpucodec.transcoder.batcher import DEFAULT_MAX_MEMORY
from gpucodec.transcoder.plan import Plan
from gpucodec.transcoder.report import FileReport

__all__ = ["Listener", "Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What to do with each file.

    Parameters
    ----------
    uid : str
        The Transfer Syntax UID to transcode to.
    options : EncodeOptions
        Checked options of the encoder.
    backend : str
        ``"auto"`` or the name of the backend that must encode. Sources are decoded by the best one in any case.
    verify : bool
        Whether to decode what was written and compare it with the source before it gets its name.
    overwrite : bool
        Whether an existing destination is replaced.
    generate_instance_uid : bool
        Whether a file gets a new SOP Instance UID when it is compressed.
    encapsulate_ext : bool
        Whether an extended offset table is written although the basic one would do.
    max_memory : int
        Bytes that one file may use while it is worked on.
    """

    uid: str
    options: EncodeOptions
    backend: str = "auto"
    verify: bool = True
    overwrite: bool = False
    generate_instance_uid: bool = True
    encapsulate_ext: bool = False
    max_memory: int = DEFAULT_MAX_MEMORY


class Listener:
    """Hears of the progress of a run; this one does nothing with it."""

    def started(self, plan: Plan) -> None:
        """Hear that the files are known; called once, first."""

    def advanced(self, source_bytes: float, raw_bytes: int) -> None:
        """Hear that some work is done; called on any thread.

        Parameters
        ----------
        source_bytes : float
            The share of the source files' sizes that this was; over a run they add up to all of them.
        raw_bytes : int
            Uncompressed bytes that went through the encoder.
        """

    def finished(self, report: FileReport) -> None:
        """Hear that a file is done, failed or skipped."""
