"""Words of bits: codewords of quads and magnitude bits of samples, put together in vectors, then one after another.

The bits of a word that come first are the lowest; a byte beside it says how many there are. See `layout` for where
words are.
"""

from __future__ import annotations

from numpy import uint8, uint16, uint32, uint64

from gpucodec_kernels.bits import choose, keep_branch
from gpucodec_kernels.ht.layout import (
    BITS,
    EVENTS,
    INDICES,
    INDICES_32,
    LENGTHS,
    LENGTHS_16,
    MERGED,
    MERGED_LENGTHS,
    PREFIXES_16,
    SUFFIXES_16,
    VALUES,
    WORDS,
    WORDS_32,
)
from gpucodec_kernels.target import device_function, inline_function

_ZERO = uint64(0)
_ONE = uint64(1)
_TWO = uint64(2)
_UNIT = uint32(1)
_MOST = uint8(31)
M_0, M_1, M_2, M_3 = BITS
V_0, V_1, V_2, V_3 = VALUES


@device_function
def look_up(codes, across, stride, rows, memory_8, memory_16):
    """Find the code of each quad. Those beside the codeblock have none, nor events."""
    first = _ZERO
    for row in range(rows):
        for number in range(first, first + across):
            place = INDICES + uint64(number)
            memory_16[place] = codes[uint64(memory_16[place])]
        for back in range(stride - across):  # one or two
            beside = first + stride - uint64(back) - _ONE
            memory_16[INDICES + beside] = codes[_ZERO]
            if row > 0:
                memory_8[EVENTS + beside] = uint8(0)
        first += stride
    for place in range(first, first + uint64(64)):
        memory_16[INDICES + uint64(place)] = codes[_ZERO]


@inline_function
def field(word, shift, mask):
    """Return some bits of a uint32."""
    return uint32(word >> shift & mask)


@device_function
def merge_codewords(pairs, memory_8, memory_16, memory_32):
    """Put together two quads' codewords, the prefixes of their excesses, and the suffixes, 7.3.6: up to 30 bits."""
    for number in range(pairs):
        pair = uint64(number)
        codes = memory_32[INDICES_32 + pair]
        prefixes, suffixes = uint32(memory_16[PREFIXES_16 + pair]), uint32(memory_16[SUFFIXES_16 + pair])
        length = field(codes, 8, 7)
        word = uint32(field(codes, 0, 0x7F) | field(codes, 16, 0x7F) << length)
        length = uint32(length + field(codes, 24, 7))
        more = field(prefixes, 4, 3)
        prefix = uint32(field(prefixes, 0, 7) | field(prefixes, 8, 7) << more)
        word = uint32(word | prefix << length)
        length = uint32(length + more + field(prefixes, 12, 3))
        more = field(suffixes, 5, 7)
        suffix = uint32(field(suffixes, 0, 31) | field(suffixes, 8, 31) << more)
        memory_32[WORDS_32 + pair] = uint32(word | suffix << length)
        memory_8[LENGTHS + pair] = uint8(length + more + field(suffixes, 13, 7))


@device_function
def merge_words(count, memory_8, memory_16, memory_64):
    """Put words of up to 32 bits together two by two."""
    for number in range(count):
        pair = uint64(number)
        words = memory_64[WORDS + pair]
        lengths = uint64(memory_16[LENGTHS_16 + pair])
        length = lengths & uint64(0xFF)
        memory_64[MERGED + pair] = (words & uint64(0xFFFFFFFF)) | words >> uint64(32) << length
        memory_8[MERGED_LENGTHS + pair] = uint8(length + (lengths >> uint64(8)))


@device_function
def merge_columns(quads, memory_8, memory_16, memory_32, memory_64):
    """Put together the magnitude bits of each column of a quad: up to 64."""
    for number in range(quads):
        quad = uint64(number)
        n_0, n_1 = uint64(memory_8[M_0 + quad]), uint64(memory_8[M_1 + quad])
        n_2, n_3 = uint64(memory_8[M_2 + quad]), uint64(memory_8[M_3 + quad])
        v_0, v_1 = memory_32[V_0 + quad] & ((_ONE << n_0) - _ONE), memory_32[V_1 + quad] & ((_ONE << n_1) - _ONE)
        v_2, v_3 = memory_32[V_2 + quad] & ((_ONE << n_2) - _ONE), memory_32[V_3 + quad] & ((_ONE << n_3) - _ONE)
        memory_64[WORDS + _TWO * quad] = v_0 | v_1 << n_0
        memory_64[WORDS + _TWO * quad + _ONE] = v_2 | v_3 << n_2
        memory_16[LENGTHS_16 + quad] = uint16((n_0 + n_1) | (n_2 + n_3) << uint64(8))


