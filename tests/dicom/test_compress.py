"""compress and decompress: what happens to a dataset, and that nothing does when something goes wrong."""

import copy

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames, get_frame
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import (
    JPEG2000,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    generate_uid,
)

import gpucodec
from gpucodec.dicom.dataset_frames import in_stored_bits
from gpucodec.errors import CodestreamError, ParameterError, UnsupportedError
from gpucodec.frames import FrameSpec

LOSSLESS = [RLELossless, JPEGLSLossless, JPEG2000Lossless]


def read(name):
    return dcmread(get_testdata_file(name, download=False))


def made(frames, uid=ExplicitVRLittleEndian, **elements):
    """Make a dataset of an array of frames."""
    frames = np.asarray(frames)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.NumberOfFrames, ds.Rows, ds.Columns = frames.shape[:3]
    ds.SamplesPerPixel = 3 if frames.ndim == 4 else 1
    ds.PhotometricInterpretation = "RGB" if frames.ndim == 4 else "MONOCHROME2"
    if frames.ndim == 4:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = ds.BitsStored = frames.dtype.itemsize * 8
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(frames.dtype.kind == "i")
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    ds.HighBit = ds.BitsStored - 1
    content = frames.tobytes()
    ds.PixelData = content + b"\0" * (len(content) % 2)
    ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 else "OW"
    return ds


def ramp(*shape, dtype="u2", modulo=4096):
    return (np.arange(np.prod(shape)) * 7 % modulo).astype(dtype).reshape(shape)


