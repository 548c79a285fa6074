"""The JPEG-LS kernels against CharLS: the same bytes, and back again."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gpucodec_kernels.jpegls import parameters
from gpucodec_kernels.target import simulator_enabled
from hypothesis import given, settings
from hypothesis import strategies as st

from gpucodec.backends import Executor

# Test modules are imported by path, not from a package.
_spec = importlib.util.spec_from_file_location("jpegls_scans", Path(__file__).with_name("jpegls_scans.py"))
assert _spec is not None
assert _spec.loader is not None
scans = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(scans)

pytestmark = pytest.mark.kernel
EXAMPLES = settings(settings.get_profile("kernels"))
LARGEST = (3, 7) if simulator_enabled() else (12, 40)
FRAMES = scans.frames(LARGEST)
on_the_cpu = pytest.mark.skipif(simulator_enabled(), reason="too many samples for plain Python")


def images(shape: tuple[int, ...], bits: int, seed: int) -> np.ndarray:
    """Return a frame with slopes, flat parts and noise."""
    random = np.random.default_rng(seed)
    rows, columns = np.indices(shape[:2])
    frame = (rows * 3 + columns * 5) // 4 + random.integers(0, 4, shape[:2]) * (columns > shape[1] // 2)
    frame = frame % (1 << bits)
    if len(shape) == 3:
        frame = (frame[:, :, None] + np.arange(shape[2]) * 7) % (1 << bits)
    return np.ascontiguousarray(frame.astype(np.uint8 if bits <= 8 else np.uint16))


@EXAMPLES
@given(drawn=FRAMES)
def test_a_frame_is_encoded_as_charls_does(where: Executor, drawn: Any) -> None:
    frame, bits, near, interleave = drawn
    values = scans.scan(frame, bits, near, interleave)
    encoded, status = scans.encode_frame(where, frame, values)
    assert status == [parameters.STATUS_OK] * len(status)
    assert encoded == scans.charls_scans(frame, bits, near, interleave)


@EXAMPLES
@given(drawn=FRAMES)
def test_what_charls_encodes_is_decoded_to_its_last_byte(where: Executor, drawn: Any) -> None:
    frame, bits, near, interleave = drawn
    segments = scans.charls_scans(frame, bits, near, interleave)
    decoded, status, stopped = scans.decode_frame(where, segments, frame, scans.scan(frame, bits, near, interleave))
    assert status == [parameters.STATUS_OK] * len(segments)
    assert stopped == [len(segment) for segment in segments]
    assert np.abs(decoded.astype(np.int64) - frame).max() <= near


@EXAMPLES
@given(
    drawn=scans.frames(LARGEST, samples=(1, 2, 3, 4)),
    maximum=st.integers(1, 65535),
    gaps=st.tuples(st.integers(0, 80), st.integers(0, 80), st.integers(0, 80)),
    reset=st.integers(3, 300),
    data=st.data(),
)
def test_any_coding_parameters_come_back(
    where: Executor, drawn: Any, maximum: int, gaps: tuple[int, int, int], reset: int, data: st.DataObject
) -> None:
    """CharLS's Python interfaces take no coding parameters and garble two components: the decoder is the peer."""
    frame, bits, _, interleave = drawn
    maximum = min(maximum, (1 << bits) - 1)
    near = data.draw(st.integers(0, min(255, maximum // 2)))
    thresholds = tuple(np.minimum(near + 1 + np.cumsum(gaps), maximum).tolist())
    frame = np.minimum(frame, maximum)
    values = scans.scan(frame, bits, near, interleave, maximum_sample_value=maximum, thresholds=thresholds, reset=reset)
    encoded, _ = scans.encode_frame(where, frame, values)
    decoded, status, stopped = scans.decode_frame(where, encoded, frame, values)
    assert status == [parameters.STATUS_OK] * len(encoded)
    assert stopped == [len(segment) for segment in encoded]
    assert np.abs(decoded.astype(np.int64) - frame).max() <= near
    assert decoded.max() <= maximum


@pytest.mark.parametrize("near", [0, 3])
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 50), (50, 1), (1, 5, 3), (5, 1, 3)])
def test_narrow_frames(where: Executor, shape: tuple[int, ...], near: int) -> None:
    frame = images(shape, 12, 1)
    for interleave in (scans.NONE,) if len(shape) == 2 else (scans.NONE, scans.LINE, scans.SAMPLE):
        values = scans.scan(frame, 12, near, interleave)
        expected = scans.charls_scans(frame, 12, near, interleave)
        assert scans.encode_frame(where, frame, values)[0] == expected
        decoded, status, _ = scans.decode_frame(where, expected, frame, values)
        assert not any(status)
        assert np.abs(decoded.astype(np.int64) - frame).max() <= near


@on_the_cpu
@pytest.mark.parametrize("shape", [(1, 65535), (65535, 1), (2, 70001), (3, 20000, 3)])
@pytest.mark.parametrize("bits", [8, 16])
def test_wide_and_high_frames(where: Executor, shape: tuple[int, ...], bits: int) -> None:
    frame = images(shape, bits, 2)
    frame.reshape(-1)[::97] = (1 << bits) - 1
    interleave = scans.SAMPLE if len(shape) == 3 else scans.NONE
    values = scans.scan(frame, bits, 0, interleave)
    encoded, status = scans.encode_frame(where, frame, values)
    assert not any(status)
    if max(shape) <= 65535:
        assert encoded == scans.charls_scans(frame, bits, 0, interleave)
    decoded, status, stopped = scans.decode_frame(where, encoded, frame, values)
    assert not any(status)
    assert stopped == [len(segment) for segment in encoded]
    np.testing.assert_array_equal(decoded, frame)


