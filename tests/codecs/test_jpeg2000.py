"""JPEG 2000 end to end, against pylibjpeg-openjpeg: its bytes where lossless, its decoder everywhere."""

import sys
from itertools import pairwise

import numpy as np
import pytest
from gpucodec_kernels.target import simulator_enabled
from hypothesis import given, settings
from hypothesis import strategies as st

import gpucodec
from gpucodec.codecs.base import DecodeRequest, EncodeRequest
from gpucodec.codecs.dispatch import choose
from gpucodec.codecs.formats import Family
from gpucodec.codecs.jpeg2000 import codecs, encode_frames, parameters_for
from gpucodec.codecs.options import EncodeOptions
from gpucodec.codestream.j2k_parameters import CodeblockStyle, CodingParameters, ProgressionOrder
from gpucodec.errors import ParameterError, UnsupportedError
from gpucodec.frames import FrameBatch, FrameSpec
from tests.interop.openjpeg_peer import decoded, encoded, psnr, without_comment

LOSSLESS = "1.2.840.10008.1.2.4.90"
LOSSY = "1.2.840.10008.1.2.4.91"
BACKEND = "simulator" if simulator_enabled() else "cpu"
EXAMPLES = settings(max_examples=40, deadline=None)
too_many_samples = pytest.mark.skipif(simulator_enabled(), reason="too many samples for the simulator")

COLOURS = [("MONOCHROME2", 1), ("RGB", 3), ("YBR_RCT", 3)]


def container(bits: int, signed: int) -> str:
    return f"{'ui'[signed]}{next(size for size in (1, 2, 4) if bits <= 8 * size)}"


def picture(kind: str, shape: tuple[int, ...], bits: int, signed: int) -> np.ndarray:
    """Return frames ``(frames, rows, columns[, samples])`` of a kind, over the whole range of their bits."""
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    random = np.random.default_rng(bits * 100 + shape[1])
    if kind == "noise":
        frames = random.integers(low, high, shape, endpoint=True)
    elif kind == "contrast":
        frames = random.choice([low, high], shape)
    elif kind == "smooth":
        y, x = np.mgrid[: shape[1], : shape[2]]
        wave = (np.sin(x / 37) + np.cos(y / 23) + 2) / 4
        wave = np.stack([wave] * shape[0]) if len(shape) == 3 else np.stack([np.stack([wave] * 3, -1)] * shape[0])
        frames = np.clip(wave * (high - low) * 0.9 + low + random.normal(0, 2, shape), low, high).astype(np.int64)
    else:
        frames = np.full(shape, {"zero": 0, "flat": high - 1}[kind])
    return frames.astype(container(bits, signed))


def check_same_bytes(frames: np.ndarray, spec: FrameSpec, uid: str = LOSSLESS, **options: list[float]) -> None:
    theirs = {"compression_ratios": options["j2k_cr"]} if options else {}
    # Signed colour is not DICOM's, though JPEG 2000 has it.
    checked = EncodeOptions.for_transfer_syntax(uid, **options)
    ours = encode_frames(FrameBatch(frames, spec), parameters_for(spec, checked), BACKEND)
    for frame, codestream in zip(frames, ours, strict=True):
        assert codestream == without_comment(encoded(frame, spec, **theirs))


@pytest.mark.kernel
@pytest.mark.parametrize(("colour", "samples"), COLOURS)
@pytest.mark.parametrize(("bits", "signed"), [(8, 0), (12, 1), (16, 0)])
def test_lossless_tiny_frames_have_openjpegs_bytes(colour: str, samples: int, bits: int, signed: int) -> None:
    shape = (2, 32, 33) if samples == 1 else (1, 32, 32, 3)
    frames = picture("smooth", shape, bits, signed)
    check_same_bytes(frames, FrameSpec.from_array(frames, bits_stored=bits, photometric_interpretation=colour))


@too_many_samples
@pytest.mark.parametrize(("colour", "samples"), COLOURS)
@pytest.mark.parametrize("kind", ["noise", "smooth", "zero", "flat"])
@pytest.mark.parametrize(("bits", "signed"), [(8, 0), (8, 1), (10, 0), (12, 1), (16, 0), (16, 1), (20, 0), (22, 1)])
def test_lossless_frames_have_openjpegs_bytes(colour: str, samples: int, kind: str, bits: int, signed: int) -> None:
    for size in ((32, 32), (65, 129), (200, 77)):
        shape = (2, *size) if samples == 1 else (2, *size, 3)
        frames = picture(kind, shape, bits, signed)
        check_same_bytes(frames, FrameSpec.from_array(frames, bits_stored=bits, photometric_interpretation=colour))


