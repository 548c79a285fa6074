"""Inverse component transform: RCT or ICT back to samples, level shift, clamp and store, ITU-T T.800 Annex G.

The wavelet's last level stores its rows through `store_row`, so that planes of reconstructed components are never
written. The kernels here do the same for planes that are already there: codestreams without any decomposition level,
and the few whose components were decomposed each in its own way.

Arrays
    lines     a reconstructed row as the inverse wavelet has it: samples at even coordinates, and those at odd ones
    lows      planes of reconstructed samples, int32 (5/3) or float32 (9/7)
    output    all frames' samples as unsigned integers of their size, in any layout
    items     work of one index, see `gpucodec_kernels.dwt_items`

A sample becomes ``clamp(value, lowest, highest) - lowest`` rounded, plus `base`: no integer overflows on the way, and
one loop serves int32 (where `half` is zero) and float32 (where it is 0.5), and signed and unsigned samples.

Bytes moved for a sample of b bytes by the kernels: 4 read and b written, the least possible; b written and none read
where the wavelet stores its rows.
"""

from __future__ import annotations

from numpy import float32, int32, uint64

from gpucodec_kernels import dwt_items as items_of
from gpucodec_kernels.dwt_items import field, place, places_of
from gpucodec_kernels.target import device_function, inline_function, kernel


@device_function
def undo_rct(lines, line, apart, to, to_apart, columns):
    """Turn three lines so far `apart` to red, green and blue, (G-6) to (G-8); `to` may be the same place."""
    for column in range(columns):
        blue, red = lines[line + apart + column], lines[line + apart + apart + column]
        green = int32(lines[line + column] - (int32(blue + red) >> int32(2)))
        lines[to + column] = int32(red + green)
        lines[to + to_apart + column] = green
        lines[to + to_apart + to_apart + column] = int32(blue + green)


@device_function
def undo_ict(lines, line, apart, to, to_apart, columns):
    """Turn three lines so far `apart` to red, green and blue, (G-12) to (G-14); `to` may be the same place."""
    for column in range(columns):
        luma, blue, red = lines[line + column], lines[line + apart + column], lines[line + apart + apart + column]
        lines[to + column] = luma + float32(1.402) * red
        lines[to + to_apart + column] = luma - float32(0.344136) * blue - float32(0.714136) * red
        lines[to + to_apart + to_apart + column] = luma + float32(1.772) * blue


@inline_function
def finished(value, lowest, highest, half, base):
    """Return a reconstructed value as the sample to store."""
    inside = min(max(lowest, value), highest)
    return int32(int32(inside - lowest + half) + base)


@device_function
def store_line(lines, line, columns, output, at, pixels, lowest, highest, half, base):
    """Store samples that lie beside each other; a stride that is a constant lets the loop vectorise."""
    if pixels == uint64(1):
        for column in range(columns):
            output[at + column] = finished(lines[line + column], lowest, highest, half, base)
    else:
        for column in range(columns):
            output[at + column * pixels] = finished(lines[line + column], lowest, highest, half, base)


@device_function
def store_halves(lines, even, odd, left, right, output, at, pixels, lowest, highest, half, base):
    """Store the samples from `left`, 0 or 1, to `right` of a row whose even and odd samples lie apart."""
    if left == uint64(1):
        output[at] = finished(lines[odd], lowest, highest, half, base)
        at = uint64(at + pixels)
    pairs = uint64(max(right >> uint64(1), left) - left)
    even = uint64(even + left)
    odd = uint64(odd + left)
    if pixels == uint64(1):
        for pair in range(pairs):
            target = uint64(at + pair * uint64(2))
            output[target] = finished(lines[even + pair], lowest, highest, half, base)
            output[target + uint64(1)] = finished(lines[odd + pair], lowest, highest, half, base)
    else:
        for pair in range(pairs):
            target = uint64(at + pair * uint64(2) * pixels)
            output[target] = finished(lines[even + pair], lowest, highest, half, base)
            output[target + pixels] = finished(lines[odd + pair], lowest, highest, half, base)
    if right & uint64(1) != uint64(0) and right > left:
        output[at + pairs * uint64(2) * pixels] = finished(lines[even + pairs], lowest, highest, half, base)


@device_function
def store_pixels(lines, line, apart, right, output, at, lowest, highest, half, base):
    """Store an even number of pixels of three components that lie beside each other."""
    for pair in range(right >> uint64(1)):
        to = uint64(at + pair * uint64(6))
        for component in range(3):
            even = uint64(line + pair + uint64(component) * apart)
            output[to + uint64(component)] = finished(lines[even], lowest, highest, half, base)
            odd = lines[even + uint64(items_of.HALF)]
            output[to + uint64(component) + uint64(3)] = finished(odd, lowest, highest, half, base)


@device_function
def interleave(lines, even, odd, left, right, lows, at):
    """Write the samples from `left`, 0 or 1, to `right` of a row to a plane."""
    if left == uint64(1):
        lows[at] = lines[odd]
        at = uint64(at + uint64(1))
    pairs = uint64(max(right >> uint64(1), left) - left)
    even = uint64(even + left)
    odd = uint64(odd + left)
    for pair in range(pairs):
        target = uint64(at + pair * uint64(2))
        lows[target] = lines[even + pair]
        lows[target + uint64(1)] = lines[odd + pair]
    if right & uint64(1) != uint64(0) and right > left:
        lows[at + pairs * uint64(2)] = lines[even + pairs]


