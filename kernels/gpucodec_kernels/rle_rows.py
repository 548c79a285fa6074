"""Encoding rows of RLE for GPUs: sixteen threads take a row, and find its runs side by side; PS3.5 G.3.1.

`gpucodec_kernels.rle.encode_row` gives a row to one index, whose bytes lie far from those of the next index. Here a
block of threads takes `ROWS` rows, `CHUNK` columns of each at a time, through shared memory; a thread has a word of
`WORD` columns, a column a bit. What comes out is the same, byte by byte.

1. Neighbouring threads load neighbouring columns. Rows of a block are the byte planes of a few rows of pixels, so that
   a frame's bytes come from device memory once, whatever their layout.
2. `SAME`: which columns are equal to the one before. A run that comes from an earlier word is cut where it has
   `LONGEST_RUN` columns, so that no run is longer: `NEW` says where runs begin. Runs are then of one column, of two,
   or long, and a long one is always a replicate run.
3. Literal runs begin at a run of one column and last until a long run or their own limit (`literal_end` of the other
   kernel), over any number of words. Which of them comes into a word, `ENTRY`, depends on the words before, up to the
   one with the last long run: the thread that has that word walks on from it. Then each thread knows where packets
   begin in its word (`STARTS`), those of literal runs (`LITERALS`) and which columns are written (`KEPT`).
4. A sum over words says where a word's packets go (`PLACE`), counting bits where each of its columns does, and
   neighbouring threads store neighbouring columns. The last packet of a chunk gets its length when the next chunk,
   or the end of the row, has shown where it ends.

Bytes moved for each byte of a frame that encodes to c bytes: 1 read and c written to the row's slot, the least that a
row's own place in memory allows. The gather (`gpucodec_kernels.rle.gather_row`) adds 2c.
"""

from __future__ import annotations

from typing import Any

from numpy import int32, int64, uint8, uint32, uint64

from gpucodec_kernels import rle
from gpucodec_kernels.bits import leading_zeros_32, population_count_32, trailing_zeros_32
from gpucodec_kernels.copying import BLOCK as PIECE_BLOCK
from gpucodec_kernels.copying import LANES as PIECE_LANES
from gpucodec_kernels.copying import copy_piece, group_of, num_blocks
from gpucodec_kernels.rle import LONGEST_RUN, place_of_row
from gpucodec_kernels.target import block_kernel, device_function, inline_function, synchronize

THREADS = 128
WORD = 32  # columns of a thread
LANES = 16  # threads of a row, and words of a chunk; one word more is looked at
ROWS = THREADS // LANES
CHUNK = LANES * WORD
WARPS = THREADS // 32

# What a row has in shared memory, in words of 32 bits.
BYTES = 0  # the chunk's columns, from four before it to WORD behind it
BYTE_WORDS = 1 + CHUNK // 4 + WORD // 4
SAME = BYTES + BYTE_WORDS
NEW = SAME + LANES + 1
ENTRY = NEW + LANES + 1  # column where the literal run began that comes into a word, or NONE
STARTS = ENTRY + LANES + 1
LITERALS = STARTS + LANES
KEPT = LITERALS + LANES
PLACE = KEPT + LANES  # of a word's first byte among the row's encoded ones
SIZES = PLACE + LANES  # encoded bytes of each word
WRITTEN = SIZES + LANES  # encoded bytes of the chunks before
RUN_START = WRITTEN + 1  # column where the run began that comes into the chunk
OPEN_START, OPEN_PLACE, OPEN_LITERAL = RUN_START + 1, RUN_START + 2, RUN_START + 3  # the packet without a length
PITCH = OPEN_LITERAL + 1

ALL = uint32(0xFFFFFFFF)
NONE = uint32(0xFFFFFFFF)


@inline_function
def below(column):
    """Return a word of ones below a column, 0 to 31."""
    return uint32(uint32(uint32(1) << uint32(column)) - uint32(1))