@too_many_samples
@EXAMPLES
@given(rows=st.integers(32, 300), columns=st.integers(32, 300), bits=st.integers(4, 16), seed=st.integers(0, 2**32 - 1))
def test_any_lossless_frame_has_openjpegs_bytes(rows: int, columns: int, bits: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    # Anything between flat areas and noise. (OpenJPEG fails on noise of one bit.)
    frames = (random.integers(0, 1 << bits, (1, rows, columns)) >> random.integers(0, bits, (1, rows, 1))).astype("u2")
    check_same_bytes(frames, FrameSpec.from_array(frames, bits_stored=bits))


@too_many_samples
@pytest.mark.parametrize(("colour", "samples"), COLOURS)
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("bits", [23, 24, 27])
def test_strong_contrasts_of_many_bits_stay_lossless(colour: str, samples: int, signed: int, bits: int) -> None:
    # OpenJPEG's encoder overflows on these and says nothing.
    shape = (1, 64, 96) if samples == 1 else (1, 64, 96, 3)
    frames = picture("contrast", shape, bits, signed)
    spec = FrameSpec.from_array(frames, bits_stored=bits, photometric_interpretation=colour)
    (codestream,) = encode_frames(
        FrameBatch(frames, spec), CodingParameters(component_transform=colour == "YBR_RCT"), BACKEND
    )
    np.testing.assert_array_equal(decoded(codestream, spec), frames[0])


@too_many_samples
@pytest.mark.parametrize("bits", [8, 16])
def test_contrasts_that_leave_the_nominal_range_get_another_guard_bit(bits: int) -> None:
    # Built to be the worst for the low-pass filter behind the RCT: chroma of full range where its taps are positive,
    # of the opposite where they are negative.
    signs = np.sign(_five_levels_of_low_pass_taps(64))
    pattern = np.outer(signs, signs)
    high = (1 << bits) - 1
    frames = np.zeros((1, 64, 64, 3), container(bits, 0))
    frames[0, :, :, 0] = np.where(pattern > 0, high, 0)
    frames[0, :, :, 1] = np.where(pattern > 0, 0, high)
    frames[0, :, :, 2] = frames[0, :, :, 0]
    spec = FrameSpec.from_array(frames, bits_stored=bits, photometric_interpretation="YBR_RCT")
    (codestream,) = gpucodec.encode_frames(frames, LOSSLESS, spec=spec, backend=BACKEND)
    np.testing.assert_array_equal(decoded(codestream, spec), frames[0])


def _five_levels_of_low_pass_taps(length: int) -> np.ndarray:
    """Return how each sample counts for the middle sample of LL after three levels of 5/3, without rounding."""
    taps = np.array([1.0])
    for _ in range(3):
        stretched = np.zeros(2 * len(taps) - 1)
        stretched[::2] = taps
        taps = np.convolve(stretched, [-0.125, 0.25, 0.75, 0.25, -0.125])
    padded = np.zeros(length)
    start = length // 2 - len(taps) // 2
    padded[start : start + len(taps)] = taps
    return padded


@pytest.mark.kernel
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 2), (2, 1), (3, 3), (7, 30), (31, 5), (1, 64), (16, 17)])
@pytest.mark.parametrize(("colour", "samples"), COLOURS[::2])
def test_frames_too_small_for_five_levels_decode(rows: int, columns: int, colour: str, samples: int) -> None:
    shape = (1, rows, columns) if samples == 1 else (1, rows, columns, 3)
    frames = picture("noise", shape, 12, 0)
    spec = FrameSpec.from_array(frames, bits_stored=12, photometric_interpretation=colour)
    (codestream,) = gpucodec.encode_frames(frames, LOSSLESS, spec=spec, backend=BACKEND)
    np.testing.assert_array_equal(decoded(codestream, spec), frames[0])


@pytest.mark.kernel
@pytest.mark.parametrize("layers", [[10.0], [9.0, 5.0, 3.0]])
def test_lossy_tiny_frames_have_openjpegs_cuts(layers: list[float]) -> None:
    frames = picture("smooth", (1, 40, 36), 12, 0)
    check_same_bytes(frames, FrameSpec.from_array(frames, bits_stored=12), LOSSY, j2k_cr=layers)


