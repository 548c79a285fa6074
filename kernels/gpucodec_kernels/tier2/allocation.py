"""Which coding passes go into which quality layer: PCRD optimisation, ITU-T T.800 J.14.

`rank_passes`, one codeblock an index, gives every coding pass the slope at which it is worth its bytes: that of
the next corner of the convex hull of distortion over length, so that slopes never rise. `allocate_layers`, one
frame an index, bisects for the slope down to which passes fit into a layer's bytes, packet headers included and
counted exactly, or are needed for its distortion.

`measure_rest`, one codeblock an index, adds up the squared error that is left by all passes.

A slope is told as a rank, an int32 that rises with its logarithm: 2**17 a power of two, straight lines between.
Only exact operations lead to it, so that every target finds the same.

Arrays, beside those of `packet_headers`
    pass_distortions  float64, ``(codeblock, max_passes)``: squared error that the passes up to each take away
    rests             float64, one a codeblock: squared error that all passes leave
    ranks             int32, ``(codeblock, max_passes)``
    targets           float64, ``(frame, layer)``: bytes of the packets up to and with that layer, or the squared error
                      that may be left; negative for everything
    status            int32, ``(frame, layer)``: 0, or 1 if not even empty packets fit
"""

from __future__ import annotations

import math

from numpy import float64, int32, int64

from gpucodec_kernels.target import device_function, kernel
from gpucodec_kernels.tier2.packet_headers import (
    EPH,
    SOP,
    length_after,
    missing_bitplanes,
    put_packet_header,
    start_codeblocks,
)
from gpucodec_kernels.tier2.tag_tree import NODE_NUMBERS

RANKS_PER_OCTAVE = 1 << 17
LOWEST_EXPONENT = -126  # slopes below 2**-127 are worth nothing
HIGHEST_RANK = 384 * RANKS_PER_OCTAVE
STATUS_OK = 0
STATUS_TOO_SMALL = 1


@device_function
def slope_rank(distortion, length):
    """Return the rank of a slope, 0 where nothing is gained."""
    if not distortion > float64(0):
        return int32(0)
    if length <= int32(0):
        return int32(HIGHEST_RANK)
    mantissa, exponent = math.frexp(distortion / float64(length))  # mantissa from 1/2 up to 1
    octave = int32(exponent) - int32(LOWEST_EXPONENT)
    if octave < int32(1):
        return int32(0)
    rank = int32(octave * int32(RANKS_PER_OCTAVE) + int32((mantissa - 0.5) * float64(2 * RANKS_PER_OCTAVE)))
    return min(rank, int32(HIGHEST_RANK - 1))


