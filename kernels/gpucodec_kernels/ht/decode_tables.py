"""The codes of the cleanup pass, T.814 Annex C and 7.3.6, as a decoder looks them up: one word of 32 bits an entry.

A quad's entry, at ``table * 4096 + (c_q << 7 | seven bits of VLC)``, and for a quad with c_q = 0 and a MEL event 1 at
1024 more, without an event 0 (nothing is coded). From 2048 on nothing is coded either: for a quad beside the codeblock.

    bits 0-2    bits of the codeword            bits 16-19  e_1
    bit 6       u_off                           bit 4 + 8n  rho of sample n
    bits 7-9    what the quad on its right      bit 5 + 8n  e_k of sample n
                adds to its context             bit 30      several samples are significant
    bits 22-27  free for u

The entry of a pair's unsigned residuals, at ``RESIDUALS + (u_off of both << 6 | six bits of VLC)``, in the first row of
quads at ``FIRST_RESIDUALS + (event << 8 | u_off of both << 6 | six bits of VLC)``, where `event` is the MEL event that
there is where both are to follow.

    bits 0-2    bits of both prefixes           bits 12-15  u of the first, without its suffix
    bits 4-7    bits of both suffixes           bits 16-19  u of the second, likewise
    bits 8-10   bits of the first's suffix
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gpucodec_kernels.ht.tables import cxt_vlc_rows

__all__ = ["NUM_ENTRIES", "decode_tables", "residual_prefix"]

TABLE_ENTRIES = 4096
EVENT = 1024
OUTSIDE = 2048
RESIDUALS = 2 * TABLE_ENTRIES
FIRST_RESIDUALS = RESIDUALS + 256
NUM_ENTRIES = FIRST_RESIDUALS + 512

CONTEXT_MASK = 7 << 7
RHO_SHIFT, KNOWN_SHIFT = 4, 5  # of the first sample; those of the next lie eight bits higher
ONES_SHIFT = 16
RESIDUAL_SHIFT = 22
SEVERAL = 1 << 30


def decode_tables() -> npt.NDArray[np.uint32]:
    """Return the tables of quads in the first row, of quads in other rows, and of residuals, one after another."""
    entries = np.zeros(NUM_ENTRIES, np.uint32)
    for table in range(2):
        _fill_quads(entries[table * TABLE_ENTRIES : (table + 1) * TABLE_ENTRIES], table)
    for index in range(256):
        entries[RESIDUALS + index] = _residuals(index, False)
    for index in range(512):
        entries[FIRST_RESIDUALS + index] = _residuals(index, True)
    return entries


def _fill_quads(entries: npt.NDArray[np.uint32], table: int) -> None:
    for c_q, rho, u_off, e_k, e_1, codeword, length in cxt_vlc_rows(table):
        word = length | u_off << 6 | e_1 << ONES_SHIFT | _spread(rho) << RHO_SHIFT | _spread(e_k) << KNOWN_SHIFT
        if rho.bit_count() > 1:
            word |= SEVERAL
        if table == 0:
            word |= (rho & 1 | rho >> 1 & 1) << 7 | (rho >> 2 & 1) << 8 | (rho >> 3) << 9
        else:
            word |= (rho >> 2 & 1 | rho >> 3) << 8
        first = (c_q << 7 if c_q else EVENT) + codeword
        entries[first : first + 128 - codeword : 1 << length] = word


def _spread(bits: int) -> int:
    """Return four bits eight places apart."""
    return sum((bits >> n & 1) << 8 * n for n in range(4))


def _residuals(index: int, first_row: bool) -> int:
    """Return the entry for the bits of VLC, the offsets, and the MEL event of a pair."""
    bits, offsets, event = index & 63, index >> 6 & 3, index >> 8
    lengths, suffixes, values = [0, 0], [0, 0], [0, 0]
    if offsets & 1:
        lengths[0], suffixes[0], values[0] = residual_prefix(bits)
    if offsets & 2:
        following = bits >> lengths[0]
        if first_row and not event and values[0] > 2:
            lengths[1], values[1] = 1, 1 + (following & 1)
        else:
            lengths[1], suffixes[1], values[1] = residual_prefix(following)
    if event and offsets == 3:
        values = [value + 2 for value in values]
    return sum(lengths) | sum(suffixes) << 4 | suffixes[0] << 8 | values[0] << 12 | values[1] << 16


def residual_prefix(bits: int) -> tuple[int, int, int]:
    """Return the bits of a prefix and of its suffix, and the value without the suffix, Table 3."""
    if bits & 1:
        return 1, 0, 1
    if bits & 2:
        return 2, 0, 2
    return (3, 1, 3) if bits & 4 else (3, 5, 5)
