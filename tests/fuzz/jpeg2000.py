"""Mutated JPEG 2000 codestreams: each is decoded, or refused with an error of gpucodec, in time and in little memory.

``python -m tests.fuzz.jpeg2000 [COUNT] [SEED]`` prints what came of them, and ends with 1 at the first other error.
Run it with NUMBA_BOUNDSCHECK=1, too: then no kernel may touch what is not its own.
"""

from __future__ import annotations

import resource
import sys
import time
import warnings
from collections import Counter
from contextlib import suppress

import numpy as np

from gpucodec.backends import executor
from gpucodec.codecs.base import DecodeRequest
from gpucodec.codecs.htj2k_encode import begin_lossless
from gpucodec.codecs.htj2k_quality import begin_lossy
from gpucodec.codecs.jpeg2000 import Jpeg2000Codec, encode_frames
from gpucodec.codecs.options import DecodeOptions
from gpucodec.codestream.j2k_parameters import CodeblockStyle, CodingParameters, ProgressionOrder
from gpucodec.errors import CodestreamError, CodestreamWarning, LimitExceededError, ParameterError, UnsupportedError
from gpucodec.frames import FrameBatch, FrameSpec
from tests.interop import pillow_peer

ROWS, COLUMNS = 24, 31
SLOWEST = 1.0  # seconds that no small codestream may take
LARGEST = 1 << 24  # bytes that a frame may take
MEMORY = 400 << 20  # bytes that the process may grow by
REFUSALS = (CodestreamError, LimitExceededError, UnsupportedError)

_TERMALL_AND_SYMBOLS = CodeblockStyle.TERMINATE | CodeblockStyle.SEGMENTATION_SYMBOLS | CodeblockStyle.BYPASS
_PARAMETERS = (
    CodingParameters(levels=3),
    CodingParameters(levels=2, reversible=False, ratios=(9.0, 4.0)),
    CodingParameters(levels=2, codeblock_style=_TERMALL_AND_SYMBOLS, codeblock_width_exponent=3),
    CodingParameters(
        levels=3, precincts=((3, 2), (4, 4)), progression_order=ProgressionOrder.PCRL, sop=True, eph=True, plt=True
    ),
    CodingParameters(levels=1, ratios=(8.0, 4.0, 1.0), progression_order=ProgressionOrder.RLCP, tlm=True),
    CodingParameters(levels=4, component_transform=True, codeblock_style=CodeblockStyle.RESET),
    CodingParameters(levels=2, component_transform=True, reversible=False, ratios=(6.0, 2.0)),
)
_HIGH_THROUGHPUT = (
    CodingParameters(levels=2, high_throughput=True, codeblock_width_exponent=3, codeblock_height_exponent=3),
    CodingParameters(levels=3, high_throughput=True, component_transform=True, tlm=True),
    CodingParameters(levels=2, high_throughput=True, reversible=False, psnr=(40.0,)),
)


def corpus(rng: np.random.Generator) -> list[tuple[bytes, int]]:
    """Return codestreams of 24 rows and 31 columns, with their numbers of components."""
    smooth = np.clip(np.cumsum(rng.integers(-40, 41, (1, ROWS, COLUMNS, 3)), axis=2) + 1000, 0, 4095).astype("u2")
    streams = []
    for parameters in _PARAMETERS:
        samples = 3 if parameters.component_transform else 1
        frames = smooth if samples == 3 else smooth[..., 0].copy()
        spec = FrameSpec.from_array(frames, bits_stored=12)
        streams.append((encode_frames(FrameBatch(frames, spec), parameters, "cpu")[0], samples))
    byte = (smooth[0] >> 4).astype("u1")
    grid = {"tile_size": (12, 9), "num_resolutions": 3, "codeblock_size": (4, 8)}
    streams += [
        (pillow_peer.encoded(byte, **grid, offset=(5, 3), tile_offset=(2, 1), progression="CPRL"), 3),
        (pillow_peer.encoded(byte[..., 0], **grid, irreversible=True, quality_layers=[9, 3]), 1),
        (pillow_peer.encoded(byte[..., 0], **grid, precinct_size=(8, 8), progression="RPCL", no_jp2=False), 1),
    ]
    narrow = smooth[..., 0].copy()
    for parameters in _HIGH_THROUGHPUT:
        samples = 3 if parameters.component_transform else 1
        frames = smooth if samples == 3 else narrow
        batch = FrameBatch(frames, FrameSpec.from_array(frames, bits_stored=12))
        begin = begin_lossless if parameters.reversible else begin_lossy
        streams.append((begin(executor("cpu"), batch, parameters)()[0], samples))
    return streams


