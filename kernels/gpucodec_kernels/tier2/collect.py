"""Moving together what packets hold of each codeblock, codeword segment by codeword segment.

`measure_codeblocks`, one codeblock of one frame an index, walks the codeblock's chain of chunks and tells how many
segments and bytes it has; `collect_codeblocks` copies them. Before the first segment, and after each, there are bytes
of all ones, at least `PADDING`: what MQ and raw decoders must read after a segment's end (T.800 D.4.1), and room to
load words beyond it. Segments begin at multiples of `ALIGNMENT` bytes.

Arrays
    sources          int32, one a codeblock to decode: its number among all of a frame
    styles           int32, one a codeblock to decode: code-block style
    blocks, chunks, chunk_places, source   see `read_packets`
    sizes            int64, two a codeblock of all frames: its segments, and the bytes that they take up
    coded            int32, three a codeblock of all frames: zero bit-planes (those of HT sets left out included),
                     coding passes, and whether it is an HT codeblock
    first_segment    int32, one a codeblock of all frames and one more
    data_begins      int64, one a codeblock of all frames: where its first segment goes in `data`
    data             bytes
    segment_begins   int64, one a segment: its first byte in `data`
    segments         int32, two a segment: its bytes, its coding passes

Bytes moved: those of the packets' bodies are read once and written once, with the padding, which is the least for
decoders that want a segment in one piece.
"""

from __future__ import annotations

from numpy import int32, int64, uint8

from gpucodec_kernels.target import device_function, kernel
from gpucodec_kernels.tier2.codeword_segments import is_terminated
from gpucodec_kernels.tier2.gather import copy_bytes
from gpucodec_kernels.tier2.read_packets import (
    BLOCK_NUMBERS,
    FIRST_CHUNK,
    KIND,
    PART_1,
    SKIPPED_SETS,
    UNDECIDED,
    ZERO_PLANES,
)

PADDING = 16
ALIGNMENT = 8


@device_function
def padded(length):
    """Return how many bytes a segment takes up with its padding."""
    return (length + int64(PADDING + ALIGNMENT - 1)) // int64(ALIGNMENT) * int64(ALIGNMENT)


@device_function
def starts_segment(kind, style, passes):
    """Return whether a codeword segment begins after so many passes of a codeblock."""
    if passes == int32(0):
        return True
    if kind == int32(PART_1):
        return is_terminated(style, int32(passes - int32(1)))
    return passes == int32(1)  # an HT set's cleanup segment has one pass, its refinement segment the rest


@device_function
def block_state(index, frame_blocks, num_blocks, sources, blocks):
    """Return where a codeblock's state is, its kind and its first chunk."""
    frame = int64(index // num_blocks)
    member = int64(sources[index % num_blocks])
    state = (frame * frame_blocks + member) * int64(BLOCK_NUMBERS)
    kind = blocks[state + int64(KIND)]
    chunk = int64(blocks[state + int64(FIRST_CHUNK)])
    if kind == int32(UNDECIDED):
        chunk = int64(-1)  # nothing but placeholder passes
    return state, kind, chunk


@kernel("int32, int64, int32[::1], int32[::1], int32[::1], int32[::1], int64[::1], int32[::1]")
def measure_codeblocks(index, num_blocks, frame_blocks, sources, styles, blocks, chunks, sizes, coded):
    """Count a codeblock's segments, bytes and passes."""
    state, kind, chunk = block_state(index, frame_blocks, num_blocks, sources, blocks)
    style = styles[index % num_blocks]
    count = int64(0)
    taken = int64(0)
    length = int64(0)
    passes = int32(0)
    while chunk >= int64(0):
        if starts_segment(kind, style, passes):
            taken += padded(length) if count > int64(0) else int64(0)
            count += int64(1)
            length = int64(0)
        length += int64(chunks[chunk * int64(3)])
        passes = int32(passes + chunks[chunk * int64(3) + int64(1)])
        chunk = int64(chunks[chunk * int64(3) + int64(2)])
    if count > int64(0):
        taken += padded(length)
    sizes[int64(index) * int64(2)] = count
    sizes[int64(index) * int64(2) + int64(1)] = taken
    place = int64(index) * int64(3)
    coded[place] = int32(blocks[state + int64(ZERO_PLANES)] + blocks[state + int64(SKIPPED_SETS)])
    coded[place + int64(1)] = passes
    coded[place + int64(2)] = int32(1) if kind != int32(PART_1) else int32(0)


@device_function
def end_segment(segment, begin, position, passes, data, segment_begins, segments):
    """Note a segment and pad it; return where the next one begins."""
    segment_begins[segment] = begin
    segments[segment * int64(2)] = int32(position - begin)
    segments[segment * int64(2) + int64(1)] = passes
    end = begin + padded(position - begin)
    for byte in range(position, end):
        data[byte] = uint8(0xFF)
    return end


@kernel(
    "int32, int64, int32[::1], int32[::1], int32[::1], int32[::1], int64[::1], uint8[::1],"
    "int32[::1], int64[::1], uint8[::1], int64[::1], int32[::1]"
)
def collect_codeblocks(
    index, num_blocks, frame_blocks, sources, styles, blocks, chunks, chunk_places, source,
    first_segment, data_begins, data, segment_begins, segments,
):  # fmt: skip
    """Copy a codeblock's segments to their places."""
    _, kind, chunk = block_state(index, frame_blocks, num_blocks, sources, blocks)
    style = styles[index % num_blocks]
    begin = data_begins[index]
    if index == int32(0):
        for byte in range(begin):
            data[byte] = uint8(0xFF)
    position = begin
    segment = int64(first_segment[index]) - int64(1)
    passes = int32(0)
    before = int32(0)
    while chunk >= int64(0):
        if starts_segment(kind, style, passes):
            if passes > int32(0):
                begin = end_segment(segment, begin, position, int32(passes - before), data, segment_begins, segments)
                position = begin
            segment += int64(1)
            before = passes
        length = int64(chunks[chunk * int64(3)])
        copy_bytes(source, chunk_places[chunk], data, position, length)
        position += length
        passes = int32(passes + chunks[chunk * int64(3) + int64(1)])
        chunk = int64(chunks[chunk * int64(3) + int64(2)])
    if passes > int32(0):
        end_segment(segment, begin, position, int32(passes - before), data, segment_begins, segments)
