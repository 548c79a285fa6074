"""The tiles of an image that are needed, and what headers claim of them, ITU-T T.800 B.3."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gpucodec.codestream.j2k_axis import count_parts, reduced, subband
from gpucodec.codestream.j2k_headers import TileParameters
from gpucodec.codestream.j2k_reader import Codestream
from gpucodec.codestream.j2k_segments import CodingStyle
from gpucodec.codestream.j2k_size import FORMAT, Component
from gpucodec.codestream.j2k_windows import Side, Span, cut_side
from gpucodec.errors import LimitExceededError, ParameterError, TruncatedCodestreamError

__all__ = ["Grid", "Region", "Sides"]

Region = tuple[int, int, int, int]
Sides = tuple[tuple[Side, Side], ...]
Floats = npt.NDArray[np.float64]

# What may be claimed by few bytes; more than that only in proportion to them.
_MANY_CODEBLOCKS = 1 << 21
_MANY_TILE_COMPONENTS = 1 << 17
_MANY_KINDS = 1 << 13  # resolution levels of components that are cut up in different ways
_MANY_LEVELS = 1 << 14  # resolution levels of tiles that are cut up in different ways
_BYTES_A_LEVEL = 64  # more of those only if there are so many bytes for each


class Grid:
    """The tiles that are needed of an image.

    Parameters
    ----------
    codestream : Codestream
        What its headers say.
    reduce : int
        Resolution levels that are discarded.
    region : tuple of int or None
        Row, column, rows and columns of the part of the image area that is wanted.

    Raises
    ------
    ParameterError
        If the region leaves the image area, or a component has fewer levels than are to be discarded.
    """

    def __init__(self, codestream: Codestream, reduce: int, region: Region | None) -> None:
        size = self.size = codestream.size
        self.reduce = reduce
        row, column, rows, columns = region or (0, 0, size.y1 - size.y0, size.x1 - size.x0)
        begins, lengths = (column, row), (columns, rows)
        self.image = (size.x0, size.x1), (size.y0, size.y1)
        self.tile_begin = size.tile_x0, size.tile_y0
        self.tile_length = size.tile_width, size.tile_height
        wanted, tiles = [], []
        for axis, (first, last) in enumerate(self.image):
            begin, end = first + begins[axis], first + begins[axis] + lengths[axis]
            if not first <= begin < end <= last:
                raise ParameterError(
                    f"A region of {rows} x {columns} at row {row}, column {column} does not lie in the image area of "
                    f"{size.y1 - size.y0} x {size.x1 - size.x0}"
                )
            wanted.append((begin, end))
            tiles.append(
                range(
                    (begin - self.tile_begin[axis]) // self.tile_length[axis],
                    (end - 1 - self.tile_begin[axis]) // self.tile_length[axis] + 1,
                )
            )
        self.wanted: tuple[Span, ...] = tuple(wanted)
        self.columns, self.rows = tiles
        self.default = codestream.parameters
        self.special = self._special(codestream)
        self._check_levels()
        self._sides: dict[tuple[int, int, int, int], tuple[Side, int]] = {}
        self._signatures: dict[object, int] = {}

    def _special(self, codestream: Codestream) -> dict[int, TileParameters]:
        """Return the parameters of needed tiles that have their own, equal ones as one object."""
        alike: dict[TileParameters, TileParameters] = {self.default: self.default}
        across = self.size.tiles_across
        return {
            tile: alike.setdefault(parameters, parameters)
            for tile, parameters in codestream.tile_parameters.items()
            if tile % across in self.columns and tile // across in self.rows
        }

    def _check_levels(self) -> None:
        used = {id(found): found for found in self.special.values()}
        if len(self.special) < len(self.columns) * len(self.rows):
            used[id(self.default)] = self.default
        levels = min(coding.levels for parameters in used.values() for coding in parameters.codings)
        if self.reduce > levels:
            raise ParameterError(f"A 'reduce' of {self.reduce} is not allowed, there are {levels} decomposition levels")

    def window(self, component: Component) -> tuple[Span, Span]:
        """Return what is wanted of a component, on its own grid without the discarded levels: columns and rows."""
        (x0, x1), (y0, y1) = self.wanted
        across = self._reduced(x0, component.dx), self._reduced(x1, component.dx)
        return across, (self._reduced(y0, component.dy), self._reduced(y1, component.dy))

    def _reduced(self, value: int, step: int) -> int:
        return reduced(-(-value // step), self.reduce)

    def tiles(self) -> Iterator[tuple[int, Sides, tuple[int, ...], TileParameters]]:
        """Yield index, sides, numbers that are equal where sides are alike, and parameters of all needed tiles."""
        components = self.size.components
        across = self.size.tiles_across
        for row in self.rows:
            for column in self.columns:
                index = row * across + column
                parameters = self.special.get(index, self.default)
                pairs: list[tuple[Side, Side]] = []
                numbers: list[int] = []
                for component, coding in zip(components, parameters.codings, strict=True):
                    x, x_number = self._side(0, column, component.dx, coding)
                    y, y_number = self._side(1, row, component.dy, coding)
                    pairs.append((x, y))
                    numbers += (x_number, y_number)
                yield index, tuple(pairs), tuple(numbers), parameters

    def _side(self, axis: int, position: int, step: int, coding: CodingStyle) -> tuple[Side, int]:
        # By identity: hashing a coding style for each tile would take longer than all else.
        key = (axis, position, step, id(coding))
        found = self._sides.get(key)
        if found is None:
            begin = self.tile_begin[axis] + position * self.tile_length[axis]
            first, last = self.image[axis]
            span = max(begin, first), min(begin + self.tile_length[axis], last)
            wanted = self._reduced(self.wanted[axis][0], step), self._reduced(self.wanted[axis][1], step)
            own = -(-span[0] // step), -(-span[1] // step)
            side = cut_side(own, coding, axis, self.reduce, wanted, step, span[0])
            number = self._signatures.setdefault(side.signature, len(self._signatures))
            found = self._sides[key] = side, number
        return found

    def check_classes(self, levels: int, num_bytes: int) -> None:
        """Refuse to lay out more resolution levels, of tiles that are cut up differently, than so few bytes need."""
        limit_claim("kinds of resolution levels", levels, max(_MANY_LEVELS, num_bytes // _BYTES_A_LEVEL))

    def check_claims(self, num_bytes: int, end: int) -> None:
        """Hold what headers claim against the bytes there are.

        Parameters
        ----------
        num_bytes : int
            Bytes of all packets.
        end : int
            Where the codestream ends, for messages.

        Raises
        ------
        TruncatedCodestreamError
            If there are more packets than bytes.
        LimitExceededError
            If there are more codeblocks or tile-components than so few bytes should have.
        """
        num_tiles = len(self.columns) * len(self.rows)
        limit_claim("tile-components", num_tiles * len(self.size.components), max(_MANY_TILE_COMPONENTS, num_bytes))
        chosen: dict[int, list[int]] = {}
        for tile, found in self.special.items():
            chosen.setdefault(id(found), []).append(tile)
        packets = codeblocks = 0.0
        for found in {id(each): each for each in (self.default, *self.special.values())}.values():
            tiles = chosen.get(id(found), []) if found is not self.default else None
            precincts, blocks = self._claimed(found, tiles)
            packets += precincts * found.packets.num_layers
            codeblocks += blocks
        if packets > num_bytes:
            raise TruncatedCodestreamError(
                f"{packets:.0f} packets cannot be in {num_bytes} bytes", format=FORMAT, offset=end
            )
        limit_claim("codeblocks", codeblocks, max(_MANY_CODEBLOCKS, 8 * num_bytes))

    def _claimed(self, parameters: TileParameters, tiles: list[int] | None) -> tuple[float, float]:
        """Return how many precincts and codeblocks tiles have, or all those together that have no parameters."""
        kinds = Counter(
            (component.dx, component.dy, coding)
            for component, coding in zip(self.size.components, parameters.codings, strict=True)
        )
        limit_claim("resolution levels", sum(coding.levels + 1 for _, _, coding in kinds), _MANY_KINDS)
        places = None if tiles is None and not self.special else self._places(tiles)
        precincts = codeblocks = 0.0
        for (dx, dy, coding), number in kinds.items():
            for x, y in zip(self._counts(0, dx, coding), self._counts(1, dy, coding), strict=True):
                precincts += number * _together(x[0], y[0], places)
                for across, down in ((1, 1),) if len(x) == 2 else ((2, 1), (1, 2), (2, 2)):
                    codeblocks += number * _together(x[across], y[down], places)
        return precincts, codeblocks

    def _places(self, tiles: list[int] | None) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return columns and rows of tiles, counted from the first that is needed; None for those without a header."""
        across = self.size.tiles_across
        index = np.arange(self.rows.start, self.rows.stop)[:, None] * across + np.array(self.columns)
        needed = np.setdiff1d(index, list(self.special)) if tiles is None else np.array(tiles, np.int64)
        return needed % across - self.columns.start, needed // across - self.rows.start

    def _counts(self, axis: int, step: int, coding: CodingStyle) -> list[list[Floats]]:
        """Count precincts and the codeblocks of each half along one axis, of each resolution level and tile."""
        positions = np.array((self.columns, self.rows)[axis], np.int64)
        begin = self.tile_begin[axis] + positions * self.tile_length[axis]
        first, last = self.image[axis]
        end = -(-np.minimum(begin + self.tile_length[axis], last) // step)
        begin = -(-np.maximum(begin, first) // step)
        codeblock = (coding.width_exponent, coding.height_exponent)[axis]
        found = []
        for resolution, precincts in enumerate(coding.precincts):
            decomposed = coding.levels - resolution
            span = reduced(begin, decomposed), reduced(end, decomposed)
            counts = [count_parts(span[0], span[1], precincts[axis])]
            exponent = min(codeblock, precincts[axis] - (resolution > 0))
            for half in (0, 1) if resolution else (0,):
                level = decomposed + (resolution > 0)
                counts.append(count_parts(subband(begin, level, half), subband(end, level, half), exponent))
            found.append([count.astype(np.float64) for count in counts])
        return found


def _together(x: Floats, y: Floats, places: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]] | None) -> float:
    """Return how many there are of what rows and columns are cut into, in all tiles or in some."""
    return float(x.sum() * y.sum() if places is None else x[places[0]] @ y[places[1]])


def limit_claim(what: str, number: float, most: int) -> None:
    """Refuse what headers claim if it is too much."""
    if number > most:
        raise LimitExceededError(f"{number:.0f} {what} are claimed, with so few bytes at most {most} are allowed")
