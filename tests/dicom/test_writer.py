import struct
import tracemalloc
from io import BytesIO

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_frames, parse_basic_offsets
from pydicom.uid import JPEG2000, MPEG2MPML, CTImageStorage, ExplicitVRLittleEndian, RLELossless

from gpucodec.dicom import writer
from gpucodec.dicom.attributes import describe_compression, describe_decompression, update_compression_ratio
from gpucodec.dicom.reader import FrameReader
from gpucodec.dicom.writer import EncapsulatedWriter, NativeWriter
from gpucodec.errors import LimitExceededError, ParameterError, UnsupportedError
from gpucodec.frames import FrameBatch, FrameSpec

SPEC = FrameSpec(4, 5)


def path_of(name):
    path = get_testdata_file(name, download=False)
    assert path is not None, f"{name} is in none of the installed packages"
    return path


def dataset(uid=RLELossless, frames=2, **values):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, "1.2.3"
    ds.PatientName = "Test"
    ds.SamplesPerPixel, ds.Rows, ds.Columns, ds.PhotometricInterpretation = 1, 4, 5, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.NumberOfFrames = frames
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def written(codestreams, ds=None, final=None, **options):
    file = BytesIO()
    ds = ds or dataset(frames=len(codestreams))
    encapsulated = EncapsulatedWriter(file, ds, num_frames=len(codestreams), **options)
    encapsulated.write_frames(codestreams)
    assert encapsulated.finish(final) == len(file.getvalue())
    return file.getvalue()


def read(content):
    ds = pydicom.dcmread(BytesIO(content))
    table = (ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths) if "ExtendedOffsetTable" in ds else None
    frames = list(generate_frames(ds.PixelData, number_of_frames=int(ds.NumberOfFrames), extended_offsets=table))
    return ds, frames


def even(frame):
    return frame + b"\0" * (len(frame) % 2)


@settings(deadline=None, max_examples=40)
@given(
    frames=st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=9),
    extended=st.booleans(),
    batch=st.integers(1, 4),
)
def test_frames_come_back_as_pydicom_reads_them(frames, extended, batch):
    file, ds = BytesIO(), dataset(frames=len(frames))
    encapsulated = EncapsulatedWriter(file, ds, num_frames=len(frames), encapsulate_ext=extended)
    for first in range(0, len(frames), batch):
        encapsulated.write_frames(frames[first : first + batch])
    assert encapsulated.num_compressed == sum(len(frame) for frame in frames)
    encapsulated.finish()
    found, codestreams = read(file.getvalue())
    assert codestreams == [even(frame) for frame in frames]
    assert ("ExtendedOffsetTable" in found) == extended
    # PS3.5 A.4: the Basic Offset Table is empty beside an extended one.
    offsets = np.cumsum([0] + [8 + len(even(frame)) for frame in frames[:-1]]).tolist()
    assert parse_basic_offsets(found.PixelData) == ([] if extended else offsets)
    if extended:
        assert struct.unpack(f"<{len(frames)}Q", found.ExtendedOffsetTable) == tuple(offsets)
    assert found["PixelData"].VR == "OB"
    assert found["PixelData"].is_undefined_length


def test_file_has_a_conformant_header():
    content = written([b"ab", b"cd"])
    assert content[128:132] == b"DICM"
    meta = pydicom.dcmread(BytesIO(content)).file_meta
    assert meta.MediaStorageSOPInstanceUID == "1.2.3"
    assert meta.MediaStorageSOPClassUID == CTImageStorage
    assert meta.FileMetaInformationVersion == b"\0\1"
    assert meta.ImplementationClassUID


def test_a_dataset_without_uids_is_written_all_the_same():
    ds = dataset()
    del ds.SOPClassUID, ds.SOPInstanceUID
    found, frames = read(written([b"ab", b"cd"], ds))
    assert frames == [b"ab", b"cd"]
    assert found.file_meta.TransferSyntaxUID == RLELossless


