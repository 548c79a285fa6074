"""Coding parameters that CharLS does not keep to: decoded by libjpeg (pylibjpeg-libjpeg), which has JPEG-LS of its own.

libjpeg takes a threshold of 0 for one, so its codestreams name all of them.
"""

import libjpeg
import numpy as np
import pytest
from gpucodec_kernels.jpegls.parameters import default_thresholds
from gpucodec_kernels.target import simulator_enabled

from gpucodec.backends import executor
from gpucodec.codecs.base import DecodeRequest
from gpucodec.codecs.jpegls import JpeglsCodec
from gpucodec.codecs.jpegls_decoding import decode_components
from gpucodec.codecs.jpegls_scans import Scans, scan_geometry
from gpucodec.codestream.jpegls import read_codestream
from gpucodec.errors import CodestreamError
from gpucodec.frames import FrameSpec
from tests.codecs.jpegls_streams import EOI, LINE, SAMPLE, SOI, coded, frame_header, preset, scan_header

pytestmark = pytest.mark.skipif(simulator_enabled(), reason="too many samples for plain Python")


def noise(shape, maximum, seed=0):
    values = np.random.default_rng([seed, maximum]).integers(0, maximum + 1, shape)
    return values.astype("u1" if maximum <= 255 else "u2")


def decode(codestream, like, bits):
    spec = FrameSpec.from_array(like[None], bits_stored=bits)
    (frame,) = JpeglsCodec("cpu").decode_batch([codestream], DecodeRequest("1.2.840.10008.1.2.4.80", spec, 1)).frames
    return frame


def encode(frame, header):
    """Encode a frame of one scan with the parameters that its header says."""
    description = read_codestream(header + EOI)
    (scan,) = description.scans
    columns, components = (*frame.shape, 1)[1:3]
    planes = [(k, columns * components, components) for k in range(components)]
    scans = Scans(scan_geometry(description, scan, planes, 0), scan.preset, scan.near, frame.itemsize)
    slots, lengths, status = scans.encode(executor("cpu"), frame.reshape(-1), np.zeros(1, "i8"), worst=True)
    assert status[0] == 0
    return header + slots[: lengths[0]].tobytes() + EOI


def check(frame, bits, near, header):
    codestream = encode(frame, header)
    theirs = libjpeg.decode(codestream).reshape(frame.shape)
    assert np.abs(theirs.astype(int) - frame).max() <= near
    if frame.shape[2:] == (2,):  # no frame of DICOM
        np.testing.assert_array_equal(np.stack(decode_components(codestream, executor("cpu")), axis=-1), theirs)
    else:
        np.testing.assert_array_equal(decode(codestream, frame, bits), theirs)


@pytest.mark.parametrize("reset", [3, 32768, 65535])
def test_the_largest_reset(reset):
    # Enough samples that a context meets more than 65,535 errors, as large as they can be.
    frame = noise((600, 600), 65535)
    frame[1::3] = noise((200, 600), 1) * np.uint16(65535)
    check(frame, 16, 0, SOI + frame_header(600, 600, 16) + preset(65535, (18, 67, 276), reset) + scan_header())


@pytest.mark.parametrize("near", [0, 1])
@pytest.mark.parametrize(("maximum", "bits"), [(2, 8), (5, 16), (100, 8), (255, 16), (3000, 12), (40000, 16), (9, 10)])
def test_a_largest_value_of_its_own(maximum, bits, near):
    frame = noise((13, 21), maximum).astype("u1" if bits <= 8 else "u2")
    header = SOI + frame_header(13, 21, bits) + preset(maximum, default_thresholds(maximum, near), 64)
    check(frame, bits, near, header + scan_header(near=near))


@pytest.mark.parametrize("near", [0, 2])
@pytest.mark.parametrize("interleave", [LINE, SAMPLE])
@pytest.mark.parametrize("components", [2, 3, 4])
def test_interleaved_components(components, interleave, near):
    """CharLS garbles two components, and with NEAR of 0 the fourth of four."""
    frame = noise((13, 21, components), 255)
    frame[:6] = frame[:6] // 64
    names = range(1, components + 1)
    check(frame, 8, near, SOI + frame_header(13, 21, 8, components) + scan_header(names, near, interleave))


def test_point_transform_beside_a_largest_value():
    # MAXVAL is of the samples that are coded: five bits' worth, as CharLS codes them.
    frame = noise((13, 21), 255)
    start = SOI + frame_header(13, 21, 8) + preset(31)
    codestream = start + scan_header(transform=3) + coded(frame >> 3, 5) + EOI
    np.testing.assert_array_equal(decode(codestream, frame, 8), frame & 0xF8)
    with pytest.raises(CodestreamError, match="before a point transform of 4"):
        decode(start + scan_header(transform=4) + coded(frame >> 3, 5) + EOI, frame, 8)
