import struct
import tracemalloc
import zlib
from io import BytesIO

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.pixels import get_decoder
from pydicom.uid import (
    MPEG2MPML,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from gpucodec.dicom import header
from gpucodec.dicom.reader import FrameReader, FrameSource
from gpucodec.errors import (
    CodestreamError,
    GpucodecError,
    LimitExceededError,
    ParameterError,
    TruncatedCodestreamError,
    UnsupportedError,
)

NATIVE = [
    "CT_small.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "SC_rgb_expb_2frame.dcm",
    "SC_rgb_32bit.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
    "ExplVR_BigEnd.dcm",  # colour-by-plane
    "emri_small.dcm",
    "emri_small_big_endian.dcm",
    "eCT_Supplemental.dcm",
    "gdcm-US-ALOKA-16_big.dcm",
    "image_dfl.dcm",  # deflated
    "rtdose.dcm",
    "rtdose_expb.dcm",
]
COMPRESSED = [
    "emri_small_RLE.dcm",
    "SC_rgb_rle_32bit_2frame.dcm",
    "examples_ybr_color.dcm",
    "examples_jpeg2k.dcm",
    "JPEG-LL.dcm",  # many fragments
    "MR_small_jpeg_ls_lossless.dcm",
    "bad_sequence.dcm",
    "explicit_VR-UN.dcm",
]


def path_of(name):
    path = get_testdata_file(name, download=False)
    assert path is not None, f"{name} is in none of the installed packages"
    return path


def pydicom_array(path, **options):
    """All frames as pydicom reads them, without touching the bits above Bits Stored."""
    ds = pydicom.dcmread(path)
    decoder = get_decoder(ds.file_meta.TransferSyntaxUID)
    array, properties = decoder.as_array(ds, raw=True, correct_unused_bits=False, **options)
    return array.reshape(properties["number_of_frames"], *array.shape[-2 - (properties["samples_per_pixel"] > 1) :])


def image(rows=4, columns=4, frames=1, samples=1, bits=8, uid=ExplicitVRLittleEndian, **values):
    """A small dataset, and what its pixels are."""
    dtype = f"u{bits // 8}"
    shape = (frames, rows, columns) if samples == 1 else (frames, rows, columns, samples)
    pixels = np.random.default_rng(7).integers(0, 1 << bits, shape).astype(dtype)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, "1.2.3"
    ds.PatientName = "Test"
    ds.SamplesPerPixel, ds.Rows, ds.Columns = samples, rows, columns
    ds.PhotometricInterpretation = "MONOCHROME2" if samples == 1 else "RGB"
    if samples > 1:
        ds.PlanarConfiguration = 0
    if frames > 1:
        ds.NumberOfFrames = frames
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits, bits - 1, 0
    ds.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes() + b"\0" * (pixels.nbytes % 2)
    ds["PixelData"].VR = "OB" if bits == 8 else "OW"
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds, pixels


def stored(tmp_path, ds, name="file.dcm", **options):
    path = tmp_path / name
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True, **options)
    path.write_bytes(buffer.getvalue())
    return path


@pytest.mark.parametrize("name", NATIVE)
def test_native_frames_are_those_of_pydicom(name):
    expected = pydicom_array(path_of(name))
    with FrameReader(path_of(name)) as reader:
        assert not reader.is_compressed
        assert reader.num_frames == len(expected)
        batch = reader.read_batch(0, reader.num_frames)
        assert batch.frames.dtype.isnative
        assert batch.frames.dtype == reader.spec.dtype
        np.testing.assert_array_equal(batch.frames, expected)


@pytest.mark.parametrize("name", ["rtdose_expb.dcm", "emri_small.dcm", "SC_rgb_expb_2frame.dcm"])
def test_native_frames_can_be_read_in_any_window(name):
    expected = pydicom_array(path_of(name))
    with FrameReader(path_of(name)) as reader:
        for first, count in [(0, 1), (1, 1), (len(expected) - 1, 1), (0, 2), (len(expected) - 2, 2)]:
            batch = reader.read_batch(first, count)
            assert batch.first_frame == first
            np.testing.assert_array_equal(batch.frames, expected[first : first + count])