@too_many_samples
@pytest.mark.parametrize(("colour", "samples"), [("MONOCHROME2", 1), ("RGB", 3), ("YBR_ICT", 3)])
@pytest.mark.parametrize("ratio", [3, 10, 30])
def test_a_ratio_gives_at_most_openjpegs_length_and_its_quality(colour: str, samples: int, ratio: int) -> None:
    shape = (2, 150, 210) if samples == 1 else (2, 150, 210, 3)
    bits = 12 if samples == 1 else 8
    frames = picture("smooth", shape, bits, 0)
    spec = FrameSpec.from_array(frames, bits_stored=bits, photometric_interpretation=colour)
    ours = gpucodec.encode_frames(frames, LOSSY, spec=spec, backend=BACKEND, j2k_cr=[ratio])
    for frame, codestream in zip(frames, ours, strict=True):
        other = encoded(frame, spec, compression_ratios=[ratio])
        assert len(codestream) <= min(len(other), spec.num_samples * bits / 8 / ratio)
        quality = psnr(decoded(codestream, spec), frame, bits)
        assert quality >= psnr(decoded(other, spec), frame, bits) - 0.05


@pytest.mark.kernel
def test_a_tiny_frame_has_the_quality_that_is_asked_for() -> None:
    frames = picture("smooth", (1, 40, 36), 12, 0)
    spec = FrameSpec.from_array(frames, bits_stored=12)
    (codestream,) = gpucodec.encode_frames(frames, LOSSY, spec=spec, backend=BACKEND, j2k_psnr=[60])
    assert psnr(decoded(codestream, spec), frames[0], 12) == pytest.approx(60, abs=0.3)


@too_many_samples
@pytest.mark.parametrize("wanted", [35, 45, 55])
def test_a_signal_to_noise_ratio_is_reached(wanted: int) -> None:
    frames = picture("smooth", (1, 200, 260), 10, 0) + np.random.default_rng(1).integers(0, 60, (1, 200, 260), "u2")
    spec = FrameSpec.from_array(np.minimum(frames, 1023), bits_stored=10)
    frames = np.minimum(frames, 1023)
    (codestream,) = gpucodec.encode_frames(frames, LOSSY, spec=spec, backend=BACKEND, j2k_psnr=[wanted])
    assert psnr(decoded(codestream, spec), frames[0], 10) == pytest.approx(wanted, abs=0.3)


@too_many_samples
@pytest.mark.parametrize("option", [{"j2k_cr": [1]}, {"j2k_psnr": [0]}])
def test_a_single_layer_without_a_limit_is_lossless(option: dict[str, list[int]]) -> None:
    frames = picture("noise", (1, 40, 50), 12, 1)
    spec = FrameSpec.from_array(frames, bits_stored=12)
    assert gpucodec.encode_frames(frames, LOSSY, spec=spec, backend=BACKEND, **option) == gpucodec.encode_frames(
        frames, LOSSLESS, spec=spec, backend=BACKEND
    )


@too_many_samples
def test_every_layer_decodes_and_is_better_than_the_one_before() -> None:
    from imagecodecs import jpeg2k_decode

    frames = picture("smooth", (1, 150, 170), 12, 0)
    ratios = (60.0, 30.0, 15.0, 6.0, 1.0)
    spec = FrameSpec.from_array(frames, bits_stored=12)
    batch = FrameBatch(frames, spec)
    (codestream,) = encode_frames(batch, CodingParameters(ratios=ratios), BACKEND)
    np.testing.assert_array_equal(decoded(codestream, spec), frames[0])  # reversible, and the last layer has the rest
    qualities = [
        psnr(jpeg2k_decode(first_layers(codestream, number)), frames[0], 12) for number in range(1, len(ratios) + 1)
    ]
    assert all(better > worse for worse, better in pairwise(qualities))
    assert qualities[-1] == np.inf


def first_layers(codestream: bytes, number: int) -> bytes:
    """Say in COD that there are fewer layers: in LRCP the packets behind them are not looked at."""
    cod = codestream.index(b"\xff\x52\x00\x0c")
    return codestream[: cod + 6] + number.to_bytes(2, "big") + codestream[cod + 8 :]


OPTIONS = [
    CodingParameters(progression_order=order, precincts=precincts, ratios=ratios, sop=sop, eph=eph, plt=sop, tlm=eph)
    for order in ProgressionOrder
    for precincts in ((), ((5, 4), (5, 6)), ((1, 1), (3, 3), (6, 5)))
    for ratios in ((), (12.0, 4.0, 1.0))
    for sop, eph in ((False, True), (True, False))
]


@too_many_samples
@pytest.mark.parametrize("parameters", OPTIONS, ids=str)
def test_every_order_of_packets_and_every_marker_decodes(parameters: CodingParameters) -> None:
    frames = picture("smooth", (1, 90, 107, 3), 8, 0)
    spec = FrameSpec.from_array(frames)
    (codestream,) = encode_frames(FrameBatch(frames, spec), parameters, BACKEND)
    np.testing.assert_array_equal(decoded(codestream, spec), frames[0])


