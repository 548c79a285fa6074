"""Packet headers, ITU-T T.800 B.10: which codeblocks a packet has passes of, how many, and in how many bytes.

`write_headers`, one frame an index, writes the headers of all packets of a frame into a slot of its own, and says
where in the frame's codestream each header and each codeblock's bytes go. Codeblocks are numbered through:
``(frame * components + component) * codeblocks of a plane + codeblock``.

Arrays
    packets          int32, three a packet, in their order: layer, component, precinct
    precincts        int32, one a precinct and one more: its first band (a precinct of a subband)
    bands            int32, four a band and one band more: first codeblock, codeblocks across and down, first tree level
    tree, nodes      see `tag_tree`; nodes lie ``(frame, component, node)``
    blocks           int32, two a codeblock: passes told so far, Lblock
    zero_bitplanes   int32, one a codeblock: magnitude bit-planes above the first coded one, from `slack` above M_b
    passes, lengths  int32, one a codeblock: coded passes, and their bytes
    pass_lengths     int32, ``(codeblock, max_passes)``: bytes up to and with each pass; empty where only whole
                     codeblocks are asked for
    layer_passes     int32, ``(frame, layer, component, codeblock)``: passes up to and with a layer
    headers          bytes, one slot a frame
    header_bounds    int32, ``(frame, packets + 1)``: where in the slot each packet's header begins
    header_places    int64, ``(frame, packets)``: where it goes, from the frame's first packet on
    body_places      int64, like `layer_passes`: where the bytes that a layer has of a codeblock go
    frame_lengths    int64, one a frame: bytes of all its packets
    extra_guard_bits int32, one a frame: by how many bit-planes the largest coefficient exceeds what was planned
"""

from __future__ import annotations

from numpy import int32, int64, uint8

from gpucodec_kernels.target import device_function, kernel
from gpucodec_kernels.tier2.bit_writer import finish_bits, put_bits
from gpucodec_kernels.tier2.codeword_segments import bit_length, segment_end
from gpucodec_kernels.tier2.tag_tree import INCLUSION, NODE_NUMBERS, NOT_YET, ZERO_BITPLANES, put_leaf, set_leaf

SOP = 1
EPH = 2
HIGH_THROUGHPUT = 64  # of a codeblock style


@device_function
def length_after(count, codeblock, passes, lengths, pass_lengths, max_passes):
    """Return the bytes of a codeblock's first `count` passes."""
    if count == int32(0):
        return int32(0)
    if count == passes[codeblock]:
        return lengths[codeblock]
    return pass_lengths[codeblock * int64(max_passes) + int64(count) - int64(1)]


@device_function
def put_number_of_passes(count, out, position, byte, room):
    """Append the codeword of a number of passes, T.800 Table B.4; return the writer."""
    if count <= int32(2):
        return put_bits(out, position, byte, room, int32((count - int32(1)) * int32(2)), count)
    if count <= int32(5):
        return put_bits(out, position, byte, room, int32(int32(0xC) | (count - int32(3))), int32(4))
    if count <= int32(36):
        return put_bits(out, position, byte, room, int32(int32(0x1E0) | (count - int32(6))), int32(9))
    return put_bits(out, position, byte, room, int32(int32(0xFF80) | (count - int32(37))), int32(16))


@device_function
def put_lengths(
    told, end, lblock, codeblock, style, passes, lengths, pass_lengths, max_passes, out, position, byte, room
):
    """Append Lblock's increment and the segments' lengths, T.800 B.10.7; return the writer and Lblock."""
    increment = int32(0)
    first = told
    before = length_after(told, codeblock, passes, lengths, pass_lengths, max_passes)
    length = before
    while first < end:
        stop = segment_end(first, end, style)
        after = length_after(stop, codeblock, passes, lengths, pass_lengths, max_passes)
        room_for_length = int32(lblock + bit_length(int32(stop - first)) - int32(1))
        increment = max(increment, int32(bit_length(int32(after - length)) - room_for_length))
        length = after
        first = stop
    for _ in range(increment):
        position, byte, room = put_bits(out, position, byte, room, int32(1), int32(1))
    position, byte, room = put_bits(out, position, byte, room, int32(0), int32(1))
    lblock = int32(lblock + increment)
    first = told
    length = before
    while first < end:
        stop = segment_end(first, end, style)
        after = length_after(stop, codeblock, passes, lengths, pass_lengths, max_passes)
        room_for_length = int32(lblock + bit_length(int32(stop - first)) - int32(1))
        position, byte, room = put_bits(out, position, byte, room, int32(after - length), room_for_length)
        length = after
        first = stop
    return position, byte, room, lblock