@inline_function
def first_columns(columns, base):
    """Return a word of ones for those of its columns that the row has."""
    if columns <= base:
        return uint32(0)
    left = uint32(columns - base)
    return ALL if left >= uint32(WORD) else below(left)


@inline_function
def highest(word):
    """Return the highest bit that is set in a word that is not zero."""
    return uint32(uint32(31) - uint32(leading_zeros_32(word)))


@device_function
def load_bytes(source, start, pixel_stride, columns, chunk, shared, base, lane):
    """Load a chunk of a row, four columns a word; there are zeros before and behind the row."""
    for word in range(uint32(lane), uint32(BYTE_WORDS), uint32(32)):
        value = uint32(0)
        for byte in range(uint32(4)):
            ahead = uint32(uint32(4) * uint32(word) + uint32(byte))
            if uint32(chunk + ahead) >= uint32(4) and uint32(chunk + ahead) < uint32(columns + uint32(4)):
                column = uint32(uint32(chunk + ahead) - uint32(4))
                at = uint64(start + uint64(column) * pixel_stride)
                value = uint32(value | uint32(uint32(source[at]) << uint32(uint32(8) * uint32(byte))))
        shared[base + uint32(word)] = value


@inline_function
def equal_bytes(word, before):
    """Return four bits: which bytes of a word are equal to the one before; the first one's is the last of `before`."""
    different = uint32(word ^ uint32(uint32(word << uint32(8)) | uint32(before >> uint32(24))))
    low = uint32(0x7F7F7F7F)
    equal = uint32(~uint32(uint32(uint32(different & low) + low) | different | low))
    ones = uint32(equal >> uint32(7))
    folded = uint32(ones | uint32(ones >> uint32(7)) | uint32(ones >> uint32(14)) | uint32(ones >> uint32(21)))
    return uint32(folded & uint32(15))


@device_function
def mark_same(shared, base, word, chunk, columns):
    """Write a word of `SAME`."""
    at = uint32(base + uint32(BYTES) + uint32(8) * word)
    before = shared[at]
    same = uint32(0)
    for part in range(uint32(8)):
        value = shared[at + uint32(1) + uint32(part)]
        same = uint32(same | uint32(equal_bytes(value, before) << uint32(uint32(4) * uint32(part))))
        before = value
    first = uint32(chunk + uint32(WORD) * word)
    if first == uint32(0):
        same = uint32(same & uint32(0xFFFFFFFE))
    shared[base + uint32(SAME) + word] = uint32(same & first_columns(columns, first))


@device_function
def run_start(shared, base, word, chunk):
    """Return the column where the run began that reaches the last column before a word of the chunk."""
    before = uint32(word)
    while before > uint32(0):
        before = uint32(before - uint32(1))
        begins = uint32(~shared[base + uint32(SAME) + before])
        if begins != uint32(0):
            return uint32(chunk + uint32(uint32(WORD) * before) + highest(begins))
    return shared[base + uint32(RUN_START)]


@device_function
def mark_new(shared, base, word, chunk):
    """Write a word of `NEW`: a run that comes into the word is cut where it has reached its greatest length."""
    same = shared[base + uint32(SAME) + word]
    if same & uint32(1) != uint32(0):
        first = uint32(chunk + uint32(WORD) * word)
        length = uint32(first - run_start(shared, base, word, chunk))
        # Columns from the word's first to the next multiple of the greatest length.
        ahead = uint32(uint32(uint32(LONGEST_RUN) - uint32(length & uint32(LONGEST_RUN - 1))) & uint32(LONGEST_RUN - 1))
        if ahead < uint32(WORD):
            bit = uint32(uint32(1) << ahead)
            reaching = uint32(below(ahead) | bit)
            if uint32(same & reaching) == reaching:
                same = uint32(same ^ bit)
    shared[base + uint32(NEW) + word] = uint32(~same)


