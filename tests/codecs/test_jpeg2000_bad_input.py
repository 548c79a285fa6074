"""JPEG 2000 encoding of what cannot be encoded, and of anything at all: an error before any work, or a codestream."""

import numpy as np
import pytest
from gpucodec_kernels.target import simulator_enabled
from hypothesis import given, settings
from hypothesis import strategies as st

import gpucodec
from gpucodec.codecs.jpeg2000 import encode_frames
from gpucodec.codestream.j2k_parameters import CodeblockStyle, CodingParameters, ProgressionOrder
from gpucodec.errors import GpucodecError, ParameterError, UnsupportedError
from gpucodec.frames import FrameBatch, FrameSpec
from tests.interop.openjpeg_peer import decoded

LOSSLESS = "1.2.840.10008.1.2.4.90"
LOSSY = "1.2.840.10008.1.2.4.91"
FRAMES = np.zeros((1, 40, 40), np.uint16)

pytestmark = pytest.mark.skipif(simulator_enabled(), reason="too many samples for the simulator")


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((1, 0, 40), "u2"), "'Rows' value of '0'"),
        (np.zeros((1, 40, 0), "u2"), "'Columns' value of '0'"),
        (np.zeros((0, 40, 40), "u2"), "no frames"),
        (FRAMES.astype("f4"), "dtype 'float32' is not supported"),
        (FRAMES.astype(bool), "dtype 'bool' is not supported"),
        (FRAMES.astype("c8"), "dtype 'complex64' is not supported"),
        (FRAMES.astype("u8"), "64"),
    ],
    ids=str,
)
def test_frames_that_are_none_are_named(frames, message):
    with pytest.raises(ParameterError, match=message):
        gpucodec.encode_frames(frames, LOSSLESS, backend="cpu")


@pytest.mark.parametrize(("dtype", "value"), [("u2", 4096), ("i2", 2048), ("i2", -2049)])
def test_values_outside_bits_stored_are_named(dtype, value):
    frames = np.zeros((2, 40, 40), dtype)
    spec = FrameSpec.from_array(frames, bits_stored=12)
    frames[1, 39, 39] = value
    with pytest.raises(ParameterError, match="outside the allowable range"):
        gpucodec.encode_frames(frames, LOSSLESS, spec=spec, backend="cpu")


@pytest.mark.parametrize("bits", [39, 40])
def test_precisions_outside_the_profile_are_named(bits):
    frames = FRAMES.astype("u8")
    with pytest.raises(ParameterError, match="Bits Stored"):
        gpucodec.encode_frames(frames, LOSSLESS, spec=FrameSpec.from_array(frames, bits_stored=bits), backend="cpu")


@pytest.mark.parametrize(("bits", "uid", "options"), [(28, LOSSLESS, {}), (25, LOSSY, {"j2k_cr": [5]})])
def test_precisions_that_coefficients_do_not_hold_are_the_librarys(bits, uid, options):
    frames = FRAMES.astype("u4")
    spec = FrameSpec.from_array(frames, bits_stored=bits)
    with pytest.raises(UnsupportedError, match=f"{bits} bits stored"):
        gpucodec.encode_frames(frames, uid, spec=spec, backend="cpu", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"j2k_cr": [5, 10]}, "strictly decreasing"),
        ({"j2k_cr": [5, 5]}, "strictly decreasing"),
        ({"j2k_cr": [0.5]}, "at least 1"),
        ({"j2k_cr": [float("nan")]}, "finite"),
        ({"j2k_cr": [-1]}, "at least 1"),
        ({"j2k_cr": list(range(201, 100, -1))}, "101 quality layers, at most 100"),
        ({"j2k_psnr": [50, 40]}, "strictly increasing"),
        ({"j2k_psnr": [-3]}, "at least 0"),
        ({"j2k_psnr": [float("inf")]}, "finite"),
        ({"j2k_cr": [5], "j2k_psnr": [40]}, "only one|only specify one|Multiple"),
        ({}, "requires a lossy"),
        ({"j2k_cr": [1e9]}, "Frame 0 cannot be coded within a compression ratio of 1e\\+09: 0 bytes"),
    ],
    ids=str,
)
def test_options_that_contradict_are_named(options, message):
    with pytest.raises(ParameterError, match=message):
        gpucodec.encode_frames(FRAMES, LOSSY, backend="cpu", **options)


