"""Encoding a line of a near-lossless scan: each sample is predicted from samples as a decoder finds them.

The line's samples are replaced by those, one after the other.
"""

from __future__ import annotations

from numpy import int32, int64, uint64

from gpucodec_kernels.jpegls.contexts import (
    correct_prediction,
    median_prediction,
    reduce_error,
    region_of,
    run_order,
    starts_run,
)
from gpucodec_kernels.jpegls.parameters import CONTEXT_WORDS, RUN_INDICES
from gpucodec_kernels.jpegls.regular import code_error, quantise_error, reconstruct
from gpucodec_kernels.jpegls.run import code_interruption, code_run
from gpucodec_kernels.target import device_function, inline_function


@inline_function
def code_near_sample(state, region, sample, left, up, corner, scan, window, bits, fill, at):
    """Code one sample in regular mode; return what a decoder finds and the state of `put_bits`."""
    maximum, steps, _, _, _, _ = scan
    sign = int32(region >> int32(31))
    word = uint64(CONTEXT_WORDS) * uint64(int32((region ^ sign) - sign))
    magnitude = state[word]
    bias = state[word + uint64(1)]
    correction = state[word + uint64(2)]
    count = state[word + uint64(3)]
    prediction = correct_prediction(median_prediction(left, up, corner), correction, sign, maximum)
    error = quantise_error(int32((int32(sample - prediction) ^ sign) - sign), steps)
    error = reduce_error(error, scan, steps)
    bits, fill, at = code_error(state, word, error, magnitude, bias, correction, count, scan, window, bits, fill, at)
    return reconstruct(prediction, int32((error ^ sign) - sign), scan[0], scan[2], scan[1]), bits, fill, at


@device_function
def code_near_interruption(state, sample, left, up, may_be_same, scan, run_bits, window, bits, fill, at):
    """Code the sample that ends a run; return what a decoder finds and the state of `put_bits`."""
    same = int32(0)
    sign = int32(0)
    prediction = up
    if may_be_same and abs(int32(left - up)) <= scan[1][0]:
        same = int32(1)
        prediction = left
    elif left > up:
        sign = int32(-1)
    error = quantise_error(int32((int32(sample - prediction) ^ sign) - sign), scan[1])
    error = reduce_error(error, scan, scan[1])
    bits, fill, at = code_interruption(state, error, same, scan, run_bits, window, bits, fill, at)
    return reconstruct(prediction, int32((error ^ sign) - sign), scan[0], scan[2], scan[1]), bits, fill, at


@device_function
def code_near_line(state, run_place, previous, line, count, regions, gradients, scan, window, bits, fill, at):
    """Code a line of one component."""
    maximum = scan[0]
    near = scan[1][0]
    current = line[int64(1) :]
    above = previous[int64(1) :]
    run_index = state[run_place]
    left = line[0]
    place = uint64(0)
    while place < count:
        corner = previous[place]
        region = int32(regions[place] + int32(gradients[uint64(int32(corner - left + maximum))]))
        if region != int32(0):
            left, bits, fill, at = code_near_sample(
                state, region, current[place], left, above[place], corner, scan, window, bits, fill, at
            )
            current[place] = left
            place = place + uint64(1)
        else:
            start = place
            while place < count and abs(int32(current[place] - left)) <= near:
                current[place] = left
                place = place + uint64(1)
            at_end = place == count
            run_index, bits, fill, at = code_run(place - start, at_end, run_index, window, bits, fill, at)
            if not at_end:
                order = run_order(run_index)
                left, bits, fill, at = code_near_interruption(
                    state, current[place], left, above[place], True, scan, order, window, bits, fill, at
                )
                current[place] = left
                run_index = max(int32(run_index - int32(1)), int32(0))
                place = place + uint64(1)
    state[run_place] = run_index
    return bits, fill, at


@device_function
def code_near_interleaved_line(
    state, previous, line, components, count, regions, gradients, scan, window, bits, fill, at
):
    """Code a line of sample-interleaved components."""
    maximum = scan[0]
    near = scan[1][0]
    current = line[int64(components) :]
    above = previous[int64(components) :]
    run_place = uint64(RUN_INDICES)
    run_index = state[run_place]
    place = uint64(0)
    while place < count:
        region = region_of(regions, gradients, previous, line, place, maximum)
        if region != int32(0) or not starts_run(regions, gradients, previous, line, place, components, maximum):
            current[place], bits, fill, at = code_near_sample(
                state, region, current[place], line[place], above[place], previous[place], scan,
                window, bits, fill, at,
            )  # fmt: skip
            place = place + uint64(1)
        else:
            length = uint64(0)
            while place < count and pixel_in_run(current, line, place, components, near):
                length = length + uint64(1)
                place = place + components
            at_end = place == count
            run_index, bits, fill, at = code_run(length, at_end, run_index, window, bits, fill, at)
            if not at_end:
                order = run_order(run_index)
                for component in range(components):
                    sample = place + component
                    current[sample], bits, fill, at = code_near_interruption(
                        state, current[sample], line[sample], above[sample], False, scan, order, window, bits, fill, at
                    )
                run_index = max(int32(run_index - int32(1)), int32(0))
                place = place + components
    state[run_place] = run_index
    return bits, fill, at


@device_function
def pixel_in_run(current, line, place, components, near):
    """Return whether a pixel is its left neighbour but for NEAR; make it so if it is."""
    for component in range(components):
        if abs(int32(current[place + component] - line[place + component])) > near:
            return False
    for component in range(components):
        current[place + component] = line[place + component]
    return True
