"""Packets read by kernels against a plain reader of T.800 Annex B, and packet headers made by hand for T.814."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from gpucodec_kernels.target import simulator_enabled
from gpucodec_kernels.tier2.collect import PADDING

from gpucodec.backends import Executor
from gpucodec.codecs.jpeg2000 import encode_frames
from gpucodec.codecs.jpeg2000_reading import CodedBlocks, read_codeblocks
from gpucodec.codestream.j2k_parameters import CodeblockStyle, CodingParameters, ProgressionOrder
from gpucodec.codestream.j2k_plan import DecodingPlan, plan_decoding
from gpucodec.codestream.j2k_reader import Codestream, read_codestream
from gpucodec.errors import CodestreamError, TruncatedCodestreamError
from gpucodec.frames import FrameBatch, FrameSpec
from tests.codestream.j2k_streams import EOC, SOC, cod, qcd, segment, siz, tile_part
from tests.reference.tiles import Component, Tile

pytestmark = pytest.mark.kernel

BACKEND = "simulator" if simulator_enabled() else "cpu"
SHAPE = (20, 24) if simulator_enabled() else (61, 75)
ORDERS = [ProgressionOrder.PCRL] if simulator_enabled() else list(ProgressionOrder)  # encoding takes the simulator long
Blocks = list[tuple[int, int, int, list[tuple[bytes, int]]]]


def encoded(samples: int = 1, frames: int = 1, **options: object) -> list[bytes]:
    """Return codestreams of noisy frames, coded with these options."""
    random = np.random.default_rng(7)
    shape = (frames, *SHAPE) if samples == 1 else (frames, *SHAPE, samples)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    smooth = 90 + 60 * np.sin(x / 9) * np.cos(y / 7)
    pixels = (smooth if samples == 1 else smooth[..., None]) + random.normal(0, 6, shape)
    batch = np.clip(pixels, 0, 255).astype("u1")
    spec = FrameSpec.from_array(batch, photometric_interpretation="RGB" if samples == 3 else "MONOCHROME2")
    return encode_frames(FrameBatch(batch, spec), CodingParameters(**options), BACKEND)


def collected(coded: CodedBlocks) -> Blocks:
    """Return of each codeblock zero bit-planes, passes, whether it is an HT codeblock, and its segments."""
    data = bytes(coded.where.download(coded.data))
    first = coded.where.download(coded.first_segment).tolist()
    begins = coded.where.download(coded.segment_begins).tolist()
    segments = coded.where.download(coded.segments).reshape(-1, 2).tolist()
    rows = coded.where.download(coded.coded).reshape(-1, 3).tolist()
    assert set(data[:PADDING]) == {0xFF}
    found = []
    for number in range(len(first) - 1):
        own = []
        for index in range(first[number], first[number + 1]):
            begin, (length, passes) = begins[index], segments[index]
            assert begin % 8 == 0
            assert data[begin + length : begin + length + PADDING] == b"\xff" * PADDING
            own.append((data[begin : begin + length], passes))
        found.append((*rows[number], own))
    return found


def reference_tiles(codestream: Codestream) -> dict[int, Tile]:
    """Return the tiles of a codestream, and read their packets in plain loops."""
    size = codestream.size
    tiles = {}
    for index in range(size.tiles_across * size.tiles_down):
        parameters = codestream.tile_parameters.get(index, codestream.parameters)
        left = size.tile_x0 + index % size.tiles_across * size.tile_width
        top = size.tile_y0 + index // size.tiles_across * size.tile_height
        area = (
            max(left, size.x0),
            max(top, size.y0),
            min(left + size.tile_width, size.x1),
            min(top + size.tile_height, size.y1),
        )
        components = [
            Component(
                found.dx, found.dy, coding.levels, coding.width_exponent, coding.height_exponent, coding.precincts,
                coding.codeblock_style,
            )
            for found, coding in zip(size.components, parameters.codings, strict=True)
        ]  # fmt: skip
        tile = tiles[index] = Tile(area, components)
        packets = tile.packets(
            parameters.packets.progression_order.name,
            range(parameters.packets.num_layers),
            range(len(components)),
            range(max(component.levels for component in components) + 1),
        )
        parts = [codestream.data[b:e] for number, b, e in codestream.tile_parts.tolist() if number == index]
        apart = [codestream.packed_headers[b:e] for t, b, e in codestream.packed_parts.tolist() if t == index]
        body = b"".join(parts)
        assert tile.read(body, packets, b"".join(apart) if apart else None) == len(body)
    return tiles


def expected_blocks(codestream: Codestream) -> Blocks:
    found = []
    for tile in reference_tiles(codestream).values():
        for _, _, precincts in tile.precincts.values():
            for block in (block for p in precincts for band in p.bands for row in band for block in row):
                segments = [(bytes(data), passes) for data, passes in block.segments]
                found.append((block.zero_planes, block.passes, 0, segments))
    return found


def check(where: Executor, codestreams: list[bytes]) -> DecodingPlan:
    described = [read_codestream(codestream) for codestream in codestreams]
    plan = plan_decoding(described[0], interleaved=False)
    expected = [block for codestream in described for block in expected_blocks(codestream)]
    assert any(block[1] for block in expected)
    assert collected(read_codeblocks(where, plan, described)) == expected
    return plan


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("precincts", [(), ((3, 4), (4, 3))])
def test_orders_precincts_layers_and_markers(where: Executor, order: ProgressionOrder, precincts: tuple) -> None:
    options = {"progression_order": order, "precincts": precincts, "levels": 2, "ratios": (3, 1.5, 1)}
    check(where, encoded(3, sop=order < 3, eph=order % 2 == 0, plt=order == 0, **options))


STYLES = [
    CodeblockStyle.PLAIN,
    CodeblockStyle.BYPASS,
    CodeblockStyle.TERMINATE,
    CodeblockStyle.BYPASS | CodeblockStyle.TERMINATE,
    CodeblockStyle(63),
][-1 if simulator_enabled() else 0 :]


@pytest.mark.parametrize("layers", [(), (3, 1.5, 1)])
@pytest.mark.parametrize("style", STYLES)
def test_codeword_segments_of_every_style(where: Executor, style: CodeblockStyle, layers: tuple) -> None:
    check(where, encoded(codeblock_style=style, levels=1, ratios=layers))


def test_frames_of_a_batch_are_read_together(where: Executor) -> None:
    check(where, encoded(3, frames=2, levels=2, codeblock_width_exponent=3, codeblock_height_exponent=4))


def test_room_for_chunks_is_made_when_there_is_too_little(where: Executor) -> None:
    (data,) = encoded(codeblock_style=CodeblockStyle.TERMINATE, levels=1)
    codestream = read_codestream(data)
    plan = replace(plan_decoding(codestream), chunks=np.array([3]))
    assert collected(read_codeblocks(where, plan, [codestream])) == expected_blocks(codestream)


def test_layers_and_codeblocks_that_are_not_wanted_are_stepped_over(where: Executor) -> None:
    (data,) = encoded(levels=2, ratios=(3, 1.5, 1), codeblock_width_exponent=3, codeblock_height_exponent=3)
    codestream = read_codestream(data)
    whole = expected_blocks(codestream)
    few = plan_decoding(codestream, layers=2, reduce=1)
    found = collected(read_codeblocks(where, few, [codestream]))
    assert len(found) < len(whole)
    fewer = False
    for number, block in zip(few.block_sources.tolist(), found, strict=True):
        zero_planes, passes, _, segments = whole[number]
        assert block[1] <= passes
        fewer |= block[1] < passes
        if block[1]:
            assert block[0] == zero_planes
            assert segments[0][0].startswith(block[3][0][0])
    assert fewer


@pytest.mark.parametrize("packets", ["tile", "main"])
def test_packet_headers_that_stand_apart(where: Executor, packets: str) -> None:
    """Cut each packet of a codestream in header and body by its SOP and EPH, and put the headers together."""
    (data,) = encoded(levels=2, sop=True, eph=True, ratios=(3, 1))
    codestream = read_codestream(data)
    (_, begin, end) = codestream.tile_parts[0].tolist()
    headers, bodies = b"", b""
    # Neither packet headers nor bodies have a byte above 0x8F after 0xFF.
    for packet in data[begin:end].split(b"\xff\x91\x00\x04")[1:]:
        header, body = packet[2:].split(b"\xff\x92")
        headers, bodies = headers + header + b"\xff\x92", bodies + body
    start = data.index(b"\xff\x90\x00\x0a")
    if packets == "tile":
        cut = len(headers) // 3
        tile = segment(0xFF61, b"\x00" + headers[:cut]) + segment(0xFF61, b"\x01" + headers[cut:])
        made = data[:start] + tile_part(0, 0, tile, bodies) + EOC
    else:
        main = segment(0xFF60, b"\x00" + len(headers).to_bytes(4, "big") + headers)
        made = data[:start] + main + tile_part(0, 0, b"", bodies) + EOC
    described = read_codestream(made)
    # The frame that is not cut shows that both ways go together in a batch.
    both = read_codeblocks(where, plan_decoding(described), [described, codestream])
    assert collected(both) == expected_blocks(described) + expected_blocks(codestream)
    assert expected_blocks(described) == expected_blocks(codestream)


@pytest.mark.skipif(simulator_enabled(), reason="too many launches for the simulator")
def test_every_truncation_is_told_with_frame_and_offset(where: Executor) -> None:
    (data,) = encoded(levels=2, ratios=(3, 1), sop=True)
    whole = read_codestream(data)
    plan = plan_decoding(whole)
    start, begin = data.index(b"\xff\x90\x00\x0a"), data.index(b"\xff\x93") + 2
    for length in range(begin, len(data) - len(EOC)):
        cut = read_codestream(data[:start] + tile_part(0, 0, b"", data[begin:length]) + EOC)
        with pytest.raises(TruncatedCodestreamError, match="packets, but no more than") as caught:
            read_codeblocks(where, plan, [whole, cut], first_frame=10)
        assert caught.value.frame == 11
        assert begin <= caught.value.offset <= length


@pytest.mark.skipif(simulator_enabled(), reason="too many launches for the simulator")
def test_damaged_packets_are_read_or_refused(where: Executor) -> None:
    random = np.random.default_rng(3)
    streams = [
        encoded(3, levels=2, ratios=(3, 1), codeblock_style=style, precincts=((4, 4),))[0]
        for style in (CodeblockStyle.PLAIN, CodeblockStyle(5))
    ]
    outcomes = set()
    for _ in range(400):
        data = bytearray(streams[random.integers(2)])
        begin = data.index(b"\xff\x93") + 2
        for _ in range(random.integers(1, 5)):
            data[random.integers(begin, len(data) - 2)] = random.integers(256)
        codestream = read_codestream(bytes(data))
        outcome, offset = "read", begin
        try:
            collected(read_codeblocks(where, plan_decoding(codestream), [codestream]))
        except CodestreamError as error:
            outcome, offset = type(error).__name__, error.offset
        assert begin <= offset <= len(data)
        outcomes.add(outcome)
    assert outcomes >= {"read", "TruncatedCodestreamError"}


# -- packet headers made by hand: one codeblock of 4 x 4 samples, one packet a layer

HT, MIXED = 0x40, 0xC0
FIRST = "11" + "001"  # the packet is not empty; the codeblock is there from layer 0 on, with two zero bit-planes
AGAIN = "11"
PASSES = {1: "0", 2: "10", 3: "1100", 4: "1101", 5: "1110"}


def packed(bits: str, body: bytes) -> bytes:
    """Return a packet. No bit pattern here has eight ones in a row, so that no bit is stuffed."""
    bits += "0" * (-len(bits) % 8)
    header = int(bits, 2).to_bytes(len(bits) // 8, "big")
    assert b"\xff" not in header
    return header + body


def by_hand(style: int, packets: list[bytes]) -> Codestream:
    component = Component(1, 1, 0, 2, 2, ((15, 15),), style)
    header = SOC + siz((0, 0, 4, 4), (0, 0, 4, 4), [(7, 1, 1)]) + cod(component, layers=len(packets)) + qcd(0)
    return read_codestream(header + tile_part(0, 0, b"", b"".join(packets)) + EOC)


def number(value: int, bits: int) -> str:
    return f"{value:0{bits}b}"


CLEANUP = packed(FIRST + PASSES[1] + "0" + number(5, 3), b"clean")
BY_HAND = {
    "cleanup alone": (HT, [CLEANUP], (2, 1, 1, [(b"clean", 1)])),
    "three passes at once": (
        HT,
        [packed(FIRST + PASSES[3] + "10" + number(10, 4) + number(7, 5), b"0123456789" + b"refined")],
        (2, 3, 1, [(b"0123456789", 1), (b"refined", 2)]),
    ),
    "refinement in the next layer": (
        HT,
        [CLEANUP, packed(AGAIN + PASSES[2] + "0" + number(7, 4), b"refined")],
        (2, 3, 1, [(b"clean", 1), (b"refined", 2)]),
    ),
    "each refinement in a layer of its own": (
        HT,
        [
            CLEANUP,
            packed(AGAIN + PASSES[1] + "0" + number(2, 3), b"si"),
            packed(AGAIN + PASSES[1] + "0" + number(3, 3), b"mag"),
        ],
        (2, 3, 1, [(b"clean", 1), (b"simag", 2)]),
    ),
    "placeholders, then cleanup in the same packet": (
        HT,
        [packed(FIRST + PASSES[4] + "0" + number(9, 5), b"123456789")],
        (3, 1, 1, [(b"123456789", 1)]),
    ),
    "placeholders in a packet of their own": (
        HT,
        [
            packed(FIRST + PASSES[3] + "0" + number(0, 4), b""),
            packed(AGAIN + PASSES[1] + "0" + number(5, 3), b"clean"),
        ],
        (3, 1, 1, [(b"clean", 1)]),
    ),
    "nothing but placeholders": (HT, [packed(FIRST + PASSES[3] + "0" + number(0, 4), b"")], (2, 0, 1, [])),
    "the last of two sets": (
        HT,
        [CLEANUP, packed(AGAIN + PASSES[5] + "0" + number(3, 4) + number(6, 3) + number(2, 4), b"refsecondre")],
        (3, 3, 1, [(b"second", 1), (b"re", 2)]),
    ),
    "an empty second set": (
        HT,
        [
            CLEANUP,
            packed(AGAIN + PASSES[3] + "0" + number(0, 4) + number(0, 3), b""),
            packed(AGAIN + PASSES[2] + "0" + number(0, 4), b""),
        ],
        (2, 3, 1, [(b"clean", 1), (b"", 2)]),
    ),
    "mixed, HT": (MIXED, [packed(FIRST + PASSES[1] + "10" + number(5, 4), b"clean")], (2, 1, 1, [(b"clean", 1)])),
    "mixed, Part 1": (
        MIXED,
        [
            packed(FIRST + PASSES[4] + "0" + number(20, 5), bytes(20)),
            packed(AGAIN + PASSES[2] + "0" + number(5, 4), b"12345"),
        ],
        (2, 6, 0, [(bytes(20) + b"12345", 6)]),
    ),
    "mixed, Part 1 with passes that an HT codeblock could not have": (
        MIXED,
        [packed(FIRST + PASSES[3] + "0" + number(11, 4), b"01234567890")],
        (2, 3, 0, [(b"01234567890", 3)]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_HAND)
def test_ht_codeblocks(where: Executor, name: str) -> None:
    style, packets, expected = BY_HAND[name]
    codestream = by_hand(style, packets)
    assert collected(read_codeblocks(where, plan_decoding(codestream), [codestream])) == [expected]


def test_layers_of_ht_codeblocks_that_are_not_wanted(where: Executor) -> None:
    style, packets, _ = BY_HAND["the last of two sets"]
    codestream = by_hand(style, packets)
    coded = read_codeblocks(where, plan_decoding(codestream, layers=1), [codestream])
    assert collected(coded) == [(2, 1, 1, [(b"clean", 1)])]
    assert coded.offset(0) == codestream.data.index(b"clean")


@pytest.mark.parametrize(
    ("style", "packets"),
    [
        (HT, [packed(FIRST + PASSES[1] + "0" + number(1, 3), b"1")]),
        (HT, [packed(FIRST + PASSES[2] + "0" + number(0, 3) + number(1, 1), b"1")]),
        (HT, [CLEANUP, packed(AGAIN + PASSES[5] + "0" + number(1, 4) + number(0, 3) + number(1, 4), b"12")]),
        (HT, [CLEANUP, packed(AGAIN + PASSES[3] + "0" + number(0, 4) + number(1, 3), b"1")]),
        (MIXED, [packed(FIRST + PASSES[1] + "10" + number(5, 4), b"clean"),
                 packed(AGAIN + PASSES[5] + "0" + number(0, 5) + number(0, 4) + number(1, 5), b"1")]),
    ],
)  # fmt: skip
def test_lengths_that_ht_codeblocks_cannot_have(where: Executor, style: int, packets: list[bytes]) -> None:
    codestream = by_hand(style, packets)
    with pytest.raises(CodestreamError, match="lengths that an HT codeblock cannot have"):
        read_codeblocks(where, plan_decoding(codestream), [codestream])


def test_zero_bitplanes_without_end_are_refused(where: Executor) -> None:
    codestream = by_hand(0, [packed("11" + "0" * 400 + "1", b"")])
    with pytest.raises(CodestreamError, match="too many passes, zero bit-planes or bytes"):
        read_codeblocks(where, plan_decoding(codestream), [codestream])


def test_lengths_of_more_than_32_bits_are_refused(where: Executor) -> None:
    first = packed(FIRST + PASSES[1] + "1" * 6 + "0" + number(0, 9), b"")
    more = [packed(AGAIN + PASSES[1] + "1" * 6 + "0" + number(0, 9 + 6 * layer), b"") for layer in range(1, 5)]
    coded = read_codeblocks(where, plan_decoding(good := by_hand(0, [first, *more[:3]])), [good])
    assert collected(coded) == [(2, 4, 0, [(b"", 4)])]
    codestream = by_hand(0, [first, *more])
    with pytest.raises(CodestreamError, match="too many passes, zero bit-planes or bytes"):
        read_codeblocks(where, plan_decoding(codestream), [codestream])
