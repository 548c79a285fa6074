import io
import struct

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpucodec.codestream.jpeg_headers import read_frame_header
from gpucodec.errors import CodestreamError, TruncatedCodestreamError

GRAY = np.arange(40 * 50, dtype="u2").reshape(40, 50) % 4096
COLOUR = np.arange(40 * 50 * 3, dtype="u4").reshape(40, 50, 3).astype("u1")


def jp2(codestream: bytes, length: int | None = None) -> bytes:
    boxes = b"\x00\x00\x00\x0cjP  \r\n\x87\n" + struct.pack(">I4s4s", 12, b"ftyp", b"jp2 ")
    size = len(codestream) + 8 if length is None else length
    return boxes + struct.pack(">I4s", size, b"jp2c") + codestream


def siz(components=((7, 1, 1),), area=(50, 40, 0, 0, 50, 40, 0, 0), length=None):
    body = struct.pack(">H8IH", 0, *area, len(components)) + bytes(v for c in components for v in c)
    return b"\xff\x4f\xff\x51" + struct.pack(">H", len(body) + 2 if length is None else length) + body


def sof(code=0xC0, precision=8, size=(40, 50), components=((1, 0x11, 0),), before=b""):
    body = struct.pack(">BHHB", precision, *size, len(components)) + bytes(v for c in components for v in c)
    return b"\xff\xd8" + before + bytes([0xFF, code]) + struct.pack(">H", len(body) + 2) + body


