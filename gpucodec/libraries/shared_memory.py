"""One growing block of memory that two processes see, with no name that could be left behind."""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Any

__all__ = ["SharedBuffer"]

_GRAIN = 1 << 16  # sizes are rounded up to this, so that growing by a little does not map again each time
_ZEROS = bytes(1 << 20)


class SharedBuffer:
    """A memory-mapped file without a name, grown when needed.

    Nothing is left behind when the processes are killed: the file is anonymous memory (memfd) or a temporary
    file that was unlinked when it was made. Growing reserves the space at once, so a full disk or memory is an
    `OSError` there and not a SIGBUS at the first touch.

    Parameters
    ----------
    fd : int
        File descriptor of the file, owned by this object.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map: mmap.mmap | None = None
        self._mapped = 0

    @classmethod
    def create(cls) -> SharedBuffer:
        """Make an empty one."""
        if hasattr(os, "memfd_create"):
            return cls(os.memfd_create("gpucodec", os.MFD_CLOEXEC))
        with tempfile.TemporaryFile() as file:
            return cls(os.dup(file.fileno()))

    @property
    def size(self) -> int:
        """Bytes that are mapped here."""
        return self._mapped

    def reserve(self, num_bytes: int) -> None:
        """Make the buffer at least this long, and map what the other side may have added.

        Raises
        ------
        OSError
            If there is no room; the buffer stays as it was.
        """
        if num_bytes <= self._mapped:
            return
        size = os.fstat(self.fd).st_size
        wanted = -(-num_bytes // _GRAIN) * _GRAIN
        if size < wanted:
            _extend(self.fd, size, wanted)
            size = wanted
        self._remap(size)

    def trim(self, num_bytes: int) -> None:
        """Give memory above this size back. The other side must call `refresh` before it touches the buffer."""
        if self._mapped > num_bytes:
            self._remap(0)
            os.ftruncate(self.fd, num_bytes)

    def refresh(self) -> None:
        """Map the file at the size it has now."""
        self._remap(os.fstat(self.fd).st_size)

    def write(self, offset: int, data: Any) -> None:
        """Copy a C-contiguous bytes-like object into the buffer, which must be long enough."""
        with memoryview(data) as source, source.cast("B") as octets:
            self._whole()[offset : offset + len(octets)] = octets

    def read(self, offset: int, length: int) -> bytes:
        """Copy bytes out of the buffer."""
        if offset < 0 or length < 0 or offset + length > self._mapped:
            raise ValueError(f"{length} bytes at {offset} are outside a shared buffer of {self._mapped}")
        return self._whole()[offset : offset + length] if length else b""

    def close(self) -> None:
        """Unmap and close; the memory is free when the other side has done so too."""
        self._remap(0)
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _whole(self) -> mmap.mmap:
        if self._map is None:
            raise ValueError("the shared buffer is empty")
        return self._map

    def _remap(self, size: int) -> None:
        if size == self._mapped:
            return
        if self._map is not None:
            self._map.close()
            self._map, self._mapped = None, 0
        if size:
            self._map = mmap.mmap(self.fd, size)
            self._mapped = size


def _extend(fd: int, size: int, wanted: int) -> None:
    """Lengthen a file with its space reserved, or leave it as it was."""
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(fd, size, wanted - size)
            return
        for offset in range(size, wanted, len(_ZEROS)):  # macOS: writing is what reserves
            os.pwrite(fd, _ZEROS[: wanted - offset], offset)
    except OSError:
        os.ftruncate(fd, size)
        raise
