"""What an attacker sends: truncations, mutations, absurd claims. Refused cleanly, quickly and in little memory."""

from __future__ import annotations

import struct
import time
import tracemalloc
import warnings

import numpy as np
import pytest
from gpucodec_kernels.target import simulator_enabled

import gpucodec
from gpucodec.codecs.base import DecodeRequest
from gpucodec.codecs.jpeg2000 import Jpeg2000Codec
from gpucodec.codecs.options import DecodeOptions
from gpucodec.errors import CodestreamError, CodestreamWarning, LimitExceededError, TruncatedCodestreamError
from gpucodec.frames import FrameSpec
from tests.fuzz import jpeg2000

pytestmark = pytest.mark.skipif(simulator_enabled(), reason="too many samples for the simulator")

CODEC = Jpeg2000Codec("cpu")
OPTIONS = DecodeOptions(max_frame_bytes=jpeg2000.LARGEST)
STREAMS = jpeg2000.corpus(np.random.default_rng(5))


def decode(codestream, components, **spec):
    spec = {"rows": jpeg2000.ROWS, "columns": jpeg2000.COLUMNS} | spec
    described = FrameSpec(samples_per_pixel=components, bits_allocated=16, bits_stored=16, **spec)
    return CODEC.decode_batch([codestream], DecodeRequest("1.2.840.10008.1.2.4.90", described, 1, OPTIONS, 7)).frames


@pytest.mark.parametrize("index", range(len(STREAMS)))
def test_a_truncation_at_any_byte_is_an_error_that_tells_where(index):
    codestream, components = STREAMS[index]
    whole = decode(codestream, components)
    for length in range(len(codestream)):
        if length == len(codestream) - 2:  # only EOC is missing
            np.testing.assert_array_equal(decode(codestream[:length], components), whole)
            continue
        with pytest.raises(CodestreamError) as caught:
            decode(codestream[:length], components)
        assert caught.value.frame == 7
        assert 0 <= caught.value.offset <= length
    with pytest.raises(TruncatedCodestreamError):
        decode(codestream[: len(codestream) * 2 // 3], components)


def test_mutated_codestreams_decode_or_are_refused():
    outcomes = jpeg2000.run(1500, seed=3, codec=CODEC)
    assert sum(outcomes.values()) == 1500
    assert outcomes["decoded"] > 100
    assert outcomes["CodestreamError"] + outcomes["TruncatedCodestreamError"] > 300


# -- absurd claims


def siz(rows, columns, components=1, tile=None, precision=8):
    """Return SOC and SIZ."""
    tile_rows, tile_columns = tile or (rows, columns)
    head = struct.pack(">HHHH", 0xFF4F, 0xFF51, 38 + 3 * components, 0)
    area = struct.pack(">8IH", columns, rows, 0, 0, tile_columns, tile_rows, 0, 0, components)
    return head + area + bytes((precision - 1, 1, 1)) * components


def cod(layers=1, levels=1, order=0, precincts=()):
    """Return COD and a QCD that goes with it; codeblocks of 4 x 4."""
    body = struct.pack(">BBHBBBBBB", bool(precincts), order, layers, 0, levels, 0, 0, 0, 1) + bytes(precincts)
    quantization = b"\x40" + b"\x40" * (1 + 3 * levels)
    return b"".join(
        marker + struct.pack(">H", 2 + len(content)) + content
        for marker, content in ((b"\xff\x52", body), (b"\xff\x5c", quantization))
    )


def tile_part(packets, tile=0):
    return struct.pack(">HHHIBB", 0xFF90, 10, tile, 14 + len(packets), 0, 1) + b"\xff\x93" + packets


ABSURD = {
    "2^32 x 2^32 pixels": (siz(2**32 - 1, 2**32 - 1) + cod(), 65535, 65535, 1),
    "65535 x 65535 pixels": (siz(65535, 65535) + cod(), 65535, 65535, 1),
    "65025 tiles": (siz(4080, 4080, tile=(16, 16)) + cod(), 4080, 4080, 1),
    "65025 tiles of one pixel": (siz(255, 255, tile=(1, 1)) + cod(), 255, 255, 1),
    "16384 components": (siz(64, 64, components=16384) + cod(), 64, 64, 3),
    "65535 layers": (siz(64, 64) + cod(layers=65535), 64, 64, 1),
    "65535 layers of 32 levels": (siz(64, 64, components=3) + cod(layers=65535, levels=32), 64, 64, 3),
    "precincts of one sample": (siz(4000, 4000) + cod(levels=1, precincts=(0x00, 0x11)), 4000, 4000, 1),
    "precincts of one sample by position": (siz(4000, 4000) + cod(1, 1, 3, precincts=(0x00, 0x11)), 4000, 4000, 1),
}


PACKETS = {"none": b"", "empty": b"\0" * 64, "zeros": b"\x80" * 400, "ones": b"\xff\x7f" * 400}


@pytest.mark.parametrize("packets", PACKETS)
@pytest.mark.parametrize("name", ABSURD)
def test_absurd_claims_are_refused_in_time_and_in_little_memory(name, packets):
    header, rows, columns, components = ABSURD[name]
    codestream = header + tile_part(PACKETS[packets]) + b"\xff\xd9"
    decode(*STREAMS[0])  # compiles
    tracemalloc.start()
    begin = time.monotonic()
    try:
        with pytest.raises((CodestreamError, LimitExceededError, gpucodec.errors.UnsupportedError)):
            decode(codestream, components, rows=rows, columns=columns)
        seconds, memory = time.monotonic() - begin, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seconds < 5  # a second without the tracing of memory
    assert memory < 8 * jpeg2000.LARGEST


def test_a_wrong_segmentation_symbol_is_a_warning():
    codestream, components = STREAMS[2]
    random = np.random.default_rng(0)
    warned = 0
    for _ in range(200):
        at = int(random.integers(len(codestream) // 2, len(codestream) - 4))
        changed = codestream[:at] + bytes((codestream[at] ^ 0x55,)) + codestream[at + 1 :]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                decode(changed, components)
            except CodestreamError:
                continue
        warned += any(
            issubclass(entry.category, CodestreamWarning) and "frame 7" in str(entry.message) for entry in caught
        )
    assert warned > 20
