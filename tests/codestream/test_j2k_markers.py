"""The marker segments, against ITU-T T.800 Annex A field by field."""

import struct

import pytest

from gpucodec.codestream.j2k_markers import main_header, tile_part_header
from gpucodec.codestream.j2k_parameters import CodeblockStyle, CodingParameters, ProgressionOrder
from gpucodec.codestream.jpeg_headers import read_frame_header
from gpucodec.errors import UnsupportedError
from gpucodec.frames import FrameSpec


def test_siz_says_what_the_frame_is() -> None:
    spec = FrameSpec(11, 70, 3, 16, 12, 1, "RGB")
    header = main_header(spec, CodingParameters(levels=0), [12], [0], 2)
    read = read_frame_header(header)
    assert (read.rows, read.columns, read.samples, read.precision, read.is_signed) == (11, 70, 3, 12, True)


def test_cod_and_qcd_say_how_it_is_coded() -> None:
    parameters = CodingParameters(
        reversible=False,
        component_transform=True,
        levels=1,
        codeblock_width_exponent=5,
        codeblock_height_exponent=4,
        codeblock_style=CodeblockStyle.RESET | CodeblockStyle.VERTICALLY_CAUSAL,
        progression_order=ProgressionOrder.RPCL,
        precincts=((7, 8), (9, 10)),
        ratios=(20.0, 10.0),
        sop=True,
        eph=True,
    )
    header = main_header(FrameSpec(32, 32), parameters, [8, 9, 10, 11], [1, 2, 3, 2047], 3)
    cod = header.index(b"\xff\x52")
    fields = struct.unpack(">HHBBHBBBBBBBB", header[cod : cod + 16])
    assert fields == (0xFF52, 14, 7, 2, 2, 1, 1, 3, 2, 2 | 8, 0, 0x87, 0xA9)
    qcd = header[cod + 16 :]
    assert qcd == struct.pack(">HHB4H", 0xFF5C, 11, 3 << 5 | 2, 8 << 11 | 1, 9 << 11 | 2, 10 << 11 | 3, 11 << 11 | 2047)


def test_without_quantization_qcd_has_a_byte_a_subband() -> None:
    header = main_header(FrameSpec(32, 32), CodingParameters(levels=1), [8, 9, 9, 10], [0] * 4, 2)
    assert header.endswith(struct.pack(">HHB4B", 0xFF5C, 7, 2 << 5, 8 << 3, 9 << 3, 9 << 3, 10 << 3))


def test_a_tile_part_tells_its_length() -> None:
    tlm, header = tile_part_header(CodingParameters(), 1000, [1000])
    assert tlm == b""
    assert header == struct.pack(">HHHIBBH", 0xFF90, 10, 0, 12 + 2 + 1000, 0, 1, 0xFF93)
    tlm, _ = tile_part_header(CodingParameters(tlm=True), 1000, [1000])
    assert tlm == struct.pack(">HHBBI", 0xFF55, 8, 0, 0x40, 1014)


def test_a_tile_part_too_long_to_tell_goes_up_to_the_end() -> None:
    _, header = tile_part_header(CodingParameters(), 1 << 32, [])
    assert header[6:10] == bytes(4)
    with pytest.raises(UnsupportedError, match="too long for TLM"):
        tile_part_header(CodingParameters(tlm=True), 1 << 32, [])


def test_packet_lengths_are_told_seven_bits_a_byte_over_several_segments() -> None:
    lengths = [0, 1, 127, 128, 300, 16384, (1 << 32) - 1] * 5000
    _, header = tile_part_header(CodingParameters(plt=True), sum(lengths), lengths)
    assert header[-2:] == b"\xff\x93"
    at, told, number = 12, [], 0
    while header[at : at + 2] == b"\xff\x58":
        length, index = struct.unpack(">HB", header[at + 2 : at + 5])
        assert index == number
        value = 0
        for byte in header[at + 5 : at + 2 + length]:
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                told.append(value)
                value = 0
        assert value == 0  # no length is cut in two
        number, at = number + 1, at + 2 + length
    assert number > 1
    assert at == len(header) - 2
    assert told == lengths
