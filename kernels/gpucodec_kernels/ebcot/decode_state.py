"""What a lane keeps of one of its two codeblocks: the words of a side.

First come those of the MQ decoder (see `mq_decoder`), then those named here, then the flags, then regions.

Regions hold a word for each 16 columns by four rows of the codeblock, with a margin of zero words around it
    SIGNIFICANT   found to be different from zero so far
    NEGATIVE      those of them that are negative
    VISITED       coded in this bit-plane's significance propagation pass
    REFINED       refined at least once
    BIT_PLANES    the magnitudes, bit-plane 0 first

Flags are a word for each column of a stripe, with a margin around the codeblock, and tell of the columns beside and the
rows above and below as well: bit ``3 * (row + 1) + (column + 1)`` is set where the coefficient in that row (-1 to 4)
and column (-1 to 1) is significant, bit 32 and more where it is negative as well.
"""

from __future__ import annotations

from numpy import uint64

from gpucodec_kernels.target import device_function

SIGNIFICANT = 0
NEGATIVE = 1
VISITED = 2
REFINED = 3
BIT_PLANES = 4

# The codeblock
ACTIVE = 128
NUMBER = 129  # among those of all frames
WIDTH = 130
HEIGHT = 131
ACROSS = 132  # words in a stripe
STRIPES = 133
REGION = 134  # words of a region
REGIONS = 135  # where they begin
ORIENTATION = 136
STYLE = 137
NUM_PLANES = 138
NUM_PASSES = 139
# Where its decoding is
PASS = 140
SEGMENT = 141  # the next one
PASSES_LEFT = 142  # in the segment
BITS = 143  # where the region of this bit-plane begins
NUM_REFINEMENTS = 144  # symbols that wait

BUFFER = 160  # 64 words
FLAGS = 224

_ONE = uint64(1)
_TWO = uint64(2)


def side_words(width: int, height: int, planes: int) -> int:
    """Return the words of a side, for codeblocks up to this size and number of bit-planes."""
    across, stripes = -(-width // 16), -(-height // 4)
    return FLAGS + (stripes + 2) * (16 * across + 2 + (BIT_PLANES + planes) * (across + 2))


@device_function
def set_shape(side, width, height):
    """Write the codeblock's size and what follows from it; return how many words are used without bit-planes."""
    across, stripes = (width + uint64(15)) >> uint64(4), (height + uint64(3)) >> _TWO
    side[WIDTH], side[HEIGHT], side[ACROSS], side[STRIPES] = width, height, across, stripes
    side[REGION] = (stripes + _TWO) * (across + _TWO)
    side[REGIONS] = uint64(FLAGS) + (stripes + _TWO) * (across * uint64(16) + _TWO)
    return side[REGIONS] + uint64(BIT_PLANES) * side[REGION]
