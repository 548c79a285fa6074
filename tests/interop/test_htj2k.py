"""HTJ2K between the kernels, OpenJPH and OpenJPEG: OpenJPH's packets, and frames that come back in all directions."""

from __future__ import annotations

import numpy as np
import pytest
from gpucodec_kernels.target import simulator_enabled

import gpucodec
from gpucodec import FrameSpec
from gpucodec.backends import executor
from gpucodec.codecs.htj2k_encode import begin_lossless
from gpucodec.codestream.j2k_parameters import CodingParameters, ProgressionOrder
from gpucodec.frames import FrameBatch
from tests.codecs.test_jpeg2000 import picture
from tests.interop.openjpeg_peer import decoded, psnr
from tests.interop.reference_files import read

imagecodecs = pytest.importorskip("imagecodecs")
pytestmark = pytest.mark.skipif(simulator_enabled(), reason="too many samples for the simulator")

LOSSLESS, RPCL, LOSSY = (f"1.2.840.10008.1.2.4.20{number}" for number in (1, 2, 3))
SOD = b"\xff\x93"
FILES = {
    "CT": "693_UNCI.dcm",
    "MR": "MR2_UNCI.dcm",
    "CR": "RG1_UNCI.dcm",
    "US": "US1_UNCI.dcm",
}
KINDS = ("noise", "smooth", "zero", "flat", "contrast")
# OpenJPH takes a container's bits as the precision.
FULL = [(8, 0), (8, 1), (16, 0), (16, 1)]
PRECISIONS = [(bits, signed) for bits in (1, 2, 7, 8, 10, 12, 15, 16, 20, 24) for signed in (0, 1) if bits > signed]
SIZES = [(1, 1), (1, 90), (131, 1), (3, 5), (64, 64), (65, 129), (200, 77)]


def real(name):
    """Return a frame of a file, in its container's precision."""
    frame = read(FILES[name]).pixel_array
    frame = frame[0] if name == "US" and frame.ndim == 4 else frame
    return np.ascontiguousarray(frame[:512, :512])


def described(frame, bits=0, colour=""):
    told = {"bits_stored": bits} if bits else {}
    if colour:
        told["photometric_interpretation"] = colour
    return FrameSpec.from_array(frame[None], **told)


def openjphs(frame, transformed):
    return imagecodecs.htj2k_encode(np.ascontiguousarray(frame), reversible=True, rgb=transformed)


def by_openjph(codestream, shape):
    """Return what OpenJPH decodes; imagecodecs hands out planes where there is no component transform."""
    frame = imagecodecs.htj2k_decode(codestream)
    return frame if frame.shape == shape or frame.ndim == 2 else np.moveaxis(frame, 0, -1)


def check_packets(frame, *, transformed=False):
    spec = described(frame)
    # What OpenJPH chooses, whatever the size
    parameters = CodingParameters(
        levels=5, component_transform=transformed, progression_order=ProgressionOrder.RPCL, high_throughput=True
    )
    (ours,) = begin_lossless(executor("cpu"), FrameBatch(frame[None], spec), parameters)()
    theirs = openjphs(frame, transformed)
    assert ours[ours.index(SOD) :] == theirs[theirs.index(SOD) :]


# -- OpenJPH's packets


@pytest.mark.parametrize("name", FILES)
def test_packets_of_pictures_are_openjphs(name):
    check_packets(real(name), transformed=name == "US")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("bits", "signed"), FULL)
def test_packets_of_made_up_frames_are_openjphs(kind, bits, signed):
    for size in SIZES:
        check_packets(picture(kind, (1, *size), bits, signed)[0])
        colours = picture(kind, (1, *size, 3), bits, signed)[0]
        check_packets(colours)
        check_packets(colours, transformed=True)


def test_main_headers_are_openjphs_without_its_comment():
    frame = real("US")
    spec = described(frame, colour="YBR_RCT")
    (ours,) = gpucodec.encode_frames(frame[None], LOSSLESS, spec=spec, backend="cpu")
    theirs = openjphs(frame, True)
    comment, tile_part = theirs.index(b"\xff\x64"), theirs.index(b"\xff\x90")
    assert ours[: ours.index(b"\xff\x90")] == theirs[:comment]
    assert theirs[comment:tile_part].endswith(b"OpenJPH Ver " + theirs[comment:tile_part].split(b"Ver ")[1])


# -- all directions


