"""What each transfer syntax may carry: the tables of PS3.5 section 8.2 as data, and checks against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gpucodec.codecs.formats import Family, get_format
from gpucodec.codecs.options import EncodeOptions
from gpucodec.errors import ParameterError
from gpucodec.frames import TAGS, FrameSpec

__all__ = [
    "PROFILES",
    "Profile",
    "encoded_photometric_interpretation",
    "storable_transfer_syntaxes",
    "validate_profile",
    "validate_values",
]

_JPEGLS_NEAR_LOSSLESS = "1.2.840.10008.1.2.4.81"


@dataclass(frozen=True, slots=True)
class Profile:
    """One row of a table of PS3.5 section 8.2: the values that go together.

    Parameters
    ----------
    photometric_interpretation : str
        The colour space of the encoded frame.
    samples_per_pixel : int
        1 or 3.
    pixel_representation, bits_allocated, bits_stored : sequence of int
        The values allowed.
    """

    photometric_interpretation: str
    samples_per_pixel: int
    pixel_representation: Sequence[int]
    bits_allocated: Sequence[int]
    bits_stored: Sequence[int]

    def allowed(self, attribute: str) -> Sequence[Any]:
        """Return the values allowed for an attribute, under its name in `FrameSpec`."""
        value = getattr(self, attribute)
        return [value] if isinstance(value, (int, str)) else value


# In the order in which messages list them.
_ATTRIBUTES = (
    "samples_per_pixel",
    "photometric_interpretation",
    "bits_allocated",
    "bits_stored",
    "pixel_representation",
)
_BYTES = (8, 16)
_WIDE = (8, 16, 24, 32, 40)


def _grey(signs: Sequence[int], allocated: Sequence[int], stored: Sequence[int]) -> tuple[Profile, ...]:
    return tuple(Profile(name, 1, signs, allocated, stored) for name in ("MONOCHROME1", "MONOCHROME2"))


def _palette(stored: Sequence[int]) -> Profile:
    return Profile("PALETTE COLOR", 1, (0,), _BYTES, stored)


def _colour(name: str, allocated: Sequence[int], stored: Sequence[int]) -> Profile:
    return Profile(name, 3, (0,), allocated, stored)


def _wavelet(transformed: str, *, lossless: bool) -> tuple[Profile, ...]:
    colours = tuple(_colour(name, _WIDE, range(1, 39)) for name in (transformed, "RGB", "YBR_FULL"))
    palette = (_palette(range(1, 17)),) if lossless else ()
    return (*_grey((0, 1), _WIDE, range(1, 39)), *palette, *colours)


_JPEG_BASELINE = (*_grey((0,), (8,), (8,)), _colour("YBR_FULL_422", (8,), (8,)), _colour("RGB", (8,), (8,)))
_JPEG_EXTENDED = (*_grey((0,), (8,), (8,)), *_grey((0,), (16,), (12,)))
_JPEG_LOSSLESS = (
    *_grey((0, 1), _BYTES, range(1, 17)),
    _palette(range(1, 17)),
    _colour("YBR_FULL", _BYTES, range(1, 17)),
    _colour("RGB", _BYTES, range(1, 17)),
)
_RLE = (
    *_grey((0, 1), _BYTES, range(1, 17)),
    _palette(range(1, 17)),
    _colour("YBR_FULL", (8,), range(1, 9)),
    _colour("RGB", _BYTES, range(1, 17)),
)
_JPEGLS_COLOURS = (_colour("YBR_FULL", (8,), range(2, 9)), _colour("RGB", _BYTES, range(2, 17)))
_JPEGLS_GREY = _grey((0, 1), _BYTES, range(2, 17))

PROFILES: dict[str, tuple[Profile, ...]] = {
    "1.2.840.10008.1.2.5": _RLE,  # Table 8.2.2-1
    "1.2.840.10008.1.2.4.50": _JPEG_BASELINE,  # Table 8.2.1-1
    "1.2.840.10008.1.2.4.51": _JPEG_EXTENDED,
    "1.2.840.10008.1.2.4.57": _JPEG_LOSSLESS,  # Table 8.2.1-2
    "1.2.840.10008.1.2.4.70": _JPEG_LOSSLESS,
    "1.2.840.10008.1.2.4.80": (*_JPEGLS_GREY, _palette(range(2, 17)), *_JPEGLS_COLOURS),  # Table 8.2.3-1
    _JPEGLS_NEAR_LOSSLESS: (*_JPEGLS_GREY, *_JPEGLS_COLOURS),
    "1.2.840.10008.1.2.4.90": _wavelet("YBR_RCT", lossless=True),  # Table 8.2.4-1
    "1.2.840.10008.1.2.4.91": _wavelet("YBR_ICT", lossless=False),
    "1.2.840.10008.1.2.4.201": _wavelet("YBR_RCT", lossless=True),  # Table 8.2.14-1
    "1.2.840.10008.1.2.4.202": _wavelet("YBR_RCT", lossless=True),
    "1.2.840.10008.1.2.4.203": _wavelet("YBR_ICT", lossless=False),
}

# What a codestream can carry though the tables do not let a DICOM object have it: RLE codes bytes, and the number
# of its segments is its only limit (PS3.5 G.2). Files with 32-bit RLE exist, of RT Dose for one.
_BEYOND_THE_TABLES: dict[str, tuple[Profile, ...]] = {
    "1.2.840.10008.1.2.5": (
        *_grey((0, 1), (8, 16, 32, 64), range(1, 65)),
        *(Profile(name, 3, (0, 1), (8, 16, 32), range(1, 33)) for name in ("YBR_FULL", "RGB")),
    ),
}


def validate_profile(uid: str, spec: FrameSpec, *, in_dataset: bool = True) -> None:
    """Check that frames may be encoded to a transfer syntax, PS3.5 section 8.2.

    Parameters
    ----------
    uid : str
        The transfer syntax to encode to.
    spec : FrameSpec
        What each frame is; `photometric_interpretation` is the one after encoding.
    in_dataset : bool
        Whether the codestreams go into a DICOM object. Those of a mere array may be anything that the format
        can carry.

    Raises
    ------
    ParameterError
        Names the attributes that no row of the transfer syntax's table allows together, and what is allowed.
    UnsupportedError
        If gpucodec does not know the transfer syntax.
    """
    target = get_format(uid)
    rows = PROFILES[target.uid] if in_dataset else (*PROFILES[target.uid], *_BEYOND_THE_TABLES.get(target.uid, ()))
    if _fits(rows, spec):
        return
    values = "\n".join(f"  {TAGS[name].replace(chr(39), '')}: {getattr(spec, name)}" for name in _ATTRIBUTES)
    raise ParameterError(
        f"One or more of the following values is not valid for pixel data encoded with '{target.name}':\n{values}\n"
        f"{_explain(rows, spec)}\nSee Part 5, Section 8.2 of the DICOM Standard for more information"
    )


def _fits(rows: Sequence[Profile], spec: FrameSpec) -> bool:
    return any(all(getattr(spec, name) in row.allowed(name) for name in _ATTRIBUTES) for row in rows)


def _explain(rows: Sequence[Profile], spec: FrameSpec) -> str:
    """Name the attributes that are wrong, seen from the rows of the frame's photometric interpretation."""
    name = "photometric_interpretation"
    same = [row for row in rows if row.photometric_interpretation == spec.photometric_interpretation]
    if not same:
        return _allowed_line(name, spec, sorted({row.photometric_interpretation for row in rows}), "")
    nearest = max(same, key=lambda row: sum(getattr(spec, each) in row.allowed(each) for each in _ATTRIBUTES))
    wrong = [each for each in _ATTRIBUTES if getattr(spec, each) not in nearest.allowed(each)]
    condition = f" with {TAGS[name]} '{spec.photometric_interpretation}'"
    return "\n".join(_allowed_line(each, spec, nearest.allowed(each), condition) for each in wrong)


