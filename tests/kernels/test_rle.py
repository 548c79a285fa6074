"""The RLE kernels one by one, against the standard's text in plain Python and against NumPy."""

import numpy as np
import pytest
from gpucodec_kernels import rle, rle_rows, rle_segments
from hypothesis import given, settings
from hypothesis import strategies as st

from gpucodec.backends import Executor

pytestmark = pytest.mark.kernel
EXAMPLES = settings(settings.get_profile("kernels"))


def unpack(encoded: bytes) -> bytes:
    """Decode PackBits as PS3.5 G.3.2 words it."""
    out = bytearray()
    position = 0
    while position < len(encoded):
        control = encoded[position]
        if control < 128:
            out += encoded[position + 1 : position + 2 + control]
            position += control + 2
        elif control > 128:
            out += encoded[position + 1 : position + 2] * (257 - control)
            position += 2
        else:
            position += 1
    return bytes(out)


def skip_on_gpus(where: Executor) -> None:
    """Leave out what is said of a kernel in whose place GPUs have one of blocks of threads."""
    if where.backend == "cuda":
        pytest.skip("no GPU launches this kernel")


def encode_rows(where: Executor, plane: np.ndarray) -> list[bytes]:
    """Encode each row of a byte plane."""
    rows, columns = plane.shape
    size = rle.slot_size(columns)
    slots, lengths = where.empty(rows * size, np.uint8), where.empty(rows, np.int32)
    source = where.upload(np.ascontiguousarray(plane).reshape(-1))
    strides, shape = (plane.size, columns, 1, 1), (rows, columns, 1, 1, 0)
    rle_rows.encode_rows(where, rows, source, strides, shape, slots, lengths)
    encoded = where.download(slots).reshape(rows, size)
    return [encoded[row, :length].tobytes() for row, length in enumerate(where.download(lengths))]


def decode_segments(where: Executor, segments: list[bytes], pixels: int) -> tuple[list[bytes], list[int], list[int]]:
    """Decode segments of `pixels` bytes each; return planes, statuses and where each stopped."""
    ends = np.cumsum([len(segment) for segment in segments])
    starts = ends - [len(segment) for segment in segments]
    planes = where.empty(len(segments) * pixels, np.uint8)
    status, stopped = where.empty(len(segments), np.int32), where.empty(len(segments), np.int64)
    source = where.upload(np.frombuffer(b"".join(segments), np.uint8))
    bounds = where.upload(starts.astype(np.int64)), where.upload(ends.astype(np.int64))
    rle_segments.decode_segments(where, len(segments), source, *bounds, pixels, planes, status, stopped)
    decoded = where.download(planes).reshape(len(segments), pixels)
    return (
        [plane.tobytes() for plane in decoded],
        where.download(status).tolist(),
        where.download(stopped).tolist(),
    )


LIMITS = [1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 126, 127, 128, 129, 130, 255, 256, 257]
# Runs of lengths around every limit of the format and of a word, of few and of many different values.
RUNS = st.lists(st.tuples(st.integers(0, 255) | st.integers(0, 1), st.sampled_from(LIMITS)), min_size=1, max_size=60)


@EXAMPLES
@given(runs=RUNS)
def test_an_encoded_row_decodes_to_the_row(where: Executor, runs: list[tuple[int, int]]) -> None:
    values, lengths = np.array(runs).T
    row = np.repeat(values, lengths).astype(np.uint8)
    (encoded,) = encode_rows(where, row[None, :])
    assert unpack(encoded) == row.tobytes()


@EXAMPLES
@given(columns=st.integers(1, 700), alphabet=st.sampled_from([1, 2, 3, 256]), seed=st.integers(0, 2**32 - 1))
def test_rows_are_encoded_each_by_itself(where: Executor, columns: int, alphabet: int, seed: int) -> None:
    plane = np.random.default_rng(seed).integers(0, alphabet, (3, columns), np.uint8)
    for row, encoded in zip(plane, encode_rows(where, plane), strict=True):
        assert unpack(encoded) == row.tobytes()