@pytest.mark.parametrize("name", COMPRESSED)
def test_codestreams_are_those_of_pydicom(name):
    ds = pydicom.dcmread(path_of(name))
    count = int(ds.get("NumberOfFrames") or 1)
    expected = list(generate_frames(ds.PixelData, number_of_frames=count))
    with FrameReader(path_of(name)) as reader:
        assert reader.is_compressed
        assert reader.transfer_syntax_uid == ds.file_meta.TransferSyntaxUID
        assert reader.read_codestreams(0, count) == expected
        assert reader.read_codestreams(count - 1, 1) == expected[-1:]
        assert reader.encoded_num_bytes == sum(len(frame) for frame in expected)


@pytest.mark.parametrize("name", ["CT_small.dcm", "emri_small_RLE.dcm", "image_dfl.dcm", "explicit_VR-UN.dcm"])
def test_dataset_is_all_but_the_pixel_data(name):
    ds = pydicom.dcmread(path_of(name))
    with FrameReader(path_of(name)) as reader:
        found = {element.tag: element for part in (reader.dataset, reader.trailing) for element in part}
        del ds.PixelData
        assert found == {element.tag: element for element in ds}
        assert reader.dataset.file_meta == ds.file_meta
        assert all(tag > 0x7FE00010 for tag in reader.trailing.keys())  # noqa: SIM118


def test_elements_after_the_pixel_data_survive(tmp_path):
    ds, pixels = image()
    ds.add_new(0x7FE11001, "OB", b"private!")
    ds.DataSetTrailingPadding = b"\0" * 10
    with FrameReader(stored(tmp_path, ds)) as reader:
        assert reader.trailing[0x7FE11001].value == b"private!"
        assert reader.trailing.DataSetTrailingPadding == b"\0" * 10
        np.testing.assert_array_equal(reader.read_batch(0, 1).frames, pixels)


def test_zeros_that_pad_the_file_are_dropped(tmp_path):
    path = stored(tmp_path, image()[0])
    path.write_bytes(path.read_bytes() + b"\0" * 64)
    with FrameReader(path) as reader:
        assert len(reader.trailing) == 0


def test_elements_out_of_order_join_the_dataset(tmp_path):
    path = stored(tmp_path, image()[0])
    path.write_bytes(path.read_bytes() + b"\x20\x00\x00\x40LT\x04\x00late")
    with FrameReader(path) as reader:
        assert reader.dataset.ImageComments == "late"
        assert len(reader.trailing) == 0


