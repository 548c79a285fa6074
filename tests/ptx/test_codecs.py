"""Whole codecs on compiled PTX: the same codestreams and frames as on the CPU, in whatever order threads take turns.

The CPU's results are held against peers elsewhere; here they are what the GPU's machine code must come to.
"""

import os
from importlib import import_module

import numpy as np
import pytest

from gpucodec import backends
from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest
from gpucodec.codecs.formats import get_format
from gpucodec.codecs.options import DecodeOptions, EncodeOptions
from gpucodec.codecs.registry import codecs_for
from gpucodec.frames import FrameBatch, FrameSpec
from tests.ptx.machine import ORDERS, PtxExecutor

pytestmark = pytest.mark.compile

RLE = "1.2.840.10008.1.2.5"
JPEG_LS, JPEG_LS_NEAR = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
JPEG_2000_LOSSLESS, JPEG_2000 = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
HTJ2K_LOSSLESS, HTJ2K = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.203"

CASES = {
    "rle-16": (RLE, (2, 20, 33), 12, {}),
    "rle-many-rows": (RLE, (1, 520, 3), 12, {}),
    "rle-rgb": (RLE, (1, 9, 14, 3), 8, {}),
    "jpegls-8": (JPEG_LS, (1, 13, 21), 8, {}),
    "jpegls-16": (JPEG_LS, (1, 13, 21), 12, {}),
    "jpegls-rgb": (JPEG_LS, (1, 7, 11, 3), 8, {}),
    "jpegls-near-8": (JPEG_LS_NEAR, (1, 13, 21), 8, {"jls_error": 2}),
    "jpegls-near-16": (JPEG_LS_NEAR, (1, 13, 21), 12, {"jls_error": 3}),
    "j2k-lossless": (JPEG_2000_LOSSLESS, (1, 35, 37), -12, {}),
    "j2k-rct": (JPEG_2000_LOSSLESS, (1, 19, 23, 3), 8, {"photometric_interpretation": "YBR_RCT"}),
    "j2k-32": (JPEG_2000_LOSSLESS, (1, 12, 17), 20, {}),
    "j2k-ratios": (JPEG_2000, (1, 36, 33), 8, {"j2k_cr": [4, 2]}),
    "j2k-psnr": (JPEG_2000, (1, 34, 33), 12, {"j2k_psnr": [40]}),
    "j2k-psnr-8": (JPEG_2000, (1, 34, 33), 8, {"j2k_psnr": [45]}),
    "j2k-psnr-32": (JPEG_2000, (1, 34, 33), 20, {"j2k_psnr": [60]}),
    "j2k-ict": (JPEG_2000, (1, 19, 23, 3), 8, {"j2k_cr": [3], "photometric_interpretation": "YBR_ICT"}),
    "htj2k-lossless": (HTJ2K_LOSSLESS, (1, 35, 37), -12, {}),
    "htj2k-rct": (HTJ2K_LOSSLESS, (1, 19, 23, 3), 8, {"photometric_interpretation": "YBR_RCT"}),
    "htj2k-ratio": (HTJ2K, (1, 36, 33), 8, {"j2k_cr": [4]}),
}
# Frames of one row are not decomposed: their samples are transformed and stored by kernels of their own.
for bits in (8, 12, 20):
    CASES[f"j2k-row-{bits}"] = (JPEG_2000_LOSSLESS, (1, 1, 40), bits, {})
    CASES[f"j2k-lossy-row-{bits}"] = (JPEG_2000, (1, 1, 300), bits, {"j2k_psnr": [40]})
# One order each is what a test run has time for; GPUCODEC_PTX_ORDERS=all asks for every one.
EVERY_ORDER = os.environ.get("GPUCODEC_PTX_ORDERS") == "all"
RUNS = [
    pytest.param(name, order, id=f"{name}-{order}")
    for number, name in enumerate(CASES)
    for order in (ORDERS if EVERY_ORDER else ORDERS[1 + number % 2 :][:1])
]


def picture(shape: tuple[int, ...], bits: int) -> np.ndarray:
    """Return waves and some noise that use all bits; of a sign where `bits` has one."""
    rng = np.random.default_rng(bits + 100)
    depth = abs(bits)
    rows, columns = np.indices(shape)[1:3]
    waves = (2 + np.sin(columns / 5) + np.cos(rows / 4)) / 4 + rng.normal(0, 0.02, shape)
    values = np.clip(waves * 2**depth, 0, 2**depth - 1).astype(np.int64) - (2 ** (depth - 1) if bits < 0 else 0)
    container = 8 if depth <= 8 else 16 if depth <= 16 else 32
    return values.astype(f"{'i' if bits < 0 else 'u'}{container // 8}")


def codec_on(uid: str, backend: str) -> Codec:
    return next(codec for codec in codecs_for(uid) if codec.backend == backend)


@pytest.fixture
def on_ptx(monkeypatch: pytest.MonkeyPatch) -> dict[str, PtxExecutor]:
    """Have codecs find PTX where they ask for a GPU."""
    chosen: dict[str, PtxExecutor] = {}

    def executor(backend: str) -> backends.Executor:
        return chosen["cuda"] if backend == "cuda" else backends.executor(backend)

    for name in ("rle", "jpegls", "jpeg2000", "htj2k"):
        monkeypatch.setattr(import_module(f"gpucodec.codecs.{name}"), "executor", executor)
    return chosen


@pytest.mark.parametrize(("name", "order"), RUNS)
def test_a_codec_on_ptx_does_what_it_does_on_the_cpu(name: str, order: str, on_ptx: dict[str, PtxExecutor]) -> None:
    uid, shape, bits, keywords = CASES[name]
    frames = picture(shape, bits)
    attributes = {key: value for key, value in keywords.items() if key == "photometric_interpretation"}
    options = {key: value for key, value in keywords.items() if key not in attributes}
    spec = FrameSpec.from_array(frames, bits_stored=abs(bits), **attributes)
    request = EncodeRequest(uid, spec, len(frames), EncodeOptions.for_transfer_syntax(uid, **options))
    expected = codec_on(uid, "cpu").encode_batch(FrameBatch(frames, spec), request)

    on_ptx["cuda"] = PtxExecutor(order)
    assert codec_on(uid, "cuda").encode_batch(FrameBatch(frames, spec), request) == expected
    assert on_ptx["cuda"].launched

    on_ptx["cuda"] = PtxExecutor(order, poison=0x3D)
    wanted = DecodeRequest(uid, spec, len(frames), DecodeOptions(), codestreams=expected)
    found = codec_on(uid, "cuda").decode_batch(expected, wanted).frames
    known = codec_on(uid, "cpu").decode_batch(expected, wanted).frames
    if get_format(uid).lossless:
        assert np.array_equal(known, frames)
    # The 9/7 wavelet multiplies and adds in one step where the CPU takes two; samples are rounded afterwards.
    allowed = 0 if get_format(uid).lossless or "jls_error" in options else 1
    assert np.abs(found.astype(np.int64) - known.astype(np.int64)).max() <= allowed
    assert on_ptx["cuda"].launched
