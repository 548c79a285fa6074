"""Decoding of HT codeblocks, T.814 clause 7: the cleanup pass of one HT set and the refinement passes after it.

One index is a lane. It decodes the groups `lane`, `lane` + `lanes` ... of a launch: up to `SLOTS` codeblocks of equal
width, whose MEL and VLC codewords are read side by side (see `decode_quads`), and whose samples are then decoded one
codeblock after the other. What a lane needs beside its input and output stays in the cache.

Arrays
    groups           int32, one more than groups: where each begins in `order`
    order            int32, jobs: ``frame * num_blocks + block``
    data             bytes of codeword segments; at least 16 bytes follow each, at least 8 stand before the first
    segment_begins   int64, where each segment begins in `data`
    segments         int32, two a segment: bytes, coding passes
    first_segment    int32, one a job and one more: a job's segments are a cleanup segment of one pass, and, where it
                     has refinement passes, a segment of one or two
    coded            int32, three a job: zero bit-planes (those of HT sets before this one included), coding passes, and
                     1 where the codeblock is HT-coded; others are left alone
    block_places     int64, one a codeblock of a frame: its first coefficient in the frame
    blocks           int32, `BLOCK_FIELDS` a codeblock of a frame: row stride, width, height, orientation, magnitude
                     bit-planes M_b with the ROI shift, code-block style, ROI shift, 1 where reversible
    tables           uint32, from `decode_tables`
    windows, words, states   scratch, `WINDOW_BYTES`, `NUM_WORDS` and `NUM_STATES` a lane
    coefficients     int32: where reversible the coefficient, else twice the quantizer index with the middle of what is
                     not decoded
    status           int32, one a job

Bytes moved a coefficient coded with b bits: b / 8 read, 4 written; the rest, b / 8 of bits without stuffing and 2 of
words of quads, written and read, stays in the cache.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy import int32, int64, uint32, uint64

from gpucodec_kernels.ht.decode_gather import LANES
from gpucodec_kernels.ht.decode_quads import decode_quads
from gpucodec_kernels.ht.decode_refinement import propagate_significance, refine_magnitudes
from gpucodec_kernels.ht.decode_samples import MOST_QUADS, ROW, ROW_WORDS, decode_samples
from gpucodec_kernels.ht.decode_streams import (
    NUM_BITS,
    NUM_FIELDS,
    POSITION,
    ROWS,
    STOP,
    destuff_magsgn,
    destuff_vlc,
    start_mel,
)
from gpucodec_kernels.ht.decode_tables import decode_tables
from gpucodec_kernels.target import device_function, get_num_threads, kernel

__all__ = [
    "BLOCK_FIELDS",
    "NUM_STATES",
    "NUM_WORDS",
    "SLOTS",
    "STATUS_BITPLANES",
    "STATUS_CODEWORDS",
    "STATUS_DATA",
    "STATUS_LENGTHS",
    "STATUS_OK",
    "STATUS_SHAPE",
    "WINDOW_BYTES",
    "decode",
    "decode_codeblocks",
    "decode_tables",
    "group_codeblocks",
]

STATUS_OK = 0
STATUS_BITPLANES = 2  # as many zero bit-planes as bit-planes or more, or more bit-planes than int32 holds
STATUS_DATA = 4  # a segment lies outside of `data`, or is missing
STATUS_SHAPE = 5  # more samples than 4096, or sides longer than 1024
STATUS_LENGTHS = 6  # the suffix of the cleanup segment is longer than the segment, or too short
STATUS_CODEWORDS = 7  # VLC bits before the suffix's begin, or an exponent above the bit-planes

BLOCK_FIELDS = 8
SLOTS = LANES

LARGEST_SIDE = 1024
LARGEST_QUADS = 1024  # in a codeblock of 4096 samples
SLOT_QUADS = LARGEST_QUADS + 16  # so that slots do not lie in the same places of the cache
_PAIR_BITS = 30  # of VLC for two quads, at most
_SAMPLE_BITS = 33
VLC_ROOM = LARGEST_QUADS // 2 * _PAIR_BITS // 8
VLC_BYTES = VLC_ROOM + 16
MAGSGN_ROOM = LARGEST_QUADS * 4 * _SAMPLE_BITS // 8
MAGSGN_BYTES = MAGSGN_ROOM + 32
ROW_QUADS = MOST_QUADS + 3

WINDOW_BYTES = SLOTS * VLC_BYTES + MAGSGN_BYTES
NUM_WORDS = SLOTS * (2 * ROW_QUADS + SLOT_QUADS) + ROW_WORDS
NUM_STATES = SLOTS * NUM_FIELDS + ROW

SEGMENT_PADDING = 16
_LONGEST_SUFFIX = 4079
_CAUSAL = 8

_ZERO, _ONE, _TWO = uint64(0), uint64(1), uint64(2)


def group_codeblocks(
    widths: npt.NDArray[np.int32], heights: npt.NDArray[np.int32], num_frames: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Put the codeblocks of frames with equal codeblocks into groups that are decoded together.

    Parameters
    ----------
    widths, heights : array
        Of the codeblocks of one frame.
    num_frames : int
        Number of frames.

    Returns
    -------
    order, groups : array
        int32: jobs, ``frame * len(widths) + block``, those of equal width together, the higher ones first; and where in
        `order` each group begins, and the end.
    """
    num_blocks = len(widths)
    by_size = np.lexsort((-heights.astype(np.int64), -widths.astype(np.int64)))
    order = (by_size[:, None] + np.arange(num_frames) * num_blocks).reshape(-1)
    sizes = widths[by_size].repeat(num_frames)
    begins = [np.arange(first, last, SLOTS) for first, last in _runs(sizes)]
    return order.astype(np.int32), np.append(np.concatenate([*begins, []]), len(order)).astype(np.int32)


