"""Which JPEG-LS codec is chosen, and what the others say."""

import numpy as np
import pytest
from gpucodec_kernels.target import simulator_enabled

from gpucodec.backends import Executor
from gpucodec.codecs import jpegls
from gpucodec.codecs.base import DecodeRequest, EncodeRequest
from gpucodec.codecs.dispatch import choose
from gpucodec.codecs.formats import Family
from gpucodec.codecs.jpegls import JpeglsCodec, codecs
from gpucodec.errors import BackendUnavailableError
from gpucodec.frames import FrameBatch, FrameSpec

LOSSLESS, NEAR_LOSSLESS = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
BACKEND = "simulator" if simulator_enabled() else "cpu"


def test_unavailable_backends_say_so():
    request = EncodeRequest(LOSSLESS, FrameSpec(4, 4), 1)
    for codec in (JpeglsCodec("cuda"), JpeglsCodec("simulator")):
        if codec.backend == BACKEND:
            continue
        (reason,) = codec.why_not_encode(request)
        assert codec.why_not_decode(DecodeRequest(LOSSLESS, FrameSpec(4, 4), 1)) == [reason]
        with pytest.raises(BackendUnavailableError):
            codec.encode_batch(FrameBatch(np.zeros((1, 4, 4), "u1"), FrameSpec(4, 4)), request)


@pytest.mark.parametrize(("multiprocessors", "wanted"), [(0, 5120), (20, 5120), (40, 5120), (132, 16896)])
def test_a_gpu_is_for_many_scans(multiprocessors, wanted, monkeypatch):
    monkeypatch.setattr(jpegls, "num_multiprocessors", lambda _backend: multiprocessors)
    cuda, cpu = JpeglsCodec("cuda"), JpeglsCodec("cpu")
    colour = FrameSpec(4, 4, 3, photometric_interpretation="RGB", planar_configuration=1)
    few = EncodeRequest(LOSSLESS, FrameSpec(4, 4), wanted - 1)
    assert cuda.why_slow(few) == [f"{wanted - 1} scans are too few to fill a GPU, at least {wanted} are wanted"]
    assert cuda.why_slow(EncodeRequest(LOSSLESS, FrameSpec(4, 4), wanted)) == []
    assert cuda.why_slow(EncodeRequest(LOSSLESS, colour, -(-wanted // 3))) == []
    assert cpu.why_slow(few) == []


def test_auto_prefers_the_kernels_to_the_library():
    for uid in (LOSSLESS, NEAR_LOSSLESS):
        for request in (EncodeRequest(uid, FrameSpec(4, 4), 1), DecodeRequest(uid, FrameSpec(4, 4), 1)):
            choice = choose(request)
            assert (choice.codec.name, choice.codec.backend) == ("jpegls", "cpu")
    assert {codec.backend for codec in codecs(Family.JPEG_LS)} == {"cpu", "cuda", "simulator"}
    assert codecs(Family.RLE) == []


def test_components_that_are_not_interleaved_are_coded_at_once(monkeypatch):
    counts = []
    launch = Executor.launch
    monkeypatch.setattr(
        Executor,
        "launch",
        lambda self, kernel, count, *rest: counts.append(count) or launch(self, kernel, count, *rest),
    )
    frame = np.random.default_rng(0).integers(0, 256, (1, 5, 6, 3), np.uint8)
    spec = FrameSpec.from_array(frame, planar_configuration=1)
    codec = JpeglsCodec(BACKEND)
    codestreams = codec.encode_batch(FrameBatch(frame, spec), EncodeRequest(LOSSLESS, spec, 1))
    decoded = codec.decode_batch(codestreams, DecodeRequest(LOSSLESS, spec, 1))
    np.testing.assert_array_equal(decoded.frames, frame)
    assert (counts[0], counts[-1]) == (3, 3)
