"""Encoding a line of a near-lossless scan: each sample is predicted from samples as a decoder finds them.

The line's samples are replaced by those, one after the other.
"""

from __future__ import annotations

from numpy import int32, int64, uint64

from gpucodec_kernels.jpegls.contexts import (
    correct_prediction,
    median_prediction,
    reduce_error,
    region_behind,
    run_order,
    starts_run,
)
from gpucodec_kernels.jpegls.parameters import CONTEXT_WORDS, RUN_INDICES
from gpucodec_kernels.jpegls.regular import code_error, load_context, quantise_error, reconstruct
from gpucodec_kernels.jpegls.run import code_interruption, code_run
from gpucodec_kernels.target import device_function, inline_function


@inline_function
def predict_sample(state, word, sign, sample, left, up, corner, scan):
    """Predict one sample; return its error, reduced, and what a decoder finds."""
    maximum, steps, _, _, _, _ = scan
    prediction = correct_prediction(median_prediction(left, up, corner), state[word + uint64(2)], sign, maximum)
    error = quantise_error(int32(sample - prediction), steps)
    found = max(int32(0), min(int32(prediction + int32(error * steps[1])), maximum))
    return reduce_error(int32((error ^ sign) - sign), scan, steps), found


@inline_function
def code_near_error(state, word, error, scan, window, bits, fill, at):
    """Code an error in the context at `word`, and update the context; return the state of `put_bits`."""
    return code_error(state, word, error, load_context(state, word), scan, window, bits, fill, at)


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
    corner = previous[0]
    region = region_behind(regions, gradients, corner, left, uint64(0), maximum)
    place = uint64(0)
    while place < count:
        if region != int32(0):
            up = above[place]
            sign = int32(region >> int32(31))
            word = uint64(CONTEXT_WORDS) * uint64(int32((region ^ sign) - sign))
            error, left = predict_sample(state, word, sign, current[place], left, up, corner, scan)
            current[place] = left
            corner = up
            place = place + uint64(1)
            region = region_behind(regions, gradients, corner, left, place, maximum)
            bits, fill, at = code_near_error(state, word, error, scan, window, bits, fill, at)
        else:
            start = place
            while place < count and abs(int32(current[place] - left)) <= near:
                current[place] = left
                place = place + uint64(1)
            at_end = place == count
            run_index, bits, fill, at = code_run(place - start, at_end, run_index, window, bits, fill, at)
            if not at_end:
                order = run_order(run_index)
                corner = above[place]
                left, bits, fill, at = code_near_interruption(
                    state, current[place], left, corner, True, scan, order, window, bits, fill, at
                )
                current[place] = left
                run_index = max(int32(run_index - int32(1)), int32(0))
                place = place + uint64(1)
                region = region_behind(regions, gradients, corner, left, place, maximum)
    state[run_place] = run_index
    return bits, fill, at


@device_function
def code_near_interleaved_line(
    state, previous, line, components, count, regions, gradients, scan, window, bits, fill, at
):
    """Code a line of sample-interleaved components."""
    maximum = scan[0]
    near = scan[1][0]
    run_place = uint64(RUN_INDICES)
    run_index = state[run_place]
    for component in range(components):
        regions[component] = region_behind(regions, gradients, previous[component], line[component], component, maximum)
    place = uint64(0)
    while place < count:
        region = regions[place]
        if region != int32(0) or not starts_run(regions, place, components):
            sign = int32(region >> int32(31))
            word = uint64(CONTEXT_WORDS) * uint64(int32((region ^ sign) - sign))
            behind = place + components
            up = previous[behind]
            error, sample = predict_sample(state, word, sign, line[behind], line[place], up, previous[place], scan)
            line[behind] = sample
            regions[behind] = region_behind(regions, gradients, up, sample, behind, maximum)
            bits, fill, at = code_near_error(state, word, error, scan, window, bits, fill, at)
            place = place + uint64(1)
        else:
            length = uint64(0)
            while place < count and pixel_in_run(line, place, components, near):
                length = length + uint64(1)
                place = place + components
            at_end = place == count
            run_index, bits, fill, at = code_run(length, at_end, run_index, window, bits, fill, at)
            if not at_end:
                order = run_order(run_index)
                for component in range(components):
                    behind = place + component + components
                    up = previous[behind]
                    sample, bits, fill, at = code_near_interruption(
                        state, line[behind], line[place + component], up, False, scan, order, window, bits, fill, at
                    )
                    line[behind] = sample
                    regions[behind] = region_behind(regions, gradients, up, sample, behind, maximum)
                run_index = max(int32(run_index - int32(1)), int32(0))
                place = place + components
    state[run_place] = run_index
    return bits, fill, at


@device_function
def pixel_in_run(line, place, components, near):
    """Return whether the pixel behind `place` is that one but for NEAR; make it so if it is."""
    for component in range(place, place + components):
        if abs(int32(line[component + components] - line[component])) > near:
            return False
    for component in range(place, place + components):
        line[component + components] = line[component]
    return True
