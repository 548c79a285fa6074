"""Words of bits: codewords of quads and magnitude bits of samples, put together in vectors, then one after another.

A word is a uint64 whose low bits come first, a uint8 beside it says how many of them there are.
"""

from __future__ import annotations

from numpy import uint8, uint32, uint64

from gpucodec_kernels.bits import choose
from gpucodec_kernels.ht.tables import CODEWORD_MASK, LENGTH_SHIFT
from gpucodec_kernels.target import device_function

SINGLE_BIT = 32  # stands for an excess of one which the first row's second quad tells by a zero bit

_ZERO = uint64(0)
_ONE = uint64(1)
_TWO = uint64(2)
_Z8 = uint8(0)


@device_function
def look_up(codes, indices, across, stride, rows, chosen):
    """Find the code of each quad; 0 for the places beside the codeblock."""
    for row in range(rows):
        begin = uint64(row) * stride
        for quad in range(across):
            chosen[begin + uint64(quad)] = codes[uint64(indices[begin + uint64(quad)])]
        for quad in range(across, stride):
            chosen[begin + uint64(quad)] = codes[_ZERO]


@device_function
def merge_codewords(chosen, excesses, count, words, lengths):
    """Put together the codewords of two quads, the prefixes of their excesses, and the suffixes, 7.3.6."""
    for pair in range(uint64(count)):
        first = uint64(pair) * _TWO
        second = first + _ONE
        code_0, code_1 = uint32(chosen[first]), uint32(chosen[second])
        u_0, u_1 = uint32(excesses[first]), uint32(excesses[second])
        n_0 = uint32(uint32(code_0 >> uint32(LENGTH_SHIFT)) & uint32(7))
        n_1 = uint32(uint32(code_1 >> uint32(LENGTH_SHIFT)) & uint32(7))
        p_0 = u_0 if u_0 < uint32(3) else uint32(uint32(u_0 < uint32(5)) << uint32(2))
        p_1 = u_1 if u_1 < uint32(3) else uint32(uint32(u_1 < uint32(5)) << uint32(2))
        pn_0 = min(u_0, uint32(3))
        pn_1 = min(u_1, uint32(3)) if u_1 != uint32(SINGLE_BIT) else uint32(1)
        long_0 = u_0 > uint32(4)
        long_1 = u_1 > uint32(4) and u_1 != uint32(SINGLE_BIT)
        sn_0 = uint32(5) if long_0 else uint32(u_0 > uint32(2))
        sn_1 = uint32(5) if long_1 else uint32(u_1 > uint32(2) and u_1 != uint32(SINGLE_BIT))
        s_0 = uint32(u_0 - uint32(5)) if long_0 else uint32(u_0 == uint32(4))
        s_1 = uint32(u_1 - uint32(5)) if long_1 else uint32(u_1 == uint32(4))
        word = uint32(code_0 & uint32(CODEWORD_MASK))
        length = n_0
        word = uint32(word | uint32(uint32(code_1 & uint32(CODEWORD_MASK)) << length))
        length = uint32(length + n_1)
        word = uint32(word | uint32(p_0 << length))
        length = uint32(length + pn_0)
        word = uint32(word | uint32(p_1 << length))
        length = uint32(length + pn_1)
        word = uint32(word | uint32(s_0 << length))
        length = uint32(length + sn_0)
        word = uint32(word | uint32(s_1 << length))
        length = uint32(length + sn_1)
        words[uint64(pair)] = uint64(word)
        lengths[uint64(pair)] = uint8(length)


@device_function
def count_bits(top, bottom, bounds, known, count, top_bits, bottom_bits):
    """Find how many magnitude bits each sample has: the bound's, less the one that its codeword implies."""
    for quad in range(uint64(count)):
        left = uint64(quad) * _TWO
        right = left + _ONE
        bound, e_k = bounds[uint64(quad)], known[right]
        top_bits[left] = uint8(bound - uint8(e_k >> 4 & 1)) if top[left] != _Z8 else _Z8
        bottom_bits[left] = uint8(bound - uint8(e_k >> 5 & 1)) if bottom[left] != _Z8 else _Z8
        top_bits[right] = uint8(bound - uint8(e_k >> 6 & 1)) if top[right] != _Z8 else _Z8
        bottom_bits[right] = uint8(bound - uint8(e_k >> 7)) if bottom[right] != _Z8 else _Z8


@device_function
def merge_columns(top, bottom, top_bits, bottom_bits, count, words, lengths):
    """Put together the magnitude bits of each column of a quad: up to 64."""
    for column in range(uint64(count)):
        at = uint64(column)
        upper, lower = uint64(top_bits[at]), uint64(bottom_bits[at])
        low = uint64(top[at]) & ((_ONE << upper) - _ONE)
        high = uint64(bottom[at]) & ((_ONE << lower) - _ONE)
        words[at] = low | high << upper
        lengths[at] = uint8(upper + lower)


@device_function
def merge_quads(top, bottom, top_bits, bottom_bits, count, words, lengths):
    """Put together the magnitude bits of each quad, where no sample has more than 16."""
    one = uint32(1)
    for quad in range(uint64(count)):
        left = uint64(quad) * _TWO
        right = left + _ONE
        bits_0, bits_1 = uint32(top_bits[left]), uint32(bottom_bits[left])
        bits_2, bits_3 = uint32(top_bits[right]), uint32(bottom_bits[right])
        value_0 = uint32(top[left] & uint32(uint32(one << bits_0) - one))
        value_1 = uint32(bottom[left] & uint32(uint32(one << bits_1) - one))
        value_2 = uint32(top[right] & uint32(uint32(one << bits_2) - one))
        value_3 = uint32(bottom[right] & uint32(uint32(one << bits_3) - one))
        first = uint32(value_0 | uint32(value_1 << bits_0))
        second = uint32(value_2 | uint32(value_3 << bits_2))
        length = uint32(bits_0 + bits_1)
        words[uint64(quad)] = uint64(first) | uint64(second) << uint64(length)
        lengths[uint64(quad)] = uint8(uint32(length + bits_2) + bits_3)


@device_function
def merge_words(words, lengths, count, merged, merged_lengths):
    """Put words together two by two, where they take no more than 64 bits."""
    for pair in range(uint64(count)):
        first = uint64(pair) * _TWO
        second = first + _ONE
        length = uint64(lengths[first])
        merged[uint64(pair)] = words[first] | words[second] << length
        merged_lengths[uint64(pair)] = uint8(lengths[first] + lengths[second])


@device_function
def concatenate(words, lengths, count, raw, begun, used):
    """Write words one after another behind `used` bits; return how many bits there are then."""
    place = _ZERO
    for number in range(uint64(count)):
        word, length = words[uint64(number)], uint64(lengths[uint64(number)])
        filled = begun | word << used
        raw[place] = filled
        total = used + length
        begun = choose(total > uint64(63), word >> (uint64(63) - used) >> _ONE, filled)
        place += total >> uint64(6)
        used = total & uint64(63)
    raw[place] = begun
    return (place << uint64(6)) + used
