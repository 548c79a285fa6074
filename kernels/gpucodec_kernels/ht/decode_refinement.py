"""The refinement passes of an HT set, T.814 7.4 and 7.5: significance propagation and magnitude refinement.

Both work on the coefficients that the cleanup pass left. Which samples that pass found significant is whether they are
zero, so that magnitude refinement, which needs that alone, comes first.
"""

from __future__ import annotations

from numpy import int32, int64, uint32, uint64

from gpucodec_kernels.target import device_function

_ZERO, _ONE = uint64(0), uint64(1)
_STRIPE = 4


@device_function
def next_forward_bit(data, end, reader):
    """Return a bit of a segment read from its begin on, zeros after its end, and the new state of its reader.

    The reader's state is a tuple: the next byte, the byte before with its bits not yet used in the lowest places, and
    the number of those.
    """
    at, last, bits, fill = reader
    if fill == _ZERO:
        fill = uint64(7) if last == uint64(0xFF) else uint64(8)
        last = _ZERO
        if at < end:
            last = uint64(data[at])
            at = at + _ONE
        bits = last
    return bits & _ONE, (at, last, bits >> _ONE, fill - _ONE)


@device_function
def next_backward_bit(data, begin, reader):
    """Return a bit of a segment read from its end on, zeros before its begin, and the new state of its reader.

    The reader's first item is the place after the next byte.
    """
    at, last, bits, fill = reader
    if fill == _ZERO:
        bits = _ZERO
        if at > begin:
            at = at - _ONE
            bits = uint64(data[at])
        stuffed = last > uint64(0x8F) and bits & uint64(0x7F) == uint64(0x7F)
        fill = uint64(7) if stuffed else uint64(8)
        last = bits
    return bits & _ONE, (at, last, bits >> _ONE, fill - _ONE)


@device_function
def refine_magnitudes(data, begin, end, shape, half, coefficients, place, row_stride):
    """Refine all significant coefficients by a bit: the middle moves by `half` units, rounded toward zero, or back.

    `half` is twice a quarter of the cleanup pass's bit-plane, in units of a coefficient: 1 where that is a half.
    """
    width, height = shape
    up, down = half
    reader = (end, uint64(0xFF), _ZERO, _ZERO)
    for top in range(_ZERO, height, uint64(_STRIPE)):
        for column in range(width):
            for row in range(top, min(height, top + uint64(_STRIPE))):
                at = place + int64(row) * row_stride + int64(column)
                value = coefficients[at]
                if value != int32(0):
                    bit, reader = next_backward_bit(data, begin, reader)
                    # Downwards also where it is halved: what was there is even then.
                    change = ((int32(2) * int32(bit) - int32(1)) << int32(up)) >> int32(down)
                    coefficients[at] = value + change if value > int32(0) else value - change


@device_function
def significant_rows(coefficients, place, row_stride, shape, top, column, causal):
    """Return which of the rows around a stripe hold a significant coefficient: bit 0 is the row above its first."""
    height = shape[1]
    found = uint32(0)
    last = uint64(4) if causal else uint64(5)
    for bit in range(uint64(6)):
        row = top + bit
        if row > _ZERO and row <= height and bit <= last:
            at = place + int64(row - _ONE) * row_stride + int64(column)
            if coefficients[at] != int32(0):
                found = found | (uint32(1) << uint32(bit))
    return found


@device_function
def propagate_significance(data, begin, end, shape, value, causal, columns, coefficients, place, row_stride):
    """Find further significant coefficients beside significant ones: each becomes `value`, or its negative.

    `columns` is scratch, two words more than the codeblock is wide.
    """
    width, height = shape
    reader = (begin, _ZERO, _ZERO, _ZERO)
    for top in range(_ZERO, height, uint64(_STRIPE)):
        rows = min(uint64(_STRIPE), height - top)
        columns[_ZERO] = uint32(0)
        columns[width + _ONE] = uint32(0)
        for column in range(width):
            columns[column + _ONE] = significant_rows(coefficients, place, row_stride, shape, top, column, causal)
        for left in range(_ZERO, width, uint64(_STRIPE)):
            right = min(width, left + uint64(_STRIPE))
            found = uint32(0)
            for column in range(left, right):
                around = columns[column] | columns[column + uint64(2)]
                mine = columns[column + _ONE]
                for row in range(rows):
                    near = ((around | mine) >> uint32(row)) & uint32(7)
                    bit = uint32(2) << uint32(row)
                    if near != uint32(0) and mine & bit == uint32(0):
                        decision, reader = next_forward_bit(data, end, reader)
                        if decision:
                            mine = mine | bit
                            found = found | (uint32(1) << uint32(uint64(_STRIPE) * (column - left) + row))
                columns[column + _ONE] = mine
            for column in range(left, right):
                for row in range(rows):
                    if (found >> uint32(uint64(_STRIPE) * (column - left) + row)) & uint32(1):
                        sign, reader = next_forward_bit(data, end, reader)
                        at = place + int64(top + row) * row_stride + int64(column)
                        coefficients[at] = -value if sign else value