@pytest.mark.parametrize("uid", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("has_preamble", [True, False])
def test_a_dataset_without_file_meta_is_read(tmp_path, uid, has_preamble):
    ds, pixels = image(bits=16, frames=2)
    if uid == ExplicitVRBigEndian:
        ds.PixelData = pixels.astype(">u2").tobytes()
    encoded = DicomBytesIO()
    encoded.is_implicit_VR, encoded.is_little_endian = uid == ImplicitVRLittleEndian, uid != ExplicitVRBigEndian
    del ds.file_meta
    write_dataset(encoded, ds)
    path = tmp_path / "bare.dcm"
    path.write_bytes((b"\0" * 128 + b"DICM" if has_preamble else b"") + encoded.getvalue())
    with FrameReader(path) as reader:
        assert reader.transfer_syntax_uid == uid
        np.testing.assert_array_equal(reader.read_batch(0, 2).frames, pixels)


@pytest.mark.parametrize(("rows", "frames"), [(3, 3), (3, 2), (4, 3), (1, 5)])
@pytest.mark.parametrize("vr", ["OW", "OB"])
def test_eight_bit_samples_in_big_endian_words_are_swapped_in_pairs(tmp_path, rows, frames, vr):
    ds, pixels = image(rows=rows, columns=rows, frames=frames, uid=ExplicitVRBigEndian)
    value = ds.PixelData
    if vr == "OW":
        value = np.frombuffer(value, "u2").byteswap().tobytes()
    ds.add_new("PixelData", vr, value)
    path = stored(tmp_path, ds)
    np.testing.assert_array_equal(pydicom_array(path), pixels)
    with FrameReader(path) as reader:
        np.testing.assert_array_equal(reader.read_batch(0, frames).frames, pixels)
        for frame in range(frames):
            np.testing.assert_array_equal(reader.read_batch(frame, 1).frames, pixels[frame : frame + 1])


def test_other_words_of_a_big_endian_dataset_are_little_endian(tmp_path):
    words, floats = np.arange(6, dtype="u2"), np.arange(3, dtype="f4")
    ds, _ = image(uid=ExplicitVRBigEndian)
    item = Dataset()
    for each in (ds, item):
        each.add_new("RedPaletteColorLookupTableData", "OW", words.astype(">u2").tobytes())
    ds.ReferencedImageSequence = [item]
    ds.add_new("PointCoordinatesData", "OF", floats.astype(">f4").tobytes())
    with FrameReader(stored(tmp_path, ds)) as reader:
        for each in (reader.dataset, reader.dataset.ReferencedImageSequence[0]):
            assert each.RedPaletteColorLookupTableData == words.astype("<u2").tobytes()
        assert reader.dataset.PointCoordinatesData == floats.astype("<f4").tobytes()
        assert reader.dataset.Rows == 4


@pytest.mark.parametrize("bits", [8, 16])
def test_colour_by_plane_becomes_colour_by_pixel(tmp_path, bits):
    ds, pixels = image(3, 5, frames=3, samples=3, bits=bits)
    value = pixels.transpose(0, 3, 1, 2).tobytes()
    ds.PixelData = value + b"\0" * (len(value) % 2)
    ds.PlanarConfiguration = 1
    with FrameReader(stored(tmp_path, ds)) as reader:
        assert reader.spec.planar_configuration == 0
        batch = reader.read_batch(1, 2)
        assert batch.frames.flags.c_contiguous
        np.testing.assert_array_equal(batch.frames, pixels[1:])


def test_subsampled_native_colour_is_ybr_full():
    with FrameReader(path_of("SC_ybr_full_422_uncompressed.dcm")) as reader:
        assert reader.spec.photometric_interpretation == "YBR_FULL"


def test_subsampled_native_colour_of_full_length_is_mislabelled(tmp_path):
    ds, _ = image(samples=3, PhotometricInterpretation="YBR_FULL_422")
    with pytest.raises(CodestreamError, match="a third larger than expected"):
        FrameReader(stored(tmp_path, ds))


@pytest.mark.parametrize(("name", "columns"), [("YBR_PARTIAL_420", 4), ("YBR_PARTIAL_422", 4), ("YBR_FULL_422", 5)])
def test_other_subsampled_native_colour_is_refused(tmp_path, name, columns):
    ds, _ = image(columns=columns, samples=3, PhotometricInterpretation=name)
    with pytest.raises((UnsupportedError, ParameterError), match=name):
        FrameReader(stored(tmp_path, ds))


@pytest.mark.parametrize(
    ("keyword", "tag"),
    [
        ("Rows", "(0028,0010) 'Rows'"),
        ("Columns", "(0028,0011) 'Columns'"),
        ("SamplesPerPixel", "(0028,0002) 'Samples per Pixel'"),
        ("PhotometricInterpretation", "(0028,0004) 'Photometric Interpretation'"),
        ("PlanarConfiguration", "(0028,0006) 'Planar Configuration'"),
        ("BitsAllocated", "(0028,0100) 'Bits Allocated'"),
        ("BitsStored", "(0028,0101) 'Bits Stored'"),
        ("PixelRepresentation", "(0028,0103) 'Pixel Representation'"),
    ],
)
def test_a_missing_attribute_is_named(tmp_path, keyword, tag):
    ds, _ = image(samples=3)
    delattr(ds, keyword)
    with pytest.raises(ParameterError) as caught:
        FrameReader(stored(tmp_path, ds))
    assert tag in str(caught.value)
    assert "Missing required element" in str(caught.value)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("BitsAllocated", 1), ("BitsAllocated", 12), ("SamplesPerPixel", 2), ("Rows", 0), ("BitsStored", 9)],
)
def test_an_attribute_that_is_not_allowed_is_named(tmp_path, keyword, value):
    ds, _ = image(**{keyword: value}, PlanarConfiguration=0)
    with pytest.raises(ParameterError, match=rf"value of '{value}' is not allowed, must be"):
        FrameReader(stored(tmp_path, ds))


