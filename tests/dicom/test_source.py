"""FrameSource: decoded frames whatever the file holds."""

import copy

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames

from gpucodec.dicom.reader import FrameReader, FrameSource
from gpucodec.errors import CodestreamError, ParameterError
from tests.dicom.test_reader import path_of, pydicom_array, rle_file, stored


def test_source_yields_native_frames_in_batches():
    expected = pydicom_array(path_of("emri_small.dcm"))
    with FrameReader(path_of("emri_small.dcm")) as reader:
        batches = list(FrameSource(reader).iter_batches(4))
    assert [(batch.first_frame, len(batch)) for batch in batches] == [(0, 4), (4, 4), (8, 2)]
    np.testing.assert_array_equal(np.concatenate([batch.frames for batch in batches]), expected)


def test_source_refuses_empty_batches():
    with FrameReader(path_of("CT_small.dcm")) as reader, pytest.raises(ParameterError, match="1 or more"):
        next(FrameSource(reader).iter_batches(0))


@pytest.mark.parametrize(
    ("name", "colour"),
    [
        ("emri_small_RLE.dcm", "MONOCHROME2"),
        ("SC_rgb_rle_32bit_2frame.dcm", "RGB"),
        ("examples_jpeg2k.dcm", "RGB"),  # YBR_RCT
        ("SC_rgb_dcmtk_+eb+cy+np.dcm", "YBR_FULL"),  # YBR_FULL_422
        ("MR_small_jpeg_ls_lossless.dcm", "MONOCHROME2"),
    ],
)
def test_source_decodes_whatever_the_file_holds(name, colour):
    plugin = "pyjpegls" if "jpeg_ls" in name else "pylibjpeg"  # the same decoders, where ours are libraries
    expected = pydicom_array(path_of(name), decoding_plugin=plugin)
    with FrameReader(path_of(name)) as reader:
        source = FrameSource(reader)
        assert source.spec.photometric_interpretation == colour
        assert source.spec.planar_configuration == 0
        frames = np.concatenate([batch.frames for batch in source.iter_batches(3)])
    np.testing.assert_array_equal(frames, expected)


def test_source_names_the_broken_frame(tmp_path):
    path, _ = rle_file(tmp_path, 4)
    ds = pydicom.dcmread(path)
    frames = list(generate_frames(ds.PixelData, number_of_frames=4))
    frames[2] = frames[2][:40]
    broken = copy.deepcopy(ds)
    broken.PixelData = encapsulate(frames)
    with FrameReader(stored(tmp_path, broken, "broken.dcm")) as reader:
        with pytest.raises(CodestreamError) as caught:
            list(FrameSource(reader).iter_batches(2))
        assert caught.value.frame == 2
