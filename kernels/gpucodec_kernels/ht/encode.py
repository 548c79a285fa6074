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

from numpy import int32, int64, uint8, uint16, uint32, uint64

from gpucodec_kernels.ht.codewords import (
    SINGLE_BIT,
    concatenate,
    count_bits,
    look_up,
    merge_codewords,
    merge_columns,
    merge_quads,
    merge_words,
)
from gpucodec_kernels.ht.mel import encode_events
from gpucodec_kernels.ht.quads import bit_length, load_row, relate_quads
from gpucodec_kernels.ht.stuffing import stuff_codewords, stuff_magnitudes
from gpucodec_kernels.target import device_function, inline_function, kernel

__all__ = [
    "BLOCK_FIELDS",
    "STATUS_OK",
    "STATUS_OVERFLOW",
    "STATUS_TOO_MANY_BITPLANES",
    "encode_codeblocks",
    "scratch_words",
    "worst_slot_bytes",
]

STATUS_OK = 0
STATUS_OVERFLOW = 1  # the slot is too small
STATUS_TOO_MANY_BITPLANES = 2  # more than M_b, or a codeblock larger than the scratch was made for

BLOCK_FIELDS = 6

_ZERO = uint64(0)
_ONE = uint64(1)
_TWO = uint64(2)
_SEVEN = uint64(7)
_EIGHT = uint64(8)




