"""Real DICOM files damaged at random: bits, runs, lengths, offset tables, attributes, items missing or twice.

Most of the damage is done where decoders look: in the pixel data's element, the first bytes of a codestream, the
item lengths, the offset tables and the Image Pixel Module. The rest falls anywhere.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["MUTATIONS", "mutated"]

_Rng = np.random.Generator

_DEFLATED = b"1.2.840.10008.1.2.1.99"
_PIXEL_DATA = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")  # little- and big-endian
_IMAGE_PIXEL = (b"\x28\x00\x02\x00", b"\x00\x28\x00\x02")
_ITEM = b"\xfe\xff\x00\xe0"
_ITEM_HEADER = 8
_HEADER_BYTES = 300  # of the pixel data's element with the offset table and the first codestream's header
_TELLING_LENGTHS = (0, 1, 2, 7, 63, 64, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFE, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
_TELLING_NUMBERS = (0, 1, 2, 3, 4, 7, 8, 9, 12, 15, 16, 17, 31, 32, 64, 255, 256, 4095, 32767, 32768, 65535)
_TELLING_BYTES = (0x00, 0x01, 0x7F, 0x80, 0x81, 0xFE, 0xFF)
# Samples per Pixel, Planar Configuration, Rows, Columns, Bits Allocated, Bits Stored, High Bit, Pixel Representation
_WORD_ELEMENTS = (0x02, 0x06, 0x10, 0x11, 0x100, 0x101, 0x102, 0x103)
_INTERPRETATIONS = (b"MONOCHROME1 ", b"RGB ", b"YBR_FULL", b"YBR_FULL_422", b"YBR_RCT ", b"YBR_ICT ", b"PALETTE COLOR ")


@dataclass
class _File:
    """A file being damaged, and where its parts begin."""

    content: bytearray
    pixel_data: int
    image_pixel: int

    @classmethod
    def of(cls, content: bytes) -> "_File":
        size = len(content)
        found = [position for tag in _PIXEL_DATA if (position := content.rfind(tag)) >= 0]
        pixel_data = max(found, default=size // 2)
        starts = [position for tag in _IMAGE_PIXEL if (position := content.rfind(tag, 0, pixel_data)) >= 0]
        return cls(bytearray(content), pixel_data, max(starts, default=0))

    def place(self, rng: _Rng) -> int:
        """Return an offset, most often one that matters."""
        size = len(self.content)
        header_end = self.pixel_data + _HEADER_BYTES
        kinds = ((self.pixel_data, header_end), (self.pixel_data, size), (self.image_pixel, self.pixel_data), (0, size))
        first, last = kinds[rng.choice(4, p=(0.35, 0.3, 0.2, 0.15))]
        first = min(first, size - 1)
        return int(rng.integers(first, max(first + 1, min(last, size))))

    def items(self) -> list[tuple[int, int]]:
        """Return offset and length, header included, of each item of encapsulated pixel data."""
        found = []
        offset = self.content.find(_ITEM, self.pixel_data, self.pixel_data + 16)
        while offset >= 0 and self.content[offset : offset + 4] == _ITEM and offset + 8 <= len(self.content):
            (length,) = struct.unpack_from("<L", self.content, offset + 4)
            found.append((offset, _ITEM_HEADER + length))
            offset += _ITEM_HEADER + length
        return found


def _flip_bits(file: _File, rng: _Rng) -> None:
    for _ in range(rng.integers(1, 9)):
        file.content[file.place(rng)] ^= 1 << int(rng.integers(8))


def _overwrite(file: _File, rng: _Rng) -> None:
    place, size = file.place(rng), int(rng.integers(1, 65))
    size = min(size, len(file.content) - place)
    value = int(rng.choice(_TELLING_BYTES))
    file.content[place : place + size] = rng.bytes(size) if rng.random() < 0.5 else bytes([value]) * size


def _truncate(file: _File, rng: _Rng) -> None:
    del file.content[file.place(rng) :]


def _append(file: _File, rng: _Rng) -> None:
    file.content += rng.bytes(int(rng.integers(1, 2000)))


def _remove_chunk(file: _File, rng: _Rng) -> None:
    place = file.place(rng)
    del file.content[place : place + int(rng.integers(1, 200))]


def _repeat_chunk(file: _File, rng: _Rng) -> None:
    place = file.place(rng)
    chunk = file.content[place : place + int(rng.integers(1, 200))]
    target = file.place(rng) if rng.random() < 0.5 else place
    file.content[target:target] = chunk


def _change_length(file: _File, rng: _Rng) -> None:
    """Change the length of the pixel data, of one of its items, or of some other element."""
    items = file.items()
    kind = rng.random()
    if items and kind < 0.6:
        place = items[rng.integers(len(items))][0] + 4
    elif kind < 0.8:
        place = file.pixel_data + int(rng.choice((4, 8)))
    else:
        place = file.place(rng)
    if place + 4 > len(file.content):
        return
    (length,) = struct.unpack_from("<L", file.content, place)
    change = int(rng.integers(-8, 9))
    new = (length + change) % 2**32 if rng.random() < 0.5 else int(rng.choice(_TELLING_LENGTHS))
    struct.pack_into("<L", file.content, place, new)


def _change_offset_table(file: _File, rng: _Rng) -> None:
    """Change entries of the basic offset table, or put one where there is none."""
    items = file.items()
    if not items:
        return _change_length(file, rng)
    offset, length = items[0]
    start, count = offset + _ITEM_HEADER, (length - _ITEM_HEADER) // 4
    if not count or rng.random() < 0.2:
        entries = rng.choice(_TELLING_LENGTHS, int(rng.integers(1, 5))).astype("<u4").tobytes()
        file.content[start : start + length - _ITEM_HEADER] = entries
        struct.pack_into("<L", file.content, offset + 4, len(entries))
        return None
    place = start + 4 * int(rng.integers(count))
    if place + 4 > len(file.content):
        return None
    (entry,) = struct.unpack_from("<L", file.content, place)
    shifted = (entry + int(rng.choice((-8, -2, -1, 1, 2, 8)))) % 2**32
    struct.pack_into("<L", file.content, place, shifted if rng.random() < 0.5 else int(rng.choice(_TELLING_LENGTHS)))
    return None


def _change_items(file: _File, rng: _Rng) -> None:
    """Take an item away, put it in twice, or exchange two."""
    items = [item for item in file.items() if item[0] + item[1] <= len(file.content)]
    if not items:
        return _remove_chunk(file, rng)
    (offset, length), (other, other_length) = (items[index] for index in sorted(rng.integers(len(items), size=2)))
    chunk, second = file.content[offset : offset + length], file.content[other : other + other_length]
    kind = rng.integers(3)
    if kind == 0:
        del file.content[offset : offset + length]
    elif kind == 1 or other == offset:
        file.content[offset:offset] = chunk
    else:
        file.content[other : other + other_length] = chunk
        file.content[offset : offset + length] = second
    return None


def _change_attribute(file: _File, rng: _Rng) -> None:
    """Give an attribute of the Image Pixel Module another value."""
    order = ">" if file.content.startswith(_PIXEL_DATA[1], file.pixel_data) else "<"
    if rng.random() < 0.2:
        place = file.content.find(struct.pack(order + "HH", 0x28, 0x04), file.image_pixel)
        value = _INTERPRETATIONS[rng.integers(len(_INTERPRETATIONS))]
    else:
        element = int(rng.choice(_WORD_ELEMENTS))
        place = file.content.find(struct.pack(order + "HH", 0x28, element), file.image_pixel)
        value = struct.pack(order + "H", int(rng.choice(_TELLING_NUMBERS)))
    if 0 <= place <= len(file.content) - 8 - len(value):
        file.content[place + 8 : place + 8 + len(value)] = value


MUTATIONS: tuple[Callable[[_File, _Rng], None], ...] = (
    _flip_bits,
    _overwrite,
    _truncate,
    _append,
    _remove_chunk,
    _repeat_chunk,
    _change_length,
    _change_offset_table,
    _change_items,
    _change_attribute,
)


def mutated(content: bytes, rng: _Rng) -> tuple[bytes, str]:
    """Return a DICOM file's content with one to three mutations, and their names.

    Half of the deflated files are damaged before they are deflated.
    """
    if _DEFLATED in content[:1000] and rng.random() < 0.5:
        head = 144 + struct.unpack_from("<L", content, 140)[0]  # behind (0002,0000) and the group that it measures
        inner, what = mutated(zlib.decompress(content[head:], -zlib.MAX_WBITS), rng)
        deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return content[:head] + deflate.compress(inner) + deflate.flush(), f"inside deflated: {what}"
    names = []
    for _ in range(rng.choice((1, 2, 3), p=(0.7, 0.2, 0.1))):
        file = _File.of(content)
        mutation = MUTATIONS[rng.integers(len(MUTATIONS))]
        mutation(file, rng)
        names.append(mutation.__name__.strip("_").replace("_", " "))
        content = bytes(file.content) or content[:1]
    return content, ", ".join(names)
