"""Plain HT block decoding, T.814 clause 7 and Annex C: one bit, one sample at a time, no thought of speed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

MEL_EXPONENTS = (0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5)


class HTError(ValueError):
    """The segment is not one that an encoder writes."""


def index_table(rows: Iterable[tuple[int, ...]]) -> dict[tuple[int, int, int], tuple[int, ...]]:
    """Return a CxtVLC table, Annex C, by context and codeword; rows begin with context, rho, u_off, e_k and e_1."""
    return {(row[0], row[5], row[6]): row[1:5] for row in rows}


class _Forward:
    """Bits of a byte string, the least significant first; after 0xFF a byte has seven (7.1.2, 7.1.5)."""

    def __init__(self, data: bytes, beyond: int) -> None:
        self.data, self.beyond, self.position, self.bits, self.last = data, beyond, 0, [], 0

    def read(self) -> int:
        if not self.bits:
            byte = self.data[self.position] if self.position < len(self.data) else self.beyond
            self.bits = [byte >> k & 1 for k in range(7 if self.last == 0xFF else 8)]
            self.position, self.last = self.position + 1, byte
        return self.bits.pop(0)


class _Backward:
    """Bits of a byte string from its end on (7.1.4, 7.1.6): seven of a byte 0x7F or 0xFF after one above 0x8F."""

    def __init__(self, data: bytes, last: int, bits: list[int] | None = None) -> None:
        self.data, self.position, self.last, self.bits = data, len(data) - 1, last, bits or []
        self.overrun = False

    def read(self) -> int:
        if not self.bits:
            self.overrun = self.overrun or self.position < 0
            byte = self.data[self.position] if self.position >= 0 else 0
            stuffed = self.last > 0x8F and byte & 0x7F == 0x7F
            self.bits = [byte >> k & 1 for k in range(7 if stuffed else 8)]
            self.position, self.last = self.position - 1, byte
        return self.bits.pop(0)


class _Mel:
    """The adaptive run-length decoder, 7.3.3."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position, self.byte, self.left = data, 0, 0, 0
        self.state, self.run, self.one = 0, 0, False

    def _bit(self) -> int:
        if not self.left:
            self.left = 7 if self.byte == 0xFF else 8
            self.byte = self.data[self.position] if self.position < len(self.data) else 0xFF
            self.position += 1
        self.left -= 1
        return self.byte >> self.left & 1

    def read(self) -> int:
        if not self.run and not self.one:
            exponent = MEL_EXPONENTS[self.state]
            if self._bit():
                self.run, self.state = 1 << exponent, min(12, self.state + 1)
            else:
                for _ in range(exponent):
                    self.run = self.run << 1 | self._bit()
                self.state, self.one = max(0, self.state - 1), True
        if self.run:
            self.run -= 1
            return 0
        self.one = False
        return 1


@dataclass
class Block:
    """A decoded codeblock: magnitudes in units of its cleanup pass's bit-plane, and what refinement added.

    `half` counts in half units: the middle of the interval that is left, beside the magnitude.
    """

    width: int
    height: int
    magnitudes: list[list[int]]
    signs: list[list[int]]
    refined: list[list[int]] = field(default_factory=list)  # twice the magnitude of the bit-plane below, where refined

    def doubled(self, planes_below: int) -> list[list[int]]:
        """Return twice the value, its middle point included, given how many bit-planes lie below the cleanup pass."""
        rows = []
        for y in range(self.height):
            row = []
            for x in range(self.width):
                magnitude, below = self.magnitudes[y][x], planes_below
                value = ((2 * magnitude + 1) << below) if magnitude else 0
                if self.refined and self.refined[y][x]:
                    value = (2 * self.refined[y][x] + 1) << (below - 1)
                row.append(-value if self.signs[y][x] else value)
            rows.append(row)
        return rows