def test_sample_bits_that_do_not_count_are_left_out(where: Executor) -> None:
    frame = images((4, 6), 12, 3)
    dirty = frame | np.uint16(0xA000)
    encoded, _ = scans.encode_frame(where, dirty, scans.scan(frame, 12, sample_mask=0xFFF))
    assert encoded == scans.charls_scans(frame, 12)


def test_samples_above_the_largest_value_are_taken_for_it(where: Executor) -> None:
    frame = np.array([[0, 300, 65535, 255, 9]], np.uint16)
    values = scans.scan(frame, 8)
    assert scans.encode_frame(where, frame, values)[0] == scans.encode_frame(where, np.minimum(frame, 255), values)[0]


def test_a_slot_that_is_too_small_is_left_at_its_end(where: Executor) -> None:
    frame = np.random.default_rng(4).integers(0, 256, (6, 9), np.uint8)
    values = scans.scan(frame, 8)
    whole = scans.encode_frame(where, frame, values)[0][0]
    for size in (0, 1, 30, len(whole) // 2, len(whole)):
        assert scans.encode_frame(where, frame, values, size)[1] == [parameters.STATUS_SLOT_TOO_SMALL]
    enough = len(whole) * 9 // 7 + 64
    assert scans.encode_frame(where, frame, values, enough) == ([whole], [parameters.STATUS_OK])


def test_every_truncation_is_seen(where: Executor) -> None:
    frame = images((4, 5), 8, 5)
    values = scans.scan(frame, 8)
    (segment,) = scans.charls_scans(frame, 8)
    for length in range(len(segment)):
        _, status, stopped = scans.decode_frame(where, [segment[:length]], frame, values)
        assert status[0] in (parameters.STATUS_TRUNCATED, parameters.STATUS_INVALID)
        assert 0 <= stopped[0] <= length


def test_bytes_after_the_last_line_are_seen(where: Executor) -> None:
    frame = images((4, 5), 8, 6)
    values = scans.scan(frame, 8)
    (segment,) = scans.charls_scans(frame, 8)
    decoded, status, stopped = scans.decode_frame(where, [segment + b"\x12\x34"], frame, values)
    assert (status, stopped) == ([parameters.STATUS_EXCESS], [len(segment)])
    np.testing.assert_array_equal(decoded, frame)
    # A marker ends the segment, whatever follows.
    decoded, status, stopped = scans.decode_frame(where, [segment + b"\xff\xd9\x12\x34"], frame, values)
    assert (status, stopped) == ([parameters.STATUS_OK], [len(segment)])


@EXAMPLES
@given(data=st.binary(min_size=0, max_size=200), drawn=scans.frames(LARGEST, samples=(1, 3)))
def test_any_bytes_end_with_a_status_and_samples_in_range(where: Executor, data: bytes, drawn: Any) -> None:
    frame, bits, near, interleave = drawn
    values = scans.scan(frame, bits, near, interleave)
    segments = [data] * (frame.shape[2] if frame.ndim == 3 and interleave == scans.NONE else 1)
    decoded, status, stopped = scans.decode_frame(where, segments, frame, values)
    assert set(status) <= {
        parameters.STATUS_OK,
        parameters.STATUS_TRUNCATED,
        parameters.STATUS_INVALID,
        parameters.STATUS_EXCESS,
    }
    assert all(0 <= offset <= len(data) for offset in stopped)
    assert decoded.max() < 1 << bits


def test_several_indices_keep_to_their_own_rows(where: Executor) -> None:
    """Two restart intervals of one frame: each begins anew."""
    frame = images((5, 6), 8, 7)
    upper, lower = np.ascontiguousarray(frame[:3]), np.ascontiguousarray(frame[3:])
    segments = scans.charls_scans(upper, 8) + scans.charls_scans(lower, 8)
    values = scans.scan(frame, 8)
    from gpucodec_kernels.jpegls.decode import decode_scan_lossless_8

    ends = np.cumsum([len(segment) for segment in segments]).astype(np.int64)
    inputs = (np.frombuffer(b"".join(segments), np.uint8), ends - [len(segment) for segment in segments], ends)
    samples = where.upload(np.zeros(frame.size, np.uint8))
    geometry = (
        np.array([0, 3 * 6], np.int64),
        np.array([3, 2], np.int32),
        parameters.scan_strides(values, 6),
        values,
        parameters.gradient_table(values),
    )
    work = (
        where.empty(2 * parameters.scratch_size(values), np.int32),
        where.empty(2 * parameters.decode_window_size(values), np.uint8),
    )
    status, stopped = where.empty(2, np.int32), where.empty(2, np.int64)
    launched = (*map(where.upload, inputs), samples, *map(where.upload, geometry), *work, status, stopped)
    where.launch(decode_scan_lossless_8, 2, *launched)
    assert where.download(status).tolist() == [parameters.STATUS_OK] * 2
    np.testing.assert_array_equal(where.download(samples).reshape(frame.shape), frame)
