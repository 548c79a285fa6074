"""Packets of the conformance set of ISO/IEC 15444-4: every byte of every tile is told of, and none is left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpucodec.backends import executor
from gpucodec.codecs.jpeg2000_reading import read_codeblocks
from gpucodec.codestream.j2k_plan import plan_decoding
from gpucodec.codestream.j2k_reader import Codestream, read_codestream
from gpucodec.errors import TruncatedCodestreamError
from tests.conformance_data import ROOT, present

_SET = ROOT / "j2k-conformance"
STREAMS = sorted(path.name for path in _SET.glob("*.j2k"))


def test_the_set_is_there() -> None:
    present("j2k-conformance")
    assert len(STREAMS) == 55


def shortened(codestream: Codestream, tile: int) -> Codestream:
    """Return a codestream without the last byte of a tile's packets, EPH not counted: that one is not missed."""
    parts = codestream.tile_parts.copy()
    mine = np.flatnonzero((parts[:, 0] == tile) & (parts[:, 2] > parts[:, 1]))
    parts[mine[-1], 2] -= 3 if codestream.data[: parts[mine[-1], 2]].endswith(b"\xff\x92") else 1
    return replace(codestream, tile_parts=parts)


@pytest.mark.parametrize("name", STREAMS)
def test_packets_take_up_all_bytes_of_their_tile(name: str) -> None:
    codestream = read_codestream((_SET / name).read_bytes())
    assert codestream.unsupported == ()
    assert codestream.is_high_throughput == ("_ht_" in name or "_hm_" in name)
    plan = plan_decoding(codestream, interleaved=False)
    coded = read_codeblocks(executor("cpu"), plan, [codestream])
    rows = coded.coded.reshape(-1, 3)[: plan.num_blocks]
    assert rows[:, 1].any()
    if not codestream.is_high_throughput:
        assert not rows[:, 2].any()
    elif "_ht_" in name:
        assert rows[rows[:, 1] > 0, 2].all()
    for tile in {int(plan.tiles[0]), int(plan.tiles[len(plan.tiles) // 2]), int(plan.tiles[-1])}:
        with pytest.raises(TruncatedCodestreamError, match=f"tile {tile} has"):
            read_codeblocks(executor("cpu"), plan, [shortened(codestream, tile)])
