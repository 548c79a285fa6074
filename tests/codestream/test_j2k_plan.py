"""The geometry of decoding against T.800 Annex B in plain loops: tiles, precincts, codeblocks, the order of packets."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpucodec.codestream.j2k_plan import plan_decoding
from gpucodec.codestream.j2k_reader import read_codestream
from gpucodec.errors import LimitExceededError, ParameterError, TruncatedCodestreamError, UnsupportedError
from tests.codestream.j2k_streams import EOC, ORDERS, SOC, coc, cod, plain, poc, qcd, siz, tile_part
from tests.reference.tiles import Component, Tile

EXAMPLES = settings(max_examples=30, deadline=None)
TILE_NUMBERS = 8


@st.composite
def components(draw: st.DrawFn) -> Component:
    levels = draw(st.integers(0, 4))
    precincts = [draw(st.tuples(st.integers(0, 5), st.integers(0, 5)))]
    precincts += [draw(st.tuples(st.integers(1, 5), st.integers(1, 5))) for _ in range(levels)]
    if draw(st.booleans()):
        precincts = [(15, 15)] * (levels + 1)
    width, height = draw(st.tuples(st.integers(2, 4), st.integers(2, 4)))
    dx, dy = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    return Component(dx, dy, levels, width, height, tuple(precincts))


@st.composite
def images(draw: st.DrawFn) -> dict:
    """Return image area, tile area and components of small images of one or more tiles."""
    tile_x0, tile_y0 = draw(st.tuples(st.integers(0, 9), st.integers(0, 9)))
    width, height = draw(st.tuples(st.integers(3, 20), st.integers(3, 20)))
    x0, y0 = tile_x0 + draw(st.integers(0, width - 1)), tile_y0 + draw(st.integers(0, height - 1))
    x1, y1 = x0 + draw(st.integers(1, 25)), y0 + draw(st.integers(1, 25))
    described = draw(st.lists(components(), min_size=1, max_size=3))
    described[0] = replace(described[0], dx=1, dy=1)  # so that there are samples
    return {"area": (x0, y0, x1, y1), "tiles": (tile_x0, tile_y0, width, height), "components": described}


def codestream(image: dict, order: str = "LRCP", layers: int = 1, extra: bytes = b"") -> bytes:
    """Return a codestream with that header, and bytes enough for all its packets."""
    described = image["components"]
    sizes = [(7, component.dx, component.dy) for component in described]
    header = SOC + siz(image["area"], image["tiles"], sizes) + cod(described[0], order, layers)
    header += b"".join(coc(number, component) for number, component in enumerate(described))
    return header + qcd(8) + extra + tile_part(0, 0, b"", bytes(1 << 16)) + EOC


def tiles_of(image: dict) -> list[Tile]:
    """Return the tiles of an image, (B-7) to (B-10)."""
    x0, y0, x1, y1 = image["area"]
    left, top, width, height = image["tiles"]
    return [
        Tile((max(x, x0), max(y, y0), min(x + width, x1), min(y + height, y1)), image["components"])
        for y in range(top, y1, height)
        for x in range(left, x1, width)
    ]


def order_of(plan, tile: int, reference: Tile) -> list[tuple[int, int, int, int]]:
    """Return the packets of a tile as a plan orders them: layer, resolution level, component, precinct."""
    names = [
        (level, number, index)
        for number, component in enumerate(reference.components)
        for level in range(component.levels + 1)
        for index in range(reference._count(number, level))
    ]
    begin, end = plan.tile_table.reshape(-1, TILE_NUMBERS)[tile, :2]
    packets = plan.packets.reshape(-1, 2)[begin:end]
    first = packets[:, 0].min(initial=0 if len(plan.tiles) == 1 else 1 << 30)
    return [(layer, *names[precinct - first]) for precinct, layer in packets.tolist()]


@EXAMPLES
@given(image=images(), order=st.sampled_from(ORDERS), layers=st.integers(1, 3))
def test_packets_come_in_the_standards_order(image: dict, order: str, layers: int) -> None:
    plan = plan_decoding(read_codestream(codestream(image, order, layers)), interleaved=False)
    references = tiles_of(image)
    assert plan.tiles.tolist() == list(range(len(references)))
    for tile, reference in enumerate(references):
        levels = range(max(component.levels for component in image["components"]) + 1)
        expected = reference.packets(order, range(layers), range(len(image["components"])), levels)
        assert order_of(plan, tile, reference) == expected


@EXAMPLES
@given(
    image=images(),
    changes=st.lists(
        st.tuples(
            st.integers(0, 2), st.integers(0, 1), st.integers(1, 4), st.integers(3, 6), st.integers(2, 4),
            st.sampled_from(ORDERS),
        ),
        min_size=1,
        max_size=4,
    ),
)  # fmt: skip
def test_packets_come_once_where_the_progression_changes(image: dict, changes: list) -> None:
    layers = 3
    image["tiles"] = (*image["tiles"][:2], 99, 99)  # one tile, so that its precincts are numbered from 0
    plan = plan_decoding(read_codestream(codestream(image, "LRCP", layers, poc(changes))), interleaved=False)
    number = len(image["components"])
    for tile, reference in enumerate(tiles_of(image)):
        expected: list[tuple[int, int, int, int]] = []
        for first_level, first_component, end_layer, end_level, end_component, order in changes:
            volume = reference.packets(
                order,
                range(min(end_layer, layers)),
                range(first_component, min(end_component, number)),
                range(first_level, end_level),
            )
            seen = set(expected)
            expected += [packet for packet in volume if packet not in seen]
        assert order_of(plan, tile, reference) == expected


@EXAMPLES
@given(image=images())
def test_codeblocks_are_the_standards_and_have_coefficients_of_their_own(image: dict) -> None:
    plan = plan_decoding(read_codestream(codestream(image)), interleaved=False)
    expected = []
    for reference in tiles_of(image):
        for number, component in enumerate(image["components"]):
            for level in range(component.levels + 1):
                for precinct in reference.precincts[number, level][2]:
                    for band in precinct.bands:
                        for row in band:
                            for block in row:
                                orientation = (block.band - 1) % 3 + 1 if block.band else 0
                                expected.append((block.x1 - block.x0, block.y1 - block.y0, orientation))
    blocks = plan.blocks.reshape(-1, 8)
    assert [tuple(row) for row in blocks[:, 1:4].tolist()] == expected
    assert plan.block_sources.tolist() == list(range(plan.num_all_blocks))
    covered = np.zeros(plan.num_coefficients, int)
    for place, (stride, width, height, *_) in zip(plan.block_places.tolist(), blocks.tolist(), strict=True):
        assert stride >= width
        for row in range(height):
            covered[place + row * stride : place + row * stride + width] += 1
    assert covered.max(initial=0) == 1
    assert covered.sum() == sum(width * height for width, height, _ in expected)


@EXAMPLES
@given(image=images())
def test_all_samples_are_stored_once(image: dict) -> None:
    plan = plan_decoding(read_codestream(codestream(image)), interleaved=False)
    stored = np.zeros(plan.output_samples, int)
    for row in plan.tables.stores:
        width = int(row["right"] - row["left"])
        for line in range(int(row["bottom"] - row["top"])):
            begin = int(row["place"] + line * row["row_stride"])
            stored[begin : begin + width] += 1
    assert (stored == 1).all()


def test_frames_with_equal_headers_share_a_plan() -> None:
    first = read_codestream(plain())
    comment, lengths = b"\xff\x64\x00\x06\x00\x01ab", b"\xff\x58\x00\x04\x00\x01"
    second = read_codestream(plain(main=comment, tile=lengths, packets=bytes(9)))
    assert first.plan_key == second.plan_key
    assert plan_decoding(first) is plan_decoding(second)
    assert plan_decoding(first) is not plan_decoding(first, reduce=1)
    assert plan_decoding(first) is not plan_decoding(read_codestream(plain(tile=qcd(3, guard_bits=3))))


@pytest.mark.parametrize(("reduce", "rows"), [(0, 16), (1, 8), (2, 4), (3, 2)])
def test_discarded_levels(reduce: int, rows: int) -> None:
    plan = plan_decoding(read_codestream(plain()), reduce=reduce)
    assert (plan.components[0].rows, plan.components[0].columns) == (rows, rows)
    assert plan.num_coefficients == max(rows * rows, 64 if reduce == 2 else 0) or plan.num_coefficients >= rows * rows
    assert plan.num_blocks == 1 + 3 * (3 - reduce)


def test_a_region_needs_few_codeblocks() -> None:
    component = Component(1, 1, 2, 4, 4, ((15, 15),) * 3)
    image = {"area": (0, 0, 512, 512), "tiles": (0, 0, 128, 128), "components": [component]}
    found = read_codestream(codestream(image))
    whole, part = plan_decoding(found), plan_decoding(found, region=(300, 200, 16, 16))
    assert part.tiles.tolist() == [9]
    assert part.output_samples == 256
    # Of 16 x 16 samples and what the filters reach beyond, each subband has parts in four codeblocks at most.
    assert part.num_blocks <= 4 * 7
    assert whole.num_blocks == 16 * 64


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reduce": 4}, "'reduce' of 4 is not allowed, there are 3"),
        ({"reduce": -1}, "must be 0 or more"),
        ({"layers": -1}, "must be 0 or more"),
        ({"region": (0, 0, 17, 1)}, "does not lie in the image area of 16 x 16"),
        ({"region": (0, -1, 3, 3)}, "does not lie"),
        ({"region": (3, 3, 0, 3)}, "does not lie"),
        ({"region": (3, 3, 1, 1), "reduce": 2}, "no sample is left"),
    ],
)
def test_what_is_not_there_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        plan_decoding(read_codestream(plain()), **options)


def test_components_of_different_sizes_are_not_interleaved() -> None:
    described = [Component(step, 1, 1, 4, 4, ((15, 15),) * 2) for step in (1, 2)]
    found = read_codestream(codestream({"area": (0, 0, 8, 8), "tiles": (0, 0, 8, 8), "components": described}))
    with pytest.raises(UnsupportedError, match="different sizes"):
        plan_decoding(found)
    planes = plan_decoding(found, interleaved=False).components
    assert [(plane.rows, plane.columns, plane.place) for plane in planes] == [(8, 8, 0), (8, 4, 64)]


def claim(area: tuple[int, int], tile: tuple[int, int], *, levels: int = 0, number: int = 1, layers: int = 1) -> bytes:
    """Return a few bytes that claim much."""
    component = Component(1, 1, levels, 2, 2, ((15, 15),) * (levels + 1))
    header = SOC + siz((0, 0, *area), (0, 0, *tile), [(7, 1, 1)] * number)
    return header + cod(component, layers=layers) + qcd(levels) + tile_part(0, 0, b"", bytes(500)) + EOC


@pytest.mark.parametrize(
    ("codestream", "error"),
    [
        (claim((2**32 - 1, 2**32 - 1), (2**32 - 1, 2**32 - 1)), LimitExceededError),
        (claim((2**32 - 1, 2**32 - 1), (2**32 - 1, 2**32 - 1), levels=32), LimitExceededError),
        (claim((1 << 15, 1 << 15), (1 << 15, 1 << 15)), LimitExceededError),  # codeblocks of 4 x 4 samples
        (claim((65535, 1), (1, 1)), TruncatedCodestreamError),
        (claim((255, 257), (1, 1)), TruncatedCodestreamError),
        (claim((255, 257), (1, 1), number=100), LimitExceededError),
        (claim((9, 9), (9, 9), number=16384), TruncatedCodestreamError),
        (claim((9, 9), (9, 9), levels=32, layers=65535), TruncatedCodestreamError),
    ],
)
def test_claims_that_bytes_do_not_back_are_refused(codestream: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        plan_decoding(read_codestream(codestream), interleaved=False)


def test_the_callers_limit_holds_for_a_plan_that_is_there_already() -> None:
    found = read_codestream(plain())
    plan = plan_decoding(found)
    plan_decoding(found, max_bytes=4 * (plan.num_coefficients + 256))
    with pytest.raises(LimitExceededError, match="above the limit"):
        plan_decoding(found, max_bytes=4 * (plan.num_coefficients + 255))


def test_tiles_are_in_order_in_every_table() -> None:
    component = Component(1, 1, 2, 4, 4, ((15, 15),) * 3)
    image = {"area": (3, 5, 150, 140), "tiles": (1, 2, 37, 41), "components": [component] * 2}
    plan = plan_decoding(read_codestream(codestream(image)))
    assert len(plan.tile_blocks) == len(plan.tiles) + 1
    for begin, end in pairwise(plan.tile_blocks.tolist()):
        places = plan.block_places[begin:end]
        assert (np.diff(plan.block_sources[begin:end]) == 1).all()
        assert end == plan.num_blocks or places.max() < plan.block_places[end]
    assert (np.diff(plan.tables.stores["chain"]) > 0).all()
