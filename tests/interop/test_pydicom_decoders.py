"""Every compressed file of pydicom's, decoded by the plugin and directly, against pydicom's other plugins."""

import warnings
from functools import cache

import numpy as np
import pytest
from pydicom.pixels import get_decoder

import gpucodec
from gpucodec.codecs.formats import FORMATS, Family
from gpucodec.codestream.j2k_reader import read_codestream
from gpucodec.dicom.dataset_frames import codestreams_of
from gpucodec.dicom.image_pixel import frame_spec
from gpucodec.errors import CodestreamError
from tests.interop.reference_files import IMAGES, images_in, other_plugin, read

LABEL = "gpucodec"
# No plugin of pydicom's decodes these: a scan that breaks T.81, and a codestream with an impossible tile grid.
BROKEN = {"JPEG-lossy.dcm", "JPEG2000-embedded-sequence-delimiter.dcm"}
# 110 MB of samples: two of its frames are enough.
LARGE = {"color3d_jpeg_baseline.dcm"}
# PS3.5 G.3.1 pads every segment to an even length; these do not.
WITHOUT_PIXEL_DATA = {"emri_small_jpeg_2k_lossless_too_short.dcm"}
FILES = [name for name in images_in(*FORMATS) if name not in BROKEN | LARGE | WITHOUT_PIXEL_DATA]
# Decoding these again and again takes long and shows nothing that the small ones do not.
SMALL = [name for name in FILES if IMAGES[name][0].stat().st_size < 200_000]


def assert_same(name, found, expected):
    """Compare samples; those of the 9/7 wavelet, which is no arithmetic of integers, may be rounded otherwise."""
    assert found.shape == expected.shape
    if _is_irreversible(name):
        assert np.abs(found.astype(np.int64) - expected).max() <= 1
    else:
        np.testing.assert_array_equal(found, expected)


@cache
def _is_irreversible(name):
    if FORMATS[IMAGES[name][1]].family not in (Family.JPEG_2000, Family.HTJ2K):
        return False
    codings = read_codestream(codestreams_of(read(name))[0]).parameters.codings
    return not all(coding.reversible for coding in codings)


@pytest.fixture(autouse=True)
def _registered():
    gpucodec.register()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom has something to say about many of these files
        yield
    gpucodec.unregister()


def test_there_are_files_of_every_family():
    assert {FORMATS[IMAGES[name][1]].family for name in FILES} >= {"rle", "jpeg", "jpegls", "jpeg2000"}
    assert len(FILES) > 25


@pytest.mark.parametrize("name", FILES)
def test_raw_samples_are_those_that_the_other_plugin_gives(name):
    ds = read(name)
    decoder = get_decoder(ds.file_meta.TransferSyntaxUID)
    expected, expected_properties = decoder.as_array(ds, raw=True, decoding_plugin=other_plugin(decoder.UID))
    array, properties = decoder.as_array(ds, raw=True, decoding_plugin=LABEL)
    assert array.dtype == expected.dtype
    assert_same(name, array, expected)
    assert properties == expected_properties
    spec = frame_spec(ds, planar_configuration=0)
    decoded = gpucodec.decode_frames(codestreams_of(ds), decoder.UID, spec=spec)
    assert decoded.dtype == expected.dtype
    assert_same(name, decoded.reshape(expected.shape), expected)


@pytest.mark.parametrize("name", SMALL)
def test_processed_samples_are_the_same(name):
    ds = read(name)
    decoder = get_decoder(ds.file_meta.TransferSyntaxUID)
    expected, expected_properties = decoder.as_array(ds, decoding_plugin=other_plugin(decoder.UID))
    array, properties = decoder.as_array(ds, decoding_plugin=LABEL)
    assert array.dtype == expected.dtype
    assert_same(name, array, expected)
    assert properties == expected_properties


@pytest.mark.parametrize("name", SMALL)
def test_frames_one_by_one_are_the_same(name):
    ds = read(name)
    decoder = get_decoder(ds.file_meta.TransferSyntaxUID)
    expected = decoder.iter_array(ds, decoding_plugin=other_plugin(decoder.UID))
    for (array, properties), (wanted, wanted_properties) in zip(
        decoder.iter_array(ds, decoding_plugin=LABEL), expected, strict=True
    ):
        assert_same(name, array, wanted)
        relevant = properties.keys() - {"bits_allocated"}  # of the container, which a plugin may choose
        assert {key: properties[key] for key in relevant} == {key: wanted_properties[key] for key in relevant}


@pytest.mark.parametrize("name", SMALL)
def test_decompress_gives_the_array_that_the_compressed_dataset_had(name):
    ds = read(name)
    uid = ds.file_meta.TransferSyntaxUID
    expected, properties = get_decoder(uid).as_array(ds, decoding_plugin=other_plugin(uid))
    gpucodec.decompress(ds)
    assert_same(name, ds.pixel_array, expected)
    assert ds.PhotometricInterpretation == properties["photometric_interpretation"]


@pytest.mark.parametrize("name", SMALL)
def test_pydicoms_decompress_with_the_plugin_is_the_same(name):
    ours, theirs = read(name), read(name)
    ours.decompress(decoding_plugin=LABEL, generate_instance_uid=False)
    theirs.decompress(decoding_plugin=other_plugin(theirs.file_meta.TransferSyntaxUID), generate_instance_uid=False)
    container = f"<{'ui'[ours.PixelRepresentation]}{ours.BitsAllocated // 8}"
    assert_same(name, *(np.frombuffer(ds.PixelData, container) for ds in (ours, theirs)))
    assert ours.PhotometricInterpretation == theirs.PhotometricInterpretation


@pytest.mark.parametrize("name", sorted(LARGE & IMAGES.keys()))
def test_picked_frames_of_a_large_file_are_the_same(name):
    ds = read(name)
    decoder = get_decoder(ds.file_meta.TransferSyntaxUID)
    frames = [
        [array for array, _ in decoder.iter_array(ds, indices=[0, 57, 58], decoding_plugin=plugin)]
        for plugin in (LABEL, "pylibjpeg")
    ]
    np.testing.assert_array_equal(*frames)


@pytest.mark.parametrize("name", sorted(BROKEN & IMAGES.keys()))
def test_what_no_plugin_decodes_is_an_error_that_names_the_frame(name):
    ds = read(name)
    uid = ds.file_meta.TransferSyntaxUID
    for plugin in (LABEL, other_plugin(uid)):
        with pytest.raises(RuntimeError):
            get_decoder(uid).as_array(ds, decoding_plugin=plugin)
    with pytest.raises(CodestreamError) as caught:
        gpucodec.decode_frames(codestreams_of(ds), uid, spec=frame_spec(ds, planar_configuration=0))
    assert caught.value.frame == 0