def decode_codeblock(
    cleanup: bytes,
    refinement: bytes,
    width: int,
    height: int,
    tables: tuple[dict, dict],
    *,
    passes: int = 1,
    causal: bool = False,
    most: int = 33,
) -> Block:
    """Decode one HT set: its cleanup pass and none, one or both of the refinement passes.

    `most` is the largest bound of exponents that there may be, two more than there are zero bit-planes.
    """
    block = _decode_cleanup(cleanup, width, height, tables, most)
    if passes > 1:
        block.refined = [[0] * width for _ in range(height)]
        significant = [[value > 0 for value in row] for row in block.magnitudes]
        _propagate(block, significant, refinement, causal)
        if passes > 2:
            _refine(block, significant, refinement)
    return block


def _split(data: bytes) -> tuple[bytes, bytes, _Backward]:
    """Return MagSgn bytes, MEL bytes and a reader of VLC bits, 7.1.1."""
    if len(data) < 2:
        raise HTError("a cleanup segment has at least two bytes")
    suffix = data[-1] << 4 | data[-2] & 15
    if not 2 <= suffix <= min(len(data), 4079):
        raise HTError(f"Scup {suffix} of {len(data)}")
    start = len(data) - suffix
    changed = data[start:-2] + bytes([data[-2] | 15, 0xFF])
    first = changed[-2]
    bits = [first >> k & 1 for k in range(4, 7 if first >> 4 & 7 == 7 else 8)]
    return data[:start], changed[:-1] + b"\xff", _Backward(changed[:-2], first, bits)


def _decode_cleanup(data: bytes, width: int, height: int, tables: tuple[dict, dict], most: int) -> Block:
    magsgn_bytes, mel_bytes, vlc = _split(data)
    mel, magsgn = _Mel(mel_bytes), _Forward(magsgn_bytes, 0xFF)
    across, down = (width + 1) // 2, (height + 1) // 2
    # Significance and exponents with a border of zeros; rows and columns of samples, two a quad.
    rows, columns = 2 * down, 2 * across
    magnitude = [[0] * columns for _ in range(rows)]
    sign = [[0] * columns for _ in range(rows)]
    exponent = [[0] * (columns + 4) for _ in range(rows + 1)]  # [y + 1][x + 1]
    pattern = [[0] * (across + 2) for _ in range(down + 1)]  # [row + 1][quad + 1]
    for row in range(down):
        for pair in range(0, across, 2):
            quads = range(pair, min(pair + 2, across))
            decoded = []
            for quad in quads:
                context = _context(pattern, row, quad)
                rho, offset, known, ones = 0, 0, 0, 0
                if context or mel.read():
                    rho, offset, known, ones = _read_cxt_vlc(vlc, tables[row > 0], context)
                pattern[row + 1][quad + 1] = rho
                decoded.append((rho, offset, known, ones))
            residuals = _read_residuals(vlc, mel, [each[1] for each in decoded], row == 0)
            for quad, (rho, _, known, ones), residual in zip(quads, decoded, residuals, strict=True):
                bound = _predict(exponent, rho, row, quad) + residual
                if bound > most:
                    raise HTError(f"an exponent of {bound} where {most} is the largest")
                for n in range(4):
                    x, y = 2 * quad + (n >> 1), 2 * row + (n & 1)
                    if rho >> n & 1:
                        length = bound - (known >> n & 1)
                        value = sum(magsgn.read() << k for k in range(length)) | (ones >> n & 1) << length
                        magnitude[y][x], sign[y][x] = (value >> 1) + 1, value & 1
                        exponent[y + 1][x + 1] = (value | 1).bit_length()
    if vlc.overrun:
        raise HTError("VLC bits before their segment")
    return Block(width, height, [row[:width] for row in magnitude[:height]], [row[:width] for row in sign[:height]])


def _context(pattern: list[list[int]], row: int, quad: int) -> int:
    """Figure of 7.3.5: neighbours' significance; bits of a pattern are top left, bottom left, top and bottom right."""
    left = pattern[row + 1][quad]
    if row == 0:
        return (left & 1 | left >> 1 & 1) | (left >> 2 & 1) << 1 | (left >> 3 & 1) << 2
    north_west, north, north_east = pattern[row][quad], pattern[row][quad + 1], 0
    if quad + 2 < len(pattern[row]):
        north_east = pattern[row][quad + 2]
    return (
        (north_west >> 3 & 1 | north >> 1 & 1)
        | (left >> 2 & 1 | left >> 3 & 1) << 1
        | (north >> 3 & 1 | north_east >> 1 & 1) << 2
    )


