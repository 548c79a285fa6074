"""Decoding a line, lossless or near-lossless."""

from __future__ import annotations

from numpy import int32, int64, uint64

from gpucodec_kernels.jpegls.contexts import region_of, starts_run
from gpucodec_kernels.jpegls.parameters import RUN_INDICES
from gpucodec_kernels.jpegls.regular import decode_sample
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
    place = uint64(0)
    while place < count:
        corner = previous[place]
        region = int32(regions[place] + int32(gradients[uint64(int32(corner - left + maximum))]))
        if region != int32(0):
            up = above[place]
            left, position = decode_sample(state, region, left, up, corner, scan, steps, window, position)
            current[place] = left
            place = place + uint64(1)
        else:
            length, run_index, position = decode_run(state, count - place, run_index, window, position)
            end = place + length
            while place < end:
                current[place] = left
                place = place + uint64(1)
            if place < count:
                left, position = decode_interruption(
                    state, left, above[place], True, run_index, scan, steps, window, position
                )
                run_index = max(int32(run_index - int32(1)), int32(0))
                current[place] = left
                place = place + uint64(1)
    state[run_place] = run_index
    return position


@device_function
def decode_interleaved_line(
    state, previous, line, components, count, regions, gradients, scan, steps, window, position
):
    """Decode a line of sample-interleaved components; return the position behind its codes."""
    maximum = scan[0]
    current = line[int64(components) :]
    above = previous[int64(components) :]
    run_place = uint64(RUN_INDICES)
    run_index = state[run_place]
    place = uint64(0)
    while place < count:
        region = region_of(regions, gradients, previous, line, place, maximum)
        if region != int32(0) or not starts_run(regions, gradients, previous, line, place, components, maximum):
            current[place], position = decode_sample(
                state, region, line[place], above[place], previous[place], scan, steps, window, position
            )
            place = place + uint64(1)
        else:
            longest = (count - place) // components
            length, run_index, position = decode_run(state, longest, run_index, window, position)
            end = place + length * components
            while place < end:
                current[place] = line[place]
                place = place + uint64(1)
            if place < count:
                for component in range(components):
                    sample = place + component
                    current[sample], position = decode_interruption(
                        state, line[sample], above[sample], False, run_index, scan, steps, window, position
                    )
                run_index = max(int32(run_index - int32(1)), int32(0))
                place = place + components
    state[run_place] = run_index
    return position
