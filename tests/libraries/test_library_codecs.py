import re
import struct
import sys
import threading

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openjpeg.utils import decode_pixel_data as decode_with_pydicoms_plugin
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames

from gpucodec.codecs.base import DecodeRequest, EncodeRequest
from gpucodec.codecs.options import DecodeOptions, EncodeOptions
from gpucodec.errors import (
    CodestreamError,
    GpucodecError,
    LimitExceededError,
    TruncatedCodestreamError,
    UnsupportedError,
)
from gpucodec.frames import FrameBatch, FrameSpec
from gpucodec.libraries import base, charls, libjpeg, openjpeg, pool, pylibjpeg_rle

RLE, JPEG, HTJ2K = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.201"
J2K, J2K_LOSSY, JLS, JLS_LOSSY = (f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 80, 81))
CODECS = {
    RLE: pylibjpeg_rle.RleCodec(),
    J2K: openjpeg.OpenJpegCodec(),
    J2K_LOSSY: openjpeg.OpenJpegCodec(),
    HTJ2K: openjpeg.OpenJpegCodec(),
    JLS: charls.CharlsCodec(),
    JLS_LOSSY: charls.CharlsCodec(),
    JPEG: libjpeg.LibjpegCodec(),
}
SPEC = FrameSpec(48, 64, bits_allocated=16, bits_stored=12)
FRAMES = np.random.default_rng(0).integers(0, 4096, (40, 48, 64), dtype="u2")


def encode(uid, frames=FRAMES, spec=SPEC, options=None, first_frame=0):
    request = EncodeRequest(uid, spec, len(frames), options or EncodeOptions())
    return CODECS[uid].encode_batch(FrameBatch(frames, spec, first_frame), request)


def decode(uid, codestreams, spec=SPEC, *, first_frame=0, isolate=False, **options):
    request = DecodeRequest(uid, spec, len(codestreams), DecodeOptions(**options), first_frame, isolate)
    return CODECS[uid].decode_batch(codestreams, request)


def why_not(uid, *, limit=None, **attributes):
    request = EncodeRequest(uid, SPEC.replace(**attributes), 1, limit or EncodeOptions())
    return CODECS[uid].why_not_encode(request)


@pytest.fixture
def pool_only(monkeypatch):
    """Worker processes whatever the size of the batch."""
    monkeypatch.setattr(base, "_COLD_SECONDS", -1.0)
    monkeypatch.setattr(base, "_WARM_SECONDS", -1.0)
    pool.set_workers(2)


@pytest.fixture
def here_only(monkeypatch):
    """No process but this one."""
    monkeypatch.setattr(base, "get_pool", lambda: pool.Pool(1))


@pytest.mark.parametrize("uid", [RLE, J2K, JLS])
def test_pool_and_process_give_the_same(uid, monkeypatch, pool_only):
    there = encode(uid)
    batch = decode(uid, there, first_frame=3)
    assert pool.get_pool().pids
    monkeypatch.setattr(base, "get_pool", lambda: pool.Pool(1))
    assert encode(uid) == there
    again = decode(uid, there, first_frame=3)
    assert batch.spec == again.spec
    assert batch.first_frame == again.first_frame == 3
    assert (batch.frames == FRAMES).all()
    assert (again.frames == FRAMES).all()


@pytest.mark.parametrize("uid", [RLE, J2K, JLS])
def test_isolation_runs_even_one_frame_elsewhere(uid, monkeypatch):
    codestreams = encode(uid, FRAMES[:1])
    monkeypatch.setattr(base, "_lock", None)  # taking it for a call in this process would fail
    assert (decode(uid, codestreams, isolate=True).frames == FRAMES[:1]).all()


def test_a_single_frame_stays_here(monkeypatch, pool_only):
    monkeypatch.setattr(base, "run_in_pool", None)
    assert len(encode(J2K, FRAMES[:1])) == 1


def test_an_empty_batch():
    assert encode(J2K, FRAMES[:0]) == []
    assert len(decode(J2K, [])) == 0


