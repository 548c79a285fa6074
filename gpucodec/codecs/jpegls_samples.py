"""What decoded JPEG-LS samples go through: point transform, mapping tables, colour transforms. All in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpucodec.backends import Executor
from gpucodec.codestream.jpegls import Description, InterleaveMode, Scan
from gpucodec.errors import CodestreamError, UnsupportedError

__all__ = ["finish_component", "undo_colour_transform", "value_bits"]

_FORMAT = "JPEG-LS"
_LARGEST_ENTRY = 2  # bytes


def value_bits(description: Description) -> int:
    """Return how many bits the values of a frame have once mapping tables were applied.

    Raises
    ------
    UnsupportedError
        If entries are too wide for a sample, or some components are mapped and others are not.
    """
    used = {identifier for scan in description.scans for identifier in scan.mapping_tables}
    if used == {0}:
        return description.precision
    if 0 in used and len(used) > 1:
        raise UnsupportedError("Unable to decode JPEG-LS with mapping tables for some of its components")
    widest = max(description.mapping_tables[identifier].entry_bytes for identifier in used)
    if widest > _LARGEST_ENTRY:
        raise UnsupportedError(f"Unable to decode JPEG-LS with mapping table entries of {widest} bytes, at most 2")
    return 8 * widest


def finish_component(where: Executor, samples: Any, description: Description, scan: Scan, place: int) -> None:
    """Apply point transform and mapping table of a scan's component to its samples, T.87 A.1 and C.2.4.1.2.

    Raises
    ------
    CodestreamError
        If a sample is beyond the precision or the table.
    """
    identifier = scan.mapping_tables[place]
    if scan.point_transform:
        if int(samples.max()) >> (description.precision - scan.point_transform):
            raise _error(f"a sample of {int(samples.max())} before a point transform of {scan.point_transform}", scan)
        samples <<= scan.point_transform
    if not identifier:
        return
    table = description.mapping_tables[identifier]
    entries = np.frombuffer(table.content, f">u{table.entry_bytes}")
    if (largest := int(samples.max())) >= len(entries):
        raise _error(f"a sample of {largest}, mapping table {identifier} has {len(entries)} entries", scan)
    samples[...] = where.upload(entries.astype(f"u{table.entry_bytes}"))[samples]


def undo_colour_transform(components: Sequence[Any], description: Description) -> None:
    """Turn the components of HP's colour transforms back to RGB, as CharLS does.

    Components that are not interleaved are left alone, as CharLS leaves them.

    Raises
    ------
    UnsupportedError
        If the transform is not one of three components of 8 or 16 bits.
    """
    transform = description.colour_transform
    interleave_modes = {scan.interleave_mode for scan in description.scans}
    if not transform:
        return
    if len(components) != 3 or description.precision not in (8, 16) or description.is_subsampled:
        raise UnsupportedError(
            f"Unable to undo colour transform {transform} of {len(components)} components of "
            f"{description.precision} bits, must be 3 of 8 or 16"
        )
    if InterleaveMode.NONE in interleave_modes:
        return
    half = 1 << (description.precision - 1)
    first, second, third = (component.astype(np.int32) for component in components)
    if transform == 1:
        red, green, blue = first + second - half, second, third + second - half
    elif transform == 2:
        red, green = first + second - half, second
        red &= 2 * half - 1
        blue = third + ((red + green) >> 1) - half
    else:
        green = first - ((third + second) >> 2) + half // 2
        green &= 2 * half - 1
        red, blue = third + green - half, second + green - half
    for component, values in zip(components, (red, green, blue), strict=True):
        component[...] = values & (2 * half - 1)


def _error(message: str, scan: Scan) -> CodestreamError:
    return CodestreamError(message, format=_FORMAT, offset=scan.end)
