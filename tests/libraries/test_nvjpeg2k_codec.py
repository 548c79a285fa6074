"""nvJPEG2000's codec on a stand-in for the shared library: what is called, in which order, and that nothing is left."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import imagecodecs
import numpy as np
import pytest

from gpucodec.codecs.base import DecodeRequest, EncodeRequest
from gpucodec.codecs.options import DecodeOptions, EncodeOptions
from gpucodec.errors import CodestreamError, GpucodecError, LimitExceededError, UnsupportedError
from gpucodec.frames import FrameBatch, FrameSpec
from gpucodec.libraries import nvjpeg2k, nvjpeg2k_pool
from gpucodec.libraries.nvjpeg2k_abi import HT_CAPABILITY, HT_MODE, STATUS_MEANINGS, ColorSpace, QualityType, Status
from gpucodec.libraries.nvjpeg2k_library import Library
from tests.libraries.nvjpeg2k_stand_in import StandIn, StandInExecutor

LOSSLESS, LOSSY = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
HT_LOSSLESS, HT_RPCL, HT_LOSSY = (f"1.2.840.10008.1.2.4.{number}" for number in (201, 202, 203))
CODEC = nvjpeg2k.Nvjpeg2kCodec()
KINDS = {
    "8 bits": ("u1", 8, ()),
    "1 bit": ("u1", 1, ()),
    "12 bits": ("u2", 12, ()),
    "16 bits": ("u2", 16, ()),
    "signed 16": ("i2", 16, ()),
    "12 in 32": ("u4", 12, ()),
    "8 in 16": ("u2", 8, ()),
    "colour": ("u1", 8, (3,)),
    "four": ("u1", 8, (4,)),
}


@pytest.fixture
def use(monkeypatch):
    """Put a stand-in in the place of the library and the GPU; nothing of it may be left at the end."""
    used = []

    def begin(fails_at=None, status=Status.INTERNAL_ERROR):
        nvjpeg2k_pool.shutdown()
        where = StandInExecutor()
        stand_in = StandIn(where, fails_at, status)
        library = Library(stand_in, "stand-in")
        monkeypatch.setattr(nvjpeg2k, "load", lambda: library)
        monkeypatch.setattr(nvjpeg2k, "executor", lambda backend: where)
        monkeypatch.setattr(nvjpeg2k, "why_unavailable", lambda backend: "")
        used.append(stand_in)
        return stand_in

    yield begin
    nvjpeg2k_pool.shutdown()
    for stand_in in used:
        assert stand_in.faults == []
        assert stand_in.live == {}


def frames_of(kind="8 bits", count=6, rows=33, columns=41):
    dtype, bits, samples = KINDS[kind]
    rng = np.random.default_rng(len(kind))
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if dtype[0] == "i" else (0, 1 << bits)
    frames = rng.integers(low, high, (count, rows, columns, *samples)).astype(dtype)
    return FrameBatch(frames, FrameSpec.from_array(frames, bits_stored=bits), first_frame=10)


def encode(batch, uid=LOSSLESS, **options):
    return CODEC.encode_batch(batch, EncodeRequest(uid, batch.spec, len(batch), EncodeOptions(**options)))


def decode(codestreams, spec, uid=LOSSLESS, **request):
    return CODEC.decode_batch(codestreams, DecodeRequest(uid, spec, len(codestreams), first_frame=10, **request))


def peers_codestreams(batch):
    bits = batch.spec.bits_stored
    return [
        bytes(imagecodecs.jpeg2k_encode(frame, codecformat="j2k", reversible=True, mct=False, bitspersample=bits))
        for frame in batch.frames
    ]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if " in " not in kind])
def test_frames_are_decoded_where_they_belong(use, kind):
    stand_in = use()
    batch = frames_of(kind)
    found = decode(peers_codestreams(batch), batch.spec)
    np.testing.assert_array_equal(found.frames, batch.frames)
    assert (found.spec.bits_stored, found.spec.dtype, found.first_frame) == (
        batch.spec.bits_stored,
        batch.spec.dtype,
        10,
    )
    assert stand_in.made["DecodeState"] == stand_in.made["Stream"] == nvjpeg2k_pool.MAX_RUNNING


def test_sessions_are_used_again_by_the_next_batch(use):
    stand_in = use()
    for kind in ("8 bits", "colour", "signed 16"):
        batch = frames_of(kind)
        np.testing.assert_array_equal(decode(peers_codestreams(batch), batch.spec).frames, batch.frames)
    assert stand_in.made == Counter({"": 1, "Stream": 4, "DecodeState": 4, "DecodeParams": 4})


def test_calls_of_decoding_in_their_order(use):
    stand_in = use()
    batch = frames_of("colour", count=1)
    decode(peers_codestreams(batch), batch.spec)
    nvjpeg2k_pool.shutdown()
    assert [name.removeprefix("nvjpeg2k") for name in stand_in.calls] == [
        "CreateSimple",
        "StreamCreate",
        "DecodeStateCreate",
        "DecodeParamsCreate",
        "DecodeParamsSetOutputFormat",
        "StreamParse",
        "StreamGetImageInfo",
        *["StreamGetImageComponentInfo"] * 3,
        "DecodeImage",
        "DecodeParamsDestroy",
        "DecodeStateDestroy",
        "StreamDestroy",
        "Destroy",
    ]


def test_calls_of_encoding_in_their_order(use):
    stand_in = use()
    batch = frames_of(count=1)
    encode(batch, LOSSY, j2k_psnr=(40.0,))
    encode(batch, LOSSY, j2k_psnr=(40.0,))
    encode(batch)
    nvjpeg2k_pool.shutdown()
    coding = ["Encode", "EncodeRetrieveBitstream", "EncodeRetrieveBitstream"]
    configuring = ["EncodeParamsCreate", "EncodeParamsSetEncodeConfig", "EncodeParamsSetInputFormat"]
    assert [name.removeprefix("nvjpeg2k") for name in stand_in.calls] == [
        "EncoderCreateSimple",
        "EncodeStateCreate",
        *configuring,
        "EncodeParamsSpecifyQuality",
        *coding,
        *coding,  # configured already
        "EncodeParamsDestroy",
        *configuring,  # anew, so that no quality is left
        *coding,
        "EncodeParamsDestroy",
        "EncodeStateDestroy",
        "EncoderDestroy",
    ]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "1 bit"])
def test_frames_are_encoded_from_the_smallest_container(use, kind):
    use()
    batch = frames_of(kind)
    codestreams = encode(batch)
    assert len(codestreams) == len(batch)
    for codestream, frame in zip(codestreams, batch.frames, strict=True):
        np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(codestream), frame)


def told(stand_in):
    """Return what an encoder was configured to, before its handles go."""
    (handle,) = (handle for handle, kind in stand_in.live.items() if kind == "EncodeParams")
    return stand_in.known[handle]


def test_a_lossless_configuration(use):
    stand_in = use()
    encode(frames_of("12 bits", count=1, rows=64, columns=80))
    config = told(stand_in)
    expected = {"image_width": 80, "image_height": 64, "num_components": 1, "num_layers": 1, "num_resolutions": 6}
    expected |= {"irreversible": 0, "rsiz": 0, "encode_modes": 0, "mct_mode": 0, "color_space": ColorSpace.GRAY}
    expected |= {"code_block_w": 64, "code_block_h": 64, "prog_order": 0, "stream_type": 0, "enable_tiling": 0}
    assert {name: config[name] for name in expected} == expected
    assert config["component"] == (80, 64, 12, 0)
    assert "quality" not in config


def test_a_configuration_for_a_psnr(use):
    stand_in = use()
    encode(frames_of(count=1), LOSSY, j2k_psnr=(42.5,))
    assert told(stand_in)["irreversible"] == 1
    assert told(stand_in)["quality"] == (QualityType.TARGET_PSNR, 42.5)


def test_a_psnr_without_limit_is_lossless(use):
    stand_in = use()
    encode(frames_of(count=1), LOSSY, j2k_psnr=(0.0,))
    assert told(stand_in)["irreversible"] == 0
    assert "quality" not in told(stand_in)


def test_a_high_throughput_configuration(use):
    stand_in = use()
    encode(frames_of("signed 16", count=1), HT_LOSSLESS)
    config = told(stand_in)
    assert (config["rsiz"], config["encode_modes"], config["irreversible"]) == (HT_CAPABILITY, HT_MODE, 0)
    assert config["component"][3] == 1


@pytest.mark.parametrize(
    ("colour", "transform", "space"),
    [("YBR_RCT", 1, ColorSpace.SRGB), ("RGB", 0, ColorSpace.SRGB), ("YBR_FULL", 0, ColorSpace.SYCC)],
)
def test_the_component_transform_is_asked_for_by_the_colour_space(use, colour, transform, space):
    stand_in = use()
    batch = frames_of("colour", count=1)
    encode(FrameBatch(batch.frames, batch.spec.replace(photometric_interpretation=colour)))
    assert (told(stand_in)["mct_mode"], told(stand_in)["color_space"]) == (transform, space)


def test_decoded_rct_is_rgb(use):
    use()
    batch = frames_of("colour")
    spec = batch.spec.replace(photometric_interpretation="YBR_RCT")
    assert decode(peers_codestreams(batch), spec).spec.photometric_interpretation == "RGB"


def test_frames_of_one_batch_may_differ_in_precision_and_sign(use):
    stand_in = use()
    first, second = frames_of("8 bits", count=2), frames_of("signed 16", count=2)
    codestreams = [*peers_codestreams(first), *peers_codestreams(second)]
    found = decode(codestreams, first.spec)
    assert (found.spec.dtype, found.spec.bits_stored) == (np.dtype("i2"), 16)
    np.testing.assert_array_equal(found.frames, np.concatenate([first.frames.astype("i2"), second.frames]))
    assert {dtype.name for _, dtype in stand_in.where.allocated} == {"uint8", "int16"}


def test_boxes_stay_behind(use):
    use()
    batch = frames_of("colour", count=1)
    boxed = bytes(imagecodecs.jpeg2k_encode(batch.frames[0], codecformat="jp2", reversible=True))
    np.testing.assert_array_equal(decode([boxed], batch.spec).frames, batch.frames)


def test_no_frames_need_no_library(use):
    stand_in = use()
    assert encode(FrameBatch(np.empty((0, 40, 50), "u1"), FrameSpec(40, 50))) == []
    assert decode([], FrameSpec(40, 50)).frames.shape == (0, 40, 50)
    assert set(stand_in.made) <= {"", "Encoder"}


def test_threads_do_not_share_sessions(use):
    stand_in = use()
    batches = [frames_of(kind) for kind in ("8 bits", "12 bits", "colour", "signed 16")]
    with ThreadPoolExecutor(4) as threads:
        encoded = list(threads.map(encode, batches))
        decoded = list(threads.map(lambda pair: decode(pair[0], pair[1].spec), zip(encoded, batches, strict=True)))
    for found, batch in zip(decoded, batches, strict=True):
        np.testing.assert_array_equal(found.frames, batch.frames)
    assert sum(kind == "DecodeState" for kind in stand_in.live.values()) <= nvjpeg2k_pool.MAX_RUNNING


# -- faults


def calls_of(use, work):
    stand_in = use()
    work()
    nvjpeg2k_pool.shutdown()
    return stand_in.calls


def then_shut_down(work):
    try:
        work()
    finally:
        nvjpeg2k_pool.shutdown()


def decode_two():
    batch = frames_of("colour", count=2)
    decode(peers_codestreams(batch), batch.spec)


def encode_five():
    encode(frames_of("12 bits", count=5), LOSSY, j2k_psnr=(40.0,))


def encode_after_another():
    encode(frames_of("12 bits", count=1), LOSSY, j2k_psnr=(40.0,))
    encode(frames_of("8 bits", count=1))


@pytest.mark.parametrize("work", [decode_two, encode_five, encode_after_another])
def test_whatever_call_fails_is_named_and_nothing_is_left(use, work):
    for number, name in enumerate(calls_of(use, work)):
        stand_in = use(fails_at=number)
        with pytest.raises(GpucodecError, match=rf"{name} returned INTERNAL_ERROR \(8\)"):
            then_shut_down(work)
        assert stand_in.live == {}, f"call {number}, {name}, failed"
        assert stand_in.faults == []


def test_the_frame_whose_call_failed_is_named(use):
    calls = calls_of(use, decode_two)
    second = [number for number, name in enumerate(calls) if name == "nvjpeg2kDecodeImage"][1]
    use(fails_at=second, status=Status.EXECUTION_FAILED)
    with pytest.raises(GpucodecError, match="Frame 11: nvjpeg2kDecodeImage returned EXECUTION_FAILED"):
        decode_two()


@pytest.mark.parametrize("status", STATUS_MEANINGS)
def test_every_status_is_named(use, status):
    at = calls_of(use, decode_two).index("nvjpeg2kStreamParse")
    use(fails_at=at, status=status)
    kinds = {Status.BAD_JPEG: CodestreamError, Status.JPEG_NOT_SUPPORTED: UnsupportedError}
    with pytest.raises(kinds.get(status, GpucodecError)) as caught:
        decode_two()
    assert f"{status.name} ({status.value}): {STATUS_MEANINGS[status]}" in str(caught.value)


def test_a_status_without_a_name_is_an_error(use):
    use(fails_at=0, status=77)
    with pytest.raises(GpucodecError, match="nvjpeg2kCreateSimple returned 77, which is no status"):
        decode_two()


@pytest.mark.parametrize("work", [decode_two, encode_five])
def test_what_fails_on_the_gpu_is_told_when_it_is_waited_for(use, work):
    use().where.broken = True
    with pytest.raises(GpucodecError, match="Frame 10: work on the GPU failed"):
        work()


def test_a_library_that_finds_another_size_decodes_nothing(use, monkeypatch):
    stand_in = use()
    honest = stand_in._StreamGetImageInfo

    def lie(stream, info):
        honest(stream, info)
        info[0].image_width += 1

    monkeypatch.setattr(stand_in, "_StreamGetImageInfo", lie)
    with pytest.raises(GpucodecError, match=r"nvJPEG2000 found \(columns, rows, components\) \(42, 33, 3\)"):
        decode_two()
    assert "nvjpeg2kDecodeImage" not in stand_in.calls


def test_a_codestream_of_another_frame_is_not_handed_out(use, monkeypatch):
    stand_in = use()
    other = peers_codestreams(frames_of(count=1, rows=40))[0]
    monkeypatch.setattr(stand_in, "_encoded", lambda *_: other)
    with pytest.raises(GpucodecError, match="nvJPEG2000 wrote a codestream"):
        encode(frames_of())


def test_an_interrupt_leaves_nothing_behind(use, monkeypatch):
    stand_in = use()
    batch = frames_of()
    codestreams = peers_codestreams(batch)

    def interrupt(samples):
        raise KeyboardInterrupt

    monkeypatch.setattr(stand_in.where, "download", interrupt)
    with pytest.raises(KeyboardInterrupt):
        decode(codestreams, batch.spec)
    assert set(stand_in.live.values()) == {""}


def test_wrong_codestreams_reach_the_library_never(use):
    stand_in = use()
    batch = frames_of()
    codestreams = peers_codestreams(batch)
    with pytest.raises(CodestreamError, match="frame 11"):
        decode([codestreams[0], codestreams[1][:50]], batch.spec)
    with pytest.raises(CodestreamError, match="where the dataset says"):
        decode(codestreams, batch.spec.replace(rows=34))
    with pytest.raises(LimitExceededError):
        decode(codestreams, batch.spec, options=DecodeOptions(max_frame_bytes=100))
    assert stand_in.calls == []


# -- what it says beforehand


def test_a_configuration_that_the_library_refuses_is_a_reason(use):
    encode_calls = calls_of(use, encode_five)
    request = EncodeRequest(LOSSLESS, FrameSpec(40, 50), 1)
    use()
    assert CODEC.why_not_encode(request) == []
    at = encode_calls.index("nvjpeg2kEncodeParamsSetEncodeConfig")
    use(fails_at=at, status=Status.JPEG_NOT_SUPPORTED)
    (reason,) = CODEC.why_not_encode(request)
    assert "SetEncodeConfig returned JPEG_NOT_SUPPORTED" in reason


def test_a_codestream_that_the_library_refuses_is_a_reason(use):
    at = calls_of(use, decode_two).index("nvjpeg2kStreamParse")
    batch = frames_of(count=1)
    request = DecodeRequest(LOSSLESS, batch.spec, 1, first_frame=10, codestreams=peers_codestreams(batch))
    use()
    assert CODEC.why_not_decode(request) == []
    use(fails_at=at, status=Status.JPEG_NOT_SUPPORTED)
    (reason,) = CODEC.why_not_decode(request)
    assert reason.startswith("frame 10: nvjpeg2kStreamParse returned JPEG_NOT_SUPPORTED")


@pytest.mark.parametrize(
    ("uid", "spec", "options", "word"),
    [
        (LOSSY, {}, {"j2k_cr": (10.0,)}, "compression ratio"),
        (LOSSY, {}, {"j2k_psnr": (30.0, 40.0)}, "several quality layers"),
        (HT_LOSSY, {}, {"j2k_psnr": (40.0,)}, "HT codeblocks"),
        (HT_RPCL, {}, {}, "TLM"),
        (LOSSLESS, {"bits_allocated": 32, "bits_stored": 17}, {}, "17 bits stored"),
        (LOSSLESS, {"pixel_representation": 1}, {}, "signed samples of 8"),
        (LOSSLESS, {"rows": 1}, {}, "too small"),
    ],
)
def test_what_cannot_be_encoded_has_a_reason(use, uid, spec, options, word):
    stand_in = use()
    request = EncodeRequest(uid, FrameSpec(**{"rows": 40, "columns": 50} | spec), 1, EncodeOptions(**options))
    reasons = CODEC.why_not_encode(request)
    assert word in "; ".join(reasons)
    assert stand_in.calls == []


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        ({"options": DecodeOptions(reduce=1)}, "reduce"),
        ({"options": DecodeOptions(region=(0, 0, 2, 2))}, "region"),
        ({"isolate": True}, "in another"),
        ({"spec": FrameSpec(40, 50, bits_allocated=32, bits_stored=20)}, "20 bits stored"),
    ],
)
def test_what_cannot_be_decoded_has_a_reason(use, request_, word):
    stand_in = use()
    request = DecodeRequest(**{"transfer_syntax_uid": LOSSLESS, "spec": FrameSpec(40, 50), "num_frames": 1} | request_)
    assert word in "; ".join(CODEC.why_not_decode(request))
    assert stand_in.calls == []
