"""Codeblocks to decode: what packets tell of them, checked; what is done to their coefficients at the end.

The arrays of a launch are handed on together, as `source`: ``(data, segment_begins, segments, first_segment, coded,
block_places, blocks, num_blocks, frame_stride)``, see `decode`.
"""

from __future__ import annotations

from numpy import int32, int64, uint32, uint64

from gpucodec_kernels.ht.decode_refinement import propagate_significance, refine_magnitudes
from gpucodec_kernels.ht.decode_samples import MOST_QUADS
from gpucodec_kernels.ht.decode_streams import NUM_BITS, POSITION, ROWS, destuff_vlc, start_mel
from gpucodec_kernels.target import device_function

STATUS_OK = 0
STATUS_BITPLANES = 2  # as many zero bit-planes as bit-planes or more, or more bit-planes than int32 holds
STATUS_DATA = 4  # a segment lies outside of `data`, or is missing
STATUS_SHAPE = 5  # more samples than 4096, or sides longer than 1024
STATUS_LENGTHS = 6  # the suffix of the cleanup segment is longer than the segment, or too short
STATUS_CODEWORDS = 7  # VLC bits before the suffix's begin, or an exponent above the bit-planes

BLOCK_FIELDS = 8
ROW_STRIDE, WIDTH, HEIGHT, ORIENTATION, BITPLANES, STYLE, ROI_SHIFT, REVERSIBLE = range(8)

LARGEST_SIDE = 1024
LARGEST_QUADS = 1024  # in a codeblock of 4096 samples
SLOT_QUADS = LARGEST_QUADS + 16  # so that slots do not lie in the same places of the cache
ROW_QUADS = MOST_QUADS + 3
_PAIR_BITS = 30  # of VLC for two quads, at most
_SAMPLE_BITS = 33
VLC_ROOM = LARGEST_QUADS // 2 * _PAIR_BITS // 8
VLC_BYTES = VLC_ROOM + 16
MAGSGN_ROOM = LARGEST_QUADS * 4 * _SAMPLE_BITS // 8

SEGMENT_PADDING = 16
_LONGEST_SUFFIX = 4079
_CAUSAL = 8

_ZERO, _ONE, _TWO = uint64(0), uint64(1), uint64(2)


@device_function
def block_of(job, source):
    """Return the index of a job's codeblock among the numbers of `blocks`."""
    return (job % int64(source[7])) * int64(BLOCK_FIELDS)


@device_function
def find_segment(number, data, segment_begins, segments):
    """Return the begin and the end of a segment, and whether it lies in `data` with what must stand around it."""
    if number < int64(0) or number >= int64(len(segment_begins)):
        return _ZERO, _ZERO, False
    begin = segment_begins[number]
    end = begin + int64(segments[int64(2) * number])
    if begin < int64(8) or end < begin or end + int64(SEGMENT_PADDING) > int64(len(data)):
        return _ZERO, _ZERO, False
    return uint64(begin), uint64(end), True


@device_function
def check_job(job, source):
    """Look at a codeblock's numbers.

    Returns
    -------
    tuple
        Status, negative where the codeblock is not to be touched; whether there is something to decode; and the
        begin of the cleanup segment, of its suffix, and its end.
    """
    data, segment_begins, segments, first_segment, coded, _, blocks, _, _ = source
    nothing = (False, _ZERO, _ZERO, _ZERO)
    zeros, passes = coded[int64(3) * job], coded[int64(3) * job + int64(1)]
    if coded[int64(3) * job + int64(2)] == int32(0) and passes > int32(0):
        return int32(-1), nothing
    block = block_of(job, source)
    width, height = int64(blocks[block + int64(WIDTH)]), int64(blocks[block + int64(HEIGHT)])
    bounded = width <= int64(LARGEST_SIDE) and height <= int64(LARGEST_SIDE)
    if not bounded or ((width + int64(1)) >> int64(1)) * ((height + int64(1)) >> int64(1)) > int64(LARGEST_QUADS):
        return int32(STATUS_SHAPE), nothing
    if passes <= int32(0):
        return int32(STATUS_OK), nothing
    planes = blocks[block + int64(BITPLANES)]
    most = int32(31) if blocks[block + int64(REVERSIBLE)] != int32(0) else int32(30)
    if zeros < int32(0) or zeros >= planes or planes > most:
        return int32(STATUS_BITPLANES), nothing
    begin, end, inside = find_segment(int64(first_segment[job]), data, segment_begins, segments)
    if not inside or first_segment[job] >= first_segment[job + int64(1)]:
        return int32(STATUS_DATA), nothing
    if end - begin < _TWO:
        return int32(STATUS_LENGTHS), nothing
    suffix = (uint64(data[end - _ONE]) << uint64(4)) | (uint64(data[end - _TWO]) & uint64(15))
    if suffix < _TWO or suffix > uint64(_LONGEST_SUFFIX) or suffix > end - begin:
        return int32(STATUS_LENGTHS), nothing
    return int32(STATUS_OK), (True, begin, end - suffix, end)


