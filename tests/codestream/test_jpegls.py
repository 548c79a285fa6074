import itertools
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpucodec.codestream.jpegls import (
    InterleaveMode,
    Preset,
    default_preset,
    encoding_limits,
    largest_near,
    read_codestream,
    resolve_preset,
    write_frame_header,
    write_scan_header,
)
from gpucodec.errors import CodestreamError, TruncatedCodestreamError, UnsupportedError
from tests.codecs.jpegls_streams import (
    APP8,
    COM,
    DNL,
    DRI,
    EOI,
    LINE,
    LSE,
    NONE,
    SAMPLE,
    SOI,
    SOS,
    charls,
    coded,
    entropy_coded,
    frame_header,
    insert,
    mapping_table,
    preset,
    scan_header,
    segment,
    with_restarts,
)

RNG = np.random.default_rng(3)
GREY = RNG.integers(0, 256, (12, 17), dtype="u1")
COLOUR = RNG.integers(0, 256, (12, 17, 3), dtype="u1")
DEEP = RNG.integers(0, 1 << 16, (12, 17), dtype="u2")
PLAIN = coded(GREY, 8)


def stream(*segments, data=PLAIN, end=EOI):
    return SOI + b"".join(segments) + data + end


SOF, SCAN = frame_header(12, 17, 8), scan_header()


# -- what encoders write


@pytest.mark.parametrize("near", [0, 2])
@pytest.mark.parametrize(("frame", "bits"), [(GREY, 8), (COLOUR, 8), (DEEP, 16)], ids=["grey", "colour", "deep"])
@pytest.mark.parametrize("interleave", [NONE, LINE, SAMPLE])
def test_reads_what_charls_writes(frame, bits, near, interleave):
    codestream = charls(frame, bits, near, interleave)
    found = read_codestream(codestream)
    components = frame.shape[2] if frame.ndim == 3 else 1
    mode = interleave if components > 1 else NONE
    assert (found.rows, found.columns, found.precision, len(found.components)) == (12, 17, bits, components)
    assert not found.is_subsampled
    together = [(k,) for k in range(components)] if mode == NONE else [tuple(range(components))]
    assert [scan.components for scan in found.scans] == together
    assert {(scan.near, scan.interleave_mode) for scan in found.scans} == {(near, mode)}
    data = [codestream[start:end] for scan in found.scans for start, end in scan.intervals]
    assert data == entropy_coded(codestream)


@pytest.mark.parametrize("near", [0, 1, 3, 255])
@pytest.mark.parametrize("bits", range(2, 17))
@pytest.mark.parametrize(("components", "interleave"), [(1, NONE), (3, NONE), (3, SAMPLE), (4, SAMPLE)])
def test_headers_are_those_of_charls(bits, near, components, interleave):
    near = min(near, largest_near((1 << bits) - 1))
    shape = (5, 300) if components == 1 else (5, 300, components)
    codestream = charls(np.zeros(shape, "u1" if bits <= 8 else "u2"), bits, near, interleave)
    chosen = default_preset((1 << bits) - 1, near)
    header = write_frame_header(5, 300, bits, components, chosen, near)
    together = [[k + 1] for k in range(components)] if interleave == NONE else [range(1, components + 1)]
    scans = [write_scan_header(names, near, InterleaveMode(interleave)) for names in together]
    written = b"".join(itertools.chain(*zip(scans, entropy_coded(codestream), strict=True)))
    assert header + written + EOI == codestream


@pytest.mark.parametrize("near", [0, 1, 7, 100, 255])
@pytest.mark.parametrize("bits", [13, 14, 15, 16])
def test_default_thresholds_are_those_that_charls_writes(bits, near):
    codestream = charls(np.zeros((4, 4), "u2"), bits, near)
    at = codestream.index(b"\xff\xf8") + 5
    assert default_preset((1 << bits) - 1, near) == _preset(*struct.unpack_from(">5H", codestream, at))


def _preset(maximum, t1, t2, t3, reset):
    return Preset(maximum, (t1, t2, t3), reset)


def test_unusual_parameters_are_written():
    chosen = Preset(200, (4, 9, 30), 31)
    header = write_frame_header(12, 17, 8, 1, chosen, 0)
    found = read_codestream(header + write_scan_header([1], 0, InterleaveMode.NONE) + PLAIN + EOI)
    assert found.scans[0].preset == chosen


# -- each segment


