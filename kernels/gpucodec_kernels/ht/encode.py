"""Encoding of codeblocks by the cleanup pass alone, T.814 Annex B and clause 7.

One index is a lane. It encodes the codeblocks `lane`, `lane` + `lanes` ... of a launch, one after another. What a lane
needs beside its input and output stays in the cache, however many codeblocks there are.

Arrays
    coefficients    int32, all planes; of a magnitude the lowest `fractional_bits` bits are not coded
    blocks          int32, six a codeblock of one plane: x, y, width, height, orientation (not needed here) and number
                    of magnitude bit-planes M_b; the same codeblocks for all planes
    codes           uint16, `tables.cxt_vlc_codes`
    words           scratch, `scratch_words` a lane
    slots           bytes, `slot_bytes` a codeblock of the launch
    lengths         int32, one a codeblock of all planes: bytes in its slot, a segment of MagSgn, MEL and VLC bytes
    zero_bitplanes  int32, likewise: magnitude bit-planes above the one coded pass, M_b where nothing is coded
    num_passes      int32, likewise: 1, or 0 where all magnitudes are 0
    status          int32, one a codeblock of all planes

A launch encodes `num_jobs` codeblocks from `first_job` on, in the order ``plane * num_blocks + block``.

Bytes moved for each coefficient coded with b bits: 4 read, b / 8 written; in the cache 12 of values, exponents and
numbers of bits, 5 of quads, 9 of words, and b / 2 on the way to bytes. The least possible is 4 + b / 8.
"""

from __future__ import annotations

from numpy import int32, int64, uint8, uint32, uint64

from gpucodec_kernels.ht.codewords import (
    concatenate,
    concatenate_merged,
    count_long_pairs,
    look_up,
    merge_codewords,
    merge_columns,
    merge_pairs,
    merge_quads,
    merge_words,
)
from gpucodec_kernels.ht.layout import (
    EVENTS,
    EXPONENT_PLANE,
    EXPONENTS,
    LENGTHS,
    MEL,
    MERGED,
    MERGED_LENGTHS,
    MOST_ACROSS,
    MOST_SAMPLES,
    PLANE,
    RAW_BITS,
    SCRATCH_WORDS,
    VALUES,
    VLC_LAST,
    WORDS,
    views,
)
from gpucodec_kernels.ht.mel import encode_events
from gpucodec_kernels.ht.quads import count_bits, describe_first_row, relate_quads, tell_first_row
from gpucodec_kernels.ht.samples import clear, load_codeblock
from gpucodec_kernels.ht.stuffing import stuff_codewords, stuff_magnitudes
from gpucodec_kernels.target import device_function, kernel

__all__ = [
    "BLOCK_FIELDS",
    "STATUS_OK",
    "STATUS_OVERFLOW",
    "STATUS_TOO_LARGE",
    "STATUS_TOO_MANY_BITPLANES",
    "encode_codeblocks",
    "scratch_words",
    "worst_slot_bytes",
]

STATUS_OK = 0
STATUS_OVERFLOW = 1  # the slot is too small
STATUS_TOO_MANY_BITPLANES = 2  # more than M_b
STATUS_TOO_LARGE = 3  # a codeblock of more than 4096 samples, or of more than 1024 a side

BLOCK_FIELDS = 6

_ZERO = uint64(0)
_ONE = uint64(1)
_TWO = uint64(2)
_SEVEN = uint64(7)
_EIGHT = uint64(8)


def scratch_words(width: int, height: int) -> int:  # noqa: ARG001 - other block coders need less for less
    """Return the words of scratch of a lane, which is enough for any codeblock."""
    return SCRATCH_WORDS


