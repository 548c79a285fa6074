"""Deflated Explicit VR Little Endian (PS3.5 A.5): the dataset inflated to a temporary file, within limits."""

from __future__ import annotations

import io
import tempfile
import zlib
from typing import BinaryIO, cast

from gpucodec.dicom.bounded import BoundedRandom
from gpucodec.errors import CodestreamError, LimitExceededError, TruncatedCodestreamError

__all__ = ["Inflater"]

_INPUT_BYTES = 1 << 16
_OUTPUT_BYTES = 1 << 20
_FORMAT = "DICOM"


class Inflater:
    """Inflates the rest of a file to an unlinked temporary file, step by step.

    Parameters
    ----------
    source : binary file
        Positioned at the first deflated byte.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._pending = b""
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        raw = cast(io.RawIOBase, tempfile.TemporaryFile(buffering=0))  # noqa: SIM115 - closed by close()
        self.file = BoundedRandom(raw)

    @property
    def num_bytes(self) -> int:
        """Bytes inflated so far."""
        return self.file.num_bytes

    @property
    def is_complete(self) -> bool:
        """Whether the deflated stream has ended."""
        return self._inflate.eof

    def inflate_to(self, limit: int) -> None:
        """Inflate until the stream ends or `limit` bytes stand in the temporary file.

        Raises
        ------
        CodestreamError
            If the bytes are no deflated stream.
        TruncatedCodestreamError
            If the file ends before the stream does.
        """
        while not self._inflate.eof and self.num_bytes < limit:
            data = self._pending or self._source.read(_INPUT_BYTES)
            try:
                out = self._inflate.decompress(data, min(_OUTPUT_BYTES, limit - self.num_bytes))
            except zlib.error as error:
                raise CodestreamError(
                    f"the deflated dataset is corrupt: {error}", format=_FORMAT, offset=self._source.tell()
                ) from error
            self._pending = self._inflate.unconsumed_tail
            if not data and not out and not self._inflate.eof:
                raise TruncatedCodestreamError(
                    "the file ends before its deflated dataset does", format=_FORMAT, offset=self._source.tell()
                )
            self.file.append(out)

    def finish(self, limit: int) -> None:
        """Inflate what is left.

        Raises
        ------
        LimitExceededError
            If there are more than `limit` bytes in all.
        """
        self.inflate_to(limit + 1)
        if self.num_bytes > limit:
            raise LimitExceededError(
                f"The deflated dataset inflates to more than the {limit} bytes that its own header accounts for"
            )
        self.file.flush()

    def close(self) -> None:
        """Drop the temporary file."""
        self.file.close()
