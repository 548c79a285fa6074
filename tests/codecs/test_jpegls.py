"""JPEG-LS on our kernels against CharLS: the same bytes out of samples, and the same samples out of bytes."""

import numpy as np
import pytest
from gpucodec_kernels.target import simulator_enabled
from hypothesis import given, settings
from hypothesis import strategies as st

import gpucodec
from gpucodec.backends import executor
from gpucodec.codecs import jpegls_scans
from gpucodec.codecs.base import DecodeRequest, EncodeRequest
from gpucodec.codecs.jpegls import JpeglsCodec
from gpucodec.codecs.jpegls_decoding import decode_components
from gpucodec.codecs.options import DecodeOptions, EncodeOptions
from gpucodec.codestream.jpegls import read_codestream
from gpucodec.errors import (
    CodestreamError,
    GpucodecError,
    LimitExceededError,
    TruncatedCodestreamError,
    UnsupportedError,
)
from gpucodec.frames import FrameBatch, FrameSpec
from gpucodec.libraries.charls import CharlsCodec
from tests.codecs.jpegls_streams import (
    APP8,
    COM,
    DNL,
    DRI,
    EOI,
    LINE,
    NONE,
    SAMPLE,
    SOI,
    charls,
    coded,
    decoded_by_charls,
    frame_header,
    insert,
    mapping_table,
    preset,
    scan_header,
    segment,
    with_restarts,
)
from tests.fuzz.jpegls import run as fuzz
from tests.fuzz.jpegls_sweep import cases, check

LOSSLESS, NEAR_LOSSLESS = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
BACKEND = "simulator" if simulator_enabled() else "cpu"
CODEC = JpeglsCodec(BACKEND)


def encode(frames, spec, near=0, codec=CODEC):
    uid = NEAR_LOSSLESS if near else LOSSLESS
    request = EncodeRequest(uid, spec, len(frames), EncodeOptions(jls_error=near))
    assert codec.why_not_encode(request) == []
    return codec.encode_batch(FrameBatch(frames, spec), request)


def decode(codestreams, spec, first_frame=0, codec=CODEC, **options):
    request = DecodeRequest(LOSSLESS, spec, len(codestreams), DecodeOptions(**options), first_frame)
    return codec.decode_batch(codestreams, request)


def spec_of(frames, bits, **attributes):
    return FrameSpec.from_array(frames, bits_stored=bits, **attributes)


