"""Whole files: the commands that people transcode with, each a process, from reading the file to having written it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpucodec.codecs.formats import Family, get_format
from gpucodec.comparison.measuring import Cost, peak_memory
from gpucodec.comparison.pictures import Picture
from gpucodec.comparison.rows import Row
from gpucodec.dicom.reader import FrameReader, FrameSource
from gpucodec.errors import GpucodecError
from gpucodec.transcoder.differences import difference

__all__ = ["FileTool", "compare_files", "file_tools"]

_POLL_SECONDS = 0.002
_LOOK_SECONDS = 0.025


@dataclass(frozen=True, slots=True)
class FileTool:
    """A command that transcodes a file.

    Parameters
    ----------
    name : str
        As tables name it.
    command : tuple of str
        Its words, with ``{source}`` and ``{destination}``.
    is_peer : bool
        Whether it is somebody else's.
    """

    name: str
    command: tuple[str, ...]
    is_peer: bool = True


def file_tools(uid: str) -> list[FileTool]:
    """Return the commands found here that write a lossless transfer syntax."""
    from gpucodec.dicom.pydicom_loop import plugins

    family = get_format(uid).family
    ours = ("transcode", "{source}", "{destination}", "--to", uid, "--keep-uid", "--overwrite")
    tools = [
        FileTool("gpucodec transcode", (sys.executable, "-m", "gpucodec.cli.app", *ours), is_peer=False),
        FileTool(
            "gpucodec transcode --no-verify",
            (sys.executable, "-m", "gpucodec.cli.app", *ours, "--no-verify"),
            is_peer=False,
        ),
    ]
    loop = (sys.executable, "-m", "gpucodec.dicom.pydicom_loop", "{source}", "{destination}", uid)
    tools += [FileTool(f"pydicom loop: {name}", (*loop, name)) for name in plugins(uid, encoding=True)]
    for program, flags in _PROGRAMS.get(family, ()):
        if path := shutil.which(program):
            tools.append(FileTool(program, (path, *flags, "{source}", "{destination}")))
    return tools


# Family -> programs and what makes them write it, lossless.
_PROGRAMS: dict[Family, tuple[tuple[str, tuple[str, ...]], ...]] = {
    Family.RLE: (("dcmcrle", ()), ("gdcmconv", ("--rle",))),
    Family.JPEG_LS: (("dcmcjpls", ()), ("gdcmconv", ("--jpegls",))),
    Family.JPEG_2000: (("gdcmconv", ("--j2k",)),),
}


def compare_files(
    picture: Picture, uid: str, folder: Path, rounds: int, patience: float, said: Callable[[str], None]
) -> Iterator[Row]:
    """Yield a row for each command that transcodes a picture's file.

    Parameters
    ----------
    picture : Picture
        What to transcode.
    uid : str
        A lossless transfer syntax.
    folder : Path
        Where results may be written.
    rounds : int
        How often each runs after its first time.
    patience : float
        Seconds after which it counts as hung.
    said : callable
        Told what is being done.
    """
    source = _file_of(picture, folder)
    expected = _all_frames(source)
    rows = [(tool, _row(picture, uid, tool, expected)) for tool in file_tools(uid)]
    for number in range(rounds + 1):
        for tool, row in rows:
            if row.problem or row.verdict.startswith("WRONG"):
                continue
            said(f"{row.picture}: {row.syntax}, whole file, {tool.name}")
            destination = folder / f"{number}.dcm"
            try:
                cost = _run(tool, source, destination, patience)
                if number == 0:
                    row.first_seconds = cost.seconds
                    row.verdict, row.encoded_bytes = _judged(destination, uid, expected)
                else:
                    row.seconds.append(cost.seconds)
                    row.cpu_seconds.append(cost.cpu_seconds)
                    row.peak_bytes = max(row.peak_bytes or 0, cost.peak_bytes or 0)
            except _ToolFailedError as error:
                row.problem = str(error)
            finally:
                destination.unlink(missing_ok=True)
    yield from (row for _, row in rows)


class _ToolFailedError(Exception):
    """A command failed; the message says how."""


def _run(tool: FileTool, source: Path, destination: Path, patience: float) -> Cost:
    words = [word.format(source=source, destination=destination) for word in tool.command]
    # A file takes whatever a command has to say; a pipe that nobody reads would stop it.
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=said)
        try:
            cpu_seconds, peak_bytes = _waited(process, patience)
        except subprocess.TimeoutExpired:
            raise _ToolFailedError(f"timed out after {patience:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
        seconds = time.perf_counter() - start
        said.seek(0)
        last = said.read().decode(errors="replace").strip().splitlines()[-1:]
    if process.returncode < 0:
        raise _ToolFailedError(f"crashed: {signal.Signals(-process.returncode).name}")
    if process.returncode or not destination.exists():
        raise _ToolFailedError(f"failed with {process.returncode}: {' '.join(last)}")
    return Cost(seconds, cpu_seconds, peak_bytes)


def _waited(process: subprocess.Popen[bytes], patience: float) -> tuple[float, int | None]:
    """Wait for a process; return its processor seconds and its largest memory, where the system tells.

    What the system keeps of an ended process's memory counts the moment before the program was loaded, too, so its
    peak is looked at while it runs.
    """
    if not hasattr(os, "wait4"):
        process.wait(patience)
        return 0.0, None
    deadline = time.monotonic() + patience
    peak, look_again = 0, 0.0
    while True:
        if time.monotonic() >= look_again:  # rarely: looking takes time that the process is measured in
            peak = max(peak, peak_memory(process.pid))
            look_again = time.monotonic() + _LOOK_SECONDS
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage.ru_utime + usage.ru_stime, peak or None
        if time.monotonic() > deadline:
            raise subprocess.TimeoutExpired(process.args, patience)
        time.sleep(_POLL_SECONDS)


def _file_of(picture: Picture, folder: Path) -> Path:
    """Return the picture's file; a series that was made of one frame is written to one."""
    if picture.is_file:
        return Path(picture.origin)
    from gpucodec.dicom.pydicom_loop import dataset_of

    path = folder / "source.dcm"
    dataset_of(picture.frames, picture.spec).save_as(path, enforce_file_format=True)
    return path


