"""RLE Lossless end to end, against pydicom's own decoder and pylibjpeg-rle."""

import numpy as np
import pytest
import rle as pylibjpeg_rle
from gpucodec_kernels.target import simulator_enabled
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.pixels.decoders.rle import _rle_decode_frame

import gpucodec
from gpucodec import FrameSpec
from gpucodec.errors import (
    CodestreamError,
    LimitExceededError,
    ParameterError,
    TruncatedCodestreamError,
    UnsupportedError,
)

RLE = "1.2.840.10008.1.2.5"
BACKEND = "simulator" if simulator_enabled() else "cpu"
# The simulator starts a thread for each index: it gets the same tests on frames of a few pixels.
ROWS, COLUMNS = (3, 5) if simulator_enabled() else (37, 301)
EXAMPLES = settings(max_examples=5 if simulator_enabled() else 100, deadline=None)

LAYOUTS = [(dtype, samples) for dtype in ("u1", "i1", "u2", "i2", "u4", "i4") for samples in (1, 3)] + [("u8", 1)]


def pictures(dtype: str, samples: int, frames: int = 3, rows: int = ROWS, columns: int = COLUMNS) -> np.ndarray:
    """Return frames with flat areas, ramps and noise over the whole range of the dtype."""
    random = np.random.default_rng(frames * rows + columns)
    info = np.iinfo(dtype)
    shape = (frames, rows, columns, samples)
    noise = random.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    noise[:, rows // 3 :] >>= info.bits - 3  # few values: runs
    noise[:, 2 * rows // 3 :] = info.max
    return noise if samples > 1 else noise[..., 0]


def pydicom_decoded(codestream: bytes, spec: FrameSpec) -> np.ndarray:
    """Decode with pydicom's own decoder, which gives planes of little-endian samples."""
    raw = _rle_decode_frame(codestream, spec.rows, spec.columns, spec.samples_per_pixel, spec.bits_allocated)
    planar = np.frombuffer(raw, spec.dtype.newbyteorder("<")).reshape(spec.samples_per_pixel, spec.rows, spec.columns)
    return planar[0] if spec.samples_per_pixel == 1 else planar.transpose(1, 2, 0)


@pytest.mark.kernel
@pytest.mark.parametrize(("dtype", "samples"), LAYOUTS)
def test_pydicom_decodes_what_we_encode_and_so_do_we(dtype: str, samples: int) -> None:
    frames = pictures(dtype, samples)
    spec = FrameSpec.from_array(frames)
    encoded = gpucodec.encode_frames(frames, RLE, backend=BACKEND)
    assert all(len(codestream) % 2 == 0 for codestream in encoded)
    for frame, codestream in zip(frames, encoded, strict=True):
        np.testing.assert_array_equal(pydicom_decoded(codestream, spec), frame)
    decoded = gpucodec.decode_frames(encoded, RLE, spec=spec, backend=BACKEND)
    assert decoded.dtype == frames.dtype
    np.testing.assert_array_equal(decoded, frames)


@pytest.mark.kernel
@pytest.mark.parametrize(("dtype", "samples"), [("u1", 1), ("u2", 1), ("u4", 1), ("u1", 3), ("u2", 3)])
def test_we_decode_what_pylibjpeg_encodes_and_are_never_longer(dtype: str, samples: int) -> None:
    frames = pictures(dtype, samples)
    spec = FrameSpec.from_array(frames)
    shape = {"rows": ROWS, "columns": COLUMNS, "samples_per_pixel": samples, "bits_allocated": spec.bits_allocated}
    theirs = [pylibjpeg_rle.encode_pixel_data(frame.tobytes(), byteorder="<", **shape) for frame in frames]
    decoded = gpucodec.decode_frames(theirs, RLE, spec=spec, backend=BACKEND)
    np.testing.assert_array_equal(decoded, frames)
    ours = gpucodec.encode_frames(frames, RLE, backend=BACKEND)
    assert all(len(mine) <= len(their) for mine, their in zip(ours, theirs, strict=True))


RUNS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([1, 1, 1, 1, 2, 3, 100, 126, 127, 128, 129, 130])),
    min_size=1,
    max_size=30,
)