def _runs(values: npt.NDArray[np.int32]) -> list[tuple[int, int]]:
    changes = np.flatnonzero(np.diff(values)) + 1
    bounds = [0, *changes.tolist(), len(values)]
    return [(first, last) for first, last in pairwise(bounds) if last > first]


@device_function
def find_segment(number, data_length, segment_begins, segments):
    """Return the begin and the end of a segment, and whether it lies in `data` with what must stand around it."""
    begin = segment_begins[number]
    end = begin + int64(segments[int64(2) * number])
    inside = begin >= int64(8) and end >= begin and end + int64(SEGMENT_PADDING) <= data_length
    return uint64(max(begin, int64(0))), uint64(max(end, int64(0))), inside


@device_function
def check_job(job, num_blocks, data, segment_begins, segments, first_segment, coded, blocks):
    """Look at a codeblock's numbers.

    Returns
    -------
    tuple
        Status, negative where the codeblock is not to be touched; whether there is something to decode; and the
        begin of the cleanup segment, of its suffix, and its end.
    """
    nothing = (False, _ZERO, _ZERO, _ZERO)
    if coded[int64(3) * job + int64(2)] == int32(0) and coded[int64(3) * job + int64(1)] > int32(0):
        return int32(-1), nothing
    first = (job % num_blocks) * int64(BLOCK_FIELDS)
    width, height = int64(blocks[first + 1]), int64(blocks[first + 2])
    bounded = width <= int64(LARGEST_SIDE) and height <= int64(LARGEST_SIDE)
    if not bounded or ((width + 1) >> 1) * ((height + 1) >> 1) > int64(LARGEST_QUADS):
        return int32(STATUS_SHAPE), nothing
    if coded[int64(3) * job + int64(1)] <= int32(0):
        return int32(STATUS_OK), nothing
    planes = blocks[first + 4] - coded[int64(3) * job]
    most = int32(31) if blocks[first + 7] != int32(0) else int32(30)
    if planes < int32(1) or coded[int64(3) * job] < int32(0) or blocks[first + 4] > most:
        return int32(STATUS_BITPLANES), nothing
    segment = int64(first_segment[job])
    if int64(first_segment[job + 1]) <= segment or segment < int64(0) or segment >= int64(len(segment_begins)):
        return int32(STATUS_DATA), nothing
    begin, end, inside = find_segment(segment, int64(len(data)), segment_begins, segments)
    if not inside:
        return int32(STATUS_DATA), nothing
    if end - begin < _TWO:
        return int32(STATUS_LENGTHS), nothing
    suffix = (uint64(data[end - _ONE]) << uint64(4)) | (uint64(data[end - _TWO]) & uint64(15))
    if suffix < _TWO or suffix > uint64(_LONGEST_SUFFIX) or suffix > end - begin:
        return int32(STATUS_LENGTHS), nothing
    return int32(STATUS_OK), (True, begin, end - suffix, end)


@device_function
def clear(coefficients, place, row_stride, width, height):
    """Write zeros to a codeblock."""
    for number in range(height):
        first = place + number * row_stride
        row = coefficients[first : first + width]
        for column in range(uint64(len(row))):
            row[column] = int32(0)


@device_function
def take_off_shift(coefficients, place, row_stride, width, height, shift, doubled):
    """Move the coefficients of a region of interest down to the others, T.800 H.1."""
    limit = (int64(1) << int64(shift)) << int64(doubled)
    for number in range(height):
        first = place + number * row_stride
        for at in range(first, first + width):
            value = int64(coefficients[at])
            if abs(value) >= limit:
                value = -((-value) >> int64(shift)) if value < int64(0) else value >> int64(shift)
                coefficients[at] = int32(value)


