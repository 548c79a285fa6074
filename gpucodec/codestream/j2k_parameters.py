"""How a JPEG 2000 codestream is to be coded: what COD, SIZ and the tile-part headers say, ITU-T T.800 Annex A."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from itertools import pairwise

from gpucodec.errors import ParameterError

__all__ = ["CodeblockStyle", "CodingParameters", "ProgressionOrder"]

MAX_LEVELS = 32
MAX_LAYERS = 65535
MAX_PRECINCT_EXPONENT = 15


class ProgressionOrder(IntEnum):
    """The order of packets, T.800 Table A.16: layer, resolution level, component, position."""

    LRCP = 0
    RLCP = 1
    RPCL = 2
    PCRL = 3
    CPRL = 4


class CodeblockStyle(IntFlag):
    """How codeblocks are coded, T.800 Table A.19."""

    PLAIN = 0
    BYPASS = 1  # selective arithmetic coding bypass
    RESET = 2  # context probabilities are reset after each coding pass
    TERMINATE = 4  # each coding pass is terminated
    VERTICALLY_CAUSAL = 8
    PREDICTABLE_TERMINATION = 16
    SEGMENTATION_SYMBOLS = 32


@dataclass(frozen=True, slots=True)
class CodingParameters:
    """Everything that an encoder may choose; what is left out is what pylibjpeg-openjpeg chooses.

    Parameters
    ----------
    reversible : bool
        Whether the 5/3 wavelet and no quantization are used, or the 9/7 wavelet and quantization.
    component_transform : bool
        Whether the first three components go through the RCT (reversible) or the ICT, T.800 Annex G.
    levels : int
        Decomposition levels, 0 to 32.
    codeblock_width_exponent, codeblock_height_exponent : int
        Codeblocks are 2**exponent samples, 2 to 10, together at most 12.
    codeblock_style : CodeblockStyle
        The coding passes' options.
    progression_order : ProgressionOrder
        The order of packets.
    precincts : tuple of (int, int)
        Exponents of each precinct's width and height, from resolution level 0 up; the last pair holds for all
        levels above. Empty for precincts as large as can be.
    ratios : tuple of float
        The compression ratio of each quality layer against Bits Stored, strictly decreasing; 1 for all there is.
    psnr : tuple of float
        The peak signal-to-noise ratio of each quality layer in dB, strictly increasing; 0 for all there is.
        Without either there is one layer that holds everything.
    sop, eph : bool
        Whether each packet begins with an SOP marker segment, and each packet header ends with EPH.
    plt, tlm : bool
        Whether PLT (packet lengths) and TLM (tile-part lengths) marker segments are written.
    high_throughput : bool
        Whether codeblocks are HT codeblocks, T.814; they have one coding pass, and so one layer and no style.

    Raises
    ------
    ParameterError
        If a value is outside of what the standard allows.
    """

    reversible: bool = True
    component_transform: bool = False
    levels: int = 5
    codeblock_width_exponent: int = 6
    codeblock_height_exponent: int = 6
    codeblock_style: CodeblockStyle = CodeblockStyle.PLAIN
    progression_order: ProgressionOrder = ProgressionOrder.LRCP
    precincts: tuple[tuple[int, int], ...] = ()
    ratios: tuple[float, ...] = ()
    psnr: tuple[float, ...] = ()
    sop: bool = False
    eph: bool = False
    plt: bool = False
    tlm: bool = False
    high_throughput: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        _require("levels", self.levels, 0 <= self.levels <= MAX_LEVELS, f"must be 0 to {MAX_LEVELS}")
        for name in ("codeblock_width_exponent", "codeblock_height_exponent"):
            value = getattr(self, name)
            _require(name, value, 2 <= value <= 10, "must be 2 to 10")
        area = self.codeblock_width_exponent + self.codeblock_height_exponent
        _require("codeblock_width_exponent + codeblock_height_exponent", area, area <= 12, "must be 12 or less")
        _require("codeblock_style", self.codeblock_style, 0 <= self.codeblock_style <= 63, "must be 0 to 63")
        self._check_precincts()
        _require("number of layers", self.num_layers, self.num_layers <= MAX_LAYERS, f"must be 1 to {MAX_LAYERS}")
        if self.high_throughput:
            _require("number of layers", self.num_layers, self.num_layers == 1, "must be 1 of HT codeblocks")
            style = self.codeblock_style
            _require("codeblock_style", style, style is CodeblockStyle.PLAIN, "must be PLAIN of HT codeblocks")
        if self.ratios and self.psnr:
            raise ParameterError("'ratios' and 'psnr' cannot both be given")
        _require_order("ratios", self.ratios[::-1], 1.0, "decreasing")
        # 0 stands for no limit, and so for more than any other.
        limits = tuple(value or float("inf") for value in self.psnr)
        _require_order("psnr", limits, 0.0, "increasing")

    def _check_precincts(self) -> None:
        _require("precincts", self.precincts, len(self.precincts) <= self.levels + 1, "has more than levels + 1 pairs")
        for resolution, pair in enumerate(self.precincts):
            smallest = 0 if resolution == 0 else 1  # half of it must be left for the subbands, T.800 B.7
            allowed = f"must be pairs of {smallest} to {MAX_PRECINCT_EXPONENT}"
            holds = len(pair) == 2 and all(smallest <= value <= MAX_PRECINCT_EXPONENT for value in pair)
            if resolution == 0 and len(self.precincts) == 1 and self.levels and min(pair) < 1:
                holds = False
            _require(f"precincts[{resolution}]", pair, holds, allowed)

    @property
    def num_layers(self) -> int:
        """Number of quality layers."""
        return max(1, len(self.ratios), len(self.psnr))

    @property
    def needs_allocation(self) -> bool:
        """Whether coding passes have to be shared out among layers, or left out."""
        return self.num_layers > 1 or any(ratio > 1 for ratio in self.ratios) or any(self.psnr)

    @property
    def needs_pass_lengths(self) -> bool:
        """Whether the bytes of single coding passes must be known."""
        segmented = CodeblockStyle.BYPASS | CodeblockStyle.TERMINATE
        return self.needs_allocation or bool(self.codeblock_style & segmented)

    def precinct(self, resolution: int) -> tuple[int, int]:
        """Return the exponents of the width and height of precincts at a resolution level."""
        if not self.precincts:
            return MAX_PRECINCT_EXPONENT, MAX_PRECINCT_EXPONENT
        return self.precincts[min(resolution, len(self.precincts) - 1)]


def _require(name: str, value: object, holds: bool, allowed: str) -> None:
    if not holds:
        raise ParameterError(f"A '{name}' of '{value}' is not allowed, {allowed}")


def _require_order(name: str, increasing: tuple[float, ...], smallest: float, order: str) -> None:
    if any(not value >= smallest for value in increasing):
        raise ParameterError(f"Each of the '{name}' must be at least {smallest:g}, not {list(increasing)}")
    if any(first >= second for first, second in pairwise(increasing)):
        raise ParameterError(f"The '{name}' must be strictly {order}, not {list(increasing)}")
