"""Options of encoding and decoding, under pydicom's names, checked before any work is done."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from gpucodec.codecs.formats import Family, Format, get_format
from gpucodec.errors import ParameterError

__all__ = ["DecodeOptions", "EncodeOptions"]

_MAX_LAYERS = 100  # what OpenJPEG allows
_DEFAULT_MAX_FRAME_BYTES = 1 << 33
_MAX_REDUCE = 32  # decomposition levels that COD can tell of, T.800 Table A.15
_MAX_LAYERS_DECODED = 65535  # likewise, Table A.14


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """What a caller may ask of an encoder.

    Parameters
    ----------
    jls_error : int
        JPEG-LS near-lossless only: the largest absolute error of a sample, T.87's NEAR, 0 to 255.
    j2k_cr : tuple of float
        JPEG 2000 only: the compression ratio of each quality layer, strictly decreasing, 1 or more.
    j2k_psnr : tuple of float
        JPEG 2000 only: the peak signal-to-noise ratio of each quality layer in dB, strictly increasing.
    """

    jls_error: int = 0
    j2k_cr: tuple[float, ...] = ()
    j2k_psnr: tuple[float, ...] = ()

    @classmethod
    def for_transfer_syntax(cls, uid: str, **options: Any) -> EncodeOptions:
        """Check options against a transfer syntax, with the rules and the words of pydicom.

        Parameters
        ----------
        uid : str
            The transfer syntax to encode to.
        **options
            `jls_error`, `j2k_cr`, `j2k_psnr`; None stands for not given.

        Raises
        ------
        ParameterError
            If an option is unknown, out of range, or does not go with the transfer syntax.
        """
        given = {name: value for name, value in options.items() if value is not None}
        allowed = {field.name for field in dataclasses.fields(cls)}
        if unknown := set(given) - allowed:
            raise ParameterError(f"Unknown encoding options {sorted(unknown)}, allowed are {sorted(allowed)}")
        checked = cls(
            jls_error=_jls_error(given.get("jls_error", 0)),
            j2k_cr=_layers("j2k_cr", given.get("j2k_cr", ()), increasing=False, smallest=1.0),
            j2k_psnr=_layers("j2k_psnr", given.get("j2k_psnr", ()), increasing=True, smallest=0.0),
        )
        checked._check_fits(get_format(uid))
        return checked

    def _check_fits(self, target: Format) -> None:
        if self.jls_error and (target.family is not Family.JPEG_LS or target.lossless):
            raise ParameterError(
                f"A 'jls_error' value of '{self.jls_error}' is being used with a transfer syntax of "
                f"'{target.name}' - did you mean to use 'JPEG-LS Near Lossless' instead?"
            )
        lossy = bool(self.j2k_cr or self.j2k_psnr)
        wavelet = target.family in (Family.JPEG_2000, Family.HTJ2K)
        if lossy and (target.lossless or not wavelet):
            other = "HTJ2K" if target.family is Family.HTJ2K else "JPEG 2000"
            raise ParameterError(
                "A lossy configuration option is being used with a transfer syntax of "
                f"'{target.name}' - did you mean to use '{other}' instead?"
            )
        if wavelet and not target.lossless and not lossy:
            raise ParameterError(
                f"The '{target.name}' transfer syntax requires a lossy configuration option such as "
                "'j2k_cr' or 'j2k_psnr'"
            )
        if self.j2k_cr and self.j2k_psnr:
            raise ParameterError(
                "Multiple lossy configuration options are being used with the "
                f"'{target.name}' transfer syntax, please specify only one"
            )

    @property
    def is_lossy(self) -> bool:
        """Whether these options may change a sample's value."""
        return bool(self.jls_error or self.j2k_cr or self.j2k_psnr)


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """What a caller may ask of a decoder.

    Parameters
    ----------
    rle_segment_order : str
        RLE only: ``">"`` for the standard's order, most significant byte first, or ``"<"`` for the
        reversed order that some broken writers used.
    max_frame_bytes : int
        A frame whose uncompressed size is above this is refused before anything is allocated.
    reduce : int
        JPEG 2000 only: how many of the highest resolution levels are left out, 0 to 32; each halves a frame's sides.
    layers : int
        JPEG 2000 only: how many quality layers are decoded; 0 for all that there are.
    region : tuple of int, optional
        JPEG 2000 only: row, column, rows and columns of the part of each frame that is decoded, in pixels of the
        whole frame also where `reduce` leaves fewer of them.
    """

    rle_segment_order: str = ">"
    max_frame_bytes: int = _DEFAULT_MAX_FRAME_BYTES
    reduce: int = 0
    layers: int = 0
    region: tuple[int, int, int, int] | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        _whole_number("reduce", self.reduce, _MAX_REDUCE)
        _whole_number("layers", self.layers, _MAX_LAYERS_DECODED)
        if self.region is not None:
            object.__setattr__(self, "region", _region(self.region))
        if self.rle_segment_order not in ("<", ">"):
            raise ParameterError(f"An 'rle_segment_order' of '{self.rle_segment_order}' is not allowed, use '>' or '<'")
        if self.max_frame_bytes < 1:
            raise ParameterError(f"A 'max_frame_bytes' of '{self.max_frame_bytes}' is not allowed, must be 1 or more")

    @property
    def is_partial(self) -> bool:
        """Whether less than everything in a codestream is asked for."""
        return bool(self.reduce or self.layers or self.region)


def _whole_number(name: str, value: Any, largest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or not 0 <= int(value) <= largest:
        raise ParameterError(f"A '{name}' of '{value}' is not allowed, must be an integer in 0 to {largest}")


def _region(value: Any) -> tuple[int, int, int, int]:
    region = tuple(value) if isinstance(value, Iterable) else ()
    whole = all(isinstance(number, Integral) and not isinstance(number, bool) for number in region)
    if len(region) != 4 or not whole or min(region[:2]) < 0 or min(region[2:]) < 1:
        raise ParameterError(
            f"A 'region' of '{value}' is not allowed, must be (row, column, rows, columns), the first two 0 or more "
            "and the last two 1 or more"
        )
    row, column, rows, columns = (int(number) for number in region)
    return row, column, rows, columns


def _jls_error(value: Any) -> int:
    if isinstance(value, bool) or int(value) != value or not 0 <= value <= 255:
        raise ParameterError(f"A 'jls_error' value of '{value}' is not allowed, must be an integer in 0 to 255")
    return int(value)


def _layers(name: str, values: Iterable[float] | float, *, increasing: bool, smallest: float) -> tuple[float, ...]:
    try:
        layers = (float(values),) if isinstance(values, (int, float)) else tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise ParameterError(
            f"'{name}' must be a number or several, one for each quality layer, not {values!r}"
        ) from None
    if len(layers) > _MAX_LAYERS:
        raise ParameterError(f"'{name}' has {len(layers)} quality layers, at most {_MAX_LAYERS} are allowed")
    if any(not math.isfinite(value) or value < smallest for value in layers):
        raise ParameterError(f"Each '{name}' value must be finite and at least {smallest:g}, not {list(layers)}")
    ordered = sorted(layers, reverse=not increasing)
    if list(layers) != ordered or len(set(layers)) != len(layers):
        order = "increasing" if increasing else "decreasing"
        raise ParameterError(f"The '{name}' values must be in strictly {order} order, not {list(layers)}")
    return layers