@device_function
def refine(
    job, below, shape, data, segment_begins, segments, first_segment, columns, settings, coefficients, place, row_stride
):
    """Decode the refinement passes of a codeblock, if it has any; return a status."""
    segment = int64(first_segment[job]) + int64(1)
    if segment >= int64(first_segment[job + 1]) or below == _ZERO:
        return int32(STATUS_OK)
    if segment >= int64(len(segment_begins)):
        return int32(STATUS_DATA)
    begin, end, inside = find_segment(segment, int64(len(data)), segment_begins, segments)
    if not inside:
        return int32(STATUS_DATA)
    if end == begin:
        return int32(STATUS_OK)
    style, reversible = settings
    # Half of the lower bit-plane, in units of a coefficient; where reversible, of half a coefficient that is rounded.
    up, down = below - _ONE, _ZERO
    value = int32(3) << int32(up)
    if reversible:
        value = value >> int32(1)
        up, down = (_ZERO, _ONE) if below == _ONE else (below - _TWO, _ZERO)
    if segments[int64(2) * segment + int64(1)] > int32(1):
        refine_magnitudes(data, begin, end, shape, (up, down), coefficients, place, row_stride)
    causal = style & int32(_CAUSAL) != int32(0)
    propagate_significance(data, begin, end, shape, value, causal, columns, coefficients, place, row_stride)
    return int32(STATUS_OK)


@device_function
def begin_slot(
    slots, slot, job, num_blocks, data, segment_begins, segments, first_segment, coded, blocks, windows, state, status
):
    """Prepare a codeblock for `decode_quads`; return the rows of quads to decode."""
    result, (active, _, middle, end) = check_job(
        job, num_blocks, data, segment_begins, segments, first_segment, coded, blocks
    )
    if result >= int32(0):
        status[job] = result
    if not active:
        return _ZERO
    state[uint64(NUM_BITS) * slots + slot] = destuff_vlc(
        data, middle, end, windows, slot * uint64(VLC_BYTES), uint64(VLC_ROOM)
    )
    start_mel(state, slots, slot, middle, end)
    rows = uint64((blocks[(job % num_blocks) * int64(BLOCK_FIELDS) + int64(2)] + int32(1)) >> int32(1))
    state[uint64(ROWS) * slots + slot] = rows
    return rows


