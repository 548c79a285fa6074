"""Regular mode: a prediction error coded in its context, T.87 A.4 to A.6."""

from __future__ import annotations

from numpy import int32, uint32, uint64

from gpucodec_kernels.bits import keep_branch
from gpucodec_kernels.jpegls.contexts import update_context
from gpucodec_kernels.jpegls.golomb import LARGEST_PARAMETER, golomb_parameter, put_golomb, take_golomb
from gpucodec_kernels.jpegls.parameters import CONTEXT_WORDS, COUNT_BITS, INVALID_FLAG, NUM_CONTEXTS
from gpucodec_kernels.target import device_function, inline_function

COUNT_MASK = (1 << COUNT_BITS) - 1
RESTLESS_PARAMETER = 4


@device_function
def keep_golomb_parameters(state):
    """Compute the Golomb parameters of the contexts of regular mode, which stand above N."""
    k = golomb_parameter(state[0], state[3])
    for context in range(uint64(NUM_CONTEXTS)):
        state[context * uint64(CONTEXT_WORDS) + uint64(3)] |= int32(k << int32(COUNT_BITS))


@inline_function
def quantise_error(error, steps):
    """Return an error in steps of 2 NEAR + 1, A.4.4; an error in lossless coding as it is."""
    if steps is None:
        return error
    near, _, reciprocal, _ = steps
    size = int32((uint64(abs(error) + near) * reciprocal) >> uint64(32))
    sign = int32(error >> int32(31))
    return int32((size ^ sign) - sign)


@inline_function
def code_error(state, word, error, context, scan, window, bits, fill, at):
    """Code an error, reduced, in the context at `word`, and update the context; return the state of `put_bits`."""
    _, steps, _, _, longest_unary, qbpp = scan
    _, bias, _, count, k = context
    k = int32(k)
    mapped = int32(int32(error << int32(1)) ^ int32(error >> int32(31)))
    if may_invert(k, steps):
        keep_branch()
        mapped = int32(mapped ^ int32(int32(bias << int32(1)) <= -count))
    bits, fill, at = put_golomb(window, bits, fill, at, mapped, k, longest_unary, qbpp)
    learn_error(state, word, error, context, scan, steps)
    return bits, fill, at


@inline_function
def load_context(state, word):
    """Return A, B, C, N and k of the context at `word`."""
    packed = uint64(state[word + uint64(3)])
    count = int32(packed & uint64(COUNT_MASK))
    return state[word], state[word + uint64(1)], state[word + uint64(2)], count, packed >> uint64(COUNT_BITS)


@inline_function
def may_invert(k, steps):
    """Return whether negative errors may come first in the mapping of errors, A.5.2. They never do near-lossless."""
    if steps is None:
        return k == int32(0)
    return steps[0] == int32(0) and k == int32(0)


@inline_function
def is_restless(k, steps):
    """Return whether errors of contexts with this Golomb parameter correct the bias too often to foretell which do."""
    if steps is None:
        return k >= int32(RESTLESS_PARAMETER)
    return k >= steps[3]


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
    near, step, _, _ = steps
    value = int32(prediction + int32(error * step))
    if uint32(value + near) > uint32(maximum + near + near):
        keep_branch()
        cycle = int32(alphabet * step)
        value = int32(value + cycle) if value < int32(0) else int32(value - cycle)
    return max(int32(0), min(value, maximum))


@inline_function
def decode_error(state, word, scan, steps, window, position):
    """Decode an error in the context at `word`; return it, the context's state, and the position behind its code."""
    _, _, alphabet, _, longest_unary, qbpp = scan
    context = load_context(state, word)
    _, bias, _, count, k = context
    mapped, position = take_golomb(window, position, k, uint64(longest_unary), qbpp)
    mapped = check_mapped(state, mapped, alphabet)
    if may_invert(int32(k), steps):
        keep_branch()
        mapped = int32(mapped ^ int32(int32(bias << int32(1)) <= -count))
    error = int32(int32(mapped >> int32(1)) ^ int32(-int32(mapped & int32(1))))
    return error, context, position


@inline_function
def learn_error(state, word, error, context, scan, steps):
    """Update the context at `word` by a decoded error."""
    magnitude, bias, correction, count, k = context
    restless = is_restless(int32(k), steps)
    magnitude, count = update_context(
        state, word, magnitude, bias, correction, count, error, weigh_error(error, steps), scan[3], restless
    )
    # The parameter seldom changes: it stays while N << k is A or more, and less than twice A.
    if uint32(int32(count << int32(k)) - magnitude) >= uint32(magnitude):
        keep_branch()
        k = uint64(min(golomb_parameter(magnitude, count), int32(LARGEST_PARAMETER)))
    state[word + uint64(3)] = int32(count | int32(int32(k) << int32(COUNT_BITS)))


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