@too_many_samples
@pytest.mark.parametrize("style", range(64))
def test_every_codeblock_style_decodes(style: int) -> None:
    frames = picture("smooth", (1, 70, 83), 14, 1)
    spec = FrameSpec.from_array(frames, bits_stored=14)
    for width, height, ratios in ((6, 6, ()), (2, 4, ()), (5, 5, (8.0, 1.0))):
        parameters = CodingParameters(
            codeblock_style=CodeblockStyle(style),
            codeblock_width_exponent=width,
            codeblock_height_exponent=height,
            ratios=ratios,
        )
        (codestream,) = encode_frames(FrameBatch(frames, spec), parameters, BACKEND)
        np.testing.assert_array_equal(decoded(codestream, spec), frames[0])


@too_many_samples
@pytest.mark.parametrize("levels", [0, 1, 3, 9, 32])
@pytest.mark.parametrize("reversible", [True, False])
def test_every_number_of_levels_decodes(levels: int, reversible: bool) -> None:
    frames = picture("smooth", (1, 60, 75), 12, 0)
    spec = FrameSpec.from_array(frames, bits_stored=12)
    parameters = CodingParameters(levels=levels, reversible=reversible)
    (codestream,) = encode_frames(FrameBatch(frames, spec), parameters, BACKEND)
    if reversible:
        np.testing.assert_array_equal(decoded(codestream, spec), frames[0])
    else:
        assert psnr(decoded(codestream, spec), frames[0], 12) > 70


@too_many_samples
def test_many_frames_over_several_portions_and_all_layouts() -> None:
    frames = picture("smooth", (30, 256, 200), 12, 0)
    frames[:, 0, 0] = np.arange(30)
    spec = FrameSpec.from_array(frames, bits_stored=12)
    whole = gpucodec.encode_frames(frames, LOSSLESS, spec=spec, backend=BACKEND)
    for index in (0, 17, 29):
        assert whole[index] == without_comment(encoded(frames[index], spec))
    planar = np.ascontiguousarray(picture("smooth", (2, 40, 50, 3), 8, 0).transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    assert gpucodec.encode_frames(planar, LOSSLESS, backend=BACKEND) == gpucodec.encode_frames(
        np.ascontiguousarray(planar), LOSSLESS, backend=BACKEND
    )


@too_many_samples
def test_a_codeblock_that_outgrows_its_slot_is_coded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from gpucodec.codecs import jpeg2000_blocks

    frames = picture("noise", (1, 130, 130), 16, 0)
    spec = FrameSpec.from_array(frames)
    expected = gpucodec.encode_frames(frames, LOSSLESS, spec=spec, backend=BACKEND)
    monkeypatch.setattr(jpeg2000_blocks, "_SMALLEST_SLOT", -8000)
    monkeypatch.setattr(jpeg2000_blocks, "_SLOTS_BYTES", 100_000)  # several launches, too
    assert gpucodec.encode_frames(frames, LOSSLESS, spec=spec, backend=BACKEND) == expected


@too_many_samples
def test_a_frame_that_does_not_fit_its_ratio_is_named() -> None:
    frames = picture("noise", (2, 32, 32), 8, 0)
    with pytest.raises(ParameterError, match="Frame 0 cannot be coded within a compression ratio of 20: 51 bytes"):
        gpucodec.encode_frames(frames, LOSSY, backend=BACKEND, j2k_cr=[20])


def test_more_bits_than_fit_are_the_librarys_or_nobodys() -> None:
    spec = FrameSpec(40, 40, bits_allocated=32, bits_stored=28)
    request = EncodeRequest(LOSSLESS, spec, 1)
    with pytest.raises(UnsupportedError, match="28 bits stored, 32-bit coefficients hold those of 27"):
        choose(request, "auto")
    with pytest.raises(ParameterError, match="28 bits stored"):
        encode_frames(FrameBatch(np.zeros((1, 40, 40), "u4"), spec), CodingParameters(), BACKEND)


@pytest.mark.skipif(simulator_enabled(), reason="the simulator is never chosen by itself")
def test_kernels_encode_and_decode() -> None:
    spec = FrameSpec(40, 40, bits_allocated=16, bits_stored=12)
    for uid in (LOSSLESS, LOSSY):
        options = EncodeOptions(j2k_cr=(10.0,)) if uid == LOSSY else EncodeOptions()
        assert choose(EncodeRequest(uid, spec, 1, options)).codec.name == "jpeg2000"
        assert choose(DecodeRequest(uid, spec, 1)).codec.name == "jpeg2000"


def test_nothing_heavy_is_imported_with_the_codec() -> None:
    assert "gpucodec.codecs.jpeg2000" in sys.modules
    assert codecs(Family.HTJ2K) == []