# Written by other encoders: OpenJPEG, OpenJPH, CharLS, libjpeg-turbo, Pillow.
WRITTEN = {
    "j2k": (imagecodecs.jpeg2k_encode(GRAY, codecformat="j2k", bitspersample=12), (40, 50, 1, 12, "JPEG 2000")),
    "jp2": (imagecodecs.jpeg2k_encode(COLOUR, codecformat="jp2", reversible=True), (40, 50, 3, 8, "JPEG 2000")),
    "htj2k": (imagecodecs.htj2k_encode(GRAY), (40, 50, 1, 16, "JPEG 2000")),
    "jpegls": (imagecodecs.jpegls_encode(GRAY), (40, 50, 1, 16, "JPEG-LS")),
    "jpeg": (imagecodecs.jpeg8_encode(COLOUR), (40, 50, 3, 8, "JPEG")),
    "ljpeg": (imagecodecs.ljpeg_encode(GRAY, bitspersample=12), (40, 50, 1, 12, "JPEG")),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_reads_what_other_encoders_write(name):
    codestream, expected = WRITTEN[name]
    header = read_frame_header(bytes(codestream))
    assert (header.rows, header.columns, header.samples, header.precision, header.format) == expected
    assert not header.is_signed
    assert header.is_uniform


def test_signed_is_told_by_siz():
    codestream = imagecodecs.jpeg2k_encode(GRAY.astype("i2"), codecformat="j2k", reversible=True)
    header = read_frame_header(codestream)
    assert (header.precision, header.is_signed) == (16, True)


def test_codestream_offset_inside_boxes():
    plain = siz()
    header = read_frame_header(jp2(plain))
    assert header.codestream_offset == len(jp2(b"")) == 32
    assert jp2(plain)[header.codestream_offset :] == plain
    assert read_frame_header(jp2(plain, length=0)) == header  # the last box may have length 0


def test_box_with_extended_length():
    boxes = b"\x00\x00\x00\x0cjP  \r\n\x87\n" + struct.pack(">I4sQ", 1, b"jp2c", 16 + len(siz())) + siz()
    assert read_frame_header(boxes).codestream_offset == 28


def test_components_that_differ():
    header = read_frame_header(siz(((7, 1, 1), (0x80 | 11, 2, 1), (7, 1, 1))))
    assert (header.precision, header.is_signed, header.is_uniform, header.is_subsampled) == (12, True, False, True)


def test_image_offset_is_taken_from_the_size():
    header = read_frame_header(siz(area=(50, 40, 10, 5, 64, 64, 0, 0)))
    assert (header.rows, header.columns, header.image_offset) == (35, 40, (5, 10))


def test_fill_bytes_and_other_segments_before_the_frame_header():
    before = b"\xff\xe0\x00\x05abc" + b"\xff\xff\xff\xfe\x00\x02" + b"\xff\x01"
    assert read_frame_header(sof(before=before)).rows == 40


def test_thumbnail_inside_a_segment_is_not_the_frame():
    thumbnail = sof(size=(1, 2))
    before = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    assert read_frame_header(sof(before=before)).columns == 50


def test_subsampled_jpeg():
    header = read_frame_header(sof(components=((1, 0x22, 0), (2, 0x11, 1), (3, 0x11, 1))))
    assert header.is_subsampled


@pytest.mark.parametrize("name", ["DNL", "LSE"])
def test_jpegls_may_say_its_size_elsewhere(name):
    codestream = bytes(WRITTEN["jpegls"][0])
    at = codestream.index(b"\xff\xf7") + 5
    if name == "DNL":
        codestream = codestream[:at] + b"\0\0" + codestream[at + 2 : -2] + b"\xff\xdc\0\x04\0\x28" + b"\xff\xd9"
    else:
        size = b"\xff\xf8\0\x08\x04\x02\0\x28\0\x32"
        codestream = codestream[:2] + size + codestream[2:at] + bytes(4) + codestream[at + 4 :]
    header = read_frame_header(codestream)
    assert (header.rows, header.columns, header.format) == (40, 50, "JPEG-LS")
    with pytest.raises(TruncatedCodestreamError):
        read_frame_header(codestream[:-2])


def test_jpegls_must_say_its_size_somewhere():
    codestream = bytes(WRITTEN["jpegls"][0])
    at = codestream.index(b"\xff\xf7") + 5
    for size in (b"\0\0\0\x32", b"\0\x28\0\0", bytes(4)):
        with pytest.raises(CodestreamError, match="size of"):
            read_frame_header(codestream[:at] + size + codestream[at + 4 :])


@pytest.mark.parametrize(
    ("codestream", "message"),
    [
        (b"DICM" + bytes(100), "neither SOI"),
        (siz(components=()), "components"),
        (siz(length=40), "components"),
        (siz(((38, 1, 1),)), "precision of 39"),
        (siz(((7, 0, 1),)), "sampling of 0"),
        (siz(area=(50, 40, 50, 0, 50, 40, 0, 0)), "image area"),
        (siz(area=(50, 40, 0, 0, 0, 40, 0, 0)), "image area"),
        (siz(area=(50, 40, 0, 0, 50, 40, 1, 0)), "image area"),
        (siz(area=(65535, 65535, 0, 0, 1, 1, 0, 0)), "tiles"),
        (b"\xff\x4f\xff\x52" + siz()[4:], "SOC and SIZ"),
        (jp2(b"")[:24] + struct.pack(">I4s", 0, b"jp2h") + siz(), "JP2 box of length 0"),
        (jp2(b"")[:12] + struct.pack(">I4s", 8, b"free") * 2000, "JP2 boxes"),
        (sof(precision=17), "precision of 17"),
        (sof(size=(0, 50)), "size of 0 x 50"),
        (sof(components=()), "components"),
        (b"\xff\xd8\xff\xd9" + bytes(10), "EOI"),
        (b"\xff\xd8\xff\xda\x00\x08" + bytes(10), "SOS"),
        (b"\xff\xd8\xff\xde\x00\x08" + bytes(10), "DHP"),
        (b"\xff\xd8\xff\xe0\x00\x01" + bytes(10), "length 1"),
        (b"\xff\xd8\x12\x34" + bytes(10), "1234 is not a marker"),
        (b"\xff\xd8" + b"\xff" * 70000, "no frame header"),
    ],
)
def test_refuses_wrong_headers(codestream, message):
    with pytest.raises(CodestreamError, match=message):
        read_frame_header(codestream)


def test_error_names_offset_and_marker():
    with pytest.raises(CodestreamError) as caught:
        read_frame_header(jp2(siz(((38, 1, 1),))))
    assert (caught.value.offset, caught.value.marker, caught.value.format) == (32 + 42, "SIZ", "JPEG 2000")


def _header_end(codestream: bytes) -> int:
    """Where the frame header ends, found without the code under test."""
    if b"\xff\x4f\xff\x51" in codestream:
        start = codestream.index(b"\xff\x4f\xff\x51") + 4
    else:
        start = next(codestream.index(m) + 2 for m in (b"\xff\xf7", b"\xff\xc0", b"\xff\xc3") if m in codestream)
    return start + int.from_bytes(codestream[start : start + 2], "big")


@pytest.mark.parametrize("name", WRITTEN)
def test_truncation_at_every_byte(name):
    codestream = bytes(WRITTEN[name][0])
    end = _header_end(codestream)
    for length in range(end):
        with pytest.raises(TruncatedCodestreamError):
            read_frame_header(codestream[:length])
    assert read_frame_header(codestream[:end]) == read_frame_header(codestream)


@given(data=st.data())
@settings(deadline=None, max_examples=400)
def test_mutated_headers_raise_nothing_else(data):
    name = data.draw(st.sampled_from(sorted(WRITTEN)))
    codestream = bytearray(WRITTEN[name][0])
    for _ in range(data.draw(st.integers(1, 6))):
        codestream[data.draw(st.integers(0, min(len(codestream), 120) - 1))] = data.draw(st.integers(0, 255))
    try:
        header = read_frame_header(codestream)
    except CodestreamError:
        return
    assert header.rows > 0
    assert header.columns > 0
    assert 1 <= header.precision <= 38


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=200)
def test_any_bytes_raise_nothing_else(codestream):
    for start in (b"", b"\xff\xd8", b"\xff\x4f\xff\x51", jp2(b"")[:12]):
        try:
            read_frame_header(io.BytesIO(start + codestream).getbuffer())
        except CodestreamError:
            continue
