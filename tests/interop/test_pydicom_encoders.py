"""Uncompressed files of pydicom's, encoded by the plugin, against pydicom's other plugins."""

import numpy as np
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import get_decoder, get_encoder
from pydicom.pixels.utils import as_pixel_options
from pydicom.uid import (
    JPEG2000,
    JPEG2000Lossless,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

import gpucodec
from tests.interop.openjpeg_peer import without_comment
from tests.interop.reference_files import IMAGES, read

LABEL = "gpucodec"
OTHERS = {
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
    JPEG2000: "pylibjpeg",
}
CASES = {
    RLELossless: [{}],
    JPEGLSLossless: [{}],
    JPEGLSNearLossless: [{"jls_error": 3}],
    JPEG2000Lossless: [{}],
    JPEG2000: [{"j2k_cr": [20, 10, 5]}, {"j2k_psnr": [0]}],
}
FILES = [
    "CT_small.dcm",
    "MR_small.dcm",
    "emri_small.dcm",
    "examples_rgb_color.dcm",
    "examples_palette.dcm",
    "SC_rgb_2frame.dcm",
]


@pytest.fixture(autouse=True)
def _registered():
    gpucodec.register()
    yield
    gpucodec.unregister()


def cases():
    for name in FILES:
        for uid, options in CASES.items():
            palette_loss = name == "examples_palette.dcm" and uid in (JPEG2000, JPEGLSNearLossless)
            if name in IMAGES and not palette_loss:
                yield from (pytest.param(name, uid, each, id=f"{name}-{uid.name}-{each}") for each in options)


def within_signed_range(ds, options):
    """Return the dataset's samples where near-lossless errors cannot flip a sign."""
    array = ds.pixel_array
    if not options.get("jls_error") or not ds.PixelRepresentation:
        return array
    edge = 2 ** (ds.BitsStored - 1) - options["jls_error"]
    return np.clip(array, -edge, edge - 1).astype(array.dtype)


@pytest.mark.parametrize(("name", "uid", "options"), list(cases()))
def test_every_frame_is_what_the_other_plugin_makes_of_it(name, uid, options):
    ds = read(name)
    array = within_signed_range(ds, options)
    described = as_pixel_options(ds) | {"planar_configuration": 0} | options
    encoder = get_encoder(uid)
    encoded = list(encoder.iter_encode(array, encoding_plugin=LABEL, **described))
    if uid in OTHERS:
        theirs = list(encoder.iter_encode(array, encoding_plugin=OTHERS[uid], **described))
        # Our own JPEG 2000 codestreams have no comment.
        assert encoded == ([without_comment(frame) for frame in theirs] if "2000" in uid.name else theirs)
        return
    frames = array if described["number_of_frames"] > 1 else array[None]
    theirs = list(encoder.iter_encode(array, encoding_plugin="pylibjpeg", **described))
    for frame, ours, other in zip(frames, encoded, theirs, strict=True):
        assert len(ours) <= len(other)
        np.testing.assert_array_equal(decoded_rle(ours, described), frame)


def decoded_rle(codestream, described):
    described = described | {"number_of_frames": 1}
    item = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0" + len(codestream).to_bytes(4, "little") + codestream
    array, _ = get_decoder(RLELossless).as_array(item, raw=True, decoding_plugin="pydicom", **described)
    return array


@pytest.mark.parametrize("name", ["CT_small.dcm", "emri_small.dcm", "examples_rgb_color.dcm"])
@pytest.mark.parametrize("uid", OTHERS)
def test_a_dataset_is_compressed_to_the_same_frames(name, uid):
    if name not in IMAGES:
        pytest.skip(f"{name} comes with pydicom-data")
    options = CASES[uid][0]
    ours, theirs = read(name), read(name)
    if options.get("jls_error"):
        for ds in (ours, theirs):
            ds.PixelData = within_signed_range(ds, options).tobytes()
    for ds, plugin in ((ours, LABEL), (theirs, OTHERS[uid])):
        ds.compress(uid, encoding_plugin=plugin, generate_instance_uid=False, **options)
    if "2000" in uid.name:
        number = ours.get("NumberOfFrames", 1)
        pairs = [list(generate_frames(ds.PixelData, number_of_frames=number)) for ds in (ours, theirs)]
        for mine, other in zip(*pairs, strict=True):
            assert mine.rstrip(b"\0") == without_comment(other.rstrip(b"\0"))
        ours.PixelData = theirs.PixelData
    assert ours == theirs


def test_rle_of_few_bits_in_wide_containers_has_a_segment_a_byte():
    # PS3.5 G.2: segments are bytes of the container. pydicom hands its plugins samples that are narrowed to Bits
    # Stored: its own encoder mixes up the bytes then, and pylibjpeg's refuses the length.
    frame = np.arange(-100, 92, dtype="i2").reshape(16, 12)
    described = {
        "rows": 16,
        "columns": 12,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "bits_allocated": 16,
        "bits_stored": 8,
        "pixel_representation": 1,
        "photometric_interpretation": "MONOCHROME2",
    }
    codestream = get_encoder(RLELossless).encode(frame, encoding_plugin=LABEL, **described)
    assert int.from_bytes(codestream[:4], "little") == 2
    np.testing.assert_array_equal(decoded_rle(codestream, described), frame)
    with pytest.raises(RuntimeError, match="doesn't match the image parameters"):
        get_encoder(RLELossless).encode(frame, encoding_plugin="pylibjpeg", **described)


@pytest.mark.parametrize("bits_stored", [2, 7, 8, 9, 12, 15, 16])
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("uid", [JPEGLSLossless, JPEG2000Lossless, RLELossless])
def test_every_depth_and_sign_survives(uid, bits_stored, signed):
    allocated = 8 if bits_stored <= 8 else 16
    low = -(1 << (bits_stored - 1)) if signed else 0
    rng = np.random.default_rng(bits_stored)
    frames = rng.integers(low, low + (1 << bits_stored), (3, 40, 36)).astype(f"{'ui'[signed]}{allocated // 8}")
    described = {
        "rows": 40,
        "columns": 36,
        "number_of_frames": 3,
        "samples_per_pixel": 1,
        "bits_allocated": allocated,
        "bits_stored": bits_stored,
        "pixel_representation": signed,
        "photometric_interpretation": "MONOCHROME2",
    }
    encoded = list(get_encoder(uid).iter_encode(frames, encoding_plugin=LABEL, **described))
    for plugin in (LABEL, "pylibjpeg"):
        array, _ = get_decoder(uid).as_array(encapsulate(encoded), decoding_plugin=plugin, **described)
        np.testing.assert_array_equal(array, frames)


def test_frames_of_one_bit_decode_to_a_byte_each_as_pylibjpegs_do():
    frames = np.random.default_rng(1).integers(0, 2, (3, 20, 30)).astype("u1")
    described = {
        "rows": 20,
        "columns": 30,
        "number_of_frames": 3,
        "samples_per_pixel": 1,
        "bits_allocated": 8,
        "bits_stored": 1,
        "pixel_representation": 0,
        "photometric_interpretation": "MONOCHROME2",
    }
    source = encapsulate(list(get_encoder(RLELossless).iter_encode(frames, encoding_plugin="pylibjpeg", **described)))
    described["bits_allocated"] = 1
    for plugin in ("pylibjpeg", LABEL):
        array, properties = get_decoder(RLELossless).as_array(source, decoding_plugin=plugin, **described)
        np.testing.assert_array_equal(array, frames)
        assert properties["bits_allocated"] == 1
