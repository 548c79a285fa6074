"""What a JPEG-LS codestream says of its frame and scans, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

__all__ = ["Component", "Description", "InterleaveMode", "MappingTable", "Preset", "Scan"]


class InterleaveMode(IntEnum):
    """ILV, T.87 Table C.2: how the components of a scan are mixed."""

    NONE = 0
    LINE = 1
    SAMPLE = 2


@dataclass(frozen=True, slots=True)
class Preset:
    """The preset coding parameters, T.87 C.2.4.1.1.

    Parameters
    ----------
    maximum_sample_value : int
        MAXVAL.
    thresholds : tuple of int
        T1, T2 and T3, which quantise gradients.
    reset : int
        RESET, the number of samples after which a context's counters are halved.
    """

    maximum_sample_value: int
    thresholds: tuple[int, int, int]
    reset: int = 64


@dataclass(frozen=True, slots=True)
class Component:
    """One component, T.87 C.2.2 and T.81 A.1.1.

    Parameters
    ----------
    identifier : int
        Ci, as scan headers name it.
    horizontal, vertical : int
        The sampling factors Hi and Vi, 1 to 4.
    rows, columns : int
        Its own size in samples.
    """

    identifier: int
    horizontal: int
    vertical: int
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class MappingTable:
    """A table that turns decoded samples into what they stand for, T.87 C.2.4.1.2.

    Parameters
    ----------
    identifier : int
        TID, as scan headers name it, 1 to 255.
    entry_bytes : int
        Wt, the bytes of one entry.
    content : bytes
        The entries, each most significant byte first.
    """

    identifier: int
    entry_bytes: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan, T.87 C.2.3, with everything that was in force when it began.

    Parameters
    ----------
    components : tuple of int
        Indices of its components in the frame.
    near : int
        NEAR, the largest absolute error; 0 is lossless.
    interleave_mode : InterleaveMode
        ILV.
    point_transform : int
        Pt, the bits by which decoded samples are shifted to the left.
    preset : Preset
        The coding parameters, zeros replaced by the defaults.
    restart_interval : int
        Lines between restart markers, 0 for none.
    mapping_tables : tuple of int
        For each component the identifier of its mapping table, 0 for none.
    intervals : tuple of tuple of int
        Byte offsets of the first byte of each entropy-coded segment and of the first byte behind it. Between
        them stand restart markers; without these there is one segment.
    """

    components: tuple[int, ...]
    near: int
    interleave_mode: InterleaveMode
    point_transform: int
    preset: Preset
    restart_interval: int
    mapping_tables: tuple[int, ...]
    intervals: tuple[tuple[int, int], ...]

    @property
    def end(self) -> int:
        """Byte offset of the marker, or of the fill bytes before it, that ends the scan."""
        return self.intervals[-1][1]


@dataclass(frozen=True, slots=True)
class Description:
    """One frame.

    Parameters
    ----------
    rows, columns : int
        Y and X: the size of the image area.
    precision : int
        P: bits of a sample, 2 to 16.
    components : tuple of Component
        In the order of the frame header.
    scans : tuple of Scan
        In the order of the codestream; every component is in exactly one.
    colour_transform : int
        0, or the number of the colour transform that a ``mrfx`` segment in APP8 tells of: 1 to 3.
    mapping_tables : mapping of int to MappingTable
        By identifier.
    """

    rows: int
    columns: int
    precision: int
    components: tuple[Component, ...]
    scans: tuple[Scan, ...]
    colour_transform: int = 0
    mapping_tables: Mapping[int, MappingTable] = field(default_factory=dict)

    @property
    def is_subsampled(self) -> bool:
        """Whether a component is smaller than the image area."""
        return any((c.rows, c.columns) != (self.rows, self.columns) for c in self.components)

    def num_lines(self, scan: Scan) -> int:
        """Return how many lines a scan has, or, where its components differ, groups of lines (T.81 A.2.3)."""
        components = [self.components[index] for index in scan.components]
        if scan.interleave_mode is InterleaveMode.LINE:
            return max(-(-component.rows // component.vertical) for component in components)
        return components[0].rows