def worst_slot_bytes(width: int, height: int, planes: int) -> int:
    """Return the bytes of a slot that is always long enough.

    A magnitude below ``2 ** planes`` has an exponent of at most ``planes + 1``. A bound is the largest exponent of the
    quad, or one less than the largest above it, or 1: no sample has more than ``planes + 1`` bits, none more than 32.
    MagSgn bytes have eight bits, or seven after 0xFF, and then cannot be 0xFF: two have at least 15, so that b bits are
    at most ``2 * (b // 15) + 1`` whole bytes and the begun one. The same holds for VLC, where a byte of seven bits is
    0x7F, not above 0x8F: a quad has a codeword of up to 7 bits, and a prefix and a suffix of up to 8, so that the 4
    bits that are always there and 15 a quad are two bytes a quad, a begun one and the one that is always 0xFF. The
    events of MEL, one a quad and one a pair of quads in the first row, take up to 6 bits, and an unfinished run one
    more; two of its bytes have at least 15 bits. Where the codeblock is smaller than these sizes, all of this is less.
    """
    across = -(-width // 2)
    quads = across * -(-height // 2)
    magnitude_bits = min(planes + 1, 32) * width * height
    event_bits = 6 * (quads + -(-across // 2)) + 1
    return 2 * (magnitude_bits // 15) + 2 + 2 * (event_bits // 15) + 2 + 2 * quads + 2


@device_function
def code_events(quads, stride, memory_8, memory_64):
    """Encode the events of all quads; return how many bytes they take, the bits of another, and what that lacks."""
    begin, end = EVENTS - (stride >> _ONE), EVENTS + quads
    clear(memory_8, begin & ~_SEVEN, begin)
    clear(memory_8, end, end + _EIGHT)
    return encode_events(begin & ~_SEVEN, end + _SEVEN, memory_8, memory_64)


@device_function
def concatenate_words(words, lengths, count, room, position, begun, memory_8, memory_16, memory_64):
    """Write words one after another from a position on, two as one where that is no more than 64 bits.

    There are `room` words of which those after the first `count` have no bits.
    """
    others, other_lengths = WORDS + MERGED - words, LENGTHS + MERGED_LENGTHS - lengths
    while room > uint64(16) and room & _ONE == _ZERO:
        pairs = room >> _ONE
        two_lengths = memory_16[lengths >> _ONE : (lengths >> _ONE) + pairs]
        long = count_long_pairs(two_lengths, pairs)
        if _EIGHT * long > pairs:
            break  # a branch would be mispredicted too often
        some_words, some_lengths = memory_64[words : words + room], memory_8[lengths : lengths + room]
        merged, merged_lengths = memory_64[others : others + pairs], memory_8[other_lengths : other_lengths + pairs]
        merge_pairs(some_words, two_lengths, pairs, merged, merged_lengths)
        if long > _ZERO:
            return concatenate_merged(merged, merged_lengths, some_words, some_lengths, position, begun, memory_64)
        words, lengths, others, other_lengths = others, other_lengths, words, lengths
        count, room = (count + _ONE) >> _ONE, pairs
    some_words, some_lengths = memory_64[words : words + count], memory_8[lengths : lengths + count]
    return concatenate(some_words, some_lengths, position, begun, memory_64)


@device_function
def code_quads(quads, room, memory_8, memory_16, memory_32, memory_64):
    """Write the VLC bytes; return how many there are, how many bits are left, and those."""
    merge_codewords(room >> _ONE, memory_8, memory_16, memory_32)
    merge_words(room >> _TWO, memory_8, memory_16, memory_64)
    # The first four bits are ones, behind a byte that is written last.
    begin = RAW_BITS
    end = concatenate_words(
        MERGED, MERGED_LENGTHS, (quads + uint64(3)) >> _TWO, room >> _TWO, begin + uint64(4),
        uint64(15), memory_8, memory_16, memory_64,
    )  # fmt: skip
    return stuff_codewords(memory_64, begin, end, memory_8)


@device_function
def gather_magnitudes(quads, room, most, memory_8, memory_16, memory_32, memory_64):
    """Put the MagSgn bits one after another; return where they end. No sample has more than `most`."""
    if most <= uint8(16):
        merge_quads(room, memory_8, memory_32, memory_64)
    else:
        merge_columns(room, memory_8, memory_16, memory_32, memory_64)
        quads, room = quads << _ONE, room << _ONE
    return concatenate_words(WORDS, LENGTHS, quads, room, RAW_BITS, _ZERO, memory_8, memory_16, memory_64)


@device_function
def end_codewords(mel, vlc, memory_8):
    """Write the last byte of both MEL and VLC, one for both if it serves, 7.1.4; return how many both have then."""
    mel_count, mel_bits, mel_lacks = mel
    vlc_count, vlc_left, vlc_bits = vlc
    mel_byte = mel_bits << mel_lacks
    mel_mask, vlc_mask = (uint64(0xFF) << mel_lacks) & uint64(0xFF), (_ONE << vlc_left) - _ONE
    if mel_mask | vlc_mask == _ZERO:
        return mel_count, vlc_count
    both = mel_byte | vlc_bits
    differs = ((both ^ mel_byte) & mel_mask) | ((both ^ vlc_bits) & vlc_mask)
    if differs == _ZERO and both != uint64(0xFF) and vlc_count > _ZERO:
        memory_8[MEL + mel_count] = uint8(both)
        return mel_count + _ONE, vlc_count
    memory_8[MEL + mel_count] = uint8(mel_byte)
    memory_8[VLC_LAST - vlc_count] = uint8(vlc_bits)
    return mel_count + _ONE, vlc_count + _ONE


@device_function
def copy_bytes(source, begin, count, target, place):
    """Copy bytes."""
    for byte in range(count):
        target[place + uint64(byte)] = source[begin + uint64(byte)]


@device_function
def has_too_large(quads, planes, memory_8, memory_32):
    """Return whether a sample's magnitude has more bits than these; all exponents are at most one more."""
    largest = uint32(uint32(uint32(1) << uint32(planes)) - uint32(1))
    found = False
    for plane in range(4):
        for number in range(quads):
            value = uint32(memory_32[VALUES[0] + uint64(plane * PLANE + number)] >> uint32(1))
            exponent = memory_8[EXPONENTS[0] + uint64(plane * EXPONENT_PLANE + number)]
            found = found or (exponent != uint8(0) and value >= largest)
    return found


@device_function
def encode_codeblock(samples, row_stride, width, height, shift, ahead, planes, codes, memory, out):
    """Encode one codeblock; return its status and how many bytes were written."""
    memory_8, memory_16, memory_32, memory_64, staging = memory
    across, down = (width + _ONE) >> _ONE, (height + _ONE) >> _ONE
    stride = (across + _TWO) & ~_ONE
    quads = stride * down
    load_codeblock(samples, row_stride, width, height, stride, shift, ahead, memory_8, memory_32, staging)
    # Vectors take quads 64 by 64: those behind the last are insignificant.
    room = (quads + uint64(63)) & ~uint64(63)
    highest_exponent, most = relate_quads(room, stride, memory_8, memory_16)
    if highest_exponent == uint8(0):
        return int32(STATUS_OK), _ZERO
    if uint64(highest_exponent) > planes:
        one_more = uint64(highest_exponent) == planes + _ONE
        if not one_more or has_too_large(quads, planes, memory_8, memory_32):
            return int32(STATUS_TOO_MANY_BITPLANES), _ZERO
    describe_first_row(across, stride, memory_8, memory_16)
    look_up(codes, across, stride, down, memory_8, memory_16)
    count_bits(room, memory_8, memory_16)
    tell_first_row(stride, memory_8)
    mel = code_events(quads, stride, memory_8, memory_64)
    vlc = code_quads(quads, room, memory_8, memory_16, memory_32, memory_64)
    mel_count, vlc_count = end_codewords(mel, vlc, memory_8)
    begin = RAW_BITS
    end = gather_magnitudes(quads, room, most, memory_8, memory_16, memory_32, memory_64)
    tail = mel_count + vlc_count + _ONE
    if ((end - begin) // uint64(15) + _ONE) * _TWO + tail > uint64(len(out)):
        return int32(STATUS_OVERFLOW), _ZERO
    length = stuff_magnitudes(memory_64, begin, end, out)
    copy_bytes(memory_8, MEL, mel_count, out, length)
    length += mel_count
    copy_bytes(memory_8, VLC_LAST + _ONE - vlc_count, vlc_count, out, length)
    length += vlc_count + _ONE
    out[length - _ONE] = uint8(tail >> uint64(4))
    out[length - _TWO] = uint8((out[length - _TWO] & uint8(0xF0)) | uint8(tail & uint64(0xF)))
    return int32(STATUS_OK), length


@device_function
def first_sample(number, blocks, num_blocks, plane_stride, row_stride):
    """Return where a codeblock begins."""
    first = (number % int64(num_blocks)) * int64(BLOCK_FIELDS)
    return (number // int64(num_blocks)) * plane_stride + int64(blocks[first + 1]) * row_stride + int64(blocks[first])


@kernel(
    "int32, int64, int32, int32[::1], int64, int64, int32[::1], int32, int32, uint16[::1], uint64[::1], int64, "
    "uint8[::1], int64, int32[::1], int32[::1], int32[::1], int32[::1]"
)
def encode_codeblocks(
    lane, lanes, first_job, num_jobs, coefficients, plane_stride, row_stride, blocks, num_blocks, fractional_bits,
    codes, words, words_stride, slots, slot_bytes, lengths, zero_bitplanes, num_passes, status,
):  # fmt: skip
    """Encode the codeblocks `lane`, `lane` + `lanes` ... of a launch.

    Moves more than the least: what lies between the steps of encoding a codeblock, some 26 bytes a coefficient of
    values, exponents, codewords and raw bits, is in device memory. The steps are written for vectors on the CPU;
    warps that share a codeblock could keep rows of it in shared memory instead.
    """
    memory = views(words[int64(lane) * words_stride : (int64(lane) + int64(1)) * words_stride])
    for following in range(int64(lane), int64(num_jobs), int64(lanes)):
        number = first_job + int64(following)
        first = (number % int64(num_blocks)) * int64(BLOCK_FIELDS)
        width, height, planes = int64(blocks[first + 2]), int64(blocks[first + 3]), blocks[first + 5]
        begin = first_sample(number, blocks, num_blocks, plane_stride, row_stride)
        following_number = min(number + int64(lanes), first_job + int64(num_jobs) - int64(1))
        ahead = first_sample(following_number, blocks, num_blocks, plane_stride, row_stride) - begin
        slot = int64(following) * slot_bytes
        found, length = int32(STATUS_TOO_LARGE), _ZERO
        if min(width, height) < int64(1):
            found = int32(STATUS_OK)
        elif width * height <= int64(MOST_SAMPLES) and max(width, height) <= int64(MOST_ACROSS):
            found, length = encode_codeblock(
                coefficients[begin : begin + (height - int64(1)) * row_stride + width], uint64(row_stride),
                uint64(width), uint64(height), uint32(fractional_bits), uint64(ahead), uint64(planes), codes, memory,
                slots[slot : slot + slot_bytes],
            )  # fmt: skip
        lengths[number] = int32(length)
        num_passes[number] = int32(length != _ZERO)
        zero_bitplanes[number] = planes - int32(length != _ZERO)
        status[number] = found
