"""Encoding a line of a lossless scan: what no context's state has a part in first, for a line at once."""

from __future__ import annotations

from numpy import int32, int64, uint64

from gpucodec_kernels.jpegls.contexts import (
    gradient_region,
    median_prediction,
    reduce_error,
    run_order,
    starts_run,
)
from gpucodec_kernels.jpegls.parameters import CONTEXT_WORDS, RUN_INDICES
from gpucodec_kernels.jpegls.regular import code_error, load_context
from gpucodec_kernels.jpegls.run import code_interruption, code_run
from gpucodec_kernels.target import device_function, inline_function


@device_function
def predict_line(previous, line, distance, count, bounds, words, errors, lows):
    """Compute for each sample of a line what does not depend on the contexts' state.

    That is the index of its context's first word; the prediction error before its correction by C, and the least C
    that keeps the prediction in range, both with the context's sign applied.
    """
    maximum, _, t1, t2, t3 = bounds
    above = previous[int64(distance) :]
    ahead = previous[int64(distance + distance) :]
    current = line[int64(distance) :]
    for place in range(count):
        left = line[place]
        up = above[place]
        corner = previous[place]
        region = int32(
            int32(81) * gradient_region(int32(ahead[place] - up), int32(0), t1, t2, t3)
            + int32(9) * gradient_region(int32(up - corner), int32(0), t1, t2, t3)
            + gradient_region(int32(corner - left), int32(0), t1, t2, t3)
        )
        sign = int32(region >> int32(31))
        prediction = median_prediction(left, up, corner)
        words[place] = int32(int32(CONTEXT_WORDS) * int32((region ^ sign) - sign))
        errors[place] = int32((int32(current[place] - prediction) ^ sign) - sign)
        lows[place] = int32(int32(sign & int32(prediction + prediction - maximum)) - prediction)


@inline_function
def code_sample(state, word, error, low, scan, window, bits, fill, at):
    """Code one sample in regular mode, A.4 to A.6; return the state of `put_bits`."""
    context = load_context(state, word)
    error = int32(error - min(max(context[2], low), int32(low + scan[0])))
    error = reduce_error(error, scan, None)
    return code_error(state, word, error, context, scan, window, bits, fill, at)


@device_function
def code_line(state, run_place, previous, line, count, work, scan, window, bits, fill, at):
    """Code a line of one component."""
    words, errors, lows = work
    current = line[1:]
    above = previous[1:]
    run_index = state[run_place]
    place = uint64(0)
    while place < count:
        word = uint64(words[place])
        if word != uint64(0):
            bits, fill, at = code_sample(state, word, errors[place], lows[place], scan, window, bits, fill, at)
            place = place + uint64(1)
        else:
            left = line[place]
            start = place
            while place < count and current[place] == left:
                place = place + uint64(1)
            at_end = place == count
            run_index, bits, fill, at = code_run(place - start, at_end, run_index, window, bits, fill, at)
            if not at_end:
                up = above[place]
                error = int32(current[place] - up)
                same = int32(left == up)
                if left > up:
                    error = int32(-error)
                order = run_order(run_index)
                bits, fill, at = code_interruption(
                    state, reduce_error(error, scan, None), same, scan, order, window, bits, fill, at
                )
                run_index = max(int32(run_index - int32(1)), int32(0))
                place = place + uint64(1)
    state[run_place] = run_index
    return bits, fill, at


@device_function
def code_interleaved_line(state, previous, line, components, count, work, scan, window, bits, fill, at):
    """Code a line of sample-interleaved components."""
    words, errors, lows = work
    current = line[int64(components) :]
    above = previous[int64(components) :]
    run_place = uint64(RUN_INDICES)
    run_index = state[run_place]
    place = uint64(0)
    while place < count:
        word = uint64(words[place])
        if word != uint64(0) or not starts_run(words, place, components):
            bits, fill, at = code_sample(state, word, errors[place], lows[place], scan, window, bits, fill, at)
            place = place + uint64(1)
        else:
            start = place
            run_end = place
            while run_end < count and current[run_end] == line[run_end]:
                run_end = run_end + uint64(1)
            at_end = run_end == count
            length = (run_end - start) // components
            place = start + length * components
            run_index, bits, fill, at = code_run(length, at_end, run_index, window, bits, fill, at)
            if not at_end:
                order = run_order(run_index)
                for component in range(components):
                    up = above[place + component]
                    error = int32(current[place + component] - up)
                    if line[place + component] > up:
                        error = int32(-error)
                    bits, fill, at = code_interruption(
                        state, reduce_error(error, scan, None), int32(0), scan, order, window, bits, fill, at
                    )
                run_index = max(int32(run_index - int32(1)), int32(0))
                place = place + components
    state[run_place] = run_index
    return bits, fill, at