@pytest.mark.parametrize(("bits", "signed"), PRECISIONS)
@pytest.mark.parametrize("colour", ["", "RGB", "YBR_RCT"])
def test_every_decoder_returns_the_frame(bits, signed, colour):
    if signed and colour:
        pytest.skip("DICOM has no signed colour")
    for number, size in enumerate(SIZES):
        shape = (1, *size, 3) if colour else (1, *size)
        frames = picture(KINDS[number % 3 if number else 4], shape, bits, signed)
        told = {"photometric_interpretation": colour} if colour else {}
        spec = FrameSpec.from_array(frames, bits_stored=bits, **told)
        for uid in (LOSSLESS, RPCL):
            codestreams = gpucodec.encode_frames(frames, uid, spec=spec, backend="cpu")
            assert codestreams[0][42] == (signed << 7 | bits - 1)  # SIZ's precision is Bits Stored
            found = gpucodec.decode_frames(codestreams, uid, spec=spec, backend="cpu")
            np.testing.assert_array_equal(found, frames)
            np.testing.assert_array_equal(decoded(codestreams[0], spec), frames[0])
            np.testing.assert_array_equal(by_openjph(codestreams[0], frames[0].shape).squeeze(), frames[0].squeeze())


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("reversible", [True, False])
def test_openjphs_codestreams_decode_as_openjpeg_decodes_them(name, reversible):
    frame = real(name)
    colour = frame.ndim == 3
    codestream = imagecodecs.htj2k_encode(frame, reversible=reversible, rgb=colour)
    spec = described(frame, colour="YBR_RCT" if colour else "")
    (found,) = gpucodec.decode_frames([codestream], LOSSLESS if reversible else LOSSY, spec=spec, backend="cpu")
    if reversible:
        np.testing.assert_array_equal(found, frame)
    assert np.abs(found.astype(np.int64) - decoded(codestream, spec)).max() <= (0 if reversible else 1)


def test_frames_of_a_batch_are_the_same_alone_and_on_any_number_of_threads():
    from gpucodec_kernels.target import get_num_threads, set_num_threads

    frames = picture("smooth", (11, 300, 280), 12, 0)
    spec = FrameSpec.from_array(frames, bits_stored=12)
    alone = [gpucodec.encode_frames(frame[None], LOSSLESS, spec=spec, backend="cpu")[0] for frame in frames]
    before = get_num_threads()
    try:
        for threads in (1, 2, 3):
            set_num_threads(threads)
            assert gpucodec.encode_frames(frames, LOSSLESS, spec=spec, backend="cpu") == alone
            np.testing.assert_array_equal(gpucodec.decode_frames(alone, LOSSLESS, spec=spec, backend="cpu"), frames)
    finally:
        set_num_threads(before)


def test_the_component_transform_saves_two_fifths_of_the_ultrasound():
    frame = read(FILES["US"]).pixel_array
    frame = frame[:1] if frame.ndim == 4 else frame[None]
    with_transform, without = (
        len(gpucodec.encode_frames(frame, LOSSLESS, photometric_interpretation=colour, backend="cpu")[0])
        for colour in ("YBR_RCT", "RGB")
    )
    assert with_transform <= 0.6 * without


# -- ratios


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("ratio", [3, 10, 50])
def test_compression_ratios_are_reached_and_never_missed(name, ratio):
    frame, bits = real(name), read(FILES[name]).BitsStored
    spec = described(frame, bits, colour="YBR_ICT" if frame.ndim == 3 else "")
    (codestream,) = gpucodec.encode_frames(frame[None], LOSSY, spec=spec, backend="cpu", j2k_cr=[ratio])
    room = frame.size * bits / 8 / ratio
    assert 0.97 * room <= len(codestream) <= room


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("wanted", [35, 50, 65])
def test_signal_to_noise_ratios_are_reached_in_openjpegs_decoder(name, wanted):
    frame = real(name)
    spec = described(frame, read(FILES[name]).BitsStored, colour="YBR_ICT" if frame.ndim == 3 else "")
    (codestream,) = gpucodec.encode_frames(frame[None], LOSSY, spec=spec, backend="cpu", j2k_psnr=[wanted])
    assert psnr(decoded(codestream, spec), frame, spec.bits_stored) == pytest.approx(wanted, abs=0.3)
    (found,) = gpucodec.decode_frames([codestream], LOSSY, spec=spec, backend="cpu")
    assert psnr(found, frame, spec.bits_stored) == pytest.approx(wanted, abs=0.3)


def test_openjph_decodes_lossy_frames_as_openjpeg_does():
    # Far from the ends of the range: imagecodecs does not clip what is beyond them.
    frame = (real("CR") >> 2) + 8000
    (codestream,) = gpucodec.encode_frames(frame[None], LOSSY, backend="cpu", j2k_psnr=[60])
    theirs = imagecodecs.htj2k_decode(codestream).astype(np.int64)
    assert np.abs(theirs - decoded(codestream, described(frame))).max() <= 1
