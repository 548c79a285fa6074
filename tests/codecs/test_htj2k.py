"""HTJ2K end to end: frames of all kinds come back, and codestreams say what their transfer syntax asks for."""

from __future__ import annotations

import numpy as np
import pytest
from gpucodec_kernels.target import simulator_enabled
from hypothesis import given, settings
from hypothesis import strategies as st

import gpucodec
from gpucodec.codecs.base import DecodeRequest, EncodeRequest
from gpucodec.codecs.dispatch import choose
from gpucodec.codecs.formats import Family
from gpucodec.codecs.htj2k import codecs, parameters_for
from gpucodec.codecs.options import EncodeOptions
from gpucodec.codestream.j2k_parameters import ProgressionOrder
from gpucodec.codestream.j2k_reader import read_codestream
from gpucodec.errors import CodestreamError, ParameterError, UnsupportedError
from gpucodec.frames import FrameSpec
from tests.codecs.test_jpeg2000 import COLOURS, picture, too_many_samples

LOSSLESS, RPCL, LOSSY = (f"1.2.840.10008.1.2.4.20{number}" for number in (1, 2, 3))
BACKEND = "simulator" if simulator_enabled() else "cpu"


def described(frames: np.ndarray, bits: int, colour: str = "MONOCHROME2") -> FrameSpec:
    return FrameSpec.from_array(frames, bits_stored=bits, photometric_interpretation=colour)


def encode(frames: np.ndarray, spec: FrameSpec, uid: str = LOSSLESS, **options: object) -> list[bytes]:
    return gpucodec.encode_frames(frames, uid, spec=spec, backend=BACKEND, **options)


def decode(codestreams: list[bytes], spec: FrameSpec, uid: str = LOSSLESS) -> np.ndarray:
    return gpucodec.decode_frames(codestreams, uid, spec=spec, backend=BACKEND)


def psnr(frames: np.ndarray, others: np.ndarray, bits: int) -> float:
    error = np.mean((frames.astype(float) - others.astype(float)) ** 2)
    return float(10 * np.log10((2**bits - 1) ** 2 / error)) if error else np.inf


@pytest.mark.kernel
@pytest.mark.parametrize(("colour", "samples"), COLOURS)
def test_tiny_lossless_frames_come_back(colour: str, samples: int) -> None:
    shape = (1, 16, 17) if samples == 1 else (1, 12, 9, 3)
    frames = picture("smooth", shape, 12, 0)
    spec = described(frames, 12, colour)
    codestreams = encode(frames, spec)
    np.testing.assert_array_equal(decode(codestreams, spec), frames)
    if simulator_enabled():
        # The CPU's bytes are held against OpenJPH's in tests/interop.
        assert codestreams == gpucodec.encode_frames(frames, LOSSLESS, spec=spec, backend="cpu")


@too_many_samples
@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 150),
    columns=st.integers(1, 150),
    bits=st.integers(1, 24),
    signed=st.booleans(),
    colour=st.sampled_from(COLOURS),
    kind=st.sampled_from(["noise", "smooth", "zero", "flat", "contrast"]),
    uid=st.sampled_from([LOSSLESS, RPCL]),
)
def test_any_frame_comes_back(
    rows: int, columns: int, bits: int, signed: bool, colour: tuple[str, int], kind: str, uid: str
) -> None:
    told, samples = colour
    signed = signed and samples == 1 and bits > 1
    frames = picture(kind, (1, rows, columns) if samples == 1 else (1, rows, columns, 3), bits, int(signed))
    spec = described(frames, bits, told)
    np.testing.assert_array_equal(decode(encode(frames, spec, uid), spec, uid), frames)


