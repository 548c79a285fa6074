"""Decoding of HT codeblocks on GPUs: MEL and VLC by one thread a codeblock, samples by one warp a codeblock.

T.814 clause 7, as `decode` has it, in two launches. MEL and VLC codewords can be read only one after the other, so a
thread reads those of a codeblock; the threads of a warp have their state and rows of quads side by side. How long each
sample's bits are follows from the words of the quads and the row above, so that a warp decodes a row of quads at once:
each thread finds the lengths of its quads, sums over all threads tell where their bits are, and each thread takes them.

MagSgn bits are put into shared memory without stuffed bits, T.814 7.1.2. A byte after 0xFF has seven bits, so a byte's
place is known from how many 0xFF come before: each thread counts those of its part of the segment, and then writes the
words that begin in its bytes.

Arrays are those of `decode`; `quads` are `SLOT_QUADS` words a job of the launch. Bytes moved a coefficient coded with b
bits: b / 8 read and 4 written, and between the launches 1 written and 1 read.
"""

from __future__ import annotations

from numpy import int32, int64, uint32, uint64

from gpucodec_kernels.bits import leading_zeros_32
from gpucodec_kernels.ht.decode_jobs import (
    HEIGHT,
    MAGSGN_ROOM,
    ROW_QUADS,
    SLOT_QUADS,
    STATUS_CODEWORDS,
    STATUS_OK,
    VLC_BYTES,
    WIDTH,
    begin_slot,
    block_of,
    check_job,
    clear,
    finish_job,
    scale_of,
    where_it_goes,
    width_in_quads,
)
from gpucodec_kernels.ht.decode_quads import decode_quads
from gpucodec_kernels.ht.decode_samples import MOST_QUADS, as_coefficient, find_quad_lengths, sum_bytes
from gpucodec_kernels.ht.decode_streams import NUM_BITS, NUM_FIELDS, STOP
from gpucodec_kernels.ht.decode_tables import ONES_SHIFT
from gpucodec_kernels.target import block_kernel, device_function, inline_function, kernel, synchronize

__all__ = [
    "WARP",
    "WARP_STATES",
    "WARP_WINDOW_BYTES",
    "WARP_WORDS",
    "decode_samples_of_codeblocks",
    "read_quads_of_codeblocks",
]

WARP = 32
WARP_WINDOW_BYTES = WARP * VLC_BYTES
WARP_WORDS = WARP * 2 * ROW_QUADS
WARP_STATES = WARP * NUM_FIELDS

# Shared memory: MagSgn bits; leading zeros of left and right bottom samples, one place before and after; lengths; sums.
_WINDOW_WORDS = MAGSGN_ROOM // 4
_LEFT = _WINDOW_WORDS
_RIGHT = _LEFT + MOST_QUADS + 2
_LENGTHS = _RIGHT + MOST_QUADS + 2
_SUMS = _LENGTHS + MOST_QUADS
_SHARED = _SUMS + WARP

_ZERO, _ONE = uint64(0), uint64(1)
_NONE, _BIT, _BYTE = uint32(0), uint32(1), uint32(255)
_ALL = uint32(0xFFFFFFFF)
_WRONG = uint32(1 << 24)  # added to a thread's bits where a bound is too large


@kernel(
    "int32[::1], uint8[::1], int64[::1], int32[::1], int32[::1], int32[::1], int64[::1], int32[::1], int32, int64, "
    "uint32[::1], uint8[::1], uint32[::1], uint64[::1], uint32[::1], int32[::1]"
)
def read_quads_of_codeblocks(
    index, order, data, segment_begins, segments, first_segment, coded, block_places, blocks, num_blocks, frame_stride,
    tables, windows, words, states, quads, status,
):  # fmt: skip
    """Read the MEL and VLC codewords of a codeblock.

    Moves more than the least: each codeblock has a window of its bytes, two rows of quads and the state of its
    readers in device memory, side by side for the threads of a warp, which read them as often as they please from
    the cache. Together that is 197 kB for a warp, nearly all the shared memory that a multiprocessor has.
    """
    source = (data, segment_begins, segments, first_segment, coded, block_places, blocks, num_blocks, frame_stride)
    job = int64(order[index])
    warp, slot = int64(index) // int64(WARP), uint64(index) % uint64(WARP)
    window = windows[warp * int64(WARP_WINDOW_BYTES) : (warp + int64(1)) * int64(WARP_WINDOW_BYTES)]
    state = states[warp * int64(WARP_STATES) : (warp + int64(1)) * int64(WARP_STATES)]
    first = warp * int64(WARP_WORDS)
    contexts = words[first : first + int64(WARP * ROW_QUADS)]
    row = words[first + int64(WARP * ROW_QUADS) : first + int64(WARP_WORDS)]
    mine = quads[int64(index) * int64(SLOT_QUADS) : (int64(index) + int64(1)) * int64(SLOT_QUADS)]
    slots = uint64(WARP)
    rows = begin_slot(slots, slot, job, source, window, state, status)
    if rows == _ZERO:
        return
    width = width_in_quads(job, source)
    buffers = (contexts, row, mine, _ZERO)
    decode_quads((slots, slot, slot + _ONE), width, rows, state, data, window, tables, buffers)
    used = state[uint64(STOP) * slots + slot] - slot * uint64(8 * VLC_BYTES)
    if used > state[uint64(NUM_BITS) * slots + slot]:
        status[job] = int32(STATUS_CODEWORDS)


