"""Encoding JPEG-LS scans, T.87 Annex A: one scan of one frame, or one restart interval of it, an index."""

from __future__ import annotations

from numpy import int32, int64, uint8, uint64

from gpucodec_kernels.jpegls.bits import keep_rest, stuff
from gpucodec_kernels.jpegls.contexts import find_regions_above, reset_state
from gpucodec_kernels.jpegls.encode_lossless import code_interleaved_line, code_line, predict_line
from gpucodec_kernels.jpegls.encode_near import code_near_interleaved_line, code_near_line
from gpucodec_kernels.jpegls.parameters import (
    COMPONENT_STRIDE,
    FIRST_PLANE,
    LINE_BYTES,
    MAXIMUM_SAMPLE_VALUE,
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
    SAMPLE_MASK,
    STATE_WORDS,
    STATUS_OK,
    STATUS_SLOT_TOO_SMALL,
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
def load_line(samples, pixel_stride, component_stride, parameters, line, components, count):
    """Copy a row's samples to a line, each at most MAXVAL."""
    mask = parameters[SAMPLE_MASK]
    maximum = parameters[MAXIMUM_SAMPLE_VALUE]
    target = line[int64(components) :]
    if pixel_stride == int64(components) and (components == uint64(1) or component_stride == int64(1)):
        for place in range(count):
            target[place] = min(int32(int32(samples[place]) & mask), maximum)
        return
    for component in range(components):
        source = samples[int64(component) * component_stride :]
        for pixel in range(count // components):
            value = int32(int32(source[pixel * uint64(pixel_stride)]) & mask)
            target[pixel * components + component] = min(value, maximum)


@device_function
def encode_line(
    scratch, parameters, previous, line, plane, components, count, gradients, scan, bounds, steps, window, put
):
    """Encode a line into the window; `put` is the state of `put_bits`, and is returned.

    Of the two ways Numba keeps the one that the type of `steps` asks for.
    """
    bits, fill, at = put
    state = scratch[: int64(STATE_WORDS)]
    run_place = uint64(RUN_INDICES) + uint64(plane)
    work = scratch[working_line_start(parameters, int64(0)) :]
    if steps is None:
        errors = scratch[working_line_start(parameters, int64(1)) :]
        lows = scratch[working_line_start(parameters, int64(2)) :]
        predict_line(previous, line, components, count, bounds, work, errors, lows)
        made = (work, errors, lows)
        if components == uint64(1):
            return code_line(state, run_place, previous, line, count, made, scan, window, bits, fill, at)
        return code_interleaved_line(state, previous, line, components, count, made, scan, window, bits, fill, at)
    find_regions_above(previous, components, count, bounds, work)
    if components == uint64(1):
        return code_near_line(state, run_place, previous, line, count, work, gradients, scan, window, bits, fill, at)
    return code_near_interleaved_line(
        state, previous, line, components, count, work, gradients, scan, window, bits, fill, at
    )


@device_function
def encode_segment(samples, rows, strides, parameters, gradients, scratch, window, slot, steps):
    """Encode an index's rows into its slot; return the status and the length. `steps` is None where lossless."""
    components = interleaved_components(parameters)
    scan, bounds = scan_constants(parameters, steps)
    state = scratch[: int64(STATE_WORDS)]
    reset_state(state, parameters[RANGE])
    keep_golomb_parameters(state)
    clear_lines(scratch, parameters)
    put = (uint64(0), uint64(0), uint64(0))
    out = uint64(0)
    after_ff = uint64(0)
    for mcu in range(int64(rows)):
        for plane in range(int64(parameters[NUM_PLANES])):
            shape = strides[int64(FIRST_PLANE) + plane * int64(PLANE_WORDS) :]
            count = uint64(shape[PLANE_COLUMNS]) * components
            first_row = mcu * shape[PLANE_LINES]
            for row in range(first_row, min(first_row + shape[PLANE_LINES], shape[PLANE_ROWS])):
                line = scratch[line_start(parameters, plane, row) :]
                previous = scratch[line_start(parameters, plane, row + int64(1)) :]
                source = samples[shape[PLANE_OFFSET] + row * shape[PLANE_ROW_STRIDE] :]
                stride = shape[PLANE_PIXEL_STRIDE]
                load_line(source, stride, strides[COMPONENT_STRIDE], parameters, line, components, count)
                set_edges(previous, line, components, count)
                put = encode_line(
                    scratch, parameters, previous, line, plane, components, count, gradients, scan, bounds, steps,
                    window, put,
                )  # fmt: skip
                end = put[2] * uint64(8) + put[1]
                if out + end // uint64(7) + uint64(24) > uint64(len(slot)):
                    return STATUS_SLOT_TOO_SMALL, uint64(0)
                position, out, after_ff = stuff(window, end, slot, out, after_ff)
                put = keep_rest(window, position, end)
    return STATUS_OK, finish(slot, out, after_ff, put)


@device_function
def finish(slot, out, after_ff, put):
    """Fill the last byte with zero bits, and follow a last byte FFH with a zero byte; return the length."""
    bits, fill, _ = put
    if fill > uint64(0) or after_ff > uint64(0):
        slot[out] = uint8((bits << (uint64(8) - after_ff - fill)) & uint64(0xFF))
        out = out + uint64(1)
    return out


@device_function
def encode_index(
    index,
    samples,
    starts,
    rows,
    strides,
    parameters,
    gradients,
    scratch,
    window,
    slots,
    slot_size,
    lengths,
    status,
    steps,
):
    """Cut an index's parts out of the arrays, and encode."""
    words = scratch_words(parameters)
    window_bytes = int64(parameters[LINE_BYTES])
    this = int64(index)
    result, length = encode_segment(
        samples[starts[this] :],
        rows[this],
        strides,
        parameters,
        gradients,
        scratch[this * words : (this + int64(1)) * words],
        window[this * window_bytes : (this + int64(1)) * window_bytes],
        slots[this * slot_size : (this + int64(1)) * slot_size],
        steps,
    )
    status[this] = int32(result)
    lengths[this] = int64(length)


_SIGNATURE = (
    "[::1], int64[::1], int32[::1], int64[::1], int32[::1], int8[::1], int32[::1], uint8[::1], uint8[::1],"
    "int64, int64[::1], int32[::1]"
)


@kernel("uint8" + _SIGNATURE)
def encode_scan_lossless_8(
    index, samples, starts, rows, strides, parameters, gradients, scratch, window, slots, slot_size, lengths, status
):
    """Encode a lossless scan of samples of one byte.

    Moves more than the least: a scan's contexts and lines lie in device memory, for a frame of 64 x 64 samples of a
    byte 15 kB that are written and read once where a cache holds them: 0.06 bytes a sample of a frame of 512 x 512.
    The first-level cache does not hold those of all scans of a block.
    """
    encode_index(
        index, samples, starts, rows, strides, parameters, gradients, scratch, window, slots, slot_size, lengths,
        status, None,
    )  # fmt: skip


@kernel("uint16" + _SIGNATURE)
def encode_scan_lossless_16(
    index, samples, starts, rows, strides, parameters, gradients, scratch, window, slots, slot_size, lengths, status
):
    """Encode a lossless scan of samples of two bytes.

    Moves more than the least: a scan's contexts and lines lie in device memory, for a frame of 64 x 64 samples of a
    byte 15 kB that are written and read once where a cache holds them: 0.06 bytes a sample of a frame of 512 x 512.
    The first-level cache does not hold those of all scans of a block.
    """
    encode_index(
        index, samples, starts, rows, strides, parameters, gradients, scratch, window, slots, slot_size, lengths,
        status, None,
    )  # fmt: skip


@kernel("uint8" + _SIGNATURE)
def encode_scan_near_8(
    index, samples, starts, rows, strides, parameters, gradients, scratch, window, slots, slot_size, lengths, status
):
    """Encode a near-lossless scan of samples of one byte.

    Moves more than the least: a scan's contexts and lines lie in device memory, for a frame of 64 x 64 samples of a
    byte 15 kB that are written and read once where a cache holds them: 0.06 bytes a sample of a frame of 512 x 512.
    The first-level cache does not hold those of all scans of a block.
    """
    encode_index(
        index, samples, starts, rows, strides, parameters, gradients, scratch, window, slots, slot_size, lengths,
        status, near_steps(parameters[NEAR]),
    )  # fmt: skip


@kernel("uint16" + _SIGNATURE)
def encode_scan_near_16(
    index, samples, starts, rows, strides, parameters, gradients, scratch, window, slots, slot_size, lengths, status
):
    """Encode a near-lossless scan of samples of two bytes.

    Moves more than the least: a scan's contexts and lines lie in device memory, for a frame of 64 x 64 samples of a
    byte 15 kB that are written and read once where a cache holds them: 0.06 bytes a sample of a frame of 512 x 512.
    The first-level cache does not hold those of all scans of a block.
    """
    encode_index(
        index, samples, starts, rows, strides, parameters, gradients, scratch, window, slots, slot_size, lengths,
        status, near_steps(parameters[NEAR]),
    )  # fmt: skip