def test_several_values_are_none(tmp_path):
    ds, _ = image()
    ds.add_new("Rows", "US", [4, 4])
    with pytest.raises(ParameterError, match=r"\(0028,0010\) 'Rows'"):
        FrameReader(stored(tmp_path, ds))


def test_number_of_frames_that_is_none(tmp_path):
    ds, _ = image(NumberOfFrames=-1)
    with pytest.raises(ParameterError, match=r"'Number of Frames' value of '-1'"):
        FrameReader(stored(tmp_path, ds))


@pytest.mark.parametrize("value", [None, 0])
def test_no_number_of_frames_is_one_frame(tmp_path, value):
    ds, pixels = image(NumberOfFrames=value)
    with FrameReader(stored(tmp_path, ds)) as reader:
        np.testing.assert_array_equal(reader.read_batch(0, 1).frames, pixels)


@pytest.mark.parametrize(("keyword", "vr"), [("FloatPixelData", "OF"), ("DoubleFloatPixelData", "OD")])
def test_floating_point_pixel_data_are_refused(tmp_path, keyword, vr):
    ds, _ = image()
    del ds.PixelData
    ds.add_new(keyword, vr, b"\0" * 128)
    with pytest.raises(UnsupportedError, match=r"\(7FE0,000[89]\).*only integers in \(7FE0,0010\)"):
        FrameReader(stored(tmp_path, ds))


@pytest.mark.parametrize("uid", [ExplicitVRLittleEndian, RLELossless])
def test_no_pixel_data_is_said(tmp_path, uid):
    ds, _ = image(uid=uid)
    del ds.PixelData
    with pytest.raises(CodestreamError, match=r"no \(7FE0,0010\) 'Pixel Data'"):
        FrameReader(stored(tmp_path, ds))


def test_a_transfer_syntax_that_is_not_known_is_named(tmp_path):
    ds, _ = image(uid=MPEG2MPML)
    ds.PixelData = encapsulate([b"ab"])
    with pytest.raises(UnsupportedError, match=MPEG2MPML):
        FrameReader(stored(tmp_path, ds))


@pytest.mark.parametrize("text", [b"", b"DICM", b"just some text\n" * 40, b"\0" * 1000, b"{}" * 66])
def test_other_files_are_not_dicom(tmp_path, text):
    path = tmp_path / "other"
    path.write_bytes(text)
    with pytest.raises(CodestreamError, match="not a DICOM file"):
        FrameReader(path)


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        FrameReader(tmp_path / "none")


def test_too_few_native_frames_name_the_first_missing_one(tmp_path):
    ds, _ = image(frames=3)
    ds.NumberOfFrames = 5
    with pytest.raises(TruncatedCodestreamError, match="less than expected") as caught:
        FrameReader(stored(tmp_path, ds))
    assert caught.value.frame == 3


def test_more_native_frames_than_announced_are_not_lost_silently(tmp_path):
    ds, _ = image(frames=3)
    ds.NumberOfFrames = 2
    with pytest.raises(CodestreamError, match=r"contain 3 frames .* 'Number of Frames' value of 2"):
        FrameReader(stored(tmp_path, ds))


def test_excess_padding_of_less_than_a_frame_is_ignored(tmp_path):
    ds, pixels = image()
    ds.PixelData += b"\0" * 14
    with FrameReader(stored(tmp_path, ds)) as reader:
        np.testing.assert_array_equal(reader.read_batch(0, 1).frames, pixels)


def test_native_pixel_data_of_undefined_length_are_refused(tmp_path):
    path = stored(tmp_path, image()[0])
    content = path.read_bytes()
    at = content.index(b"\xe0\x7f\x10\x00OB\0\0") + 8
    path.write_bytes(content[:at] + b"\xff" * 4 + content[at + 4 :])
    with pytest.raises(CodestreamError, match="undefined length"):
        FrameReader(path)