@device_function
def sum_before(thread, shared, value):
    """Return the sum of the values of all threads before this one, and of all threads."""
    shared[_SUMS + thread] = value
    synchronize()
    step = int32(1)
    while step < int32(WARP):
        added = shared[_SUMS + thread - step] if thread >= step else _NONE
        synchronize()
        shared[_SUMS + thread] = uint32(shared[_SUMS + thread] + added)
        synchronize()
        step = step * int32(2)
    total = shared[_SUMS + WARP - 1]
    before = uint32(shared[_SUMS + thread] - value)
    synchronize()
    return before, total


@device_function
def next_bits(data, source, end, after):
    """Return a MagSgn byte's bits, their number, and whether it is FFH; ones after the end."""
    byte = uint32(data[source]) if source < end else _BYTE
    number = uint32(7) if after else uint32(8)
    return uint32(byte & uint32(_BYTE >> uint32(uint32(8) - number))), number, byte == _BYTE


@device_function
def write_word(data, source, end, after, skipped, shared, number):
    """Write the word that begins `skipped` bits after the lowest of a byte."""
    bits, length, after = next_bits(data, source, end, after)
    word, fill = uint64(bits >> skipped), uint64(length - skipped)
    while fill < uint64(32):
        source = source + _ONE
        bits, length, after = next_bits(data, source, end, after)
        word = word | (uint64(bits) << fill)
        fill = fill + uint64(length)
    shared[number] = uint32(word & uint64(0xFFFFFFFF))


@device_function
def destuff(thread, shared, data, begin, end):
    """Put the MagSgn bits between two places of `data` into shared memory, all threads together."""
    # Ones stand for what is not there: that many words are written.
    share = (end - begin + uint64(WARP - 1)) // uint64(WARP)
    first = begin + share * uint64(thread)
    last = min(end, first + share)
    stuffed = _NONE
    for source in range(first, last):
        if source > begin and data[source - _ONE] == _BYTE:
            stuffed = uint32(stuffed + _BIT)
    before, total = sum_before(thread, shared, stuffed)
    position = uint64(8) * (first - begin) - uint64(before)
    for source in range(first, last):
        after = source > begin and data[source - _ONE] == _BYTE
        length = uint64(7) if after else uint64(8)
        number = (position + uint64(31)) >> uint64(5)
        if (number << uint64(5)) < position + length and number < uint64(_WINDOW_WORDS):
            skipped = uint32((number << uint64(5)) - position)
            write_word(data, source, end, after, skipped, shared, number)
        position = position + length
    synchronize()
    return min((uint64(8) * (end - begin) - uint64(total) + uint64(31)) >> uint64(5), uint64(_WINDOW_WORDS))


@inline_function
def take_bits(shared, position, num_words):
    """Return the 33 and more bits from a position on; ones after the last word."""
    place = position >> uint64(5)
    low = shared[place] if place < num_words else _ALL
    high = shared[place + _ONE] if place + _ONE < num_words else _ALL
    top = shared[place + uint64(2)] if place + uint64(2) < num_words else _ALL
    shift = position & uint64(31)
    word = (uint64(low) | (uint64(high) << uint64(32))) >> shift
    return word | ((uint64(top) << uint64(32)) << (uint64(32) - shift))


@device_function
def take_sample(shared, num_words, position, length, word, sample):
    """Return a sample's value."""
    top = _ONE << length
    value = take_bits(shared, position, num_words) & (top - _ONE)
    if word & uint32(1 << ONES_SHIFT << sample):
        value = value | top
    return uint32(value & uint64(0xFFFFFFFF))


