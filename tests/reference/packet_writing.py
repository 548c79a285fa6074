"""Packet headers written plainly, word by word of T.800 B.10, and passes shared out by trying every slope."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

BYPASS, TERMINATE = 1, 4


class Bits:
    """Bits of a packet header: a zero bit after each byte of all ones (B.10.1)."""

    def __init__(self) -> None:
        self.bytes = bytearray()
        self.pending: list[int] = []

    def put(self, value: int, count: int) -> None:
        for place in reversed(range(count)):
            if not self.pending and self.bytes and self.bytes[-1] == 0xFF:
                self.pending.append(0)
            self.pending.append(value >> place & 1)
            if len(self.pending) == 8:
                self.bytes.append(int("".join(map(str, self.pending)), 2))
                self.pending = []

    def finished(self) -> bytes:
        """Return the bytes; a last one of all ones would need another behind it."""
        while self.pending:
            self.put(0, 1)
        if self.bytes and self.bytes[-1] == 0xFF:
            self.bytes.append(0)
        return bytes(self.bytes)


class TagTree:
    """A tag tree and what of it has been told (B.10.2)."""

    def __init__(self, leaves: Sequence[Sequence[int]]) -> None:
        self.levels = [[list(row) for row in leaves]]
        while len(self.levels[-1]) * len(self.levels[-1][0]) > 1:
            below = self.levels[-1]
            self.levels.append([
                [
                    min(below[y][x] for y in range(2 * row, min(2 * row + 2, len(below)))
                        for x in range(2 * column, min(2 * column + 2, len(below[0]))))
                    for column in range((len(below[0]) + 1) // 2)
                ]
                for row in range((len(below) + 1) // 2)
            ])  # fmt: skip
        self.lower = [[[0] * len(row) for row in level] for level in self.levels]
        self.told = [[[False] * len(row) for row in level] for level in self.levels]

    def put(self, bits: Bits, x: int, y: int, threshold: int) -> None:
        """Tell whether a leaf's value is below a threshold, from the root down."""
        least = 0
        for level in reversed(range(len(self.levels))):
            row, column = y >> level, x >> level
            value, told = self.levels[level][row][column], self.told[level]
            reached = max(self.lower[level][row][column], least)
            while reached < threshold and not told[row][column]:
                told[row][column] = value == reached
                bits.put(int(told[row][column]), 1)
                reached += not told[row][column]
            self.lower[level][row][column] = least = reached


def number_of_passes(bits: Bits, count: int) -> None:
    """Table B.4."""
    if count <= 2:
        bits.put((0b0, 0b10)[count - 1], count)
    elif count <= 5:
        bits.put(0b1100 + count - 3, 4)
    elif count <= 36:
        bits.put(0b111100000 + count - 6, 9)
    else:
        bits.put(0b1111111110000000 + count - 37, 16)


def segments(first: int, end: int, style: int) -> list[tuple[int, int]]:
    """Return the passes of each codeword segment of a packet, from and to (Table D.9, D.4.2)."""

    def ends_after(number: int) -> bool:
        if style & TERMINATE:
            return True
        return bool(style & BYPASS) and number >= 9 and number % 3 in (0, 2)

    cuts = [first, *(number + 1 for number in range(first, end - 1) if ends_after(number)), end]
    return list(pairwise(cuts))


class Band:
    """Codeblocks of a precinct in a subband, row by row: their zero bit-planes, and passes and bytes layer by layer.

    Parameters
    ----------
    wide, high : int
        Codeblocks across and down.
    zero_bitplanes : sequence of int
        One a codeblock.
    layers : sequence of sequence of int
        Passes up to and with each layer, one a codeblock.
    lengths : sequence of sequence of int
        For each codeblock the bytes up to and with each pass.
    """

    def __init__(
        self,
        wide: int,
        high: int,
        zero_bitplanes: Sequence[int],
        layers: Sequence[Sequence[int]],
        lengths: Sequence[Sequence[int]],
    ) -> None:
        self.wide, self.high, self.layers, self.lengths = wide, high, layers, lengths
        first = [
            next((number for number, passes in enumerate(layers) if passes[block]), 1 << 20)
            for block in range(wide * high)
        ]
        self.inclusion = TagTree([first[row * wide : (row + 1) * wide] for row in range(high)]) if first else None
        rows = [list(zero_bitplanes[row * wide : (row + 1) * wide]) for row in range(high)]
        self.zeros = TagTree(rows) if first else None
        self.lblock = [3] * (wide * high)

    def put(self, bits: Bits, layer: int, style: int) -> None:
        """Tell what a layer has of each codeblock (B.10.8)."""
        for block in range(self.wide * self.high):
            y, x = divmod(block, self.wide)
            before = self.layers[layer - 1][block] if layer else 0
            end = self.layers[layer][block]
            if before:
                bits.put(int(end > before), 1)
            else:
                self.inclusion.put(bits, x, y, layer + 1)
            if end == before:
                continue
            if not before:
                self.zeros.put(bits, x, y, 1 << 20)
            number_of_passes(bits, end - before)
            self._put_lengths(bits, block, segments(before, end, style))

    def _put_lengths(self, bits: Bits, block: int, passes: list[tuple[int, int]]) -> None:
        def upto(count: int) -> int:
            return self.lengths[block][count - 1] if count else 0

        new = [(upto(end) - upto(first), (end - first).bit_length() - 1) for first, end in passes]
        while any(length.bit_length() > self.lblock[block] + extra for length, extra in new):
            bits.put(1, 1)
            self.lblock[block] += 1
        bits.put(0, 1)
        for length, extra in new:
            bits.put(length, self.lblock[block] + extra)


def hull(lengths: Sequence[int], distortions: Sequence[float]) -> list[tuple[int, float]]:
    """Return the corners of the convex hull, passes and the slope up to each: slopes fall, gains alone count."""
    corners: list[tuple[int, float]] = []
    at, length, distortion = 0, 0, 0.0
    while at < len(lengths):
        best, slope, most = 0, 0.0, 0.0
        for end in range(at + 1, len(lengths) + 1):
            new, gained = lengths[end - 1] - length, distortions[end - 1] - distortion
            candidate = gained / new if new else (float("inf") if gained > 0 else 0.0)
            if gained > 0 and (candidate, gained) > (slope, most):
                best, slope, most = end, candidate, gained
        if not best:
            break
        corners.append((best, slope))
        at, length, distortion = best, lengths[best - 1], distortions[best - 1]
    return corners


def passes_at(corners: Sequence[tuple[int, float]], slope: float) -> int:
    """Return how many passes are worth a slope."""
    return max((count for count, worth in corners if worth >= slope), default=0)