def test_several_threads_encode_here(here_only):
    """OpenJPEG's encoder crashes the interpreter if two calls overlap."""
    expected = encode(J2K, FRAMES[:4])
    outcomes = []
    threads = [threading.Thread(target=lambda: outcomes.append(encode(J2K, FRAMES[:4]) == expected)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [True] * 4


def test_frames_need_not_be_contiguous():
    assert encode(JLS, FRAMES[:, ::-1], SPEC) == encode(JLS, FRAMES[:, ::-1].copy(), SPEC)


def test_why_not_says_what_the_libraries_cannot_encode():
    assert why_not(J2K) == why_not(JLS) == why_not(RLE) == []
    assert why_not(HTJ2K) == ["pylibjpeg-openjpeg cannot write HTJ2K"]
    assert why_not(JPEG) == ["pylibjpeg-libjpeg cannot write JPEG"]
    assert why_not(J2K, rows=31) == ["frames of 31 x 64 are too small, each side must be 32 or more"]
    assert why_not(J2K, bits_allocated=32, bits_stored=25) == ["25 bits stored, at most 24 are possible"]
    assert why_not(JLS, bits_stored=1) == ["1 bits stored, JPEG-LS allows 2 to 16"]
    assert why_not(JLS, bits_allocated=32, bits_stored=17) == ["17 bits stored, JPEG-LS allows 2 to 16"]
    assert "at most 15" in why_not(RLE, samples_per_pixel=3, bits_allocated=64)[0]
    assert why_not(RLE, samples_per_pixel=4) == ["4 samples per pixel, pylibjpeg-rle allows 1 or 3"]


@pytest.mark.parametrize(("bits", "largest"), [(2, 1), (8, 127), (12, 255), (16, 255)])
def test_why_not_near_lossless(bits, largest):
    """T.87 C.2.3: above MAXVAL / 2 CharLS writes what no decoder reads."""
    assert why_not(JLS_LOSSY, bits_stored=bits, limit=EncodeOptions(jls_error=largest)) == []
    if largest < 255:
        reasons = why_not(JLS_LOSSY, bits_stored=bits, limit=EncodeOptions(jls_error=largest + 1))
        assert reasons == [
            f"a 'jls_error' of {largest + 1} is above {largest}, the largest that {bits} bits stored allow"
        ]


@pytest.mark.parametrize("size", [(32, 32), (32, 500), (500, 32)])
def test_the_smallest_frames_openjpeg_takes(size):
    """The limit that why_not_encode gives is the library's own."""
    frame = np.zeros((1, *size), "u1")
    assert encode(J2K, frame, FrameSpec.from_array(frame))
    smaller = np.zeros((1, *(31 if side == 32 else side for side in size)), "u1")
    with pytest.raises(GpucodecError, match=r"^Frame 7: Error encoding the data"):
        encode(J2K, smaller, FrameSpec.from_array(smaller), first_frame=7)


@pytest.mark.parametrize("uid", [RLE, J2K, JLS, JPEG])
def test_a_missing_package_is_a_reason(uid, monkeypatch):
    monkeypatch.setitem(sys.modules, CODECS[uid].import_name, None)
    name = CODECS[uid].name
    expected = [f"{name} is not installed, install it with: pip install {name}"]
    assert CODECS[uid].why_not_encode(EncodeRequest(uid, SPEC, 1)) == expected
    assert CODECS[uid].why_not_decode(DecodeRequest(uid, SPEC, 1)) == expected


def test_htj2k_is_decoded():
    codestream = imagecodecs.htj2k_encode(FRAMES[0], reversible=True)
    batch = decode(HTJ2K, [codestream])
    assert (batch.frames[0] == FRAMES[0]).all()
    assert batch.spec.bits_stored == 16


@pytest.mark.parametrize(
    ("attributes", "told"),
    [({"rows": 47}, r"\(48, 64, 1\)"), ({"columns": 65}, r"\(48, 64, 1\)"), ({"samples_per_pixel": 3}, "64, 3")],
)
@pytest.mark.parametrize("uid", [J2K, JLS])
def test_a_size_other_than_the_datasets_is_refused(uid, attributes, told):
    codestreams = encode(uid, FRAMES[:2])
    with pytest.raises(CodestreamError, match=told) as caught:
        decode(uid, codestreams, SPEC.replace(**attributes), first_frame=8)
    assert caught.value.frame == 8


@pytest.mark.parametrize("uid", [J2K, JLS, RLE])
def test_frames_above_the_limit_are_refused(uid):
    codestreams = encode(uid, FRAMES[:1])
    size = SPEC.num_bytes
    assert len(decode(uid, codestreams, max_frame_bytes=size)) == 1
    with pytest.raises(
        LimitExceededError, match=rf"^Frame 4: a frame of {size} bytes is above the limit of {size - 1}"
    ):
        decode(uid, codestreams, max_frame_bytes=size - 1, first_frame=4)


@pytest.mark.parametrize(("uid", "other"), [(J2K, JLS), (JLS, J2K), (JPEG, JLS)])
def test_another_format_is_refused(uid, other):
    with pytest.raises(CodestreamError, match="the codestream is") as caught:
        decode(uid, encode(other, FRAMES[:1]))
    assert caught.value.frame == 0


@pytest.mark.parametrize("isolate", [False, True])
@pytest.mark.parametrize("uid", [J2K, JLS])
def test_the_librarys_message_comes_with_the_frame(uid, isolate):
    codestreams = encode(uid, FRAMES[:3])
    codestreams[2] = codestreams[2][:64] + b"\xff\xd9"
    message = "failed to decode image|structural problem|failed to read the header"
    with pytest.raises(CodestreamError, match=message) as caught:
        decode(uid, codestreams, first_frame=5, isolate=isolate)
    assert caught.value.frame == 7
    assert caught.value.format in ("JPEG 2000", "JPEG-LS")


def boxes(codestream, *more):
    """Put JP2 boxes around a codestream, as T.800 Annex I has them."""

    def box(name, content):
        return struct.pack(">I4s", 8 + len(content), name) + content

    rows, columns = 48, 64
    header = box(b"ihdr", struct.pack(">IIHBBBB", rows, columns, 1, 7, 7, 0, 0))
    header += box(b"colr", struct.pack(">BBBI", 1, 0, 0, 17)) + b"".join(box(*extra) for extra in more)
    return (
        box(b"jP  ", b"\r\n\x87\n")
        + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
        + box(b"jp2h", header)
        + box(b"jp2c", codestream)
    )


def test_jp2_boxes_are_looked_through():
    frames = (FRAMES[:1] >> 4).astype("u1")
    spec = FrameSpec.from_array(frames)
    boxed = boxes(encode(J2K, frames, spec)[0])
    assert (imagecodecs.jpeg2k_decode(boxed) == frames[0]).all()  # these are boxes that others read
    assert (decode(J2K, [boxed], spec).frames == frames).all()


def test_a_palette_in_jp2_boxes_is_not_applied():
    """It would change the number of samples behind the library's back; PS3.5 A.4.4 forbids it anyway."""
    frames = (FRAMES[:1] >> 4).astype("u1")
    spec = FrameSpec.from_array(frames)
    palette = struct.pack(">HB3B", 256, 3, 7, 7, 7) + bytes(range(256)) * 3
    mapping = b"".join(struct.pack(">HBB", 0, 1, column) for column in range(3))
    boxed = boxes(encode(J2K, frames, spec)[0], (b"pclr", palette), (b"cmap", mapping))
    assert imagecodecs.jpeg2k_decode(boxed).shape == (48, 64, 3)
    assert (decode(J2K, [boxed], spec).frames == frames).all()


@pytest.mark.parametrize("tail", [b"", b"\0", b"\xff\xd9\0"])
@pytest.mark.parametrize("cut", [0, 1, 2, 300])
def test_jpeg_2000_is_read_as_tolerantly_as_by_pydicoms_plugin(cut, tail):
    """Padding after EOC is no fault, data or an EOC that is missing is one."""
    (codestream,) = encode(J2K, FRAMES[:1])
    assert codestream[-2:] == b"\xff\xd9"
    changed = codestream[: len(codestream) - cut] + tail
    try:
        expected = decode_with_pydicoms_plugin(changed, version=2)
    except RuntimeError as error:
        with pytest.raises(CodestreamError, match=re.escape(str(error))):
            decode(J2K, [changed])
    else:
        assert decode(J2K, [changed]).frames.tobytes() == expected


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("planar", [0, 1])
def test_truncated_jpeg_ls_is_an_error_wherever_it_ends(samples, planar):
    """And not a long silence: some of these keep CharLS busy for seconds."""
    size = (1, 8, 8) if samples == 1 else (1, 8, 8, samples)
    frame = np.random.default_rng(1).integers(0, 256, size, dtype="u1")
    spec = FrameSpec.from_array(frame, planar_configuration=planar)
    (codestream,) = encode(JLS, frame, spec)
    assert codestream[-2:] == b"\xff\xd9"
    for length in range(len(codestream)):
        with pytest.raises(CodestreamError):
            decode(JLS, [codestream[:length]], spec)
    assert (decode(JLS, [codestream + b"\0"], spec).frames == frame).all()


# Each puts values at an offset of the codestream: SOC and SIZ are 6 bytes, then T.800 Table A.9 counts on.
@pytest.mark.parametrize(
    ("layout", "puts", "message"),
    [
        (">B", {45: [0x87]}, "precision or sign"),  # Ssiz of the second component: signed
        (">B", {45: [6]}, "precision or sign"),  # the same: 7 bits
        (">B", {42: [37], 45: [37], 48: [37]}, "precision of 38 bits"),
        (">2I", {8: [65, 49], 16: [1, 1]}, r"image area that starts at \(1, 1\)"),  # its size stays
    ],
)
def test_jpeg_2000_that_the_library_would_get_wrong_is_refused(layout, puts, message):
    frames = np.zeros((1, 48, 64, 3), "u1")
    spec = FrameSpec.from_array(frames)
    codestream = bytearray(encode(J2K, frames, spec)[0])
    for offset, values in puts.items():
        struct.pack_into(layout, codestream, offset, *values)
    with pytest.raises(UnsupportedError, match="^Frame 0: .*" + message):
        decode(J2K, [bytes(codestream)], spec)


def test_subsampled_jpeg_2000_comes_in_full_size():
    frames = (FRAMES[:1] >> 4).astype("u1")
    siz = bytearray(encode(J2K, frames, FrameSpec.from_array(frames))[0])
    struct.pack_into(">2I", siz, 8, 128, 96)  # the image area doubles, and so do the steps of its component
    struct.pack_into(">2I", siz, 24, 128, 96)
    struct.pack_into(">2B", siz, 43, 2, 2)
    batch = decode(J2K, [bytes(siz)], FrameSpec(96, 128))
    assert (batch.frames[0] == np.kron(frames[0], np.ones((2, 2), "u1"))).all()


def test_reversed_rle_segments():
    (codestream,) = encode(RLE, FRAMES[:1])
    swapped = encode(RLE, FRAMES[:1].byteswap())[0]
    assert (decode(RLE, [swapped], rle_segment_order="<").frames == FRAMES[:1]).all()
    assert (decode(RLE, [codestream], rle_segment_order=">").frames == FRAMES[:1]).all()


def test_rle_headers_that_do_not_fit():
    (codestream,) = encode(RLE, FRAMES[:1])
    with pytest.raises(TruncatedCodestreamError, match="header of 64"):
        decode(RLE, [codestream[:63]])
    with pytest.raises(CodestreamError, match="says 2 segments, the dataset 1"):
        decode(RLE, [codestream], FrameSpec(48, 64))
    with pytest.raises(CodestreamError, match=r"RLE: .*frame 2"):
        decode(RLE, [codestream, codestream, codestream[:70]])
    # The second segment holds one byte more than a plane: pylibjpeg-rle panics, which is no Exception.
    _, second = struct.unpack_from("<2I", codestream, 4)
    longer = codestream[:second] + bytes([0, 7]) + codestream[second:]
    for isolate in (False, True):
        with pytest.raises(CodestreamError, match=r"RLE: pylibjpeg-rle panicked: .*frame 1"):
            decode(RLE, [codestream, longer], isolate=isolate)


def _fuzzed():
    ds = dcmread(get_testdata_file("SC_rgb_jpeg_dcmtk.dcm", download=False))
    jpeg = next(generate_frames(ds.PixelData, number_of_frames=1))
    made = {uid: (encode(uid, FRAMES[:1])[0], SPEC) for uid in (RLE, J2K, JLS)}
    made[HTJ2K] = (imagecodecs.htj2k_encode(FRAMES[0], reversible=True), SPEC)
    made[JPEG] = (jpeg, FrameSpec(100, 100, 3, photometric_interpretation="YBR_FULL"))
    return made


FUZZED = _fuzzed()


@pytest.mark.parametrize("uid", FUZZED)
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_mutated_codestreams_give_frames_or_errors(uid, data):
    """In a worker, so that a crash of the library is a WorkerError and not the end of the test."""
    original, spec = FUZZED[uid]
    codestream = bytearray(original)
    for _ in range(data.draw(st.integers(1, 8))):
        codestream[data.draw(st.integers(0, len(codestream) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(codestream)) | st.just(len(codestream)))
    try:
        batch = decode(uid, [bytes(codestream[:cut])], spec, isolate=True, first_frame=11)
    except GpucodecError as error:
        message = str(error)
    else:
        message = "frame 11" if batch.frames.shape == (1, *spec.shape) else str(batch.frames.shape)
    assert "frame 11" in message.lower()