@device_function
def finish_slot(
    slots, slot, job, num_blocks, frame_stride, data, segment_begins, segments, first_segment, coded, block_places,
    blocks, quads, window, words, state, coefficients, status,
):  # fmt: skip
    """Decode the samples of a codeblock whose quads are decoded, or write zeros."""
    result, (active, begin, suffix, _) = check_job(
        job, num_blocks, data, segment_begins, segments, first_segment, coded, blocks
    )
    if result < int32(0):
        return
    block = job % num_blocks
    first = block * int64(BLOCK_FIELDS)
    place = (job // num_blocks) * frame_stride + block_places[block]
    row_stride, width, height = int64(blocks[first]), int64(blocks[first + 1]), int64(blocks[first + 2])
    bad = state[uint64(STOP) * slots + slot] - slot * uint64(8 * VLC_BYTES) > state[uint64(NUM_BITS) * slots + slot]
    if active and bad:
        status[job] = int32(STATUS_CODEWORDS)
    if not active or bad:
        clear(coefficients, place, row_stride, width, height)
        return
    zeros, reversible = coded[int64(3) * job], blocks[first + 7] != int32(0)
    below = uint64(blocks[first + 4] - int32(1) - zeros)
    # A magnitude is one more than its bits say, and its middle half a unit more; where it is whole, that is cut off.
    up, middle = uint32(below + _ONE), uint32(uint64(3) << below)
    if reversible:
        up, middle = uint32(below), uint32((uint64(3) << below) >> _ONE)
    shape = (uint64(width), uint64(height))
    num_bits = destuff_magsgn(data, begin, suffix, window, uint64(MAGSGN_ROOM))
    decoded = decode_samples(
        quads, shape, uint32(zeros + int32(2)), (up, middle), window, num_bits, words,
        state[slots * uint64(NUM_FIELDS) :], coefficients, place, row_stride,
    )  # fmt: skip
    if not decoded:
        status[job] = int32(STATUS_CODEWORDS)
        clear(coefficients, place, row_stride, width, height)
        return
    refined = refine(
        job, below, shape, data, segment_begins, segments, first_segment, words, (blocks[first + 5], reversible),
        coefficients, place, row_stride,
    )  # fmt: skip
    if refined != int32(STATUS_OK):
        status[job] = refined
    if blocks[first + 6] > int32(0):
        doubled = int64(0) if reversible else int64(1)
        take_off_shift(coefficients, place, row_stride, width, height, blocks[first + 6], doubled)


@kernel(
    "int32, int32[::1], int32[::1], int32, uint8[::1], int64[::1], int32[::1], int32[::1], int32[::1], int64[::1], "
    "int32[::1], int32, int64, uint32[::1], uint8[::1], uint32[::1], uint64[::1], int32[::1], int32[::1]"
)
def decode_codeblocks(
    lane, lanes, groups, order, num_groups, data, segment_begins, segments, first_segment, coded, block_places, blocks,
    num_blocks, frame_stride, tables, windows, words, states, coefficients, status,
):  # fmt: skip
    """Decode the groups of codeblocks `lane`, `lane` + `lanes` ... of a launch."""
    slots = uint64(SLOTS)
    jobs = int64(num_blocks)
    mine = windows[int64(lane) * int64(WINDOW_BYTES) : (int64(lane) + int64(1)) * int64(WINDOW_BYTES)]
    words = words[int64(lane) * int64(NUM_WORDS) : (int64(lane) + int64(1)) * int64(NUM_WORDS)]
    state = states[int64(lane) * int64(NUM_STATES) : (int64(lane) + int64(1)) * int64(NUM_STATES)]
    contexts = words[0 : SLOTS * ROW_QUADS]
    row = words[SLOTS * ROW_QUADS : 2 * SLOTS * ROW_QUADS]
    quads = words[2 * SLOTS * ROW_QUADS : SLOTS * (2 * ROW_QUADS + SLOT_QUADS)]
    buffers = words[SLOTS * (2 * ROW_QUADS + SLOT_QUADS) :]
    for group in range(int64(lane), int64(num_groups), int64(lanes)):
        first, last = int64(groups[group]), min(int64(groups[group + 1]), int64(groups[group]) + int64(SLOTS))
        rows = _ZERO
        for slot in range(slots):
            state[uint64(POSITION) * slots + slot] = slot * uint64(8 * VLC_BYTES)
            state[uint64(ROWS) * slots + slot] = _ZERO
            start_mel(state, slots, slot, _ZERO, _ZERO)
            if first + int64(slot) < last:
                its_rows = begin_slot(
                    slots, slot, int64(order[first + int64(slot)]), jobs, data, segment_begins, segments, first_segment,
                    coded, blocks, mine, state, status,
                )  # fmt: skip
                rows = max(rows, its_rows)
        if rows > _ZERO:
            width = uint64(blocks[(int64(order[first]) % jobs) * int64(BLOCK_FIELDS) + int64(1)] + int32(1)) >> _ONE
            decode_quads(slots, width, rows, state, data, mine, tables, contexts, row, quads, uint64(SLOT_QUADS))
        for slot in range(uint64(last - first)):
            finish_slot(
                slots, slot, int64(order[first + int64(slot)]), jobs, frame_stride, data, segment_begins, segments,
                first_segment, coded, block_places, blocks, quads[slot * uint64(SLOT_QUADS) :],
                mine[SLOTS * VLC_BYTES :], buffers, state, coefficients, status,
            )  # fmt: skip


def decode(
    where: Any,
    order: Any,
    groups: Any,
    data: Any,
    segment_begins: Any,
    segments: Any,
    first_segment: Any,
    coded: Any,
    block_places: Any,
    blocks: Any,
    num_blocks: int,
    frame_stride: int,
    coefficients: Any,
    status: Any,
) -> None:
    """Decode the HT-coded codeblocks of frames; arrays are where the kernels run (see the head of this file).

    Parameters
    ----------
    where : Executor
        What launches and allocates.
    order, groups : array
        From `group_codeblocks`.
    data, segment_begins, segments, first_segment, coded, block_places, blocks : array
        The codeblocks.
    num_blocks : int
        Codeblocks of a frame.
    frame_stride : int
        Coefficients from a frame to the next.
    coefficients, status : array
        What is written.
    """
    num_groups = len(groups) - 1
    lanes = max(1, min(num_groups, 2 * get_num_threads()))
    where.launch(
        decode_codeblocks, lanes, lanes, groups, order, num_groups, data, segment_begins, segments, first_segment,
        coded, block_places, blocks, num_blocks, frame_stride, _uploaded_tables(where),
        where.scratch("ht_windows", lanes * WINDOW_BYTES, np.uint8),
        where.scratch("ht_words", lanes * NUM_WORDS, np.uint32),
        where.scratch("ht_states", lanes * NUM_STATES, np.uint64), coefficients, status,
    )  # fmt: skip


_tables: dict[str, Any] = {}


def _uploaded_tables(where: Any) -> Any:
    found = _tables.get(where.backend)
    if found is None:
        found = _tables[where.backend] = where.upload(decode_tables())
    return found
