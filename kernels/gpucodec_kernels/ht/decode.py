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
from numpy import int32, int64, uint64

from gpucodec_kernels.ht.decode_gather import LANES
from gpucodec_kernels.ht.decode_jobs import (
    BLOCK_FIELDS,
    HEIGHT,
    MAGSGN_ROOM,
    ROW_QUADS,
    SEGMENT_PADDING,
    SLOT_QUADS,
    STATUS_BITPLANES,
    STATUS_CODEWORDS,
    STATUS_DATA,
    STATUS_LENGTHS,
    STATUS_OK,
    STATUS_SHAPE,
    VLC_BYTES,
    WIDTH,
    begin_slot,
    block_of,
    check_job,
    clear,
    finish_job,
    scale_of,
    where_it_goes,
    width_in_quads,
)
from gpucodec_kernels.ht.decode_quads import decode_quads
from gpucodec_kernels.ht.decode_samples import (
    FAILED,
    FILLED,
    MIDDLE,
    MOST,
    ROW,
    ROW_WORDS,
    TASK_FIELDS,
    TASK_HEIGHT,
    TASK_PLACE,
    TASK_POSITION,
    TASK_STRIDE,
    TASKS,
    UP,
    decode_samples,
)
from gpucodec_kernels.ht.decode_streams import NUM_BITS, NUM_FIELDS, STOP, destuff_magsgn
from gpucodec_kernels.ht.decode_tables import decode_tables
from gpucodec_kernels.ht.decode_threads import (
    WARP,
    WARP_STATES,
    WARP_WINDOW_BYTES,
    WARP_WORDS,
    decode_samples_of_codeblocks,
    read_quads_of_codeblocks,
)
from gpucodec_kernels.target import device_function, get_num_threads, kernel