@EXAMPLES
@given(runs=RUNS, literal=st.integers(0, 140), seed=st.integers(0, 2**32 - 1))
def test_no_row_is_longer_than_pylibjpeg_s(runs: list[tuple[int, int]], literal: int, seed: int) -> None:
    values, lengths = np.array(runs).T
    noise = np.random.default_rng(seed).integers(0, 256, literal)
    row = np.concatenate([noise, np.repeat(values, lengths), noise[::-1]]).astype(np.uint8)
    shape = {"rows": 1, "columns": row.size, "samples_per_pixel": 1, "bits_allocated": 8}
    theirs = pylibjpeg_rle.encode_pixel_data(row.tobytes(), **shape)
    (ours,) = gpucodec.encode_frames(row[None, None], RLE, backend=BACKEND)
    assert len(ours) <= len(theirs)


@pytest.mark.kernel
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 2), (2, 1), (1, 129), (7, 3)])
def test_small_frames(rows: int, columns: int) -> None:
    frames = pictures("u2", 1, 2, rows, columns)
    encoded = gpucodec.encode_frames(frames, RLE, backend=BACKEND)
    spec = FrameSpec.from_array(frames)
    np.testing.assert_array_equal(gpucodec.decode_frames(encoded, RLE, spec=spec, backend=BACKEND), frames)


@pytest.mark.kernel
def test_planar_arrays_are_read_where_they_lie() -> None:
    planar = np.ascontiguousarray(pictures("u2", 3).transpose(0, 3, 1, 2))
    frames = planar.transpose(0, 2, 3, 1)
    assert gpucodec.encode_frames(frames, RLE, backend=BACKEND) == gpucodec.encode_frames(
        np.ascontiguousarray(frames), RLE, backend=BACKEND
    )


@pytest.mark.skipif(simulator_enabled(), reason="too many pixels for the simulator")
@pytest.mark.parametrize(("rows", "columns"), [(1, 65535), (65535, 1), (3000, 1700)])
def test_long_sides_and_frames_larger_than_a_portion(rows: int, columns: int) -> None:
    frames = pictures("u2", 1, 3, rows, columns)
    encoded = gpucodec.encode_frames(frames, RLE, backend=BACKEND)
    spec = FrameSpec.from_array(frames)
    np.testing.assert_array_equal(gpucodec.decode_frames(encoded, RLE, spec=spec, backend=BACKEND), frames)
    np.testing.assert_array_equal(pydicom_decoded(encoded[2], spec), frames[2])


@pytest.mark.skipif(simulator_enabled(), reason="too many pixels for the simulator")
def test_many_frames_over_several_portions() -> None:
    frames = np.tile(pictures("u1", 3, 8, 256, 256), (12, 1, 1, 1))
    frames[:, 0, 0, 0] = np.arange(len(frames))
    encoded = gpucodec.encode_frames(frames, RLE, backend=BACKEND)
    spec = FrameSpec.from_array(frames)
    np.testing.assert_array_equal(gpucodec.decode_frames(encoded, RLE, spec=spec, backend=BACKEND), frames)


@pytest.mark.kernel
def test_the_reversed_order_of_broken_writers_can_be_asked_for() -> None:
    frames = pictures("u2", 1)
    spec = FrameSpec.from_array(frames)
    swapped = gpucodec.encode_frames(frames.byteswap(), RLE, backend=BACKEND)
    decoded = gpucodec.decode_frames(swapped, RLE, spec=spec, backend=BACKEND, rle_segment_order="<")
    np.testing.assert_array_equal(decoded, frames)
    with pytest.raises(ParameterError, match="rle_segment_order"):
        gpucodec.decode_frames(swapped, RLE, spec=spec, backend=BACKEND, rle_segment_order="!")


