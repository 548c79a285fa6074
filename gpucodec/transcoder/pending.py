"""A file that gets its name only when it is whole.

It is written next to its destination under a hidden name that ends in ``.part``. What a killed run leaves
there is never taken for output or input. Its lock died with the process, so the next run that writes to the
same folder can tell it from a file that another run is writing now, and removes it.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

__all__ = ["PendingFile", "remove_leftovers"]

_MAX_NAME = 48  # characters of the final name in the temporary one: 192 bytes at most, of 255
_POSIX = os.name == "posix"  # elsewhere leftovers stay, hidden, until somebody removes them
_TEMPORARY_NAME = re.compile(r"\..+\.[0-9a-f]{12}\.part")


class PendingFile:
    """A temporary file in the folder of its destination, removed unless it is committed.

    Parameters
    ----------
    destination : pathlib.Path
        The final name; its folder is made if there is none.

    Attributes
    ----------
    file : BinaryIO
        Open for writing and reading.
    path : pathlib.Path
        The temporary name.
    """

    file: BinaryIO
    path: Path

    def __init__(self, destination: Path) -> None:
        self.destination = destination

    def __enter__(self) -> PendingFile:
        """Make the folder and create the file."""
        folder = self.destination.parent
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            self.path = folder / f".{self.destination.name[:_MAX_NAME]}.{secrets.token_hex(6)}.part"
            # Unlike tempfile, which makes files private, leave the permissions to the umask: this is the output.
            descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o666)
            self.file = os.fdopen(descriptor, "w+b")
            _try_lock(descriptor)
            if not _POSIX or os.fstat(descriptor).st_nlink:
                return self
            self.file.close()  # another run took it for a leftover before it was locked

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the file unless it was committed."""
        try:
            self.file.close()
        except OSError:  # a full disk says so again when what is buffered cannot be written
            if error is None:
                raise
        finally:
            self.path.unlink(missing_ok=True)

    def sync(self) -> None:
        """Bring everything written to the disk."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def commit(self) -> None:
        """Give the file its final name; what stood there before is replaced in one step."""
        if not _POSIX:
            self.file.close()  # Windows does not rename an open file
        self.path.replace(self.destination)
        _sync_folder(self.destination.parent)


def _try_lock(descriptor: int) -> bool:
    if not _POSIX:
        return False
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held by a run that is alive, or a file system without locks
        return False
    return True


def remove_leftovers(folders: Iterable[Path]) -> None:
    """Remove the temporary files that killed runs left in some folders, and none that a living run writes."""
    for folder in folders:
        if not _POSIX or not folder.is_dir():
            continue
        with os.scandir(folder) as entries:
            found = [Path(entry.path) for entry in entries if _TEMPORARY_NAME.fullmatch(entry.name)]
        for path in found:
            _remove_leftover(path)


def _remove_leftover(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:  # gone meanwhile, or not ours to touch
        return
    try:
        if _try_lock(descriptor):
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    if not _POSIX:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