def _allowed_line(name: str, spec: FrameSpec, allowed: Sequence[Any], condition: str) -> str:
    if isinstance(allowed, range):
        choices = f"{allowed[0]} to {allowed[-1]}"
    else:
        choices = ", ".join(str(value) for value in allowed)
    return f"A {TAGS[name]} value of '{getattr(spec, name)}' is not allowed{condition}, must be one of: {choices}"


def validate_values(frames: Any, spec: FrameSpec, uid: str, options: EncodeOptions | None = None) -> None:
    """Check that the samples lie in the range that their attributes promise.

    A transfer syntax that codes *Bits Stored* bits a sample cannot keep any others. RLE Lossless codes whole
    containers, so a caller that passes a file's raw samples on (overlays may hide in the unused bits) need not
    ask here.

    Parameters
    ----------
    frames : numpy.ndarray or cupy.ndarray
        The samples, of any shape.
    spec : FrameSpec
        What each frame is.
    uid : str
        The transfer syntax to encode to.
    options : EncodeOptions, optional
        The checked options; `jls_error` narrows the range of signed samples for JPEG-LS Near Lossless.

    Raises
    ------
    ParameterError
        If a value is out of range.
    """
    near = options.jls_error if options is not None and uid == _JPEGLS_NEAR_LOSSLESS else 0
    error = near if spec.pixel_representation else 0
    if frames.size == 0 or (spec.bits_stored == frames.dtype.itemsize * 8 and not error):
        return
    smallest, largest = int(frames.min()), int(frames.max())
    minimum, maximum = spec.value_range
    if smallest < minimum or largest > maximum:
        raise ParameterError(
            f"The ndarray contains values that are outside the allowable range of ({minimum}, {maximum}) for a "
            f"(0028,0101) 'Bits Stored' value of '{spec.bits_stored}'; they are in ({smallest}, {largest})"
        )
    # JPEG-LS does not know about signs: an error at the edge of the range would flip one.
    if error and (smallest < minimum + error or largest > maximum - error):
        raise ParameterError(
            "The supported range of pixel values when performing lossy JPEG-LS encoding of signed integers with a "
            f"(0028,0103) 'Bits Stored' value of '{spec.bits_stored}' and a 'jls_error' of '{error}' is "
            f"({minimum + error}, {maximum - error}); they are in ({smallest}, {largest})"
        )