def test_windows_outside_the_file_are_refused(tmp_path):
    with FrameReader(stored(tmp_path, image(frames=3)[0])) as reader:
        for first, count in [(-1, 1), (0, 0), (0, 4), (3, 1)]:
            with pytest.raises(ParameterError, match="are not all in 0 to 2"):
                reader.read_batch(first, count)
        with pytest.raises(ParameterError, match="not compressed"):
            reader.read_codestreams(0, 1)


def test_compressed_files_have_no_native_frames():
    with FrameReader(path_of("emri_small_RLE.dcm")) as reader, pytest.raises(ParameterError, match="are compressed"):
        reader.read_batch(0, 1)


def rle_file(tmp_path, frames=2, **options):
    ds, pixels = image(4, 4, frames=frames)
    ds.compress(RLELossless, encoding_plugin="pydicom", **options)
    return stored(tmp_path, ds), pixels


@pytest.mark.parametrize("extended", [True, False])
def test_offset_tables_of_pydicom(tmp_path, extended):
    path, _ = rle_file(tmp_path, 5, encapsulate_ext=extended)
    ds = pydicom.dcmread(path)
    with FrameReader(path) as reader:
        assert reader.read_codestreams(0, 5) == list(generate_frames(ds.PixelData, number_of_frames=5))
        assert ("ExtendedOffsetTable" in reader.dataset) == extended


def test_half_an_extended_offset_table_is_refused(tmp_path):
    path, _ = rle_file(tmp_path, 2, encapsulate_ext=True)
    ds = pydicom.dcmread(path)
    del ds.ExtendedOffsetTableLengths
    with pytest.raises(CodestreamError, match="one is missing"):
        FrameReader(stored(tmp_path, ds, "half.dcm"))


def test_encapsulated_pixel_data_of_defined_length(tmp_path):
    path, _ = rle_file(tmp_path)
    ds = pydicom.dcmread(path)
    value = ds.PixelData
    content = path.read_bytes()
    at = content.index(b"\xe0\x7f\x10\x00OB\0\0") + 8
    path.write_bytes(content[:at] + struct.pack("<L", len(value)) + value)
    with FrameReader(path) as reader:
        assert reader.read_codestreams(0, 2) == list(generate_frames(value, number_of_frames=2))


def complete_length(path, is_compressed):
    """Bytes up to the end of the samples, or of the Sequence Delimitation Item."""
    content = path.read_bytes()
    if is_compressed:
        return content.rindex(b"\xfe\xff\xdd\xe0") + 8
    return len(content)


@pytest.mark.parametrize("kind", ["native", "rle", "implicit", "big", "deflated"])
def test_a_file_cut_anywhere_is_an_error_unless_its_pixel_data_are_whole(tmp_path, kind, recwarn):
    if kind == "rle":
        path, pixels = rle_file(tmp_path)
    else:
        uid = {
            "native": ExplicitVRLittleEndian,
            "implicit": ImplicitVRLittleEndian,
            "big": ExplicitVRBigEndian,
            "deflated": DeflatedExplicitVRLittleEndian,
        }[kind]
        ds, pixels = image(frames=2, uid=uid)
        item = Dataset()
        item.ReferencedSOPInstanceUID = "1.2.3.4"
        ds.ReferencedImageSequence = [item, item]
        path = stored(tmp_path, ds)
    content = path.read_bytes()
    whole = complete_length(path, kind == "rle")
    cut = tmp_path / "cut.dcm"
    for length in range(len(content)):
        cut.write_bytes(content[:length])
        try:
            with FrameReader(cut) as reader:
                frames = FrameSource(reader, backend="cpu" if kind == "rle" else "auto").read_batch(0, 2).frames
        except GpucodecError:
            assert length < whole
        else:
            # A deflated stream may be padded with one byte.
            assert length >= whole - (kind == "deflated")
            np.testing.assert_array_equal(frames, pixels)


def test_damaged_bytes_are_an_error_or_frames_but_nothing_else(tmp_path, recwarn):
    path, _ = rle_file(tmp_path, 3)
    content = path.read_bytes()
    rng = np.random.default_rng(11)
    damaged = tmp_path / "damaged.dcm"
    for _ in range(400):
        changed = bytearray(content)
        for at in rng.integers(128, len(content), rng.integers(1, 4)):
            changed[at] = rng.integers(256)
        damaged.write_bytes(changed)
        try:
            with FrameReader(damaged) as reader:
                found = reader.num_frames
                assert found == len(
                    reader.read_codestreams(0, found) if reader.is_compressed else reader.read_batch(0, found)
                )
        except GpucodecError:
            pass


