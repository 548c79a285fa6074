import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    JPEG2000,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSNearLossless,
    RLELossless,
)

from gpucodec.dicom.attributes import describe_compression, describe_decompression, update_compression_ratio
from gpucodec.frames import FrameSpec

SPEC = FrameSpec(128, 128, bits_allocated=16, bits_stored=16, pixel_representation=1)
RGB = FrameSpec(10, 20, 3, photometric_interpretation="RGB")


def dataset(uid=ExplicitVRLittleEndian, **values):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def compress(ds, uid=RLELossless, spec=SPEC, lossy=False, **options):
    sizes = {"num_uncompressed": 1000, "num_compressed": 80} | options
    describe_compression(ds, uid, spec, options_lossy=lossy, **sizes)
    return ds


def test_lossless_step_sets_what_pydicom_sets():
    ours, theirs = (pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False)) for _ in range(2))
    theirs.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    ours.PixelData = theirs.PixelData
    describe_compression(
        ours, RLELossless, SPEC, options_lossy=False, num_uncompressed=1, num_compressed=1, generate_instance_uid=False
    )
    assert ours == theirs
    assert ours.file_meta == theirs.file_meta
    assert ours["PixelData"].VR == "OB"
    assert ours["PixelData"].is_undefined_length


def test_new_instance_uid_by_default_in_dataset_and_file_meta():
    ds = compress(dataset(SOPInstanceUID="1.2.3"))
    assert ds.SOPInstanceUID != "1.2.3"
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    kept = compress(dataset(SOPInstanceUID="1.2.3"), generate_instance_uid=False)
    assert kept.SOPInstanceUID == "1.2.3"
    assert "MediaStorageSOPInstanceUID" not in kept.file_meta


def test_colour_is_by_pixel_and_monochrome_has_no_planar_configuration():
    assert compress(dataset(PlanarConfiguration=1), spec=RGB).PlanarConfiguration == 0
    assert "PlanarConfiguration" not in compress(dataset(PlanarConfiguration=0))


def test_photometric_interpretation_is_that_of_the_codestream():
    spec = RGB.replace(photometric_interpretation="YBR_RCT")
    assert compress(dataset(), JPEG2000Lossless, spec).PhotometricInterpretation == "YBR_RCT"


def test_high_bit_follows_bits_stored_only_when_they_change():
    kept = compress(dataset(BitsStored=16, HighBit=15))
    assert kept.HighBit == 15
    narrowed = compress(dataset(BitsStored=16, HighBit=15), spec=SPEC.replace(bits_stored=12))
    assert (narrowed.BitsStored, narrowed.HighBit) == (12, 11)


def test_tables_of_other_pixel_data_are_removed():
    ds = compress(dataset(ExtendedOffsetTable=b"\0" * 8, ExtendedOffsetTableLengths=b"\0" * 8))
    assert "ExtendedOffsetTable" not in ds
    assert "ExtendedOffsetTableLengths" not in ds


def test_lossless_step_reports_no_loss():
    ds = compress(dataset())
    assert "LossyImageCompression" not in ds
    assert "LossyImageCompressionRatio" not in ds
    assert "LossyImageCompressionMethod" not in ds


def test_lossless_step_takes_no_loss_away():
    ds = compress(dataset(LossyImageCompression="01", LossyImageCompressionRatio="7", LossyImageCompressionMethod="X"))
    assert ds.LossyImageCompression == "01"
    assert ds.LossyImageCompressionRatio == 7
    assert ds.LossyImageCompressionMethod == "X"


@pytest.mark.parametrize(
    ("uid", "method"),
    [(JPEGLSNearLossless, "ISO_14495_1"), (JPEG2000, "ISO_15444_1"), ("1.2.840.10008.1.2.4.203", "ISO_15444_15")],
)
def test_lossy_step_is_reported(uid, method):
    ds = compress(dataset(LossyImageCompression="00"), uid, lossy=True)
    assert ds.LossyImageCompression == "01"
    assert float(ds.LossyImageCompressionRatio) == 12.5
    assert ds.LossyImageCompressionMethod == method