@device_function
def put_band(
    band, layer, bands, tree, first_codeblock, first_node, nodes, blocks, layer_passes, first_chosen,
    style, passes, lengths, pass_lengths, max_passes, out, position, byte, room,
):  # fmt: skip
    """Append what a packet header says of one band; return the writer."""
    begin = int64(bands[band * int64(4)])
    wide = bands[band * int64(4) + int64(1)]
    high = bands[band * int64(4) + int64(2)]
    first_level = int64(bands[band * int64(4) + int64(3)])
    last_level = int64(bands[band * int64(4) + int64(7)])
    for row in range(high):
        for column in range(wide):
            member = begin + int64(row) * int64(wide) + int64(column)
            if blocks[(first_codeblock + member) * int64(2)] == int32(0) and layer_passes[first_chosen + member] > 0:
                set_leaf(tree, first_level, last_level, nodes, first_node, int32(column), int32(row), INCLUSION, layer)
    for row in range(high):
        for column in range(wide):
            member = begin + int64(row) * int64(wide) + int64(column)
            codeblock = first_codeblock + member
            told = blocks[codeblock * int64(2)]
            end = layer_passes[first_chosen + member]
            if told == int32(0):
                position, byte, room = put_leaf(
                    tree, first_level, last_level, nodes, first_node, int32(column), int32(row), INCLUSION,
                    int32(layer + int32(1)), out, position, byte, room,
                )  # fmt: skip
            else:
                included = int32(1) if end > told else int32(0)
                position, byte, room = put_bits(out, position, byte, room, included, int32(1))
            if end <= told:
                continue
            lblock = blocks[codeblock * int64(2) + int64(1)]
            if told == int32(0):
                lblock = int32(3)
                position, byte, room = put_leaf(
                    tree, first_level, last_level, nodes, first_node, int32(column), int32(row), ZERO_BITPLANES,
                    int32(NOT_YET), out, position, byte, room,
                )  # fmt: skip
            position, byte, room = put_number_of_passes(int32(end - told), out, position, byte, room)
            position, byte, room, lblock = put_lengths(
                told,
                end,
                lblock,
                codeblock,
                style,
                passes,
                lengths,
                pass_lengths,
                max_passes,
                out,
                position,
                byte,
                room,
            )
            blocks[codeblock * int64(2)] = end
            blocks[codeblock * int64(2) + int64(1)] = lblock
    return position, byte, room


@device_function
def is_empty(precinct, layer_passes, first_chosen, precincts, bands, blocks, first_codeblock):
    """Return whether a packet has no codeblock's bytes."""
    first = int64(bands[int64(precincts[precinct]) * int64(4)])
    end = int64(bands[int64(precincts[precinct + int64(1)]) * int64(4)])
    for member in range(first, end):
        if layer_passes[first_chosen + member] > blocks[(first_codeblock + member) * int64(2)]:
            return False
    return True


@device_function
def put_packet_header(
    precinct, layer, precincts, bands, tree, first_codeblock, first_node, nodes, blocks, layer_passes, first_chosen,
    style, passes, lengths, pass_lengths, max_passes, out, position,
):  # fmt: skip
    """Write one packet's header; return the position after it.

    Empty packets are told codeblock by codeblock, as OpenJPEG does, or of HT codeblocks in one bit, as OpenJPH does.
    """
    byte = int32(0)
    room = int32(8)
    if style & int32(HIGH_THROUGHPUT) and is_empty(
        precinct, layer_passes, first_chosen, precincts, bands, blocks, first_codeblock
    ):
        position, byte, room = put_bits(out, position, byte, room, int32(0), int32(1))
        return finish_bits(out, position, byte, room)
    position, byte, room = put_bits(out, position, byte, room, int32(1), int32(1))
    for band in range(int64(precincts[precinct]), int64(precincts[precinct + int64(1)])):
        position, byte, room = put_band(
            band, layer, bands, tree, first_codeblock, first_node, nodes, blocks, layer_passes, first_chosen,
            style, passes, lengths, pass_lengths, max_passes, out, position, byte, room,
        )  # fmt: skip
    return finish_bits(out, position, byte, room)


@device_function
def start_codeblocks(plane, codeblocks, num_nodes, bands, num_bands, tree, raised, zero_bitplanes, nodes, blocks):
    """Set the tag trees of a plane and forget what was told of its codeblocks."""
    first_node = plane * int64(num_nodes) * int64(NODE_NUMBERS)
    for number in range(int64(num_nodes)):
        place = first_node + number * int64(NODE_NUMBERS)
        nodes[place] = int32(NOT_YET)
        nodes[place + int64(1)] = int32(0)
        nodes[place + int64(2)] = int32(NOT_YET)
        nodes[place + int64(3)] = int32(0)
    first_codeblock = plane * int64(codeblocks)
    for band in range(int64(num_bands)):
        member = int64(bands[band * int64(4)])
        wide = bands[band * int64(4) + int64(1)]
        first_level = int64(bands[band * int64(4) + int64(3)])
        last_level = int64(bands[band * int64(4) + int64(7)])
        for row in range(bands[band * int64(4) + int64(2)]):
            for column in range(wide):
                zeros = int32(zero_bitplanes[first_codeblock + member] + raised)
                set_leaf(
                    tree, first_level, last_level, nodes, first_node, int32(column), int32(row), ZERO_BITPLANES, zeros
                )
                blocks[(first_codeblock + member) * int64(2)] = int32(0)
                blocks[(first_codeblock + member) * int64(2) + int64(1)] = int32(3)
                member += int64(1)