def _most_quads(width: int, height: int) -> int:
    """Return how many quads codeblocks up to a size have, with what is beside them."""
    return ((width + 5) // 4 * 2) * ((height + 1) // 2)


def scratch_words(width: int, height: int) -> int:
    """Return the words of scratch of a lane, for codeblocks up to this width and height."""
    quads = _most_quads(width, height)
    return 14 * quads + 64 * 20


def worst_slot_bytes(width: int, height: int, planes: int) -> int:
    """Return the bytes of a slot that is always long enough."""
    quads = -(-width // 2) * -(-height // 2)
    magnitude_bits = min(planes + 1, 32) * width * height
    event_bits = 6 * (quads + -(-width // 4)) + 1
    return 2 * (magnitude_bits // 15) + 2 + 2 * (event_bits // 15) + 2 + 2 * quads + 2


@inline_function
def room_for(size):
    """Return the words that hold so many bytes, and some more that are read at most."""
    return (size >> uint64(3)) + _EIGHT


@device_function
def clear(array):
    """Set bytes to zero."""
    for place in range(uint64(len(array))):
        array[uint64(place)] = uint8(0)


@device_function
def load_codeblock(coefficients, start, row_stride, width, height, stride, shift, top, bottom, top_e, bottom_e):
    """Read all rows of a codeblock; return the bits of all magnitudes or-ed together."""
    seen = uint32(0)
    for row in range(height):
        begin = start + int64(row) * row_stride
        place = (uint64(row) >> _ONE) * stride * _TWO
        samples = coefficients[begin : begin + int64(width)]
        if uint64(row) & _ONE:
            found = load_row(samples, shift, bottom[place : place + width], bottom_e[place : place + width])
        else:
            found = load_row(samples, shift, top[place : place + width], top_e[place : place + width])
        seen = uint32(seen | found)
    return seen


@device_function
def describe_first_row(indices, excesses, events, across, stride):
    """Give quads of the first row the contexts, excesses and events that only these have, 7.3.5 and 7.3.6.

    `events` begins ``stride // 2`` places before those of the first quad: a pair of quads has a third event.
    """
    before = uint8(0)
    place = _ZERO
    for pair in range(stride >> _ONE):
        first = uint64(pair) << _ONE
        for quad in range(first, first + _TWO):
            rho = uint8(indices[_TWO * uint64(quad)] >> uint8(4))
            context = uint8(before >> uint8(1)) | (before & uint8(1))
            indices[_TWO * uint64(quad) + _ONE] = context
            events[place] = uint8(0)
            if context == uint8(0) and uint64(quad) < across:
                events[place] = uint8(2) if rho else uint8(1)
            place += _ONE
            before = rho
        u_0, u_1 = excesses[first], excesses[first + _ONE]
        events[place] = uint8(0)
        if u_0 > uint8(0) and u_1 > uint8(0):
            events[place] = uint8(2) if u_0 > uint8(2) and u_1 > uint8(2) else uint8(1)
        place += _ONE
        if u_0 > uint8(2) and u_1 > uint8(2):
            excesses[first] = uint8(u_0 - uint8(2))
            excesses[first + _ONE] = uint8(u_1 - uint8(2))
        elif u_0 > uint8(2) and u_1 > uint8(0):
            excesses[first + _ONE] = uint8(1) if u_1 == uint8(2) else uint8(SINGLE_BIT)


@device_function
def code_quads(words, chosen, excesses, quads, out, last):
    """Write the VLC bytes from out[last] downwards; return how many, how many bits are left, and those."""
    pairs = quads >> _ONE
    halves = (pairs + _ONE) >> _ONE
    first_words = words[0 : pairs + _ONE]
    used = pairs + _ONE
    second_words = words[used : used + halves]
    used += halves
    first_lengths = words[used : used + room_for(pairs + _ONE)].view(uint8)
    used += room_for(pairs + _ONE)
    second_lengths = words[used : used + room_for(halves)].view(uint8)
    used += room_for(halves)
    raw = words[used:]
    merge_codewords(chosen, excesses, pairs, first_words, first_lengths)
    first_words[pairs] = _ZERO
    first_lengths[pairs] = uint8(0)
    merge_words(first_words, first_lengths, halves, second_words, second_lengths)
    bits = concatenate(second_words, second_lengths, halves, raw, uint64(15), uint64(4))
    return stuff_codewords(raw, bits, last, out)


@device_function
def gather_magnitudes(words, top, bottom, top_bits, bottom_bits, quads, most):
    """Write the MagSgn bits one after another; return them, and how many there are."""
    columns = quads << _ONE
    first_words = words[0 : columns + _EIGHT]
    used = columns + _EIGHT
    second_words = words[used : used + quads + _EIGHT]
    used += quads + _EIGHT
    first_lengths = words[used : used + room_for(columns + _EIGHT)].view(uint8)
    used += room_for(columns + _EIGHT)
    second_lengths = words[used : used + room_for(quads + _EIGHT)].view(uint8)
    used += room_for(quads + _EIGHT)
    raw = words[used:]
    if most > uint64(16):
        merge_columns(top, bottom, top_bits, bottom_bits, columns, first_words, first_lengths)
        return raw, concatenate(first_words, first_lengths, columns, raw, _ZERO, _ZERO)
    merge_quads(top, bottom, top_bits, bottom_bits, quads, first_words, first_lengths)
    if most > uint64(8):
        return raw, concatenate(first_words, first_lengths, quads, raw, _ZERO, _ZERO)
    merge_words(first_words, first_lengths, quads >> _ONE, second_words, second_lengths)
    return raw, concatenate(second_words, second_lengths, quads >> _ONE, raw, _ZERO, _ZERO)


@device_function
def encode_codeblock(coefficients, start, row_stride, width, height, shift, codes, words, most_planes, out):
    """Encode one codeblock; return its status and how many bytes were written."""
    across, down = (width + _ONE) >> _ONE, (height + _ONE) >> _ONE
    stride = (across + _TWO) & ~_ONE
    quads = stride * down
    columns = quads << _ONE
    north = stride << _ONE
    top = words[0:quads].view(uint32)
    bottom = words[quads:columns].view(uint32)
    used = columns
    top_e = words[used : used + room_for(columns)].view(uint8)
    used += room_for(columns)
    bottom_e = words[used : used + room_for(columns + north)].view(uint8)
    used += room_for(columns + north)
    clear(top_e)
    clear(bottom_e)
    seen = load_codeblock(
        coefficients, start, row_stride, width, height, stride, shift, top, bottom, top_e[_EIGHT:],
        bottom_e[_EIGHT + north :],
    )  # fmt: skip
    if seen == uint32(0):
        return int32(STATUS_OK), _ZERO
    planes = uint64(bit_length(uint32(seen >> uint32(1)))) + _ONE
    if planes > most_planes:
        return int32(STATUS_TOO_MANY_BITPLANES), _ZERO
    indices = words[used : used + room_for(columns)]
    used += room_for(columns)
    bounds = words[used : used + room_for(quads)].view(uint8)
    used += room_for(quads)
    excesses = words[used : used + room_for(quads)].view(uint8)
    used += room_for(quads)
    events = words[used : used + room_for(quads + stride)].view(uint8)
    used += room_for(quads + stride)
    half = stride >> _ONE
    relate_quads(
        top_e[_EIGHT:], bottom_e[_EIGHT + north :], bottom_e[_SEVEN:], top_e[_SEVEN:], bottom_e[_SEVEN + north :],
        quads, indices.view(uint8), bounds, excesses, events[half:],
    )  # fmt: skip
    look_up_events = events[half:]
    for row in range(down):
        for place in range(across, stride):
            look_up_events[uint64(row) * stride + uint64(place)] = uint8(0)
    describe_first_row(indices.view(uint8), excesses, events, across, stride)
    chosen = indices.view(uint16)
    look_up(codes, chosen, across, stride, down, chosen)
    top_bits = words[used : used + room_for(columns)].view(uint8)
    used += room_for(columns)
    bottom_bits = words[used : used + room_for(columns)].view(uint8)
    used += room_for(columns)
    count_bits(top_e[_EIGHT:], bottom_e[_EIGHT + north :], bounds, indices.view(uint8), quads, top_bits, bottom_bits)
    mel = words[used : used + room_for(quads + stride)].view(uint8)
    used += room_for(quads + stride)
    vlc = words[used : used + room_for(_TWO * quads)].view(uint8)
    used += room_for(_TWO * quads)
    last = uint64(len(vlc)) - _ONE
    mel_count, mel_bits, mel_lacks = encode_events(events, quads + half, mel)
    vlc_count, vlc_left, vlc_bits = code_quads(words[used:], chosen, excesses, quads, vlc, last)
    # The last bytes of both may be the same one, 7.1.
    both = (mel_bits << mel_lacks) | vlc_bits
    mel_mask = (uint64(0xFF) << mel_lacks) & uint64(0xFF)
    vlc_mask = (_ONE << vlc_left) - _ONE
    if mel_mask | vlc_mask:
        differs = ((both ^ (mel_bits << mel_lacks)) & mel_mask) | ((both ^ vlc_bits) & vlc_mask)
        if differs == _ZERO and both != uint64(0xFF) and vlc_count > _ZERO:
            mel[mel_count] = uint8(both)
            mel_count += _ONE
        else:
            mel[mel_count] = uint8(mel_bits << mel_lacks)
            mel_count += _ONE
            vlc[last - vlc_count] = uint8(vlc_bits)
            vlc_count += _ONE
    raw, bits = gather_magnitudes(words[used:], top, bottom, top_bits, bottom_bits, quads, planes + _ONE)
    tail = mel_count + vlc_count + _ONE
    if (bits // uint64(15) + _ONE) * _TWO + tail > uint64(len(out)):
        return int32(STATUS_OVERFLOW), _ZERO
    length = stuff_magnitudes(raw, bits, out)
    for place in range(mel_count):
        out[length + uint64(place)] = mel[uint64(place)]
    length += mel_count
    begin = last + _ONE - vlc_count
    for place in range(vlc_count):
        out[length + uint64(place)] = vlc[begin + uint64(place)]
    length += vlc_count + _ONE
    out[length - _ONE] = uint8(tail >> uint64(4))
    out[length - _TWO] = uint8((uint64(out[length - _TWO]) & uint64(0xF0)) | (tail & uint64(0xF)))
    return int32(STATUS_OK), length


@kernel(
    "int32, int64, int32, int32[::1], int64, int64, int32[::1], int32, int32, uint16[::1], uint64[::1], int64, "
    "uint8[::1], int64, int32[::1], int32[::1], int32[::1], int32[::1]"
)
def encode_codeblocks(
    lane, lanes, first_job, num_jobs, coefficients, plane_stride, row_stride, blocks, num_blocks, fractional_bits, codes,
    words, words_stride, slots, slot_bytes, lengths, zero_bitplanes, num_passes, status,
):  # fmt: skip
    """Encode the codeblocks `lane`, `lane` + `lanes` ... of a launch."""
    mine = words[int64(lane) * words_stride : (int64(lane) + int64(1)) * words_stride]
    for following in range(int64(lane), int64(num_jobs), int64(lanes)):
        number = first_job + int64(following)
        first = (number % int64(num_blocks)) * int64(BLOCK_FIELDS)
        width, height, magnitude_bitplanes = blocks[first + 2], blocks[first + 3], blocks[first + 5]
        start = (number // int64(num_blocks)) * plane_stride
        start += int64(blocks[first + 1]) * row_stride + int64(blocks[first])
        begin = int64(following) * slot_bytes
        found, length = encode_codeblock(
            coefficients, start, row_stride, uint64(width), uint64(height), uint32(fractional_bits), codes, mine,
            uint64(magnitude_bitplanes), slots[begin : begin + slot_bytes],
        )  # fmt: skip
        lengths[number] = int32(length)
        num_passes[number] = int32(length != _ZERO)
        zero_bitplanes[number] = magnitude_bitplanes - int32(length != _ZERO)
        status[number] = found