__all__ = [
    "BLOCK_FIELDS",
    "NUM_STATES",
    "NUM_WORDS",
    "SEGMENT_PADDING",
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

SLOTS = LANES
MAGSGN_BYTES = MAGSGN_ROOM + 64
WINDOW_BYTES = SLOTS * VLC_BYTES + TASKS * MAGSGN_BYTES
NUM_WORDS = SLOTS * (2 * ROW_QUADS + SLOT_QUADS) + TASKS * ROW_WORDS
_TASK_STATES = 64  # room for the fields of tasks
NUM_STATES = SLOTS * NUM_FIELDS + _TASK_STATES + TASKS * ROW
MOST_THREADS = 65536  # codeblocks of a launch on GPUs: about 12 kB of scratch each

_ZERO, _ONE = uint64(0), uint64(1)


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
def begin_task(slot, job, source, window, state, task):
    """Prepare the decoding of a codeblock's samples; return the rows of quads to decode."""
    slots = uint64(SLOTS)
    task[TASK_HEIGHT] = _ZERO
    task[FAILED] = _ONE
    if job < int64(0):
        return _ZERO
    _, (active, begin, suffix, _) = check_job(job, source)
    used = state[uint64(STOP) * slots + slot] - slot * uint64(8 * VLC_BYTES)
    if not active or used > state[uint64(NUM_BITS) * slots + slot]:
        return _ZERO
    most, (up, middle), _ = scale_of(job, source)
    place, row_stride = where_it_goes(job, source)
    task[TASK_HEIGHT] = uint64(source[6][block_of(job, source) + int64(HEIGHT)])
    task[MOST], task[UP], task[MIDDLE] = uint64(most), uint64(up), uint64(middle)
    task[TASK_PLACE], task[TASK_STRIDE] = uint64(place), uint64(row_stride)
    task[FILLED] = destuff_magsgn(source[0], begin, suffix, window, uint64(MAGSGN_ROOM))
    task[TASK_POSITION] = _ZERO
    task[FAILED] = _ZERO
    return (task[TASK_HEIGHT] + _ONE) >> _ONE


@device_function
def finish_task(job, source, task, words, coefficients, status):
    """Do what remains when a codeblock's samples are decoded; write zeros where they are not."""
    if job < int64(0):
        return
    result, (active, _, _, _) = check_job(job, source)
    if result < int32(0):
        return
    if task[FAILED] == _ZERO:
        finish_job(job, source, words, coefficients, status)
        return
    clear(job, source, coefficients)
    if active:
        status[job] = int32(STATUS_CODEWORDS)


@kernel(
    "int32, int32[::1], int32[::1], int32, uint8[::1], int64[::1], int32[::1], int32[::1], int32[::1], int64[::1], "
    "int32[::1], int32, int64, uint32[::1], uint8[::1], uint32[::1], uint64[::1], int32[::1], int32[::1]",
    gpu=False,
)
def decode_codeblocks(
    lane, lanes, groups, order, num_groups, data, segment_begins, segments, first_segment, coded, block_places, blocks,
    num_blocks, frame_stride, tables, windows, words, states, coefficients, status,
):  # fmt: skip
    """Decode the groups of codeblocks `lane`, `lane` + `lanes` ... of a launch."""
    source = (
        data, segment_begins, segments, first_segment, coded, block_places, blocks, num_blocks, frame_stride
    )  # fmt: skip
    slots = uint64(SLOTS)
    window = windows[int64(lane) * int64(WINDOW_BYTES) : (int64(lane) + int64(1)) * int64(WINDOW_BYTES)]
    mine = words[int64(lane) * int64(NUM_WORDS) : (int64(lane) + int64(1)) * int64(NUM_WORDS)]
    state = states[int64(lane) * int64(NUM_STATES) : (int64(lane) + int64(1)) * int64(NUM_STATES)]
    contexts = mine[0 : SLOTS * ROW_QUADS]
    row = mine[SLOTS * ROW_QUADS : 2 * SLOTS * ROW_QUADS]
    quads = mine[2 * SLOTS * ROW_QUADS : SLOTS * (2 * ROW_QUADS + SLOT_QUADS)]
    buffers = mine[SLOTS * (2 * ROW_QUADS + SLOT_QUADS) :]
    samples_windows = window[SLOTS * VLC_BYTES :]
    tasks = state[SLOTS * NUM_FIELDS : SLOTS * NUM_FIELDS + TASKS * TASK_FIELDS]
    bits = state[SLOTS * NUM_FIELDS + _TASK_STATES :]
    for group in range(int64(lane), int64(num_groups), int64(lanes)):
        first, last = int64(groups[group]), min(int64(groups[group + 1]), int64(groups[group]) + int64(SLOTS))
        rows = _ZERO
        for slot in range(slots):
            number = first + int64(slot)
            job = int64(order[number]) if number < last else int64(-1)
            rows = max(rows, begin_slot(slots, slot, job, source, window, state, status))
        if rows > _ZERO:
            width = width_in_quads(int64(order[first]), source)
            buffer = (contexts, row, quads, uint64(SLOT_QUADS))
            decode_quads((slots, _ZERO, slots), width, rows, state, data, window, tables, buffer)
        for begin in range(_ZERO, uint64(last - first), uint64(TASKS)):
            rows = _ZERO
            for turn in range(TASKS):
                number = first + int64(begin) + int64(turn)
                job = int64(order[number]) if number < last else int64(-1)
                its_window = samples_windows[turn * MAGSGN_BYTES : (turn + 1) * MAGSGN_BYTES]
                task = tasks[turn * TASK_FIELDS : (turn + 1) * TASK_FIELDS]
                rows = max(rows, begin_task(begin + uint64(turn), job, source, its_window, state, task))
            if rows > _ZERO:
                width = uint64(blocks[block_of(int64(order[first]), source) + int64(WIDTH)])
                decode_samples(
                    width, rows, quads[begin * uint64(SLOT_QUADS) :], (SLOT_QUADS, MAGSGN_BYTES), tasks, buffers,
                    samples_windows, bits, coefficients,
                )  # fmt: skip
            for turn in range(TASKS):
                number = first + int64(begin) + int64(turn)
                job = int64(order[number]) if number < last else int64(-1)
                task = tasks[turn * TASK_FIELDS : (turn + 1) * TASK_FIELDS]
                finish_task(job, source, task, buffers, coefficients, status)


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
    source = (data, segment_begins, segments, first_segment, coded, block_places, blocks, num_blocks, frame_stride)
    if where.on_host:
        _decode_groups(where, order, groups, source, coefficients, status)
    else:
        _decode_by_threads(where, order, source, coefficients, status)


def _decode_groups(where: Any, order: Any, groups: Any, source: Any, coefficients: Any, status: Any) -> None:
    num_groups = len(groups) - 1
    lanes = max(1, min(num_groups, 2 * get_num_threads()))
    where.launch(
        decode_codeblocks, lanes, lanes, groups, order, num_groups, *source, _uploaded_tables(where),
        where.scratch("ht_windows", lanes * WINDOW_BYTES, np.uint8),
        where.scratch("ht_words", lanes * NUM_WORDS, np.uint32),
        where.scratch("ht_states", lanes * NUM_STATES, np.uint64), coefficients, status,
    )  # fmt: skip


def _decode_by_threads(where: Any, order: Any, source: Any, coefficients: Any, status: Any) -> None:
    for begin in range(0, len(order), MOST_THREADS):
        jobs = order[begin : begin + MOST_THREADS]
        warps = -(-len(jobs) // WARP)
        quads = where.scratch("ht_quads", len(jobs) * SLOT_QUADS, np.uint32)
        where.launch(
            read_quads_of_codeblocks, len(jobs), jobs, *source, _uploaded_tables(where),
            where.scratch("ht_windows", warps * WARP_WINDOW_BYTES, np.uint8),
            where.scratch("ht_words", warps * WARP_WORDS, np.uint32),
            where.scratch("ht_states", warps * WARP_STATES, np.uint64), quads, status,
        )  # fmt: skip
        where.launch(decode_samples_of_codeblocks, len(jobs), jobs, *source, quads, coefficients, status)


_tables: dict[Any, Any] = {}


def _uploaded_tables(where: Any) -> Any:
    found = _tables.get(where.place)
    if found is None:
        found = _tables[where.place] = where.constant(decode_tables())
    return found
