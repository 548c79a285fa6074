"""RLE Lossless: byte planes and PackBits, PS3.5 Annex G.

Encoding
    A frame's samples are split into byte planes, most significant byte first, sample by sample; each plane is one
    RLE segment (G.2), and each of its rows is encoded by itself (G.3.1). `encode_row`, one row of one segment of
    one frame an index, gathers the row's bytes and encodes them into a slot of its own. A prefix sum over the rows'
    lengths gives every row its place; `place_segments`, one frame an index, writes the RLE headers; `gather_row`
    moves every row to its place.
Decoding
    `decode_segment`, one segment of one frame an index, decodes into a byte plane; runs may cross rows, as other
    writers let them. `interleave_planes`, some pixels of one frame an index, makes samples of the planes. Where
    there are many small frames, `decode_lane` does both, and an index is a share of the frames.

GPUs take blocks of threads for all but headers: `gpucodec_kernels.rle_rows`, `gpucodec_kernels.rle_segments` and
`gpucodec_kernels.rle_samples`, which write the same bytes.

Arrays
    source           bytes of all frames, in the caller's layout, described by strides
    slots            ``(frames, segments, rows, slot_size)`` flat
    row_lengths      ``(frames, segments, rows)`` flat int32, encoded bytes of each row
    row_offsets      their exclusive prefix sum, int64, one longer
    segment_offsets  ``(frames, segments + 1)`` flat int64, from the frame's first byte; the last is the frame's length
    codestreams      bytes of all frames' codestreams, one after the other
    planes           ``(frames, segments, pixels)`` flat bytes
    samples          bytes of all frames, colour-by-pixel, little-endian or big-endian as the host is

A slot holds the row's raw bytes at its end and its encoded bytes at its start. Encoded bytes cannot overtake raw
ones: only a literal run is longer than what it stands for, by one byte, and each that is shorter than `LONGEST_RUN`
is followed by a replicate run that wins it back or by the row's end. One word of slack lets whole words be copied.

Bytes moved for each byte of a frame, which encodes to c bytes, beside the least possible: encoding 2 + 4c (read,
slot write and read of raw bytes, slot write, gather) beside 1 + c; decoding 3 + c (plane write and read) beside 1 + c.
"""

from __future__ import annotations

from numpy import int32, int64, uint8, uint32, uint64

from gpucodec_kernels.target import device_function, kernel
from gpucodec_kernels.words import WORD_BYTES, first_set_byte, load_word, repeat_byte, store_word, zero_bytes

LONGEST_RUN = 128  # bytes of a literal or a replicate run, G.3
SHORT_RUN = 4 * WORD_BYTES  # bytes; up to it, decoding always moves as many words
HEADER_BYTES = 64  # sixteen 32-bit unsigned integers, little-endian, G.5
MAX_SEGMENTS = 15

# What a decoded segment's `status` says.
STATUS_OK = 0
STATUS_TRUNCATED = 1  # the segment ends inside a run
STATUS_SHORT = 2  # the segment ends before the plane is full
STATUS_OVERLONG = 3  # the segment holds more than the plane


