"""codestream_colour: what the marker segments say, and nothing where they say nothing."""

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import _get_jpg_parameters

from gpucodec.codestream.jpeg_colour import codestream_colour

SOI = b"\xff\xd8"
JFIF = b"\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
ADOBE_RGB = b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0\0"
ADOBE_YCC = ADOBE_RGB[:-1] + b"\x01"
COMMENT = b"\xff\xfe\x00\x06JFIF"


def sof(code, identifiers):
    components = b"".join(bytes([identifier, 0x11, 0]) for identifier in identifiers)
    body = b"\x08\x00\x10\x00\x10" + bytes([len(identifiers)]) + components
    return bytes([0xFF, code]) + (len(body) + 2).to_bytes(2, "big") + body


@pytest.mark.parametrize(
    ("segments", "colour"),
    [
        (sof(0xC0, b"\x01\x02\x03"), ""),
        (sof(0xC0, b"RGB"), "RGB"),
        (sof(0xF7, b"rgb"), "RGB"),
        (JFIF + sof(0xC0, b"\x01\x02\x03"), "YBR"),
        (JFIF + sof(0xC0, b"RGB"), "RGB"),
        (ADOBE_RGB + sof(0xC3, b"\x01\x02\x03"), "RGB"),
        (ADOBE_YCC + sof(0xC0, b"\x01\x02\x03"), "YBR"),
        (COMMENT + sof(0xC0, b"\x01\x02\x03"), ""),
        (b"\xff" + JFIF + sof(0xC0, b"\x01\x02\x03"), "YBR"),
        (b"\xff\xc4\x00\x05RGB" + sof(0xC1, b"\x00\x01\x02"), ""),
    ],
)
def test_marks_are_found(segments, colour):
    assert codestream_colour(SOI + segments) == colour


@pytest.mark.parametrize("name", ["SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_small_odd_jpeg.dcm"])
def test_real_files_say_what_pydicoms_parser_finds(name):
    ds = pydicom.dcmread(get_testdata_file(name, download=False))
    codestream = next(generate_frames(ds.PixelData, number_of_frames=1))
    info = _get_jpg_parameters(codestream)
    has_jfif = any(marker.startswith(b"JFIF") for marker in info.get("app", {}).values())
    has_rgb_ids = info["component_ids"] in ([82, 71, 66], [114, 103, 98])
    assert codestream_colour(codestream) == ("RGB" if has_rgb_ids else "YBR" if has_jfif else "")


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=64))
def test_any_bytes_are_answered(content):
    assert codestream_colour(SOI + content) in ("", "RGB", "YBR")
