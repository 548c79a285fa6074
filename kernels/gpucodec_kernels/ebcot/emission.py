"""From bit-parallel labels to symbols: one byte a decision, in scan order.

A symbol is ``2 * context + decision``; its bit k is given for 64 coefficients at once by the word ``w_k``. Up to
`SLACK` bytes after the last symbol may be overwritten.
"""

from __future__ import annotations

from typing import Any

from numpy import uint8, uint64

from gpucodec_kernels.bits import trailing_zeros
from gpucodec_kernels.target import device_function, instruction

SLACK = 256

_ONE = uint64(1)


@device_function
def _bit(word, place, position):
    return ((word >> place) & _ONE) << uint64(position)


def _cpu_refinements() -> Any:
    from gpucodec_kernels.ebcot import emission_avx512

    return emission_avx512.refinements() if emission_avx512.available() else None


def _cpu_significance() -> Any:
    from gpucodec_kernels.ebcot import emission_avx512

    return emission_avx512.significance() if emission_avx512.available() else None


def _cpu_runs() -> Any:
    from gpucodec_kernels.ebcot import emission_avx512

    return emission_avx512.runs() if emission_avx512.available() else None


@instruction(cpu=_cpu_refinements)
def emit_refinements(symbols, at, members, decisions, label_0, label_1):
    """Write a magnitude refinement symbol for each member; return the place after the last."""
    while members != uint64(0):
        place = uint64(trailing_zeros(members))
        members &= members - _ONE
        symbol = _bit(decisions, place, 0) | _bit(label_0, place, 1) | _bit(label_1, place, 2) | uint64(16)
        symbols[at] = uint8(symbol)
        at += _ONE
    return at


@instruction(cpu=_cpu_significance)
def emit_significance(symbols, at, members, decisions, labels, signs, sign_labels):
    """Write a zero coding symbol for each member, and a sign symbol after each that becomes significant."""
    label_0, label_1, label_2, label_3 = labels
    sign_0, sign_1, sign_2 = sign_labels
    while members != uint64(0):
        place = uint64(trailing_zeros(members))
        members &= members - _ONE
        decision = _bit(decisions, place, 0)
        symbol = decision | _bit(label_0, place, 1) | _bit(label_1, place, 2)
        symbol |= _bit(label_2, place, 3) | _bit(label_3, place, 4)
        sign = _bit(signs, place, 0) | _bit(sign_0, place, 1) | _bit(sign_1, place, 2) | _bit(sign_2, place, 3)
        symbols[at] = uint8(symbol)
        symbols[at + _ONE] = uint8(sign | uint64(32))
        at += _ONE + decision
    return at


@instruction(cpu=_cpu_runs)
def emit_runs(symbols, at, members, decisions, labels, signs, sign_labels, firsts):
    """Do the same where `firsts` end runs: the run length symbol and their place in the column come before the sign."""
    while firsts != uint64(0):
        first = firsts & (~firsts + _ONE)
        before = first - _ONE
        at = emit_significance(symbols, at, members & before, decisions, labels, signs, sign_labels)
        place = uint64(trailing_zeros(first))
        sign_0, sign_1, sign_2 = sign_labels
        sign = _bit(signs, place, 0) | _bit(sign_0, place, 1) | _bit(sign_1, place, 2) | _bit(sign_2, place, 3)
        symbols[at] = uint8(25)  # run length context, run ended
        symbols[at + _ONE] = uint8(uint64(26) | ((place >> _ONE) & _ONE))
        symbols[at + uint64(2)] = uint8(uint64(26) | (place & _ONE))
        symbols[at + uint64(3)] = uint8(sign | uint64(32))
        at += uint64(4)
        members &= ~(before | first)
        firsts &= ~first
    return emit_significance(symbols, at, members, decisions, labels, signs, sign_labels)