@device_function
def write_quad(shared, num_words, position, quad, word, lengths, scale, space, coefficients):
    """Take a quad's samples from the bits at `position`; write their coefficients."""
    up, middle = scale
    place, row_stride, columns, rows = space
    for sample in range(4):
        length = uint64((lengths >> uint32(8 * sample)) & _BYTE)
        value = take_sample(shared, num_words, position, length, word, sample)
        position = position + length
        column, row = uint64(2) * quad + uint64(sample >> 1), uint64(sample & 1)
        if column < columns and row < rows:
            at = place + int64(row) * row_stride + int64(column)
            coefficients[at] = int32(as_coefficient(value, word, sample, up, middle))
        if row == _ONE:
            side = uint64(_LEFT) if sample == 1 else uint64(_RIGHT)
            shared[side + quad + _ONE] = uint32(leading_zeros_32(uint64(uint32(value | _BIT))))


@device_function
def find_row_lengths(thread, shared, row, most, shape):
    """Write the lengths of samples of a row of quads; return the bits before this thread's quads, and of all."""
    across, share = shape
    first = share * uint64(thread)
    total, wrong = _NONE, _NONE
    for quad in range(first, min(across, first + share)):
        lengths, bound = find_quad_lengths(
            row[quad], shared[uint64(_LEFT) + quad + _ONE], shared[uint64(_LEFT) + quad + uint64(2)],
            shared[uint64(_RIGHT) + quad], shared[uint64(_RIGHT) + quad + _ONE],
        )  # fmt: skip
        if bound > most:
            wrong = _WRONG
        shared[uint64(_LENGTHS) + quad] = lengths
        total = uint32(total + sum_bytes(lengths))
    return sum_before(thread, shared, uint32(total + wrong))


@device_function
def decode_row(thread, shared, num_words, position, row, shape, scale, space, coefficients):
    """Decode this thread's quads of a row, whose bits begin at `position`."""
    across, share = shape
    first = share * uint64(thread)
    for quad in range(first, min(across, first + share)):
        lengths = shared[uint64(_LENGTHS) + quad]
        write_quad(shared, num_words, position, quad, row[quad], lengths, scale, space, coefficients)
        position = position + uint64(sum_bytes(lengths))


@device_function
def decode_rows(thread, shared, num_words, job, source, quads, coefficients):
    """Decode all rows of quads of a codeblock, all threads together; return whether all was in order."""
    block = block_of(job, source)
    width, height = uint64(source[6][block + int64(WIDTH)]), uint64(source[6][block + int64(HEIGHT)])
    most, scale, _ = scale_of(job, source)
    place, row_stride = where_it_goes(job, source)
    across = width_in_quads(job, source)
    shape = (across, (across + uint64(WARP - 1)) // uint64(WARP))
    for quad in range(uint64(thread), across + uint64(2), uint64(WARP)):
        shared[uint64(_LEFT) + quad] = uint32(32)
        shared[uint64(_RIGHT) + quad] = uint32(32)
    synchronize()
    position = _ZERO
    for number in range((height + _ONE) >> _ONE):
        row = quads[number * across : (number + _ONE) * across]
        before, total = find_row_lengths(thread, shared, row, most, shape)
        if total >= _WRONG:
            return False
        top = uint64(2) * number
        space = (place + int64(top) * row_stride, row_stride, width, height - top)
        decode_row(thread, shared, num_words, position + uint64(before), row, shape, scale, space, coefficients)
        position = position + uint64(total)
        synchronize()
    return True


@block_kernel(
    "int32[::1], uint8[::1], int64[::1], int32[::1], int32[::1], int32[::1], int64[::1], int32[::1], int32, int64, "
    "uint32[::1], int32[::1], int32[::1]",
    threads=WARP,
    shared_type="uint32",
    shared_size=_SHARED,
)
def decode_samples_of_codeblocks(
    index, thread, shared, order, data, segment_begins, segments, first_segment, coded, block_places, blocks,
    num_blocks, frame_stride, quads, coefficients, status,
):  # fmt: skip
    """Decode the samples of a codeblock from the words of its quads; where it is damaged, write zeros."""
    source = (data, segment_begins, segments, first_segment, coded, block_places, blocks, num_blocks, frame_stride)
    job = int64(order[index])
    result, (active, begin, suffix, _) = check_job(job, source)
    if result < int32(0):
        return
    decoded = active and status[job] == int32(STATUS_OK)
    if decoded:
        mine = quads[int64(index) * int64(SLOT_QUADS) : (int64(index) + int64(1)) * int64(SLOT_QUADS)]
        num_words = destuff(thread, shared, data, begin, suffix)
        decoded = decode_rows(thread, shared, num_words, job, source, mine, coefficients)
    if thread != int32(0):
        return
    if decoded:
        # One after the other: a coefficient's neighbours decide whether it has a bit.
        finish_job(job, source, shared, coefficients, status)
    else:
        clear(job, source, coefficients)
        if active:
            status[job] = int32(STATUS_CODEWORDS)
