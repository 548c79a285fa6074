"""What the kernel report runs: small frames through every codec, so that every kernel for GPUs is launched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from gpucodec_kernels.prefix_sum import offset_chunks

from benchmarks.kernel_replay import CountingExecutor
from benchmarks.kernel_traffic import Launch
from gpucodec.codecs import htj2k, jpeg2000, jpeg2000_blocks, jpegls, rle
from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest
from gpucodec.codecs.options import DecodeOptions, EncodeOptions
from gpucodec.codecs.prefix_sum import exclusive_prefix_sum
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = ["WORKLOADS", "Run", "Workload", "run_others", "run_workload"]

RLE = "1.2.840.10008.1.2.5"
JPEG_LS, JPEG_LS_NEAR = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
J2K_LOSSLESS, J2K = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
HTJ2K_LOSSLESS, HTJ2K = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.203"


@dataclass(frozen=True)
class Workload:
    """Frames that a codec encodes and decodes again.

    Parameters
    ----------
    name : str
        As the report names it.
    codec : callable
        Makes the codec for a backend.
    uid : str
        The transfer syntax.
    shape : tuple of int
        Frames, rows, columns, and samples where there are several.
    kind : tuple
        The samples' dtype, and how many of their bits are used.
    encoding, decoding : mapping
        Options.
    attributes : mapping
        Attributes that differ from what the frames' shape and dtype say.
    settings : tuple
        What is set meanwhile, to reach with small frames what large ones need: object, attribute, value.
    """

    name: str
    codec: Callable[[str], Codec]
    uid: str
    shape: tuple[int, ...]
    kind: tuple[str, int]
    encoding: Mapping[str, Any] = field(default_factory=dict)
    decoding: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    settings: tuple[tuple[Any, str, Any], ...] = ()

    @property
    def frames(self) -> npt.NDArray[Any]:
        """Return pictures like radiographs: smooth shapes, an edge, and noise in their lowest bits."""
        dtype, bits = self.kind
        _, height, width, *samples = self.shape
        rows, columns = np.mgrid[:height, :width]
        smooth = np.sin(rows / 19) * np.cos(columns / 23) + ((rows - 40) ** 2 + (columns - 50) ** 2 < 900)
        levels = (smooth + 1.2) / 3.4 * (2**bits - 1)
        if samples:
            levels = levels[..., np.newaxis] * np.linspace(0.8, 1, samples[0])
        noise = np.random.default_rng(7).normal(0, max(1, 2**bits / 256), self.shape)
        return np.clip(levels + noise, 0, 2**bits - 1).astype(dtype)

    @property
    def spec(self) -> FrameSpec:
        """What each frame is."""
        return FrameSpec.from_array(self.frames, bits_stored=self.kind[1], **self.attributes)

    @property
    def is_lossless(self) -> bool:
        """Whether what is decoded must be what was encoded."""
        return not self.encoding and not self.decoding


@dataclass
class Run:
    """The launches of one direction of a workload.

    `least` are the bytes of the samples and of the codestreams: what no codec can do without.
    """

    name: str
    samples: int
    least: int
    launches: list[Launch]


_CODECS: tuple[ModuleType, ...] = (rle, jpegls, jpeg2000, htj2k)


@contextmanager
def _running_on(where: CountingExecutor, settings: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    with ExitStack() as stack:
        for module in _CODECS:
            stack.enter_context(patch.object(module, "executor", lambda _: where))
        for changed in settings:
            stack.enter_context(patch.object(*changed))
        yield


def run_workload(workload: Workload, where: CountingExecutor) -> list[Run]:
    """Encode and decode frames with kernels that count; return both directions."""
    frames, spec = workload.frames, workload.spec
    codec = workload.codec("cuda")
    options = EncodeOptions.for_transfer_syntax(workload.uid, **workload.encoding)
    to_encode = EncodeRequest(workload.uid, spec, len(frames), options)
    to_decode = DecodeRequest(workload.uid, spec, len(frames), DecodeOptions(**workload.decoding), on_device=True)
    with _running_on(where, workload.settings):
        encoded = codec.encode_batch(FrameBatch(frames, spec), to_encode)
        encoding = where.take_launches()
        found = codec.decode_batch(encoded, to_decode).frames
        decoded = where.download(found) if where.holds(found) else found
        decoding = where.take_launches()
    if workload.is_lossless and not np.array_equal(decoded, frames):
        raise AssertionError(f"{workload.name}: what was decoded is not what was encoded")
    coded = sum(map(len, encoded))
    return [
        Run(f"{workload.name}, encoded", frames.size, frames.nbytes + coded, encoding),
        Run(f"{workload.name}, decoded", decoded.size, decoded.nbytes + coded, decoding),
    ]


def run_others(where: CountingExecutor) -> list[Run]:
    """Launch what small frames do not need: the prefix sum of many lengths, and what probes a GPU."""
    lengths = where.upload(np.arange(3000, dtype=np.int32))
    offsets = where.download(exclusive_prefix_sum(where, lengths, lengths.size))
    sums = where.upload(np.array([3, 4, 5], np.int64))
    summing = Run("prefix sum", lengths.size, lengths.nbytes + offsets.nbytes, where.take_launches())
    where.launch(offset_chunks, 1, sums)
    found = where.download(sums)
    return [summing, Run("probe", found.size, 2 * found.nbytes, where.take_launches())]


_8, _12, _16, _24 = ("u1", 8), ("u2", 12), ("u2", 16), ("u4", 24)
_RCT, _ICT = {"photometric_interpretation": "YBR_RCT"}, {"photometric_interpretation": "YBR_ICT"}


def _rle(name: str, shape: tuple[int, ...], kind: tuple[str, int]) -> Workload:
    return Workload(f"RLE {name}", rle.RleCodec, RLE, shape, kind)


def _jpegls(name: str, kind: tuple[str, int], error: int) -> Workload:
    uid, options = (JPEG_LS_NEAR, {"jls_error": error}) if error else (JPEG_LS, {})
    return Workload(f"JPEG-LS {name}", jpegls.JpeglsCodec, uid, (1, 96, 96), kind, options)


def _wavelet(family: str, name: str, shape: tuple[int, ...], kind: tuple[str, int], **given: Any) -> Workload:
    codec, uids = {
        "JPEG 2000": (jpeg2000.Jpeg2000Codec, (J2K_LOSSLESS, J2K)),
        "HTJ2K": (htj2k.Htj2kCodec, (HTJ2K_LOSSLESS, HTJ2K)),
    }[family]
    return Workload(f"{family} {name}", codec, uids["encoding" in given], shape, kind, **given)


_QUALITY = {"j2k_psnr": (40.0,)}
_LAYERS = {"j2k_cr": (8.0, 4.0)}
_REGION = {"layers": 1, "region": (16, 16, 64, 64)}
_SMALL_SLOTS = ((jpeg2000_blocks, "_SLOTS_BYTES", 4096),)
_ROW = (1, 1, 64)  # which no level of a wavelet takes apart
WORKLOADS = (
    _rle("12 bits", (2, 32, 512), _12),
    _rle("8 bits RGB", (1, 32, 256, 3), _8),
    _jpegls("8 bits", _8, 0),
    _jpegls("12 bits", _12, 0),
    _jpegls("near-lossless 8 bits", _8, 2),
    _jpegls("near-lossless 12 bits", _12, 2),
    _wavelet("JPEG 2000", "12 bits", (1, 96, 128), _12),
    _wavelet("JPEG 2000", "8 bits RGB", (1, 64, 64, 3), _8, attributes=_RCT),
    _wavelet("JPEG 2000", "24 bits, little memory", (1, 48, 64), _24, settings=_SMALL_SLOTS),
    _wavelet("JPEG 2000", "layers, region of one", (1, 96, 96), _12, encoding=_LAYERS, decoding=_REGION),
    _wavelet("JPEG 2000", "quality 8 bits, reduced", (1, 64, 64), _8, encoding=_QUALITY, decoding={"reduce": 1}),
    _wavelet("JPEG 2000", "quality 16 bits", (1, 64, 64), _16, encoding=_QUALITY),
    _wavelet("JPEG 2000", "quality 24 bits", (1, 32, 64), _24, encoding=_QUALITY),
    _wavelet("HTJ2K", "12 bits", (1, 96, 128), _12),
    _wavelet("HTJ2K", "8 bits RGB", (1, 64, 64, 3), _8, attributes=_RCT),
    _wavelet("HTJ2K", "quality 8 bits RGB", (1, 32, 64, 3), _8, encoding=_QUALITY, attributes=_ICT),
    _wavelet("HTJ2K", "ratio 12 bits", (1, 32, 64), _12, encoding={"j2k_cr": (6.0,)}),
    *(_wavelet("JPEG 2000", f"row of {kind[1]} bits", _ROW, kind) for kind in (_8, _16, _24)),
    *(
        _wavelet("JPEG 2000", f"row of {kind[1]} bits, quality", _ROW, kind, encoding=_QUALITY)
        for kind in (_8, _16, _24)
    ),
)