@device_function
def missing_bitplanes(first_codeblock, of_frame, zero_bitplanes, slack):
    """Return by how many bit-planes the largest coefficient of a frame exceeds what was planned, 0 for none."""
    extra = int32(0)
    for member in range(of_frame):
        extra = max(extra, int32(slack - zero_bitplanes[first_codeblock + member]))
    return extra


@kernel(
    "int32, int32, int32, int32, int32, int32, int32, int32, int32, int32, int64,"
    "int32[::1], int32[::1], int32[::1], int32[::1], int32[::1], int32[::1], int32[::1], int32[::1],"
    "int32[::1], int32[::1], int32[::1],"
    "uint8[::1], int32[::1], int64[::1], int64[::1], int64[::1], int32[::1]"
)
def write_headers(
    index, num_packets, components, layers, codeblocks, num_bands, num_nodes, max_passes, style, markers, slack,
    slot_bytes, packets, precincts, bands, tree, zero_bitplanes, passes, lengths, pass_lengths,
    layer_passes, nodes, blocks,
    headers, header_bounds, header_places, body_places, frame_lengths, extra_guard_bits,
):  # fmt: skip
    """Write the packet headers of one frame. Bits of `markers`: 1 for SOP marker segments, 2 for EPH markers.

    Moves more than the least: its tag trees and what codeblocks were told lie in device memory while a frame's
    headers are written, a few words a codeblock.
    """
    frame = int64(index)
    of_frame = int64(components) * int64(codeblocks)
    extra = missing_bitplanes(frame * of_frame, of_frame, zero_bitplanes, slack)
    raised = int32(extra - slack)
    extra_guard_bits[frame] = extra
    for component in range(int64(components)):
        plane = frame * int64(components) + component
        start_codeblocks(plane, codeblocks, num_nodes, bands, num_bands, tree, raised, zero_bitplanes, nodes, blocks)
    out = headers[frame * slot_bytes : (frame + int64(1)) * slot_bytes]
    position = int64(0)
    place = int64(0)
    bound = frame * int64(num_packets + int32(1))
    for number in range(int64(num_packets)):
        layer = packets[number * int64(3)]
        component = int64(packets[number * int64(3) + int64(1)])
        precinct = int64(packets[number * int64(3) + int64(2)])
        plane = frame * int64(components) + component
        first_chosen = (frame * int64(layers) + int64(layer)) * of_frame + component * int64(codeblocks)
        start = position
        header_bounds[bound + number] = int32(start)
        header_places[frame * int64(num_packets) + number] = place
        if markers & int32(SOP) != int32(0):
            # Start of packet, A.8.1: marker, length, number of the packet in the tile.
            out[position] = uint8(0xFF)
            out[position + int64(1)] = uint8(0x91)
            out[position + int64(2)] = uint8(0)
            out[position + int64(3)] = uint8(4)
            out[position + int64(4)] = uint8((number >> int64(8)) & int64(0xFF))
            out[position + int64(5)] = uint8(number & int64(0xFF))
            position += int64(6)
        position = put_packet_header(
            precinct, layer, precincts, bands, tree, plane * int64(codeblocks),
            plane * int64(num_nodes) * int64(NODE_NUMBERS), nodes, blocks, layer_passes, first_chosen,
            style, passes, lengths, pass_lengths, max_passes, out, position,
        )  # fmt: skip
        if markers & int32(EPH) != int32(0):
            out[position] = uint8(0xFF)
            out[position + int64(1)] = uint8(0x92)
            position += int64(2)
        place += position - start
        begin = int64(bands[int64(precincts[precinct]) * int64(4)])
        end = int64(bands[int64(precincts[precinct + int64(1)]) * int64(4)])
        for member in range(begin, end):
            codeblock = plane * int64(codeblocks) + member
            told = int32(0)
            if layer > int32(0):
                told = layer_passes[first_chosen - of_frame + member]
            body_places[first_chosen + member] = place
            after = length_after(
                layer_passes[first_chosen + member], codeblock, passes, lengths, pass_lengths, max_passes
            )
            place += int64(after - length_after(told, codeblock, passes, lengths, pass_lengths, max_passes))
    header_bounds[bound + int64(num_packets)] = int32(position)
    frame_lengths[frame] = place