@inline_function
def magnitude_bits(value, bits):
    """Return the lowest bits of a value; `bits` is below 32."""
    return uint32(value & uint32(uint32(_UNIT << bits) - _UNIT))


@device_function
def merge_quads(quads, memory_8, memory_32, memory_64):
    """Put together the magnitude bits of each quad where no sample has more than 16: up to 64."""
    for number in range(quads):
        quad = uint64(number)
        # Numbers of bits that are below 32 for sure let shifts be those of 32 bits.
        n_0, n_1 = uint32(memory_8[M_0 + quad] & _MOST), uint32(memory_8[M_1 + quad] & _MOST)
        n_2, n_3 = uint32(memory_8[M_2 + quad] & _MOST), uint32(memory_8[M_3 + quad] & _MOST)
        v_0, v_1 = magnitude_bits(memory_32[V_0 + quad], n_0), magnitude_bits(memory_32[V_1 + quad], n_1)
        v_2, v_3 = magnitude_bits(memory_32[V_2 + quad], n_2), magnitude_bits(memory_32[V_3 + quad], n_3)
        left, right = uint32(v_0 | v_1 << n_0), uint32(v_2 | v_3 << n_2)
        memory_64[WORDS + quad] = left | uint64(right) << uint64(n_0 + n_1)
        memory_8[LENGTHS + quad] = uint8(n_0 + n_1 + n_2 + n_3)


@device_function
def count_long_pairs(lengths, count):
    """Return how many of `count` pairs of words take more than 64 bits; of words the lengths are two a uint16."""
    found = uint16(0)
    for number in range(count):
        pair = lengths[uint64(number)]
        length = uint16(uint16(pair & uint16(0xFF)) + uint16(pair >> uint16(8)))
        found = uint16(found + uint16(length > uint16(64)))
    return uint64(found)


@device_function
def merge_pairs(words, lengths, count, merged, merged_lengths):
    """Put words together two by two: up to 64 bits."""
    for number in range(count):
        pair = uint64(number)
        length = uint64(lengths[pair]) & uint64(0xFF)
        merged[pair] = words[_TWO * pair] | words[_TWO * pair + _ONE] << (length & uint64(63))
        merged_lengths[pair] = uint8(length + uint64(lengths[pair] >> uint16(8)))


@inline_function
def append(word, length, position, begun, memory_64):
    """Write a word's bits to a position, behind those of its 64 that are there; return where the next go, and those."""
    place, end = position >> uint64(6), position + length
    filled = begun | word << (position & uint64(63))
    memory_64[place] = filled
    return end, choose(end >> uint64(6) > place, word >> (~position & uint64(63)) >> _ONE, filled)


@device_function
def concatenate(words, lengths, position, begun, memory_64):
    """Write words one after another from a position on; return where they end.

    What is there already of the first 64 bits is `begun`.
    """
    for number in range(uint64(len(lengths))):
        word = uint64(number)
        position, begun = append(words[word], uint64(lengths[word]), position, begun, memory_64)
    memory_64[position >> uint64(6)] = begun
    return position


@device_function
def concatenate_merged(merged, merged_lengths, words, lengths, position, begun, memory_64):
    """Write merged words one after another, and in place of those longer than 64 bits the two they are made of."""
    for number in range(uint64(len(merged_lengths))):
        pair = uint64(number)
        word, length = merged[pair], uint64(merged_lengths[pair])
        if length > uint64(64):
            keep_branch()
            length = uint64(lengths[_TWO * pair])
            position, begun = append(words[_TWO * pair], length, position, begun, memory_64)
            word, length = words[_TWO * pair + _ONE], uint64(lengths[_TWO * pair + _ONE])
        position, begun = append(word, length, position, begun, memory_64)
    memory_64[position >> uint64(6)] = begun
    return position
