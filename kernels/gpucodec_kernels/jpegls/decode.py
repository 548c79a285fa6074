"""Decoding JPEG-LS scans, T.87 Annex A: one scan of one frame, or one restart interval of it, an index."""

from __future__ import annotations

from numpy import int32, int64, uint64

from gpucodec_kernels.jpegls.bits import destuff, keep_unread
from gpucodec_kernels.jpegls.contexts import find_regions_above, reset_state
from gpucodec_kernels.jpegls.decode_line import decode_interleaved_line, decode_plain_line
from gpucodec_kernels.jpegls.parameters import (
    COMPONENT_STRIDE,
    FIRST_PLANE,
    INVALID_FLAG,
    LINE_BYTES,
    NEAR,
    NUM_PLANES,
    PLANE_COLUMNS,
    PLANE_LINES,
    PLANE_OFFSET,
    PLANE_PIXEL_STRIDE,
    PLANE_ROW_STRIDE,
    PLANE_ROWS,
    PLANE_WORDS,
    RANGE,
    RUN_INDICES,
    STATE_WORDS,
    STATUS_EXCESS,
    STATUS_INVALID,
    STATUS_OK,
    STATUS_TRUNCATED,
)
from gpucodec_kernels.jpegls.regular import keep_golomb_parameters
from gpucodec_kernels.jpegls.scan import (
    clear_lines,
    interleaved_components,
    line_start,
    near_steps,
    scan_constants,
    scratch_words,
    set_edges,
    working_line_start,
)
from gpucodec_kernels.target import device_function, kernel