def test_offsets_too_large_for_a_basic_offset_table_move_the_frames(monkeypatch):
    frames = [bytes([65 + index]) * (2 + index) for index in range(7)]
    plain = written(frames)
    monkeypatch.setattr(writer, "MAX_BASIC_OFFSET", 40)
    monkeypatch.setattr(writer, "_COPY_BYTES", 8)  # smaller than the move is long, so that the order matters
    moved = written(frames)
    ds, codestreams = read(moved)
    assert codestreams == read(plain)[1] == [even(frame) for frame in frames]
    assert parse_basic_offsets(ds.PixelData) == []
    assert len(ds.ExtendedOffsetTable) == len(ds.ExtendedOffsetTableLengths) == 8 * len(frames)
    assert moved == written(frames, encapsulate_ext=True)


def test_the_largest_offset_decides_and_not_the_size(monkeypatch):
    monkeypatch.setattr(writer, "MAX_BASIC_OFFSET", 10)
    assert "ExtendedOffsetTable" not in read(written([b"ab", b"c" * 1000]))[0]
    assert "ExtendedOffsetTable" in read(written([b"abcd", b"c"]))[0]


@pytest.mark.parametrize("comment", ["", "longer than before" * 10])
def test_a_header_of_another_length_moves_the_frames(monkeypatch, comment):
    monkeypatch.setattr(writer, "_COPY_BYTES", 8)
    frames = [b"first frame", b"second frame"]
    final = dataset(ImageComments=comment)
    ds, codestreams = read(written(frames, dataset(ImageComments="before"), final))
    assert codestreams == [even(frame) for frame in frames]
    assert ds.ImageComments == comment


def test_a_ratio_known_at_the_end_stands_in_the_header(monkeypatch):
    monkeypatch.setattr(writer, "_move", None)  # nothing may have to move
    ds = dataset(ExplicitVRLittleEndian, 1)
    describe_compression(ds, JPEG2000, SPEC, options_lossy=True, num_uncompressed=1000, num_compressed=1000)
    file = BytesIO()
    encapsulated = EncapsulatedWriter(file, ds, num_frames=1)
    encapsulated.write_frames([b"x" * 8])
    update_compression_ratio(ds, 1000, encapsulated.num_compressed)
    encapsulated.finish(ds)
    assert read(file.getvalue())[0].LossyImageCompressionRatio == 125


def test_tables_and_pixel_data_of_the_source_do_not_leak():
    ds = dataset(ExtendedOffsetTable=b"\1" * 8, ExtendedOffsetTableLengths=b"\2" * 8, PixelData=b"old")
    ds.add_new(0x7FE11001, "OB", b"private!")
    found, frames = read(written([b"ab", b"cd"], ds))
    assert frames == [b"ab", b"cd"]
    assert "ExtendedOffsetTable" not in found
    assert found[0x7FE11001].value == b"private!"
    assert ds.PixelData == b"old"


def test_trailing_elements_are_written_after_the_pixel_data():
    trailing = Dataset()
    trailing.DataSetTrailingPadding = b"\0\0\0\0"
    content = written([b"ab", b"cd"], trailing=trailing)
    assert content.endswith(b"\xfe\xff\xdd\xe0\0\0\0\0\xfc\xff\xfc\xffOB\0\0\x04\0\0\0\0\0\0\0")


@pytest.mark.parametrize("count", [1, 2])
def test_another_number_of_frames_than_announced_is_refused(count):
    encapsulated = EncapsulatedWriter(BytesIO(), dataset(), num_frames=2)
    step = encapsulated.finish if count < 2 else lambda: encapsulated.write_frames([b"ef"])
    encapsulated.write_frames([b"ab", b"cd"][:count])
    with pytest.raises(ParameterError, match="announced"):
        step()


def test_no_frames_and_empty_frames_are_refused():
    with pytest.raises(ParameterError, match="0 frames"):
        EncapsulatedWriter(BytesIO(), dataset(), num_frames=0)
    with pytest.raises(ParameterError, match="frame 0 is empty"):
        EncapsulatedWriter(BytesIO(), dataset(), num_frames=1).write_frames([b""])


def test_a_frame_that_fits_no_item_is_refused():
    class Enormous(bytes):
        def __len__(self):
            return 2**32

    with pytest.raises(LimitExceededError, match="4294967296"):
        EncapsulatedWriter(BytesIO(), dataset(), num_frames=1).write_frames([Enormous()])


