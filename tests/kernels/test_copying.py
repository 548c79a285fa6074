"""Pieces of bytes to their places: by single indices, and by blocks of threads."""

import numpy as np
import pytest
from gpucodec_kernels import copying
from gpucodec_kernels.target import block_kernel, simulator_enabled
from numpy import uint32

from gpucodec.backends import Executor
from tests.kernels.blocks import BlockExecutor


@block_kernel("uint8[::1], uint64, uint8[::1], uint64, uint32", threads=8, shared_type="uint32", shared_size=1)
def copy_one(index, thread, _, source, begin, target, place, length):
    """Copy one piece."""
    copying.copy_piece(source, begin, target, place, length, uint32(thread), uint32(8))


@pytest.mark.parametrize("begin", range(4))
@pytest.mark.parametrize("place", range(4))
def test_pieces_of_every_length_and_alignment_are_copied(begin: int, place: int) -> None:
    # The arrays end with the piece: no word is read or written beyond it.
    for length in [*range(14), 31, 32, 33, 100]:
        source = np.random.default_rng(length).integers(1, 256, begin + length, np.uint8)
        target = np.zeros(place + length, np.uint8)
        BlockExecutor("backwards").launch(copy_one, 1, source, begin, target, place, length)
        np.testing.assert_array_equal(target, np.concatenate([np.zeros(place, np.uint8), source[begin:]]))


def check(where: Executor, lengths: list[int], slot_size: int, *, blocks: bool) -> None:
    slots = np.random.default_rng(1).integers(1, 256, (len(lengths), slot_size), np.uint8)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    target = where.upload(np.zeros(offsets[-1] + 3, np.uint8))
    copying.gather(
        where, len(lengths), where.upload(slots.reshape(-1)), slot_size, where.upload(offsets), target, blocks=blocks
    )
    expected = np.concatenate([slot[:length] for slot, length in zip(slots, lengths, strict=True)])
    np.testing.assert_array_equal(where.download(target), np.concatenate([expected, [0, 0, 0]]))


@pytest.mark.kernel
@pytest.mark.parametrize("blocks", [False, True])
def test_slots_are_gathered(where: Executor, blocks: bool) -> None:
    if blocks and not simulator_enabled():
        where = BlockExecutor("shuffled")
    check(where, [3, 0, 8, 5, 1, 11], 11, blocks=blocks)


def test_long_slots_are_gathered_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "PART", 64)
    check(BlockExecutor("forwards"), [63, 64, 65, 0, 150], 150, blocks=True)