def slot_size(columns: int) -> int:
    """Return the bytes of a row's slot: a literal run's control byte for each 128 bytes, the bytes, two words."""
    return columns + -(-columns // LONGEST_RUN) + 2 * WORD_BYTES


@device_function
def gather_plane_row(source, pixel_stride, columns, plane_row):
    """Copy every `pixel_stride`-th byte; the usual strides are constants so that the loops vectorise."""
    if pixel_stride == int32(1):
        for column in range(uint64(columns)):
            plane_row[column] = source[column]
    elif pixel_stride == int32(2):
        for column in range(uint64(columns)):
            plane_row[column] = source[column * uint64(2)]
    elif pixel_stride == int32(3):
        for column in range(uint64(columns)):
            plane_row[column] = source[column * uint64(3)]
    else:
        for column in range(uint64(columns)):
            plane_row[column] = source[column * uint64(pixel_stride)]


@device_function
def run_end(row, position, end):
    """Return where the run of equal bytes that begins at `position` ends, at most `LONGEST_RUN` further."""
    stop = min(end, uint32(position + uint32(LONGEST_RUN)))
    same = repeat_byte(row[position])
    reached = uint32(position + uint32(1))
    while reached < stop:
        different = load_word(row, reached) ^ same
        if different != uint64(0):
            return min(stop, uint32(reached + first_set_byte(different)))
        reached = uint32(reached + uint32(WORD_BYTES))
    return stop


@device_function
def literal_end(row, position, end):
    """Return where the literal run that begins at `position` ends.

    That is before three equal bytes, at `LONGEST_RUN` bytes, or one byte earlier where that limit would cut a
    pair in two. A pair inside a literal run stays in it: a replicate run there would cost one byte more.
    """
    stop = min(end, uint32(position + uint32(LONGEST_RUN)))
    last_triple = min(stop, uint32(end - uint32(2)))
    reached = uint32(position + uint32(1))
    while reached < last_triple:
        word = load_word(row, reached)
        pairs = word ^ load_word(row, uint32(reached + uint32(1)))
        triples = zero_bytes(pairs | (word ^ load_word(row, uint32(reached + uint32(2)))))
        if triples != uint64(0):
            reached = uint32(reached + first_set_byte(triples))
            if reached < last_triple:
                return reached
            break
        reached = uint32(reached + uint32(WORD_BYTES))
    if stop < end and row[stop - uint32(1)] == row[stop]:
        return uint32(stop - uint32(1))
    return stop


@device_function
def short_literal_end(word):
    """Return a word whose lowest set bit lies in the byte, 0 to 5, before which a literal run from byte 0 on ends.

    That is byte 0 where a run of two or more begins there, else the first byte of three equal ones; 0 for neither.
    """
    pairs = word ^ (word >> uint64(8))
    triples = pairs | ((word ^ (word >> uint64(16))) & uint64(0xFFFFFFFFFFFFFF00))
    return zero_bytes(triples | uint64(0xFFFF000000000000))


@device_function
def encode_packbits(slot, position, end):
    """Encode the bytes from `position` to `end` of a slot into its start (G.3.1); return the encoded length.

    Noisy planes are literal runs of a few bytes between replicate runs of a few bytes: each such two are coded
    together, with one branch that is mostly taken instead of one for each that is not.
    """
    out = uint32(0)
    while position < end:
        if uint32(end - position) >= uint32(2 * WORD_BYTES):
            word = load_word(slot, position)
            ends = short_literal_end(word)
            if ends != uint64(0):
                literal = first_set_byte(ends)
                value = uint8((word >> uint64(literal << uint32(3))) & uint64(0xFF))
                run_start = uint32(position + literal)
                different = load_word(slot, run_start) ^ repeat_byte(value)
                if different != uint64(0):
                    length = first_set_byte(different)
                    slot[out] = uint8(
                        (literal + uint32(255)) & uint32(255)
                    )  # one less; overwritten where there is none
                    store_word(slot, uint32(out + uint32(1)), word)
                    out = uint32(out + literal + min(literal, uint32(1)))
                    slot[out] = uint8(uint32(257) - length)
                    slot[out + uint32(1)] = value
                    out = uint32(out + uint32(2))
                    position = uint32(run_start + length)
                    continue
        stop = run_end(slot, position, end)
        length = uint32(stop - position)
        if length >= uint32(2):
            value = slot[position]
            slot[out] = uint8(uint32(257) - length)
            slot[out + uint32(1)] = value
            out = uint32(out + uint32(2))
        else:
            stop = literal_end(slot, position, end)
            length = uint32(stop - position)
            slot[out] = uint8(length - uint32(1))
            out = uint32(out + uint32(1))
            copied = uint32(0)
            while copied < length:
                store_word(slot, uint32(out + copied), load_word(slot, uint32(position + copied)))
                copied = uint32(copied + uint32(WORD_BYTES))
            out = uint32(out + length)
        position = stop
    return int32(out)


@kernel("uint8[::1], int64, int64, int32, int32, int32, int32, int32, int32, int32, uint8[::1], int32[::1]", gpu=False)
def encode_row(
    index,
    source,
    frame_stride,
    row_stride,
    pixel_stride,
    sample_stride,
    rows,
    columns,
    segments,
    bytes_per_sample,
    first_byte,
    slots,
    row_lengths,
):
    """Encode one row of one segment into its slot.

    ``first_byte`` is the place of the most significant byte in a sample: 0 on a big-endian host, else the last.
    """
    row = index % rows
    segment = (index // rows) % segments
    frame = index // (rows * segments)
    sample = segment // bytes_per_sample
    byte = segment % bytes_per_sample
    if first_byte > int32(0):
        byte = first_byte - byte
    start = (
        uint64(frame) * uint64(frame_stride)
        + uint64(row) * uint64(row_stride)
        + uint64(sample) * uint64(sample_stride)
        + uint64(byte)
    )
    size = columns + (columns + int32(LONGEST_RUN - 1)) // int32(LONGEST_RUN) + int32(2 * WORD_BYTES)
    first = int64(index) * int64(size)
    slot = slots[first : first + int64(size)]
    end = uint32(size - int32(WORD_BYTES))
    position = uint32(end - uint32(columns))
    gather_plane_row(source[int64(start) :], pixel_stride, columns, slot[int64(position) :])
    store_word(slot, end, uint64(0))
    row_lengths[index] = encode_packbits(slot, position, end)


@kernel("int64[::1], int32, int32, int64[::1]")
def place_segments(index, row_offsets, segments, rows, segment_offsets):
    """Lay out one frame: header, then its segments, each of an even number of bytes (G.4).

    Moves more than the least: of each segment's row offsets, 8 bytes apart, the first alone is read, and a sector
    with it: 32 bytes a segment of a frame.
    """
    first_row = int64(index) * int64(segments) * int64(rows)
    first = int64(index) * int64(segments + int32(1))
    offset = int64(HEADER_BYTES)
    for segment in range(int64(segments)):
        segment_offsets[first + segment] = offset
        begin = first_row + segment * int64(rows)
        length = row_offsets[begin + int64(rows)] - row_offsets[begin]
        offset += length + (length & int64(1))
    segment_offsets[first + int64(segments)] = offset


@kernel("int64[::1], int64[::1], int32, uint8[::1]")
def write_header(index, segment_offsets, frame_offsets, segments, codestreams):
    """Write one frame's RLE header: the number of segments and their offsets, the unused ones zero (G.5)."""
    at = frame_offsets[index]
    first = int64(index) * int64(segments + int32(1))
    for entry in range(int64(HEADER_BYTES // 4)):
        value = uint32(0)
        if entry == int64(0):
            value = uint32(segments)
        elif entry <= int64(segments):
            value = uint32(segment_offsets[first + entry - int64(1)])
        for byte in range(int64(4)):
            codestreams[at + entry * int64(4) + byte] = uint8(value & uint32(0xFF))
            value = value >> uint32(8)


@device_function
def place_of_row(index, row_offsets, segment_offsets, frame_offsets, segments, rows):
    """Return where an encoded row goes, how many bytes it has, and whether a zero byte behind it pads its segment."""
    row = index % rows
    segment = (index // rows) % segments
    frame = index // (rows * segments)
    in_segment = row_offsets[index] - row_offsets[int64(index) - int64(row)]
    length = row_offsets[int64(index) + int64(1)] - row_offsets[index]
    segment_start = segment_offsets[int64(frame) * int64(segments + int32(1)) + int64(segment)]
    is_padded = row == rows - int32(1) and (in_segment + length) & int64(1) != int64(0)
    return frame_offsets[frame] + segment_start + in_segment, length, is_padded


@kernel("uint8[::1], int64, int64[::1], int64[::1], int64[::1], int32, int32, uint8[::1]", gpu=False)
def gather_row(index, slots, slot_bytes, row_offsets, segment_offsets, frame_offsets, segments, rows, codestreams):
    """Move one row from its slot to its place; the last row of an odd segment adds the zero byte that pads it."""
    start, length, is_padded = place_of_row(index, row_offsets, segment_offsets, frame_offsets, segments, rows)
    source = slots[int64(index) * slot_bytes : int64(index) * slot_bytes + length]
    target = codestreams[start : start + length]
    for byte in range(uint64(length)):
        target[byte] = source[byte]
    if is_padded:
        codestreams[start + length] = uint8(0)


@device_function
def copy_run(segment, position, segment_end, plane, out, pixels, length):
    """Copy a literal run; by words where both sides have room for whole ones."""
    room = uint32(length + uint32(WORD_BYTES))
    if uint32(segment_end - position) >= room and uint32(pixels - out) >= room:
        copied = uint32(0)
        while copied < length:
            store_word(plane, uint32(out + copied), load_word(segment, uint32(position + copied)))
            copied = uint32(copied + uint32(WORD_BYTES))
    else:
        for byte in range(uint64(length)):
            plane[uint64(out) + byte] = segment[uint64(position) + byte]


@device_function
def fill_run(value, plane, out, pixels, length):
    """Write a replicate run; by words where the plane has room for whole ones."""
    if uint32(pixels - out) >= uint32(length + uint32(WORD_BYTES)):
        word = repeat_byte(value)
        filled = uint32(0)
        while filled < length:
            store_word(plane, uint32(out + filled), word)
            filled = uint32(filled + uint32(WORD_BYTES))
    else:
        for byte in range(uint64(length)):
            plane[uint64(out) + byte] = value


@device_function
def is_padding(segment, position, segment_end):
    """Return whether the rest of a segment is what other writers pad with: zero bytes, or 80H, which is no run."""
    while position < segment_end:
        if segment[position] != uint8(0) and segment[position] != uint8(0x80):
            return False
        position = uint32(position + uint32(1))
    return True


@device_function
def decode_packbits(segment, segment_end, plane, pixels):
    """Decode a segment into its plane (G.3.2); return the status and the position in the segment where it stopped."""
    position = uint32(0)
    out = uint32(0)
    while out < pixels:
        start = position
        if position >= segment_end:
            return STATUS_SHORT, position
        control = uint32(segment[position])
        # A run of up to four words is decoded without asking which kind it is, where both sides have room: noisy
        # planes alternate between the two in no order that a processor could predict.
        literal = uint32(control < uint32(128))
        length = uint32(literal * uint32(control + uint32(1)) + (uint32(1) - literal) * uint32(uint32(257) - control))
        if (
            length <= uint32(SHORT_RUN)
            and uint32(segment_end - position) > uint32(SHORT_RUN)
            and uint32(pixels - out) >= uint32(SHORT_RUN)
        ):
            kept = uint64(literal) * uint64(0xFFFFFFFFFFFFFFFF)
            repeated = repeat_byte(segment[position + uint32(1)]) & ~kept
            for word in range(SHORT_RUN // WORD_BYTES):
                ahead = uint32(word * WORD_BYTES)
                value = load_word(segment, uint32(position + uint32(1) + ahead))
                store_word(plane, uint32(out + ahead), (value & kept) | repeated)
            position = uint32(position + uint32(2) + literal * uint32(length - uint32(1)))
            out = uint32(out + length)
            continue
        position = uint32(position + uint32(1))
        if control < uint32(128):
            length = uint32(control + uint32(1))
            if length > uint32(segment_end - position):
                return STATUS_TRUNCATED, start
            if length > uint32(pixels - out):
                return STATUS_OVERLONG, start
            copy_run(segment, position, segment_end, plane, out, pixels, length)
            position = uint32(position + length)
            out = uint32(out + length)
        elif control > uint32(128):
            length = uint32(uint32(257) - control)
            if position >= segment_end:
                return STATUS_TRUNCATED, start
            if length > uint32(pixels - out):
                return STATUS_OVERLONG, start
            fill_run(segment[position], plane, out, pixels, length)
            position = uint32(position + uint32(1))
            out = uint32(out + length)
    if not is_padding(segment, position, segment_end):
        return STATUS_OVERLONG, position
    return STATUS_OK, position


@kernel("uint8[::1], int64[::1], int64[::1], int64, uint8[::1], int32[::1], int64[::1]", gpu=False)
def decode_segment(index, codestreams, starts, ends, pixels, planes, status, stopped):
    """Decode one segment into its plane; `stopped` is how far into the segment it came."""
    segment = codestreams[starts[index] : ends[index]]
    plane = planes[int64(index) * pixels : (int64(index) + int64(1)) * pixels]
    result, position = decode_packbits(segment, uint32(len(segment)), plane, uint32(pixels))
    status[index] = int32(result)
    stopped[index] = int64(position)


@device_function
def interleave(planes, plane_size, first, length, segments, byte_places, target):
    """Make `length` pixels of one frame's planes, from pixel `first` on: byte k comes from plane ``byte_places[k]``."""
    if segments == int32(2):
        start = first + int64(byte_places[0]) * plane_size
        most = planes[start : start + length]
        start = first + int64(byte_places[1]) * plane_size
        least = planes[start : start + length]
        for pixel in range(uint64(length)):
            target[pixel * uint64(2)] = most[pixel]
            target[pixel * uint64(2) + uint64(1)] = least[pixel]
    elif segments == int32(3):
        start = first + int64(byte_places[0]) * plane_size
        red = planes[start : start + length]
        start = first + int64(byte_places[1]) * plane_size
        green = planes[start : start + length]
        start = first + int64(byte_places[2]) * plane_size
        blue = planes[start : start + length]
        for pixel in range(uint64(length)):
            target[pixel * uint64(3)] = red[pixel]
            target[pixel * uint64(3) + uint64(1)] = green[pixel]
            target[pixel * uint64(3) + uint64(2)] = blue[pixel]
    else:
        for byte in range(int64(segments)):
            start = first + int64(byte_places[byte]) * plane_size
            plane = planes[start : start + length]
            for pixel in range(uint64(length)):
                target[pixel * uint64(segments) + uint64(byte)] = plane[pixel]


@kernel("uint8[::1], int64, int32, int32, int64, int32[::1], uint8[::1]", gpu=False)
def interleave_planes(index, planes, pixels, segments, chunks, chunk_pixels, byte_places, samples):
    """Make pixels of some of one frame's planes."""
    frame = int64(index) // int64(chunks)
    first = (int64(index) % int64(chunks)) * chunk_pixels
    length = min(chunk_pixels, pixels - first)
    stride = int64(segments)
    begin = frame * pixels * stride
    target = samples[begin + first * stride : begin + (first + length) * stride]
    interleave(planes[begin : begin + pixels * stride], pixels, first, length, segments, byte_places, target)


@kernel(
    "uint8[::1], int64[::1], int64[::1], int64, int32, int32, int32, int32[::1], uint8[::1], int32[::1], int64[::1], "
    "uint8[::1]",
    gpu=False,
)
def decode_lane(
    index, codestreams, starts, ends, pixels, segments, frames, lanes, byte_places, planes, status, stopped, samples
):
    """Decode every `lanes`-th frame, whole, through planes of the lane's own, which so stay in a core's cache."""
    size = pixels * int64(segments)
    mine = planes[int64(index) * size : (int64(index) + int64(1)) * size]
    for frame in range(int64(index), int64(frames), int64(lanes)):
        good = True
        for segment in range(int64(segments)):
            place = frame * int64(segments) + segment
            source = codestreams[starts[place] : ends[place]]
            plane = mine[segment * pixels : (segment + int64(1)) * pixels]
            result, position = decode_packbits(source, uint32(len(source)), plane, uint32(pixels))
            status[place] = int32(result)
            stopped[place] = int64(position)
            good = good and result == STATUS_OK
        if good:
            interleave(
                mine, pixels, int64(0), pixels, segments, byte_places, samples[frame * size : (frame + 1) * size]
            )
