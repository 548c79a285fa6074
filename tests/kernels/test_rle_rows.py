"""Rows of RLE that blocks of threads encode, against those that single indices do, byte by byte."""

import numpy as np
import pytest
from gpucodec_kernels import rle, rle_rows
from gpucodec_kernels.target import simulator_enabled
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.data import get_testdata_file

from gpucodec.backends import Executor, executor
from tests.kernels.blocks import SCHEDULES, BlockExecutor

EXAMPLES = settings(deadline=None, max_examples=5)
LIMITS = [1, 1, 1, 2, 2, 3, 4, 5, 31, 32, 33, 126, 127, 128, 129, 130, 255, 256, 257, 385]


def encode(where: Executor, planes: np.ndarray, strides: tuple[int, ...], shape: tuple[int, ...], blocks: bool) -> list:
    """Encode every row of every segment."""
    rows, columns, segments = shape[:3]
    frame_bytes = rows * columns * segments
    num_rows, size = planes.size // frame_bytes * segments * rows, rle.slot_size(columns)
    slots, lengths = np.full(num_rows * size + 8, 0xA5, np.uint8), np.zeros(num_rows, np.int32)
    rle_rows.encode_rows(where, num_rows, planes.reshape(-1), strides, shape, slots, lengths, blocks=blocks)
    assert (slots[num_rows * size :] == 0xA5).all()
    return [slots[row * size : row * size + length].tobytes() for row, length in enumerate(lengths)]


def check_plane(plane: np.ndarray, schedule: str) -> None:
    """Encode the rows of a byte plane both ways."""
    rows, columns = plane.shape
    strides, shape = (plane.size, columns, 1, 1), (rows, columns, 1, 1, 0)
    expected = encode(executor("cpu"), plane, strides, shape, blocks=False)
    assert encode(BlockExecutor(schedule), plane, strides, shape, blocks=True) == expected


def row_of_parts(parts: list[tuple[str, int]], random: np.random.Generator) -> np.ndarray:
    """Make a row of runs, of pairs that no run follows, and of columns that all differ."""
    made = []
    for kind, length in parts:
        if kind == "run":
            made.append(np.full(length, random.integers(256)))
        elif kind == "pairs":
            made.append(np.repeat(random.permutation(256), 2)[:length])
        else:
            made.append(np.resize(random.permutation(256), length))
    return np.concatenate(made).astype(np.uint8)


PARTS = st.lists(
    st.tuples(st.sampled_from(["run", "run", "pairs", "noise"]), st.sampled_from(LIMITS)), min_size=1, max_size=8
)


@EXAMPLES
@given(
    rows=st.lists(PARTS, min_size=1, max_size=3), schedule=st.sampled_from(SCHEDULES), seed=st.integers(0, 2**32 - 1)
)
def test_rows_of_awkward_parts_are_encoded_alike(rows: list, schedule: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    made = [row_of_parts(parts, random) for parts in rows]
    columns = max(map(len, made))
    check_plane(np.stack([np.resize(row, columns) for row in made]), schedule)


@pytest.mark.parametrize("alphabet", [1, 2, 3, 256])
@pytest.mark.parametrize("columns", [1, 3, 32, 33, 513])
def test_rows_of_every_width_are_encoded_alike(columns: int, alphabet: int) -> None:
    plane = np.random.default_rng(columns).integers(0, alphabet, (2, columns), np.uint8)
    check_plane(plane, SCHEDULES[columns % 3])


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize(("size", "samples"), [(1, 1), (2, 1), (4, 1), (1, 3), (2, 3)])
def test_every_byte_plane_of_every_layout_is_encoded_alike(size: int, samples: int, planar: bool) -> None:
    frames, rows, columns, segments = 2, 3, 17, size * samples
    source = np.random.default_rng(7).integers(0, 4, frames * rows * columns * segments, np.uint8)
    pixel, sample = (size, rows * columns * size) if planar else (segments, size)
    strides = (rows * columns * segments, columns * pixel, pixel, sample)
    shape = (rows, columns, segments, size, size - 1)
    expected = encode(executor("cpu"), source, strides, shape, blocks=False)
    assert encode(BlockExecutor("shuffled"), source, strides, shape, blocks=True) == expected


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "SC_rgb.dcm"])
def test_rows_of_real_frames_are_encoded_alike(name: str) -> None:
    frame = dcmread(get_testdata_file(name, download=False)).pixel_array
    size, segments = frame.dtype.itemsize, frame.dtype.itemsize * (frame.shape[2] if frame.ndim == 3 else 1)
    rows, columns, middle = 2, frame.shape[1], frame.shape[0] // 2
    source = np.ascontiguousarray(frame[middle : middle + rows]).reshape(-1).view(np.uint8)
    strides = (source.size, columns * segments, segments, size)
    shape = (rows, columns, segments, size, size - 1)
    expected = encode(executor("cpu"), source, strides, shape, blocks=False)
    assert encode(BlockExecutor("backwards"), source, strides, shape, blocks=True) == expected


def test_rows_are_moved_alike() -> None:
    frames, segments, rows, columns = 2, 2, 3, 40
    random = np.random.default_rng(9)
    lengths = random.integers(0, columns, frames * segments * rows)
    slots = random.integers(1, 256, len(lengths) * rle.slot_size(columns), np.uint8)
    row_offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    sizes = lengths.reshape(frames, segments, rows).sum(2)
    ends = np.cumsum(sizes + sizes % 2, 1) + rle.HEADER_BYTES
    segment_offsets = np.concatenate([np.full((frames, 1), rle.HEADER_BYTES), ends], 1).astype(np.int64)
    frame_offsets = np.array([0, ends[0, -1]], np.int64)
    moved = []
    for where in (executor("cpu"), BlockExecutor("shuffled")):
        codestreams = np.full(ends[:, -1].sum() + 1, 0x55, np.uint8)
        places = (segment_offsets.reshape(-1), frame_offsets)
        rle_rows.gather_rows(where, len(lengths), slots, row_offsets, places, (segments, rows, columns), codestreams)
        moved.append(codestreams)
    np.testing.assert_array_equal(*moved)
    assert (moved[0] == 0).sum() == (sizes % 2).sum()


@pytest.mark.kernel
@pytest.mark.skipif(not simulator_enabled(), reason="blocks of threads need a GPU or the simulator")
def test_the_simulator_encodes_rows_alike(where: Executor) -> None:
    random = np.random.default_rng(3)
    row = row_of_parts([("noise", 200), ("pairs", 9), ("run", 259), ("noise", 1), ("run", 2), ("run", 80)], random)
    strides, shape = (row.size, row.size, 1, 1), (1, row.size, 1, 1, 0)
    expected = encode(where, row, strides, shape, blocks=False)
    assert encode(where, row, strides, shape, blocks=True) == expected
