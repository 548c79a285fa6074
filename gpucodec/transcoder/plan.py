"""What will be read and where it will be written, decided before anything is opened.

The rules are those of ``cp``:

* One file goes to the destination itself, or into it if it is a folder (or ends in a slash).
* One folder is mirrored: ``SOURCE/a/b.dcm`` becomes ``DESTINATION/a/b.dcm``.
* Of several sources, files go into the destination and folders keep their names below it.
* Symbolic links to files are followed. In a folder, linked folders are not (they may lead in circles), nor is
  anything read that is not a regular file.
* In a folder, hidden files and folders and DICOMDIR are skipped, and so is the destination if it lies inside.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpucodec.errors import ParameterError

__all__ = ["Plan", "Task", "make_plan"]


@dataclass(frozen=True, slots=True)
class Task:
    """One file to be transcoded.

    Parameters
    ----------
    source, destination : pathlib.Path
        What to read and what to write.
    num_bytes : int
        Size of the source.
    """

    source: Path
    destination: Path
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do.

    Parameters
    ----------
    tasks : tuple of Task
        The files to be transcoded, in a fixed order.
    skipped : tuple of (pathlib.Path, str)
        What was found and will not be read, with the reason.
    unreadable : tuple of (pathlib.Path, str)
        Folders that could not be listed and files that could not be looked at: these are failures.
    """

    tasks: tuple[Task, ...]
    skipped: tuple[tuple[Path, str], ...] = ()
    unreadable: tuple[tuple[Path, str], ...] = ()


def make_plan(sources: Sequence[Path], destination: Path, *, into_folder: bool = False) -> Plan:
    """Find the files of the sources and give each its destination.

    Parameters
    ----------
    sources : sequence of pathlib.Path
        Files and folders.
    destination : pathlib.Path
        A folder, which need not exist; or, for one file alone, a file.
    into_folder : bool
        Whether the destination is meant as a folder although it does not exist (it was given with a slash).

    Raises
    ------
    ParameterError
        If a source does not exist or is no file or folder, if the destination is a file where a folder is
        needed, if two sources would get one destination, or one would be overwritten before it is read.
    """
    if not sources:
        raise ParameterError("Nothing to transcode: give at least one file or folder")
    for source in sources:
        if not source.is_file() and not source.is_dir():
            wrong = "it is neither a file nor a folder" if source.exists() else "there is no such file or folder"
            raise ParameterError(f"Cannot read '{source}': {wrong}")
    finder = _Finder(destination)
    if len(sources) == 1 and sources[0].is_file() and not (destination.is_dir() or into_folder):
        finder.add_file(sources[0], destination)
    else:
        if destination.exists() and not destination.is_dir():
            raise ParameterError(f"The destination '{destination}' is a file, it must be a folder for these sources")
        for source in sources:
            finder.add(source, destination, keep_name=len(sources) > 1)
    _check_destinations(finder.tasks)
    return Plan(tuple(finder.tasks), tuple(finder.skipped), tuple(finder.unreadable))


class _Finder:
    """Collects the files of the sources."""

    def __init__(self, destination: Path) -> None:
        self.destination = destination.resolve()
        self.tasks: list[Task] = []
        self.skipped: list[tuple[Path, str]] = []
        self.unreadable: list[tuple[Path, str]] = []

    def add(self, source: Path, destination: Path, *, keep_name: bool) -> None:
        if source.is_file():
            self.add_file(source, destination / source.name)
            return
        root = destination / source.resolve().name if keep_name else destination
        for path in self._walk(source):
            self.add_file(path, root / path.relative_to(source))

    def add_file(self, source: Path, destination: Path) -> None:
        try:
            found = source.stat()
        except OSError as error:
            self.unreadable.append((source, str(error.strerror or error)))
            return
        if not stat.S_ISREG(found.st_mode):  # a link to a pipe would wait for a writer forever
            self.unreadable.append((source, "not a regular file"))
            return
        self.tasks.append(Task(source, destination, found.st_size))

    def _walk(self, folder: Path) -> Iterator[Path]:
        """Yield the files below a folder that are to be read, in the order of their names."""
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            self.unreadable.append((folder, f"cannot list the folder: {error.strerror or error}"))
            return
        for entry in entries:
            path = folder / entry.name
            if reason := self._why_skip(entry, path):
                self.skipped.append((path, reason))
            elif entry.is_dir():
                yield from self._walk(path)
            else:
                yield path

    def _why_skip(self, entry: os.DirEntry[str], path: Path) -> str:
        if entry.name.startswith("."):
            return "hidden"
        if entry.is_dir():
            if entry.is_symlink():
                return "a symbolic link to a folder"
            return "the destination" if path.resolve() == self.destination else ""
        if entry.name == "DICOMDIR":
            return "a DICOMDIR lists files, it has no pixels"
        # A broken link is no file either, but it was meant to be one: it is left to fail when it is opened.
        if not entry.is_file() and not entry.is_symlink():
            return "not a regular file"
        return ""


def _check_destinations(tasks: Sequence[Task]) -> None:
    """Refuse two sources for one destination, and a destination that is another task's source."""
    claimed: dict[Path, Path] = {}
    for task in tasks:
        target = task.destination.resolve()
        if target in claimed:
            raise ParameterError(f"'{claimed[target]}' and '{task.source}' would both be written to '{target}'")
        claimed[target] = task.source
    for task in tasks:
        writer = claimed.get(task.source.resolve())
        if writer is not None and writer.resolve() != task.source.resolve():
            raise ParameterError(f"Transcoding '{writer}' would overwrite the source '{task.source}'")
