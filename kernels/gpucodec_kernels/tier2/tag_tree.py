"""Tag trees: a grid of integers told bit by bit, together with the minima above them, ITU-T T.800 B.10.2.

Arrays
    tree    int32, two for each level of a tree, leaves first: the level's first node, and its nodes in a row
    nodes   int32, four a node: the inclusion tree's value and progress, the zero bit-plane tree's value and progress;
            two a node for reading: the progress alone of each

A progress is twice the lower bound that has been told so far, plus one once the value itself has been.
"""

from __future__ import annotations

from numpy import int32, int64

from gpucodec_kernels.target import device_function
from gpucodec_kernels.tier2.bit_reader import get_bit
from gpucodec_kernels.tier2.bit_writer import put_bits, put_zeros

INCLUSION = 0
ZERO_BITPLANES = 2
NODE_NUMBERS = 4
NOT_YET = 0x3FFFFFFF  # larger than any layer


@device_function
def set_leaf(tree, first_level, last_level, nodes, base, column, row, which, value):
    """Set the value of a leaf and lower the minima above it."""
    for level in range(first_level, last_level):
        node = int64(tree[level * 2]) + int64(row) * int64(tree[level * 2 + 1]) + int64(column)
        place = base + node * int64(NODE_NUMBERS) + int64(which)
        if level > first_level and nodes[place] <= value:
            return
        nodes[place] = value
        column = int32(column >> int32(1))
        row = int32(row >> int32(1))


@device_function
def put_leaf(tree, first_level, last_level, nodes, base, column, row, which, threshold, out, position, byte, room):
    """Tell whether a leaf's value is below `threshold`, and the value if it is; return the writer."""
    low = int32(0)
    for step in range(last_level - first_level):
        height = last_level - int64(1) - first_level - step  # from the root down
        level = first_level + height
        across = int64(column >> int32(height))
        node = int64(tree[level * 2]) + int64(row >> int32(height)) * int64(tree[level * 2 + 1]) + across
        place = base + node * int64(NODE_NUMBERS) + int64(which)
        value = nodes[place]
        progress = nodes[place + 1]
        known = progress & int32(1)
        low = max(low, int32(progress >> int32(1)))
        reached = min(threshold, value)
        if low < reached:
            position, byte, room = put_zeros(out, position, byte, room, int32(reached - low))
            low = reached
        if value < threshold and known == int32(0):
            position, byte, room = put_bits(out, position, byte, room, int32(1), int32(1))
            known = int32(1)
        nodes[place + 1] = int32(low * int32(2) + known)
    return position, byte, room


@device_function
def get_leaf(
    tree, first_level, last_level, nodes, base, column, row, which, threshold, data, end, position, byte, left
):
    """Read whether a leaf's value is below `threshold`, if that is not known; return its progress and the reader.

    ``which`` is 0 for the inclusion tree and 1 for that of zero bit-planes.
    """
    low = int32(0)
    known = int32(0)
    for step in range(last_level - first_level):
        height = last_level - int64(1) - first_level - step  # from the root down
        level = first_level + height
        across = int64(column >> int32(height))
        node = int64(tree[level * 2]) + int64(row >> int32(height)) * int64(tree[level * 2 + 1]) + across
        place = base + node * int64(2) + int64(which)
        progress = nodes[place]
        known = progress & int32(1)
        low = max(low, int32(progress >> int32(1)))
        while known == int32(0) and low < threshold:
            known, position, byte, left = get_bit(data, end, position, byte, left)
            low = int32(low + int32(1) - known)
        nodes[place] = int32(low * int32(2) + known)
    return int32(low * int32(2) + known), position, byte, left