@inline_function
def classes(shared, base, word, chunk, columns):
    """Return which columns of a word begin a run, which a run of one column, and which one of three or more."""
    new, following = shared[base + uint32(NEW) + word], shared[base + uint32(NEW) + uint32(1) + word]
    next_new = uint32(uint32(new >> uint32(1)) | uint32(following << uint32(31)))
    third_new = uint32(uint32(new >> uint32(2)) | uint32(following << uint32(30)))
    begins = uint32(new & first_columns(columns, uint32(chunk + uint32(WORD) * word)))
    return begins, uint32(begins & next_new), uint32(begins & uint32(~uint32(next_new | third_new)))


@inline_function
def parse_word(shared, base, word, chunk, columns, entry, column):
    """Follow the packets of a word from a column of it on.

    `entry` is where the literal run began that the column is in, or NONE where the column begins a run. Returns where
    the literal run began that goes on in the next word, or NONE, and the word's starts, literals and kept columns.
    """
    begins, singles, longs = classes(shared, base, word, chunk, columns)
    new, following = shared[base + uint32(NEW) + word], shared[base + uint32(NEW) + uint32(1) + word]
    first = uint32(chunk + uint32(WORD) * word)
    starts, literals, kept = uint32(0), uint32(0), uint32(0)
    while column < uint32(WORD):
        rest = uint32(ALL << column)
        if entry == NONE:
            ahead = uint32(singles & rest)
            until = ALL
            if ahead != uint32(0):
                until = below(trailing_zeros_32(ahead))
            replicates = uint32(begins & uint32(~singles) & rest & until)
            starts, kept = uint32(starts | replicates), uint32(kept | replicates)
            if ahead == uint32(0):
                break
            column = trailing_zeros_32(ahead)
            bit = uint32(uint32(1) << column)
            starts, literals = uint32(starts | bit), uint32(literals | bit)
            entry = uint32(first + column)
            rest = uint32(ALL << column)
        # Where the run ends, in columns from the word's first: at its limit, not within a pair, or at a long run.
        end = uint32(uint32(entry + uint32(LONGEST_RUN)) - first)
        if end < uint32(WORD):
            end = uint32(end - uint32(uint32(~uint32(new >> end)) & uint32(1)))
        elif end == uint32(WORD):
            end = uint32(end - uint32(uint32(~following) & uint32(1)))
        ahead = uint32(longs & rest)
        if ahead != uint32(0):
            end = min(end, trailing_zeros_32(ahead))
        if end >= uint32(WORD):
            kept = uint32(kept | rest)
            if end == uint32(WORD):
                entry = NONE
            break
        kept = uint32(kept | uint32(rest & below(end)))
        column, entry = end, NONE
    return entry, starts, literals, uint32(kept & first_columns(columns, first))


@device_function
def walk(shared, base, word, chunk, columns):
    """Write `ENTRY` for the words from a word with a long run, or from the chunk's first, to the next such word."""
    _, _, longs = classes(shared, base, word, chunk, columns)
    if longs == uint32(0) and word > uint32(0):
        return
    entry, column = NONE, uint32(0)
    if longs != uint32(0):
        column = highest(longs)
    else:
        entry = shared[base + uint32(ENTRY)]
    while True:
        first = uint32(chunk + uint32(WORD) * word)
        if entry == NONE or uint32(entry + uint32(LONGEST_RUN)) <= uint32(first + uint32(WORD)):
            entry, _, _, _ = parse_word(shared, base, word, chunk, columns, entry, column)
        word = uint32(word + uint32(1))
        shared[base + uint32(ENTRY) + word] = entry
        if word == uint32(LANES):
            break
        _, _, longs = classes(shared, base, word, chunk, columns)
        if longs != uint32(0):
            break
        column = uint32(0)


