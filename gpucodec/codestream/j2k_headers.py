"""The main header and tile-part headers of a JPEG 2000 codestream: what they say together, ITU-T T.800 A.3 to A.6.

A tile-part header says more than the main header, and a component's own marker segment more than that for all:
tile COC > tile COD > main COC > main COD, and so for quantization (A.6.1 to A.6.5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gpucodec.codestream.j2k_codes import Marker
from gpucodec.codestream.j2k_segments import (
    CodingStyle,
    PacketStyle,
    Progression,
    Quantization,
    Segment,
    read_capabilities,
    read_coc,
    read_cod,
    read_poc,
    read_qcc,
    read_qcd,
    read_rgn,
)
from gpucodec.codestream.j2k_size import FORMAT, ImageSize
from gpucodec.errors import CodestreamError

__all__ = ["TileParameters", "read_main_header", "read_tile_header"]

_MAX_PROGRESSIONS = 1024


@dataclass(frozen=True, slots=True)
class TileParameters:
    """How a tile is coded.

    Parameters
    ----------
    packets : PacketStyle
        Layers, progression order, component transform, SOP and EPH.
    codings : tuple of CodingStyle
        One a component.
    quantizations : tuple of Quantization
        One a component.
    roi_shifts : tuple of int
        One a component: by how many bit-planes its region of interest is shifted up.
    progressions : tuple of Progression
        Changes of the progression order; empty where `packets` says all.
    """

    packets: PacketStyle
    codings: tuple[CodingStyle, ...]
    quantizations: tuple[Quantization, ...]
    roi_shifts: tuple[int, ...]
    progressions: tuple[Progression, ...]


@dataclass(slots=True)
class _Said:
    """What the marker segments of one header have said."""

    cod: tuple[PacketStyle, CodingStyle] | None = None
    qcd: Quantization | None = None
    cocs: dict[int, CodingStyle] = field(default_factory=dict)
    qccs: dict[int, Quantization] = field(default_factory=dict)
    shifts: dict[int, int] = field(default_factory=dict)
    progressions: list[Progression] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)

    def read(self, segment: Segment, num_components: int) -> None:
        """Take in one marker segment; those that say nothing of how samples are coded are passed over."""
        match segment.code:
            case Marker.COD:
                self.cod = read_cod(segment)
            case Marker.QCD:
                self.qcd = read_qcd(segment)
            case Marker.COC:
                component, coding = read_coc(segment, num_components)
                self.cocs[component] = coding
            case Marker.QCC:
                component, quantization = read_qcc(segment, num_components)
                self.qccs[component] = quantization
            case Marker.RGN:
                component, shift = read_rgn(segment, num_components)
                self.shifts[component] = shift
            case Marker.POC:
                self.progressions += read_poc(segment, num_components)
                if len(self.progressions) > _MAX_PROGRESSIONS:
                    raise segment.wrong(f"more than {_MAX_PROGRESSIONS} progression changes are not allowed")
            case Marker.CAP:
                if need := read_capabilities(segment):
                    self.needs.append(need)


def _check_steps(parameters: TileParameters, offset: int) -> None:
    for component, (coding, quantization) in enumerate(zip(parameters.codings, parameters.quantizations, strict=True)):
        needed, told = 3 * coding.levels + 1, len(quantization.exponents)
        if not quantization.derived and told < needed:
            raise CodestreamError(
                f"component {component} has {needed} subbands and {told} quantization steps",
                format=FORMAT,
                offset=offset,
                marker="QCD",
            )


def read_main_header(segments: Iterable[Segment], size: ImageSize, end: int) -> tuple[TileParameters, tuple[str, ...]]:
    """Read the marker segments of the main header.

    Parameters
    ----------
    segments : iterable of Segment
        Those after SIZ.
    size : ImageSize
        What SIZ says.
    end : int
        Where the header ends, for messages.

    Returns
    -------
    parameters : TileParameters
        How tiles are coded whose own headers say nothing else.
    needs : tuple of str
        What the codestream needs beyond Parts 1 and 15.

    Raises
    ------
    CodestreamError
        If a segment is wrong, or COD or QCD is missing.
    """
    said, num_components = _Said(), len(size.components)
    for segment in segments:
        said.read(segment, num_components)
    for marker, found in (("COD", said.cod), ("QCD", said.qcd)):
        if found is None and not (marker == "QCD" and len(said.qccs) == num_components):
            raise CodestreamError(f"the main header has no {marker}", format=FORMAT, offset=end, marker=marker)
    if said.cod is None:
        raise AssertionError  # seen to above; says so to type checkers
    quantizations = tuple(said.qccs.get(index, said.qcd) for index in range(num_components))
    parameters = TileParameters(
        said.cod[0],
        tuple(said.cocs.get(index, said.cod[1]) for index in range(num_components)),
        tuple(quantization for quantization in quantizations if quantization is not None),
        tuple(said.shifts.get(index, 0) for index in range(num_components)),
        tuple(said.progressions),
    )
    _check_steps(parameters, end)
    return parameters, tuple(said.needs)


def read_tile_header(
    segments: Iterable[Segment], main: TileParameters, num_components: int, offset: int
) -> TileParameters:
    """Read what the headers of a tile's tile-parts say, in their order, on top of the main header."""
    said = _Said()
    for segment in segments:
        said.read(segment, num_components)
    packets, coding = said.cod or (main.packets, None)
    codings = (said.cocs.get(index, coding or main.codings[index]) for index in range(num_components))
    steps = (said.qccs.get(index, said.qcd or main.quantizations[index]) for index in range(num_components))
    shifts = (said.shifts.get(index, main.roi_shifts[index]) for index in range(num_components))
    # A POC of a tile's own overrides that of the main header.
    progressions = tuple(said.progressions) or main.progressions
    parameters = TileParameters(packets, tuple(codings), tuple(steps), tuple(shifts), progressions)
    _check_steps(parameters, offset)
    return parameters
