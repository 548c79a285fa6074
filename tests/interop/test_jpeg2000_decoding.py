"""JPEG 2000 of every writer at hand, decoded on kernels: OpenJPEG's samples, and the frames themselves."""

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import JPEG2000, JPEG2000Lossless

import gpucodec
from gpucodec import FrameSpec
from gpucodec.codecs.base import DecodeRequest
from gpucodec.codecs.jpeg2000 import Jpeg2000Codec
from gpucodec.codestream.j2k_reader import read_codestream
from gpucodec.dicom.dataset_frames import codestreams_of
from gpucodec.dicom.image_pixel import frame_spec
from gpucodec.libraries.openjpeg import OpenJpegCodec
from tests.interop import pillow_peer
from tests.interop.reference_files import IMAGES, images_in, read

imagecodecs = pytest.importorskip("imagecodecs")
gdcm = pytest.importorskip("gdcm")

# One has an impossible tile grid, the other no pixel data.
BROKEN = {"JPEG2000-embedded-sequence-delimiter.dcm", "emri_small_jpeg_2k_lossless_too_short.dcm"}
FILES = [name for name in images_in(JPEG2000, JPEG2000Lossless) if name not in BROKEN]


def picture(samples=1, bits=8, rows=93, columns=117, seed=0):
    """Return a frame with edges, waves and noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns]
    wave = np.sin(x / 9) + np.cos(y / 13) + (np.hypot(x - 50, y - 40) < 30)
    frame = wave[..., None] * [1, 0.7, -0.5][:samples] if samples > 1 else wave
    frame = (frame + 2.6) / 6 * (1 << bits) + random.normal(0, 1 << (bits - 6), frame.shape)
    return np.clip(frame, 0, (1 << bits) - 1).astype("u1" if bits <= 8 else "u2")


def decode(codestream, frame, **options):
    spec = FrameSpec.from_array(frame[None])
    return gpucodec.decode_frames([codestream], JPEG2000, spec=spec, backend="cpu", **options)[0]


def is_reversible(codestream):
    return all(coding.reversible for coding in read_codestream(codestream).parameters.codings)


# -- DICOM files


def test_there_are_files():
    assert len(FILES) > 10


@pytest.mark.parametrize("name", FILES)
def test_kernels_and_openjpeg_decode_the_same(name):
    ds = read(name)
    codestreams = codestreams_of(ds)
    request = DecodeRequest(ds.file_meta.TransferSyntaxUID, frame_spec(ds), len(codestreams), codestreams=codestreams)
    codec = Jpeg2000Codec("cpu")
    assert codec.why_not_decode(request) == []
    ours = codec.decode_batch(codestreams, request)
    theirs = OpenJpegCodec().decode_batch(codestreams, request)
    assert ours.spec == theirs.spec
    error = np.abs(ours.frames.astype(np.int64) - theirs.frames)
    assert error.max() <= (0 if is_reversible(codestreams[0]) else 1)


# -- imagecodecs


@pytest.mark.parametrize("reversible", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {"codecformat": "j2k"},
        {"codecformat": "jp2"},
        {"resolutions": 1},
        {"resolutions": 3},
        {"resolutions": 4, "mct": False},
        {"level": 40},
        {"level": 30, "mct": False},
    ],
    ids=str,
)
@pytest.mark.parametrize(("samples", "bits"), [(1, 8), (3, 8), (1, 12), (1, 16)])
def test_what_imagecodecs_writes(samples, bits, options, reversible):
    frame = picture(samples, bits)
    codestream = imagecodecs.jpeg2k_encode(frame, reversible=reversible, bitspersample=bits, **options)
    found, expected = decode(codestream, frame), imagecodecs.jpeg2k_decode(codestream)
    assert np.abs(found.astype(int) - expected).max() <= (0 if reversible else 1)
    if reversible and "level" not in options:
        np.testing.assert_array_equal(found, frame)


# -- Pillow


GRIDS = [
    {},
    {"tile_size": (40, 33)},
    {"tile_size": (40, 33), "offset": (5, 7), "tile_offset": (3, 2)},
    {"tile_size": (256, 256), "offset": (17, 3)},
]
CODINGS = [
    {"num_resolutions": 4, "codeblock_size": (16, 8), "precinct_size": (32, 32), "quality_layers": [20, 5, 1]},
    {"num_resolutions": 1, "codeblock_size": (4, 256), "plt": True},
    {"num_resolutions": 6, "codeblock_size": (64, 64), "precinct_size": (64, 128)},
    {"num_resolutions": 3, "irreversible": True, "quality_layers": [30, 10]},
]


@pytest.mark.parametrize("progression", ["LRCP", "RLCP", "RPCL", "PCRL", "CPRL"])
@pytest.mark.parametrize("coding", CODINGS, ids=str)
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_what_pillow_writes(grid, coding, progression):
    for samples in (1, 3):
        frame = picture(samples)
        codestream = pillow_peer.encoded(frame, **grid, **coding, progression=progression)
        found, expected = decode(codestream, frame), pillow_peer.decoded(codestream)
        assert np.abs(found.astype(int) - expected).max() <= ("irreversible" in coding)
        region = decode(codestream, frame, region=(13, 20, 50, 61))
        np.testing.assert_array_equal(region, found[13:63, 20:81])


@pytest.mark.parametrize(("reduce", "layers"), [(0, 0), (1, 0), (1, 1), (1, 2), (3, 0), (3, 1)])
@pytest.mark.parametrize("grid", GRIDS[:2], ids=str)
@pytest.mark.parametrize("irreversible", [False, True])
def test_what_pillow_reads_of_a_part(reduce, layers, grid, irreversible):
    for frame in (picture(1), picture(3), picture(1, 16)):
        options = {"num_resolutions": 4, "quality_layers": [30, 10, 4], "irreversible": irreversible} | grid
        codestream = pillow_peer.encoded(frame, **options)
        found, expected = (
            decode(codestream, frame, reduce=reduce, layers=layers),
            pillow_peer.decoded(codestream, reduce, layers),
        )
        assert found.shape == expected.shape
        assert np.abs(found.astype(int) - expected).max() <= irreversible


# -- GDCM


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("options", [{}, {"tile": 64}, {"resolutions": 2}, {"rate": 20}], ids=str)
@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "examples_rgb_color.dcm", "examples_overlay.dcm"])
def test_what_gdcm_writes(name, options, lossless, tmp_path):
    ds = gdcm_compressed(name, tmp_path / "out.dcm", lossless, **options)
    codestreams = codestreams_of(ds)
    request = DecodeRequest(ds.file_meta.TransferSyntaxUID, frame_spec(ds), len(codestreams))
    ours = Jpeg2000Codec("cpu").decode_batch(codestreams, request)
    theirs = OpenJpegCodec().decode_batch(codestreams, request)
    assert ours.spec == theirs.spec
    assert np.abs(ours.frames.astype(np.int64) - theirs.frames).max() <= (0 if lossless else 1)
    if lossless and "rate" not in options:
        np.testing.assert_array_equal(ours.frames[0], read(name).pixel_array)


def gdcm_compressed(name, path, lossless, tile=0, resolutions=0, rate=0):
    """Return a file of pydicom's as GDCM compresses it."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(IMAGES[name][0]))
    assert reader.Read()
    codec = gdcm.JPEG2000Codec()
    codec.SetReversible(lossless)
    if tile:
        codec.SetTileSize(tile, tile)
    if resolutions:
        codec.SetNumberOfResolutions(resolutions)
    if rate:
        codec.SetRate(0, rate)
    change = gdcm.ImageChangeTransferSyntax()
    change.SetUserCodec(codec)
    kind = gdcm.TransferSyntax.JPEG2000Lossless if lossless else gdcm.TransferSyntax.JPEG2000
    change.SetTransferSyntax(gdcm.TransferSyntax(kind))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return dcmread(path)
