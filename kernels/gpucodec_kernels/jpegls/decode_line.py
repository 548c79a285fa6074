"""Decoding a line, lossless or near-lossless."""

from __future__ import annotations

from numpy import int32, int64, uint64

from gpucodec_kernels.jpegls.contexts import (
    correct_prediction,
    median_prediction,
    region_behind,
    starts_run,
)
from gpucodec_kernels.jpegls.parameters import CONTEXT_WORDS, RUN_INDICES
from gpucodec_kernels.jpegls.regular import decode_error, learn_error, reconstruct
from gpucodec_kernels.jpegls.run import decode_interruption, decode_run
from gpucodec_kernels.target import device_function


@device_function
def decode_plain_line(state, run_place, previous, line, count, regions, gradients, scan, steps, window, position):
    """Decode a line of one component; return the position behind its codes."""
    maximum = scan[0]
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
            error, context, position = decode_error(state, word, scan, steps, window, position)
            prediction = correct_prediction(median_prediction(left, up, corner), context[2], sign, maximum)
            left = reconstruct(prediction, int32((error ^ sign) - sign), maximum, scan[2], steps)
            current[place] = left
            corner = up
            place = place + uint64(1)
            region = region_behind(regions, gradients, up, left, place, maximum)
            learn_error(state, word, error, context, scan, steps)
        else:
            length, run_index, position = decode_run(state, count - place, run_index, window, position)
            end = place + length
            while place < end:
                current[place] = left
                place = place + uint64(1)
            if place < count:
                corner = above[place]
                left, position = decode_interruption(
                    state, left, corner, True, run_index, scan, steps, window, position
                )
                run_index = max(int32(run_index - int32(1)), int32(0))
                current[place] = left
                place = place + uint64(1)
                region = region_behind(regions, gradients, corner, left, place, maximum)
    state[run_place] = run_index
    return position


@device_function
def decode_interleaved_line(
    state, previous, line, components, count, regions, gradients, scan, steps, window, position
):
    """Decode a line of sample-interleaved components; return the position behind its codes.

    A sample's context is completed as soon as its left neighbour is known.
    """
    maximum = scan[0]
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
            error, context, position = decode_error(state, word, scan, steps, window, position)
            behind = place + components
            up = previous[behind]
            prediction = median_prediction(line[place], up, previous[place])
            prediction = correct_prediction(prediction, context[2], sign, maximum)
            sample = reconstruct(prediction, int32((error ^ sign) - sign), maximum, scan[2], steps)
            line[behind] = sample
            regions[behind] = region_behind(regions, gradients, up, sample, behind, maximum)
            learn_error(state, word, error, context, scan, steps)
            place = place + uint64(1)
        else:
            longest = (count - place) // components
            length, run_index, position = decode_run(state, longest, run_index, window, position)
            end = place + length * components
            while place < end:
                line[place + components] = line[place]
                place = place + uint64(1)
            if place < count:
                for component in range(components):
                    behind = place + component + components
                    left = line[place + component]
                    up = previous[behind]
                    sample, position = decode_interruption(
                        state, left, up, False, run_index, scan, steps, window, position
                    )
                    line[behind] = sample
                    regions[behind] = region_behind(regions, gradients, up, sample, behind, maximum)
                run_index = max(int32(run_index - int32(1)), int32(0))
                place = place + components
    state[run_place] = run_index
    return position