@pytest.mark.parametrize("uid", [ExplicitVRLittleEndian, MPEG2MPML])
def test_only_known_compressed_transfer_syntaxes_are_encapsulated(uid):
    with pytest.raises(UnsupportedError, match=uid):
        EncapsulatedWriter(BytesIO(), dataset(uid), num_frames=1)


def test_a_dataset_without_transfer_syntax_is_refused():
    ds = dataset()
    del ds.file_meta
    with pytest.raises(ParameterError, match=r"\(0002,0010\)"):
        EncapsulatedWriter(BytesIO(), ds, num_frames=1)


def test_a_value_that_cannot_be_encoded_is_a_parameter_error():
    ds = dataset()
    ds.add_new("Rows", "US", "many")
    with pytest.raises(ParameterError, match="cannot be written"):
        EncapsulatedWriter(BytesIO(), ds, num_frames=1)


def native(frames, spec, ds=None, batch=2, trailing=None):
    file = BytesIO()
    ds = ds or dataset(frames=len(frames))
    describe_decompression(ds, spec, len(frames), generate_instance_uid=False)
    out = NativeWriter(file, ds, trailing=trailing, num_frames=len(frames), spec=spec)
    for first in range(0, len(frames), batch):
        out.write_batch(FrameBatch(frames[first : first + batch], spec, first))
    assert out.finish() == len(file.getvalue())
    return file.getvalue()


@pytest.mark.parametrize(
    ("spec", "vr"),
    [
        (FrameSpec(3, 5), "OB"),
        (FrameSpec(3, 5, 3, photometric_interpretation="RGB"), "OB"),
        (FrameSpec(3, 5, bits_allocated=16, bits_stored=12, pixel_representation=1), "OW"),
        (FrameSpec(3, 5, bits_allocated=32, bits_stored=32), "OW"),
    ],
)
def test_native_frames_come_back_as_pydicom_reads_them(spec, vr):
    low, high = spec.value_range
    frames = np.random.default_rng(3).integers(low, high, (3, *spec.shape), spec.dtype, endpoint=True)
    content = native(frames, spec)
    ds = pydicom.dcmread(BytesIO(content))
    np.testing.assert_array_equal(ds.pixel_array, frames)
    assert vr == ds["PixelData"].VR
    assert len(ds.PixelData) == frames.nbytes + frames.nbytes % 2
    assert ds.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_native_trailing_elements_follow_the_padding():
    trailing = Dataset()
    trailing.DataSetTrailingPadding = b"\0\0"
    frames = np.arange(15, dtype="u1").reshape(1, 3, 5)
    content = native(frames, FrameSpec(3, 5), dataset(frames=1), trailing=trailing)
    assert content.endswith(bytes(range(15)) + b"\0" + b"\xfc\xff\xfc\xffOB\0\0\x02\0\0\0\0\0")


def test_native_frames_beyond_one_element_are_refused_in_the_words_of_pydicom():
    spec = FrameSpec(65535, 65535)
    with pytest.raises(LimitExceededError, match="greater than the maximum allowed by the DICOM Standard"):
        NativeWriter(BytesIO(), dataset(ExplicitVRLittleEndian), num_frames=2, spec=spec)


def test_native_frames_need_explicit_little_endian_and_their_own_spec():
    with pytest.raises(ParameterError, match=RLELossless):
        NativeWriter(BytesIO(), dataset(), num_frames=1, spec=SPEC)
    out = NativeWriter(BytesIO(), dataset(ExplicitVRLittleEndian), num_frames=1, spec=SPEC)
    with pytest.raises(ParameterError, match=r"shape \(5, 4\)"):
        out.write_batch(FrameBatch(np.zeros((1, 5, 4), "u1"), FrameSpec(5, 4)))


REAL = [
    "CT_small.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "SC_rgb_expb_2frame.dcm",
    "image_dfl.dcm",
    "rtdose_expb.dcm",
    "gdcm-US-ALOKA-16_big.dcm",  # lookup tables in big-endian words
    "emri_small_RLE.dcm",
    "JPEG-LL.dcm",  # many fragments
    "examples_jpeg2k.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
]