@device_function
def store_line(samples, pixel_stride, component_stride, line, components, count):
    """Copy a line's samples to a row."""
    source = line[int64(components) :]
    if pixel_stride == int64(components) and (components == uint64(1) or component_stride == int64(1)):
        for place in range(count):
            samples[place] = source[place]
        return
    for component in range(components):
        target = samples[int64(component) * component_stride :]
        for pixel in range(count // components):
            target[pixel * uint64(pixel_stride)] = source[pixel * components + component]


@device_function
def decode_line(
    scratch, parameters, previous, line, plane, components, count, gradients, scan, bounds, steps, window, position
):
    """Decode a line; return the position in the window behind its codes."""
    state = scratch[: int64(STATE_WORDS)]
    regions = scratch[working_line_start(parameters, int64(0)) :]
    find_regions_above(previous, components, count, bounds, regions)
    if components == uint64(1):
        run_place = uint64(RUN_INDICES) + uint64(plane)
        return decode_plain_line(
            state, run_place, previous, line, count, regions, gradients, scan, steps, window, position
        )
    return decode_interleaved_line(
        state, previous, line, components, count, regions, gradients, scan, steps, window, position
    )


@device_function
def refill(segment, source, after_ff, window, position, end_bits, line_bytes):
    """Fill a window of three times `line_bytes`, of which the last may only be read, if less than one is left."""
    if end_bits < position + line_bytes * uint64(8):
        position, end_bits = keep_unread(window, position, end_bits)
        room = line_bytes * uint64(2) - uint64(16)
        source, after_ff, end_bits = destuff(segment, source, after_ff, window, end_bits, room)
    return source, after_ff, position, end_bits


@device_function
def used_bytes(segment, source, unread_bits):
    """Return where the first byte of a segment lies of which no bit was read: `unread_bits` before `source`.

    A byte FFH at the end is followed by one that holds nothing else than a stuffed bit and padding.
    """
    while source > uint64(0):
        held = uint64(8)
        if source > uint64(1) and segment[source - uint64(2)] == uint64(0xFF):
            held = uint64(7)
        if unread_bits < held:
            return source
        if held == uint64(7) and unread_bits < held + uint64(8):
            return source
        unread_bits = unread_bits - held
        source = source - uint64(1)
    return source


@device_function
def decode_segment(segment, samples, rows, strides, parameters, gradients, scratch, window, steps):
    """Decode a segment into an index's rows; return the status and where it stopped."""
    components = interleaved_components(parameters)
    scan, bounds = scan_constants(parameters, steps)
    state = scratch[: int64(STATE_WORDS)]
    reset_state(state, parameters[RANGE])
    keep_golomb_parameters(state)
    clear_lines(scratch, parameters)
    line_bytes = uint64(parameters[LINE_BYTES])
    source = uint64(0)
    after_ff = uint64(0)
    position = uint64(0)
    end_bits = uint64(0)
    for mcu in range(int64(rows)):
        for plane in range(int64(parameters[NUM_PLANES])):
            shape = strides[int64(FIRST_PLANE) + plane * int64(PLANE_WORDS) :]
            count = uint64(shape[PLANE_COLUMNS]) * components
            first_row = mcu * shape[PLANE_LINES]
            for row in range(first_row, min(first_row + shape[PLANE_LINES], shape[PLANE_ROWS])):
                line = scratch[line_start(parameters, plane, row) :]
                previous = scratch[line_start(parameters, plane, row + int64(1)) :]
                set_edges(previous, line, components, count)
                source, after_ff, position, end_bits = refill(
                    segment, source, after_ff, window, position, end_bits, line_bytes
                )
                position = decode_line(
                    scratch, parameters, previous, line, plane, components, count, gradients, scan, bounds, steps,
                    window, position,
                )  # fmt: skip
                if position > end_bits:
                    return STATUS_TRUNCATED, source
                if state[INVALID_FLAG] != int32(0):
                    return STATUS_INVALID, used_bytes(segment, source, end_bits - position)
                target = samples[shape[PLANE_OFFSET] + row * shape[PLANE_ROW_STRIDE] :]
                store_line(target, shape[PLANE_PIXEL_STRIDE], strides[COMPONENT_STRIDE], line, components, count)
    source, after_ff, position, end_bits = refill(segment, source, after_ff, window, position, end_bits, line_bytes)
    stopped = used_bytes(segment, source, end_bits - position)
    if stopped < source:
        return STATUS_EXCESS, stopped
    return STATUS_OK, stopped


@device_function
def decode_index(
    index, codestreams, starts, ends, samples, sample_starts, rows, strides, parameters, gradients, scratch, window,
    status, stopped, steps,
):  # fmt: skip
    """Cut an index's parts out of the arrays, and decode."""
    words = scratch_words(parameters)
    window_bytes = int64(3) * int64(parameters[LINE_BYTES])
    this = int64(index)
    result, end = decode_segment(
        codestreams[starts[this] : ends[this]],
        samples[sample_starts[this] :],
        rows[this],
        strides,
        parameters,
        gradients,
        scratch[this * words : (this + int64(1)) * words],
        window[this * window_bytes : (this + int64(1)) * window_bytes],
        steps,
    )
    status[this] = int32(result)
    stopped[this] = int64(end)


_BEFORE = "uint8[::1], int64[::1], int64[::1], "
_AFTER = (
    "[::1], int64[::1], int32[::1], int64[::1], int32[::1], int8[::1], int32[::1], uint8[::1], int32[::1], int64[::1]"
)


@kernel(_BEFORE + "uint8" + _AFTER)
def decode_scan_lossless_8(
    index, codestreams, starts, ends, samples, sample_starts, rows, strides, parameters, gradients, scratch, window,
    status, stopped,
):  # fmt: skip
    """Decode a lossless scan to samples of one byte.

    Moves more than the least: a scan's contexts and lines lie in device memory, for a frame of 64 x 64 samples of a
    byte 15 kB that are written and read once where a cache holds them: 0.06 bytes a sample of a frame of 512 x 512.
    The first-level cache does not hold those of all scans of a block.
    """
    decode_index(
        index, codestreams, starts, ends, samples, sample_starts, rows, strides, parameters, gradients, scratch,
        window, status, stopped, None,
    )  # fmt: skip


@kernel(_BEFORE + "uint16" + _AFTER)
def decode_scan_lossless_16(
    index, codestreams, starts, ends, samples, sample_starts, rows, strides, parameters, gradients, scratch, window,
    status, stopped,
):  # fmt: skip
    """Decode a lossless scan to samples of two bytes.

    Moves more than the least: a scan's contexts and lines lie in device memory, for a frame of 64 x 64 samples of a
    byte 15 kB that are written and read once where a cache holds them: 0.06 bytes a sample of a frame of 512 x 512.
    The first-level cache does not hold those of all scans of a block.
    """
    decode_index(
        index, codestreams, starts, ends, samples, sample_starts, rows, strides, parameters, gradients, scratch,
        window, status, stopped, None,
    )  # fmt: skip


@kernel(_BEFORE + "uint8" + _AFTER)
def decode_scan_near_8(
    index, codestreams, starts, ends, samples, sample_starts, rows, strides, parameters, gradients, scratch, window,
    status, stopped,
):  # fmt: skip
    """Decode a near-lossless scan to samples of one byte.

    Moves more than the least: a scan's contexts and lines lie in device memory, for a frame of 64 x 64 samples of a
    byte 15 kB that are written and read once where a cache holds them: 0.06 bytes a sample of a frame of 512 x 512.
    The first-level cache does not hold those of all scans of a block.
    """
    decode_index(
        index, codestreams, starts, ends, samples, sample_starts, rows, strides, parameters, gradients, scratch,
        window, status, stopped, near_steps(parameters[NEAR]),
    )  # fmt: skip


@kernel(_BEFORE + "uint16" + _AFTER)
def decode_scan_near_16(
    index, codestreams, starts, ends, samples, sample_starts, rows, strides, parameters, gradients, scratch, window,
    status, stopped,
):  # fmt: skip
    """Decode a near-lossless scan to samples of two bytes.

    Moves more than the least: a scan's contexts and lines lie in device memory, for a frame of 64 x 64 samples of a
    byte 15 kB that are written and read once where a cache holds them: 0.06 bytes a sample of a frame of 512 x 512.
    The first-level cache does not hold those of all scans of a block.
    """
    decode_index(
        index, codestreams, starts, ends, samples, sample_starts, rows, strides, parameters, gradients, scratch,
        window, status, stopped, near_steps(parameters[NEAR]),
    )  # fmt: skip
