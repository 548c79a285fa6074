"""JPEG 2000 as real DICOM files have it: attributes that disagree with the codestream, padding, fragments, boxes."""

import struct
import warnings

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import JPEG2000, JPEG2000Lossless

import gpucodec
from gpucodec.codecs.base import DecodeRequest
from gpucodec.codecs.dispatch import choose
from gpucodec.codecs.jpeg2000 import encode_frames
from gpucodec.codestream.j2k_parameters import CodingParameters
from gpucodec.frames import FrameBatch, FrameSpec

ROWS, COLUMNS = 40, 56


@pytest.fixture(autouse=True)
def _registered():
    gpucodec.register()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom has something to say about these
        yield
    gpucodec.unregister()


def coded(precision, signed, samples=1, transform=False, num_frames=1):
    """Return codestreams of that precision and sign, and their frames."""
    random = np.random.default_rng(precision)
    low = -(1 << (precision - 1)) if signed else 0
    shape = (num_frames, ROWS, COLUMNS) if samples == 1 else (num_frames, ROWS, COLUMNS, samples)
    steps = np.cumsum(random.integers(-9, 10, shape), axis=2)
    frames = np.clip(steps + low + (1 << (precision - 1)), low, low + (1 << precision) - 1)
    frames = frames.astype(f"{'ui'[signed]}{1 if precision <= 8 else 2}")
    spec = FrameSpec.from_array(frames, bits_stored=precision)
    return encode_frames(FrameBatch(frames, spec), CodingParameters(levels=3, component_transform=transform)), frames


def dataset(
    pixel_data, *, allocated=16, stored=16, signed=0, samples=1, colour="MONOCHROME2", frames=1, uid=JPEG2000Lossless
):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid
    ds.Rows, ds.Columns, ds.SamplesPerPixel = ROWS, COLUMNS, samples
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = allocated, stored, stored - 1
    ds.PixelRepresentation, ds.PhotometricInterpretation, ds.NumberOfFrames = signed, colour, frames
    if samples > 1:
        ds.PlanarConfiguration = 0
    ds.PixelData = pixel_data
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


def assert_as_pydicom(ds):
    """Compare the plugins' arrays, and what `decompress` leaves with the samples of pydicom's own."""
    decoder = get_decoder(ds.file_meta.TransferSyntaxUID)
    for options in ({}, {"apply_j2k_sign_correction": False}, {"raw": True}):
        ours, our_properties = decoder.as_array(ds, decoding_plugin="gpucodec", **options)
        theirs, their_properties = decoder.as_array(ds, decoding_plugin="pylibjpeg", **options)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
        assert our_properties == their_properties
    request = DecodeRequest(ds.file_meta.TransferSyntaxUID, FrameSpec(ROWS, COLUMNS), 1)
    assert choose(request).codec.name == "jpeg2000"
    gpucodec.decompress(ds, backend="cpu", as_rgb=False)
    # pydicom's own would leave samples in narrower containers than Bits Allocated says.
    container = f"<{'ui'[ds.PixelRepresentation]}{ds.BitsAllocated // 8}"
    assert ds.PixelData == theirs.astype(container).tobytes()
    return theirs


@pytest.mark.parametrize("uid", [JPEG2000Lossless, JPEG2000])
@pytest.mark.parametrize("claimed", [0, 1])
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize(
    ("precision", "stored", "allocated"), [(12, 12, 16), (13, 16, 16), (16, 12, 16), (8, 8, 8), (7, 8, 16)]
)
def test_precision_and_sign_that_disagree_are_pydicoms_business(uid, precision, stored, allocated, signed, claimed):
    codestreams, _ = coded(precision, signed)
    ds = dataset(encapsulate(codestreams), allocated=allocated, stored=stored, signed=claimed, uid=uid)
    assert_as_pydicom(ds)


@pytest.mark.parametrize("transform", [False, True])
@pytest.mark.parametrize("colour", ["RGB", "YBR_RCT", "YBR_ICT", "YBR_FULL"])
def test_labels_of_the_colour_space_do_not_matter_to_the_transform(colour, transform):
    codestreams, frames = coded(8, 0, samples=3, transform=transform)
    ds = dataset(encapsulate(codestreams), allocated=8, stored=8, samples=3, colour=colour)
    np.testing.assert_array_equal(assert_as_pydicom(ds), frames[0])


def boxed(codestream):
    """Return a codestream in JP2 boxes, T.800 Annex I; the last one goes to the end."""
    header = struct.pack(">IIIHBBBB", 22, 0x69686472, ROWS, COLUMNS, 1, 7, 7, 0)[:22]
    return (
        b"\x00\x00\x00\x0cjP  \r\n\x87\n"
        + struct.pack(">I4s4sI4s", 20, b"ftyp", b"jp2 ", 0, b"jp2 ")
        + struct.pack(">I4s", 8 + len(header), b"jp2h")
        + header
        + struct.pack(">I4s", 0, b"jp2c")
        + codestream
    )


ENDINGS = {
    "as it is": lambda codestream: codestream,
    "padded": lambda codestream: codestream + b"\0",
    "padded twice": lambda codestream: codestream + b"\0\0",
    "without EOC": lambda codestream: codestream[:-2],
    "without EOC, padded": lambda codestream: codestream[:-2] + b"\0",
    "in boxes": boxed,
}


@pytest.mark.parametrize("fragments", [1, 3])
@pytest.mark.parametrize("ending", ENDINGS)
def test_ends_fragments_and_boxes(ending, fragments):
    codestreams, frames = coded(12, 0, num_frames=4)
    changed = [ENDINGS[ending](codestream) for codestream in codestreams]
    ds = dataset(encapsulate(changed, fragments_per_frame=fragments, has_bot=True), stored=12, frames=4)
    array, _ = get_decoder(JPEG2000Lossless).as_array(ds, decoding_plugin="gpucodec", raw=True)
    np.testing.assert_array_equal(array, frames)
    np.testing.assert_array_equal(gpucodec.decompress(ds, backend="cpu").pixel_array, frames)