class TestCompress:
    @pytest.mark.parametrize("uid", LOSSLESS)
    @pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_bigendian.dcm", "SC_rgb.dcm", "emri_small.dcm"])
    def test_a_lossless_round_trip_gives_the_samples_back(self, name, uid):
        ds = read(name)
        before = ds.pixel_array
        instance = ds.SOPInstanceUID
        assert gpucodec.compress(ds, uid) is ds
        assert ds.file_meta.TransferSyntaxUID == uid
        assert ds["PixelData"].VR == "OB"
        assert ds["PixelData"].is_undefined_length
        assert ds.SOPInstanceUID == ds.file_meta.MediaStorageSOPInstanceUID != instance
        assert ds.get("LossyImageCompression") in (None, "00")
        np.testing.assert_array_equal(ds.pixel_array, before)
        assert gpucodec.decompress(ds) is ds
        assert ds.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert ("OB" if ds.BitsAllocated == 8 else "OW") == ds["PixelData"].VR
        assert not ds["PixelData"].is_undefined_length
        assert len(ds.PixelData) == get_expected_length(ds) + get_expected_length(ds) % 2
        np.testing.assert_array_equal(ds.pixel_array, before)

    def test_the_instance_can_keep_its_uid(self):
        ds = made(ramp(2, 40, 40))
        before = ds.SOPInstanceUID
        gpucodec.compress(ds, RLELossless, generate_instance_uid=False)
        assert ds.SOPInstanceUID == before
        gpucodec.decompress(ds, generate_instance_uid=False)
        assert ds.SOPInstanceUID == before

    def test_a_file_written_and_read_again_holds_the_same(self, tmp_path):
        ds = read("emri_small.dcm")
        before = ds.pixel_array
        gpucodec.compress(ds, JPEGLSLossless)
        ds.save_as(tmp_path / "compressed.dcm")
        np.testing.assert_array_equal(dcmread(tmp_path / "compressed.dcm").pixel_array, before)

    def test_each_frame_has_its_offset(self):
        frames = ramp(5, 40, 40)
        ds = gpucodec.compress(made(frames), RLELossless)
        for index in range(5):
            assert get_frame(ds.PixelData, index, number_of_frames=5)
        assert "ExtendedOffsetTable" not in ds
        gpucodec.decompress(ds)
        gpucodec.compress(ds, RLELossless, encapsulate_ext=True)
        offsets = ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths
        codestreams = list(generate_frames(ds.PixelData, number_of_frames=5, extended_offsets=offsets))
        assert len(codestreams) == len(np.frombuffer(ds.ExtendedOffsetTable, "<u8")) == 5
        np.testing.assert_array_equal(ds.pixel_array, frames)
        gpucodec.decompress(ds)
        assert "ExtendedOffsetTable" not in ds
        assert "ExtendedOffsetTableLengths" not in ds
        np.testing.assert_array_equal(ds.pixel_array, frames)

    def test_an_array_replaces_the_samples_whatever_the_dataset_held(self):
        ds = read("MR_small_RLE.dcm")
        frames = np.ascontiguousarray(ds.pixel_array[::-1])
        gpucodec.compress(ds, JPEG2000Lossless, frames)
        np.testing.assert_array_equal(ds.pixel_array, frames)

    @pytest.mark.parametrize("layout", [(40, 50), (1, 40, 50)])
    def test_an_array_of_one_frame_may_lack_the_first_axis(self, layout):
        ds = made(ramp(1, 40, 50))
        frame = ramp(*layout)[..., ::-1]
        gpucodec.compress(ds, RLELossless, frame)
        np.testing.assert_array_equal(ds.pixel_array, frame.reshape(40, 50))

    def test_a_wider_array_is_narrowed_where_its_values_allow_it(self):
        ds = made(ramp(2, 40, 50), BitsStored=12)
        gpucodec.compress(ds, RLELossless, ramp(2, 40, 50, dtype="u4"))
        np.testing.assert_array_equal(ds.pixel_array, ramp(2, 40, 50))

    @pytest.mark.parametrize("uid", LOSSLESS)
    def test_planes_become_pixels(self, uid):
        frames = ramp(2, 40, 50, 3, dtype="u1", modulo=251)
        ds = made(frames, PlanarConfiguration=1)
        ds.PixelData = np.ascontiguousarray(frames.transpose(0, 3, 1, 2)).tobytes()
        gpucodec.compress(ds, uid)
        assert ds.PlanarConfiguration == 0
        np.testing.assert_array_equal(ds.pixel_array, frames)

    @pytest.mark.parametrize("uid", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
    def test_any_native_transfer_syntax_is_read(self, uid):
        frames = ramp(2, 40, 50)
        ds = made(frames.astype(">u2") if uid == ExplicitVRBigEndian else frames, uid)
        gpucodec.compress(ds, JPEGLSLossless)
        np.testing.assert_array_equal(ds.pixel_array, frames)

    def test_subsampled_colour_is_expanded(self):
        ds = read("SC_ybr_full_422_uncompressed.dcm")
        before = ds.pixel_array
        gpucodec.compress(ds, RLELossless)
        assert ds.PhotometricInterpretation == "YBR_FULL"
        np.testing.assert_array_equal(ds.pixel_array, before)

    @pytest.mark.parametrize(("colour", "transform"), [("YBR_RCT", 1), ("RGB", 0)])
    def test_the_component_transform_follows_the_photometric_interpretation(self, colour, transform):
        ds = read("SC_rgb.dcm")
        before = ds.pixel_array
        ds.PhotometricInterpretation = colour
        gpucodec.compress(ds, JPEG2000Lossless)
        codestream = next(generate_frames(ds.PixelData, number_of_frames=1))
        cod = codestream.index(b"\xff\x52")
        assert codestream[cod + 8] == transform  # SGcod, ITU-T T.800 A.6.1
        assert ds.PhotometricInterpretation == colour
        np.testing.assert_array_equal(ds.pixel_array, before)

    def test_lossy_compression_is_described(self):
        ds = made(ramp(3, 64, 64))
        gpucodec.compress(ds, JPEG2000, j2k_cr=[8])
        assert ds.LossyImageCompression == "01"
        assert ds.LossyImageCompressionMethod == "ISO_15444_1"
        codestreams = list(generate_frames(ds.PixelData, number_of_frames=3))
        expected = 3 * 64 * 64 * 2 / sum(map(len, codestreams))
        assert float(ds.LossyImageCompressionRatio) == pytest.approx(expected, rel=0.01)
        gpucodec.decompress(ds)
        gpucodec.compress(ds, RLELossless)
        assert ds.LossyImageCompression == "01"

    def test_near_lossless_stays_within_its_error(self):
        frames = ramp(3, 64, 64)
        ds = made(frames, BitsStored=12)
        gpucodec.compress(ds, JPEGLSNearLossless, jls_error=4)
        assert ds.LossyImageCompressionMethod == "ISO_14495_1"
        error = np.abs(ds.pixel_array.astype(int) - frames).max()
        assert 0 < error <= 4

    def test_the_cached_array_of_pydicom_is_dropped(self):
        ds = made(ramp(3, 64, 64))
        ds.pixel_array  # noqa: B018 - fills the cache
        gpucodec.compress(ds, JPEG2000, j2k_cr=[20])
        assert not np.array_equal(ds.pixel_array, ramp(3, 64, 64))


class TestUnusedBits:
    def test_rle_keeps_what_hides_in_them(self):
        frames = ramp(2, 40, 40) | np.uint16(0x8000)
        ds = made(frames, BitsStored=12)
        raw = ds.PixelData
        gpucodec.compress(ds, RLELossless)
        gpucodec.decompress(ds)
        assert len(ds.PixelData) == len(raw)
        np.testing.assert_array_equal(ds.pixel_array, frames & 4095)

    @pytest.mark.parametrize("uid", [JPEGLSLossless, JPEG2000Lossless])
    def test_what_would_be_lost_is_refused(self, uid):
        ds = made(ramp(2, 40, 40) | np.uint16(0x8000), BitsStored=12)
        with pytest.raises(ParameterError, match=r"outside the allowable range of \(0, 4095\)"):
            gpucodec.compress(ds, uid)

    @pytest.mark.parametrize("uid", LOSSLESS)
    def test_a_sign_that_was_not_extended_is(self, uid):
        values = np.array([-2048, -1, 0, 1, 2047], "i2")
        frames = np.resize(values, (2, 40, 40))
        ds = made(frames & np.int16(4095), BitsStored=12)
        gpucodec.compress(ds, uid)
        np.testing.assert_array_equal(ds.pixel_array, frames)

    def test_only_padding_is_taken_for_padding(self):
        spec = FrameSpec(1, 3, bits_allocated=16, bits_stored=12, pixel_representation=1)
        padded = np.array([[[0x0FFF, 0x0800, 0x07FF]]], "u2").view("i2")
        np.testing.assert_array_equal(in_stored_bits(padded, spec), [[[-1, -2048, 2047]]])
        overlay = np.array([[[0x4FFF, 0x0800, 0x07FF]]], "u2").view("i2")
        np.testing.assert_array_equal(in_stored_bits(overlay, spec), overlay)


class TestDecompress:
    @pytest.mark.parametrize(
        ("name", "colour"), [("SC_rgb_dcmtk_+eb+cy+n1.dcm", "YBR_FULL"), ("SC_rgb_jpeg_dcmtk.dcm", "YBR_FULL")]
    )
    def test_colour_becomes_rgb_unless_it_should_not(self, name, colour):
        ds = gpucodec.decompress(read(name))
        assert ds.PhotometricInterpretation == "RGB"
        reference = read(name)
        reference.decompress(decoding_plugin="pylibjpeg")
        assert ds.PixelData == reference.PixelData
        ds = gpucodec.decompress(read(name), as_rgb=False)
        assert ds.PhotometricInterpretation == colour
        reference = read(name)
        reference.decompress(as_rgb=False, decoding_plugin="pylibjpeg")
        assert ds.PixelData == reference.PixelData

    @pytest.mark.parametrize("window", [1, 2])
    def test_frames_that_contradict_each_other_about_colour_are_refused(self, monkeypatch, window):
        monkeypatch.setattr("gpucodec.dicom.compress.window_frames", lambda _bytes: window)
        ds = read("SC_rgb_jpeg_dcmtk.dcm")
        jfif = next(generate_frames(ds.PixelData, number_of_frames=1))
        assert jfif[6:10] == b"JFIF"
        unmarked = jfif[:2] + jfif[4 + int.from_bytes(jfif[4:6], "big") :]
        ds.PhotometricInterpretation = "RGB"
        ds.NumberOfFrames = 2
        for codestreams in ([jfif, unmarked], [unmarked, jfif]):
            ds.PixelData = encapsulate(codestreams)
            with pytest.raises(CodestreamError, match="colour space") as caught:
                gpucodec.decompress(ds)
            assert caught.value.frame == 1

    def test_an_odd_length_is_padded(self):
        frames = ramp(3, 33, 35, dtype="u1", modulo=256)
        ds = made(frames)
        gpucodec.compress(ds, RLELossless)
        gpucodec.decompress(ds)
        assert ds.PixelData == frames.tobytes() + b"\0"

    def test_the_container_is_that_of_the_dataset(self):
        frames = ramp(2, 40, 40, modulo=200)
        ds = made(frames, BitsStored=8)
        gpucodec.compress(ds, JPEGLSLossless)
        gpucodec.decompress(ds)
        assert ds.PixelData == frames.tobytes()

    def test_more_than_four_gigabytes_are_refused_before_anything_is_decoded(self, monkeypatch):
        ds = gpucodec.compress(made(ramp(2, 40, 40)), RLELossless)
        before = copy.deepcopy(ds)
        monkeypatch.setattr("gpucodec.dicom.compress.codestreams_of", lambda _ds: [b"x"] * 2_000_000)
        with pytest.raises(ParameterError, match="6400000000 bytes, at most 4294967294 are allowed"):
            gpucodec.decompress(ds)
        assert ds == before

    def test_a_missing_number_of_frames_is_one(self):
        ds = made(ramp(1, 40, 40))
        del ds.NumberOfFrames
        gpucodec.compress(ds, RLELossless)
        gpucodec.decompress(ds)
        assert "NumberOfFrames" not in ds
        np.testing.assert_array_equal(ds.pixel_array, ramp(40, 40))

    def test_options_reach_the_decoder(self):
        ds = gpucodec.compress(made(ramp(2, 40, 40)), RLELossless)
        with pytest.raises(ValueError, match="max_frame_bytes"):
            gpucodec.decompress(ds, max_frame_bytes=100)


def without(keyword):
    def change(ds):
        del ds[keyword]

    return change


def compressed(ds):
    gpucodec.compress(ds, RLELossless)


def without_transfer_syntax(ds):
    del ds.file_meta.TransferSyntaxUID


def without_file_meta(ds):
    del ds.file_meta


def too_short(ds):
    ds.PixelData = ds.PixelData[:-10]


@pytest.mark.parametrize(
    ("change", "uid", "options", "error", "message"),
    [
        (compressed, RLELossless, {}, ParameterError, "Only uncompressed datasets may be compressed"),
        (without_transfer_syntax, RLELossless, {}, ParameterError, r"no \(0002,0010\) 'Transfer Syntax UID' element"),
        (without_file_meta, RLELossless, {}, ParameterError, r"no \(0002,0010\) 'Transfer Syntax UID' element"),
        (without("PixelData"), RLELossless, {}, ParameterError, r"no \(7FE0,0010\) 'Pixel Data'"),
        (without("BitsStored"), RLELossless, {}, ParameterError, r"Missing required element: \(0028,0101\)"),
        (without("PhotometricInterpretation"), RLELossless, {}, ParameterError, r"\(0028,0004\)"),
        (too_short, RLELossless, {}, ParameterError, "native pixel data cannot be read"),
        (None, "1.2.3", {}, UnsupportedError, r"1\.2\.3"),
        (None, ExplicitVRLittleEndian, {}, UnsupportedError, "No codec for the transfer syntax"),
        (None, JPEG2000, {}, ParameterError, "requires a lossy configuration option"),
        (None, JPEG2000Lossless, {"j2k_cr": [2]}, ParameterError, "did you mean to use 'JPEG 2000' instead"),
        (None, RLELossless, {"rows": 7}, ParameterError, r"Unknown options \['rows'\]"),
        (None, RLELossless, {"encoding_plugin": "gdcm"}, ParameterError, "'encoding_plugin' of 'gdcm'"),
        (None, RLELossless, {"backend": "tpu"}, ParameterError, "No backend named 'tpu'"),
        (None, RLELossless, {"arr": ramp(3, 40, 41)}, ParameterError, "Mismatch between the expected ndarray shape"),
        (None, RLELossless, {"arr": ramp(3, 40, 40).astype("i2")}, ParameterError, "not consistent with a"),
        (None, RLELossless, {"arr": ramp(3, 40, 40).astype("f4")}, ParameterError, "'float32' is not supported"),
        (None, "1.2.840.10008.1.2.4.201", {"backend": "library"}, UnsupportedError, "cannot write HTJ2K"),
    ],
)
def test_what_cannot_be_compressed_is_said_and_the_dataset_stays(change, uid, options, error, message):
    ds = made(ramp(3, 40, 40))
    if change is not None:
        change(ds)
    before = copy.deepcopy(ds)
    with pytest.raises(error, match=message):
        gpucodec.compress(ds, uid, **options)
    assert ds == before
    assert ds.__dict__.get("file_meta") == before.__dict__.get("file_meta")


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        (None, {}, ParameterError, "already uncompressed"),
        (without_transfer_syntax, {}, ParameterError, r"\(0002,0010\)"),
        (without("PixelData"), {}, ParameterError, r"\(7FE0,0010\)"),
        (None, {"decoding_plugin": "gdcm"}, ParameterError, "'decoding_plugin' of 'gdcm'"),
        (None, {"use_pdh": True}, ParameterError, r"Unknown decoding options \['use_pdh'\]"),
    ],
)
def test_what_cannot_be_decompressed_is_said_and_the_dataset_stays(change, options, error, message):
    ds = made(ramp(3, 40, 40))
    if change is not None:
        compressed(ds)
        change(ds)
    before = copy.deepcopy(ds)
    with pytest.raises(error, match=message):
        gpucodec.decompress(ds, **options)
    assert ds == before


