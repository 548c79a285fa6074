"""Preset coding parameters and their defaults, T.87 C.2.4.1.1."""

from __future__ import annotations

from gpucodec_kernels.jpegls.parameters import default_thresholds

from gpucodec.codestream.jpegls.description import Preset

__all__ = ["default_preset", "encoding_limits", "largest_near", "resolve_preset"]

_RESET = 64
SMALLEST_PRECISION, LARGEST_PRECISION = 2, 16


def largest_near(maximum_sample_value: int) -> int:
    """Return the largest NEAR that T.87 C.2.3 allows for a maximum sample value."""
    return min(255, maximum_sample_value // 2)


def default_preset(maximum_sample_value: int, near: int) -> Preset:
    """Return the default parameters, T.87 Table C.3."""
    return Preset(maximum_sample_value, default_thresholds(maximum_sample_value, near), _RESET)


def encoding_limits(precision: int, near: int) -> list[str]:
    """Return what JPEG-LS cannot express: T.87 C.2.2 (precision) and C.2.3 (NEAR); empty when it can."""
    if not SMALLEST_PRECISION <= precision <= LARGEST_PRECISION:
        return [f"{precision} bits stored, JPEG-LS allows {SMALLEST_PRECISION} to {LARGEST_PRECISION}"]
    largest = largest_near((1 << precision) - 1)
    if near > largest:
        return [f"a 'jls_error' of {near} is above {largest}, the largest that {precision} bits stored allow"]
    return []


def resolve_preset(values: tuple[int, int, int, int, int], precision: int, near: int) -> Preset:
    """Return the parameters that an LSE segment's values stand for, the defaults in place of zeros.

    Parameters
    ----------
    values : tuple of int
        MAXVAL, T1, T2, T3 and RESET.
    precision, near : int
        P of the frame and NEAR of the scan.

    Raises
    ------
    ValueError
        If a value is outside of T.87 Table C.1; the message names it, its value and what is allowed.
    """
    maximum = values[0] or (1 << precision) - 1
    _check("MAXVAL", maximum, 1, (1 << precision) - 1)
    _check("NEAR", near, 0, largest_near(maximum))
    default = default_preset(maximum, near)
    first, second, third = (given or usual for given, usual in zip(values[1:4], default.thresholds, strict=True))
    _check("T1", first, near + 1, maximum)
    _check("T2", second, first, maximum)
    _check("T3", third, second, maximum)
    reset = values[4] or _RESET
    _check("RESET", reset, 3, max(255, maximum))
    return Preset(maximum, (first, second, third), reset)


def _check(name: str, value: int, lowest: int, highest: int) -> None:
    if not lowest <= value <= highest:
        raise ValueError(f"a {name} of {value} is not allowed, must be {lowest} to {highest}")
