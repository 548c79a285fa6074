"""Decoding of JPEG 2000 end to end, against pylibjpeg-openjpeg and against the frames themselves."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from gpucodec_kernels.target import simulator_enabled
from hypothesis import given, settings
from hypothesis import strategies as st

import gpucodec
from gpucodec.codecs.jpeg2000 import encode_frames
from gpucodec.codestream.j2k_parameters import CodeblockStyle, CodingParameters, ProgressionOrder
from gpucodec.errors import CodestreamError, LimitExceededError, ParameterError, TruncatedCodestreamError
from gpucodec.frames import FrameBatch, FrameSpec
from tests.codecs.test_jpeg2000 import COLOURS, OPTIONS, picture, too_many_samples
from tests.interop.openjpeg_peer import decoded, encoded, psnr

LOSSLESS = "1.2.840.10008.1.2.4.90"
LOSSY = "1.2.840.10008.1.2.4.91"
BACKEND = "simulator" if simulator_enabled() else "cpu"
EXAMPLES = settings(max_examples=40, deadline=None)


def decode(codestreams: list[bytes], spec: FrameSpec, **options: object) -> np.ndarray:
    return gpucodec.decode_frames(codestreams, LOSSLESS, spec=spec, backend=BACKEND, **options)


def ours(frames: np.ndarray, spec: FrameSpec, **parameters: object) -> list[bytes]:
    transformed = spec.photometric_interpretation in ("YBR_RCT", "YBR_ICT")
    parameters = {"levels": 5, "component_transform": transformed} | parameters
    return encode_frames(FrameBatch(frames, spec), CodingParameters(**parameters), "cpu")


def described(frames: np.ndarray, bits: int, colour: str = "") -> FrameSpec:
    attributes = {"photometric_interpretation": colour} if colour else {}
    return FrameSpec.from_array(frames, bits_stored=bits, **attributes)


def assert_openjpeg_agrees(codestreams: list[bytes], spec: FrameSpec, tolerance: int = 0) -> None:
    found = decode(codestreams, spec)
    assert found.dtype == spec.dtype
    for frame, codestream in zip(found, codestreams, strict=True):
        error = np.abs(frame.astype(np.int64) - decoded(codestream, spec))
        assert error.max() <= tolerance


@pytest.mark.kernel
@pytest.mark.parametrize(("colour", "samples"), COLOURS)
@pytest.mark.parametrize(("bits", "signed"), [(8, 0), (12, 1), (16, 0)])
def test_tiny_lossless_frames(colour: str, samples: int, bits: int, signed: int) -> None:
    shape = (2, 32, 33) if samples == 1 else (1, 32, 32, 3)
    frames = picture("smooth", shape, bits, signed)
    spec = described(frames, bits, colour)
    codestreams = [encoded(frame, spec) for frame in frames]
    np.testing.assert_array_equal(decode(codestreams, spec), frames)


@pytest.mark.kernel
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 2), (2, 1), (3, 3), (7, 30), (31, 5), (1, 64), (16, 17)])
@pytest.mark.parametrize(("colour", "samples"), COLOURS[::2])
def test_frames_of_any_small_size(rows: int, columns: int, colour: str, samples: int) -> None:
    shape = (1, rows, columns) if samples == 1 else (1, rows, columns, 3)
    frames = picture("noise", shape, 12, 0)
    spec = described(frames, 12, colour)
    np.testing.assert_array_equal(decode(ours(frames, spec, levels=3), spec), frames)


@pytest.mark.kernel
def test_tiny_lossy_frames_are_openjpegs() -> None:
    frames = picture("smooth", (1, 40, 36), 12, 0)
    spec = described(frames, 12)
    assert_openjpeg_agrees([encoded(frames[0], spec, compression_ratios=[9.0, 5.0, 3.0])], spec, tolerance=1)


@pytest.mark.kernel
def test_a_region_of_a_tiny_frame() -> None:
    frames = picture("noise", (1, 40, 36), 8, 0)
    spec = described(frames, 8)
    codestreams = ours(frames, spec, levels=2, codeblock_width_exponent=3, codeblock_height_exponent=2)
    found = decode(codestreams, spec, region=(11, 5, 9, 14))
    np.testing.assert_array_equal(found, frames[:, 11:20, 5:19])


@too_many_samples
@pytest.mark.parametrize(("colour", "samples"), COLOURS)
@pytest.mark.parametrize("kind", ["noise", "smooth", "zero", "flat"])
@pytest.mark.parametrize(("bits", "signed"), [(8, 0), (8, 1), (10, 0), (12, 1), (16, 0), (16, 1), (20, 0), (22, 1)])
def test_lossless_frames_are_what_they_were(colour: str, samples: int, kind: str, bits: int, signed: int) -> None:
    for size in ((32, 32), (65, 129), (200, 77)):
        shape = (2, *size) if samples == 1 else (2, *size, 3)
        frames = picture(kind, shape, bits, signed)
        spec = described(frames, bits, colour)
        np.testing.assert_array_equal(decode(ours(frames, spec), spec), frames)


@too_many_samples
@EXAMPLES
@given(rows=st.integers(32, 300), columns=st.integers(32, 300), bits=st.integers(4, 16), seed=st.integers(0, 2**32 - 1))
def test_any_lossless_frame_of_openjpegs_is_what_it_was(rows: int, columns: int, bits: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    frames = (random.integers(0, 1 << bits, (1, rows, columns)) >> random.integers(0, bits, (1, rows, 1))).astype("u2")
    spec = described(frames, bits)
    np.testing.assert_array_equal(decode([encoded(frames[0], spec)], spec), frames)


@too_many_samples
@pytest.mark.parametrize(("colour", "samples"), COLOURS)
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("bits", [23, 24, 27])
def test_strong_contrasts_of_many_bits(colour: str, samples: int, signed: int, bits: int) -> None:
    shape = (1, 64, 96) if samples == 1 else (1, 64, 96, 3)
    frames = picture("contrast", shape, bits, signed)
    spec = described(frames, bits, colour)
    np.testing.assert_array_equal(decode(ours(frames, spec), spec), frames)


@too_many_samples
@pytest.mark.parametrize(("colour", "samples"), [("MONOCHROME2", 1), ("RGB", 3), ("YBR_ICT", 3)])
@pytest.mark.parametrize("ratios", [(3.0,), (30.0,), (20.0, 9.0, 5.0)], ids=str)
@pytest.mark.parametrize(("bits", "signed"), [(8, 0), (12, 1), (16, 0)])
def test_lossy_frames_are_openjpegs(
    colour: str, samples: int, ratios: tuple[float, ...], bits: int, signed: int
) -> None:
    shape = (2, 150, 210) if samples == 1 else (2, 150, 210, 3)
    frames = picture("smooth", shape, bits, signed)
    spec = described(frames, bits, colour)
    codestreams = [encoded(frame, spec, compression_ratios=list(ratios)) for frame in frames]
    assert_openjpeg_agrees(codestreams, spec, tolerance=1)
    assert_openjpeg_agrees(ours(frames, spec, reversible=False, ratios=ratios), spec, tolerance=1)


@too_many_samples
@pytest.mark.parametrize("parameters", OPTIONS, ids=str)
def test_every_order_of_packets_and_every_marker(parameters: CodingParameters) -> None:
    frames = picture("smooth", (1, 90, 107, 3), 8, 0)
    spec = described(frames, 8)
    codestreams = encode_frames(FrameBatch(frames, spec), parameters, "cpu")
    np.testing.assert_array_equal(decode(codestreams, spec), frames)


@too_many_samples
@pytest.mark.parametrize("style", range(64))
def test_every_codeblock_style(style: int) -> None:
    frames = picture("smooth", (1, 70, 83), 14, 1)
    spec = described(frames, 14)
    for width, height, ratios in ((6, 6, ()), (2, 4, ()), (5, 5, (8.0, 1.0)), (5, 6, (12.0, 4.0))):
        codestreams = ours(
            frames,
            spec,
            codeblock_style=CodeblockStyle(style),
            codeblock_width_exponent=width,
            codeblock_height_exponent=height,
            ratios=ratios,
        )
        assert_openjpeg_agrees(codestreams, spec)


@too_many_samples
@pytest.mark.parametrize("levels", [0, 1, 3, 9, 32])
@pytest.mark.parametrize("reversible", [True, False])
def test_every_number_of_levels(levels: int, reversible: bool) -> None:
    frames = picture("smooth", (1, 60, 75), 12, 0)
    spec = described(frames, 12)
    codestreams = ours(frames, spec, levels=levels, reversible=reversible)
    assert_openjpeg_agrees(codestreams, spec, tolerance=0 if reversible else 1)


# -- parts of frames


@too_many_samples
def test_layers_are_those_of_a_codestream_that_has_no_more() -> None:
    frames = picture("smooth", (1, 150, 170), 12, 0)
    spec = described(frames, 12)
    (codestream,) = ours(frames, spec, ratios=(60.0, 30.0, 15.0, 6.0, 1.0))
    parts = [decode([codestream], spec, layers=number)[0] for number in range(1, 7)]
    for number, part in enumerate(parts[:5], 1):
        np.testing.assert_array_equal(part, decoded(_first_layers(codestream, number), spec))
    qualities = [psnr(part, frames[0], 12) for part in parts[:5]]
    assert all(better > worse for worse, better in pairwise(qualities))
    np.testing.assert_array_equal(parts[5], frames[0])


def _first_layers(codestream: bytes, number: int) -> bytes:
    """Say in COD that there are fewer layers: in LRCP the packets behind them are not looked at."""
    cod = codestream.index(b"\xff\x52\x00\x0c")
    return codestream[: cod + 6] + number.to_bytes(2, "big") + codestream[cod + 8 :]


@too_many_samples
@pytest.mark.parametrize("reversible", [True, False])
@pytest.mark.parametrize("colour", ["MONOCHROME2", "YBR_RCT"])
def test_any_region_is_a_part_of_the_whole(reversible: bool, colour: str) -> None:
    shape = (2, 130, 203) if colour == "MONOCHROME2" else (2, 130, 203, 3)
    frames = picture("noise", shape, 10, 0)
    spec = described(frames, 10, colour)
    codestreams = ours(frames, spec, levels=4, reversible=reversible, codeblock_width_exponent=4)
    whole, whole_reduced = decode(codestreams, spec), decode(codestreams, spec, reduce=2)
    random = np.random.default_rng(7)
    for _ in range(25):
        row, column = int(random.integers(130)), int(random.integers(203))
        rows, columns = int(random.integers(1, 131 - row)), int(random.integers(1, 204 - column))
        part = decode(codestreams, spec, region=(row, column, rows, columns))
        np.testing.assert_array_equal(part, whole[:, row : row + rows, column : column + columns])
        if min(rows, columns) > 4:
            reduced = decode(codestreams, spec, region=(row, column, rows, columns), reduce=2)
            top, left, bottom, right = (-(-edge // 4) for edge in (row, column, row + rows, column + columns))
            np.testing.assert_array_equal(reduced, whole_reduced[:, top:bottom, left:right])


@too_many_samples
def test_what_cannot_be_asked_for() -> None:
    frames = picture("noise", (1, 50, 60), 8, 0)
    spec = described(frames, 8)
    codestreams = ours(frames, spec, levels=3)
    with pytest.raises(ParameterError, match="not within a frame of 50 rows and 60 columns"):
        decode(codestreams, spec, region=(0, 0, 51, 1))
    with pytest.raises(ParameterError, match="3"):
        decode(codestreams, spec, reduce=4)
    with pytest.raises(LimitExceededError, match="max_frame_bytes"):
        decode(codestreams, spec, max_frame_bytes=2999)
    assert decode(codestreams, spec, max_frame_bytes=750, reduce=1).shape == (1, 25, 30)


# -- batches


@too_many_samples
def test_frames_of_one_batch_may_be_coded_differently() -> None:
    frames = picture("smooth", (6, 70, 90), 12, 0)
    spec = described(frames, 12)
    codestreams = [
        *ours(frames[:2], spec),
        *ours(frames[2:3], spec, levels=2, progression_order=ProgressionOrder.RPCL),
        *ours(frames[3:4], spec),
        *ours(frames[4:], spec, codeblock_width_exponent=4, sop=True),
    ]
    np.testing.assert_array_equal(decode(codestreams, spec), frames)


@too_many_samples
def test_many_frames_over_several_portions() -> None:
    frames = picture("smooth", (40, 256, 200), 12, 0)
    frames[:, 0, 0] = np.arange(40)
    spec = described(frames, 12)
    np.testing.assert_array_equal(decode(ours(frames, spec), spec), frames)


@too_many_samples
def test_a_broken_frame_is_named() -> None:
    frames = picture("smooth", (3, 70, 90), 12, 0)
    spec = described(frames, 12)
    codestreams = ours(frames, spec)
    with pytest.raises(TruncatedCodestreamError) as caught:
        decode([*codestreams[:2], codestreams[2][:-300]], spec)
    assert caught.value.frame == 2
    assert 0 < caught.value.offset <= len(codestreams[2]) - 300
    with pytest.raises(CodestreamError) as caught:
        decode([codestreams[0], b"\xff\x4f" + bytes(100), codestreams[2]], spec)
    assert caught.value.frame == 1


@too_many_samples
def test_an_end_without_eoc_or_with_padding() -> None:
    frames = picture("smooth", (1, 70, 90), 12, 0)
    spec = described(frames, 12)
    (codestream,) = ours(frames, spec)
    assert codestream.endswith(b"\xff\xd9")
    for changed in (codestream[:-2], codestream + b"\0", codestream[:-2] + b"\0", codestream + b"\xff" * 3):
        np.testing.assert_array_equal(decode([changed], spec), frames)