@pytest.mark.parametrize(
    "content", [b"", b"\xfe\xff\x00\xe0", b"nonsense that is no item", b"\xfe\xff\x00\xe0\x04\0\0\0\1\2\3\4"]
)
def test_broken_encapsulation_is_the_codestreams_fault(content):
    ds = gpucodec.compress(made(ramp(3, 40, 40)), RLELossless)
    ds.PixelData = content
    before = copy.deepcopy(ds)
    with pytest.raises((CodestreamError, ParameterError)):
        gpucodec.decompress(ds)
    assert ds == before


@pytest.mark.parametrize("step", ["describe_compression", "describe_decompression"])
@pytest.mark.parametrize("has_meta", [True, False])
def test_a_failure_in_the_last_step_leaves_the_dataset_as_it_was(monkeypatch, step, has_meta):
    ds = made(ramp(3, 40, 40))
    array = ds.pixel_array
    act = gpucodec.compress
    if step == "describe_decompression":
        gpucodec.compress(ds, RLELossless, encapsulate_ext=True)
        act = lambda ds, *_: gpucodec.decompress(ds)  # noqa: E731
        has_meta = True
    elif not has_meta:
        del ds.file_meta

    def fail(ds, *_args, **_options):
        ds.Rows = 1
        ds.LossyImageCompression = "01"
        del ds.Columns
        if has_meta:
            ds.file_meta.TransferSyntaxUID = "1.2.3"
        else:
            ds.file_meta = FileMetaDataset()
        raise OSError("at the last moment")

    before = copy.deepcopy(ds)
    monkeypatch.setattr(f"gpucodec.dicom.compress.{step}", fail)
    with pytest.raises(OSError, match="at the last moment"):
        act(ds, RLELossless, array)
    assert ds == before
    assert hasattr(ds, "file_meta") == has_meta
    assert not has_meta or ds.file_meta == before.file_meta
