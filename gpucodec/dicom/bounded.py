"""Files that never allocate more for a read than they have bytes left, whatever a length field claims."""

from __future__ import annotations

import io

__all__ = ["BoundedRandom", "BoundedReader"]


class _Bounded(io.BufferedIOBase):
    """Clamps large reads to what is left; `num_bytes` is the size of the file, kept by who writes it."""

    num_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most `size` bytes, as `io.BufferedReader.read` does."""
        if size is not None and size > io.DEFAULT_BUFFER_SIZE:
            size = max(0, min(size, self.num_bytes - self.tell()))
        return super().read(size)


class BoundedReader(_Bounded, io.BufferedReader):
    """A file to read.

    Parameters
    ----------
    raw : io.RawIOBase
        The unbuffered file; it is closed with this one.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw)
        self.num_bytes = self.seek(0, io.SEEK_END)
        self.seek(0)


class BoundedRandom(_Bounded, io.BufferedRandom):
    """A file to write and to read.

    Parameters
    ----------
    raw : io.RawIOBase
        The unbuffered file, empty; it is closed with this one.
    """

    def append(self, data: bytes) -> None:
        """Write at the end."""
        self.seek(self.num_bytes)
        self.write(data)
        self.num_bytes += len(data)
