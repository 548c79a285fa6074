"""Every byte to its place: packet headers and bodies into codestreams.

Bytes moved for each byte of a codestream: 1 read and 1 written, the least possible. On GPUs a group of threads moves a
piece (`gpucodec_kernels.copying`).
"""

from __future__ import annotations

from typing import Any

from numpy import int32, int64, uint32, uint64

from gpucodec_kernels.copying import BLOCK, LANES, copy_piece, group_of, num_blocks
from gpucodec_kernels.target import block_kernel, device_function, kernel
from gpucodec_kernels.tier2.packet_headers import length_after

HEADER_LANES = 8  # threads of a header: most are of few bytes


@device_function
def copy_bytes(source, begin, target, place, length):
    """Copy bytes from one array to another."""
    piece = source[begin : begin + length]
    room = target[place : place + length]
    for byte in range(length):
        room[byte] = piece[byte]


@device_function
def header_piece(index, num_packets, slot_bytes, header_bounds, header_places, frame_places):
    """Return where a packet's header is, where it goes, and its length; `frame_places`: of frames' first packets."""
    frame = int64(index // num_packets)
    bound = int64(index) + frame
    begin = int64(header_bounds[bound])
    length = int64(header_bounds[bound + int64(1)]) - begin
    return frame * slot_bytes + begin, frame_places[frame] + header_places[index], length


@device_function
def body_piece(
    index, first, held, layers, of_frame, max_passes, offsets, passes, lengths, pass_lengths, layer_passes,
    body_places, frame_places,
):  # fmt: skip
    """Return where what one layer has of one codeblock is, where it goes, and its length.

    There are `held` codeblocks from `first` on, each from its offset; a frame has `of_frame` codeblocks.
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
    return offsets[member] + int64(begin), frame_places[frame] + body_places[chosen], int64(end - begin)


@kernel("int32, uint8[::1], int64, int32[::1], int64[::1], int64[::1], uint8[::1]", gpu=False)
def gather_header(index, num_packets, headers, slot_bytes, header_bounds, header_places, frame_places, codestreams):
    """Move one packet's header to its place."""
    begin, place, length = header_piece(index, num_packets, slot_bytes, header_bounds, header_places, frame_places)
    copy_bytes(headers, begin, codestreams, place, length)


@kernel(
    "int32, int32, int32, int32, int32, uint8[::1], int64[::1], int32[::1], int32[::1], int32[::1], int32[::1],"
    "int64[::1], int64[::1], uint8[::1]",
    gpu=False,
)
def gather_body(
    index, first, held, layers, of_frame, max_passes, coded, offsets, passes, lengths, pass_lengths, layer_passes,
    body_places, frame_places, codestreams,
):  # fmt: skip
    """Move what one layer has of one codeblock to its place."""
    begin, place, length = body_piece(
        index, first, held, layers, of_frame, max_passes, offsets, passes, lengths, pass_lengths, layer_passes,
        body_places, frame_places,
    )  # fmt: skip
    copy_bytes(coded, begin, codestreams, place, length)


@block_kernel("int32, int32, uint8[::1], int64, int32[::1], int64[::1], int64[::1], uint8[::1]", **BLOCK)
def gather_headers(
    index, thread, _, count, num_packets, headers, slot_bytes, header_bounds, header_places, frame_places,
    codestreams,
):  # fmt: skip
    """Move some packets' headers to their places.

    Moves more than the least: a packet header is a few bytes, and a sector is moved for them.
    """
    packet, lane = group_of(index, thread, uint32(HEADER_LANES))
    if packet >= uint32(count):
        return
    begin, place, length = header_piece(
        int32(packet), num_packets, slot_bytes, header_bounds, header_places, frame_places
    )
    copy_piece(headers, uint64(begin), codestreams, uint64(place), uint32(length), lane, uint32(HEADER_LANES))


@block_kernel(
    "int32, int32, int32, int32, int32, int32, uint8[::1], int64[::1], int32[::1], int32[::1], int32[::1], int32[::1],"
    "int64[::1], int64[::1], uint8[::1]", **BLOCK
)  # fmt: skip
def gather_bodies(
    index, thread, _, count, first, held, layers, of_frame, max_passes, coded, offsets, passes, lengths,
    pass_lengths, layer_passes, body_places, frame_places, codestreams,
):  # fmt: skip
    """Move what layers have of some codeblocks to their places."""
    piece, lane = group_of(index, thread, uint32(LANES))
    if piece >= uint32(count):
        return
    begin, place, length = body_piece(
        int32(piece), first, held, layers, of_frame, max_passes, offsets, passes, lengths, pass_lengths, layer_passes,
        body_places, frame_places,
    )  # fmt: skip
    copy_piece(coded, uint64(begin), codestreams, uint64(place), uint32(length), lane, uint32(LANES))


def launch_headers(where: Any, count: int, *arguments: Any, blocks: bool | None = None) -> None:
    """Move `count` packets' headers, by blocks of threads on GPUs; arguments are those of `gather_header`."""
    if where.backend == "cuda" if blocks is None else blocks:
        where.launch(gather_headers, num_blocks(count, HEADER_LANES), count, *arguments)
    else:
        where.launch(gather_header, count, *arguments)


def launch_bodies(where: Any, count: int, *arguments: Any, blocks: bool | None = None) -> None:
    """Move `count` pieces of codeblocks, by blocks of threads on GPUs; arguments are those of `gather_body`."""
    if where.backend == "cuda" if blocks is None else blocks:
        where.launch(gather_bodies, num_blocks(count), count, *arguments)
    else:
        where.launch(gather_body, count, *arguments)
