"""Regular mode: a prediction error coded in its context, T.87 A.4 to A.6."""

from __future__ import annotations

from numpy import int32, uint32, uint64

from gpucodec_kernels.bits import keep_branch
from gpucodec_kernels.jpegls.contexts import correct_prediction, median_prediction, update_context
from gpucodec_kernels.jpegls.golomb import LARGEST_PARAMETER, golomb_parameter, put_golomb, take_golomb
from gpucodec_kernels.jpegls.parameters import CONTEXT_WORDS, COUNT_BITS, INVALID_FLAG
from gpucodec_kernels.target import inline_function

COUNT_MASK = (1 << COUNT_BITS) - 1


@inline_function
def quantise_error(error, steps):
    """Return an error in steps of 2 NEAR + 1, A.4.4; an error in lossless coding as it is."""
    if steps is None:
        return error
    near, _, reciprocal = steps
    size = int32((uint64(abs(error) + near) * reciprocal) >> uint64(32))
    sign = int32(error >> int32(31))
    return int32((size ^ sign) - sign)


@inline_function
def code_error(state, word, error, magnitude, bias, correction, count, scan, window, bits, fill, at):
    """Code an error, reduced, in the context at `word`, and update the context; return the state of `put_bits`."""
    _, steps, _, reset, longest_unary, qbpp = scan
    k = golomb_parameter(magnitude, count)
    mapped = int32(int32(error << int32(1)) ^ int32(error >> int32(31)))
    if k == int32(0):
        keep_branch()
        if inverted(k, bias, count, steps):
            mapped = int32(mapped ^ int32(1))
    bits, fill, at = put_golomb(window, bits, fill, at, mapped, k, longest_unary, qbpp)
    weighted = weigh_error(error, steps)
    _, count = update_context(state, word, magnitude, bias, correction, count, error, weighted, reset)
    state[word + uint64(3)] = count
    return bits, fill, at


@inline_function
def inverted(k, bias, count, steps):
    """Return whether negative errors come first in the mapping of errors, A.5.2. They never do near-lossless."""
    if steps is None:
        return k == int32(0) and int32(bias << int32(1)) <= -count
    return steps[0] == int32(0) and k == int32(0) and int32(bias << int32(1)) <= -count


@inline_function
def weigh_error(error, steps):
    """Return an error in samples, as B adds it up."""
    if steps is None:
        return error
    return int32(error * steps[1])


@inline_function
def reconstruct(prediction, error, maximum, alphabet, steps):
    """Return the sample that a prediction and an error in steps stand for, A.4.5 and A.4.4."""
    if steps is None:
        return int32(int32(prediction + error) & maximum)
    near, step, _ = steps
    value = int32(prediction + int32(error * step))
    if value < -near:
        value = int32(value + int32(alphabet * step))
    elif value > int32(maximum + near):
        value = int32(value - int32(alphabet * step))
    return max(int32(0), min(value, maximum))


@inline_function
def decode_sample(state, region, left, up, corner, scan, steps, window, position):
    """Decode one sample; return it and the position behind its code."""
    maximum, _, alphabet, reset, longest_unary, qbpp = scan
    sign = int32(region >> int32(31))
    word = uint64(CONTEXT_WORDS) * uint64(int32((region ^ sign) - sign))
    magnitude = state[word]
    bias = state[word + uint64(1)]
    correction = state[word + uint64(2)]
    packed = uint64(state[word + uint64(3)])
    k = packed >> uint64(COUNT_BITS)
    count = int32(packed & uint64(COUNT_MASK))
    prediction = correct_prediction(median_prediction(left, up, corner), correction, sign, maximum)
    mapped, position = take_golomb(window, position, k, uint64(longest_unary), qbpp)
    mapped = check_mapped(state, mapped, alphabet)
    if k == uint64(0):
        keep_branch()
        if inverted(int32(k), bias, count, steps):
            mapped = int32(mapped ^ int32(1))
    error = int32(int32(mapped >> int32(1)) ^ int32(-int32(mapped & int32(1))))
    weighted = weigh_error(error, steps)
    magnitude, count = update_context(state, word, magnitude, bias, correction, count, error, weighted, reset)
    # The parameter seldom changes: it stays while N << k is A or more, and less than twice A.
    if uint32(int32(count << int32(k)) - magnitude) >= uint32(magnitude):
        keep_branch()
        k = uint64(min(golomb_parameter(magnitude, count), int32(LARGEST_PARAMETER)))
    state[word + uint64(3)] = int32(count | int32(int32(k) << int32(COUNT_BITS)))
    return reconstruct(prediction, int32((error ^ sign) - sign), maximum, alphabet, steps), position


@inline_function
def check_mapped(state, mapped, alphabet):
    """Return a mapped error value, int32, or 0 for one that no encoder writes, and remember that there was one.

    All that follows relies on errors of no more than the alphabet's size: contexts, Golomb parameters, and with
    them the length of codes, and samples.
    """
    if mapped >= uint64(alphabet + alphabet):
        state[uint64(INVALID_FLAG)] = int32(1)
        return int32(0)
    return int32(mapped)
