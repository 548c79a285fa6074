"""What the cleanup pass says of samples and quads, T.814 7.3: exponents, contexts, bounds, from samples alone.

No step here waits for a codeword, so that each is a loop over a whole codeblock, which compilers turn into vectors.
"""

from __future__ import annotations

from numpy import uint8, uint16, uint64

from gpucodec_kernels.ht.layout import (
    BITS,
    BOUNDS,
    EVENTS,
    EXCESSES,
    EXPONENTS,
    INDICES,
    PREFIXES,
    SUFFIXES,
)
from gpucodec_kernels.target import device_function, inline_function

E_0, E_1, E_2, E_3 = EXPONENTS
M_0, M_1, M_2, M_3 = BITS

_ZERO = uint64(0)
_ONE = uint64(1)
_TWO = uint64(2)
_Z8 = uint8(0)


@inline_function
def larger(first, second):
    """Return the larger of two uint8."""
    return first if first > second else second


@device_function
def relate_quads(quads, stride, memory_8, memory_16):
    """Find what the codeword of each quad depends on; return the largest exponent and the largest bound.

    Of each quad: the index into the codes (as if no quad were in the first row), the bound U_q, by how much it is
    above the predicted one, and whether the MEL coder codes an event (1: insignificant, 2: significant).
    """
    most = _Z8
    highest = _Z8
    for number in range(quads):
        quad = uint64(number)
        e_0, e_1 = memory_8[E_0 + quad], memory_8[E_1 + quad]
        e_2, e_3 = memory_8[E_2 + quad], memory_8[E_3 + quad]
        n_0, n_1 = memory_8[E_3 + quad - _ONE - stride], memory_8[E_1 + quad - stride]
        n_2, n_3 = memory_8[E_3 + quad - stride], memory_8[E_1 + quad + _ONE - stride]
        west = memory_8[E_2 + quad - _ONE] | memory_8[E_3 + quad - _ONE]
        rho = uint8(uint8(e_0 != _Z8) | uint8(e_1 != _Z8) << 1 | uint8(e_2 != _Z8) << 2 | uint8(e_3 != _Z8) << 3)
        context = uint8(uint8((n_0 | n_1) != _Z8) | uint8(west != _Z8) << 1 | uint8((n_2 | n_3) != _Z8) << 2)
        largest = larger(larger(e_0, e_1), larger(e_2, e_3))
        above = larger(larger(larger(n_0, n_1), larger(n_2, n_3)), uint8(2))
        several = uint8(rho & uint8(uint8(rho + uint8(15)) & uint8(15))) != _Z8
        predicted = uint8(above - uint8(1)) if several else uint8(1)
        bound = larger(largest, predicted)
        excess = uint8(bound - predicted)
        epsilon = uint8(
            uint8(e_0 == bound) | uint8(e_1 == bound) << 1 | uint8(e_2 == bound) << 2 | uint8(e_3 == bound) << 3
        )
        index = uint8(rho << 4 | (epsilon if excess != _Z8 else _Z8))
        memory_16[INDICES + quad] = uint16(uint16(index) | uint16(uint16(context | uint8(8)) << uint16(8)))
        memory_8[BOUNDS + quad] = bound
        memory_8[EXCESSES + quad] = excess
        memory_8[EVENTS + quad] = uint8(uint8(1) + uint8(rho != _Z8)) if context == _Z8 else _Z8
        most = larger(most, largest)
        highest = larger(highest, bound)
    return most, highest


