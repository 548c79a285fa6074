"""What the decoder looks up: context labels of one coefficient, and the MQ coder's states packed for decoding.

All of it follows from the tables of `mq_tables` and the rules of `neighbours`. A neighbourhood is nine bits, three of
each row, the coefficient itself in the middle, as `decode_passes` keeps them.
"""

from __future__ import annotations

import numpy as np
from numpy import uint8, uint64

from gpucodec_kernels.ebcot import mq_tables
from gpucodec_kernels.ebcot.neighbours import contribution, sign_coding_label, zero_coding_label

# The decoder's contexts. Magnitude refinement's follow from its symbols, see `decode_refinement`.
ZERO_CODING = 0  # to 8
SIGN_CODING = 9  # to 13
RUN_LENGTH = 14
UNIFORM = 15
MAGNITUDE_REFINEMENT = 17  # to 19
NUM_CONTEXTS = 20

NEIGHBOURHOODS = 512  # of one orientation


def _states() -> np.ndarray:
    """Return a word a state.

    Bit 0 is the more probable symbol, bits 8 to 15 the state after it, bits 16 to 23 the state after the less
    probable symbol, bits 48 to 63 Qe.
    """
    packed = mq_tables.STATES
    kept = packed & uint64(0xFF01)
    return kept | (packed >> uint64(56)) << uint64(16) | ((packed >> uint64(16)) & uint64(0xFFFF)) << uint64(48)


def _first_states() -> np.ndarray:
    first = np.repeat(STATES[:1], NUM_CONTEXTS)
    rows = np.flatnonzero(np.isin(mq_tables.STATES, mq_tables.INITIAL_STATES))
    by_word = {int(mq_tables.STATES[row]): STATES[row] for row in rows}
    for ours, theirs in (
        (ZERO_CODING, mq_tables.ZERO_CODING),
        (RUN_LENGTH, mq_tables.RUN_LENGTH),
        (UNIFORM, mq_tables.UNIFORM),
    ):
        first[ours] = by_word[int(mq_tables.INITIAL_STATES[theirs])]
    return first


def _neighbours(code: np.ndarray) -> list[np.ndarray]:
    return [(code >> uint64(place)) & uint64(1) for place in range(9)]


def _zero_coding() -> np.ndarray:
    """Return the context of each neighbourhood, for each of the four orientations."""
    codes = np.arange(NEIGHBOURHOODS, dtype=np.uint64)
    north_west, north, north_east, west, _, east, south_west, south, south_east = _neighbours(codes)
    tables = []
    for orientation in range(4):
        diagonals = (north_west, north_east, south_west, south_east)
        words = zero_coding_label(uint64(orientation), west, east, north, south, diagonals)
        tables.append(sum((word & uint64(1)) << uint64(bit) for bit, word in enumerate(words)))
    return (np.concatenate(tables) + uint64(ZERO_CODING)).astype(uint8)


def _sign_coding() -> np.ndarray:
    """Return the context of each neighbourhood of four, and in bit 7 the XOR bit.

    Odd bits 1, 3, 5, 7 tell whether the northern, western, eastern, southern neighbour is significant, the bits
    below them whether it is negative.
    """
    codes = np.arange(256, dtype=np.uint64)
    bits = _neighbours(codes)
    h_plus, h_minus = contribution(bits[3], bits[2], bits[5], bits[4])
    v_plus, v_minus = contribution(bits[1], bits[0], bits[7], bits[6])
    label_0, label_1, label_2, flip = (word & uint64(1) for word in sign_coding_label(h_plus, h_minus, v_plus, v_minus))
    context = label_0 | label_1 << uint64(1) | label_2 << uint64(2)
    return (context + uint64(SIGN_CODING) | flip << uint64(7)).astype(uint8)


def _later_neighbours() -> np.ndarray:
    """Return for each coefficient of a word the neighbours in it that follow in the scan."""
    table = np.zeros(64, np.uint64)
    for place in range(64):
        column, row = divmod(place, 4)
        near = [(column, row + 1), *((column + 1, row + step) for step in (-1, 0, 1))]
        table[place] = sum(1 << (4 * x + y) for x, y in near if x < 16 and 0 <= y < 4)
    return table


STATES = _states()
INITIAL_STATES = _first_states()
ZERO_CODING_CONTEXTS = _zero_coding()
SIGN_CODING_CONTEXTS = _sign_coding()
LATER_NEIGHBOURS = _later_neighbours()
