"""Reading packets, ITU-T T.800 B.9 and B.10, T.814 for HT codeblocks: where each codeblock's bytes lie.

`read_packets`, one tile of one frame an index, reads all packet headers of the tile in their order and lists what
they tell of each codeblock as a chain of chunks: bytes of one codeblock in one packet that belong to one codeword
segment. Nothing of the packets' bodies is looked at; `collect` moves them.

Arrays that frames share
    tiles           int64, `TILE_NUMBERS` a tile: its first packet and the one after its last, its first codeblock and
                    how many, its first node of a tag tree and how many, the first of its `numbers`, and flags
    packets         int32, two a packet, in their order: precinct, layer
    precincts       int32, two a precinct and two more: its first band (a precinct of a subband), codeblock style
    bands           int32, four a band and one band more: first codeblock, codeblocks across and down, first tree level
    tree            see `tag_tree`
    numbers         int32, one a codeblock: -1 where it is not to be decoded
    All but the first are the same for tiles that are cut up alike: codeblocks and nodes count from the tile's first.
Arrays of a launch
    source          bytes of all frames
    parts           int64, two a tile-part: its first byte and its end in `source`
    first_part      int32, one a (frame, tile) and one more
    header_parts, first_header_part   likewise for packet headers that stand apart (PPM, PPT); none where they do not
    first_chunk     int64, one a (frame, tile) and one more: which of the chunks are its
    nodes           int32, two a node: what is known of it
    blocks          int32, `BLOCK_NUMBERS` a codeblock: passes so far, Lblock, zero bit-planes, first and last chunk,
                    kind, and HT sets left out
    chunk_places    int64, one a chunk: its first byte in `source`
    chunks          int32, three a chunk: bytes, coding passes, next chunk of the codeblock or -1
    results         int64, four a (frame, tile): status, position in `source`, chunks needed, packets read

Kinds of a codeblock: Part 1, HT, or not known yet, which only its first cleanup segment tells (mixed streams), and an
HT codeblock whose latest HT set is empty.
"""

from __future__ import annotations

from numpy import int32, int64, uint8

from gpucodec_kernels.target import device_function, kernel
from gpucodec_kernels.tier2.bit_reader import finish_reading, get_bit, get_bits
from gpucodec_kernels.tier2.codeword_segments import bit_length, segment_end
from gpucodec_kernels.tier2.tag_tree import get_leaf

TILE_NUMBERS = 8
BLOCK_NUMBERS = 7
RESULT_NUMBERS = 4

STATUS_OK = 0
STATUS_TRUNCATED = 1  # the tile's bytes end before its packets do
STATUS_BAD_HEADER = 2  # a packet header says what cannot be
STATUS_MORE_CHUNKS = 3  # there was no room for all chunks; results tell how many there are
STATUS_BAD_HT_LENGTH = 4  # an HT codeblock's lengths contradict each other

PASSES, LBLOCK, ZERO_PLANES, FIRST_CHUNK, LAST_CHUNK, KIND, SKIPPED_SETS = range(7)

PART_1 = 0
HT = 1
UNDECIDED = 2
HT_EMPTY_SET = 3

HIGH_THROUGHPUT = 0x40
MIXED = 0x80

# More would be above any number of bit-planes, those of a region of interest included.
MAX_ZERO_PLANES = 300
MAX_PASSES = 1000
MAX_LBLOCK = 32


@device_function
def get_number_of_passes(data, end, position, byte, left):
    """Read a number of coding passes, T.800 Table B.4; return it and the reader."""
    bit, position, byte, left = get_bit(data, end, position, byte, left)
    if bit == int32(0):
        return int32(1), position, byte, left
    bit, position, byte, left = get_bit(data, end, position, byte, left)
    if bit == int32(0):
        return int32(2), position, byte, left
    more, position, byte, left = get_bits(data, end, position, byte, left, int32(2))
    if more < int64(3):
        return int32(int64(3) + more), position, byte, left
    more, position, byte, left = get_bits(data, end, position, byte, left, int32(5))
    if more < int64(31):
        return int32(int64(6) + more), position, byte, left
    more, position, byte, left = get_bits(data, end, position, byte, left, int32(7))
    return int32(int64(37) + more), position, byte, left


