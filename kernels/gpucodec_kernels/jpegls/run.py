"""Run mode: runs of samples that are their left neighbour, and the samples that end them, T.87 A.7."""

from __future__ import annotations

from numpy import int32, uint64

from gpucodec_kernels.jpegls.bits import load_bits, put_bits, take_bits
from gpucodec_kernels.jpegls.contexts import run_order
from gpucodec_kernels.jpegls.golomb import LARGEST_PARAMETER, golomb_parameter, put_golomb, take_golomb
from gpucodec_kernels.jpegls.parameters import CONTEXT_WORDS, INVALID_FLAG, NUM_CONTEXTS
from gpucodec_kernels.jpegls.regular import check_mapped, reconstruct
from gpucodec_kernels.target import device_function, inline_function


@device_function
def code_run(length, at_end, run_index, window, bits, fill, at):
    """Code a run's length, A.7.1; return the run index and the state of `put_bits`."""
    order = run_order(run_index)
    while length >= uint64(1) << order:
        bits, fill, at = put_bits(window, bits, fill, at, uint64(1), uint64(1))
        length = length - (uint64(1) << order)
        run_index = min(int32(run_index + int32(1)), int32(31))
        order = run_order(run_index)
    if not at_end:
        bits, fill, at = put_bits(window, bits, fill, at, length, order + uint64(1))
    elif length > uint64(0):
        bits, fill, at = put_bits(window, bits, fill, at, uint64(1), uint64(1))
    return run_index, bits, fill, at


@device_function
def code_interruption(state, error, same, scan, run_bits, window, bits, fill, at):
    """Code the sample that ends a run, A.7.2; `same` is RItype, 1 where Ra and Rb are equal."""
    _, _, _, reset, longest_unary, qbpp = scan
    word = interruption_word(same)
    magnitude = state[word]
    negative = state[word + uint64(1)]
    count = state[word + uint64(3)]
    k = golomb_parameter(int32(magnitude + int32(same * int32(count >> int32(1)))), count)
    flipped = int32(0)
    if error < int32(0):
        flipped = int32(negatives_first(k, negative, count))
    elif error > int32(0):
        flipped = int32(not negatives_first(k, negative, count))
    mapped = int32(int32(int32(2) * abs(error)) - same - flipped)
    unary = int32(longest_unary - int32(run_bits) - int32(1))
    bits, fill, at = put_golomb(window, bits, fill, at, mapped, k, unary, qbpp)
    update_interruption(state, word, magnitude, negative, count, error, mapped, same, reset)
    return bits, fill, at


@inline_function
def negatives_first(k, negative, count):
    """Return whether, of two errors of one size, the negative one is coded as the smaller value, A.7.2.2."""
    return k != int32(0) or int32(negative << int32(1)) >= count


@device_function
def update_interruption(state, word, magnitude, negative, count, error, mapped, same, reset):
    """Update a context of run interruption, A.7.2.3."""
    if error < int32(0):
        negative = int32(negative + int32(1))
    magnitude = int32(magnitude + int32(int32(mapped + int32(1) - same) >> int32(1)))
    if count == reset:
        magnitude = int32(magnitude >> int32(1))
        negative = int32(negative >> int32(1))
        count = int32(count >> int32(1))
    state[word] = magnitude
    state[word + uint64(1)] = negative
    state[word + uint64(3)] = int32(count + int32(1))


@inline_function
def interruption_word(same):
    """Return where the state of a context of run interruption begins; `same` is RItype."""
    return uint64(CONTEXT_WORDS * NUM_CONTEXTS) + uint64(CONTEXT_WORDS) * uint64(same)


@device_function
def decode_run(state, longest, run_index, window, position):
    """Decode a run's length, A.7.1, at most `longest`; return it, the run index and the position behind it."""
    length = uint64(0)
    while load_bits(window, position) >> uint64(63) > uint64(0):
        position = position + uint64(1)
        full = uint64(1) << run_order(run_index)
        if length + full <= longest:
            length = length + full
            run_index = min(int32(run_index + int32(1)), int32(31))
        else:
            length = longest
        if length == longest:
            return length, run_index, position
    order = run_order(run_index)
    length = length + take_bits(window, position + uint64(1), order)
    if length > longest:
        state[uint64(INVALID_FLAG)] = int32(1)
        length = longest
    return length, run_index, position + uint64(1) + order


@device_function
def decode_interruption(state, left, up, may_be_same, run_index, scan, steps, window, position):
    """Decode the sample that ends a run, A.7.2; return it and the position behind its code."""
    maximum, _, alphabet, reset, longest_unary, qbpp = scan
    same = int32(0)
    sign = int32(0)
    prediction = up
    if may_be_same and is_same(left, up, steps):
        same = int32(1)
        prediction = left
    elif left > up:
        sign = int32(-1)
    word = interruption_word(same)
    magnitude = state[word]
    negative = state[word + uint64(1)]
    count = state[word + uint64(3)]
    k = golomb_parameter(int32(magnitude + int32(same * int32(count >> int32(1)))), count)
    unary = int32(longest_unary - int32(run_order(run_index)) - int32(1))
    mapped, position = take_golomb(window, position, uint64(min(k, int32(LARGEST_PARAMETER))), uint64(unary), qbpp)
    mapped = check_mapped(state, mapped, alphabet)
    # Twice the size of the error, less 1 for the sign that is coded as the smaller value.
    doubled = int32(mapped + same)
    error = int32(int32(doubled + int32(1)) >> int32(1))
    if (doubled & int32(1) != int32(0)) == negatives_first(k, negative, count):
        error = int32(-error)
    update_interruption(state, word, magnitude, negative, count, error, mapped, same, reset)
    return reconstruct(prediction, int32((error ^ sign) - sign), maximum, alphabet, steps), position


@inline_function
def is_same(left, up, steps):
    """Return whether two samples are equal but for NEAR."""
    if steps is None:
        return left == up
    return abs(int32(left - up)) <= steps[0]