@inline_function
def emit_row(
    items, item, lines, line, apart, position, to_lows, lows, low_frame, output, frame, lowest, highest, half
):  # fmt: skip
    """Write the row at `position` of an item's rectangle, whose components lie so far `apart`."""
    left = field(items, item, items_of.LEFT)
    right = uint64(field(items, item, items_of.RIGHT) - (left & uint64(0xFFFFFFFFFFFFFFFE)))
    left = uint64(left & uint64(1))
    row = uint64(position - field(items, item, items_of.TOP))
    at = uint64(field(items, item, items_of.OUT) + row * field(items, item, items_of.OUT_ROW))
    pixels = field(items, item, items_of.OUT_PIXEL)
    step = field(items, item, items_of.OUT_COMPONENT)
    base = int32(items[item + uint64(items_of.BASE)])
    components = field(items, item, items_of.COMPONENTS)
    is_even = left == uint64(0) and (right & uint64(1)) == uint64(0)
    if components == uint64(3) and pixels == uint64(3) and step == uint64(1) and is_even:
        store_pixels(lines, line, apart, right, output, frame + at, lowest, highest, half, base)
        return
    for component in range(components):
        even = uint64(line + component * apart)
        to = uint64(at + component * step)
        if to_lows != int32(0):
            interleave(lines, even, even + uint64(items_of.HALF), left, right, lows, low_frame + to)
        else:
            store_halves(
                lines, even, even + uint64(items_of.HALF), left, right, output, frame + to, pixels,
                lowest, highest, half, base,
            )  # fmt: skip


@device_function
def store_lows(items, item, lows, line, output, at, lowest, highest, half):
    """Store a row of each component of an item's planes."""
    columns = field(items, item, items_of.COLUMNS)
    pixels = field(items, item, items_of.OUT_PIXEL)
    base = int32(items[item + uint64(items_of.BASE)])
    for component in range(field(items, item, items_of.COMPONENTS)):
        start = uint64(line + component * field(items, item, items_of.LOWS_APART))
        to = uint64(at + component * field(items, item, items_of.OUT_COMPONENT))
        store_line(lows, start, columns, output, to, pixels, lowest, highest, half, base)


def _store_reversible(index, items, num_items, lows, low_stride, output, output_stride):
    """Store one item's rows of int32 planes; with three components these become red, green and blue in place."""
    item, frame, _, output_frame = places_of(index, num_items, low_stride, uint64(0), output_stride)
    lowest, highest = int32(items[item + uint64(items_of.LOWEST)]), int32(items[item + uint64(items_of.HIGHEST)])
    for row in range(field(items, item, items_of.ROWS)):
        line = uint64(frame + place(items, item, items_of.LL, items_of.LOWS_APART, uint64(0), uint64(row)))
        at = uint64(output_frame + field(items, item, items_of.OUT) + row * field(items, item, items_of.OUT_ROW))
        if field(items, item, items_of.COMPONENTS) == uint64(3):
            apart = field(items, item, items_of.LOWS_APART)
            undo_rct(lows, line, apart, line, apart, field(items, item, items_of.COLUMNS))
        store_lows(items, item, lows, line, output, at, lowest, highest, int32(0))


def _store_irreversible(index, items, num_items, lows, low_stride, output, output_stride):
    """Store one item's rows of float32 planes; with three components these become red, green and blue in place."""
    item, frame, _, output_frame = places_of(index, num_items, low_stride, uint64(0), output_stride)
    lowest, highest = float32(items[item + uint64(items_of.LOWEST)]), float32(items[item + uint64(items_of.HIGHEST)])
    for row in range(field(items, item, items_of.ROWS)):
        line = uint64(frame + place(items, item, items_of.LL, items_of.LOWS_APART, uint64(0), uint64(row)))
        at = uint64(output_frame + field(items, item, items_of.OUT) + row * field(items, item, items_of.OUT_ROW))
        if field(items, item, items_of.COMPONENTS) == uint64(3):
            apart = field(items, item, items_of.LOWS_APART)
            undo_ict(lows, line, apart, line, apart, field(items, item, items_of.COLUMNS))
        store_lows(items, item, lows, line, output, at, lowest, highest, float32(0.5))


_ARGUMENTS = "int64[::1], uint64, {}[::1], uint64, {}[::1], uint64"
store_reversible_8 = kernel(_ARGUMENTS.format("int32", "uint8"))(_store_reversible)
store_reversible_16 = kernel(_ARGUMENTS.format("int32", "uint16"))(_store_reversible)
store_reversible_32 = kernel(_ARGUMENTS.format("int32", "uint32"))(_store_reversible)
store_irreversible_8 = kernel(_ARGUMENTS.format("float32", "uint8"))(_store_irreversible)
store_irreversible_16 = kernel(_ARGUMENTS.format("float32", "uint16"))(_store_irreversible)
store_irreversible_32 = kernel(_ARGUMENTS.format("float32", "uint32"))(_store_irreversible)
STORE = {
    (True, 1): store_reversible_8, (True, 2): store_reversible_16, (True, 4): store_reversible_32,
    (False, 1): store_irreversible_8, (False, 2): store_irreversible_16, (False, 4): store_irreversible_32,
}  # fmt: skip
