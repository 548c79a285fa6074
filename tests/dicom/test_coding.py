"""encode_frames, decode_frames and the batches under them: what is checked, and in which order."""

import numpy as np
import pytest

import gpucodec
from gpucodec import FrameBatch, FrameSpec
from gpucodec.codecs.base import DecodeRequest
from gpucodec.codecs.options import EncodeOptions
from gpucodec.dicom.coding import decode_batch, encode_batch
from gpucodec.errors import (
    BackendUnavailableError,
    LimitExceededError,
    ParameterError,
    UnsupportedError,
)
from tests.dicom.plain_codec import PlainCodec, use_codecs

RLE = "1.2.840.10008.1.2.5"
JPEG_LS = "1.2.840.10008.1.2.4.80"
NEAR_LOSSLESS = "1.2.840.10008.1.2.4.81"
JPEG_2000 = "1.2.840.10008.1.2.4.91"


@pytest.fixture
def codec(monkeypatch):
    plain = PlainCodec()
    use_codecs(monkeypatch, plain)
    return plain


def ramp(*shape, dtype="u2", modulo=4096):
    return (np.arange(np.prod(shape)) % modulo).astype(dtype).reshape(shape)


def test_an_array_needs_no_spec(codec):
    frames = ramp(3, 8, 5)
    assert gpucodec.encode_frames(frames, RLE) == [frame.tobytes() for frame in frames]
    (batch, request), *_ = codec.encoded
    assert batch.spec == FrameSpec(8, 5, bits_allocated=16, bits_stored=16)
    assert (request.num_frames, request.transfer_syntax_uid) == (3, RLE)


def test_attributes_can_be_given_as_keywords_with_or_without_a_spec(codec):
    frames = ramp(2, 4, 4)
    gpucodec.encode_frames(frames, JPEG_LS, bits_stored=12, photometric_interpretation="MONOCHROME1")
    spec = FrameSpec.from_array(frames, bits_stored=16)
    gpucodec.encode_frames(frames, JPEG_LS, spec=spec, bits_stored=12, photometric_interpretation="MONOCHROME1")
    assert codec.encoded[0][0].spec == codec.encoded[1][0].spec
    assert codec.encoded[0][0].spec.bits_stored == 12


@pytest.mark.parametrize(
    "frames",
    [
        ramp(3, 8, 6).astype(">u2"),
        np.asfortranarray(ramp(3, 8, 6)),
        ramp(6, 8, 12)[::2, :, ::2],
        ramp(3, 8, 6)[:, ::-1],
        ramp(3, 8, 6).astype("u4"),
        ramp(3, 8, 6)[..., None],
    ],
    ids=["big-endian", "fortran", "strided", "reversed", "wider", "one-sample-axis"],
)
def test_any_memory_layout_gives_the_samples_in_order(codec, frames):
    frames.setflags(write=False)
    codestreams = gpucodec.encode_frames(frames, RLE, spec=FrameSpec(8, 6, bits_allocated=16, bits_stored=12))
    for frame, codestream in zip(frames, codestreams, strict=True):
        assert codestream == frame.astype("<u2").tobytes()


def test_options_reach_the_codec(codec):
    gpucodec.encode_frames(ramp(1, 4, 4), NEAR_LOSSLESS, jls_error=3)
    gpucodec.encode_frames(ramp(1, 4, 4), JPEG_2000, j2k_cr=[20, 5], bits_stored=12)
    assert [request.options for _, request in codec.encoded] == [
        EncodeOptions(jls_error=3),
        EncodeOptions(j2k_cr=(20.0, 5.0)),
    ]


@pytest.mark.parametrize(
    ("frames", "keywords", "message"),
    [
        (ramp(0, 4, 4), {}, "There are no frames"),
        (ramp(4, 4), {}, "Unable to encode 2D ndarrays"),
        (ramp(1, 1, 1, 4, 4), {}, "Unable to encode 5D ndarrays"),
        (ramp(1, 4, 4).astype("f4"), {}, "dtype 'float32' is not supported"),
        (ramp(1, 4, 4) > 3, {}, "dtype 'bool' is not supported"),
        (ramp(1, 4, 4), {"pixel_representation": 1}, "not consistent with a \\(0028,0103\\)"),
        (ramp(1, 4, 4), {"bits_allocated": 32}, "not consistent with a \\(0028,0100\\)"),
        (ramp(1, 4, 4, modulo=300), {"bits_allocated": 8, "bits_stored": 8, "rows": 4}, None),
        (ramp(1, 4, 4) + 300, {"bits_allocated": 8, "bits_stored": 8}, "outside the allowable range of \\(0, 255\\)"),
        (ramp(1, 4, 4) + 4090, {"bits_stored": 12}, "outside the allowable range of \\(0, 4095\\)"),
        (ramp(1, 4, 4), {"rows": 5}, "Mismatch between the expected ndarray shape"),
        (ramp(1, 4, 4), {"jls_error": 2}, "did you mean to use 'JPEG-LS Near Lossless'"),
        (ramp(1, 4, 4), {"quality": 2}, "Unknown options or attributes \\['quality'\\]"),
        (ramp(1, 4, 4, 3, dtype="u1"), {"photometric_interpretation": "YBR_RCT"}, "not valid for pixel data"),
    ],
)
def test_what_the_caller_got_wrong_is_said_before_anything_is_encoded(codec, frames, keywords, message):
    if message is None:
        assert len(gpucodec.encode_frames(frames, JPEG_LS, **keywords)) == 1
        return
    with pytest.raises(ParameterError, match=message):
        gpucodec.encode_frames(frames, JPEG_LS, **keywords)
    assert codec.encoded == []