def test_lossy_steps_are_appended_in_order():
    ds = compress(dataset(), JPEG2000, lossy=True)
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    compress(ds, JPEGLSNearLossless, lossy=True, num_compressed=250)
    assert [float(ratio) for ratio in ds.LossyImageCompressionRatio] == [12.5, 4.0]
    assert list(ds.LossyImageCompressionMethod) == ["ISO_15444_1", "ISO_14495_1"]


@pytest.mark.parametrize("reported", [None, "00"])
def test_loss_of_a_baseline_source_is_reported_though_the_source_did_not(reported):
    ds = dataset(JPEGBaseline8Bit)
    if reported is not None:
        ds.LossyImageCompression = reported
    compress(ds, RLELossless, source_num_compressed=100)
    assert ds.LossyImageCompression == "01"
    assert float(ds.LossyImageCompressionRatio) == 10.0
    assert ds.LossyImageCompressionMethod == "ISO_10918_1"


def test_loss_of_a_source_of_unknown_size_is_a_flag_alone():
    ds = compress(dataset(JPEGBaseline8Bit))
    assert ds.LossyImageCompression == "01"
    assert "LossyImageCompressionMethod" not in ds


def test_source_that_says_what_it_lost_is_not_counted_twice():
    ds = dataset(
        JPEG2000, LossyImageCompression="01", LossyImageCompressionRatio="20", LossyImageCompressionMethod="ISO_15444_1"
    )
    compress(ds, RLELossless, source_num_compressed=50)
    assert ds.LossyImageCompressionRatio == 20
    assert ds.LossyImageCompressionMethod == "ISO_15444_1"


def test_source_that_may_be_lossless_is_believed_when_it_says_so():
    ds = compress(dataset(JPEG2000, LossyImageCompression="00"), source_num_compressed=50)
    assert ds.LossyImageCompression == "00"
    silent = compress(dataset(JPEG2000), source_num_compressed=50)
    assert silent.LossyImageCompression == "01"


def test_ratio_keeps_its_length_when_it_is_updated():
    ds = compress(dataset(LossyImageCompressionRatio=["3", "4"]), JPEG2000, lossy=True, num_compressed=1000)
    before = len(str(ds["LossyImageCompressionRatio"].value[-1]))
    for num_compressed in (1, 3, 77, 999, 1001, 10_000):
        update_compression_ratio(ds, 1000, num_compressed)
        ratios = ds.LossyImageCompressionRatio
        assert len(str(ratios[-1])) == before
        np.testing.assert_allclose(float(ratios[-1]), 1000 / num_compressed, rtol=1e-5)
        assert [float(ratio) for ratio in ratios[:-1]] == [3.0, 4.0]


def test_updating_a_ratio_adds_none():
    ds = compress(dataset())
    update_compression_ratio(ds, 1000, 10)
    assert "LossyImageCompressionRatio" not in ds


def test_decompression_sets_what_pydicom_sets():
    path = get_testdata_file("SC_rgb_rle_2frame.dcm", download=False)
    ours, theirs = pydicom.dcmread(path), pydicom.dcmread(path)
    theirs.decompress(generate_instance_uid=False)
    ours.PixelData = theirs.PixelData
    spec = FrameSpec(theirs.Rows, theirs.Columns, 3, photometric_interpretation="RGB")
    describe_decompression(ours, spec, 2, generate_instance_uid=False)
    assert ours == theirs
    assert ours.file_meta == theirs.file_meta
    assert ours["PixelData"].VR == "OB"
    assert not ours["PixelData"].is_undefined_length


def test_decompression_of_wide_samples_is_ow_and_keeps_the_loss():
    ds = dataset(JPEGLSNearLossless, PixelData=b"\0\0")
    describe_decompression(ds, SPEC, 3, source_num_compressed=SPEC.num_bytes)
    assert ds["PixelData"].VR == "OW"
    assert ds.NumberOfFrames == 3
    assert ds.LossyImageCompression == "01"
    assert float(ds.LossyImageCompressionRatio) == 3.0
    assert ds.LossyImageCompressionMethod == "ISO_14495_1"