@pytest.mark.parametrize("options", [{"j2k_cr": [5]}, {"j2k_psnr": [40]}])
def test_lossless_takes_no_lossy_option(options):
    with pytest.raises(ParameterError, match="lossy configuration option"):
        gpucodec.encode_frames(FRAMES, LOSSLESS, backend="cpu", **options)


@pytest.mark.parametrize("wanted", [0.001, 150, 1000])
def test_ratios_out_of_reach_are_coded_as_well_as_can_be(wanted):
    frames = np.random.default_rng(1).integers(0, 256, (1, 40, 50), np.uint8)
    (codestream,) = gpucodec.encode_frames(frames, LOSSY, backend="cpu", j2k_psnr=[wanted])
    found = decoded(codestream, FrameSpec.from_array(frames))
    if wanted > 1:
        np.testing.assert_array_equal(found, frames[0])


PARAMETERS = st.builds(
    CodingParameters,
    reversible=st.booleans(),
    component_transform=st.booleans(),
    levels=st.integers(1, 7),
    codeblock_width_exponent=st.integers(2, 6),
    codeblock_height_exponent=st.integers(2, 6),
    codeblock_style=st.integers(0, 63).map(CodeblockStyle),
    progression_order=st.sampled_from(ProgressionOrder),
    precincts=st.sampled_from([(), ((3, 4), (5, 2)), ((15, 15),)]),
    ratios=st.sampled_from([(), (), (4.0,), (9.0, 2.0), (3.0, 1.0)]),
    sop=st.booleans(),
    eph=st.booleans(),
    plt=st.booleans(),
    tlm=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(
    parameters=PARAMETERS,
    psnr=st.sampled_from([(), (), (30.0,), (20.0, 45.0), (35.0, 0.0)]),
    rows=st.integers(1, 70),
    columns=st.integers(1, 70),
    bits=st.integers(1, 27),
    signed=st.booleans(),
    too_large=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_anything_is_a_codestream_or_an_error(parameters, psnr, rows, columns, bits, signed, too_large, seed):
    from dataclasses import replace

    try:
        parameters = replace(parameters, psnr=psnr)
    except ParameterError:
        parameters = replace(parameters, psnr=())
    random = np.random.default_rng(seed)
    size = next(size for size in (1, 2, 4) if bits <= 8 * size)
    dtype = np.dtype(f"{'ui'[signed]}{size}")
    limits = np.iinfo(dtype)
    low, high = (limits.min, limits.max) if too_large else (-(signed << (bits - 1)), (1 << (bits - signed)) - 1)
    shape = (2, rows, columns, 3) if parameters.component_transform else (2, rows, columns)
    frames = random.choice(random.integers(low, high, 5, dtype, endpoint=True), shape)
    told = "RGB" if parameters.component_transform else "MONOCHROME2"
    spec = FrameSpec.from_array(frames, bits_stored=bits, photometric_interpretation=told)
    try:
        codestreams = encode_frames(FrameBatch(frames, spec), parameters)
    except GpucodecError:
        return
    everything = not (parameters.ratios or parameters.psnr) or parameters.ratios[-1:] == (1.0,)
    for frame, codestream in zip(frames, codestreams, strict=True):
        assert codestream[:4] == b"\xff\x4f\xff\x51"
        assert codestream[-2:] == b"\xff\xd9"
        if not too_large and bits <= 24:
            found = decoded(codestream, spec)
            if parameters.reversible and (everything or parameters.psnr[-1:] == (0.0,)):
                np.testing.assert_array_equal(found, frame)