def rewritten(reader):
    """A file with the same frames in Explicit VR Little Endian, each written alone."""
    file = BytesIO()
    if reader.is_compressed:
        encapsulated = EncapsulatedWriter(file, reader.dataset, trailing=reader.trailing, num_frames=reader.num_frames)
        for frame in range(reader.num_frames):
            encapsulated.write_frames(reader.read_codestreams(frame, 1))
        encapsulated.finish()
    else:
        describe_decompression(reader.dataset, reader.spec, reader.num_frames)
        out = NativeWriter(
            file, reader.dataset, trailing=reader.trailing, num_frames=reader.num_frames, spec=reader.spec
        )
        for frame in range(reader.num_frames):
            out.write_batch(reader.read_batch(frame, 1))
        out.finish()
    return file.getvalue()


def little(ds, tag):
    """A value as a little-endian file has it."""
    element = ds[tag]
    swap = element.VR == "OW" and ds.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.2"
    return np.frombuffer(element.value, "u2").byteswap().tobytes() if swap else element.value


@pytest.mark.parametrize("name", REAL)
def test_real_files_are_rewritten_whole(name):
    with FrameReader(path_of(name)) as reader:
        ds = pydicom.dcmread(BytesIO(rewritten(reader)))
    source = pydicom.dcmread(path_of(name))
    np.testing.assert_array_equal(ds.pixel_array, source.pixel_array)
    changed = {0x00080018, 0x00280006, 0x00280008, 0x7FE00010}
    assert {element.tag for element in ds} - changed == {element.tag for element in source} - changed
    for tag in {element.tag for element in source} - changed:
        assert ds[tag].value == little(source, tag), tag


@pytest.mark.parametrize("name", REAL)
def test_real_files_are_read_by_gdcm(name, tmp_path):
    gdcm = pytest.importorskip("gdcm")
    path = tmp_path / "rewritten.dcm"
    with FrameReader(path_of(name)) as reader:
        path.write_bytes(rewritten(reader))
        spec = reader.spec
    images = gdcm.ImageReader()
    images.SetFileName(str(path))
    assert images.Read()
    found = np.frombuffer(images.GetImage().GetBuffer().encode("utf-8", "surrogateescape"), spec.dtype)
    expected = pydicom.dcmread(path).pixel_array
    assert images.GetImage().GetPlanarConfiguration() == 0
    np.testing.assert_array_equal(found[: expected.size], expected.ravel())


def test_memory_is_bounded_by_the_batch_and_not_by_the_file(tmp_path):
    frame, frames = bytes(1 << 20), 150
    tracemalloc.start()
    try:
        with (tmp_path / "large.dcm").open("w+b") as file:
            encapsulated = EncapsulatedWriter(file, dataset(frames=frames), num_frames=frames)
            for _ in range(frames // 3):
                encapsulated.write_frames([frame] * 3)
            encapsulated.finish(dataset(frames=frames, ImageComments="moved"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20
    with FrameReader(tmp_path / "large.dcm") as reader:
        assert reader.encoded_num_bytes == frames << 20
        assert reader.dataset.ImageComments == "moved"


def test_values_that_nobody_used_are_copied_as_they_stand(tmp_path):
    """Real files have numbers that are none; they are not ours to judge, and survive."""
    content = written([b"ab", b"cd"], dataset(StageNumber="77", PatientWeight="80.50"))
    path = tmp_path / "odd.dcm"
    path.write_bytes(content.replace(b"IS\x02\x0077", b"IS\x02\x007A"))
    with FrameReader(path) as reader:
        again = rewritten(reader)
    assert again == path.read_bytes()


def test_a_broken_element_is_a_parameter_error(tmp_path):
    content = written([b"ab", b"cd"], dataset(StageNumber=""))
    path = tmp_path / "broken.dcm"
    path.write_bytes(content.replace(b"IS\x00\x00", b"I\x80\x00\x00"))
    with FrameReader(path) as reader, pytest.raises(ParameterError, match="cannot be written"):
        rewritten(reader)