def test_a_transfer_syntax_that_is_not_known_is_unsupported(codec):
    with pytest.raises(UnsupportedError, match=r"1\.2\.3"):
        gpucodec.encode_frames(ramp(1, 4, 4), "1.2.3")


def test_a_backend_that_does_not_exist_is_the_callers_mistake(codec):
    with pytest.raises(ParameterError, match="No backend named 'tpu'"):
        gpucodec.encode_frames(ramp(1, 4, 4), RLE, backend="tpu")


def test_the_reasons_of_the_backends_that_were_preferred_are_kept(monkeypatch):
    use_codecs(monkeypatch, PlainCodec("fast", "cuda", ["no GPU"]), PlainCodec("sure", "library"))
    frames = ramp(2, 4, 4)
    options = EncodeOptions()
    encoded = encode_batch(FrameBatch(frames, FrameSpec.from_array(frames)), RLE, options)
    assert encoded.choice.codec.name == "sure"
    assert encoded.choice.rejected == {"cuda (fast)": ["no GPU"]}


def test_a_codec_that_said_yes_and_fails_is_not_replaced(monkeypatch):
    class Failing(PlainCodec):
        def encode_batch(self, batch, request):
            raise OSError("out of luck")

    spare = PlainCodec("spare", "library")
    use_codecs(monkeypatch, Failing(), spare)
    with pytest.raises(OSError, match="out of luck"):
        gpucodec.encode_frames(ramp(1, 4, 4), RLE)
    assert spare.encoded == []


def test_validation_can_be_left_to_the_caller(codec):
    frames = ramp(1, 4, 4) + 4090
    batch = FrameBatch(frames, FrameSpec.from_array(frames, bits_stored=12))
    assert len(encode_batch(batch, RLE, EncodeOptions(), validate=False).codestreams) == 1
    with pytest.raises(ParameterError):
        encode_batch(batch, RLE, EncodeOptions())


def test_decoded_frames_have_the_shape_and_dtype_of_the_spec(codec):
    frames = ramp(3, 8, 5, 3, dtype="u1", modulo=251)
    spec = FrameSpec.from_array(frames)
    decoded = gpucodec.decode_frames([frame.tobytes() for frame in frames], RLE, spec=spec)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, frames)


def test_codestreams_may_be_any_kind_of_bytes(codec):
    frames = ramp(3, 8, 5)
    first, second, third = (frame.tobytes() for frame in frames)
    mixed = [first, bytearray(second), memoryview(third)]
    decoded = gpucodec.decode_frames(mixed, RLE, spec=FrameSpec.from_array(frames))
    np.testing.assert_array_equal(decoded, frames)


@pytest.mark.parametrize(
    ("codestreams", "keywords", "error", "message"),
    [
        (b"one buffer", {}, ParameterError, "not a single buffer"),
        ([], {}, ParameterError, "no codestreams"),
        ([b"x" * 32, "text"], {}, ParameterError, "codestream of frame 1 must be bytes, not 'str'"),
        ([b"x" * 32], {"output": "torch"}, ParameterError, "'output' of 'torch'"),
        ([b"x" * 32], {"quality": 1}, ParameterError, r"Unknown decoding options \['quality'\]"),
        ([b"x" * 32], {"rle_segment_order": "="}, ParameterError, "rle_segment_order"),
        ([b"x" * 32], {"max_frame_bytes": 31}, LimitExceededError, "A frame of 32 bytes is above"),
    ],
)
def test_what_is_no_batch_of_codestreams_is_refused_before_decoding(codec, codestreams, keywords, error, message):
    spec = FrameSpec(4, 4, bits_allocated=16, bits_stored=16)
    with pytest.raises(error, match=message):
        gpucodec.decode_frames(codestreams, RLE, spec=spec, **keywords)
    assert codec.decoded == []


def test_the_number_of_codestreams_must_be_the_one_requested(codec):
    request = DecodeRequest(RLE, FrameSpec(4, 4), num_frames=2)
    with pytest.raises(ParameterError, match="1 codestreams were given for 2 frames"):
        decode_batch([b"x" * 16], request)


def test_frames_on_the_gpu_need_one(codec, monkeypatch):
    monkeypatch.setattr("gpucodec.backends.why_unavailable", lambda _backend: "install gpucodec[cuda13]")
    from gpucodec.backends import executors

    executors.cache_clear()
    spec = FrameSpec(4, 4)
    with pytest.raises(BackendUnavailableError, match=r"gpucodec\[cuda13\]"):
        gpucodec.decode_frames([b"x" * 16], RLE, spec=spec, output="cupy")
    assert codec.decoded == []


class DeviceArray(np.ndarray):
    """What looks like an array on the GPU, and says when it is fetched."""

    __cuda_array_interface__: dict = {}  # noqa: RUF012 - the protocol's name; nobody reads the content
    fetched = 0

    def get(self):
        type(self).fetched += 1
        return np.asarray(self).view(np.ndarray)


@pytest.mark.parametrize("backend", ["cpu", "library"])
def test_an_array_on_the_gpu_leaves_it_for_a_codec_that_needs_it_to(monkeypatch, backend):
    plain = PlainCodec(backend=backend)
    use_codecs(monkeypatch, plain)
    frames = ramp(3, 8, 5)
    fetched = DeviceArray.fetched
    assert gpucodec.encode_frames(frames.view(DeviceArray), RLE) == [frame.tobytes() for frame in frames]
    assert type(plain.encoded[0][0].frames) is np.ndarray
    assert DeviceArray.fetched - fetched == 1
