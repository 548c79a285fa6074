"""JPEG 2000 headers: every marker segment of T.800 Annex A, tile-parts in any order, and what is wrong with bytes."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpucodec.codestream.j2k_plan import plan_decoding
from gpucodec.codestream.j2k_reader import read_codestream
from gpucodec.codestream.j2k_segments import Progression
from gpucodec.errors import CodestreamError, GpucodecError, LimitExceededError, TruncatedCodestreamError
from tests.codestream.j2k_streams import EOC, SOC, coc, cod, plain, poc, qcd, segment, siz, tile_part
from tests.reference.tiles import Component

ONE = Component(1, 1, 3, 6, 6, ((15, 15),) * 4)


HT = Component(1, 1, 3, 6, 6, ((15, 15),) * 4, 0x40)


def several(parts: list[bytes], *, main: bytes = b"", end: bytes = EOC, number: int = 1) -> bytes:
    """Return a codestream of 2 x 2 tiles of 8 x 8 samples made of these tile-parts."""
    header = SOC + siz((0, 0, 16, 16), (0, 0, 8, 8), [(7, 1, 1)] * number) + cod(ONE) + qcd(3) + main
    return header + b"".join(parts) + end


def packets_of(codestream: bytes) -> list[tuple[int, bytes]]:
    found = read_codestream(codestream)
    return [(tile, codestream[begin:end]) for tile, begin, end in found.tile_parts.tolist()]


# -- what is said


def test_size_and_components() -> None:
    described = [(7, 1, 1), (0x80 | 11, 2, 1), (37, 3, 255)]
    codestream = SOC + siz((3, 4, 50, 40), (1, 2, 20, 30), described) + cod(ONE) + qcd(3) + tile_part(0, 0, b"", b"")
    size = read_codestream(codestream).size
    assert (size.x0, size.y0, size.x1, size.y1, size.rows, size.columns) == (3, 4, 50, 40, 36, 47)
    assert (size.tile_x0, size.tile_y0, size.tile_width, size.tile_height) == (1, 2, 20, 30)
    assert (size.tiles_across, size.tiles_down) == (3, 2)
    assert [(c.precision, c.is_signed, c.dx, c.dy) for c in size.components] == [
        (8, False, 1, 1), (12, True, 2, 1), (38, False, 3, 255),
    ]  # fmt: skip


def test_a_component_has_the_most_special_style_and_quantization() -> None:
    fine, coarse = Component(1, 1, 2, 4, 5, ((3, 4), (5, 6), (7, 8)), 9), Component(1, 1, 1, 3, 3, ((15, 15),) * 2)
    qcc = segment(0xFF5D, bytes((1, 3 << 5, 40 << 3 & 0xFF, *(8,) * 9)))
    main = coc(1, fine) + qcc
    tile = cod(coarse, "CPRL", 4, markers=6) + segment(0xFF5D, bytes((0, 4 << 5, *(80,) * 10)))
    found = read_codestream(several([tile_part(2, 0, tile, b"")], main=main, number=3))
    of_all, of_tile = found.parameters, found.tile_parameters[2]
    assert list(found.tile_parameters) == [2]
    assert [c.levels for c in of_all.codings] == [3, 2, 3]
    assert [q.guard_bits for q in of_all.quantizations] == [2, 3, 2]
    assert (of_all.codings[1].width_exponent, of_all.codings[1].height_exponent) == (4, 5)
    assert of_all.codings[1].precincts == ((3, 4), (5, 6), (7, 8))
    assert of_all.codings[1].codeblock_style == 9
    # COD of a tile is above COC of the main header, but QCC of the main header stands where the tile has no QCD.
    assert [c.levels for c in of_tile.codings] == [1, 1, 1]
    assert [q.guard_bits for q in of_tile.quantizations] == [4, 3, 2]
    assert (of_tile.packets.num_layers, of_tile.packets.sop, of_tile.packets.eph) == (4, True, True)
    assert of_tile.packets.progression_order.name == "CPRL"
    assert of_all.packets.num_layers == 1


def test_steps_of_subbands() -> None:
    told = [(9 + band) << 11 | 100 * band for band in range(10)]
    expounded = segment(0xFF5C, bytes((2 << 5 | 2,)) + struct.pack(">10H", *told))
    derived = segment(0xFF5C, bytes((1 << 5 | 1,)) + struct.pack(">H", 9 << 11 | 77))
    header = SOC + siz((0, 0, 16, 16), (0, 0, 16, 16), [(7, 1, 1)]) + cod(ONE)
    steps = read_codestream(header + expounded + tile_part(0, 0, b"", b"")).parameters.quantizations[0]
    assert [steps.step(band, 1, 3) for band in (0, 3, 9)] == [(9, 0), (12, 300), (18, 900)]
    steps = read_codestream(header + derived + tile_part(0, 0, b"", b"")).parameters.quantizations[0]
    # (E-5): the exponent falls by one with each level that a subband is above the lowest.
    assert [steps.step(band, level, 3) for band, level in ((0, 3), (1, 3), (4, 2), (9, 1))] == [
        (9, 77), (9, 77), (8, 77), (7, 77),
    ]  # fmt: skip


def test_progression_changes_and_regions_of_interest() -> None:
    main = poc([(0, 0, 1, 2, 1, "RLCP"), (1, 0, 5, 33, 0, "PCRL")]) + segment(0xFF5E, b"\x00\x00\x05")
    tile = poc([(0, 0, 1, 9, 1, "CPRL")]) + segment(0xFF5E, b"\x00\x00\x07")
    later = poc([(2, 0, 2, 9, 1, "LRCP")])
    parts = [tile_part(1, 0, tile, b""), tile_part(1, 1, later, b""), tile_part(0, 0, b"", b"")]
    found = read_codestream(several(parts, main=main))
    assert found.parameters.progressions == (Progression(1, 0, 2, 0, 1, 1), Progression(3, 1, 33, 0, 256, 5))
    assert found.tile_parameters[1].progressions == (Progression(4, 0, 9, 0, 1, 1), Progression(0, 2, 9, 0, 1, 2))
    assert (found.parameters.roi_shifts, found.tile_parameters[1].roi_shifts) == ((5,), (7,))


def test_what_says_nothing_of_samples_is_passed_over() -> None:
    main = b"".join(segment(code, bytes(6)) for code in (0xFF55, 0xFF57, 0xFF59, 0xFF63, 0xFF64)) + b"\xff\x30"
    main += segment(0xFF6F, b"unknown")
    tile = segment(0xFF58, bytes(3)) + segment(0xFF64, bytes(3))
    assert packets_of(plain(b"abcd", main=main, tile=tile)) == [(0, b"abcd")]


def test_wide_component_numbers() -> None:
    number = 300
    style = struct.pack(">HB", 299, 0) + bytes((1, 4, 4, 0, 1))
    main = segment(0xFF53, style) + segment(0xFF5F, struct.pack(">BHHBHB", 0, 256, 1, 2, 0, 0))
    found = read_codestream(several([tile_part(0, 0, b"", b"")], main=main, number=number))
    assert [coding.levels for coding in found.parameters.codings] == [3] * 299 + [1]
    assert found.parameters.progressions == (Progression(0, 0, 2, 256, 16384, 1),)


@pytest.mark.parametrize(
    ("main", "reason"),
    [
        (segment(0xFF50, struct.pack(">IH", 1 << 17, 0)), None),
        (segment(0xFF50, struct.pack(">IHH", 1 << 17 | 1 << 30, 0, 0)), "Part 2 of"),
        (qcd(3, guard_bits=7, exponent=25), None),
        (qcd(3, guard_bits=7, exponent=26), "32 magnitude bit-planes"),
        (qcd(3, guard_bits=7, exponent=25) + segment(0xFF5E, b"\x00\x00\x1f"), None),
        (qcd(3, guard_bits=7, exponent=25) + segment(0xFF5E, b"\x00\x00\x20"), "63 magnitude bit-planes with a region"),
        (coc(0, HT) + qcd(3, 2, 25) + segment(0xFF5E, b"\x00\x00\x05"), None),
        (coc(0, HT) + qcd(3, 2, 25) + segment(0xFF5E, b"\x00\x00\x06"), "32 magnitude bit-planes with a region"),
    ],
)
def test_what_is_legal_but_too_much_is_told(main: bytes, reason: str | None) -> None:
    unsupported = read_codestream(plain(main=main)).unsupported
    assert [reason in text for text in unsupported] == ([True] if reason else [])


def test_precision_and_part_2_are_told() -> None:
    header = SOC + siz((0, 0, 16, 16), (0, 0, 16, 16), [(31, 1, 1)], rsiz=0x8000) + cod(ONE) + qcd(3)
    unsupported = read_codestream(header + tile_part(0, 0, b"", b"")).unsupported
    assert ["Part 2" in unsupported[0], "precision of 32" in unsupported[1]] == [True, True]


@pytest.mark.parametrize(("style", "expected"), [(0, False), (0x3F, False), (0x40, True), (0xC0, True)])
def test_high_throughput_is_told_by_the_codeblock_style(style: int, expected: bool) -> None:
    component = Component(1, 1, 3, 6, 6, ((15, 15),) * 4, style)
    assert read_codestream(plain(main=coc(0, component))).is_high_throughput is expected
    assert read_codestream(plain(tile=coc(0, component))).is_high_throughput is expected


# -- where packets are


def test_tile_parts_in_any_order() -> None:
    order = [(3, 1), (0, 0), (3, 0), (1, 0), (0, 2), (0, 1), (2, 0)]
    parts = [tile_part(tile, index, b"", f"{tile}{index}".encode()) for tile, index in order]
    expected = [(tile, f"{tile}{index}".encode()) for tile, index in sorted(order)]
    assert packets_of(several(parts)) == expected


@pytest.mark.parametrize("end", [b"", EOC, EOC + b"\x00", EOC + bytes(9), b"\x00", EOC + b"something else"])
def test_the_end_may_be_missing_or_padded(end: bytes) -> None:
    assert packets_of(several([tile_part(0, 0, b"", b"abc")], end=end)) == [(0, b"abc")]


@pytest.mark.parametrize("end", [EOC, EOC + b"\x00", EOC + bytes(3)])
def test_the_last_tile_part_may_not_tell_its_length(end: bytes) -> None:
    parts = [tile_part(0, 0, b"", b"abc"), tile_part(1, 0, b"", b"de\x00", 0)]
    assert packets_of(several(parts, end=end)) == [(0, b"abc"), (1, b"de\x00")]
    assert packets_of(several(parts, end=b""))[1] == (1, b"de\x00")


def test_packet_headers_of_the_main_header() -> None:
    """PPM: for each tile-part in the codestream a length and as many bytes, which marker segments may cut anywhere."""
    pieces = {(2, 0): b"two", (0, 0): b"", (2, 1): b"2 again", (1, 0): b"one!"}
    joined = b"".join(struct.pack(">I", len(piece)) + piece for piece in pieces.values())
    main = b"".join(segment(0xFF60, bytes((number,)) + joined[begin : begin + 9])
                    for number, begin in ((1, 9), (0, 0), (2, 18), (3, 27)))  # fmt: skip
    found = read_codestream(several([tile_part(*key, b"", b"xy") for key in pieces], main=main))
    parts = [(tile, found.packed_headers[begin:end]) for tile, begin, end in found.packed_parts.tolist()]
    assert parts == [(tile, pieces[tile, index]) for tile, index in sorted(pieces)]


def test_packet_headers_of_tile_part_headers() -> None:
    first = segment(0xFF61, b"\x01cd") + segment(0xFF61, b"\x00ab")
    parts = [tile_part(1, 0, first, b"xy"), tile_part(0, 0, b"", b"z"), tile_part(1, 1, segment(0xFF61, b"\x00e"), b"")]
    found = read_codestream(several(parts))
    parts = [(tile, found.packed_headers[begin:end]) for tile, begin, end in found.packed_parts.tolist()]
    assert parts == [(1, b"abcd"), (1, b"e")]
    assert found.num_packet_bytes == 3 + 5


def test_boxes_around_a_codestream() -> None:
    inside = plain(b"abcd")
    boxes = b"\x00\x00\x00\x0cjP  \r\n\x87\n" + struct.pack(">I4s", 0, b"jp2c")
    found = read_codestream(boxes + inside)
    assert found.codestream_offset == len(boxes)
    assert packets_of(boxes + inside) == [(0, b"abcd")]
    assert found.plan_key == read_codestream(inside).plan_key


def test_bytes_of_any_kind_are_taken() -> None:
    for kind in (bytearray, memoryview):
        np.testing.assert_array_equal(read_codestream(kind(plain())).tile_parts, read_codestream(plain()).tile_parts)


# -- what is wrong


BAD_MAIN = [
    (segment(0xFF52, bytes((0, 5, 0, 1, 0, 3, 4, 4, 0, 1))), "progression order of 5", 1),
    (segment(0xFF52, bytes((0, 0, 0, 0, 0, 3, 4, 4, 0, 1))), "0 layers", 2),
    (segment(0xFF52, bytes((0, 0, 0, 1, 2, 3, 4, 4, 0, 1))), "component transform of 2", 4),
    (segment(0xFF52, bytes((0, 0, 0, 1, 0, 33, 4, 4, 0, 1))), "33 decomposition levels", 5),
    (segment(0xFF52, bytes((0, 0, 0, 1, 0, 3, 9, 0, 0, 1))), "codeblocks of", 6),
    (segment(0xFF52, bytes((0, 0, 0, 1, 0, 3, 6, 5, 0, 1))), "codeblocks of", 6),
    (segment(0xFF52, bytes((0, 0, 0, 1, 0, 3, 4, 4, 0, 2))), "wavelet of 2", 9),
    (segment(0xFF52, bytes((0, 0, 0, 1, 0, 3, 4, 4, 0x80, 1))), "codeblock style of 80", 8),
    (segment(0xFF52, bytes((1, 0, 0, 1, 0, 1, 4, 4, 0, 1, 0x11, 0x05))), "too small at resolution level 1", 11),
    (segment(0xFF52, bytes((1, 0, 0, 1, 0, 3, 4, 4, 0, 1, 0x11))), "too short", -2),
    (segment(0xFF53, bytes((1, 0, 3, 4, 4, 0, 1))), "no component 1", 0),
    (segment(0xFF5C, bytes((3, 8, 8))), "quantization style of 3", 0),
    (segment(0xFF5C, bytes((1, 8))), "no room for a step", -2),
    (segment(0xFF5C, bytes((0,))), "no room for a step", -2),
    (segment(0xFF5E, bytes((0, 1, 5))), "style 1", 1),
    (segment(0xFF5F, bytes(6)), "not that of whole", -2),
    (segment(0xFF5F, bytes((2, 0, 1, 2, 1, 0, 0))), "empty progression", 0),
    (segment(0xFF5F, bytes((0, 0, 0, 1, 2, 1, 9))), "progression order of 9", 6),
    (segment(0xFF5F, bytes((0, 0, 0, 1, 2, 1, 0)) * 1100), "more than 1024", 0),
    (segment(0xFF50, bytes(3)), "too short", -2),
    (segment(0xFF50, struct.pack(">IH", 3 << 17, 0)), "too short for its 2 parts", -2),
    (segment(0xFF60, b"\x00\x00\x00\x00\x05abc"), "5 bytes of packet headers of tile-part 0 of tile 0", 0),
    (segment(0xFF60, b"\x00"), "tile-part 0 of tile 0 has no packet headers", 0),
    (segment(0xFF60, b"\x01a") * 2, "two segments with the number 1", 0),
]


@pytest.mark.parametrize(("main", "message", "place"), BAD_MAIN, ids=[f"{number}" for number in range(len(BAD_MAIN))])
def test_wrong_segments_are_named_with_their_place(main: bytes, message: str, place: int) -> None:
    codestream = plain(main=main)
    with pytest.raises(CodestreamError, match=message) as caught:
        read_codestream(codestream)
    last = codestream.rindex(main[: len(main) // 2]) if message.startswith("two") else codestream.index(main)
    assert caught.value.offset == last + 4 + place
    assert caught.value.marker


def replaced(old: bytes, new: bytes) -> bytes:
    codestream = plain()
    assert codestream.count(old) == 1
    return codestream.replace(old, new)


@pytest.mark.parametrize(
    ("codestream", "message"),
    [
        (b"\xff\xd8\xff\xe0" + bytes(50), "SOC and SIZ"),
        (plain(main=b"\xff\x52\x00\x01"), "length of 1 is not allowed"),
        (plain(main=b"\xff\x93"), "ff93 stands where"),
        (plain(main=b"\x12\x34\x00\x02"), "1234 stands where"),
        (plain(main=segment(0xFF58, b"")), "PLT is not allowed in a main header"),
        (plain(tile=segment(0xFF60, b"")), "PPM is not allowed in a tile-part header"),
        (plain(tile=segment(0xFF50, b"")), "CAP is not allowed in a tile-part header"),
        (SOC + siz((0, 0, 9, 9), (0, 0, 9, 9), [(7, 1, 1)]) + qcd(3) + tile_part(0, 0, b"", b""), "no COD"),
        (SOC + siz((0, 0, 9, 9), (0, 0, 9, 9), [(7, 1, 1)]) + cod(ONE) + tile_part(0, 0, b"", b""), "no QCD"),
        (plain(main=qcd(2)), "10 subbands and 7 quantization steps"),
        (plain(tile=qcd(2)), "10 subbands and 7 quantization steps"),
        (replaced(b"\xff\x90\x00\x0a\x00\x00", b"\xff\x90\x00\x0a\x00\x01"), "no tile 1, there are 1"),
        (replaced(b"\xff\x90\x00\x0a", b"\xff\x90\x00\x0b"), "length of 11"),
        (several([tile_part(0, 0, b"", b"", 11)]), "11 bytes is too short"),
        (several([tile_part(0, 0, b"", b"", 13)]), "13 bytes ends inside its header"),
        (several([tile_part(0, 0, b"", b"")] * 2), "two tile-parts 0"),
        (several([tile_part(0, 0, b"", b"")], end=b"\xff\x52"), "ff52 stands where SOT or EOC"),
        (plain(main=segment(0xFF60, b"\x00" + bytes(4)), tile=segment(0xFF61, b"\x00")), "beside PPM"),
    ],
)  # fmt: skip
def test_wrong_codestreams_are_refused(codestream: bytes, message: str) -> None:
    with pytest.raises(CodestreamError, match=message) as caught:
        read_codestream(codestream)
    assert 0 <= caught.value.offset <= len(codestream)


def test_every_truncation_is_told() -> None:
    tile = segment(0xFF58, b"\x00\x04") + qcd(3)
    codestream = plain(b"\x00" * 4, main=segment(0xFF64, b"\x00\x01abc") + coc(0, ONE), tile=tile)
    whole = len(codestream) - len(EOC)
    for length in range(whole):
        with pytest.raises(TruncatedCodestreamError) as caught:
            read_codestream(codestream[:length])
        assert caught.value.offset <= length
    for length in (whole, whole + 2):
        read_codestream(codestream[:length])
    with pytest.raises(TruncatedCodestreamError):
        read_codestream(codestream[: whole + 1])


def test_headers_for_many_components_in_many_tiles_are_refused() -> None:
    header = SOC + siz((0, 0, 255, 1), (0, 0, 1, 1), [(7, 1, 1)] * 16384) + cod(ONE) + qcd(3)
    parts = b"".join(tile_part(tile, 0, qcd(3), b"") for tile in range(20))
    with pytest.raises(LimitExceededError, match="headers of their own"):
        read_codestream(header + parts + EOC)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_mutated_headers_are_read_or_refused(data: st.DataObject) -> None:
    tile = segment(0xFF58, b"\x00\x04") + poc([(0, 0, 1, 4, 1, "RPCL")])
    codestream = bytearray(plain(bytes(40), main=coc(0, ONE) + segment(0xFF60, b"\x00" + bytes(4)), tile=tile))
    for _ in range(data.draw(st.integers(1, 4))):
        codestream[data.draw(st.integers(0, len(codestream) - 1))] = data.draw(st.integers(0, 255))
    offset = 0
    try:
        plan_decoding(read_codestream(bytes(codestream)), max_bytes=1 << 24)
    except CodestreamError as error:
        offset = error.offset
    except GpucodecError:
        pass
    assert 0 <= offset <= len(codestream)
