"""Mutated JPEG-LS codestreams: each is decoded, or refused with an error of gpucodec.

``python -m tests.fuzz.jpegls [COUNT] [SEED]`` prints what came of them, and ends with 1 at the first other error.
Run it with NUMBA_BOUNDSCHECK=1, too: then no kernel may touch what is not its own.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import suppress

import numpy as np

from gpucodec.codecs.base import DecodeRequest
from gpucodec.codecs.jpegls import JpeglsCodec
from gpucodec.codecs.options import DecodeOptions
from gpucodec.errors import CodestreamError, LimitExceededError, UnsupportedError
from gpucodec.frames import FrameSpec
from tests.codecs.jpegls_streams import (
    DRI,
    EOI,
    LINE,
    NONE,
    SAMPLE,
    SOI,
    charls,
    coded,
    frame_header,
    insert,
    preset,
    scan_header,
    segment,
    with_restarts,
)

SLOWEST = 5.0  # seconds that no small codestream may take


def corpus(rng: np.random.Generator) -> list[tuple[bytes, int]]:
    """Return codestreams of 24 rows and 31 columns, with their numbers of components."""
    noise = rng.integers(0, 1 << 16, (24, 31, 3))
    smooth = np.clip(np.cumsum(rng.integers(-2, 3, (24, 31, 3)), axis=1) + 128, 0, 255)
    flat = np.where(rng.random((24, 31, 3)) < 0.03, noise % 256, 77)
    streams = []
    for values, bits in ((noise, 16), (noise % 4096, 12), (smooth, 8), (flat, 8), (noise % 4, 2)):
        frame = values.astype("u1" if bits <= 8 else "u2")
        for near in (0, 1):
            streams.append((charls(frame[..., 0].copy(), bits, near), 1))
            streams += [(charls(frame, bits, near, mode), 3) for mode in (NONE, LINE, SAMPLE)]
        streams.append((with_restarts(frame, bits, 5), 3))
        streams.append((insert(charls(frame, bits), preset(0, (0, 0, 0), 5)), 3))
        # Two lines of each component at a time; CharLS's data is of one, and so wrong from the beginning.
        start = SOI + frame_header(24, 31, bits, 3, factors=[0x22, 0x22, 0x22]) + segment(DRI, b"\0\x18")
        streams.append((start + scan_header([1, 2, 3], interleave=LINE) + coded(frame, bits, 0, LINE) + EOI, 3))
    return streams


def mutated(codestream: bytes, rng: np.random.Generator) -> bytes:
    """Return a codestream with a few bytes changed, lost, doubled or cut off."""
    data = bytearray(codestream)
    for _ in range(rng.integers(1, 6)):
        at = int(rng.integers(2, 60 if rng.random() < 0.4 else len(data)))
        kind = rng.integers(6)
        if kind <= 2:
            data[at : at + 1] = bytes((int(rng.integers(256)),))
        elif kind == 3:
            del data[at : at + int(rng.integers(1, 9))]
        elif kind == 4:
            data[at:at] = rng.integers(0, 256, int(rng.integers(1, 9)), dtype="u1").tobytes()
        elif rng.random() < 0.3:
            data[at:] = EOI
    return bytes(data)


def run(count: int, seed: int, codec: JpeglsCodec | None = None) -> Counter[str]:
    """Decode mutated codestreams and count what came of them.

    Raises
    ------
    RuntimeError
        If one took too long or gave samples beyond its precision.
    """
    rng = np.random.default_rng(seed)
    codec = codec or JpeglsCodec("cpu")
    streams = corpus(rng)
    outcomes: Counter[str] = Counter()
    for codestream, components in streams:  # compiles what is not compiled yet
        with suppress(CodestreamError):
            codec.decode_batch([codestream], _request(components))
    for _ in range(count):
        codestream, components = streams[rng.integers(len(streams))]
        codestream = mutated(codestream, rng)
        begin = time.monotonic()
        try:
            batch = codec.decode_batch([codestream], _request(components))
        except (CodestreamError, LimitExceededError, UnsupportedError) as error:
            outcomes[type(error).__name__] += 1
        else:
            outcomes["decoded"] += 1
            if int(batch.frames.max()) >> batch.spec.bits_stored:
                raise RuntimeError(f"a sample of {batch.frames.max()} in {codestream.hex()}")
        if time.monotonic() - begin > SLOWEST:
            raise RuntimeError(f"took {time.monotonic() - begin:.1f} s: {codestream.hex()}")
    return outcomes


def _request(components: int) -> DecodeRequest:
    spec = FrameSpec(24, 31, components, bits_allocated=16, bits_stored=16)
    return DecodeRequest("1.2.840.10008.1.2.4.80", spec, 1, DecodeOptions(max_frame_bytes=1 << 24))


def main() -> int:
    """Run as many as the first argument says, from the seed that the second one says."""
    count, seed = (int(value) for value in (*sys.argv[1:], *("20000", "0")[len(sys.argv) - 1 :]))
    print(f"JPEG-LS, {count} codestreams, seed {seed}: {dict(run(count, seed))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