@device_function
def log2_of(value):
    """Return the base-two logarithm of a number of 1 or more, rounded down."""
    return int32(bit_length(value) - int32(1))


@device_function
def add_chunk(block, passes, length, place, blocks, chunk, chunk_end, chunk_places, chunks):
    """Append a chunk to a codeblock's chain; return how many chunks there are now."""
    if chunk < chunk_end:
        chunk_places[chunk] = place
        entry = chunk * int64(3)
        chunks[entry] = int32(length)
        chunks[entry + int64(1)] = passes
        chunks[entry + int64(2)] = int32(-1)
        last = blocks[block + int64(LAST_CHUNK)]
        if last < int32(0):
            blocks[block + int64(FIRST_CHUNK)] = int32(chunk)
        else:
            chunks[int64(last) * int64(3) + int64(2)] = int32(chunk)
        blocks[block + int64(LAST_CHUNK)] = int32(chunk)
    return chunk + int64(1)


@device_function
def read_part1_lengths(
    block, new, style, wanted, data, end, position, byte, left, place, blocks, chunk, chunk_end, chunk_places, chunks
):
    """Read the lengths of a codeblock's codeword segments in a packet, B.10.7; return the reader, place and chunk."""
    number = blocks[block + int64(PASSES)]
    stop = int32(number + new)
    while number < stop:
        next_number = segment_end(number, stop, style)
        passes = int32(next_number - number)
        bits = int32(blocks[block + int64(LBLOCK)] + log2_of(passes))
        length, position, byte, left = get_bits(data, end, position, byte, left, bits)
        if wanted:
            chunk = add_chunk(block, passes, length, place, blocks, chunk, chunk_end, chunk_places, chunks)
        place += length
        number = next_number
    return position, byte, left, place, chunk


@device_function
def forget_chunks(block, blocks):
    """Empty a codeblock's chain."""
    blocks[block + int64(FIRST_CHUNK)] = int32(-1)
    blocks[block + int64(LAST_CHUNK)] = int32(-1)