@kernel("int32[::1], int64, int64, int32[::1], float64[::1], int32, int32, float64[::1]")
def measure_rest(index, planes, plane_size, row_stride, table, weights, codeblocks, fraction_bits, rests):
    """Add up the squared errors of one codeblock's coefficients, which a decoder puts into the middle of a step."""
    half = int32(int32(1) << (fraction_bits - int32(1))) if fraction_bits > int32(0) else int32(0)
    unit = float64(int32(1) << fraction_bits)
    mask = int32((int32(1) << fraction_bits) - int32(1))
    member = int64(index % codeblocks)
    first = int64(index // codeblocks) * plane_size + int64(table[member * int64(6)])
    top = int64(table[member * int64(6) + int64(1)])
    width = int64(table[member * int64(6) + int64(2)])
    total = float64(0)
    for row in range(top, top + int64(table[member * int64(6) + int64(3)])):
        start = first + row * row_stride
        line = planes[start : start + width]
        for column in range(width):
            magnitude = abs(line[column])
            error = int32(magnitude & mask)
            if magnitude > mask:
                error = int32(error - half)
            total += float64(error) * float64(error)
    rests[index] = total * weights[member] / (unit * unit)


@kernel("int64, int32, int32, int32, float64[::1], int32[::1], int32[::1], float64[::1], int32[::1]")
def rank_passes(
    index, first_codeblock, components, codeblocks, max_passes, component_weights, passes, pass_lengths,
    pass_distortions, ranks,
):  # fmt: skip
    """Rank the coding passes of one codeblock, counted from `first_codeblock` on."""
    codeblock = first_codeblock + int64(index)
    weight = component_weights[(codeblock // int64(codeblocks)) % int64(components)]
    first = codeblock * int64(max_passes)
    count = int64(passes[codeblock])
    corner = int64(-1)
    length = int32(0)
    distortion = float64(0)
    while corner < count - int64(1):
        best = int32(-1)
        most = float64(0)
        reached = corner
        for number in range(corner + int64(1), count):
            gained = (pass_distortions[first + number] - distortion) * weight
            rank = slope_rank(gained, int32(pass_lengths[first + number] - length))
            # Of passes with the same slope the last, but none that gains nothing beyond the one before it.
            if rank > best or (rank == best and gained > most):
                best = rank
                most = gained
                reached = number
        for number in range(corner + int64(1), reached + int64(1)):
            ranks[first + number] = best
        length = pass_lengths[first + reached]
        distortion = pass_distortions[first + reached]
        corner = reached


@device_function
def passes_worth(rank, first, count, ranks):
    """Return how many of a codeblock's first `count` passes have `rank` or a higher one."""
    low = int32(0)
    high = count
    while low < high:
        middle = int32((low + high) >> int32(1))
        if ranks[first + int64(middle)] >= rank:
            low = int32(middle + int32(1))
        else:
            high = middle
    return low


@device_function
def choose_passes(
    rank, layer, first_codeblock, of_frame, first_chosen, passes, lengths, pass_lengths, max_passes, ranks, layer_passes
):
    """Give a layer every pass that is worth it, and return the bytes that are new in it."""
    total = int64(0)
    for member in range(of_frame):
        codeblock = first_codeblock + member
        told = int32(0)
        if layer > int32(0):
            told = layer_passes[first_chosen - of_frame + member]
        chosen = max(told, passes_worth(rank, codeblock * int64(max_passes), passes[codeblock], ranks))
        layer_passes[first_chosen + member] = chosen
        if chosen > told:
            after = length_after(chosen, codeblock, passes, lengths, pass_lengths, max_passes)
            total += int64(after - length_after(told, codeblock, passes, lengths, pass_lengths, max_passes))
    return total


@device_function
def copy_state(frame, components, num_nodes, codeblocks, nodes, blocks, trial_nodes, trial_blocks):
    """Copy what a frame's packet headers have told so far."""
    count = int64(components) * int64(num_nodes) * int64(NODE_NUMBERS)
    for place in range(frame * count, frame * count + count):
        trial_nodes[place] = nodes[place]
    count = int64(components) * int64(codeblocks) * int64(2)
    for place in range(frame * count, frame * count + count):
        trial_blocks[place] = blocks[place]


@device_function
def header_bytes(
    layer, frame, components, codeblocks, num_nodes, num_precincts, precincts, bands, tree, nodes, blocks,
    layer_passes, first_chosen, style, markers, passes, lengths, pass_lengths, max_passes, out,
):  # fmt: skip
    """Return how long the headers of a layer's packets are. They are written over one another."""
    total = int64(0)
    for component in range(int64(components)):
        plane = frame * int64(components) + component
        for precinct in range(int64(num_precincts)):
            total += put_packet_header(
                precinct, layer, precincts, bands, tree, plane * int64(codeblocks),
                plane * int64(num_nodes) * int64(NODE_NUMBERS), nodes, blocks, layer_passes,
                first_chosen + component * int64(codeblocks), style, passes, lengths, pass_lengths, max_passes,
                out, int64(0),
            )  # fmt: skip
    marked = int64(0)
    if markers & int32(SOP) != int32(0):
        marked += int64(6)
    if markers & int32(EPH) != int32(0):
        marked += int64(2)
    return total + marked * int64(components) * int64(num_precincts)


@device_function
def distortion_taken(
    layer_passes, first_chosen, first_codeblock, of_frame, codeblocks, max_passes, weights, distortions
):
    """Return the squared error that a layer and those before it take away."""
    total = float64(0)
    for member in range(of_frame):
        chosen = layer_passes[first_chosen + member]
        if chosen > int32(0):
            place = (first_codeblock + member) * int64(max_passes) + int64(chosen) - int64(1)
            total += distortions[place] * weights[member // int64(codeblocks)]
    return total


@device_function
def rank_for_distortion(
    enough, layer, first_codeblock, of_frame, first_chosen, codeblocks, passes, lengths, pass_lengths, max_passes,
    ranks, layer_passes, weights, distortions,
):  # fmt: skip
    """Return the highest rank at which a layer takes away squared error enough, 0 if none does."""
    low = int32(0)
    high = int32(HIGHEST_RANK + 1)
    while high - low > int32(1):
        rank = int32((low + high) >> int32(1))
        choose_passes(
            rank, layer, first_codeblock, of_frame, first_chosen, passes, lengths, pass_lengths, max_passes, ranks,
            layer_passes,
        )  # fmt: skip
        taken = distortion_taken(
            layer_passes, first_chosen, first_codeblock, of_frame, codeblocks, max_passes, weights, distortions
        )
        if taken >= enough:
            low = rank
        else:
            high = rank
    return low


@device_function
def spare_passes(
    rank, enough, layer, first_codeblock, of_frame, first_chosen, codeblocks, max_passes, ranks, layer_passes, weights,
    distortions,
):  # fmt: skip
    """Take passes out of a layer again as far as squared error enough is taken away without them.

    Those of just this rank come first. Then others do: frames with few passes come closer to what they should have.
    """
    taken = distortion_taken(
        layer_passes, first_chosen, first_codeblock, of_frame, codeblocks, max_passes, weights, distortions
    )
    for sweep in range(2):
        for member in range(of_frame):
            told = int32(0)
            if layer > int32(0):
                told = layer_passes[first_chosen - of_frame + member]
            first = (first_codeblock + member) * int64(max_passes)
            chosen = layer_passes[first_chosen + member]
            while chosen > told:
                last = first + int64(chosen) - int64(1)
                lost = distortions[last]
                if chosen > int32(1):
                    lost -= distortions[last - int64(1)]
                lost *= weights[member // int64(codeblocks)]
                if taken - lost < enough or (sweep == 0 and ranks[last] != rank):
                    break
                taken -= lost
                chosen = int32(chosen - int32(1))
            layer_passes[first_chosen + member] = chosen


@device_function
def rank_for_bytes(
    room, layer, frame, components, codeblocks, num_nodes, num_precincts, precincts, bands, tree, nodes, blocks,
    trial_nodes, trial_blocks, passes, lengths, pass_lengths, max_passes, ranks, layer_passes, first_chosen, style,
    markers, out,
):  # fmt: skip
    """Return the lowest rank at which a layer's bodies and headers fit, `HIGHEST_RANK + 1` if none does.

    Passes of rank 0 gain nothing and are left out, however much room there is.
    """
    of_frame = int64(components) * int64(codeblocks)
    low = int32(0)
    high = int32(HIGHEST_RANK + 1)
    while high - low > int32(1):
        rank = int32((low + high) >> int32(1))
        taken = choose_passes(
            rank, layer, frame * of_frame, of_frame, first_chosen, passes, lengths, pass_lengths, max_passes, ranks,
            layer_passes,
        )  # fmt: skip
        if float64(taken) <= room:
            copy_state(frame, components, num_nodes, codeblocks, nodes, blocks, trial_nodes, trial_blocks)
            taken += header_bytes(
                layer, frame, components, codeblocks, num_nodes, num_precincts, precincts, bands, tree, trial_nodes,
                trial_blocks, layer_passes, first_chosen, style, markers, passes, lengths, pass_lengths, max_passes,
                out,
            )  # fmt: skip
        if float64(taken) <= room:
            high = rank
        else:
            low = rank
    return high


@kernel(
    "int32, int32, int32, int32, int32, int32, int32, int32, int32, int32, int32, int64,"
    "int32[::1], int32[::1], int32[::1], int32[::1], int32[::1], int32[::1], int32[::1],"
    "float64[::1], float64[::1], int32[::1], float64[::1], float64[::1],"
    "int32[::1], int32[::1], int32[::1], int32[::1], int32[::1], uint8[::1], int32[::1]"
)
def allocate_layers(
    index, num_precincts, components, layers, codeblocks, num_bands, num_nodes, max_passes, style, markers, slack,
    by_distortion, slot_bytes, precincts, bands, tree, zero_bitplanes, passes, lengths, pass_lengths,
    component_weights, pass_distortions, ranks, targets,
    rests, layer_passes, nodes, blocks, trial_nodes, trial_blocks, headers, status,
):  # fmt: skip
    """Share out the coding passes of one frame among its layers.

    Moves more than the least: each layer's trial headers are written with tag trees and state of their own, a few
    words a codeblock, and thrown away.
    """
    frame = int64(index)
    of_frame = int64(components) * int64(codeblocks)
    first_codeblock = frame * of_frame
    raised = int32(missing_bitplanes(first_codeblock, of_frame, zero_bitplanes, slack) - slack)
    for component in range(int64(components)):
        plane = frame * int64(components) + component
        start_codeblocks(plane, codeblocks, num_nodes, bands, num_bands, tree, raised, zero_bitplanes, nodes, blocks)
    out = headers[frame * slot_bytes : (frame + int64(1)) * slot_bytes]
    first_chosen = frame * int64(layers) * of_frame
    everything = float64(0)
    if by_distortion != int32(0):
        for member in range(of_frame):
            layer_passes[first_chosen + member] = passes[first_codeblock + member]
            everything += rests[first_codeblock + member] * component_weights[member // int64(codeblocks)]
        everything += distortion_taken(
            layer_passes, first_chosen, first_codeblock, of_frame, codeblocks, max_passes, component_weights,
            pass_distortions,
        )  # fmt: skip
    spent = int64(0)
    for number in range(int64(layers)):
        layer = int32(number)
        target = targets[frame * int64(layers) + number]
        rank = int32(0)
        if target >= float64(0):
            if by_distortion != int32(0):
                rank = rank_for_distortion(
                    everything - target, layer, first_codeblock, of_frame, first_chosen, codeblocks, passes, lengths,
                    pass_lengths, max_passes, ranks, layer_passes, component_weights, pass_distortions,
                )  # fmt: skip
            else:
                rank = rank_for_bytes(
                    target - float64(spent), layer, frame, components, codeblocks, num_nodes, num_precincts, precincts,
                    bands, tree, nodes, blocks, trial_nodes, trial_blocks, passes, lengths, pass_lengths, max_passes,
                    ranks, layer_passes, first_chosen, style, markers, out,
                )  # fmt: skip
        spent += choose_passes(
            rank, layer, first_codeblock, of_frame, first_chosen, passes, lengths, pass_lengths, max_passes, ranks,
            layer_passes,
        )  # fmt: skip
        if by_distortion == int32(0):
            spent += header_bytes(
                layer, frame, components, codeblocks, num_nodes, num_precincts, precincts, bands, tree, nodes, blocks,
                layer_passes, first_chosen, style, markers, passes, lengths, pass_lengths, max_passes, out,
            )  # fmt: skip
        elif target >= float64(0):
            spare_passes(
                rank, everything - target, layer, first_codeblock, of_frame, first_chosen, codeblocks, max_passes,
                ranks, layer_passes, component_weights, pass_distortions,
            )  # fmt: skip
        fits = target < float64(0) or by_distortion != int32(0) or float64(spent) <= target
        status[frame * int64(layers) + number] = int32(STATUS_OK) if fits else int32(STATUS_TOO_SMALL)
        first_chosen += of_frame