def test_zeros_in_a_preset_mean_the_defaults():
    found = read_codestream(stream(SOF, preset(0, (0, 9, 0), 0), SCAN))
    assert found.scans[0].preset == Preset(255, (3, 9, 21), 64)
    assert resolve_preset((4095, 0, 0, 0, 0), 16, 0) == Preset(4095, (18, 67, 276), 64)


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ((preset(0, (9, 5, 21)),), "T2 of 5 is not allowed, must be 9 to 255"),
        ((preset(0, (3, 7, 5)),), "T3 of 5 is not allowed, must be 7 to 255"),
        ((preset(100, (3, 7, 101)),), "T3 of 101 is not allowed, must be 7 to 100"),
        ((preset(256),), "MAXVAL of 256 is not allowed, must be 1 to 255"),
        ((preset(reset=2),), "RESET of 2 is not allowed, must be 3 to 255"),
        ((preset(reset=256),), "RESET of 256 is not allowed, must be 3 to 255"),
        ((segment(LSE, b"\x05"),), "an identifier of 5"),
        ((segment(LSE, b"\x01\0\0"),), "a length of 5 is not allowed, must be 13"),
        ((segment(LSE, b""),), "a length of 2"),
        ((segment(LSE, b"\x02\x01"),), "a length of 4"),
        ((segment(LSE, b"\x02\x01\x02abc"),), "3 bytes for mapping table 1 with entries of 2 bytes"),
        ((segment(LSE, b"\x02\0\x01abc"),), "mapping table 0"),
        ((segment(LSE, b"\x02\x01\0abc"),), "entries of 0 bytes"),
        ((segment(LSE, b"\x03\x01\x01abc"),), "which has not begun"),
        ((segment(LSE, b"\x04\x05" + bytes(10)),), "a Wxy of 5"),
        ((segment(LSE, b"\x04\x02\0\x0c\0\x12"),), "a size of 12 x 18, the frame header 12 x 17"),
        ((segment(DRI, b"\0"),), "a length of 3 is not allowed, must be 4 to 6"),
        ((segment(DNL, b"\0\x0c"),), "DNL may only follow the first scan"),
        ((SOF,), "a second frame header"),
        ((segment(0xC4, b"\0"),), "the marker is not allowed here"),
        ((segment(0xC0, bytes(9)),), "SOF0 belongs to JPEG"),
        ((b"\xff\xd3",), "a restart marker where none is due"),
        ((b"\xff\xd8",), "the marker is not allowed here"),
        ((b"\xff\xe0\0\x01",), "a marker segment of length 1"),
        ((b"ab",), "6162 is not a marker"),
        ((b"\xff\x12",), "ff12 is not a marker"),
    ],
)
def test_wrong_segments_are_named_with_their_place(segments, message):
    with pytest.raises(CodestreamError, match=message) as caught:
        read_codestream(stream(SOF, *segments, SCAN))
    assert caught.value.format == "JPEG-LS"
    assert caught.value.offset is not None


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (frame_header(12, 17, 1), "a precision of 1 is not allowed, must be 2 to 16"),
        (frame_header(12, 17, 17), "a precision of 17"),
        (frame_header(12, 0, 8), "a size of 12 x 0"),
        (frame_header(0, 17, 8), "a size of 0 x 17"),
        (frame_header(12, 17, 8, factors=[0x15]), "sampling factors of 1 x 5"),
        (frame_header(12, 17, 8, factors=[0x01]), "sampling factors of 0 x 1"),
        (segment(0xF7, bytes(5)), "a length of 7"),
        (segment(0xF7, b"\x08\0\x0c\0\x11\x02\x01\x11\0"), "does not go with 2 components"),
        (segment(0xF7, b"\x08\0\x0c\0\x11\0"), "does not go with 0 components"),
        (segment(0xF7, b"\x08\0\x0c\0\x11\x02\x01\x11\0\x01\x11\0"), "two components have the same identifier"),
        (b"", "a scan before the frame header"),
    ],
)
def test_wrong_frame_headers(header, message):
    with pytest.raises(CodestreamError, match=message):
        read_codestream(stream(header, SCAN))


@pytest.mark.parametrize(
    ("scan", "message"),
    [
        (scan_header([2]), "component 2 is not in the frame, or in two scans"),
        (scan_header(near=128), "NEAR of 128 is not allowed, must be 0 to 127"),
        (scan_header(interleave=SAMPLE), "an ILV of 2 does not go with 1 components"),
        (scan_header(interleave=3), "an ILV of 3"),
        (scan_header(transform=8), "a point transform of 8 for 8 bits"),
        (scan_header(tables=b"\x07"), "mapping table 7 has not been defined"),
        (segment(SOS, b"\x01\x01\0"), "a length of 5 does not go with 1 components"),
        (segment(SOS, b""), "a length of 2"),
        (segment(SOS, b"\x05" + bytes(13)), "does not go with 5 components"),
        (SCAN + PLAIN + SCAN, "component 1 is not in the frame, or in two scans"),
        (b"\xff\xfe\0\x02", "is not a marker"),
    ],
)
def test_wrong_scan_headers(scan, message):
    with pytest.raises(CodestreamError, match=message):
        read_codestream(stream(SOF, scan))