@device_function
def read_ht_lengths(
    block, number, stop, wanted, data, end, position, byte, left, place, blocks, chunk, chunk_end, chunk_places, chunks
):
    """Read the lengths of HT segments after the first cleanup pass: cleanup, then refinement passes, and so on.

    Only the last HT set with a cleanup segment is kept. Return a status, the reader, place and chunk.
    """
    status = int32(STATUS_OK)
    while number < stop and status == int32(STATUS_OK):
        phase = number % int32(3)
        passes = int32(2) if phase == int32(1) and number + int32(1) < stop else int32(1)
        bits = int32(blocks[block + int64(LBLOCK)] + passes - int32(1))
        length, position, byte, left = get_bits(data, end, position, byte, left, bits)
        is_empty = blocks[block + int64(KIND)] == int32(HT_EMPTY_SET)
        if phase == int32(0):
            if length == int64(0):
                blocks[block + int64(KIND)] = int32(HT_EMPTY_SET)
            else:
                blocks[block + int64(KIND)] = int32(HT)
                if wanted:
                    forget_chunks(block, blocks)
                    blocks[block + int64(SKIPPED_SETS)] = int32(number // int32(3))
        elif is_empty and length > int64(0):
            status = int32(STATUS_BAD_HT_LENGTH)
        if length == int64(1) and phase == int32(0):
            status = int32(STATUS_BAD_HT_LENGTH)
        if wanted and blocks[block + int64(KIND)] == int32(HT):
            chunk = add_chunk(block, passes, length, place, blocks, chunk, chunk_end, chunk_places, chunks)
        place += length
        number = int32(number + passes)
    return status, position, byte, left, place, chunk


@device_function
def read_first_ht_lengths(
    block, new, style, wanted, data, end, position, byte, left, place, blocks, chunk, chunk_end, chunk_places, chunks
):
    """Read the lengths of a codeblock of which nothing but placeholder passes was told before.

    All passes up to the first cleanup segment share one length, which is 0 as long as there are but placeholders. In a
    mixed stream a codeblock is a Part 1 codeblock if its length is not such as that of a cleanup segment must be.
    Return a status, the reader, place and chunk.
    """
    told = blocks[block + int64(PASSES)]
    stop = int32(told + new)
    lblock = blocks[block + int64(LBLOCK)]
    refinements = int32((stop - int32(1)) % int32(3))
    passes = int32(new - refinements)
    may_clean = passes >= int32(1)
    if not may_clean:
        passes = new
    bits = int32(lblock + log2_of(passes))
    start_position, start_byte, start_left = position, byte, left
    length, position, byte, left = get_bits(data, end, position, byte, left, bits)
    is_part1 = False
    if may_clean and length > int64(0):
        if style & int32(MIXED) == int32(0) or (
            lblock > int32(3) and length > int64(1) and length >> int64(bits - int32(1)) == int64(0)
        ):
            if length == int64(1):
                return int32(STATUS_BAD_HT_LENGTH), position, byte, left, place, chunk
            blocks[block + int64(KIND)] = int32(HT)
            if wanted:
                forget_chunks(block, blocks)
                blocks[block + int64(SKIPPED_SETS)] = int32((told + passes - int32(1)) // int32(3))
                chunk = add_chunk(block, int32(1), length, place, blocks, chunk, chunk_end, chunk_places, chunks)
            return read_ht_lengths(
                block, int32(told + passes), stop, wanted, data, end, position, byte, left, place + length, blocks,
                chunk, chunk_end, chunk_places, chunks,
            )  # fmt: skip
        is_part1 = True
    else:
        more = int32(log2_of(new) - log2_of(passes))
        rest, position, byte, left = get_bits(data, end, position, byte, left, more)
        is_part1 = (length | rest) > int64(0)
    if is_part1:
        if style & int32(MIXED) == int32(0):
            return int32(STATUS_BAD_HT_LENGTH), position, byte, left, place, chunk
        blocks[block + int64(KIND)] = int32(PART_1)
        position, byte, left, place, chunk = read_part1_lengths(
            block, new, style, wanted, data, end, start_position, start_byte, start_left, place, blocks,
            chunk, chunk_end, chunk_places, chunks,
        )  # fmt: skip
    elif wanted:
        chunk = add_chunk(block, new, int64(0), place, blocks, chunk, chunk_end, chunk_places, chunks)
    return int32(STATUS_OK), position, byte, left, place, chunk


@device_function
def read_codeblock(
    block, new, style, wanted, data, end, position, byte, left, place, blocks, chunk, chunk_end, chunk_places, chunks
):
    """Read Lblock's increment and all lengths of a codeblock in a packet; return status, reader, place and chunk."""
    lblock = blocks[block + int64(LBLOCK)]
    bit, position, byte, left = get_bit(data, end, position, byte, left)
    while bit == int32(1) and lblock <= int32(MAX_LBLOCK):
        lblock = int32(lblock + int32(1))
        bit, position, byte, left = get_bit(data, end, position, byte, left)
    blocks[block + int64(LBLOCK)] = lblock
    told = blocks[block + int64(PASSES)]
    if lblock + log2_of(new) > int32(MAX_LBLOCK) or told + new > int32(MAX_PASSES):
        return int32(STATUS_BAD_HEADER), position, byte, left, place, chunk
    status = int32(STATUS_OK)
    kind = blocks[block + int64(KIND)]
    if kind == int32(PART_1):
        position, byte, left, place, chunk = read_part1_lengths(
            block, new, style, wanted, data, end, position, byte, left, place, blocks,
            chunk, chunk_end, chunk_places, chunks,
        )  # fmt: skip
    elif kind == int32(UNDECIDED):
        status, position, byte, left, place, chunk = read_first_ht_lengths(
            block, new, style, wanted, data, end, position, byte, left, place, blocks,
            chunk, chunk_end, chunk_places, chunks,
        )  # fmt: skip
    else:
        status, position, byte, left, place, chunk = read_ht_lengths(
            block, told, int32(told + new), wanted, data, end, position, byte, left, place, blocks,
            chunk, chunk_end, chunk_places, chunks,
        )  # fmt: skip
    blocks[block + int64(PASSES)] = int32(told + new)
    return status, position, byte, left, place, chunk


@device_function
def read_band(
    band, layer, kept, style, bands, tree, numbers, first_node, first_block, nodes, blocks,
    data, end, position, byte, left, place, chunk, chunk_end, chunk_places, chunks,
):  # fmt: skip
    """Read what a packet header says of one band; return status, reader, place and chunk."""
    member = int64(bands[band * int64(4)])
    wide = bands[band * int64(4) + int64(1)]
    first_level = int64(bands[band * int64(4) + int64(3)])
    last_level = int64(bands[band * int64(4) + int64(7)])
    for row in range(bands[band * int64(4) + int64(2)]):
        for column in range(wide):
            block = first_block + member * int64(BLOCK_NUMBERS)
            if blocks[block + int64(PASSES)] > int32(0):
                included, position, byte, left = get_bit(data, end, position, byte, left)
            else:
                included, position, byte, left = get_leaf(
                    tree, first_level, last_level, nodes, first_node, int32(column), int32(row), int32(0),
                    int32(layer + int32(1)), data, end, position, byte, left,
                )  # fmt: skip
                included = included & int32(1)
                if included != int32(0):
                    zeros, position, byte, left = get_leaf(
                        tree, first_level, last_level, nodes, first_node, int32(column), int32(row), int32(1),
                        int32(MAX_ZERO_PLANES), data, end, position, byte, left,
                    )  # fmt: skip
                    if zeros & int32(1) == int32(0):
                        return int32(STATUS_BAD_HEADER), position, byte, left, place, chunk
                    blocks[block + int64(ZERO_PLANES)] = int32(zeros >> int32(1))
                    blocks[block + int64(KIND)] = (
                        int32(UNDECIDED) if style & int32(HIGH_THROUGHPUT) != int32(0) else int32(PART_1)
                    )
            if included != int32(0):
                wanted = kept and numbers[member] >= int32(0)
                new, position, byte, left = get_number_of_passes(data, end, position, byte, left)
                status, position, byte, left, place, chunk = read_codeblock(
                    block, new, style, wanted, data, end, position, byte, left, place, blocks,
                    chunk, chunk_end, chunk_places, chunks,
                )  # fmt: skip
                if status != int32(STATUS_OK):
                    return status, position, byte, left, place, chunk
            if position > end:
                return int32(STATUS_TRUNCATED), position, byte, left, place, chunk
            member += int64(1)
    return int32(STATUS_OK), position, byte, left, place, chunk


@device_function
def read_packet_header(
    precinct, layer, kept, precincts, bands, tree, numbers, first_node, first_block, nodes, blocks,
    data, end, position, chunk, chunk_end, chunk_places, chunks,
):  # fmt: skip
    """Read one packet's header; return status, the position after it, the body's length and chunk.

    The places of chunks count from the body's first byte.
    """
    status = int32(STATUS_OK)
    byte = int32(0)
    left = int32(0)
    place = int64(0)
    bit, position, byte, left = get_bit(data, end, position, byte, left)
    if bit != int32(0):
        style = precincts[precinct * int64(2) + int64(1)]
        band = int64(precincts[precinct * int64(2)])
        last = int64(precincts[precinct * int64(2) + int64(2)])
        while band < last and status == int32(STATUS_OK):
            status, position, byte, left, place, chunk = read_band(
                band, layer, kept, style, bands, tree, numbers, first_node, first_block, nodes, blocks,
                data, end, position, byte, left, place, chunk, chunk_end, chunk_places, chunks,
            )  # fmt: skip
            band += int64(1)
    position = finish_reading(position, byte)
    if position > end:
        status = int32(STATUS_TRUNCATED)  # whatever the zeros after the end may have seemed to say
    return status, position, place, chunk


@device_function
def has_marker(data, position, end, code):
    """Return whether a marker 0xFF `code` stands at a position. In a header's or a body's place none of ours can."""
    return position + int64(2) <= end and data[position] == uint8(0xFF) and data[position + int64(1)] == uint8(code)


@device_function
def start_tile(tiles, tile, frame_node, frame_block, nodes, blocks):
    """Forget what was known of a tile's nodes and codeblocks."""
    first = frame_node + tiles[tile + int64(4)]
    for node in range(first * int64(2), (first + tiles[tile + int64(5)]) * int64(2)):
        nodes[node] = int32(0)
    block = (frame_block + tiles[tile + int64(2)]) * int64(BLOCK_NUMBERS)
    for _ in range(tiles[tile + int64(3)]):
        blocks[block + int64(PASSES)] = int32(0)
        blocks[block + int64(LBLOCK)] = int32(3)
        blocks[block + int64(ZERO_PLANES)] = int32(0)
        blocks[block + int64(FIRST_CHUNK)] = int32(-1)
        blocks[block + int64(LAST_CHUNK)] = int32(-1)
        blocks[block + int64(KIND)] = int32(PART_1)
        blocks[block + int64(SKIPPED_SETS)] = int32(0)
        block += int64(BLOCK_NUMBERS)


@device_function
def next_part(parts, part, last_part, position, end):
    """Go on to the next tile-part that is not empty where one is used up; return part, position and end."""
    while position >= end and part + int64(1) < last_part:
        part += int64(1)
        position = parts[part * int64(2)]
        end = parts[part * int64(2) + int64(1)]
    return part, position, end


@kernel(
    "int32, int32, int64, int64, int64[::1], int32[::1], int32[::1], int32[::1], int32[::1], int32[::1],"
    "uint8[::1], int64[::1], int32[::1], int64[::1], int32[::1], int64[::1],"
    "int32[::1], int32[::1], int64[::1], int32[::1], int64[::1]"
)
def read_packets(
    index, num_tiles, layers, frame_blocks, frame_nodes, tiles, packets, precincts, bands, tree, all_numbers,
    source, parts, first_part, header_parts, first_header_part, first_chunk,
    nodes, blocks, chunk_places, chunks, results,
):  # fmt: skip
    """Read the packets of one tile of one frame; chunks are listed of the first `layers` layers alone.

    Moves more than the least: its tag trees and what is known of codeblocks lie in device memory while a frame's
    headers are read, a few words a codeblock.
    """
    frame = int64(index // num_tiles)
    tile = int64(index % num_tiles) * int64(TILE_NUMBERS)
    start_tile(tiles, tile, frame * frame_nodes, frame * frame_blocks, nodes, blocks)
    first_block = (frame * frame_blocks + tiles[tile + int64(2)]) * int64(BLOCK_NUMBERS)
    first_node = (frame * frame_nodes + tiles[tile + int64(4)]) * int64(2)
    numbers = all_numbers[tiles[tile + int64(6)] : tiles[tile + int64(6)] + tiles[tile + int64(3)]]
    last_part = int64(first_part[index + 1])
    part, position, end = next_part(parts, int64(first_part[index]) - int64(1), last_part, int64(0), int64(0))
    last_header_part = int64(first_header_part[index + 1])
    header_part = int64(first_header_part[index]) - int64(1)
    is_apart = header_part + int64(1) < last_header_part
    header_part, header, header_end = next_part(header_parts, header_part, last_header_part, int64(0), int64(0))
    chunk = first_chunk[index]
    chunk_end = first_chunk[index + 1]
    status = int32(STATUS_OK)
    packet = tiles[tile]
    while packet < tiles[tile + int64(1)] and status == int32(STATUS_OK):
        part, position, end = next_part(parts, part, last_part, position, end)
        if has_marker(source, position, end, 0x91):
            position += int64(6)  # SOP, A.8.1
        if is_apart:
            header_part, header, header_end = next_part(header_parts, header_part, last_header_part, header, header_end)
        else:
            header, header_end = position, end
        if header >= header_end:
            status = int32(STATUS_TRUNCATED)
            break
        precinct = int64(packets[packet * int64(2)])
        layer = packets[packet * int64(2) + int64(1)]
        before = chunk
        status, header, length, chunk = read_packet_header(
            precinct, layer, int64(layer) < layers, precincts, bands, tree, numbers, first_node, first_block,
            nodes, blocks, source, header_end, header, chunk, chunk_end, chunk_places, chunks,
        )  # fmt: skip
        if status == int32(STATUS_OK) and has_marker(source, header, header_end, 0x92):
            header += int64(2)  # EPH, A.8.2
        if not is_apart:
            position = header
        if status == int32(STATUS_OK):
            if length > end - position:
                status = int32(STATUS_TRUNCATED)
            else:
                for told in range(before, min(chunk, chunk_end)):
                    chunk_places[told] += position
                position += length
                packet += int64(1)
    if status == int32(STATUS_OK) and chunk > chunk_end:
        status = int32(STATUS_MORE_CHUNKS)
    result = int64(index) * int64(RESULT_NUMBERS)
    results[result] = int64(status)
    results[result + int64(1)] = min(position, end)
    results[result + int64(2)] = chunk - first_chunk[index]
    results[result + int64(3)] = packet - tiles[tile]