def content(kind, shape, bits, seed=0):
    """Return samples that exercise the coder's modes: noise, ramps, flat areas, edges."""
    rng = np.random.default_rng([seed, bits, *shape])
    top = (1 << bits) - 1
    if kind == "noise":
        values = rng.integers(0, top + 1, shape)
    elif kind == "smooth":
        values = np.cumsum(rng.integers(-2, 3, shape), axis=1) + top // 2
    elif kind == "sparse":
        values = np.where(rng.random(shape) < 0.02, rng.integers(0, top + 1, shape), top // 3)
    elif kind == "extremes":
        values = rng.integers(0, 2, shape) * top
    else:
        values = np.full(shape, top)
    return np.clip(values, 0, top).astype("u1" if bits <= 8 else "u2")


KINDS = ["noise", "smooth", "sparse", "extremes", "flat"]


def check_both_ways(frames, bits, near=0, planar=0, codec=CODEC):
    """Check that our codestreams are CharLS's, and that either decodes them to the same samples."""
    spec = spec_of(frames, bits, planar_configuration=planar)
    codestreams = encode(frames, spec, near, codec)
    if not (frames.shape[3:] == (4,) and (bits, near, planar) == (8, 0, 0)):  # there CharLS loses the fourth sample
        theirs = [charls(frame, bits, near, NONE if planar else SAMPLE) for frame in frames]
        assert [ours == other for ours, other in zip(codestreams, theirs, strict=True)] == [True] * len(frames)
    decoded = decode(codestreams, spec, codec=codec)
    assert (decoded.spec.bits_stored, decoded.spec.pixel_representation) == (bits, 0)
    for ours, codestream, frame in zip(decoded.frames, codestreams, frames, strict=True):
        assert np.abs(ours.astype(int) - frame).max() <= near
        np.testing.assert_array_equal(ours, decoded_by_charls(codestream))


# -- the same bytes as CharLS


@pytest.mark.skipif(BACKEND != "cpu", reason="too many samples for plain Python")
def test_a_sample_of_the_sweep_over_precisions_errors_and_interleave_modes():
    for case in list(cases())[::41]:
        check(case)


@pytest.mark.parametrize("near", [0, 1, 3, 255])
@pytest.mark.parametrize("bits", range(2, 17))
@pytest.mark.parametrize(("samples", "planar"), [(1, 0), (3, 0), (3, 1), (4, 0), (4, 1)])
def test_every_depth_error_and_interleave_mode(bits, near, samples, planar):
    near = min(near, 255, ((1 << bits) - 1) // 2)
    shape = (9, 33) if samples == 1 else (9, 33, samples)
    frames = np.stack([content(kind, shape, bits) for kind in KINDS])
    check_both_ways(frames, bits, near, planar)


@pytest.mark.kernel
@pytest.mark.parametrize(("samples", "planar"), [(1, 0), (3, 0), (3, 1)])
@pytest.mark.parametrize("near", [0, 1])
@pytest.mark.parametrize("bits", [2, 8, 12, 16])
def test_small_frames_on_every_backend(where, bits, near, samples, planar):
    shape = (6, 11) if samples == 1 else (6, 11, samples)
    frames = np.stack([content(kind, shape, bits) for kind in KINDS])
    check_both_ways(frames, bits, near, planar, JpeglsCodec(where.backend))


@settings(deadline=None, max_examples=150)
@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 70),
    bits=st.integers(2, 16),
    near=st.integers(0, 255),
    samples=st.sampled_from([1, 3, 4]),
    planar=st.integers(0, 1),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 1000),
)
def test_any_size_and_content(rows, columns, bits, near, samples, planar, kind, seed):
    near = min(near, 255, ((1 << bits) - 1) // 2)
    shape = (rows, columns) if samples == 1 else (rows, columns, samples)
    frames = np.stack([content(kind, shape, bits, seed), content("smooth", shape, bits, seed)])
    check_both_ways(frames, bits, near, planar)


@pytest.mark.parametrize("kind", ["noise", "sparse", "flat"])
@pytest.mark.parametrize("near", [0, 2])
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (1, 65535), (65535, 1), (2, 65535), (65535, 2), (1, 2), (2, 1)])
def test_extreme_sizes(size, samples, near, kind):
    shape = size if samples == 1 else (*size, samples)
    check_both_ways(content(kind, shape, 8)[None], 8, near)
    check_both_ways(content(kind, shape, 16)[None], 16, near, planar=int(samples > 1))


@pytest.mark.parametrize("near", [0, 3])
@pytest.mark.parametrize("bits", [8, 12])
def test_frames_interleaved_by_line_are_decoded(bits, near):
    frames = np.stack([content(kind, (11, 40, 3), bits) for kind in KINDS])
    codestreams = [charls(frame, bits, near, LINE) for frame in frames]
    decoded = decode(codestreams, spec_of(frames, bits)).frames
    for ours, codestream in zip(decoded, codestreams, strict=True):
        np.testing.assert_array_equal(ours, decoded_by_charls(codestream))


# -- what a frame may be


@pytest.mark.parametrize(("bits", "dtype"), [(8, "i1"), (5, "i1"), (12, "i2"), (16, "i2"), (12, "i4"), (8, "i4")])
def test_signed_samples_are_the_unsigned_numbers_of_their_bits(bits, dtype):
    half = 1 << (bits - 1)
    frames = np.random.default_rng(1).integers(-half, half, (2, 9, 13)).astype(dtype)
    spec = spec_of(frames, bits)
    codestreams = encode(frames, spec)
    expected = (frames.astype(int) % (2 * half)).astype("u1" if bits <= 8 else "u2")
    assert codestreams == [charls(frame, bits) for frame in expected]
    np.testing.assert_array_equal(decode(codestreams, spec).frames, expected)
    whole = gpucodec.decode_frames(codestreams, LOSSLESS, spec=spec, backend=BACKEND)
    assert whole.dtype == dtype
    np.testing.assert_array_equal(whole, frames)