def test_memory_is_bounded_by_the_batch_and_not_by_the_file(tmp_path):
    frame_bytes, frames = 1 << 20, 200
    ds, _ = image(1024, 512, bits=16, frames=1)
    ds.NumberOfFrames = frames
    path = stored(tmp_path, ds)
    content = path.read_bytes()[:-frame_bytes]
    with path.open("wb") as file:  # sparse: the frames are holes
        file.write(content[:-4] + struct.pack("<L", frame_bytes * frames))
        file.truncate(len(content) + frame_bytes * frames)
    tracemalloc.start()
    try:
        with FrameReader(path) as reader:
            count = sum(len(batch) for batch in FrameSource(reader).iter_batches(4))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == frames
    assert peak < 12 * frame_bytes


@pytest.mark.parametrize("claim", [0xFFFFFFFE, 0x7FFFFFFE])
def test_lengths_beyond_the_file_allocate_nothing(tmp_path, claim):
    path = stored(tmp_path, image()[0])
    content = path.read_bytes()
    at = content.index(b"\xe0\x7f\x10\x00OB\0\0")
    private = b"\x09\x00\x10\x10OB\0\0" + struct.pack("<L", claim)
    path.write_bytes(content[:at] + private + content[at:])
    tracemalloc.start()
    try:
        with pytest.raises(CodestreamError):
            FrameReader(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000


def deflated_file(tmp_path, dataset_bytes):
    ds, _ = image(uid=DeflatedExplicitVRLittleEndian)
    content = stored(tmp_path, ds).read_bytes()
    meta_end = 132 + 12 + struct.unpack("<L", content[140:144])[0]
    compressor = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    path = tmp_path / "deflated.dcm"
    path.write_bytes(content[:meta_end] + compressor.compress(dataset_bytes) + compressor.flush())
    return path


def explicit_bytes(ds):
    encoded = DicomBytesIO()
    encoded.is_implicit_VR, encoded.is_little_endian = False, True
    write_dataset(encoded, ds)
    return encoded.getvalue()


def test_a_deflated_file_that_inflates_beyond_its_header_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(header, "_DEFLATED_ALLOWANCE", 1 << 16)
    whole = explicit_bytes(image()[0])
    padding = b"\xfc\xff\xfc\xffOB\0\0" + struct.pack("<L", 1 << 22) + b"\0" * (1 << 22)
    with pytest.raises(LimitExceededError, match="inflates to more than"):
        FrameReader(deflated_file(tmp_path, whole + padding))
    with FrameReader(deflated_file(tmp_path, whole)) as reader:
        assert reader.num_frames == 1


def test_a_deflated_file_whose_header_does_not_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(header, "_DEFLATED_ALLOWANCE", 1 << 16)
    endless = b"\x09\x00\x10\x10OB\0\0" + struct.pack("<L", 1 << 22) + b"\0" * (1 << 22)
    with pytest.raises((LimitExceededError, CodestreamError)):
        FrameReader(deflated_file(tmp_path, endless))


def test_a_deflated_file_that_is_not_deflated(tmp_path):
    path = deflated_file(tmp_path, b"")
    path.write_bytes(path.read_bytes() + b"\xff" * 100)
    with pytest.raises(CodestreamError):
        FrameReader(path)
    content = path.read_bytes()
    meta_end = 132 + 12 + struct.unpack("<L", content[140:144])[0]
    path.write_bytes(content[:meta_end] + b"\xff" * 100)
    with pytest.raises(CodestreamError, match="deflated dataset is corrupt"):
        FrameReader(path)


def test_a_jpeg2000_file_claims_what_its_dataset_says():
    with FrameReader(path_of("examples_jpeg2k.dcm")) as reader:
        assert reader.transfer_syntax_uid == JPEG2000Lossless
        assert reader.spec.photometric_interpretation == "YBR_RCT"
