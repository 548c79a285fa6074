"""Segments of RLE that blocks of threads decode, against those that single indices do: bytes, and what is wrong."""

import numpy as np
import pytest
from gpucodec_kernels import rle, rle_segments
from gpucodec_kernels.target import simulator_enabled
from hypothesis import given, settings
from hypothesis import strategies as st

from gpucodec.backends import Executor, executor
from tests.kernels.blocks import SCHEDULES, BlockExecutor

EXAMPLES = settings(deadline=None, max_examples=5)


def decode(where: Executor, segments: list[bytes], pixels: int, *, lead: int = 0, blocks: bool) -> tuple:
    """Decode segments of `pixels` bytes each, which begin behind so many other bytes."""
    ends = np.cumsum([len(segment) for segment in segments]) + lead
    starts = ends - [len(segment) for segment in segments]
    source = np.frombuffer(bytes(lead) + b"".join(segments), np.uint8).copy()
    planes = np.full(len(segments) * pixels + 5, 0xA5, np.uint8)
    status, stopped = np.full(len(segments), -7, np.int32), np.full(len(segments), -7, np.int64)
    rle_segments.decode_segments(
        where, len(segments), source, starts, ends, pixels, planes, status, stopped, blocks=blocks
    )
    assert (planes[len(segments) * pixels :] == 0xA5).all()
    return planes[: len(segments) * pixels].reshape(len(segments), pixels), status, stopped


def check(segments: list[bytes], pixels: int, schedule: str, lead: int = 0) -> np.ndarray:
    """Decode both ways; return what was said of the segments. What damaged ones leave in their planes is nobody's."""
    planes, status, stopped = decode(executor("cpu"), segments, pixels, lead=lead, blocks=False)
    found = decode(BlockExecutor(schedule), segments, pixels, lead=lead, blocks=True)
    np.testing.assert_array_equal(found[1], status)
    np.testing.assert_array_equal(found[2], stopped)
    np.testing.assert_array_equal(found[0][status == rle.STATUS_OK], planes[status == rle.STATUS_OK])
    return status


def packets(lengths: list[int], random: np.random.Generator) -> tuple[bytes, int]:
    """Return packets, literal and replicate, and how many bytes they decode to; a length of none is no packet."""
    made, decoded = bytearray(), 0
    for length in lengths:
        if length == 0:
            made.append(0x80)
        elif length == 1 or random.random() < 0.5:
            made += bytes([length - 1]) + random.bytes(length)
        else:
            made += bytes([257 - length]) + random.bytes(1)
        decoded += length
    return bytes(made), decoded


LENGTHS = st.lists(st.sampled_from([0, 1, 1, 2, 3, 4, 7, 31, 33, 127, 128]), min_size=1, max_size=80)


@EXAMPLES
@given(
    lengths=LENGTHS, ending=st.sampled_from([b"", b"\0", b"\x80\0\0", b"\3\3"]), missing=st.sampled_from([0, 0, 1, 2]),
    change=st.sampled_from([0, 0, -1, 1]), lead=st.integers(0, 3), schedule=st.sampled_from(SCHEDULES),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_segments_of_awkward_packets_are_decoded_alike(
    lengths: list[int], ending: bytes, missing: int, change: int, lead: int, schedule: str, seed: int
) -> None:
    segment, decoded = packets(lengths, np.random.default_rng(seed))
    segment = segment[: len(segment) - missing] + ending
    check([segment], max(1, decoded + change), schedule, lead)


@EXAMPLES
@given(segment=st.binary(max_size=300), pixels=st.integers(1, 400), schedule=st.sampled_from(SCHEDULES))
def test_any_bytes_are_decoded_alike(segment: bytes, pixels: int, schedule: str) -> None:
    check([segment], pixels, schedule)


@pytest.mark.parametrize("longest", [1, 4, 128])
def test_segments_of_several_chunks_are_decoded_alike(longest: int) -> None:
    random = np.random.default_rng(longest)
    lengths = random.integers(0, longest + 1, 5 * rle_segments.CHUNK // (longest + 1)).tolist()
    segment, decoded = packets(lengths, random)
    assert len(segment) > rle_segments.CHUNK
    assert not check([segment], decoded, SCHEDULES[longest % 3]).any()


def test_the_least_and_the_most_that_a_chunk_decodes_to() -> None:
    replicates, literals = bytes([129, 7]) * (rle_segments.CHUNK // 2), bytes([0, 7]) * (rle_segments.CHUNK // 2 + 9)
    assert check([replicates], 128 * 10, "forwards") == [rle.STATUS_OVERLONG]  # found behind a sum of all of them
    assert not check([literals], rle_segments.CHUNK // 2 + 9, "backwards").any()
    assert not check([b"\x80" * (rle_segments.CHUNK + 3) + b"\0\7"], 1, "shuffled").any()


@pytest.mark.kernel
@pytest.mark.skipif(not simulator_enabled(), reason="blocks of threads need a GPU or the simulator")
def test_the_simulator_decodes_segments_alike(where: Executor) -> None:
    segment, decoded = packets([0, 1, 128, 3, 2, 128, 0, 33, 5], np.random.default_rng(4))
    segments = [segment, segment[:-1], segment + b"\1", b""]
    for found, expected in zip(
        decode(where, segments, decoded, blocks=True), decode(where, segments, decoded, blocks=False), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