@pytest.mark.kernel
def test_more_than_fifteen_segments_are_refused_beforehand() -> None:
    frames = np.zeros((1, 2, 2, 3), "u8")
    with pytest.raises((ParameterError, UnsupportedError), match="64"):
        gpucodec.encode_frames(frames, RLE, backend=BACKEND)
    with pytest.raises(UnsupportedError, match="24 RLE segments, at most 15"):
        gpucodec.decode_frames([bytes(64)], RLE, spec=FrameSpec.from_array(frames), backend=BACKEND)


@pytest.mark.kernel
def test_faults_name_frame_segment_and_offset() -> None:
    frames = pictures("u2", 1)
    spec = FrameSpec.from_array(frames)
    good = gpucodec.encode_frames(frames, RLE, backend=BACKEND)
    second = int.from_bytes(good[1][8:12], "little")
    header = bytearray(good[1])
    cases = [
        (good[1][:40], TruncatedCodestreamError, {"frame": 1, "offset": 40}),
        (b"\3" + good[1][1:], CodestreamError, {"frame": 1, "offset": 0}),
        (good[1][:-4], CodestreamError, {"frame": 1, "segment": 1}),
        (good[1] + b"\0\5\0\5", CodestreamError, {"frame": 1, "segment": 1, "offset": len(good[1])}),
        (good[1] + b"\0", CodestreamError, {"frame": 1, "segment": 1}),
        (
            header[:4] + (60).to_bytes(4, "little") + header[8:],
            CodestreamError,
            {"frame": 1, "segment": 0, "offset": 4},
        ),
        (
            header[:8] + (64).to_bytes(4, "little") + header[12:],
            CodestreamError,
            {"frame": 1, "segment": 1, "offset": 8},
        ),
        (header[:8] + (1 << 31).to_bytes(4, "little") + header[12:], CodestreamError, {"segment": 1, "offset": 8}),
        (header[:8] + (second + 2).to_bytes(4, "little") + header[12:], CodestreamError, {"frame": 1}),
    ]
    for bad, error, place in cases:
        with pytest.raises(error) as caught:
            gpucodec.decode_frames([good[0], bytes(bad), good[2]], RLE, spec=spec, backend=BACKEND)
        assert {name: getattr(caught.value, name) for name in place} == place
        assert f"frame {place.get('frame', 1)}" in str(caught.value)


@pytest.mark.kernel
def test_padding_of_other_writers_is_fine() -> None:
    frames = pictures("u1", 1, 1)
    (good,) = gpucodec.encode_frames(frames, RLE, backend=BACKEND)
    spec = FrameSpec.from_array(frames)
    for padding in (b"\0\0", b"\0" * 16, b"\x80\0"):
        decoded = gpucodec.decode_frames([good + padding], RLE, spec=spec, backend=BACKEND)
        np.testing.assert_array_equal(decoded, frames)


def test_a_frame_above_the_caller_s_limit_is_refused() -> None:
    frames = pictures("u1", 1, 1)
    encoded = gpucodec.encode_frames(frames, RLE, backend=BACKEND)
    with pytest.raises(LimitExceededError, match="max_frame_bytes"):
        gpucodec.decode_frames(encoded, RLE, spec=FrameSpec.from_array(frames), backend=BACKEND, max_frame_bytes=10)


@EXAMPLES
@given(data=st.data())
def test_mutated_frames_decode_or_are_refused(data: st.DataObject) -> None:
    frames = pictures("u2", 1, 1, 4, 9)
    (good,) = gpucodec.encode_frames(frames, RLE, backend=BACKEND)
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        bad[data.draw(st.integers(0, len(bad) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(bad[: data.draw(st.integers(0, len(bad)))])
    for codestream in (bytes(bad), cut):
        try:
            decoded = gpucodec.decode_frames([codestream], RLE, spec=FrameSpec.from_array(frames), backend=BACKEND)
        except CodestreamError:
            continue
        # What is accepted must be what the standard's decoder reads in it.
        np.testing.assert_array_equal(pydicom_decoded(codestream, FrameSpec.from_array(frames)), decoded[0])
