"""What PTX instructions compute, where Python has no operator for it: unsigned integers and rounded floats."""

from __future__ import annotations

import math
import struct
from ctypes import c_float
from fractions import Fraction
from math import nan, sqrt  # noqa: F401 - for translated kernels

_FORMATS = {32: ("<f", "<I"), 64: ("<d", "<Q")}


def signed(value: int, width: int) -> int:
    """Return the two's complement number of some bits."""
    half = 1 << (width - 1)
    return ((value & ((half << 1) - 1)) ^ half) - half


def unsigned(value: int, width: int) -> int:
    """Return the lowest bits."""
    return value & ((1 << width) - 1)


def quotient(one: int, other: int) -> int:
    """Divide towards zero; anything may come of a division by zero, here all bits."""
    if not other:
        return -1
    found = abs(one) // abs(other)
    return found if (one < 0) == (other < 0) else -found


def remainder(one: int, other: int) -> int:
    """Return what a division towards zero leaves."""
    return one - quotient(one, other) * other if other else one


def insert_bits(value: int, into: int, at: int, length: int, width: int) -> int:
    """Put the lowest bits of a value at a place in another (bfi)."""
    at, length = min(at, width), min(length, width)
    mask = ((1 << length) - 1) << at & ((1 << width) - 1)
    return (into & ~mask) | (value << at & mask)


def permute(low: int, high: int, selector: int) -> int:
    """Choose four of eight bytes (prmt, its default mode)."""
    source = (low | high << 32).to_bytes(8, "little")
    made = 0
    for place in range(4):
        choice = selector >> 4 * place & 15
        byte = source[choice & 7]
        if choice & 8:
            byte = 0xFF if byte & 0x80 else 0
        made |= byte << 8 * place
    return made


def find_first(value: int, width: int, as_shift: bool) -> int:
    """Return the place of the highest bit that is set, or by how many bits it lies below the top (bfind)."""
    if not value:
        return 0xFFFFFFFF
    return width - value.bit_length() if as_shift else value.bit_length() - 1


def reverse(value: int, width: int) -> int:
    """Return the bits in the other order."""
    return int(f"{value:0{width}b}"[::-1], 2)


def from_bits(value: int, width: int) -> float:
    """Return the float that some bits are."""
    real, integer = _FORMATS[width]
    found: float = struct.unpack(real, struct.pack(integer, value))[0]
    return found


def to_bits(value: float, width: int) -> int:
    """Return the bits of a float."""
    real, integer = _FORMATS[width]
    found: int = struct.unpack(integer, struct.pack(real, value))[0]
    return found


def round_32(value: float) -> float:
    """Round to float32; sums, products and quotients of two that were computed in float64 become exact ones."""
    return c_float(value).value


def round_64(value: float) -> float:
    """Return a float64 as it is."""
    return value


def integer_to_64(value: int) -> float:
    """Return the nearest float64."""
    return float(value)


def integer_to_32(value: int) -> float:
    """Return the nearest float32."""
    return _nearest_32(Fraction(value))


def fused(one: float, other: float, added: float, width: int) -> float:
    """Multiply and add, rounding once."""
    if not (math.isfinite(one) and math.isfinite(other) and math.isfinite(added)):
        return one * other + added
    exact = Fraction(one) * Fraction(other) + Fraction(added)
    if not exact:
        return one * other + added  # the sign of zero
    return _nearest_32(exact) if width == 32 else float(exact)


def _nearest_32(exact: Fraction) -> float:
    """Round once: a float64 that is not exact is made odd, so that it is never half-way between two float32."""
    near = float(exact)
    if near != exact:
        bits = to_bits(near, 64)
        if not bits & 1:
            near = math.nextafter(near, math.inf if exact > near else -math.inf)
    return round_32(near)


def divide(one: float, other: float) -> float:
    """Divide floats; by zero as IEEE 754 has it."""
    if other:
        return one / other
    return nan if not one or one != one else math.copysign(math.inf, one) * math.copysign(1.0, other)


def smaller(one: float, other: float) -> float:
    """Return the smaller float, or the one that is a number."""
    return other if one != one or other < one else one


def larger(one: float, other: float) -> float:
    """Return the larger float, or the one that is a number."""
    return other if one != one or other > one else one


def unordered(one: float, other: float) -> bool:
    """Whether one of them is no number."""
    return one != one or other != other


def to_integer(value: float, rounding: str, is_signed: bool, width: int) -> int:
    """Convert a float to the bits of an integer, as near as there is one."""
    if value != value:
        return 0
    lowest, highest = (-(1 << width - 1), (1 << width - 1) - 1) if is_signed else (0, (1 << width) - 1)
    if math.isinf(value):
        return (highest if value > 0 else lowest) & ((1 << width) - 1)
    whole = {"rni": round, "rzi": math.trunc, "rmi": math.floor, "rpi": math.ceil}[rounding](value)
    return min(max(whole, lowest), highest) & ((1 << width) - 1)
