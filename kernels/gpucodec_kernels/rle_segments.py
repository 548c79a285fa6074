"""Decoding segments of RLE for GPUs: a block of threads takes a segment, `CHUNK` bytes of it at a time; PS3.5 G.3.2.

Where a packet begins is known only when the one before it has been read. `gpucodec_kernels.rle.decode_segment` reads
one after the other. Here a thread has a piece of `PIECE` bytes and finds out, for each of them, where the first packet
behind the piece would begin if one began at that byte; one thread then follows from piece to piece, which tells each
piece where its first packet begins, and the threads list the packets of their pieces. Neighbouring threads write
neighbouring words of the plane, each of which looks up its packet in the list. What comes out is the same, byte by
byte, and what is said of damaged segments.

A chunk begins where a packet does, and has the `AHEAD` bytes behind it that its last packet may need.

Bytes moved for each byte of a plane, which is encoded in c bytes: c read (1.03 c with what is ahead, from the
second-level cache) and 1 written, the least possible.
"""

from __future__ import annotations

from typing import Any

from numpy import int32, int64, uint8, uint32, uint64

from gpucodec_kernels import rle
from gpucodec_kernels.aligned import ALIGNED_BYTES, byte_of, load_aligned, skew_of, store_aligned
from gpucodec_kernels.block_sums import add_up
from gpucodec_kernels.rle import STATUS_OK, STATUS_OVERLONG, STATUS_SHORT, STATUS_TRUNCATED
from gpucodec_kernels.target import block_kernel, device_function, inline_function, synchronize

THREADS = 128
PIECE = 32  # bytes of a thread
CHUNK = THREADS * PIECE
AHEAD = 132  # bytes, whole words: what a packet can have behind its first byte, and where the next one begins

# Shared memory. A byte has a word, whose upper bits say where the packet behind its piece would begin; pieces are an
# odd number of words apart, so that threads do not wait for each other's banks.
BYTES = 0
ENTRIES = BYTES + (CHUNK + AHEAD) // PIECE * (PIECE + 1) + PIECE + 1  # where each piece's first packet begins, or NONE
SUMS = ENTRIES + THREADS  # twice: sums over threads of the packets and the decoded bytes of their pieces
EVENTS = SUMS + 2 * THREADS  # where a thread saw the decoding end, and what kind of end, or NONE
EVENT_ROOM = EVENTS + THREADS  # decoded bytes of the chunk before that
NEXT = EVENT_ROOM + THREADS  # where the next chunk begins
PACKETS = NEXT + 1  # decoded bytes of the chunk before each packet, and where its first byte is
SIZE = PACKETS + CHUNK // 2

COUNT_BITS = 19  # of decoded bytes in a sum: CHUNK // 2 packets of 128 bytes at most
PLACE_BITS = 12  # of a place in the chunk, in the list
NONE = uint32(0xFFFFFFFF)


@inline_function
def slot(place):
    """Return where in shared memory the byte at a place of the chunk lies."""
    return uint32(uint32(BYTES) + place + uint32(place >> uint32(5)))


@inline_function
def packet_length(control):
    """Return how many bytes a packet decodes to; none where its first byte is 80H."""
    if control < uint32(128):
        return uint32(control + uint32(1))
    return uint32(uint32(257) - control) if control > uint32(128) else uint32(0)


@inline_function
def behind(place, control):
    """Return where the packet behind one begins."""
    if control < uint32(128):
        return uint32(place + control + uint32(2))
    return uint32(place + uint32(2)) if control > uint32(128) else uint32(place + uint32(1))