def test_interleaved_components_follow_the_frame_header():
    header = frame_header(12, 17, 8, 3)
    with pytest.raises(CodestreamError, match="not in the frame header's order"):
        read_codestream(stream(header, scan_header([2, 1, 3], interleave=SAMPLE)))
    with pytest.raises(CodestreamError, match=r"no scan has the components \[3\]"):
        read_codestream(stream(header, scan_header([1, 2], interleave=SAMPLE)))
    with pytest.raises(CodestreamError, match="an ILV of 0 does not go with 3 components"):
        read_codestream(stream(header, scan_header([1, 2, 3])))


def test_preset_and_restart_interval_hold_for_the_scans_after_them():
    header = frame_header(12, 17, 8, 2)
    first, second = coded(GREY, 8), coded(GREY[:6], 8) + b"\xff\xd0" + coded(GREY[6:], 8)
    between = preset(255, (5, 6, 7), 30) + segment(DRI, b"\0\x06")
    found = read_codestream(stream(header, SCAN, first, between, scan_header([2]), data=second))
    assert [scan.preset.thresholds for scan in found.scans] == [(3, 7, 21), (5, 6, 7)]
    assert [scan.restart_interval for scan in found.scans] == [0, 6]
    assert [len(scan.intervals) for scan in found.scans] == [1, 2]


def test_mapping_tables_go_on_in_further_segments():
    entries = np.arange(300, dtype="u2")
    segments = [mapping_table(entries[:200]), mapping_table(entries[200:], kind=3)]
    found = read_codestream(stream(SOF, *segments, scan_header(tables=b"\x01")))
    assert found.scans[0].mapping_tables == (1,)
    assert found.mapping_tables[1].entry_bytes == 2
    assert found.mapping_tables[1].content == entries.astype(">u2").tobytes()


def test_a_mapping_table_has_an_entry_a_value_at_most():
    parts = [mapping_table(np.zeros(60000, "u1"), kind=kind) for kind in (2, 3)]
    with pytest.raises(CodestreamError, match="more entries than samples have values"):
        read_codestream(stream(SOF, *parts, SCAN))


@pytest.mark.parametrize("width", [2, 3, 4])
def test_size_by_lse_and_by_dnl(width):
    size = b"\x04" + bytes((width,)) + (12).to_bytes(width, "big") + (17).to_bytes(width, "big")
    found = read_codestream(stream(frame_header(0, 0, 8), segment(LSE, size), SCAN))
    assert (found.rows, found.columns) == (12, 17)
    lines = segment(DNL, (12).to_bytes(width, "big"))
    found = read_codestream(stream(frame_header(0, 17, 8), SCAN, end=lines + EOI))
    assert (found.rows, found.components[0].rows) == (12, 12)


def test_dnl_may_not_contradict_the_frame_header():
    with pytest.raises(CodestreamError, match="a number of lines of 13, the frame header says 12"):
        read_codestream(stream(SOF, SCAN, end=segment(DNL, b"\0\x0d") + EOI))
    assert read_codestream(stream(SOF, SCAN, end=segment(DNL, b"\0\x0c") + EOI)).rows == 12


@pytest.mark.parametrize("width", [2, 3, 4])
def test_restart_markers(width):
    found = read_codestream(with_restarts(np.tile(GREY, (3, 1)), 8, 3, width=width))
    (scan,) = found.scans
    assert scan.restart_interval == 3
    assert len(scan.intervals) == 12


def test_restart_markers_in_the_wrong_place():
    codestream = with_restarts(GREY, 8, 3)
    with pytest.raises(CodestreamError, match="RST0 where RST1 is due") as caught:
        read_codestream(codestream.replace(b"\xff\xd1", b"\xff\xd0"))
    assert caught.value.marker == "RST0"
    with pytest.raises(CodestreamError, match="3 restart markers in a scan of 12 lines with one every 4, 2 are due"):
        read_codestream(codestream.replace(b"\xff\xdd\0\x04\0\x03", b"\xff\xdd\0\x04\0\x04"))
    with pytest.raises(CodestreamError, match=r"3 restart markers .* 11 are due"):
        read_codestream(codestream.replace(b"\xff\xdd\0\x04\0\x03", b"\xff\xdd\0\x04\0\x01"))
    with pytest.raises(CodestreamError, match="a restart marker where none is due"):
        read_codestream(codestream.replace(b"\xff\xdd\0\x04\0\x03", b"\xff\xdd\0\x04\0\0"))


