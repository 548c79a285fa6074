"""Gradients, prediction and the state of contexts, T.87 A.3, A.4 and A.6.

State of a scan, int32, contiguous for each index
    ``(A, B, C, N)`` of each of the 365 contexts of regular mode, then of the two of run interruption, whose B is
    the count of negative errors Nn; then a run index for each component.

    Each context's Golomb parameter is kept above the 16 bits of N.

On a GPU a warp's threads code different scans, and each visits a context of its own: whatever the layout, they
touch 32 different places at a time. One context is therefore 16 bytes in one place, which one sector of 32 bytes
holds, so that a visit is one sector read and written; laid out by context instead (``state[word * count + index]``),
its four words would be in four sectors, as threads seldom visit the same context at once. Nothing is shared between
threads, so there are no atomics and no bank conflicts. The 5.9 KB of an index stay in L2 for as many indices as it
holds: 700 a 4 MB of it.
"""

from __future__ import annotations

from numpy import int32, int64, uint64

from gpucodec_kernels.bits import keep_branch
from gpucodec_kernels.jpegls.parameters import CONTEXT_WORDS, NUM_CONTEXTS
from gpucodec_kernels.target import device_function, inline_function

# Run lengths are coded by 2**J; J of the 32 run indices, A.2.1, in four bits each.
_J_LOW = 0x3333222211110000
_J_HIGH = 0xFEDCBA9877665544


@inline_function
def run_order(run_index):
    """Return J of a run index, uint64."""
    nibble = (uint64(run_index) & uint64(15)) << uint64(2)
    packed = uint64(_J_HIGH) if run_index >= int32(16) else uint64(_J_LOW)
    return (packed >> nibble) & uint64(15)


@device_function
def reset_state(state, alphabet):
    """Set a scan's contexts and run indices to what they are at the start of a scan, A.2.1."""
    magnitude = max(int32(2), int32((alphabet + int32(32)) >> int32(6)))
    contexts = uint64(NUM_CONTEXTS + 2)
    for context in range(contexts):
        word = uint64(context) * uint64(CONTEXT_WORDS)
        state[word] = magnitude
        state[word + uint64(1)] = int32(0)
        state[word + uint64(2)] = int32(0)
        state[word + uint64(3)] = int32(1)
    for word in range(contexts * uint64(CONTEXT_WORDS), uint64(len(state))):
        state[uint64(word)] = int32(0)


@inline_function
def median_prediction(left, above, corner):
    """Return the median edge detecting prediction, A.4.1."""
    low = min(left, above)
    high = max(left, above)
    return max(low, min(high, int32(left + above - corner)))


@inline_function
def reduce_error(error, scan, steps):
    """Return an error modulo the alphabet's size, A.4.5; a lossless alphabet is one of `qbpp` bits."""
    _, _, alphabet, _, _, qbpp = scan
    if steps is None:
        unused = int32(int32(32) - qbpp)
        return int32(int32(error << unused) >> unused)
    if error < -(alphabet >> int32(1)):
        error = int32(error + alphabet)
    if error >= (alphabet + int32(1)) >> int32(1):
        error = int32(error - alphabet)
    return error


@inline_function
def update_context(state, word, magnitude, bias, correction, count, error, weighted_error, reset, restless):
    """Update A, B and C of the context at `word` by an error, A.6; return A and N, which the caller keeps.

    `weighted_error` is the error times 2 NEAR + 1. `restless` says whether the bias is corrected without branches:
    where any error may correct it, a processor foretells none, and elsewhere all.
    """
    magnitude = int32(magnitude + abs(error))
    bias = int32(bias + weighted_error)
    if count == reset:
        keep_branch()
        magnitude = int32(magnitude >> int32(1))
        bias = int32(bias >> int32(1))
        count = int32(count >> int32(1))
    count = int32(count + int32(1))
    if restless:
        keep_branch()
        low = int32(int32(bias + count - int32(1)) >> int32(31))
        high = int32(int32(-bias) >> int32(31))
        state[word + uint64(2)] = min(max(int32(correction + low - high), int32(-128)), int32(127))
        bias = int32(bias + int32(count & low) - int32(count & high))
        bias = min(max(bias, int32(int32(1) - count)), int32(0))
    elif bias <= -count:
        bias = max(int32(bias + count), int32(int32(1) - count))
        state[word + uint64(2)] = max(int32(correction - int32(1)), int32(-128))
    elif bias > int32(0):
        bias = min(int32(bias - count), int32(0))
        state[word + uint64(2)] = min(int32(correction + int32(1)), int32(127))
    state[word] = magnitude
    state[word + uint64(1)] = bias
    return magnitude, count


@inline_function
def gradient_region(gradient, near, t1, t2, t3):
    """Return the region of a gradient, -4 to 4, A.3.3, by comparisons, which vectorise."""
    size = int32(abs(gradient))
    sign = int32(gradient >> int32(31))
    region = int32(int32(size > near) + int32(size >= t1) + int32(size >= t2) + int32(size >= t3))
    return int32((region ^ sign) - sign)


@device_function
def find_regions_above(previous, distance, count, bounds, regions):
    """Compute what the line above adds to each sample's context, 81 Q1 + 9 Q2, A.3.4."""
    _, near, t1, t2, t3 = bounds
    above = previous[int64(distance) :]
    ahead = previous[int64(distance + distance) :]
    for place in range(count):
        up = above[place]
        regions[place] = int32(
            int32(81) * gradient_region(int32(ahead[place] - up), near, t1, t2, t3)
            + int32(9) * gradient_region(int32(up - previous[place]), near, t1, t2, t3)
        )


@inline_function
def correct_prediction(prediction, correction, sign, maximum):
    """Return a prediction corrected by C, A.4.2; `sign` is 0 or -1."""
    return max(int32(0), min(int32(prediction + int32((correction ^ sign) - sign)), maximum))


@inline_function
def region_behind(regions, gradients, up, sample, place, maximum):
    """Return the context, with its sign, of the sample at `place`, whose neighbours are `sample` and, above, `up`."""
    return int32(regions[place] + int32(gradients[uint64(int32(up - sample + maximum))]))


@device_function
def starts_run(regions, place, components):
    """Return whether a sample of no gradients is the first of a pixel of no gradients."""
    if place % components != uint64(0):
        return False
    for component in range(uint64(1), components):  # noqa: SIM110 - Numba knows no generators
        if regions[place + uint64(component)] != int32(0):
            return False
    return True