@EXAMPLES
@given(blocks=st.lists(st.sampled_from([127, 128, 129, 2, 3]), min_size=1, max_size=40), seed=st.integers(0, 2**32 - 1))
def test_a_row_never_takes_more_than_its_literal_form(where: Executor, blocks: list[int], seed: int) -> None:
    # Literal blocks of every awkward length, between pairs and triples.
    random = np.random.default_rng(seed)
    parts = [random.permutation(256)[:n] if n > 3 else np.full(n, random.integers(256)) for n in blocks]
    row = np.concatenate(parts).astype(np.uint8)
    (encoded,) = encode_rows(where, row[None, :])
    assert unpack(encoded) == row.tobytes()
    assert len(encoded) <= row.size + -(-row.size // 128)


def test_words_written_ahead_stay_inside_the_row_s_slot(where: Executor) -> None:
    plane = np.random.default_rng(5).integers(0, 3, (4, 33), np.uint8)
    size = rle.slot_size(33)
    guard = np.full(4 * size + 64, 0xA5, np.uint8)
    slots, lengths = where.upload(guard), where.empty(4, np.int32)
    source = where.upload(plane.reshape(-1))
    rle_rows.encode_rows(where, 4, source, (plane.size, 33, 1, 1), (4, 33, 1, 1, 0), slots, lengths)
    assert (where.download(slots)[4 * size :] == 0xA5).all()


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize(("bytes_per_sample", "samples"), [(1, 1), (2, 1), (4, 1), (8, 1), (1, 3), (2, 3), (4, 3)])
def test_every_byte_plane_of_every_layout_is_gathered(
    where: Executor, bytes_per_sample: int, samples: int, planar: bool
) -> None:
    frames, rows, columns, size = 2, 3, 17, bytes_per_sample
    array = np.random.default_rng(7).integers(0, 256, (frames, rows, columns, samples, size), np.uint8)
    segments = samples * size
    # Most significant byte first, sample by sample; the array is little-endian.
    planes = array[..., ::-1].transpose(0, 3, 4, 1, 2).reshape(frames * segments * rows, columns)
    if planar:
        source = array.transpose(0, 3, 1, 2, 4)
        strides = (rows * columns * segments, columns * size, size, rows * columns * size)
    else:
        source = array
        strides = (rows * columns * segments, columns * segments, segments, size)
    slots, lengths = where.empty(len(planes) * rle.slot_size(columns), np.uint8), where.empty(len(planes), np.int32)
    flat = where.upload(np.ascontiguousarray(source).reshape(-1))
    shape = (rows, columns, segments, size, size - 1)
    rle_rows.encode_rows(where, len(planes), flat, strides, shape, slots, lengths)
    encoded = where.download(slots).reshape(len(planes), -1)
    for plane_row, slot, length in zip(planes, encoded, where.download(lengths), strict=True):
        assert unpack(slot[:length].tobytes()) == plane_row.tobytes()


@EXAMPLES
@given(runs=RUNS, padding=st.sampled_from([b"", b"\0", b"\0\0", b"\x80\0"]))
def test_runs_across_rows_and_padding_decode(where: Executor, runs: list[tuple[int, int]], padding: bytes) -> None:
    # Encoded by the letter of the standard, with no regard to rows or to the best choice of runs.
    encoded, plain = bytearray(), bytearray()
    for value, length in runs:
        length = min(length, 128)
        if value % 2 or length == 1:
            literal = bytes((value + step) % 256 for step in range(length))
            encoded += bytes([length - 1]) + literal
            plain += literal
        else:
            encoded += bytes([257 - length, value, 0x80])
            plain += bytes([value]) * length
    planes, status, _ = decode_segments(where, [bytes(encoded) + padding], len(plain))
    assert status == [rle.STATUS_OK]
    assert planes == [bytes(plain)]


def test_what_is_wrong_with_a_segment_is_told_with_its_place(where: Executor) -> None:
    segments = [
        bytes([3, 1, 2, 3, 4]),
        bytes([3, 1, 2]),  # the literal run needs four bytes
        bytes([254]),  # the replicate run needs its byte
        bytes([0, 9, 0x80]),  # one byte of four
        bytes([0, 9, 4, 1, 2, 3, 4, 5]),  # six bytes of four
        bytes([0, 9, 252, 1]),  # six bytes of four
        bytes([3, 1, 2, 3, 4, 1, 5, 6]),  # the plane is full, and more comes
        b"",
    ]
    _, status, stopped = decode_segments(where, segments, 4)
    truncated, short, overlong = rle.STATUS_TRUNCATED, rle.STATUS_SHORT, rle.STATUS_OVERLONG
    assert status == [rle.STATUS_OK, truncated, truncated, short, overlong, overlong, overlong, short]
    assert stopped == [5, 0, 0, 3, 2, 2, 5, 0]


@EXAMPLES
@given(data=st.binary(min_size=1, max_size=80), pixels=st.integers(1, 64))
def test_any_bytes_decode_or_are_refused_within_their_plane(where: Executor, data: bytes, pixels: int) -> None:
    # Two good neighbours: nothing that the middle segment says may reach into their planes.
    neighbour = b"".join(bytes([0, 7]) for _ in range(pixels))
    planes, status, _ = decode_segments(where, [neighbour, data, neighbour], pixels)
    assert planes[0] == planes[2] == bytes([7]) * pixels
    if status[1] == rle.STATUS_OK:
        assert planes[1] == unpack(data)[:pixels]


@pytest.mark.parametrize("segments", [1, 2, 3, 4, 6, 8, 12])
@pytest.mark.parametrize("chunk_pixels", [1, 5, 64])
def test_planes_become_pixels(where: Executor, segments: int, chunk_pixels: int) -> None:
    skip_on_gpus(where)
    frames, pixels = 2, 23
    random = np.random.default_rng(segments)
    planes = random.integers(0, 256, (frames, segments, pixels), np.uint8)
    places = random.permutation(segments).astype(np.int32)
    samples = where.empty(planes.size, np.uint8)
    chunks = -(-pixels // chunk_pixels)
    arguments = (pixels, segments, chunks, chunk_pixels, where.upload(places), samples)
    where.launch(rle.interleave_planes, frames * chunks, where.upload(planes.reshape(-1)), *arguments)
    expected = planes[:, places].transpose(0, 2, 1)
    np.testing.assert_array_equal(where.download(samples).reshape(expected.shape), expected)


@pytest.mark.parametrize("lanes", [1, 2, 3, 7])
@pytest.mark.parametrize("segments", [2, 3, 4])
def test_lanes_decode_every_frame_and_leave_out_damaged_ones(where: Executor, lanes: int, segments: int) -> None:
    skip_on_gpus(where)
    frames, pixels = 5, 6
    planes = np.random.default_rng(lanes).integers(0, 256, (frames, segments, pixels), np.uint8)
    encoded = [bytes([pixels - 1]) + plane.tobytes() for plane in planes.reshape(-1, pixels)]
    encoded[2 * segments + 1] = b"\x05\0"  # a segment of the third frame is cut off
    ends = np.cumsum([len(segment) for segment in encoded])
    starts = ends - [len(segment) for segment in encoded]
    places = np.arange(segments, dtype=np.int32)[::-1].copy()
    samples = where.upload(np.full(planes.size, 0xA5, np.uint8))
    status, stopped = where.empty(len(encoded), np.int32), where.empty(len(encoded), np.int64)
    source = where.upload(np.frombuffer(b"".join(encoded), np.uint8))
    bounds = where.upload(starts.astype(np.int64)), where.upload(ends.astype(np.int64))
    shape = (pixels, segments, frames, lanes, where.upload(places))
    scratch = where.empty(lanes * segments * pixels, np.uint8)
    where.launch(rle.decode_lane, lanes, source, *bounds, *shape, scratch, status, stopped, samples)
    decoded = where.download(samples).reshape(frames, pixels, segments)
    expected = planes.transpose(0, 2, 1)[:, :, ::-1].copy()
    expected[2] = 0xA5
    np.testing.assert_array_equal(decoded, expected)
    assert np.flatnonzero(where.download(status)).tolist() == [2 * segments + 1]