@device_function
def load_chunk(codestreams, begin, length, shared, thread):
    """Load a chunk and what is ahead of it from byte `begin` on; `length` bytes are left, zeros stand behind them."""
    skew = skew_of(codestreams, begin)
    first = uint64(begin - uint64(skew))  # at an aligned address, unless it lies before the array
    for word in range(thread, uint32((CHUNK + AHEAD) // ALIGNED_BYTES + 1), uint32(THREADS)):
        ahead = uint32(uint32(ALIGNED_BYTES) * uint32(word))
        is_whole = ahead >= skew and uint32(ahead + uint32(ALIGNED_BYTES)) <= uint32(length + skew)
        value = load_aligned(codestreams, uint64(first + uint64(ahead))) if is_whole else uint32(0)
        for byte in range(uint32(ALIGNED_BYTES)):
            place = uint32(ahead + uint32(byte))
            if place < skew or place >= uint32(skew + uint32(CHUNK + AHEAD)):
                continue
            place = uint32(place - skew)
            if is_whole:
                shared[slot(place)] = byte_of(value, uint32(byte))
            elif place < length:
                shared[slot(place)] = uint32(codestreams[begin + uint64(place)])
            else:
                shared[slot(place)] = uint32(0)


@device_function
def find_exits(shared, thread, length):
    """Find for each byte of a piece where the first packet behind piece or segment begins if one begins there."""
    end = uint32(uint32(PIECE) * (thread + uint32(1)))
    for back in range(uint32(1), uint32(PIECE + 1)):
        place = uint32(end - uint32(back))
        control = uint32(shared[slot(place)] & uint32(0xFF))
        exit_place = behind(place, control)
        if exit_place < min(end, length):
            exit_place = uint32(shared[slot(exit_place)] >> uint32(8))
        shared[slot(place)] = uint32(control | uint32(exit_place << uint32(8)))


@device_function
def follow_pieces(shared, length):
    """Find where the first packet of each piece begins, and the first of the next chunk."""
    place = uint32(0)
    while place < min(uint32(CHUNK), length):
        shared[uint32(ENTRIES) + uint32(place >> uint32(5))] = place
        place = uint32(shared[slot(place)] >> uint32(8))
    shared[uint32(NEXT)] = place


@device_function
def measure_piece(shared, thread, length):
    """Return how many packets begin in a piece, and behind as many bits as `COUNT_BITS` what they decode to."""
    total = uint32(0)
    place = shared[uint32(ENTRIES) + thread]
    while place < min(uint32(uint32(PIECE) * (thread + uint32(1))), length):
        control = uint32(shared[slot(place)] & uint32(0xFF))
        if control != uint32(128):
            total = uint32(total + uint32(1 << COUNT_BITS) + packet_length(control))
        place = behind(place, control)
    return total


@device_function
def list_packets(shared, thread, length, before):
    """List the packets of a piece; `before` is the sum of `measure_piece` for the pieces before."""
    count = uint32(before >> uint32(COUNT_BITS))
    decoded = uint32(before & uint32((1 << COUNT_BITS) - 1))
    place = shared[uint32(ENTRIES) + thread]
    while place < min(uint32(uint32(PIECE) * (thread + uint32(1))), length):
        control = uint32(shared[slot(place)] & uint32(0xFF))
        if control != uint32(128):
            shared[uint32(PACKETS) + count] = uint32(uint32(decoded << uint32(PLACE_BITS)) | place)
            decoded = uint32(decoded + packet_length(control))
            count = uint32(count + uint32(1))
        place = behind(place, control)


@device_function
def find_end(shared, thread, length, before, room):
    """Note where in a piece decoding ends: the plane has `room` for so many bytes of the chunk."""
    decoded = uint32(before & uint32((1 << COUNT_BITS) - 1))
    event = NONE
    place = shared[uint32(ENTRIES) + thread]
    while event == NONE and place < min(uint32(uint32(PIECE) * (thread + uint32(1))), length):
        control = uint32(shared[slot(place)] & uint32(0xFF))
        if decoded >= room:
            event = uint32(uint32(place << uint32(2)) | uint32(STATUS_OK))
        elif control != uint32(128) and behind(place, control) > length:
            event = uint32(uint32(place << uint32(2)) | uint32(STATUS_TRUNCATED))
        elif uint32(decoded + packet_length(control)) > room:
            event = uint32(uint32(place << uint32(2)) | uint32(STATUS_OVERLONG))
        else:
            decoded = uint32(decoded + packet_length(control))
            place = behind(place, control)
    shared[uint32(EVENTS) + thread] = event
    shared[uint32(EVENT_ROOM) + thread] = decoded


@device_function
def first_event(shared):
    """Return the first end that a thread has noted, or NONE, and the decoded bytes before it."""
    for other in range(uint32(THREADS)):
        event = shared[uint32(EVENTS) + uint32(other)]
        if event != NONE:
            return event, shared[uint32(EVENT_ROOM) + uint32(other)]
    return NONE, uint32(0)


@inline_function
def packet_of(shared, low, packets, decoded):
    """Return which packet, from `low` on, has a decoded byte of the chunk."""
    high = packets
    while uint32(high - low) > uint32(1):
        middle = uint32(uint32(low + high) >> uint32(1))
        if uint32(shared[uint32(PACKETS) + middle] >> uint32(PLACE_BITS)) <= decoded:
            low = middle
        else:
            high = middle
    return low


@device_function
def write_chunk(shared, thread, packets, decoded, planes, begin):
    """Write the `decoded` bytes of a chunk from byte `begin` of the planes on, a word of memory a thread."""
    skew = skew_of(planes, begin)
    packet = uint32(0)
    words = uint32(uint32(decoded + skew + uint32(3)) >> uint32(2)) if decoded > uint32(0) else uint32(0)
    for word in range(thread, words, uint32(THREADS)):
        first = uint32(uint32(ALIGNED_BYTES) * uint32(word))  # behind the aligned address before the chunk's first byte
        packet = packet_of(shared, packet, packets, uint32(max(first, skew) - skew))
        value = uint32(0)
        listed = shared[uint32(PACKETS) + packet]
        is_whole = first >= skew and uint32(first + uint32(ALIGNED_BYTES)) <= uint32(decoded + skew)
        for byte in range(uint32(ALIGNED_BYTES)):
            ahead = uint32(first + uint32(byte))
            if ahead < skew or ahead >= uint32(decoded + skew):
                continue
            ahead = uint32(ahead - skew)
            following = uint32(packet + uint32(1))
            if following < packets and uint32(shared[uint32(PACKETS) + following] >> uint32(PLACE_BITS)) <= ahead:
                packet = following
                listed = shared[uint32(PACKETS) + packet]
            place = uint32(listed & uint32((1 << PLACE_BITS) - 1))
            if uint32(shared[slot(place)] & uint32(0xFF)) < uint32(128):
                place = uint32(place + uint32(ahead - uint32(listed >> uint32(PLACE_BITS))))
            decoded_byte = uint32(shared[slot(uint32(place + uint32(1)))] & uint32(0xFF))
            if is_whole:
                value = uint32(value | uint32(decoded_byte << uint32(uint32(8) * uint32(byte))))
            else:
                planes[begin + uint64(ahead)] = uint8(decoded_byte)
        if is_whole:
            store_aligned(planes, uint64(begin + uint64(first) - uint64(skew)), value)


@device_function
def rest_is_padding(codestreams, begin, length, shared, thread):
    """Return whether the rest of a segment is what writers pad with: zero bytes, or 80H, which is no packet."""
    other = uint32(0)
    for ahead in range(uint64(thread), uint64(length), uint64(THREADS)):
        value = codestreams[begin + uint64(ahead)]
        if value != uint8(0) and value != uint8(0x80):
            other = uint32(1)
    _, total = add_up(shared, uint32(SUMS), thread, uint32(THREADS), other)
    return total == uint32(0)


@block_kernel(
    "uint8[::1], int64[::1], int64[::1], uint32, uint8[::1], int32[::1], int64[::1]",
    threads=THREADS,
    shared_type="uint32",
    shared_size=SIZE,
)
def decode_block(index, thread, shared, codestreams, starts, ends, pixels, planes, status, stopped):
    """Decode one segment into its plane, as `gpucodec_kernels.rle.decode_segment` does."""
    mine = uint32(thread)
    begin = uint64(starts[index])
    length = uint32(max(int64(0), min(ends[index], int64(len(codestreams))) - starts[index]))  # bytes left
    room = pixels
    target = uint64(uint64(index) * uint64(pixels))
    result, position = int32(STATUS_SHORT), uint32(0)
    while result == int32(STATUS_SHORT) and length > uint32(0):
        load_chunk(codestreams, begin, min(length, uint32(CHUNK + AHEAD)), shared, mine)
        shared[uint32(ENTRIES) + mine] = NONE
        synchronize()
        find_exits(shared, mine, length)
        synchronize()
        if mine == uint32(0):
            follow_pieces(shared, length)
        synchronize()
        own = measure_piece(shared, mine, length)
        before, total = add_up(shared, uint32(SUMS), mine, uint32(THREADS), own)
        before = uint32(before - own)
        list_packets(shared, mine, length, before)
        following = shared[uint32(NEXT)]
        packets, decoded = uint32(total >> uint32(COUNT_BITS)), uint32(total & uint32((1 << COUNT_BITS) - 1))
        ends_here = decoded >= room or following > length
        if ends_here:
            find_end(shared, mine, length, before, room)
        synchronize()
        event = NONE
        if ends_here:
            event, last = first_event(shared)
            if event != NONE:
                decoded = last
        write_chunk(shared, mine, packets, decoded, planes, target)
        synchronize()
        if event != NONE:
            following = uint32(event >> uint32(2))
            result = int32(event & uint32(3))
        position = uint32(position + following)
        begin, length = uint64(begin + uint64(following)), uint32(length - following)
        target, room = uint64(target + uint64(decoded)), uint32(room - decoded)
        if result == int32(STATUS_OK) and not rest_is_padding(codestreams, begin, length, shared, mine):
            result = int32(STATUS_OVERLONG)
        if result == int32(STATUS_SHORT) and length == uint32(0) and room == uint32(0):
            result = int32(STATUS_OK)
    if mine == uint32(0):
        status[index] = result
        stopped[index] = int64(position)


def decode_segments(
    where: Any,
    count: int,
    codestreams: Any,
    starts: Any,
    ends: Any,
    pixels: int,
    planes: Any,
    status: Any,
    stopped: Any,
    blocks: bool | None = None,
) -> None:
    """Decode segments into byte planes.

    Parameters
    ----------
    where : Executor
        What launches.
    count : int
        How many segments.
    codestreams : array
        Bytes that hold all of them.
    starts, ends : array
        Where in it each begins and ends, int64.
    pixels : int
        Bytes of a plane.
    planes : array
        Receives the planes, flat.
    status, stopped : array
        Receive what became of each segment, int32, and how far into it decoding came, int64.
    blocks : bool, optional
        Whether blocks of threads take segments; they do on GPUs.
    """
    kernel = rle.decode_segment
    if where.backend == "cuda" if blocks is None else blocks:
        kernel = decode_block
    where.launch(kernel, count, codestreams, starts, ends, pixels, planes, status, stopped)