def _read_cxt_vlc(vlc: _Backward, table: dict, context: int) -> tuple[int, int, int, int]:
    codeword = 0
    for length in range(1, 8):
        codeword |= vlc.read() << (length - 1)
        if (context, codeword, length) in table:
            return table[context, codeword, length]
    raise HTError("no such codeword")


def _read_prefix(vlc: _Backward) -> int:
    for value in (1, 2, 3):
        if vlc.read():
            return value
    return 5


def _read_suffix(vlc: _Backward, prefix: int) -> int:
    return sum(vlc.read() << k for k in range({3: 1, 5: 5}.get(prefix, 0)))


def _read_extension(vlc: _Backward, suffix: int) -> int:
    return sum(vlc.read() << k for k in range(4)) if suffix >= 28 else 0


def _read_residuals(vlc: _Backward, mel: _Mel, offsets: list[int], initial: bool) -> list[int]:
    """Return u of one or two quads, 7.3.6."""
    if initial and offsets == [1, 1]:
        if mel.read():
            prefixes = [_read_prefix(vlc), _read_prefix(vlc)]
            base = 2
        else:
            prefixes = [_read_prefix(vlc)]
            if prefixes[0] > 2:
                second = vlc.read() + 1
                suffix = _read_suffix(vlc, prefixes[0])
                return [prefixes[0] + suffix + 4 * _read_extension(vlc, suffix), second]
            prefixes.append(_read_prefix(vlc))
            base = 0
    else:
        prefixes = [_read_prefix(vlc) if offset else 0 for offset in offsets]
        base = 0
    suffixes = [_read_suffix(vlc, prefix) for prefix in prefixes]
    extensions = [_read_extension(vlc, suffix) for suffix in suffixes]
    return [
        base + prefix + suffix + 4 * extension
        for prefix, suffix, extension in zip(prefixes, suffixes, extensions, strict=True)
    ]


def _predict(exponent: list[list[int]], rho: int, row: int, quad: int) -> int:
    """Return kappa, 7.3.7."""
    if row == 0 or rho & (rho - 1) == 0:
        return 1
    above = exponent[2 * row]
    return max(1, max(above[2 * quad : 2 * quad + 4]) - 1)


def _propagate(block: Block, significant: list[list[bool]], data: bytes, causal: bool) -> None:
    """Significance propagation, 7.4: sets of four columns of a stripe, and after each the signs."""
    bits = _Forward(data, 0)
    state = [row[:] for row in significant]
    for top in range(0, block.height, 4):
        for left in range(0, block.width, 4):
            found = []
            for x in range(left, min(left + 4, block.width)):
                for y in range(top, min(top + 4, block.height)):
                    if not significant[y][x] and _has_neighbour(state, y, x, causal) and bits.read():
                        state[y][x] = True
                        found.append((y, x))
            for y, x in found:
                block.signs[y][x] = bits.read()
                block.refined[y][x] = 1


def _has_neighbour(state: list[list[bool]], y: int, x: int, causal: bool) -> bool:
    bottom = y + 1 if causal and y % 4 == 3 else y + 2
    return any(any(row[max(0, x - 1) : x + 2]) for row in state[max(0, y - 1) : bottom])


def _refine(block: Block, significant: list[list[bool]], data: bytes) -> None:
    """Magnitude refinement, 7.5: one bit for each sample of the cleanup pass, columns of stripes."""
    bits = _Backward(data, 0xFF)
    for top in range(0, block.height, 4):
        for x in range(block.width):
            for y in range(top, min(top + 4, block.height)):
                if significant[y][x]:
                    block.refined[y][x] = 2 * block.magnitudes[y][x] + bits.read()
