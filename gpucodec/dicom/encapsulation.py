"""Encapsulated pixel data (PS3.5 A.4): which items there are and which frame each belongs to; items to write.

``(7FE0,0010) OB, undefined length | Basic Offset Table item | fragment items ... | Sequence Delimitation Item``
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from gpucodec.codecs.formats import Family
from gpucodec.errors import CodestreamError, LimitExceededError, TruncatedCodestreamError

__all__ = ["MAX_ITEM_BYTES", "SEQUENCE_DELIMITER", "FrameIndex", "index_frames", "item_header"]

MAX_ITEM_BYTES = 2**32 - 2  # the largest even length that is not "undefined"
SEQUENCE_DELIMITER = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"

_FORMAT = "encapsulated pixel data"
_ITEM = 0xFFFEE000
_DELIMITER = 0xFFFEE0DD
_UNDEFINED_LENGTH = 0xFFFFFFFF
_END_OF_IMAGE = b"\xff\xd9"  # the last two bytes of JPEG (EOI), JPEG-LS (EOI) and JPEG 2000 (EOC) codestreams
_STARTS = (b"\xff\xd8", b"\xff\x4f", b"\x00\x00\x00\x0cjP  ")  # SOI, SOC, and the box that begins a JP2 file


def item_header(num_bytes: int) -> bytes:
    """Return the tag and length of an item.

    Parameters
    ----------
    num_bytes : int
        Length of the item's value, even.

    Raises
    ------
    LimitExceededError
        If the length does not fit in 32 bits.
    """
    if num_bytes > MAX_ITEM_BYTES:
        raise LimitExceededError(
            f"An item of {num_bytes} bytes is not allowed, at most {MAX_ITEM_BYTES} are (PS3.5 A.4)"
        )
    return struct.pack("<HHL", 0xFFFE, 0xE000, num_bytes)


@dataclass(frozen=True, slots=True)
class FrameIndex:
    """Where the fragments of every frame are.

    Parameters
    ----------
    offsets, lengths : array of int
        Byte offset in the file and length of each fragment's value.
    first_fragments : sequence of int
        Index of each frame's first fragment, and at the end the number of fragments.
    end : int
        Byte offset behind the pixel data.
    table : str
        What told the frames apart: ``"extended"`` or ``"basic"`` for an offset table, ``"none"`` without one.
    """

    offsets: array[int]
    lengths: array[int]
    first_fragments: Sequence[int]
    end: int
    table: str

    @property
    def num_bytes(self) -> int:
        """Bytes of all codestreams."""
        return sum(self.lengths)

    def read(self, file: BinaryIO, frame: int) -> bytes:
        """Return the codestream of a frame, its fragments joined.

        Raises
        ------
        TruncatedCodestreamError
            If the file ends before the fragment does.
        CodestreamError
            If the frame has no bytes.
        """
        parts = []
        for fragment in range(self.first_fragments[frame], self.first_fragments[frame + 1]):
            offset, length = self.offsets[fragment], self.lengths[fragment]
            file.seek(offset)
            parts.append(file.read(length))
            if len(parts[-1]) != length:
                raise TruncatedCodestreamError(
                    f"the file ends in a fragment of {length} bytes", format=_FORMAT, frame=frame, offset=offset
                )
        codestream = parts[0] if len(parts) == 1 else b"".join(parts)
        if not codestream:
            raise CodestreamError("the frame's fragments are empty", format=_FORMAT, frame=frame, offset=offset)
        return codestream


@dataclass(slots=True)
class _Items:
    """The items as they stand in the file: where the first one is, the values of all, and the end."""

    start: int
    offsets: array[int]
    lengths: array[int]
    end: int

    def tag_offset(self, index: int) -> int:
        return self.offsets[index] - 8 - self.start


def index_frames(
    file: BinaryIO,
    bounds: tuple[int, int],
    num_frames: int,
    family: Family,
    extended: tuple[bytes, bytes] | None = None,
    *,
    is_delimited: bool = True,
) -> FrameIndex:
    """Find the fragments of every frame, in one pass over the item headers.

    The items are what counts; an offset table is used to tell which frame an item belongs to, and is an error
    where it does not point at items. Without any table, a fragment is a frame if there are as many of them;
    otherwise a frame ends where a codestream does.

    Parameters
    ----------
    file : binary file
        Has the pixel data.
    bounds : tuple of int
        Byte offset of the pixel data's value, and the offset that it cannot pass: the end of the file, or of
        a value whose length is defined.
    num_frames : int
        As (0028,0008) *Number of Frames* says.
    family : Family
        The kind of codestream.
    extended : tuple of bytes, optional
        (7FE0,0001) *Extended Offset Table* and (7FE0,0002) *Extended Offset Table Lengths*, little-endian.
    is_delimited : bool
        Whether a Sequence Delimitation Item must end the items.

    Returns
    -------
    FrameIndex
        Its size follows from the items found, not from what the header claims.

    Raises
    ------
    CodestreamError
        If an item or a table is wrong, or the frames found are not `num_frames`; `offset` counts from the
        beginning of the file.
    TruncatedCodestreamError
        If the items end too soon.
    """
    start, end = bounds
    table, start = _basic_offset_table(file, start, end)
    items = _walk(file, start, end, table, is_delimited)
    first: Sequence[int]
    if extended is not None:
        first, kind = _by_extended_table(items, num_frames, *extended), "extended"
    elif table:
        first, kind = _by_table(items, num_frames, table, "Basic Offset Table"), "basic"
    else:
        first, kind = _without_table(file, items, num_frames, family), "none"
    return FrameIndex(items.offsets, items.lengths, first, items.end, kind)


def _basic_offset_table(file: BinaryIO, offset: int, end: int) -> tuple[list[int], int]:
    tag, length = _item(file, offset, end, 0)
    if tag != _ITEM:
        raise CodestreamError(f"{_name(tag)} where the Basic Offset Table should be", format=_FORMAT, offset=offset)
    if length % 4:
        raise CodestreamError(
            f"the Basic Offset Table has {length} bytes, which is no multiple of 4", format=_FORMAT, offset=offset
        )
    file.seek(offset + 8)
    return np.frombuffer(file.read(length), "<u4").tolist(), offset + 8 + length


def _walk(file: BinaryIO, start: int, end: int, table: list[int], is_delimited: bool) -> _Items:
    items = _Items(start, array("Q"), array("Q"), start)
    offset = start
    while is_delimited or offset < end:
        # Until the frames are told apart, an item's frame is what the table says, or its number.
        frame = max(0, bisect_right(table, offset - start) - 1) if table else len(items.offsets)
        tag, length = _item(file, offset, end, frame)
        offset += 8
        if tag == _DELIMITER:
            break
        if tag != _ITEM:
            raise CodestreamError(
                f"{_name(tag)} where an item should be", format=_FORMAT, frame=frame, offset=offset - 8
            )
        items.offsets.append(offset)
        items.lengths.append(length)
        offset += length
    items.end = offset
    return items


def _item(file: BinaryIO, offset: int, end: int, frame: int) -> tuple[int, int]:
    """Return the tag and length of the item at an offset; the length is within bounds."""
    file.seek(offset)
    head = file.read(8) if offset + 8 <= end else b""
    if len(head) < 8:
        raise TruncatedCodestreamError(
            "the pixel data end without a Sequence Delimitation Item", format=_FORMAT, frame=frame, offset=offset
        )
    group, element, length = struct.unpack("<HHL", head)
    tag = group << 16 | element
    if tag == _ITEM and length == _UNDEFINED_LENGTH:
        raise CodestreamError("an item of undefined length", format=_FORMAT, frame=frame, offset=offset)
    if tag == _ITEM and offset + 8 + length > end:
        raise TruncatedCodestreamError(
            f"an item of {length} bytes, only {end - offset - 8} follow", format=_FORMAT, frame=frame, offset=offset
        )
    return tag, length


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _by_extended_table(items: _Items, num_frames: int, offsets: bytes, lengths: bytes) -> list[int]:
    """PS3.3 C.7.6.3.1.8: one fragment a frame; a length may or may not count the padding."""
    if len(offsets) % 8 or len(offsets) != len(lengths):
        raise CodestreamError(
            f"(7FE0,0001) 'Extended Offset Table' has {len(offsets)} bytes and (7FE0,0002) 'Extended Offset Table "
            f"Lengths' {len(lengths)}, both must have 8 a frame",
            format=_FORMAT,
            offset=items.start,
        )
    table = np.frombuffer(offsets, "<u8").tolist()
    first = _by_table(items, num_frames, table, "Extended Offset Table")
    for frame, length in enumerate(np.frombuffer(lengths, "<u8").tolist()):
        stands = items.lengths[first[frame]]
        if first[frame + 1] - first[frame] != 1 or length not in (stands, stands - 1):
            raise CodestreamError(
                f"the Extended Offset Table Lengths say {length} bytes in one fragment, the item has {stands}",
                format=_FORMAT,
                frame=frame,
                offset=items.offsets[first[frame]],
            )
        # The codestream is what the table says, without the padding.
        items.lengths[first[frame]] = length
    return first


def _by_table(items: _Items, num_frames: int, table: Sequence[int], name: str) -> list[int]:
    if len(table) != num_frames:
        raise CodestreamError(
            f"the {name} has {len(table)} frames, (0028,0008) 'Number of Frames' says {num_frames}",
            format=_FORMAT,
            offset=items.start,
        )
    first: list[int] = []
    fragment, count = 0, len(items.offsets)
    for frame, offset in enumerate(table):
        while fragment < count and items.tag_offset(fragment) < offset:
            fragment += 1
        starts_item = fragment < count and items.tag_offset(fragment) == offset
        if not starts_item or (frame == 0 and fragment) or (first and fragment <= first[-1]):
            raise CodestreamError(
                f"the {name} points to byte {offset}, where no item of the frame begins",
                format=_FORMAT,
                frame=frame,
                offset=items.start + offset,
            )
        first.append(fragment)
    return [*first, count]


def _without_table(file: BinaryIO, items: _Items, num_frames: int, family: Family) -> Sequence[int]:
    count = len(items.offsets)
    if count != num_frames and 0 in items.lengths:
        _drop_empty(items)
        count = len(items.offsets)
    if count == num_frames:
        return range(count + 1)
    if num_frames == 1 and count:
        return [0, count]
    if count < num_frames:
        raise TruncatedCodestreamError(
            f"there are {count} fragments, (0028,0008) 'Number of Frames' says {num_frames} frames",
            format=_FORMAT,
            frame=count,
            offset=items.end,
        )
    found = [] if family is Family.RLE else _by_codestream(file, items)  # RLE: one fragment a frame, A.4.2
    if len(found) != num_frames + 1:
        raise CodestreamError(
            f"there is no offset table, and {count} fragments hold {max(len(found) - 1, 0) or count} frames where "
            f"(0028,0008) 'Number of Frames' says {num_frames}",
            format=_FORMAT,
            offset=items.start,
        )
    return found


def _drop_empty(items: _Items) -> None:
    kept = [index for index, length in enumerate(items.lengths) if length]
    items.offsets = array("Q", [items.offsets[index] for index in kept])
    items.lengths = array("Q", [items.lengths[index] for index in kept])


def _by_codestream(file: BinaryIO, items: _Items) -> list[int]:
    """Tell frames apart where one fragment ends a codestream and the next one begins another."""
    first = [0]
    ended = False
    for index, (offset, length) in enumerate(zip(items.offsets, items.lengths, strict=True)):
        file.seek(offset)
        if index and ended and file.read(8).startswith(_STARTS):
            first.append(index)
        tail = min(length, 10)
        file.seek(offset + length - tail)
        ended = _END_OF_IMAGE in file.read(tail)
    return [*first, len(items.offsets)]
