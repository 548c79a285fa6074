"""Where a JPEG 2000 codestream begins, and what SIZ says of it, ITU-T T.800 A.5.1 and Annex I.

PS3.5 A.4.4 forbids JP2 boxes around a codestream, but some files have them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gpucodec.errors import CodestreamError, TruncatedCodestreamError

__all__ = ["FORMAT", "JP2_SIGNATURE", "SOC", "Component", "ImageSize", "find_codestream", "read_size", "unpack"]

FORMAT = "JPEG 2000"
JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
SOC = b"\xff\x4f"
_MAX_BOXES = 1024
_MAX_COMPONENTS = 16384  # T.800 Table A.9
_MAX_TILES = 65535  # T.800 A.4.2: the tile index of SOT has 16 bits
_MAX_PRECISION = 38


@dataclass(frozen=True, slots=True)
class Component:
    """One component, as SIZ describes it.

    Parameters
    ----------
    precision : int
        Bits of a sample.
    is_signed : bool
        Whether samples are signed.
    dx, dy : int
        Distance of its samples on the reference grid.
    """

    precision: int
    is_signed: bool
    dx: int
    dy: int


@dataclass(frozen=True, slots=True)
class ImageSize:
    """The reference grid, T.800 B.2 and B.3: the image area, the tiles' grid, and the components.

    Parameters
    ----------
    x0, y0, x1, y1 : int
        The image area.
    tile_x0, tile_y0, tile_width, tile_height : int
        Where the first tile begins, and the size of each.
    capabilities : int
        Rsiz.
    components : tuple of Component
        In their order.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    tile_x0: int
    tile_y0: int
    tile_width: int
    tile_height: int
    capabilities: int
    components: tuple[Component, ...]

    @property
    def rows(self) -> int:
        """Rows of the image area."""
        return self.y1 - self.y0

    @property
    def columns(self) -> int:
        """Columns of the image area."""
        return self.x1 - self.x0

    @property
    def is_subsampled(self) -> bool:
        """Whether the components differ in size or are smaller than the image area."""
        return any((component.dx, component.dy) != (1, 1) for component in self.components)

    @property
    def tiles_across(self) -> int:
        """Number of tiles in a row of them."""
        return -(-(self.x1 - self.tile_x0) // self.tile_width)

    @property
    def tiles_down(self) -> int:
        """Number of rows of tiles."""
        return -(-(self.y1 - self.tile_y0) // self.tile_height)


def unpack(layout: str, data: bytes | memoryview, offset: int, marker: str, fmt: str = FORMAT) -> tuple[int, ...]:
    """Return what `struct.unpack_from` does, or say that the codestream is too short."""
    if offset + struct.calcsize(layout) > len(data):
        raise TruncatedCodestreamError(
            "the codestream ends inside its header", format=fmt, offset=len(data), marker=marker
        )
    return struct.unpack_from(layout, data, offset)


def find_codestream(data: bytes | memoryview) -> int:
    """Return the offset of the first contiguous codestream box's content, T.800 I.5.4; 0 where there are no boxes."""
    if bytes(data[: len(JP2_SIGNATURE)]) != JP2_SIGNATURE:
        return 0
    offset = 0
    for _ in range(_MAX_BOXES):
        length, name = unpack(">II", data, offset, "jp2c")
        header = 8
        if length == 1:  # the length is in the extended field
            (length,) = unpack(">Q", data, offset + 8, "jp2c")
            header = 16
        if name == 0x6A703263:  # "jp2c"
            return offset + header
        if length < header:  # 0 means up to the end, so there is no codestream after it
            raise CodestreamError(
                f"a JP2 box of length {length} stands before the codestream", format=FORMAT, offset=offset
            )
        offset += length
    raise CodestreamError(f"no codestream in the first {_MAX_BOXES} JP2 boxes", format=FORMAT, offset=offset)


def read_size(data: bytes | memoryview, start: int) -> ImageSize:
    """Read SIZ, which directly follows SOC.

    Parameters
    ----------
    data : bytes-like
        All bytes.
    start : int
        Where SOC is.

    Raises
    ------
    TruncatedCodestreamError
        If SIZ is not whole.
    CodestreamError
        If it is missing or contradicts itself.
    """
    soc, siz, length, capabilities, *area = unpack(">HHHH8I", data, start, "SIZ")
    if (soc, siz) != (0xFF4F, 0xFF51):
        raise CodestreamError("does not start with SOC and SIZ", format=FORMAT, offset=start, marker="SIZ")
    (samples,) = unpack(">H", data, start + 40, "SIZ")
    if not 1 <= samples <= _MAX_COMPONENTS or length != 38 + 3 * samples:
        raise CodestreamError(
            f"a length of {length} does not go with {samples} components", format=FORMAT, offset=start + 4, marker="SIZ"
        )
    described = unpack(f">{3 * samples}B", data, start + 42, "SIZ")
    _check_area(area, start)
    depths, across, down = described[0::3], described[1::3], described[2::3]
    precision, step = max(depth & 0x7F for depth in depths) + 1, min(min(across), min(down))
    if precision > _MAX_PRECISION or step == 0:
        raise CodestreamError(
            f"a precision of {precision} (1 to {_MAX_PRECISION}) or a sampling of {step} (1 to 255) is not allowed",
            format=FORMAT,
            offset=start + 42,
            marker="SIZ",
        )
    components = tuple(
        Component((depth & 0x7F) + 1, depth >= 0x80, dx, dy) for depth, dx, dy in zip(depths, across, down, strict=True)
    )
    x1, y1, x0, y0, tile_width, tile_height, tile_x0, tile_y0 = area
    return ImageSize(x0, y0, x1, y1, tile_x0, tile_y0, tile_width, tile_height, capabilities, components)


def _check_area(area: list[int], start: int) -> None:
    """Check image and tile area on the reference grid, T.800 B.2 and B.3."""
    for end, begin, size, origin in zip(area[0:2], area[2:4], area[4:6], area[6:8], strict=True):
        if not (begin < end and size and origin <= begin < origin + size):
            raise CodestreamError(
                f"an image area from {begin} to {end} with tiles of {size} from {origin} is not allowed",
                format=FORMAT,
                offset=start + 8,
                marker="SIZ",
            )
    across, down = (-(-(area[i] - area[i + 6]) // area[i + 4]) for i in (0, 1))
    if across * down > _MAX_TILES:
        raise CodestreamError(
            f"{across} x {down} tiles are more than {_MAX_TILES}", format=FORMAT, offset=start + 24, marker="SIZ"
        )