@device_function
def begin_slot(slots, slot, job, source, windows, state, status):
    """Prepare a codeblock for `decode_quads`; return the rows of quads to decode."""
    state[uint64(POSITION) * slots + slot] = slot * uint64(8 * VLC_BYTES)
    state[uint64(ROWS) * slots + slot] = _ZERO
    start_mel(state, slots, slot, _ZERO, _ZERO)
    if job < int64(0):
        return _ZERO
    result, (active, _, suffix, end) = check_job(job, source)
    if result >= int32(0):
        status[job] = result
    if not active:
        return _ZERO
    state[uint64(NUM_BITS) * slots + slot] = destuff_vlc(
        source[0], suffix, end, windows, slot * uint64(VLC_BYTES), uint64(VLC_ROOM)
    )
    start_mel(state, slots, slot, suffix, end)
    rows = uint64((source[6][block_of(job, source) + int64(HEIGHT)] + int32(1)) >> int32(1))
    state[uint64(ROWS) * slots + slot] = rows
    return rows


@device_function
def width_in_quads(job, source):
    """Return the quads of a row of a codeblock."""
    return uint64((source[6][block_of(job, source) + int64(WIDTH)] + int32(1)) >> int32(1))


@device_function
def where_it_goes(job, source):
    """Return the place of a codeblock's first coefficient, and the row stride."""
    block_places, blocks, num_blocks, frame_stride = source[5], source[6], source[7], source[8]
    place = (job // int64(num_blocks)) * frame_stride + block_places[job % int64(num_blocks)]
    return place, int64(blocks[block_of(job, source)])


@device_function
def scale_of(job, source):
    """Return what `decode_samples` needs to scale a codeblock, and how many bit-planes lie below its cleanup pass."""
    coded, blocks = source[4], source[6]
    block = block_of(job, source)
    zeros = coded[int64(3) * job]
    below = uint64(blocks[block + int64(BITPLANES)] - int32(1) - zeros)
    # A magnitude is one more than its bits say, and its middle half a unit more; where it is whole, that is cut off.
    up, middle = uint32(below + _ONE), uint32(uint64(3) << below)
    if blocks[block + int64(REVERSIBLE)] != int32(0):
        up, middle = uint32(below), uint32((uint64(3) << below) >> _ONE)
    return uint32(zeros + int32(2)), (up, middle), below


@device_function
def clear(job, source, coefficients):
    """Write zeros to a codeblock."""
    place, row_stride = where_it_goes(job, source)
    block = block_of(job, source)
    for number in range(int64(source[6][block + int64(HEIGHT)])):
        first = place + number * row_stride
        row = coefficients[first : first + int64(source[6][block + int64(WIDTH)])]
        for column in range(uint64(len(row))):
            row[column] = int32(0)


@device_function
def take_off_shift(job, source, coefficients):
    """Move the coefficients of a region of interest down to the others, T.800 H.1."""
    place, row_stride = where_it_goes(job, source)
    block = block_of(job, source)
    shift = int64(source[6][block + int64(ROI_SHIFT)])
    doubled = int64(0) if source[6][block + int64(REVERSIBLE)] != int32(0) else int64(1)
    limit = (int64(1) << shift) << doubled
    for number in range(int64(source[6][block + int64(HEIGHT)])):
        first = place + number * row_stride
        for at in range(first, first + int64(source[6][block + int64(WIDTH)])):
            value = int64(coefficients[at])
            if abs(value) >= limit:
                value = -((-value) >> shift) if value < int64(0) else value >> shift
                coefficients[at] = int32(value)


@device_function
def refine(job, source, columns, coefficients):
    """Decode the refinement passes of a codeblock, if it has any; return a status."""
    data, segment_begins, segments, first_segment, _, _, blocks, _, _ = source
    _, _, below = scale_of(job, source)
    segment = int64(first_segment[job]) + int64(1)
    if segment >= int64(first_segment[job + int64(1)]) or below == _ZERO:
        return int32(STATUS_OK)
    begin, end, inside = find_segment(segment, data, segment_begins, segments)
    if not inside:
        return int32(STATUS_DATA)
    if end == begin:
        return int32(STATUS_OK)
    block = block_of(job, source)
    shape = (uint64(blocks[block + int64(WIDTH)]), uint64(blocks[block + int64(HEIGHT)]))
    place, row_stride = where_it_goes(job, source)
    # Half of the lower bit-plane, in units of a coefficient; where reversible, of half a coefficient that is rounded.
    up, down = below - _ONE, _ZERO
    value = int32(3) << int32(up)
    if blocks[block + int64(REVERSIBLE)] != int32(0):
        value = value >> int32(1)
        up, down = (_ZERO, _ONE) if below == _ONE else (below - _TWO, _ZERO)
    if segments[int64(2) * segment + int64(1)] > int32(1):
        refine_magnitudes(data, begin, end, shape, (up, down), coefficients, place, row_stride)
    causal = blocks[block + int64(STYLE)] & int32(_CAUSAL) != int32(0)
    propagate_significance(data, begin, end, shape, value, causal, columns, coefficients, place, row_stride)
    return int32(STATUS_OK)


@device_function
def finish_job(job, source, columns, coefficients, status):
    """Decode the refinement passes of a codeblock; move its region of interest down."""
    refined = refine(job, source, columns, coefficients)
    if refined != int32(STATUS_OK):
        status[job] = refined
    if source[6][block_of(job, source) + int64(ROI_SHIFT)] > int32(0):
        take_off_shift(job, source, coefficients)
