"""JPEG-LS in the DICOM files of pydicom and pydicom-data: our kernels, CharLS and pydicom's plugins agree."""

import numpy as np
import pytest
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder, get_encoder
from pydicom.pixels.utils import as_pixel_options
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless, JPEGLSNearLossless

import gpucodec
from gpucodec.codecs.base import DecodeRequest
from gpucodec.codecs.jpegls import JpeglsCodec
from gpucodec.dicom.image_pixel import frame_spec
from gpucodec.libraries.charls import CharlsCodec
from tests.interop.reference_files import images_in, read

LABEL = "gpucodec"
COMPRESSED = images_in(JPEGLSLossless, JPEGLSNearLossless)
COLOURS = ("MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL")
# Its value is shorter than its frames, and in the other pyjpegls's markers do not fit the buffer that it makes.
OTHERS = {"MR_truncated.dcm", "SC_rgb_small_odd.dcm"}
NATIVE = [
    name
    for name in images_in(ImplicitVRLittleEndian, ExplicitVRLittleEndian)
    if name not in OTHERS
    and "PixelData" in (ds := read(name))
    and 2 <= ds.BitsStored <= 16
    and ds.PhotometricInterpretation in COLOURS
]


@pytest.mark.parametrize("name", COMPRESSED)
def test_kernels_and_library_decode_the_same(name):
    ds = read(name)
    codestreams = list(generate_frames(ds.PixelData, number_of_frames=int(ds.get("NumberOfFrames", 1))))
    request = DecodeRequest(ds.file_meta.TransferSyntaxUID, frame_spec(ds), len(codestreams))
    ours = JpeglsCodec("cpu").decode_batch(codestreams, request)
    theirs = CharlsCodec().decode_batch(codestreams, request)
    assert ours.spec == theirs.spec
    np.testing.assert_array_equal(ours.frames, theirs.frames)


@pytest.mark.parametrize("name", COMPRESSED)
def test_pydicom_decodes_the_same_with_either_plugin(name, registered):
    ds = read(name)
    decoder = get_decoder(ds.file_meta.TransferSyntaxUID)
    ours, found = decoder.as_array(ds, decoding_plugin=LABEL, raw=True)
    theirs, expected = decoder.as_array(ds, decoding_plugin="pyjpegls", raw=True)
    np.testing.assert_array_equal(ours, theirs)
    assert found == expected


@pytest.mark.parametrize("near", [0, 2])
@pytest.mark.parametrize("name", NATIVE)
def test_pydicom_encodes_the_same_with_either_plugin(name, near, registered):
    ds = read(name)
    array = ds.pixel_array
    if near and ds.PixelRepresentation:
        edge = (1 << (ds.BitsStored - 1)) - near
        array = np.clip(array, -edge, edge - 1).astype(array.dtype)
    encoder = get_encoder(JPEGLSNearLossless if near else JPEGLSLossless)
    options = as_pixel_options(ds) | {"planar_configuration": 0} | ({"jls_error": near} if near else {})
    ours, theirs = (list(encoder.iter_encode(array, encoding_plugin=p, **options)) for p in (LABEL, "pyjpegls"))
    assert [a == b for a, b in zip(ours, theirs, strict=True)] == [True] * len(ours)


@pytest.fixture
def registered():
    gpucodec.register()
    yield
    gpucodec.unregister()