@device_function
def mark_packets(shared, base, word, chunk, columns):
    """Write a word's starts, literals and kept columns, and how many bytes they make."""
    _, starts, literals, kept = parse_word(
        shared, base, word, chunk, columns, shared[base + uint32(ENTRY) + word], uint32(0)
    )
    shared[base + uint32(STARTS) + word] = starts
    shared[base + uint32(LITERALS) + word] = literals
    shared[base + uint32(KEPT) + word] = kept
    shared[base + uint32(SIZES) + word] = uint32(population_count_32(starts) + population_count_32(kept))


@inline_function
def next_start(shared, base, word, chunk):
    """Return the column of the chunk's first packet from a word on, or NONE."""
    while word < uint32(LANES):
        starts = shared[base + uint32(STARTS) + word]
        if starts != uint32(0):
            return uint32(chunk + uint32(uint32(WORD) * word) + trailing_zeros_32(starts))
        word = uint32(word + uint32(1))
    return NONE


@inline_function
def control(length, literal):
    """Return a packet's first byte (G.3.1)."""
    return uint8(uint32(length - uint32(1)) if literal != uint32(0) else uint32(uint32(257) - length))


@device_function
def place_words(shared, base, word):
    """Write where a word's bytes go among the row's."""
    place = shared[base + uint32(WRITTEN)]
    for other in range(uint32(LANES)):
        if uint32(other) < word:
            place = uint32(place + shared[base + uint32(SIZES) + uint32(other)])
    shared[base + uint32(PLACE) + word] = place


@device_function
def close_packet(shared, base, chunk, columns, slots, slot):
    """Write the length of the packet that the chunk before left open."""
    end = min(next_start(shared, base, uint32(0), chunk), columns)
    length = uint32(end - shared[base + uint32(OPEN_START)])
    slots[slot + uint64(shared[base + uint32(OPEN_PLACE)])] = control(length, shared[base + uint32(OPEN_LITERAL)])


@device_function
def carry_over(shared, base, chunk, columns):
    """Keep for the next chunk what it must know of this one; return how many bytes of the row there are so far."""
    written = uint32(shared[base + uint32(PLACE + LANES - 1)] + shared[base + uint32(SIZES + LANES - 1)])
    if uint32(chunk + uint32(CHUNK)) < columns:
        shared[base + uint32(WRITTEN)] = written
        shared[base + uint32(RUN_START)] = run_start(shared, base, uint32(LANES), chunk)
        shared[base + uint32(ENTRY)] = shared[base + uint32(ENTRY + LANES)]
    return written


@device_function
def store_columns(shared, base, chunk, columns, slots, slot, lane):
    """Store a chunk's bytes; a thread has a column of each word."""
    bit = uint32(uint32(1) << uint32(lane))
    before, behind = below(lane), uint32(~uint32(below(lane) | bit))
    for word in range(uint32(LANES)):
        kept, starts = shared[base + uint32(KEPT) + uint32(word)], shared[base + uint32(STARTS) + uint32(word)]
        if kept & bit == uint32(0):
            continue
        counted = uint32(population_count_32(uint32(starts & before)) + population_count_32(uint32(kept & before)))
        place = uint32(shared[base + uint32(PLACE) + uint32(word)] + counted)
        if starts & bit != uint32(0):
            column = uint32(chunk + uint32(WORD) * uint32(word) + uint32(lane))
            literal = uint32(shared[base + uint32(LITERALS) + uint32(word)] & bit)
            following = uint32(starts & behind)
            if following != uint32(0):
                end = uint32(chunk + uint32(WORD) * uint32(word) + trailing_zeros_32(following))
            else:
                end = next_start(shared, base, uint32(uint32(word) + uint32(1)), chunk)
            if end != NONE or uint32(chunk + uint32(CHUNK)) >= columns:
                slots[slot + uint64(place)] = control(uint32(min(end, columns) - column), literal)
            else:
                shared[base + uint32(OPEN_START)] = column
                shared[base + uint32(OPEN_PLACE)] = place
                shared[base + uint32(OPEN_LITERAL)] = literal
            place = uint32(place + uint32(1))
        byte = uint32(uint32(4) + uint32(WORD) * uint32(word) + uint32(lane))
        value = shared[base + uint32(BYTES) + uint32(byte >> uint32(2))]
        slots[slot + uint64(place)] = uint8(
            uint32(value >> uint32(uint32(8) * uint32(byte & uint32(3)))) & uint32(0xFF)
        )


