"""Every byte to its place: codeblocks out of their slots, then packet headers and bodies into codestreams."""

from __future__ import annotations

from numpy import int32, int64

from gpucodec_kernels.target import device_function, kernel
from gpucodec_kernels.tier2.packet_headers import length_after


@device_function
def copy_bytes(source, begin, target, place, length):
    """Copy bytes from one array to another."""
    piece = source[begin : begin + length]
    room = target[place : place + length]
    for byte in range(length):
        room[byte] = piece[byte]


@kernel("uint8[::1], int64, int64[::1], uint8[::1]")
def compact_codeblock(index, slots, slot_bytes, offsets, coded):
    """Move one codeblock's bytes from its slot to its place among those of all."""
    begin = offsets[index]
    copy_bytes(slots, int64(index) * slot_bytes, coded, begin, offsets[int64(index) + int64(1)] - begin)


@kernel("int32, uint8[::1], int64, int32[::1], int64[::1], int64[::1], uint8[::1]")
def gather_header(index, num_packets, headers, slot_bytes, header_bounds, header_places, frame_places, codestreams):
    """Move one packet's header to its place. `frame_places`: where each frame's first packet goes."""
    frame = int64(index // num_packets)
    bound = int64(index) + frame
    begin = int64(header_bounds[bound])
    length = int64(header_bounds[bound + int64(1)]) - begin
    place = frame_places[frame] + header_places[index]
    copy_bytes(headers, frame * slot_bytes + begin, codestreams, place, length)


@kernel(
    "int32, int32, int32, int32, int32, uint8[::1], int64[::1], int32[::1], int32[::1], int32[::1], int32[::1],"
    "int64[::1], int64[::1], uint8[::1]"
)
def gather_body(
    index, first, held, layers, of_frame, max_passes, coded, offsets, passes, lengths, pass_lengths, layer_passes,
    body_places, frame_places, codestreams,
):  # fmt: skip
    """Move what one layer has of one codeblock to its place.

    ``coded`` holds `held` codeblocks from `first` on, each from its offset; a frame has `of_frame` codeblocks.
    """
    member = index % held
    layer = int64(index // held)
    codeblock = int64(first) + int64(member)
    frame = codeblock // int64(of_frame)
    chosen = (frame * int64(layers) + layer) * int64(of_frame) + codeblock % int64(of_frame)
    told = int32(0)
    if layer > int64(0):
        told = layer_passes[chosen - int64(of_frame)]
    begin = length_after(told, codeblock, passes, lengths, pass_lengths, max_passes)
    end = length_after(layer_passes[chosen], codeblock, passes, lengths, pass_lengths, max_passes)
    place = frame_places[frame] + body_places[chosen]
    copy_bytes(coded, offsets[member] + int64(begin), codestreams, place, int64(end - begin))
