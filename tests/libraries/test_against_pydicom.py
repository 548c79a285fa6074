"""The libraries called by gpucodec against the same libraries called by pydicom's own plugins."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder, get_encoder
from pydicom.uid import UID

from gpucodec.codecs.base import DecodeRequest, EncodeRequest
from gpucodec.codecs.formats import FORMATS
from gpucodec.codecs.options import EncodeOptions
from gpucodec.codecs.registry import codecs_for
from gpucodec.errors import GpucodecError
from gpucodec.frames import FrameBatch, FrameSpec
from gpucodec.libraries import charls, libjpeg, openjpeg, pylibjpeg_rle

RLE, J2K, J2K_LOSSY = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
JLS, JLS_LOSSY = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
PLUGIN = {JLS: "pyjpegls", JLS_LOSSY: "pyjpegls"}


def library_codec(uid):
    modules = (charls, libjpeg, openjpeg, pylibjpeg_rle)
    (codec,) = (codec for module in modules for codec in module.codecs(FORMATS[uid].family))
    return codec


def encode(frames, uid, spec, **options):
    codec = library_codec(uid)
    request = EncodeRequest(uid, spec, len(frames), EncodeOptions.for_transfer_syntax(uid, **options))
    assert codec.why_not_encode(request) == []
    return codec.encode_batch(FrameBatch(frames, spec), request)


def decode(codestreams, uid, spec, *, isolate=False):
    codec = library_codec(uid)
    request = DecodeRequest(uid, spec, len(codestreams), isolate=isolate)
    assert codec.why_not_decode(request) == []
    return codec.decode_batch(codestreams, request)


def encode_with_pydicom(frame, uid, spec, **options):
    attributes = {name: getattr(spec, name) for name in FrameSpec.__dataclass_fields__}
    if spec.samples_per_pixel == 1:
        del attributes["planar_configuration"]
    plugin = PLUGIN.get(uid, "pylibjpeg")
    return get_encoder(UID(uid)).encode(
        frame, encoding_plugin=plugin, number_of_frames=1, validate=False, **attributes, **options
    )


def real(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = dcmread(get_testdata_file(name, download=False))
        return ds.pixel_array, ds


@pytest.mark.parametrize("uid", [J2K, JLS, RLE])
@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "SC_rgb.dcm"])
def test_real_frames_give_pydicoms_codestreams(name, uid):
    array, ds = real(name)
    colour = "RGB" if array.ndim == 3 else ds.PhotometricInterpretation
    spec = FrameSpec.from_array(array[np.newaxis], bits_stored=ds.BitsStored, photometric_interpretation=colour)
    (codestream,) = encode(array[np.newaxis], uid, spec)
    assert codestream == encode_with_pydicom(array, uid, spec)
    batch = decode([codestream], uid, spec)
    assert (batch.frames[0].astype(array.dtype) == array).all()


def noise(bits, is_signed, samples=1, shape=(40, 50), allocated=None):
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if is_signed else (0, 1 << bits)
    width = allocated or next(w for w in (8, 16, 32) if bits <= w)
    values = np.random.default_rng(bits).integers(low, high, (*shape, samples)) // 3
    return (values if samples > 1 else values[..., 0]).astype(f"{'ui'[is_signed]}{width // 8}")


@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize("bits", range(8, 25))
def test_jpeg_2000_of_every_depth(bits, is_signed):
    frame = noise(bits, is_signed)
    spec = FrameSpec.from_array(frame[np.newaxis], bits_stored=bits)
    (codestream,) = encode(frame[np.newaxis], J2K, spec)
    assert codestream == encode_with_pydicom(frame, J2K, spec)
    batch = decode([codestream], J2K, spec)
    assert batch.spec == spec
    assert (batch.frames[0] == frame).all()


@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize("bits", [2, 7, 8, 9, 12, 16])
def test_jpeg_ls_of_every_container(bits, is_signed):
    frame = noise(bits, is_signed)
    spec = FrameSpec.from_array(frame[np.newaxis], bits_stored=bits)
    (codestream,) = encode(frame[np.newaxis], JLS, spec)
    assert codestream == encode_with_pydicom(frame, JLS, spec)
    batch = decode([codestream], JLS, spec)
    assert (batch.spec.bits_stored, batch.spec.pixel_representation) == (bits, 0)
    assert (batch.frames[0] == frame.astype(int) % (1 << bits)).all()


@pytest.mark.parametrize("uid", [J2K, JLS])
@pytest.mark.parametrize(("bits", "allocated"), [(6, 16), (8, 32), (12, 32), (16, 32)])
def test_samples_move_to_the_smallest_container(uid, bits, allocated):
    frame = noise(bits, True, allocated=allocated)
    spec = FrameSpec.from_array(frame[np.newaxis], bits_stored=bits)
    (codestream,) = encode(frame[np.newaxis], uid, spec)
    assert codestream == encode_with_pydicom(frame, uid, spec)
    assert decode([codestream], uid, spec).spec.bits_allocated == (8 if bits <= 8 else 16)


@pytest.mark.parametrize("allocated", [8, 16, 32])
@pytest.mark.parametrize("samples", [1, 3])
def test_rle_of_every_container(allocated, samples):
    frame = noise(allocated, False, samples)
    spec = FrameSpec.from_array(frame[np.newaxis])
    (codestream,) = encode(frame[np.newaxis], RLE, spec)
    assert codestream == encode_with_pydicom(frame, RLE, spec)
    assert (decode([codestream], RLE, spec).frames[0] == frame).all()


def test_rle_of_64_bits():
    frames = np.random.default_rng(0).integers(0, 1 << 63, (2, 5, 7), dtype="u8")
    spec = FrameSpec.from_array(frames)
    assert (decode(encode(frames, RLE, spec), RLE, spec).frames == frames).all()


@pytest.mark.parametrize("colour", ["RGB", "YBR_RCT", "YBR_FULL"])
def test_component_transform_follows_photometric_interpretation(colour):
    array, _ = real("SC_rgb.dcm")
    spec = FrameSpec.from_array(array[np.newaxis], photometric_interpretation=colour)
    (codestream,) = encode(array[np.newaxis], J2K, spec)
    assert codestream == encode_with_pydicom(array, J2K, spec)
    batch = decode([codestream], J2K, spec)
    assert batch.spec.photometric_interpretation == ("RGB" if colour == "YBR_RCT" else colour)
    assert (batch.frames[0] == array).all()


@pytest.mark.parametrize("options", [{"j2k_cr": [5, 2]}, {"j2k_psnr": [40.0]}, {"j2k_psnr": [30, 50]}])
@pytest.mark.parametrize("colour", ["RGB", "YBR_ICT"])
def test_quality_layers(colour, options):
    array, _ = real("SC_rgb.dcm")
    spec = FrameSpec.from_array(array[np.newaxis], photometric_interpretation=colour)
    (codestream,) = encode(array[np.newaxis], J2K_LOSSY, spec, **options)
    assert codestream == encode_with_pydicom(array, J2K_LOSSY, spec, **options)


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("near", [0, 3])
def test_jpeg_ls_interleave_follows_planar_configuration(planar, near):
    array, _ = real("SC_rgb.dcm")
    spec = FrameSpec.from_array(array[np.newaxis], planar_configuration=planar)
    uid, options = (JLS_LOSSY, {"jls_error": near}) if near else (JLS, {})
    (codestream,) = encode(array[np.newaxis], uid, spec, **options)
    assert codestream == encode_with_pydicom(array, uid, spec, **options)
    batch = decode([codestream], uid, spec)
    assert batch.spec.planar_configuration == 0
    difference = np.abs(batch.frames[0].astype(int) - array)
    assert difference.max() == near


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 6)])
def test_jpeg_ls_of_a_few_pixels(size, samples):
    """pyjpegls itself cannot: the markers are longer than the buffer it makes."""
    frame = noise(16, False, samples, size)
    for planar in (0, 1):
        spec = FrameSpec.from_array(frame[np.newaxis], planar_configuration=planar)
        assert (decode(encode(frame[np.newaxis], JLS, spec), JLS, spec).frames[0] == frame).all()


# Files whose codestreams and datasets disagree are for other tests.
FILES = {
    "1.2.840.10008.1.2.4.50": [
        "SC_rgb_dcmtk_+eb+cy+n1.dcm", "SC_rgb_jpeg.dcm", "SC_rgb_dcmtk_+eb+cy+s4.dcm", "SC_rgb_jpeg_dcmtk.dcm",
        "SC_rgb_small_odd_jpeg.dcm", "SC_rgb_dcmtk_+eb+cr.dcm", "examples_ybr_color.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm",
        "SC_jpeg_no_color_transform.dcm", "SC_jpeg_no_color_transform_2.dcm", "SC_rgb_jpeg_lossy_gdcm.dcm",
        "SC_rgb_dcmtk_+eb+cy+s2.dcm", "SC_rgb_dcmtk_+eb+cy+n2.dcm", "SC_rgb_jpeg_app14_dcmd.dcm",
    ],
    "1.2.840.10008.1.2.4.51": ["JPGExtended.dcm"],
    "1.2.840.10008.1.2.4.70": ["SC_rgb_jpeg_gdcm.dcm", "JPEG-LL.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm"],
    JLS: ["MR_small_jpeg_ls_lossless.dcm", "emri_small_jpeg_ls_lossless.dcm"],
    JLS_LOSSY: [
        "JPEGLSNearLossless_08.dcm", "JPEGLSNearLossless_16.dcm", "SC_rgb_jls_lossy_sample.dcm",
        "SC_rgb_jls_lossy_line.dcm",
    ],
    J2K: [
        "GDCMJ2K_TextGBR.dcm", "examples_jpeg2k.dcm", "J2K_pixelrep_mismatch.dcm", "MR_small_jp2klossless.dcm",
        "US1_J2KR.dcm", "693_J2KR.dcm", "emri_small_jpeg_2k_lossless.dcm", "explicit_VR-UN.dcm", "MR2_J2KR.dcm",
        "RG3_J2KR.dcm",
    ],
    J2K_LOSSY: [
        "JPEG2000.dcm", "SC_rgb_gdcm_KY.dcm", "693_J2KI.dcm",
        "US1_J2KI.dcm", "MR2_J2KI.dcm", "RG1_J2KI.dcm",
    ],
    RLE: [
        "SC_rgb_rle_32bit.dcm", "rtdose_rle_1frame.dcm", "rtdose_rle.dcm", "SC_rgb_rle_2frame.dcm", "SC_rgb_rle.dcm",
        "SC_rgb_rle_16bit_2frame.dcm", "SC_rgb_rle_16bit.dcm", "MR_small_RLE.dcm", "SC_rgb_rle_32bit_2frame.dcm",
        "OBXXXX1A_rle.dcm", "emri_small_RLE.dcm", "OBXXXX1A_rle_2frame.dcm",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("uid", "name"), [(uid, name) for uid, names in FILES.items() for name in names])
def test_decodes_what_pydicom_decodes(uid, name):
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"{Path(name).name} is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = dcmread(path)
        expected, told = get_decoder(ds.file_meta.TransferSyntaxUID).as_array(
            ds, raw=True, decoding_plugin=PLUGIN.get(uid, "pylibjpeg"), apply_j2k_sign_correction=False
        )
    count = int(ds.get("NumberOfFrames", 1) or 1)
    spec = FrameSpec(
        ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.BitsAllocated, ds.BitsStored, ds.PixelRepresentation,
        ds.PhotometricInterpretation,
    )  # fmt: skip
    batch = decode(list(generate_frames(ds.PixelData, number_of_frames=count)), uid, spec)
    raw = batch.frames.astype(f"u{batch.frames.dtype.itemsize}")
    width = expected.dtype.itemsize
    assert raw.dtype.itemsize == width
    assert (raw.reshape(expected.shape) == expected.view(f"u{width}")).all()
    assert batch.spec.photometric_interpretation == told["photometric_interpretation"]


def test_frames_of_different_precision_are_promoted():
    frames = [noise(8, False), noise(12, True), noise(16, False)]
    codestreams = [
        encode(frame[np.newaxis], J2K, FrameSpec.from_array(frame[np.newaxis], bits_stored=bits))[0]
        for frame, bits in zip(frames, (8, 12, 16), strict=True)
    ]
    batch = decode(codestreams, J2K, FrameSpec(40, 50, 1, 16, 16))
    assert batch.frames.dtype == "i4"
    assert (batch.spec.bits_allocated, batch.spec.bits_stored, batch.spec.pixel_representation) == (32, 17, 1)
    for decoded, frame in zip(batch.frames, frames, strict=True):
        assert (decoded == frame).all()


def test_jpeg_2000_that_would_not_be_lossless_is_an_error():
    """At 24 bits OpenJPEG's arithmetic overflows on strong contrasts, silently."""
    rng = np.random.default_rng(0)
    pattern = rng.integers(0, 2, (1, 64, 1)) ^ rng.integers(0, 2, (1, 1, 64))
    extremes = pattern.astype("u4") * ((1 << 24) - 1)
    spec = FrameSpec.from_array(extremes, bits_stored=24)
    with pytest.raises(GpucodecError, match=r"Frame 0: .*overflows"):
        encode(extremes, J2K, spec)


def test_every_library_is_in_the_registry():
    names = {codec.name for uid in (RLE, J2K, JLS, "1.2.840.10008.1.2.4.50") for codec in codecs_for(uid)}
    assert {"pylibjpeg-rle", "pylibjpeg-openjpeg", "pyjpegls", "pylibjpeg-libjpeg"} <= names
