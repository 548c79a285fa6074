"""What codecs are compared on: frames of files as they are, broken ones left out and named."""

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames

from gpucodec.comparison.pictures import built_in, evenly_spread, from_file
from gpucodec.dicom.sample_files import sample_file
from gpucodec.errors import GpucodecError, ParameterError

EVERYTHING = {"max_frames": 1000, "max_bytes": 1 << 30}


def test_frames_are_those_of_the_file():
    path = sample_file("CT_small.dcm")
    picture = from_file(path, **EVERYTHING)
    ds = pydicom.dcmread(path)
    assert np.array_equal(picture.frames[0], ds.pixel_array)
    assert picture.spec.bits_stored == ds.BitsStored
    assert picture.spec.pixel_representation == 1
    assert picture.attributes["slope"] == float(ds.RescaleSlope)
    assert picture.attributes["intercept"] == float(ds.RescaleIntercept)
    assert picture.attributes["unit"] == "HU"


def test_compressed_frames_are_decoded():
    path = sample_file("SC_rgb_rle_2frame.dcm")
    picture = from_file(path, **EVERYTHING)
    assert np.array_equal(picture.frames, pydicom.dcmread(path).pixel_array)
    assert picture.numbers == (0, 1)


def test_no_more_frames_than_asked_for():
    path = sample_file("rtdose.dcm")  # 15 frames
    assert from_file(path, max_frames=4, max_bytes=1 << 30).numbers == (0, 1, 2, 3)
    assert from_file(path, max_frames=4, max_bytes=1 << 30, spread=True).numbers == (0, 5, 9, 14)
    assert from_file(path, max_frames=4, max_bytes=1).numbers == (0,)


@pytest.mark.parametrize(
    ("total", "wanted", "numbers"), [(5, 9, [0, 1, 2, 3, 4]), (5, 2, [0, 4]), (7, 1, [0]), (100, 3, [0, 50, 99])]
)
def test_spread_evenly_over_the_file(total, wanted, numbers):
    assert evenly_spread(total, wanted) == numbers


@pytest.fixture
def with_a_broken_frame(tmp_path):
    """Three RLE frames, the second of which ends early."""
    ds = pydicom.dcmread(sample_file("emri_small_RLE.dcm"))
    frames = list(generate_frames(ds.PixelData, number_of_frames=ds.NumberOfFrames))[:3]
    frames[1] = frames[1][:80]
    ds.PixelData, ds.NumberOfFrames = encapsulate(frames), 3
    path = tmp_path / "broken.dcm"
    ds.save_as(path)
    return path


def test_a_broken_frame_is_left_out_and_named(with_a_broken_frame):
    picture = from_file(with_a_broken_frame, **EVERYTHING)
    assert picture.numbers == (0, 2)
    assert list(picture.left_out) == [1]
    assert "rame 1" in picture.left_out[1]
    expected = pydicom.dcmread(sample_file("emri_small.dcm")).pixel_array
    assert np.array_equal(picture.frames, expected[[0, 2]])


def test_a_file_of_broken_frames_is_an_error(with_a_broken_frame):
    ds = pydicom.dcmread(with_a_broken_frame)
    frames = list(generate_frames(ds.PixelData, number_of_frames=3))
    ds.PixelData, ds.NumberOfFrames = encapsulate([frames[1]]), 1
    ds.save_as(with_a_broken_frame)
    with pytest.raises(ParameterError, match=r"No frame of .* can be read"):
        from_file(with_a_broken_frame, **EVERYTHING)


@pytest.mark.parametrize("name", ["liver_1frame.dcm", "rtplan.dcm", "README.txt"])
def test_files_without_frames_of_integers_are_refused(name, tmp_path):
    path = sample_file(name)
    if path is None:
        path = tmp_path / name
        path.write_text("no DICOM file")
    with pytest.raises(GpucodecError):
        from_file(path, **EVERYTHING)


def test_built_in_pictures_say_where_they_come_from():
    pictures = {picture.name: picture for picture in built_in()}
    assert set(pictures) == {
        "16 CT 512x512", "4 MR 1024x1024", "1 CR 1955x1841", "16 US 480x640 RGB", "100 tiles 256x256 RGB",
    }  # fmt: skip
    ct = pictures["16 CT 512x512"]
    assert "693_UNCR.dcm" in ct.origin
    assert "shifted copies" in ct.origin
    assert np.array_equal(ct.frames[0], pydicom.dcmread(sample_file("693_UNCR.dcm")).pixel_array)
    assert len({frame.tobytes() for frame in ct.frames}) == 16
    for picture in pictures.values():
        low, high = picture.spec.value_range
        assert low <= picture.frames.min() <= picture.frames.max() <= high
