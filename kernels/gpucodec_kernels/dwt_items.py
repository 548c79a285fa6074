"""Work items of the inverse wavelets: what one index reads and writes, a row of int64 each.

An item is a rectangle of one level of one tile-component, or of three of them that a component transform joins. The
table is of one frame; index i is item ``i % num_items`` of frame ``i // num_items``.

Positions count samples from the even coordinate at or before the first of the level's window, so that low-pass samples
are at even positions whatever the window's origin: the window begins at position 0 or 1, its parity.
"""

from __future__ import annotations

from typing import Any

from numpy import int32, uint64

from gpucodec_kernels.target import inline_function, instruction

# Columns. Places are those of a window's first sample, LL's in `lows`, the others' in `coefficients`; pitches are
# distances between rows.
LL, LL_PITCH, HL, HL_PITCH, LH, LH_PITCH, HH, HH_PITCH = range(8)
PARITY_X, COLUMNS, PARITY_Y, ROWS = range(8, 12)  # the whole window
TOP, BOTTOM, LEFT, RIGHT = range(12, 16)  # positions of the rectangle to write
OUT, OUT_ROW, OUT_PIXEL, OUT_COMPONENT = range(16, 20)  # where its first sample goes, and distances
COMPONENTS, LOWS_APART, COEFFICIENTS_APART = range(20, 23)  # 1 or 3, and distances between their places
LOWEST, HIGHEST, BASE = range(23, 26)  # see `gpucodec_kernels.component_inverse`
SCALES = 26  # where the steps of HL, LH and HH of the first component are
CHAIN = 27  # the tile-component; kernels do not look at it
FIELDS = 28

# Lines lie a constant apart: the compilers then see by themselves that they do not overlap, and vectorise loops over
# many of them. A half of a line has the samples at even positions of a rectangle's row, or those at odd ones.
PAIRS = 256  # of columns in a rectangle, at most
MARGIN = 16  # samples before and behind each half: whole vectors of 64 bytes
HALF = PAIRS + 2 * MARGIN


def _cpu_borrowed() -> Any:
    from numba.extending import intrinsic

    def borrowed(typing_context, array):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):
            made = context.make_array(signature.args[0])(context, builder, arguments[0])
            made.meminfo = made.meminfo.type(None)
            return made._getvalue()

        return array(array), generate

    return intrinsic(borrowed)


@instruction(cpu=_cpu_borrowed)
def borrowed(array):
    """Return an array that nobody counts references to: threads otherwise wait for each other at every call."""
    return array


@inline_function
def field(items, item, column):
    """Return a column of an item as a distance."""
    return uint64(items[item + uint64(column)])


@inline_function
def places_of(index, num_items, coefficient_stride, low_stride, output_stride):
    """Return where an index's item begins, and where its frame begins in `coefficients`, `lows` and `output`."""
    frame = uint64(uint64(index) // num_items)
    item = uint64((uint64(index) % num_items) * uint64(FIELDS))
    return item, uint64(frame * coefficient_stride), uint64(frame * low_stride), uint64(frame * output_stride)


@inline_function
def place(items, item, column, apart, component, row):
    """Return the place of a row of a subband of a component; the pitch stands behind the place."""
    start = uint64(field(items, item, column) + component * field(items, item, apart))
    return uint64(start + row * field(items, item, column + 1))


@inline_function
def pair_range(items, item):
    """Return the first pair of columns that an item's rectangle touches, and the one behind its last."""
    left, right = field(items, item, LEFT), field(items, item, RIGHT)
    return uint64(left >> uint64(1)), uint64((right + uint64(1)) >> uint64(1))


@inline_function
def low_row(items, item, pair):
    """Return which row of LL and HL a pair has; beyond the window's edges that of symmetric extension."""
    parity, rows = int32(items[item + uint64(PARITY_Y)]), int32(items[item + uint64(ROWS)])
    position = reflected(int32(pair + pair), parity, rows)
    return uint64(int32(position >> int32(1)) - parity)


@inline_function
def high_row(items, item, pair):
    """Return which row of LH and HH a pair has; beyond the window's edges that of symmetric extension."""
    parity, rows = int32(items[item + uint64(PARITY_Y)]), int32(items[item + uint64(ROWS)])
    return uint64(int32(reflected(int32(pair + pair + int32(1)), parity, rows) >> int32(1)))


@inline_function
def reflected(position, begin, length):
    """Return where symmetric extension finds the sample at `position`, which may lie beyond either end (F.3.7)."""
    inside = int32(position - begin)
    if length == int32(1):
        inside = int32(0)
    while inside < int32(0) or inside >= length:
        inside = int32(-inside)
        if inside < int32(0):
            inside = int32(inside + int32(2) * int32(length - int32(1)))
    return int32(inside + begin)
