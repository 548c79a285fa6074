"""What a decoder makes of coefficients whose last coding passes are left out: T.800 E.1, without decoding anything.

One index is a codeblock. Before the coefficients are quantised for good, it is known what each pass tells: down to
the last bit-plane that has all its passes, everything; of the next one what the significance propagation pass visits,
and the magnitude refinement pass those that were significant before. What is visited follows from the scan (D.1), in
which a coefficient that has had its turn is different from zero where it is significant, and one that has not where
it is large enough. A decoder puts what it knows into the middle of the interval.

Arrays, beside those of `encode`
    layer_passes  int32, ``(frame, layer, codeblock of the frame)``: passes that are kept
    frames        int32: which frames are reconstructed
    decoded       int32, like `coefficients`, but of these frames alone; both may be the same where it is all of them

Bytes moved for each coefficient: 4 read and 4 written, and once more where a bit-plane is not complete; the least
possible is 8.
"""

from __future__ import annotations

from numpy import int32, int64, uint64

from gpucodec_kernels.target import device_function, kernel


@device_function
def middle(position):
    """Return half of the interval whose size is the power of two of a position."""
    return int32(int32(1) << max(position - int32(1), int32(0))) if position > int32(0) else int32(0)


@device_function
def known_to(value, position):
    """Return a coefficient of which the bits below a position are unknown."""
    sign = value >> int32(31)
    magnitude = (value ^ sign) - sign
    magnitude = ((magnitude >> position) << position) + middle(position)
    return (magnitude ^ sign) - sign


@device_function
def has_significant_neighbour(decoded, at, stride, row, column, width, height, large, causal):
    """Return whether a neighbour is significant when the scan comes by.

    Those before it in the scan are significant if they are not 0, those after it if they are `large`.
    """
    left = column > uint64(0)
    right = column + uint64(1) < width
    if left and decoded[at - uint64(1)] != int32(0):
        return True
    if right and abs(decoded[at + uint64(1)]) >= large:
        return True
    in_stripe = row & uint64(3)
    if row > uint64(0):
        above = at - stride
        if decoded[above] != int32(0) or (left and decoded[above - uint64(1)] != int32(0)):
            return True
        if right and abs(decoded[above + uint64(1)]) >= (large if in_stripe > uint64(0) else int32(1)):
            return True
    if row + uint64(1) < height and (in_stripe < uint64(3) or causal == int32(0)):
        below = at + stride
        if abs(decoded[below]) >= large or (right and abs(decoded[below + uint64(1)]) >= large):
            return True
        return left and abs(decoded[below - uint64(1)]) >= (int32(1) if in_stripe < uint64(3) else large)
    return False


@device_function
def propagate(decoded, first, stride, width, height, position, causal):
    """Decide which coefficients the significance propagation pass of a bit-plane finds; set the others to 0."""
    large = int32(int32(1) << (position + int32(1)))
    bit = int32(int32(1) << position)
    for stripe in range((height + uint64(3)) >> uint64(2)):
        top = uint64(stripe) << uint64(2)
        rows = min(height - top, uint64(4))
        for column in range(width):
            for down in range(rows):
                row = top + uint64(down)
                at = first + row * stride + uint64(column)
                value = decoded[at]
                magnitude = abs(value)
                if magnitude >= large or magnitude == int32(0):
                    continue
                made = int32(0)
                if magnitude >= bit and has_significant_neighbour(
                    decoded, at, stride, row, uint64(column), width, height, large, causal
                ):
                    made = known_to(value, position)
                decoded[at] = made


@kernel(
    "int32[::1], int32[::1], int64, int64, int32[::1], int32, int32, int32, int32, int32, int32[::1], int32[::1],"
    "int32, int32[::1]"
)
def reconstruct_codeblock(
    index, frames, coefficients, plane_stride, row_stride, blocks, num_blocks, of_frame, layer, layers,
    fractional_bits, zero_bitplanes, layer_passes, causal, decoded,
):  # fmt: skip
    """Reconstruct one codeblock from the passes that a layer and those before it have of it."""
    member = int64(index % of_frame)
    block = (member % int64(num_blocks)) * int64(6)
    number = int64(index // of_frame)
    frame = int64(frames[number])
    planes = int64(of_frame // num_blocks)
    plane = member // int64(num_blocks)
    kept = layer_passes[(frame * int64(layers) + int64(layer)) * int64(of_frame) + member]
    width = uint64(blocks[block + int64(2)])
    height = uint64(blocks[block + int64(3)])
    within = int64(blocks[block + int64(1)]) * row_stride + int64(blocks[block])
    source = uint64((frame * planes + plane) * plane_stride + within)
    first = uint64((number * planes + plane) * plane_stride + within)
    stride = uint64(row_stride)
    coded = int32(blocks[block + int64(5)] - zero_bitplanes[frame * int64(of_frame) + member])
    # The lowest bit-plane with all its passes, and how many passes the next one has.
    complete = int32((kept + int32(2)) // int32(3))
    position = int32(fractional_bits + coded - complete)
    begun = int32((kept + int32(2)) % int32(3)) if kept > int32(0) else int32(0)
    smallest = int32(int32(1) << min(position, int32(30))) if kept > int32(0) else int32(0x7FFFFFFF)
    refined = int32(position - (int32(1) if begun == int32(2) else int32(0)))
    others = int32(-1) if begun > int32(0) else int32(0)
    for row in range(height):
        start = source + uint64(row) * stride
        line = coefficients[start : start + width]
        start = first + uint64(row) * stride
        made = decoded[start : start + width]
        for column in range(width):
            value = line[column]
            made[column] = known_to(value, refined) if abs(value) >= smallest else value & others
    if begun > int32(0):
        propagate(decoded, first, stride, width, height, int32(position - int32(1)), causal)
