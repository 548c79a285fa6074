"""What encoding and decoding of a scan share: its constants, and where an index's state and lines lie.

``scratch`` of one index holds its state, then two lines for each component that has lines of its own, which take
turns in being the line above, then three more lines to work in. A line is an edge of `distance` samples, its samples,
and an edge again; `distance` is how far apart neighbours are: 1, or the components of a pixel.

Bytes moved for each sample of s bytes that encodes to c bytes, beside the least possible, s + c
    encoding s + 12 (line: written once, read for itself and as the line above) + 24 (three working values, written
    and read) + 32 (context; 64 in sectors of 32 bytes on a GPU) + 3c (window, stuffing, slot); near-lossless 8
    instead of 24.
    decoding s + 12 + 8 (what the line above adds to the context) + 32 or 64 + 3c (segment, window twice).
On the CPU all but s and c stay in the first two caches: 5.9 KB of state, and 20 to 28 bytes a column.

How many indices fill a GPU, on paper: with up to 128 registers an index, a multiprocessor holds 512. One index is
serial, so a GPU is worth its while from about a block of 128 indices a multiprocessor, and full at four.
Near-lossless encoding takes up to 156 registers before 9.0, and is full at three there.

============  =========================  =============  ========
architecture  example                    worth it from  full at
============  =========================  =============  ========
7.5           T4, 40 multiprocessors             5,120    20,480
8.0           A100, 108                         13,824    55,296
8.6           A40, 84                           10,752    43,008
9.0           H100, 132                         16,896    67,584
10.0          B200, 148                         18,944    75,776
12.0          RTX 5090, 170                     21,760    87,040
============  =========================  =============  ========
"""

from __future__ import annotations

from numpy import int32, int64, uint64

from gpucodec_kernels.bits import leading_zeros
from gpucodec_kernels.jpegls.parameters import (
    COMPONENTS,
    INTERLEAVE,
    LIMIT,
    LINE_SAMPLES,
    MAXIMUM_SAMPLE_VALUE,
    NEAR,
    NUM_PLANES,
    QBPP,
    RANGE,
    RESET,
    SAMPLE_INTERLEAVE,
    SLACK,
    STATE_WORDS,
    T1,
    T2,
    T3,
)
from gpucodec_kernels.jpegls.regular import RESTLESS_PARAMETER
from gpucodec_kernels.target import device_function


@device_function
def near_steps(near):
    """Return NEAR, the step 2 NEAR + 1 between errors, what multiplied by and shifted by 32 divides by it, and a bound.

    The division is exact for all that is smaller than 2**32 over the step, and so for all errors. The bound is the
    least Golomb parameter for `is_restless`: biases count steps, Golomb parameters errors.
    """
    step = int32(near + near + int32(1))
    restless = max(int32(0), int32(RESTLESS_PARAMETER + 1 - 64) + int32(leading_zeros(uint64(step))))
    return near, step, uint64(0xFFFFFFFF) // uint64(step) + uint64(1), restless


@device_function
def scan_constants(parameters, steps):
    """Return the tuple ``scan`` of `golomb`, and the bounds that `gradient_region` compares with."""
    qbpp = parameters[QBPP]
    longest_unary = int32(parameters[LIMIT] - qbpp - int32(1))
    maximum = parameters[MAXIMUM_SAMPLE_VALUE]
    bounds = (maximum, parameters[NEAR], parameters[T1], parameters[T2], parameters[T3])
    return (maximum, steps, parameters[RANGE], parameters[RESET], longest_unary, qbpp), bounds


@device_function
def interleaved_components(parameters):
    """Return how many components' samples alternate in a line."""
    if parameters[INTERLEAVE] == int32(SAMPLE_INTERLEAVE):
        return uint64(parameters[COMPONENTS])
    return uint64(1)


@device_function
def line_words(parameters):
    """Return the words of a line with its edges."""
    return int64(parameters[LINE_SAMPLES]) + int64(SLACK)


@device_function
def scratch_words(parameters):
    """Return the words of one index's scratch."""
    return int64(STATE_WORDS) + (int64(2) * int64(parameters[NUM_PLANES]) + int64(3)) * line_words(parameters)


@device_function
def line_start(parameters, plane, row):
    """Return where in scratch the line lies that a row of a component is in."""
    return int64(STATE_WORDS) + (int64(2) * plane + (row & int64(1))) * line_words(parameters)


@device_function
def working_line_start(parameters, number):
    """Return where in scratch one of the three lines to work in lies."""
    return int64(STATE_WORDS) + (int64(2) * int64(parameters[NUM_PLANES]) + number) * line_words(parameters)


@device_function
def clear_lines(scratch, parameters):
    """Set the lines above a scan's first to zero."""
    end = int64(STATE_WORDS) + int64(2) * int64(parameters[NUM_PLANES]) * line_words(parameters)
    lines = scratch[int64(STATE_WORDS) : end]
    for word in range(uint64(len(lines))):
        lines[word] = int32(0)


@device_function
def set_edges(previous, line, distance, count):
    """Set what lies beside two lines' samples, A.2.1: left of the line its first Ra, right of the one above Rd."""
    for place in range(distance):
        line[place] = previous[distance + place]
        previous[distance + count + place] = previous[count + place]