@inline_function
def row_of(unit, rows, segments):
    """Return frame, segment, row and place among all rows of a block's row; segments of a row are beside each other."""
    segment = uint32(unit % segments)
    row = uint32(uint32(unit // segments) % rows)
    frame = uint32(unit // uint32(segments * rows))
    return frame, segment, row, uint64(uint64(uint32(frame * segments + segment)) * uint64(rows) + uint64(row))


@block_kernel(
    "uint32, uint8[::1], uint64, uint64, uint64, uint64, uint32, uint32, uint32, uint32, uint32, uint64, uint8[::1], "
    "int32[::1]",
    threads=THREADS,
    shared_type="uint32",
    shared_size=ROWS * PITCH,
)
def encode_block(
    index, thread, shared, num_rows, source, frame_stride, row_stride, pixel_stride, sample_stride, rows, columns,
    segments, bytes_per_sample, first_byte, slot_bytes, slots, row_lengths,
):  # fmt: skip
    """Encode `ROWS` rows of segments, each into its slot, as `gpucodec_kernels.rle.encode_row` does."""
    first_unit = uint32(uint32(index) * uint32(ROWS))
    warp, warp_lane = uint32(uint32(thread) >> uint32(5)), uint32(uint32(thread) & uint32(31))
    mine, lane = uint32(uint32(thread) // uint32(LANES)), uint32(uint32(thread) % uint32(LANES))
    base = uint32(mine * uint32(PITCH))
    is_row = uint32(first_unit + mine) < num_rows
    my_columns = columns if is_row else uint32(0)
    _, _, _, my_place = row_of(uint32(first_unit + mine), rows, segments)
    my_slot = uint64(my_place * slot_bytes)
    if lane == uint32(0):
        shared[base + uint32(WRITTEN)] = uint32(0)
        shared[base + uint32(ENTRY)] = NONE
    for step in range((columns + uint32(CHUNK - 1)) // uint32(CHUNK)):
        chunk = uint32(uint32(step) * uint32(CHUNK))
        for turn in range(warp, uint32(ROWS), uint32(WARPS)):
            unit = uint32(first_unit + uint32(turn))
            frame, segment, row, _ = row_of(unit, rows, segments)
            sample, byte = uint32(segment // bytes_per_sample), uint32(segment % bytes_per_sample)
            if first_byte > uint32(0):
                byte = uint32(first_byte - byte)
            start = uint64(uint64(frame) * frame_stride + uint64(row) * row_stride)
            start = uint64(start + uint64(sample) * sample_stride + uint64(byte))
            of_row = columns if unit < num_rows else uint32(0)
            load_bytes(source, start, pixel_stride, of_row, chunk, shared, uint32(turn * uint32(PITCH)), warp_lane)
        synchronize()
        mark_same(shared, base, lane, chunk, my_columns)
        if lane == uint32(0):
            mark_same(shared, base, uint32(LANES), chunk, my_columns)
        synchronize()
        mark_new(shared, base, lane, chunk)
        if lane == uint32(0):
            mark_new(shared, base, uint32(LANES), chunk)
        synchronize()
        walk(shared, base, lane, chunk, my_columns)
        synchronize()
        mark_packets(shared, base, lane, chunk, my_columns)
        synchronize()
        place_words(shared, base, lane)
        if is_row and lane == uint32(0) and chunk > uint32(0):
            close_packet(shared, base, chunk, my_columns, slots, my_slot)
        synchronize()
        if is_row and lane == uint32(0):
            written = carry_over(shared, base, chunk, my_columns)
            if uint32(chunk + uint32(CHUNK)) >= columns:
                row_lengths[my_place] = int32(written)
        for turn in range(warp, uint32(ROWS), uint32(WARPS)):
            unit = uint32(first_unit + uint32(turn))
            if unit < num_rows:
                _, _, _, place = row_of(unit, rows, segments)
                slot = uint64(place * slot_bytes)
                store_columns(shared, uint32(turn * uint32(PITCH)), chunk, columns, slots, slot, warp_lane)
        synchronize()


@block_kernel("uint32, uint8[::1], int64, int64[::1], int64[::1], int64[::1], int32, int32, uint8[::1]", **PIECE_BLOCK)
def gather_block(
    index, thread, _, num_rows, slots, slot_bytes, row_offsets, segment_offsets, frame_offsets, segments, rows,
    codestreams,
):  # fmt: skip
    """Move rows from their slots to their places, as `gpucodec_kernels.rle.gather_row` does."""
    row, lane = group_of(index, thread, uint32(PIECE_LANES))
    if row >= num_rows:
        return
    start, length, is_padded = place_of_row(int32(row), row_offsets, segment_offsets, frame_offsets, segments, rows)
    begin = uint64(int64(row) * slot_bytes)
    copy_piece(slots, begin, codestreams, uint64(start), uint32(length), lane, uint32(PIECE_LANES))
    if is_padded and lane == uint32(0):
        codestreams[start + length] = uint8(0)


def encode_rows(
    where: Any,
    num_rows: int,
    source: Any,
    strides: tuple[int, ...],
    shape: tuple[int, ...],
    slots: Any,
    row_lengths: Any,
    blocks: bool | None = None,
) -> None:
    """Encode every row of every segment of some frames.

    Parameters
    ----------
    where : Executor
        What launches.
    num_rows : int
        How many rows all segments of all frames have.
    source : array
        The frames' bytes, flat.
    strides : tuple of int
        Bytes between frames, rows, pixels and samples.
    shape : tuple of int
        Rows, columns, segments, bytes of a sample, and the place of its most significant one.
    slots : array
        A slot of `gpucodec_kernels.rle.slot_size` bytes for each row, flat.
    row_lengths : array
        Receives how many bytes of each slot are the row's, int32.
    blocks : bool, optional
        Whether blocks of threads take rows; they do on GPUs.
    """
    if where.backend == "cuda" if blocks is None else blocks:
        size = rle.slot_size(shape[1])
        where.launch(encode_block, -(-num_rows // ROWS), num_rows, source, *strides, *shape, size, slots, row_lengths)
    else:
        where.launch(rle.encode_row, num_rows, source, *strides, *shape, slots, row_lengths)


def gather_rows(
    where: Any, num_rows: int, slots: Any, row_offsets: Any, places: tuple[Any, Any], shape: tuple[int, ...],
    codestreams: Any, blocks: bool | None = None,
) -> None:  # fmt: skip
    """Move every row from its slot to its place in the codestreams.

    Parameters
    ----------
    where : Executor
        What launches.
    num_rows : int
        How many rows all segments of all frames have.
    slots : array
        What `encode_rows` wrote.
    row_offsets : array
        The exclusive prefix sum of the rows' lengths, int64.
    places : tuple of array
        Where each segment begins in its codestream, and each codestream among all, int64.
    shape : tuple of int
        Segments, rows and columns of a frame.
    codestreams : array
        Receives the bytes.
    blocks : bool, optional
        Whether blocks of threads move rows; they do on GPUs.
    """
    segments, rows, columns = shape
    arguments = (slots, rle.slot_size(columns), row_offsets, *places, segments, rows, codestreams)
    if where.backend == "cuda" if blocks is None else blocks:
        where.launch(gather_block, num_blocks(num_rows), num_rows, *arguments)
    else:
        where.launch(rle.gather_row, num_rows, *arguments)