@pytest.mark.parametrize(("bits", "dtype"), [(6, "u2"), (8, "u4"), (12, "u4"), (16, "u8")])
def test_wide_containers_are_narrowed(bits, dtype):
    frames = content("smooth", (9, 13), bits)[None].astype(dtype)
    codestreams = encode(frames, spec_of(frames, bits))
    assert codestreams == [charls(frames[0].astype("u1" if bits <= 8 else "u2"), bits)]


def test_bits_above_bits_stored_are_left_out():
    frames = content("smooth", (9, 13), 12)[None]
    assert encode(frames | 0xF000, spec_of(frames, 12)) == encode(frames, spec_of(frames, 12))


@pytest.mark.parametrize("planar", [0, 1])
def test_frames_are_read_where_they_lie(planar):
    frames = np.stack([content(kind, (11, 20, 3), 8) for kind in KINDS])
    spec = spec_of(frames, 8, planar_configuration=planar)
    expected = encode(frames, spec)
    planes = np.ascontiguousarray(frames.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    flipped = frames[:, :, ::-1].copy()[:, :, ::-1]
    read_only = frames.copy()
    read_only.flags.writeable = False
    for other in (planes, flipped, read_only):
        assert encode(other, spec) == expected


def test_a_batch_is_worked_on_in_portions(monkeypatch):
    frames = np.stack([content(kind, (16, 24, 3), 8) for kind in KINDS])
    spec = spec_of(frames, 8, planar_configuration=1)
    expected = encode(frames, spec)
    monkeypatch.setattr(jpegls_scans, "_PORTION_BYTES", 1)
    assert encode(frames, spec) == expected
    np.testing.assert_array_equal(decode(expected, spec).frames, frames)


@pytest.mark.parametrize("planar", [0, 1])
def test_what_does_not_fit_its_slot_is_encoded_again(monkeypatch, planar):
    frames = np.stack([content(kind, (16, 24, 3), 8) for kind in ("flat", "noise", "noise", "flat", "noise")])
    spec = spec_of(frames, 8, planar_configuration=planar)
    expected = encode(frames, spec)
    sizes = []
    original = jpegls_scans.Scans.slot_bytes

    def small(self, *, worst=False):
        sizes.append(worst)
        return original(self, worst=True) if worst else 300

    monkeypatch.setattr(jpegls_scans.Scans, "slot_bytes", small)
    assert encode(frames, spec) == expected
    assert True in sizes


def test_no_frames():
    spec = FrameSpec(4, 5)
    assert encode(np.empty((0, 4, 5), "u1"), spec) == []
    assert decode([], spec).frames.shape == (0, 4, 5)


# -- what CharLS does not write


@pytest.mark.kernel
@pytest.mark.parametrize("interleave", [LINE, SAMPLE])
def test_restart_intervals(interleave):
    rows = 5 if simulator_enabled() else 41
    frame = content("smooth", (rows, 8, 3), 8)
    codestreams = [with_restarts(frame, 8, interval, interleave=interleave) for interval in (1, 2, 3, rows, rows + 1)]
    spec = spec_of(frame[None], 8)
    for decoded in decode(codestreams, spec).frames:
        np.testing.assert_array_equal(decoded, frame)


def test_restart_intervals_are_what_charls_takes_them_for():
    frame = content("noise", (23, 31), 12)
    for near, interval in ((0, 4), (3, 1)):
        codestream = with_restarts(frame, 12, interval, near)
        (ours,) = decode([codestream], spec_of(frame[None], 12)).frames
        np.testing.assert_array_equal(ours, decoded_by_charls(codestream))


def coded_pair(pair, near=0, interleave=SAMPLE):
    """Return the entropy-coded data of two components. CharLS neither writes nor reads such scans, so it is ours."""
    description = read_codestream(
        SOI + frame_header(*pair.shape[:2], 8, 2) + scan_header([1, 2], near, interleave) + EOI
    )
    (scan,) = description.scans
    planes = [(k, 2 * pair.shape[1], 2) for k in (0, 1)]
    scans = jpegls_scans.Scans(jpegls_scans.scan_geometry(description, scan, planes, 0), scan.preset, near, 1)
    slots, lengths, status = scans.encode(executor(BACKEND), pair.reshape(-1), np.zeros(1, "i8"), worst=True)
    assert status[0] == 0
    return slots[: lengths[0]].tobytes()


def test_scans_may_differ_in_everything():
    frame = content("smooth", (13, 21, 4), 8)
    first, middle, last = frame[..., 0], np.ascontiguousarray(frame[..., 1:3]), frame[..., 3]
    restarts = coded(last[:7], 8) + b"\xff\xd0" + coded(last[7:], 8)
    codestream = (
        SOI + frame_header(13, 21, 8, 4)
        + scan_header([1], near=2) + coded(first, 8, 2)
        + scan_header([2, 3], interleave=SAMPLE) + coded_pair(middle)
        + segment(DRI, b"\0\x07") + scan_header([4]) + restarts + EOI
    )  # fmt: skip
    (decoded,) = decode([codestream], spec_of(frame[None], 8)).frames
    np.testing.assert_array_equal(decoded[..., 1:], frame[..., 1:])
    np.testing.assert_array_equal(decoded[..., 0], decoded_by_charls(charls(first, 8, 2)))


@pytest.mark.parametrize("interleave", [LINE, SAMPLE])
def test_interleaved_components_need_not_be_neighbours(interleave):
    frame = content("smooth", (13, 21, 4), 8)
    pair = np.ascontiguousarray(frame[..., [0, 2]])
    start = SOI + frame_header(13, 21, 8, 4) + scan_header([1, 3], interleave=interleave)
    rest = b"".join(scan_header([k + 1]) + coded(frame[..., k], 8) for k in (1, 3))
    codestream = start + coded_pair(pair, 0, interleave) + rest + EOI
    np.testing.assert_array_equal(decode([codestream], spec_of(frame[None], 8)).frames[0], frame)


def test_unevenly_spaced_components_are_refused():
    frame = content("smooth", (13, 21, 4), 8)
    some = np.ascontiguousarray(frame[..., [0, 1, 3]])
    start = SOI + frame_header(13, 21, 8, 4) + scan_header([1, 2, 4], interleave=SAMPLE)
    codestream = start + coded(some, 8) + scan_header([3]) + coded(frame[..., 2], 8) + EOI
    with pytest.raises(UnsupportedError, match=r"Frame 3: .*not neighbours"):
        decode([codestream], spec_of(frame[None], 8), first_frame=3)


def test_frames_of_a_batch_may_differ():
    grey = content("smooth", (13, 21), 8)
    deep = content("noise", (13, 21), 13)
    codestreams = [
        charls(grey, 8),
        charls(deep, 13),
        with_restarts(grey, 8, 5),
        charls(grey, 8, 4),
        charls(deep, 13),
        charls(grey, 8),
    ]
    batch = decode(codestreams, spec_of(deep[None], 13))
    assert (batch.spec.bits_allocated, batch.spec.bits_stored) == (16, 13)
    for ours, codestream, exact in zip(batch.frames, codestreams, (grey, deep, grey, None, deep, grey), strict=True):
        np.testing.assert_array_equal(ours, decoded_by_charls(codestream) if exact is None else exact)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_mapping_tables(dtype):
    indices = content("smooth", (13, 21), 5)
    entries = np.random.default_rng(5).integers(0, 1 << (8 * np.dtype(dtype).itemsize), 32).astype(dtype)
    start = SOI + frame_header(13, 21, 5) + mapping_table(entries[:20]) + mapping_table(entries[20:], kind=3)
    codestream = start + scan_header(tables=b"\x01") + coded(indices, 5) + EOI
    spec = FrameSpec(13, 21, bits_allocated=16, bits_stored=16)
    batch = decode([codestream], spec)
    assert batch.frames.dtype == dtype
    assert batch.spec.bits_stored == 8 * np.dtype(dtype).itemsize
    np.testing.assert_array_equal(batch.frames[0], entries[indices])
    short = SOI + frame_header(13, 21, 5) + mapping_table(entries[: indices.max()])
    with pytest.raises(
        CodestreamError, match=f"a sample of {indices.max()}, mapping table 1 has {indices.max()} entries"
    ):
        decode([short + scan_header(tables=b"\x01") + coded(indices, 5) + EOI], spec)


def test_mapping_tables_that_no_frame_can_hold():
    frame = content("smooth", (13, 21), 5)
    start = SOI + frame_header(13, 21, 5) + mapping_table(np.zeros(32, "u4"))
    with pytest.raises(UnsupportedError, match=r"Frame 0: .*entries of 4 bytes, at most 2"):
        decode([start + scan_header(tables=b"\x01") + coded(frame, 5) + EOI], FrameSpec(13, 21))
    start = SOI + frame_header(13, 21, 5, 3) + mapping_table(np.zeros(32, "u1"))
    scan = scan_header([1, 2, 3], interleave=LINE, tables=b"\x01\0\x01")
    data = coded(np.stack([frame] * 3, axis=-1), 5, 0, LINE)
    with pytest.raises(UnsupportedError, match="for some of its components"):
        decode([start + scan + data + EOI], FrameSpec(13, 21, 3))


def test_point_transform():
    # The samples without their lowest bits were coded; decoding shifts them back (T.81 A.4).
    frame = content("smooth", (13, 21), 8)
    codestream = SOI + frame_header(13, 21, 8) + scan_header(transform=3) + coded(frame >> 3, 8) + EOI
    np.testing.assert_array_equal(decode([codestream], spec_of(frame[None], 8)).frames[0], frame & 0xF8)
    wrong = SOI + frame_header(13, 21, 8) + scan_header(transform=3) + coded(frame | 0x80, 8) + EOI
    with pytest.raises(CodestreamError, match="before a point transform of 3"):
        decode([wrong], spec_of(frame[None], 8))


def test_size_told_after_the_scan():
    frame = content("smooth", (13, 21), 8)
    lines = segment(DNL, b"\0\x0d")
    codestream = SOI + frame_header(0, 21, 8) + scan_header() + coded(frame, 8) + lines + EOI
    np.testing.assert_array_equal(decode([codestream], spec_of(frame[None], 8)).frames[0], frame)


@pytest.mark.parametrize("near", [0, 2])
@pytest.mark.parametrize(
    ("bits", "maximum", "thresholds", "reset"),
    [
        (8, 255, (5, 20, 40), 17),
        (8, 100, (0, 0, 0), 0),
        (8, 4, (3, 3, 4), 3),
        (12, 3000, (9, 9, 90), 255),
        (12, 4095, (9, 9, 90), 255),
        (16, 4095, (0, 0, 0), 0),
    ],
)
def test_coding_parameters_of_its_own(bits, maximum, thresholds, reset, near):
    frame = np.minimum(content("noise", (13, 21), bits) // 3, maximum).astype("u1" if bits == 8 else "u2")
    header = SOI + frame_header(13, 21, bits) + preset(maximum, thresholds, reset) + scan_header(near=near)
    description = read_codestream(header + EOI)
    (scan,) = description.scans
    geometry = jpegls_scans.scan_geometry(description, scan, [(0, 21, 1)], 0)
    scans = jpegls_scans.Scans(geometry, scan.preset, near, frame.itemsize)
    slots, lengths, status = scans.encode(executor(BACKEND), frame.reshape(-1), np.zeros(1, "i8"), worst=False)
    assert status[0] == 0
    codestream = header + slots[: lengths[0]].tobytes() + EOI
    (decoded,) = decode([codestream], spec_of(frame[None], bits)).frames
    assert decoded.max() <= maximum
    assert np.abs(decoded.astype(int) - frame).max() <= near
    if maximum == (1 << bits) - 1:  # CharLS takes RANGE, LIMIT and qbpp from the precision, T.87 A.2.1 from MAXVAL
        np.testing.assert_array_equal(decoded, decoded_by_charls(codestream))


@pytest.mark.parametrize("interleave", [NONE, LINE, SAMPLE])
@pytest.mark.parametrize("transform", [0, 1, 2, 3])
@pytest.mark.parametrize("bits", [8, 16])
def test_colour_transforms_are_undone_as_charls_does(bits, transform, interleave):
    frame = content("noise", (13, 21, 3), bits)
    codestream = insert(charls(frame, bits, 0, interleave), segment(APP8, b"mrfx" + bytes((transform,))))
    (ours,) = decode([codestream], spec_of(frame[None], bits)).frames
    np.testing.assert_array_equal(ours, decoded_by_charls(codestream))


def test_colour_transforms_of_other_frames_are_refused():
    frame = content("noise", (13, 21, 3), 12)
    codestream = insert(charls(frame, 12), segment(APP8, b"mrfx\x01"))
    with pytest.raises(UnsupportedError, match="colour transform 1 of 3 components of 12 bits"):
        decode([codestream], spec_of(frame[None], 12))


# -- components


SUBSAMPLED = (
    SOI + frame_header(8, 6, 8, factors=[0x22, 0x11]) + scan_header([1]) + coded(content("noise", (8, 6), 8), 8)
)
SUBSAMPLED += scan_header([2]) + coded(content("smooth", (4, 3), 8), 8) + EOI


def test_components_of_different_sizes():
    first, second = decode_components(SUBSAMPLED, executor(BACKEND))
    np.testing.assert_array_equal(first, content("noise", (8, 6), 8))
    np.testing.assert_array_equal(second, content("smooth", (4, 3), 8))
    with pytest.raises(LimitExceededError, match="60 bytes is above the limit of 59"):
        decode_components(SUBSAMPLED, executor(BACKEND), max_bytes=59)
    three = SUBSAMPLED.replace(b"\x02\x01\x22\0\x02\x11\0", b"\x03\x01\x22\0\x02\x11\0\x03\x11\0")
    three = three.replace(b"\xff\xf7\0\x0e", b"\xff\xf7\0\x11")[:-2] + scan_header([3])
    three += coded(content("smooth", (4, 3), 8), 8) + EOI
    with pytest.raises(UnsupportedError, match=r"Frame 2: .*components of different sizes as one frame"):
        decode([three], FrameSpec(8, 6, 3), first_frame=2)


# -- refusals


def test_another_size_than_the_datasets_is_refused():
    codestream = charls(content("smooth", (13, 21), 8), 8)
    for attributes in ({"rows": 12}, {"columns": 22}, {"samples_per_pixel": 3}):
        with pytest.raises(CodestreamError, match=r"\(13, 21, 1\) where the dataset says") as caught:
            decode([codestream, codestream], FrameSpec(13, 21).replace(**attributes), first_frame=5)
        assert caught.value.frame == 5


def test_frames_above_the_limit_are_refused():
    codestream = charls(content("smooth", (13, 21), 8), 8)
    assert len(decode([codestream], FrameSpec(13, 21), max_frame_bytes=273)) == 1
    with pytest.raises(LimitExceededError, match="Frame 7: a frame of 273 bytes is above the limit of 272"):
        decode([codestream], FrameSpec(13, 21), first_frame=7, max_frame_bytes=272)


def test_a_claim_of_a_huge_frame_takes_no_memory():
    tiny = SOI + frame_header(65535, 65535, 16) + scan_header() + bytes(100) + EOI
    spec = FrameSpec(65535, 65535, bits_allocated=16, bits_stored=16)
    with pytest.raises(CodestreamError, match="where the dataset says"):
        decode([tiny], FrameSpec(13, 21))
    with pytest.raises(LimitExceededError):
        decode([tiny], spec, max_frame_bytes=1 << 32)
    with pytest.raises(TruncatedCodestreamError, match="a scan of 100 bytes, its lines need 131070 bits at least"):
        decode([tiny], spec)


TRUNCATED = {
    "lossless": charls(content("smooth", (9, 14), 8), 8),
    "near": charls(content("noise", (9, 14), 16), 16, 2),
    "planes": charls(content("smooth", (9, 14, 3), 8), 8, 0, NONE),
    "pixels": charls(content("sparse", (9, 14, 3), 8), 8),
    "lines": charls(content("smooth", (9, 14, 3), 8), 8, 1, LINE),
    "restarts": with_restarts(content("smooth", (9, 14), 8), 8, 4),
}


@pytest.mark.parametrize("name", TRUNCATED)
def test_truncation_at_every_byte(name):
    codestream = TRUNCATED[name]
    components = len(codestream) and codestream[codestream.index(b"\xff\xf7") + 9]
    spec = FrameSpec(9, 14, components, bits_allocated=16, bits_stored=16)
    decode([codestream], spec)
    start = codestream.index(b"\xff\xda")
    for length in range(len(codestream) - 2):
        for end in (b"", EOI):  # cut off, and cut off with an end that promises there is no more
            with pytest.raises(CodestreamError) as caught:
                decode([codestream, codestream[:length] + end], spec, first_frame=4)
            assert caught.value.frame == 5
            if length > start and not end:
                assert isinstance(caught.value, TruncatedCodestreamError)
                assert caught.value.offset == length


PLAIN = TRUNCATED["lossless"]


@pytest.mark.parametrize(
    "codestream",
    [
        PLAIN + EOI,
        PLAIN + b"\0",
        PLAIN + b"junk" + EOI + b"\0",
        PLAIN[:-2] + b"\xff\xff" + EOI,
        PLAIN[:-2] + segment(COM, b"\xff\xd9 hello") + EOI,
    ],
)
def test_what_may_follow_the_last_sample(codestream):
    frame = content("smooth", (9, 14), 8)
    decoded = decode([PLAIN, codestream, PLAIN], FrameSpec(9, 14)).frames
    np.testing.assert_array_equal(decoded, np.stack([frame] * 3))


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        (b"\xff\xd3", "a restart marker where none is due"),
        (EOI, "ends before the last sample"),
        (b"\xff\x90", "the marker is not allowed here"),
    ],
)
def test_markers_inside_entropy_coded_data(inside, message):
    codestream = PLAIN[:60] + inside + PLAIN[60:]
    with pytest.raises(CodestreamError, match=message) as caught:
        decode([PLAIN, codestream], FrameSpec(9, 14))
    assert caught.value.frame == 1
    assert caught.value.offset == 60