def test_fill_bytes_stand_before_any_marker():
    filled = with_restarts(GREY, 8, 4).replace(b"\xff\xd1", b"\xff\xff\xff\xd1").replace(EOI, b"\xff\xff" + EOI)
    filled = filled.replace(b"\xff\xf7", b"\xff\xff\xff\xf7")
    data = [filled[start:end] for start, end in read_codestream(filled).scans[0].intervals]
    assert data == [coded(GREY[k : k + 4], 8) for k in (0, 4, 8)]


def test_comments_applications_and_padding_mean_nothing():
    plain = charls(GREY, 8)
    extra = [segment(COM, b"hello"), segment(0xE0, b"\xff\xd9"), segment(APP8, b"SPIFF\0\x02\0")]
    found, expected = read_codestream(insert(plain, *extra) + b"\0\xff\xd8junk"), read_codestream(plain)
    assert found.scans[0].preset == expected.scans[0].preset
    assert (found.rows, found.columns, found.colour_transform) == (12, 17, 0)


def test_colour_transforms():
    plain = charls(COLOUR, 8)
    for number in range(4):
        assert read_codestream(insert(plain, segment(APP8, b"mrfx" + bytes((number,))))).colour_transform == number
    with pytest.raises(UnsupportedError, match="colour transform 4"):
        read_codestream(insert(plain, segment(APP8, b"mrfx\x04")))


def test_components_of_different_sizes():
    found = read_codestream(
        stream(frame_header(10, 21, 8, factors=[0x24, 0x21, 0x12]), scan_header([1, 2, 3], interleave=LINE))
    )
    assert [(c.rows, c.columns) for c in found.components] == [(10, 21), (3, 21), (5, 11)]
    assert found.is_subsampled
    assert found.num_lines(found.scans[0]) == 3


@pytest.mark.parametrize(
    ("bits", "near", "reasons"),
    [
        (1, 0, ["1 bits stored, JPEG-LS allows 2 to 16"]),
        (17, 0, ["17 bits stored, JPEG-LS allows 2 to 16"]),
        (2, 2, ["a 'jls_error' of 2 is above 1, the largest that 2 bits stored allow"]),
        (8, 127, []),
        (16, 255, []),
    ],
)
def test_encoding_limits(bits, near, reasons):
    assert encoding_limits(bits, near) == reasons


# -- bad bytes

SAMPLES = {
    "grey": charls(GREY, 8),
    "deep": charls(DEEP, 16, 3),
    "planes": charls(COLOUR, 8, 0, NONE),
    "restarts": with_restarts(COLOUR[:6], 8, 2),
    "tables": stream(SOF, mapping_table(np.arange(256, dtype="u1")), scan_header(tables=b"\x01")),
    "oversize": stream(frame_header(0, 0, 8), segment(LSE, b"\x04\x02\0\x0c\0\x11"), SCAN),
    "dnl": stream(frame_header(0, 17, 8), SCAN, end=segment(DNL, b"\0\x0c") + EOI),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_truncation_at_every_byte(name):
    codestream = SAMPLES[name]
    read_codestream(codestream)
    for length in range(len(codestream)):
        with pytest.raises(TruncatedCodestreamError) as caught:
            read_codestream(codestream[:length])
        assert caught.value.offset == length


@pytest.mark.parametrize("content", [b"\0\0", b"\xff\x4f\xff\x51", b"RIFF"])
def test_other_formats(content):
    with pytest.raises(CodestreamError, match="not with SOI"):
        read_codestream(content)


@settings(deadline=None, max_examples=600)
@given(st.data())
def test_mutations_are_refused_or_describe_something_consistent(data):
    codestream = bytearray(SAMPLES[data.draw(st.sampled_from(sorted(SAMPLES)))])
    header = min(len(codestream) - 1, 70)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.one_of(st.integers(0, header), st.integers(0, len(codestream) - 1)))
        codestream[at] = data.draw(st.one_of(st.integers(0, 255), st.sampled_from([0xFF, 0xD9, 0xDA, 0xD0, 0xF8])))
    try:
        found = read_codestream(bytes(codestream))
    except (CodestreamError, UnsupportedError):
        return
    assert found.rows > 0
    assert found.columns > 0
    assert sorted(index for scan in found.scans for index in scan.components) == [*range(len(found.components))]
    ends = [0]
    for scan in found.scans:
        maximum = scan.preset.maximum_sample_value
        assert 0 <= scan.near <= min(255, maximum // 2)
        assert [*scan.preset.thresholds] == sorted(scan.preset.thresholds)
        assert scan.near < scan.preset.thresholds[0] <= scan.preset.thresholds[2] <= maximum < 1 << found.precision
        ends += [place for interval in scan.intervals for place in interval]
    assert ends == sorted(ends)
    assert ends[-1] <= len(codestream) - 2