@too_many_samples
@pytest.mark.parametrize("size", [(64, 64), (65, 200), (512, 512), (1, 5000), (4100, 3)])
def test_rpcl_has_its_order_tlm_and_small_resolutions(size: tuple[int, int]) -> None:
    frames = picture("smooth", (1, *size), 12, 0)
    spec = described(frames, 12)
    (codestream,) = encode(frames, spec, RPCL)
    parameters = parameters_for(spec, EncodeOptions(), RPCL)
    assert parameters.progression_order is ProgressionOrder.RPCL
    assert -(-max(size) // 2**parameters.levels) <= 64
    found = read_codestream(codestream)
    assert found.is_high_throughput
    tlm, tile_part = codestream.index(b"\xff\x55\x00\x08"), codestream.index(b"\xff\x90\x00\x0a")
    assert tlm < tile_part
    assert int.from_bytes(codestream[tlm + 6 : tlm + 10], "big") == len(codestream) - tile_part - 2
    np.testing.assert_array_equal(decode([codestream], spec, RPCL), frames)


@too_many_samples
@pytest.mark.parametrize(("options", "reason"), [({"j2k_cr": [20, 5]}, "layers"), ({"j2k_psnr": [30, 40]}, "layers")])
def test_several_layers_are_refused_with_the_reason(options: dict[str, list[float]], reason: str) -> None:
    frames = picture("smooth", (1, 64, 64), 12, 0)
    with pytest.raises(UnsupportedError, match=reason):
        encode(frames, described(frames, 12), LOSSY, **options)


@too_many_samples
@pytest.mark.parametrize("colour", ["MONOCHROME2", "RGB", "YBR_ICT"])
@pytest.mark.parametrize("options", [{"j2k_cr": [8]}, {"j2k_psnr": [45]}])
def test_lossy_frames_are_what_was_asked_for(colour: str, options: dict[str, list[float]]) -> None:
    shape = (3, 150, 170) if colour == "MONOCHROME2" else (3, 150, 170, 3)
    frames = picture("smooth", shape, 8, 0)
    frames[1] //= 3  # which takes another step
    spec = described(frames, 8, colour)
    codestreams = encode(frames, spec, LOSSY, **options)
    found = decode(codestreams, spec, LOSSY)
    room = frames[0].nbytes / 8
    for codestream, frame, back in zip(codestreams, frames, found, strict=True):
        if "j2k_cr" in options:
            assert 0.97 * room <= len(codestream) <= room
            assert psnr(frame, back, 8) > 20
        else:
            assert psnr(frame, back, 8) == pytest.approx(45, abs=0.3)


@too_many_samples
def test_a_ratio_of_one_is_lossless() -> None:
    frames = picture("noise", (1, 70, 70), 12, 0)
    spec = described(frames, 12)
    np.testing.assert_array_equal(decode(encode(frames, spec, LOSSY, j2k_cr=[1]), spec, LOSSY), frames)


@too_many_samples
def test_a_ratio_that_leaves_no_room_names_the_frame() -> None:
    frames = picture("noise", (2, 20, 20), 8, 0)
    with pytest.raises(ParameterError, match="Frame 0 cannot be coded within a compression ratio of 100"):
        encode(frames, described(frames, 8), LOSSY, j2k_cr=[100])


@too_many_samples
def test_lying_lengths_and_truncations_are_refused() -> None:
    frames = picture("noise", (1, 40, 40), 12, 0)
    spec = described(frames, 12)
    (codestream,) = encode(frames, spec)
    begin = codestream.index(b"\xff\x93") + 2
    for length in range(begin, len(codestream) - 2, 7):
        with pytest.raises(CodestreamError) as caught:
            decode([codestream[:length]], spec)
        assert caught.value.frame == 0
        assert caught.value.offset is not None
    # The last two bytes of the last codeblock tell how long its suffix is.
    lying = codestream[:-4] + b"\xf0\xff" + codestream[-2:]
    with pytest.raises(CodestreamError, match="lengths of its parts"):
        decode([lying], spec)


@pytest.mark.skipif(simulator_enabled(), reason="the simulator is never chosen by itself")
@pytest.mark.parametrize("uid", [LOSSLESS, RPCL, LOSSY])
def test_kernels_encode_and_decode(uid: str) -> None:
    spec = FrameSpec(40, 40, bits_allocated=16, bits_stored=12)
    options = EncodeOptions(j2k_cr=(10.0,)) if uid == LOSSY else EncodeOptions()
    assert choose(EncodeRequest(uid, spec, 1, options)).codec.name == "htj2k"
    assert choose(DecodeRequest(uid, spec, 1)).codec.name == "htj2k"


def test_only_htj2k_is_this_codecs() -> None:
    assert codecs(Family.JPEG_2000) == []
    assert {codec.backend for codec in codecs(Family.HTJ2K)} == {"cpu", "cuda", "simulator"}