def test_data_after_the_last_sample_is_refused():
    plain = charls(content("smooth", (9, 14), 8), 8)
    with pytest.raises(CodestreamError, match="after the last sample") as caught:
        decode([plain[:-2] + bytes(40) + EOI], FrameSpec(9, 14))
    assert caught.value.offset >= len(plain) - 4


def test_a_code_that_stands_for_nothing_is_refused():
    plain = SOI + frame_header(9, 14, 8) + scan_header() + bytes(60) + EOI
    with pytest.raises(CodestreamError) as caught:
        decode([plain], FrameSpec(9, 14))
    assert caught.value.frame == 0
    assert 25 <= caught.value.offset <= 85


def test_mutated_codestreams_never_do_more_than_raise():
    outcomes = fuzz(500, seed=20, codec=CODEC)
    assert {"decoded", "CodestreamError", "TruncatedCodestreamError"} <= set(outcomes)


# -- the contract


@pytest.mark.parametrize(("bits", "near"), [(1, 0), (17, 0), (2, 2), (8, 128), (12, 255), (7, 64), (7, 63)])
def test_the_limits_are_the_librarys(bits, near):
    spec = FrameSpec(4, 4, bits_allocated=32, bits_stored=bits)
    request = EncodeRequest(NEAR_LOSSLESS, spec, 1, EncodeOptions(jls_error=near))
    assert CODEC.why_not_encode(request) == CharlsCodec().why_not_encode(request)


def test_the_library_decodes_the_same():
    frames = np.stack([content(kind, (11, 20, 3), 8) for kind in KINDS])
    for planar, near in ((0, 0), (1, 3)):
        spec = spec_of(frames, 8, planar_configuration=planar)
        codestreams = encode(frames, spec, near)
        request = DecodeRequest(LOSSLESS, spec, len(frames), first_frame=9)
        ours, theirs = CODEC.decode_batch(codestreams, request), CharlsCodec().decode_batch(codestreams, request)
        assert (ours.spec, ours.first_frame) == (theirs.spec, theirs.first_frame)
        np.testing.assert_array_equal(ours.frames, theirs.frames)


def test_errors_can_be_pickled():
    import pickle

    with pytest.raises(GpucodecError) as caught:
        decode([TRUNCATED["near"][:-9]], FrameSpec(9, 14, bits_allocated=16, bits_stored=16))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
