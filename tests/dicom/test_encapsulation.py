import struct
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames

from gpucodec.codecs.formats import Family
from gpucodec.dicom.encapsulation import MAX_ITEM_BYTES, SEQUENCE_DELIMITER, index_frames, item_header
from gpucodec.errors import CodestreamError, LimitExceededError, TruncatedCodestreamError

JPEG = b"\xff\xd8 some entropy coded data \xff\xd9"


def item(value, tag=b"\xfe\xff\x00\xe0"):
    return tag + struct.pack("<L", len(value)) + value


def codestreams(value, num_frames, family=Family.RLE, extended=None, delimited=True, offset=0):
    file = BytesIO(b"x" * offset + value)
    bounds = (offset, offset + len(value))
    index = index_frames(file, bounds, num_frames, family, extended, is_delimited=delimited)
    return [index.read(file, frame) for frame in range(num_frames)]


def even(frame):
    return frame + b"\0" * (len(frame) % 2)


FRAMES = st.lists(st.binary(min_size=2, max_size=60), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(frames=FRAMES, has_bot=st.booleans(), offset=st.integers(0, 3))
def test_whole_frames_are_found_as_pydicom_wrote_them(frames, has_bot, offset):
    value = encapsulate(frames, has_bot=has_bot) + SEQUENCE_DELIMITER
    found = codestreams(value, len(frames), offset=offset)
    assert found == [even(frame) for frame in frames]
    assert found == list(generate_frames(value, number_of_frames=len(frames)))


@settings(deadline=None, max_examples=60)
@given(frames=st.lists(st.binary(min_size=12, max_size=60), min_size=1, max_size=8), fragments=st.integers(2, 5))
def test_fragments_are_joined_by_the_basic_offset_table(frames, fragments):
    value = encapsulate(frames, fragments_per_frame=fragments) + SEQUENCE_DELIMITER
    found = codestreams(value, len(frames), Family.JPEG)
    assert found == [even(frame) for frame in frames]
    assert found == list(generate_frames(value, number_of_frames=len(frames)))


@settings(deadline=None, max_examples=40)
@given(frames=FRAMES)
def test_extended_offset_table_of_pydicom(frames):
    value, offsets, lengths = encapsulate_extended(frames)
    found = codestreams(value + SEQUENCE_DELIMITER, len(frames), extended=(offsets, lengths))
    assert found == [even(frame) for frame in frames]


def test_extended_offset_table_with_lengths_without_padding():
    frames = [b"abc", b"defg"]
    value, offsets, _ = encapsulate_extended(frames)
    found = codestreams(value + SEQUENCE_DELIMITER, 2, extended=(offsets, struct.pack("<2Q", 3, 4)))
    assert found == frames


@settings(deadline=None, max_examples=40)
@given(num_frames=st.integers(1, 6), fragments=st.integers(2, 4))
def test_without_a_table_frames_end_where_codestreams_do(num_frames, fragments):
    frames = [JPEG[:2] + bytes([65 + index]) * 12 + JPEG for index in range(num_frames)]
    value = encapsulate(frames, fragments_per_frame=fragments, has_bot=False) + SEQUENCE_DELIMITER
    found = codestreams(value, num_frames, Family.JPEG_LS)
    assert found == [even(frame) for frame in frames]
    assert found == list(generate_frames(value, number_of_frames=num_frames))


def test_an_end_of_image_inside_a_frame_does_not_end_it():
    frames = [b"\xff\xd8ab\xff\xd9", b"cd" + JPEG[2:], JPEG]  # two fragments of one frame, then another frame
    value = item(b"") + b"".join(item(part) for part in frames) + SEQUENCE_DELIMITER
    assert codestreams(value, 2, Family.JPEG) == [frames[0] + frames[1], JPEG]


def test_one_frame_takes_all_fragments():
    value = item(b"") + item(b"ab") + item(b"cd") + SEQUENCE_DELIMITER
    assert codestreams(value, 1) == [b"abcd"]


def test_empty_items_are_no_frames():
    value = item(b"") + item(b"ab") + item(b"") + item(b"cd") + SEQUENCE_DELIMITER
    assert codestreams(value, 2) == [b"ab", b"cd"]


def test_an_empty_frame_is_named():
    value = item(struct.pack("<2L", 0, 10)) + item(b"ab") + item(b"") + SEQUENCE_DELIMITER
    with pytest.raises(CodestreamError, match="empty") as caught:
        codestreams(value, 2)
    assert caught.value.frame == 1


def test_a_value_of_defined_length_needs_no_delimiter():
    value = encapsulate([b"ab", b"cd"])
    assert codestreams(value, 2, delimited=False) == [b"ab", b"cd"]
    with pytest.raises(TruncatedCodestreamError, match="without a Sequence Delimitation Item"):
        codestreams(value, 2)


def broken(value, num_frames=2, kind=CodestreamError, **options):
    with pytest.raises(kind) as caught:
        codestreams(value, num_frames, **options)
    return caught.value


def test_a_wrong_item_tag_is_named_with_frame_and_offset():
    value = item(b"") + item(b"ab") + item(b"cd", tag=b"\xfe\xff\x01\xe0") + SEQUENCE_DELIMITER
    error = broken(value)
    assert "(FFFE,E001)" in str(error)
    assert (error.frame, error.offset) == (1, 18)


def test_a_wrong_first_tag_is_no_basic_offset_table():
    assert "(7FE0,0010)" in str(broken(b"\xe0\x7f\x10\x00\0\0\0\0"))


def test_an_item_longer_than_the_file_is_truncated():
    value = item(b"") + item(b"ab") + b"\xfe\xff\x00\xe0" + struct.pack("<L", 0xFFFFFFF0) + b"cd"
    error = broken(value, kind=TruncatedCodestreamError)
    assert (error.frame, error.offset) == (1, 18)
    assert "4294967280" in str(error)


def test_an_item_of_undefined_length_is_refused():
    value = item(b"") + b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + b"cd" + SEQUENCE_DELIMITER
    assert "undefined length" in str(broken(value))


def test_a_basic_offset_table_longer_than_the_file_is_truncated():
    broken(b"\xfe\xff\x00\xe0" + struct.pack("<L", 0x7FFFFFFC), kind=TruncatedCodestreamError)


def test_a_basic_offset_table_of_odd_length_is_refused():
    assert "multiple of 4" in str(broken(item(b"\0\0") + item(b"ab") + SEQUENCE_DELIMITER))


@pytest.mark.parametrize("table", [(0, 4), (0, 0), (2, 10), (0, 1000), (10, 0), (10, 20)])
def test_a_basic_offset_table_that_points_beside_the_items_is_refused(table):
    value = item(struct.pack("<2L", *table)) + item(b"ab") + item(b"cd") + SEQUENCE_DELIMITER
    error = broken(value)
    assert "Basic Offset Table points to byte" in str(error)
    assert error.frame in (0, 1)


def test_a_table_of_another_number_of_frames_is_refused():
    value = encapsulate([b"ab", b"cd"]) + SEQUENCE_DELIMITER
    assert "has 2 frames, (0028,0008) 'Number of Frames' says 3" in str(broken(value, 3))


@pytest.mark.parametrize(
    ("offsets", "lengths", "message"),
    [
        ((0, 10), (2,), "both must have 8 a frame"),
        ((0, 10), (2, 4), "say 4 bytes"),
        ((0, 10), (0, 2), "say 0 bytes"),
        ((0, 2**63), (2, 2), "points to byte 9223372036854775808"),
        ((0, 11), (2, 2), "points to byte 11"),
    ],
)
def test_a_wrong_extended_offset_table_is_refused(offsets, lengths, message):
    value = item(b"") + item(b"ab") + item(b"cd") + SEQUENCE_DELIMITER
    extended = (struct.pack(f"<{len(offsets)}Q", *offsets), struct.pack(f"<{len(lengths)}Q", *lengths))
    assert message in str(broken(value, extended=extended))


def test_an_extended_offset_table_with_several_fragments_a_frame_is_refused():
    value = item(b"") + item(b"ab") + item(b"cd") + item(b"ef") + SEQUENCE_DELIMITER
    assert "one fragment" in str(broken(value, extended=(struct.pack("<2Q", 0, 20), struct.pack("<2Q", 2, 2))))


def test_fewer_fragments_than_frames_is_an_error():
    value = item(b"") + item(b"ab") + SEQUENCE_DELIMITER
    assert broken(value, 2, TruncatedCodestreamError).frame == 1
    broken(item(b"") + SEQUENCE_DELIMITER, 1, TruncatedCodestreamError)


def test_more_fragments_than_frames_that_cannot_be_told_apart_is_an_error():
    value = item(b"") + item(b"ab") + item(b"cd") + item(b"ef") + SEQUENCE_DELIMITER
    assert "no offset table" in str(broken(value, 2))
    assert "no offset table" in str(broken(value, 2, family=Family.JPEG))


def test_item_header():
    assert item_header(6) == b"\xfe\xff\x00\xe0\x06\0\0\0"
    assert item_header(MAX_ITEM_BYTES)[4:] == b"\xfe\xff\xff\xff"
    with pytest.raises(LimitExceededError, match="4294967296"):
        item_header(2**32)
