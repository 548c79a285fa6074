"""The probability states of the MQ coder, T.800 Table C.2, and where codeblocks begin, Table D.7."""

from __future__ import annotations

import numpy as np

# Qe, next state after an MPS, next state after an LPS, whether the LPS exchanges the sense of the MPS.
_STATES = (
    (0x5601, 1, 1, 1), (0x3401, 2, 6, 0), (0x1801, 3, 9, 0), (0x0AC1, 4, 12, 0), (0x0521, 5, 29, 0),
    (0x0221, 38, 33, 0), (0x5601, 7, 6, 1), (0x5401, 8, 14, 0), (0x4801, 9, 14, 0), (0x3801, 10, 14, 0),
    (0x3001, 11, 17, 0), (0x2401, 12, 18, 0), (0x1C01, 13, 20, 0), (0x1601, 29, 21, 0), (0x5601, 15, 14, 1),
    (0x5401, 16, 14, 0), (0x5101, 17, 15, 0), (0x4801, 18, 16, 0), (0x3801, 19, 17, 0), (0x3401, 20, 18, 0),
    (0x3001, 21, 19, 0), (0x2801, 22, 19, 0), (0x2401, 23, 20, 0), (0x2201, 24, 21, 0), (0x1C01, 25, 22, 0),
    (0x1801, 26, 23, 0), (0x1601, 27, 24, 0), (0x1401, 28, 25, 0), (0x1201, 29, 26, 0), (0x1101, 30, 27, 0),
    (0x0AC1, 31, 28, 0), (0x09C1, 32, 29, 0), (0x08A1, 33, 30, 0), (0x0521, 34, 31, 0), (0x0441, 35, 32, 0),
    (0x02A1, 36, 33, 0), (0x0221, 37, 34, 0), (0x0141, 38, 35, 0), (0x0111, 39, 36, 0), (0x0085, 40, 37, 0),
    (0x0049, 41, 38, 0), (0x0025, 42, 39, 0), (0x0015, 43, 40, 0), (0x0009, 44, 41, 0), (0x0005, 45, 42, 0),
    (0x0001, 45, 43, 0), (0x5601, 46, 46, 0),
)  # fmt: skip

NUM_STATES = 2 * len(_STATES)  # a state and the sense of its more probable symbol

# The contexts as symbols name them. The order lets a word's labels be put together from bits.
ZERO_CODING = 0  # to 8
MAGNITUDE_REFINEMENT = 9  # to 11
RUN_LENGTH = 12
UNIFORM = 13
SIGN_CODING = 16  # to 20
NUM_CONTEXTS = 21


def _packed() -> np.ndarray:
    """Return a word a state.

    Bit 0 is the more probable symbol, bits 8 to 15 the state after it, bits 16 to 31 Qe, bits 56 to 63 the state
    after the less probable symbol.
    """
    table = np.zeros(NUM_STATES, np.uint64)
    for state, (qe, after_mps, after_lps, switch) in enumerate(_STATES):
        for mps in range(2):
            table[2 * state + mps] = (
                mps | (2 * after_mps + mps) << 8 | qe << 16 | (2 * after_lps + (mps ^ switch)) << 56
            )
    return table


STATES = _packed()
_first_states = np.zeros(NUM_CONTEXTS, np.int64)
_first_states[ZERO_CODING] = 2 * 4
_first_states[RUN_LENGTH] = 2 * 3
_first_states[UNIFORM] = 2 * 46
INITIAL_STATES = STATES[_first_states]
