"""Packet headers and the places of everything, against a plain writer; bits and tag trees through them."""

import numpy as np
import pytest
from gpucodec_kernels.copying import gather
from gpucodec_kernels.target import kernel, simulator_enabled
from gpucodec_kernels.tier2.bit_writer import finish_bits, put_bits, put_zeros
from gpucodec_kernels.tier2.gather import launch_bodies, launch_headers
from gpucodec_kernels.tier2.packet_headers import write_headers
from gpucodec_kernels.tier2.tag_tree import INCLUSION, NOT_YET, ZERO_BITPLANES, put_leaf, set_leaf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import int32, int64

from tests.kernels.blocks import BlockExecutor
from tests.kernels.tier2_frames import Frames, tree_of
from tests.reference.packet_writing import Bits, TagTree

pytestmark = pytest.mark.kernel

FEW = simulator_enabled()
EXAMPLES = settings(settings.get_profile("kernels"), max_examples=5 if FEW else 100)


@kernel("int32[::1], int32[::1], int32, uint8[::1], int64[::1]")
def write_bits(index, values, counts, number, out, end):
    position, byte, room = int64(0), int32(0), int32(8)
    for place in range(number):
        if values[place] == int32(0):
            position, byte, room = put_zeros(out, position, byte, room, counts[place])
        else:
            position, byte, room = put_bits(out, position, byte, room, values[place], counts[place])
    end[0] = finish_bits(out, position, byte, room)


@EXAMPLES
@given(words=st.lists(st.tuples(st.integers(0, 2**30 - 1), st.integers(1, 30)), min_size=1, max_size=30))
def test_bits_are_stuffed(where, words):
    words = [(value % (1 << count), count) for value, count in words] + [(255, 8)] * (len(words) % 3)
    bits = Bits()
    for value, count in words:
        bits.put(value, count)
    out, end = where.upload(np.full(300, 0xAA, np.uint8)), where.empty(1, np.int64)
    values, counts = (where.upload(np.array(column, np.int32)) for column in zip(*words, strict=True))
    where.launch(write_bits, 1, values, counts, len(words), out, end)
    assert where.download(out)[: int(where.download(end)[0])].tobytes() == bits.finished()


@kernel("int32[::1], int32, int32, int32, int32[::1], int32[::1], int32[::1], int32, int32, uint8[::1], int64[::1]")
def write_tree(index, tree, levels, wide, high, leaves, nodes, thresholds, number, which, out, end):
    position, byte, room = int64(0), int32(0), int32(8)
    for row in range(high):
        for column in range(wide):
            value = leaves[row * wide + column]
            set_leaf(tree, int64(0), int64(levels), nodes, int64(0), int32(column), int32(row), which, value)
    for place in range(number):
        for row in range(high):
            for column in range(wide):
                position, byte, room = put_leaf(
                    tree, int64(0), int64(levels), nodes, int64(0), int32(column), int32(row), which,
                    thresholds[place], out, position, byte, room,
                )  # fmt: skip
    end[0] = finish_bits(out, position, byte, room)


@EXAMPLES
@given(data=st.data(), wide=st.integers(1, 9), high=st.integers(1, 9), which=st.sampled_from([0, 2]))
def test_tag_trees_tell_what_the_standard_says(where, data, wide, high, which):
    assert (INCLUSION, ZERO_BITPLANES) == (0, 2)
    leaves = data.draw(st.lists(st.integers(0, 12), min_size=wide * high, max_size=wide * high))
    thresholds = sorted(data.draw(st.lists(st.integers(1, 14), min_size=1, max_size=4)))
    tree, bits = TagTree([leaves[row * wide : (row + 1) * wide] for row in range(high)]), Bits()
    for threshold in thresholds:
        for row in range(high):
            for column in range(wide):
                tree.put(bits, column, row, threshold)
    levels, number = tree_of(wide, high)
    nodes = np.zeros((number, 4), np.int32)
    nodes[:, which] = NOT_YET
    out, end = where.upload(np.zeros(4000, np.uint8)), where.empty(1, np.int64)
    where.launch(
        write_tree, 1, where.upload(np.array(levels, np.int32).reshape(-1)), len(levels), wide, high,
        where.upload(np.array(leaves, np.int32)), where.upload(nodes.reshape(-1)),
        where.upload(np.array(thresholds, np.int32)), len(thresholds), which, out, end,
    )  # fmt: skip
    written = where.download(out)[: int(where.download(end)[0])].tobytes()
    assert written == bits.finished()