def encoded_photometric_interpretation(uid: str, spec: FrameSpec) -> str:
    """Choose the photometric interpretation that frames get when they are encoded.

    Unsigned RGB for the JPEG 2000 family goes through the codestream's own colour transform, reversible
    (``YBR_RCT``) where the transfer syntax is lossless and irreversible (``YBR_ICT``) where it is not, PS3.5 8.2.4
    and 8.2.14. Subsampled colour that was decoded is no longer subsampled. Everything else stays what it is.

    Parameters
    ----------
    uid : str
        The transfer syntax to encode to.
    spec : FrameSpec
        What each frame is, before encoding.

    Raises
    ------
    UnsupportedError
        If gpucodec does not know the transfer syntax.
    """
    target = get_format(uid)
    name = spec.photometric_interpretation
    if name == "YBR_FULL_422":
        return "YBR_FULL"
    wavelet = target.family in (Family.JPEG_2000, Family.HTJ2K)
    if wavelet and name == "RGB" and spec.samples_per_pixel == 3 and spec.pixel_representation == 0:
        return "YBR_RCT" if target.lossless else "YBR_ICT"
    return name


def storable_transfer_syntaxes(spec: FrameSpec) -> tuple[str, ...]:
    """Return the UIDs of the transfer syntaxes that may carry frames like these.

    Parameters
    ----------
    spec : FrameSpec
        What each frame is, before encoding; the colour transform is chosen as
        `encoded_photometric_interpretation` does.
    """
    return tuple(
        uid
        for uid, rows in PROFILES.items()
        if _fits(rows, spec.replace(photometric_interpretation=encoded_photometric_interpretation(uid, spec)))
    )