@device_function
def describe_first_row(across, stride, memory_8, memory_16):
    """Give quads of the first row the contexts, excesses and events that only these have, 7.3.5 and 7.3.6.

    Each pair of quads has a third event; the row's events then begin half a row before `EVENTS`.
    """
    before = _Z8
    place = EVENTS - (stride >> _ONE)
    for pair in range(stride >> _ONE):
        first = uint64(pair) * _TWO
        for number in range(first, first + _TWO):
            quad = uint64(number)
            index = memory_16[INDICES + quad] & uint16(0xFF)
            context = uint8(uint8(before >> uint8(1)) | uint8(before & uint8(1)))
            memory_16[INDICES + quad] = uint16(index | uint16(context) << uint16(8))
            rho = uint8(index >> uint16(4))
            event = _Z8
            if context == _Z8 and quad < across:
                event = uint8(2) if rho != _Z8 else uint8(1)
            memory_8[place] = event
            place += _ONE
            before = rho
        u_0 = memory_8[EXCESSES + first]
        u_1 = memory_8[EXCESSES + first + _ONE]
        event = _Z8
        if u_0 > _Z8 and u_1 > _Z8:
            event = uint8(2) if u_0 > uint8(2) and u_1 > uint8(2) else uint8(1)
        memory_8[place] = event
        place += _ONE


@inline_function
def prefix_and_suffix(excess):
    """Return how an excess is told, Table 3.

    The prefix has its bits, and their number from bit 4 on; the suffix its number of bits from bit 5 on.
    """
    long, longest = uint8(excess > uint8(2)), uint8(excess > uint8(4))
    short = excess if excess < uint8(3) else uint8(3)
    prefix = uint8(uint8(short << 4) | uint8(short * uint8(long ^ uint8(1))) | uint8(uint8(long ^ longest) << 2))
    # 0x20 and 0 or 1, or 0xA0 and 0 to 31.
    suffix = uint8(uint8(uint8(excess + uint8(0x1D)) + uint8(longest * uint8(0x7E))) * long)
    return prefix, suffix


@device_function
def tell_first_row(stride, memory_8):
    """Change how excesses are told where both quads of a pair in the first row have one, 7.3.6."""
    for pair in range(stride >> _ONE):
        first = uint64(pair) * _TWO
        second = first + _ONE
        u_0, u_1 = memory_8[EXCESSES + first], memory_8[EXCESSES + second]
        if u_0 > uint8(2) and u_1 > uint8(2):
            prefix, suffix = prefix_and_suffix(uint8(u_0 - uint8(2)))
            memory_8[PREFIXES + first], memory_8[SUFFIXES + first] = prefix, suffix
            prefix, suffix = prefix_and_suffix(uint8(u_1 - uint8(2)))
            memory_8[PREFIXES + second], memory_8[SUFFIXES + second] = prefix, suffix
        elif u_0 > uint8(2) and u_1 > _Z8:
            memory_8[PREFIXES + second] = uint8(uint8(0x0F) + u_1)  # one bit


@device_function
def count_bits(quads, memory_8, memory_16):
    """Find how many magnitude bits each sample has, and how excesses are told; codes are in their places.

    A sample has as many bits as the bound says, less one that its codeword implies.
    """
    for number in range(quads):
        quad = uint64(number)
        bound, known = memory_8[BOUNDS + quad], uint8(memory_16[INDICES + quad] >> uint16(8))
        e_0, e_1 = memory_8[E_0 + quad], memory_8[E_1 + quad]
        e_2, e_3 = memory_8[E_2 + quad], memory_8[E_3 + quad]
        memory_8[M_0 + quad] = uint8(bound - uint8(known >> 4 & 1)) if e_0 != _Z8 else _Z8
        memory_8[M_1 + quad] = uint8(bound - uint8(known >> 5 & 1)) if e_1 != _Z8 else _Z8
        memory_8[M_2 + quad] = uint8(bound - uint8(known >> 6 & 1)) if e_2 != _Z8 else _Z8
        memory_8[M_3 + quad] = uint8(bound - uint8(known >> 7)) if e_3 != _Z8 else _Z8
        excess = memory_8[EXCESSES + quad]
        prefix, suffix = prefix_and_suffix(excess)
        memory_8[PREFIXES + quad] = prefix
        memory_8[SUFFIXES + quad] = suffix