def mutated(codestream: bytes, rng: np.random.Generator) -> bytes:
    """Return a codestream with a few bytes changed, lost, doubled or cut off."""
    data = bytearray(codestream)
    for _ in range(rng.integers(1, 6)):
        if len(data) < 4:
            break
        at = int(rng.integers(2, min(160, len(data)) if rng.random() < 0.5 else len(data)))
        kind = rng.integers(8)
        if kind <= 2:
            data[at : at + 1] = bytes((int(rng.integers(256)),))
        elif kind == 3:
            data[at : at + 1] = bytes((data[at] ^ 1 << int(rng.integers(8)),))
        elif kind == 4:
            del data[at : at + int(rng.integers(1, 9))]
        elif kind == 5:
            data[at:at] = rng.integers(0, 256, int(rng.integers(1, 9)), dtype="u1").tobytes()
        elif kind == 6:
            data[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\xfe", b"\x7f\xff\xff\xff"])
        elif rng.random() < 0.3:
            del data[at:]
    return bytes(data)


def _recoded(codestream: bytes, precision: int, levels: int | None, style: int | None) -> bytes:
    """Return a codestream with another precision, and other levels or another codeblock style; it may be nonsense."""
    data = bytearray(codestream)
    siz, cod = data.index(b"\xff\x51"), data.index(b"\xff\x52")
    for component in range(int.from_bytes(data[siz + 38 : siz + 40], "big")):
        data[siz + 40 + 3 * component] = precision - 1
    if levels is not None:
        data[cod + 9] = levels
    if style is not None:
        data[cod + 12] = style
    return bytes(data)


def check(codec: Jpeg2000Codec, codestream: bytes, components: int, options: DecodeOptions) -> str:
    """Decode a codestream and return what came of it.

    Raises
    ------
    RuntimeError
        If it took too long, or gave samples beyond its precision.
    """
    spec = FrameSpec(ROWS, COLUMNS, components, bits_allocated=16, bits_stored=16)
    request = DecodeRequest("1.2.840.10008.1.2.4.90", spec, 1, options, codestreams=[codestream])
    begin = time.monotonic()
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always", CodestreamWarning)
            if codec.why_not_decode(request):
                return "refused beforehand"
            batch = codec.decode_batch([codestream], request)
    except REFUSALS as error:
        outcome = type(error).__name__
        if isinstance(error, CodestreamError) and (error.frame is None or error.offset is None):
            raise RuntimeError(f"'{error}' does not tell where: {codestream.hex()}") from error
    except ParameterError:
        if not options.is_partial:
            raise
        outcome = "ParameterError"
    else:
        outcome = "decoded with a warning" if warned else "decoded"
        low, high = batch.spec.value_range
        if int(batch.frames.max()) > high or int(batch.frames.min()) < low:
            raise RuntimeError(f"a sample beyond {low} to {high} in {codestream.hex()}")
    seconds = time.monotonic() - begin
    if seconds > SLOWEST:
        raise RuntimeError(f"took {seconds:.1f} s: {codestream.hex()}")
    return outcome


def run(count: int, seed: int, codec: Jpeg2000Codec | None = None) -> Counter[str]:
    """Decode mutated codestreams, some of them in part, and count what came of them.

    Raises
    ------
    RuntimeError
        If one took too long or too much memory, gave samples beyond its precision, or an error without its place.
    """
    rng = np.random.default_rng(seed)
    codec = codec or Jpeg2000Codec("cpu")
    streams = corpus(rng)
    options = DecodeOptions(max_frame_bytes=LARGEST)
    parts = [
        options,
        DecodeOptions(max_frame_bytes=LARGEST, reduce=1),
        DecodeOptions(max_frame_bytes=LARGEST, region=(5, 6, 11, 13)),
        DecodeOptions(max_frame_bytes=LARGEST, layers=1),
    ]
    for codestream, components in streams:  # compiles what is not compiled yet
        for precision in (8, 16, 24):
            for levels, style in ((None, None), (0, None), (None, 0x40), (None, 0xC0)):
                with suppress(RuntimeError):
                    check(codec, _recoded(codestream, precision, levels, style), components, options)
    before = _peak()
    outcomes: Counter[str] = Counter()
    for index in range(count):
        codestream, components = streams[rng.integers(len(streams))]
        codestream = mutated(codestream, rng)
        asked = parts[int(rng.integers(1, 4))] if rng.random() < 0.25 else options
        try:
            outcomes[check(codec, codestream, components, asked)] += 1
        except RuntimeError:
            raise
        except Exception as error:
            raise RuntimeError(f"{type(error).__name__} of codestream {index}: {codestream.hex()}") from error
        if _peak() - before > MEMORY:
            raise RuntimeError(f"took {(_peak() - before) >> 20} MiB: {codestream.hex()}")
    return outcomes


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> int:
    """Run as many as the first argument says, from the seed that the second one says."""
    count, seed = (int(value) for value in (*sys.argv[1:], *("20000", "0")[len(sys.argv) - 1 :]))
    print(f"JPEG 2000, {count} codestreams, seed {seed}: {dict(run(count, seed))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