def _all_frames(path: Path) -> tuple[np.ndarray[Any, Any], Any]:
    with FrameReader(path) as reader:
        source = FrameSource(reader, isolate=True)
        return np.concatenate([batch.frames for batch in source.iter_batches(16)]), source.spec


def _row(picture: Picture, uid: str, tool: FileTool, expected: tuple[np.ndarray[Any, Any], Any]) -> Row:
    frames, spec = expected
    return Row(
        "files",
        picture.name,
        uid,
        "transcode",
        tool.name,
        frames=len(frames),
        samples=spec.num_samples,
        bits_stored=spec.bits_stored,
        raw_bytes=frames.nbytes,
        is_peer=tool.is_peer,
    )


def _judged(path: Path, uid: str, expected: tuple[np.ndarray[Any, Any], Any]) -> tuple[str, int]:
    """Return whether a written file holds the same samples in the transfer syntax asked for, and its encoded bytes."""
    try:
        with FrameReader(path) as reader:
            if reader.transfer_syntax_uid != uid:
                return f"WRONG: its transfer syntax is {reader.transfer_syntax_uid}", reader.encoded_num_bytes
            frames, _ = _all_frames(path)
            encoded = reader.encoded_num_bytes
    except (GpucodecError, OSError) as error:
        return f"WRONG: cannot be read: {error}", 0
    if frames.shape != expected[0].shape:
        return f"WRONG: shape {frames.shape} instead of {expected[0].shape}", encoded
    found = difference(expected[0], frames)
    return (f"WRONG: samples differ by up to {found.largest}" if found.largest else "equal"), encoded