@pytest.mark.parametrize("seed", range(3 if FEW else 12))
@pytest.mark.parametrize("style", [0, 1, 4, 5])
@pytest.mark.parametrize(("sop", "eph", "slack"), [(0, 0, 0), (1, 1, 1), (0, 1, 4)])
def test_packets_are_what_the_standard_says(where, seed, style, sop, eph, slack):
    frames = Frames(seed, style=style)
    num_packets, of_frame = len(frames.packets), frames.components * frames.codeblocks
    slot_bytes = 200 * of_frame + 100 * num_packets

    def upload(array):
        return where.upload(np.ascontiguousarray(array, np.int32).reshape(-1))

    nodes = where.empty(frames.num_frames * frames.components * frames.num_nodes * 4, np.int32)
    blocks = where.empty(frames.num_frames * of_frame * 2, np.int32)
    headers = where.empty(frames.num_frames * slot_bytes, np.uint8)
    bounds = where.empty(frames.num_frames * (num_packets + 1), np.int32)
    header_places = where.empty(frames.num_frames * num_packets, np.int64)
    body_places = where.empty(frames.num_frames * frames.layers * of_frame, np.int64)
    lengths, extra = where.empty(frames.num_frames, np.int64), where.empty(frames.num_frames, np.int32)
    passes, coded_lengths, pass_lengths, layer_passes = map(
        upload, (frames.passes, frames.lengths, frames.pass_lengths, frames.layer_passes)
    )
    where.launch(
        write_headers, frames.num_frames, num_packets, frames.components, frames.layers, frames.codeblocks,
        len(frames.shapes), frames.num_nodes, frames.max_passes, style, sop | eph << 1, slack, slot_bytes,
        *map(upload, (frames.packets, frames.precincts, frames.bands, frames.tree, frames.zeros)), passes,
        coded_lengths, pass_lengths, layer_passes, nodes, blocks, headers, bounds, header_places, body_places, lengths,
        extra,
    )  # fmt: skip
    expected = [b"".join(head + body for head, body in frames.expected(f, slack, sop, eph)) for f in range(2)]
    assert where.download(lengths).tolist() == list(map(len, expected))
    assert where.download(extra).tolist() == [max(0, int((slack - zeros).max(initial=0))) for zeros in frames.zeros]

    slots = np.zeros((frames.num_frames * of_frame, int(frames.lengths.max(initial=0)) + 3), np.uint8)
    for frame in range(frames.num_frames):
        for member in range(of_frame):
            slots[frame * of_frame + member, : frames.lengths[frame, member]] = frames.coded(frame, member)
    offsets = where.upload(np.concatenate([[0], np.cumsum(frames.lengths.reshape(-1))]).astype(np.int64))
    places = where.upload(np.array([5, 9 + len(expected[0])], np.int64))
    # By what suits the backend, and the smallest once more by blocks of threads.
    for mover in [where, BlockExecutor("shuffled")] if (seed, style, sop) == (3, 1, 1) else [where]:
        coded = where.empty(max(1, int(frames.lengths.sum())), np.uint8)
        gather(mover, len(slots), where.upload(slots.reshape(-1)), slots.shape[1], offsets, coded)
        out = where.upload(np.full(20 + sum(map(len, expected)), 0x55, np.uint8))
        launch_headers(
            mover, frames.num_frames * num_packets, num_packets, headers, slot_bytes, bounds, header_places, places, out
        )
        for first, held in ((0, len(slots) // 3), (len(slots) // 3, len(slots) - len(slots) // 3)):
            launch_bodies(
                mover, held * frames.layers, first, held, frames.layers, of_frame, frames.max_passes, coded,
                offsets[first:], passes, coded_lengths, pass_lengths, layer_passes, body_places, places, out,
            )  # fmt: skip
        gap = b"\x55" * 4
        found = where.download(out).tobytes()
        assert found == b"\x55" * 5 + expected[0] + gap + expected[1] + b"\x55" * 11
