"""How frames are cut up, against the equations of ITU-T T.800 Annex B in plain Python."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpucodec.codestream.j2k_geometry import plane_geometry
from gpucodec.codestream.j2k_parameters import CodingParameters, ProgressionOrder
from gpucodec.errors import ParameterError

EXAMPLES = settings(max_examples=30, deadline=None)
SIDES = st.integers(1, 90) | st.sampled_from([127, 128, 129, 256])
PRECINCTS = st.lists(st.tuples(st.integers(1, 7), st.integers(1, 7)), max_size=3).map(tuple)


def subband_size(length: int, level: int, high: bool) -> int:
    """Return the number of samples of a subband along one side, (B-15) with an origin of 0."""
    begin = math.ceil((0 - (1 << (level - 1)) * high) / (1 << level)) if level else 0
    end = math.ceil((length - (1 << (level - 1)) * high) / (1 << level)) if level else length
    return end - begin


@EXAMPLES
@given(rows=SIDES, columns=SIDES, levels=st.integers(0, 8))
def test_subbands_have_the_standards_sizes_and_fill_the_plane(rows: int, columns: int, levels: int) -> None:
    geometry = plane_geometry(rows, columns, CodingParameters(levels=levels))
    covered = np.zeros((rows, columns), int)
    for band in geometry.subbands:
        assert band.width == subband_size(columns, band.level, band.orientation in (1, 3))
        assert band.height == subband_size(rows, band.level, band.orientation in (2, 3))
        covered[band.y : band.y + band.height, band.x : band.x + band.width] += 1
    assert (covered == 1).all()
    assert len(geometry.subbands) == 3 * levels + 1


@EXAMPLES
@given(rows=SIDES, columns=SIDES, levels=st.integers(2, 5), precincts=PRECINCTS, exponent=st.integers(2, 6))
def test_codeblocks_fill_their_subbands_once(rows, columns, levels, precincts, exponent) -> None:
    parameters = CodingParameters(
        levels=levels, precincts=precincts, codeblock_width_exponent=exponent, codeblock_height_exponent=3
    )
    geometry = plane_geometry(rows, columns, parameters)
    covered = np.zeros((rows, columns), int)
    for index in range(geometry.num_codeblocks):
        x, y, width, height = (int(t[index]) for t in (geometry.x, geometry.y, geometry.width, geometry.height))
        assert 0 < width <= 1 << exponent
        assert 0 < height <= 8
        covered[y : y + height, x : x + width] += 1
        band = geometry.subbands[geometry.subband[index]]
        assert band.orientation == geometry.orientation[index]
        assert band.x <= x < x + width <= band.x + band.width
        # Codeblocks lie on a grid that begins where the subband does (B.7), within one precinct.
        wide = parameters.precinct(band.resolution)[0] - (band.resolution > 0)
        assert (x - band.x) >> min(wide, exponent) == (x - band.x + width - 1) >> min(wide, exponent)
    assert (covered == 1).all()


@EXAMPLES
@given(
    rows=SIDES, columns=SIDES, levels=st.integers(2, 5), precincts=PRECINCTS, order=st.sampled_from(ProgressionOrder)
)
def test_packets_come_in_the_order_of_the_standards_loops(rows, columns, levels, precincts, order) -> None:
    parameters = CodingParameters(levels=levels, precincts=precincts)
    geometry = plane_geometry(rows, columns, parameters)
    expected = list(loops(rows, columns, parameters, order, layers=2, components=3))
    layer, component, precinct = geometry.packets(order, 2, 3)
    first = [int(np.argmax(geometry.precinct_resolution == r)) for r in range(levels + 1)]
    resolution = geometry.precinct_resolution[precinct]
    places = precinct - np.array(first)[resolution]
    assert list(zip(layer, resolution, component, places, strict=True)) == expected


def loops(rows, columns, parameters, order, layers, components):
    """Yield layer, resolution level, component and precinct as B.12.1.1 to B.12.1.5 do; the grid is walked."""
    resolutions = range(parameters.levels + 1)

    def across(r):
        return math.ceil(math.ceil(columns / 2 ** (parameters.levels - r)) / 2 ** parameters.precinct(r)[0])

    def down(r):
        return math.ceil(math.ceil(rows / 2 ** (parameters.levels - r)) / 2 ** parameters.precinct(r)[1])

    def precincts(r):
        return range(across(r) * down(r))

    def at(y, x, r):
        shift = parameters.levels - r
        wide, high = (exponent + shift for exponent in parameters.precinct(r))
        if y % (1 << high) == 0 and x % (1 << wide) == 0:
            yield (x >> wide) + across(r) * (y >> high)

    grid = [(y, x) for y in range(rows) for x in range(columns)]
    if order is ProgressionOrder.LRCP:
        return (
            (v, r, c, k) for v in range(layers) for r in resolutions for c in range(components) for k in precincts(r)
        )
    if order is ProgressionOrder.RLCP:
        return (
            (v, r, c, k) for r in resolutions for v in range(layers) for c in range(components) for k in precincts(r)
        )
    if order is ProgressionOrder.RPCL:
        return (
            (v, r, c, k)
            for r in resolutions
            for y, x in grid
            for c in range(components)
            for k in at(y, x, r)
            for v in range(layers)
        )
    if order is ProgressionOrder.PCRL:
        return (
            (v, r, c, k)
            for y, x in grid
            for c in range(components)
            for r in resolutions
            for k in at(y, x, r)
            for v in range(layers)
        )
    return (
        (v, r, c, k)
        for c in range(components)
        for y, x in grid
        for r in resolutions
        for k in at(y, x, r)
        for v in range(layers)
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"levels": 33},
        {"levels": -1},
        {"codeblock_width_exponent": 1},
        {"codeblock_width_exponent": 10, "codeblock_height_exponent": 3},
        {"codeblock_style": 64},
        {"precincts": ((16, 3),)},
        {"precincts": ((0, 0),)},
        {"precincts": ((3, 3), (0, 3))},
        {"precincts": ((3, 3),) * 7},
        {"ratios": (5.0, 10.0)},
        {"ratios": (5.0, 5.0)},
        {"ratios": (0.5,)},
        {"ratios": (float("nan"),)},
        {"psnr": (50.0, 40.0)},
        {"psnr": (0.0, 40.0)},
        {"psnr": (-1.0,)},
        {"psnr": (40.0,), "ratios": (10.0,)},
    ],
    ids=str,
)
def test_what_the_standard_does_not_allow_is_refused(wrong: dict) -> None:
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        CodingParameters(**wrong)
