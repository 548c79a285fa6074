"""Who is compared: gpucodec's backends, and the peers as their users call them.

A contender answers beforehand why it cannot do a job; what it says no to is shown with the reason. Each runs in a
process of its own, so a peer that crashes or hangs takes nothing along.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np

from gpucodec.codecs.base import DecodeRequest, EncodeRequest
from gpucodec.codecs.formats import Family, get_format
from gpucodec.codecs.options import EncodeOptions
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = ["Contender", "Job", "contenders", "with_sign"]

Frames = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be coded, and how.

    Parameters
    ----------
    uid : str
        The transfer syntax.
    spec : FrameSpec
        What each frame is; YBR_RCT and YBR_ICT ask for the component transform of RGB frames.
    num_frames : int
        How many there are.
    options : dict
        pydicom's options of the transfer syntax.
    threads : int
        How many threads those who have threads may use.
    """

    uid: str
    spec: FrameSpec
    num_frames: int
    options: dict[str, Any] = field(default_factory=dict)
    threads: int = 1

    @property
    def family(self) -> Family:
        """The kind of codestream."""
        return get_format(self.uid).family

    @property
    def encode_options(self) -> EncodeOptions:
        """The options, checked."""
        return EncodeOptions.for_transfer_syntax(self.uid, **self.options)


class Contender(ABC):
    """One way to encode and decode.

    Attributes
    ----------
    name : str
        As tables name it.
    is_peer : bool
        Whether it is somebody else's work.
    """

    name: str
    is_peer = True

    @abstractmethod
    def why_not(self, job: Job, *, encoding: bool) -> str:
        """Return why it cannot do a job; an empty string when it can."""

    @abstractmethod
    def encode(self, frames: Frames, job: Job) -> list[bytes]:
        """Encode frames, one codestream each."""

    def prepare(self, codestreams: list[bytes], job: Job) -> Any:  # noqa: ARG002
        """Return codestreams in the form that `decode` takes; what this costs is not measured."""
        return codestreams

    @abstractmethod
    def decode(self, prepared: Any, job: Job) -> Frames:
        """Decode codestreams to ``(frames, rows, columns[, samples])``."""

    def timed(self, call: Callable[[], Any]) -> float | None:  # noqa: ARG002
        """Return how many seconds a call takes on a device with clocks of its own; None without such a device."""
        return None


class _Gpucodec(Contender):
    """gpucodec on one backend, through the functions that its users call."""

    is_peer = False

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.name = f"gpucodec ({backend})"

    def why_not(self, job: Job, *, encoding: bool) -> str:
        from gpucodec.codecs.registry import codecs_for

        own = [codec for codec in codecs_for(job.uid) if codec.backend == self.backend]
        if not own:
            return f"no codec of the backend '{self.backend}'"
        if encoding:
            reasons = own[0].why_not_encode(EncodeRequest(job.uid, job.spec, job.num_frames, job.encode_options))
        else:
            reasons = own[0].why_not_decode(DecodeRequest(job.uid, job.spec, job.num_frames))
        return "; ".join(reasons)

    def encode(self, frames: Frames, job: Job) -> list[bytes]:
        from gpucodec.dicom.coding import encode_batch

        self._limit_threads(job)
        return encode_batch(FrameBatch(frames, job.spec), job.uid, job.encode_options, self.backend).codestreams

    def decode(self, prepared: Any, job: Job) -> Frames:
        from gpucodec.dicom.coding import decode_batch

        self._limit_threads(job)
        request = DecodeRequest(job.uid, job.spec, job.num_frames)
        frames = decode_batch(prepared, request, self.backend).batch.frames
        return frames if isinstance(frames, np.ndarray) else np.asarray(frames.get())

    def timed(self, call: Callable[[], Any]) -> float | None:
        if self.backend != "cuda":
            return None
        from gpucodec.backends import device_seconds

        return device_seconds(call)

    def _limit_threads(self, job: Job) -> None:
        if self.backend == "cpu":
            from gpucodec_kernels.target import set_num_threads

            set_num_threads(job.threads)
        elif self.backend == "library":
            from gpucodec.libraries.pool import set_workers

            set_workers(job.threads)


# What serves a family behind a name that pydicom gives its plugin.
_BEHIND = {
    ("pylibjpeg", Family.JPEG_2000): "pylibjpeg-openjpeg",
    ("pylibjpeg", Family.HTJ2K): "pylibjpeg-openjpeg",
    ("pylibjpeg", Family.RLE): "pylibjpeg-rle",
    ("pylibjpeg", Family.JPEG_LS): "pylibjpeg-libjpeg",
    ("pylibjpeg", Family.JPEG): "pylibjpeg-libjpeg",
    ("pydicom", Family.RLE): "pydicom's own",
}


class _Pydicom(Contender):
    """A plugin of pydicom's, called by pydicom frame by frame."""

    def __init__(self, plugin: str) -> None:
        self.plugin = plugin
        self.name = f"pydicom: {plugin}"

    def why_not(self, job: Job, *, encoding: bool) -> str:
        from gpucodec.dicom.pydicom_loop import plugins

        if self.plugin not in plugins(job.uid, encoding=encoding):
            return f"pydicom has no plugin '{self.plugin}' here that {'encodes' if encoding else 'decodes'} this"
        return ""

    def behind(self, family: Family) -> str:
        """Return the name of the library that does the work."""
        return _BEHIND.get((self.plugin, family), self.plugin)

    def encode(self, frames: Frames, job: Job) -> list[bytes]:
        from gpucodec.dicom.pydicom_loop import compress_frames

        return compress_frames(frames, job.spec, job.uid, self.plugin, **job.options)

    def prepare(self, codestreams: list[bytes], job: Job) -> Any:
        from gpucodec.dicom.pydicom_loop import with_codestreams

        return with_codestreams(codestreams, job.spec, job.uid)

    def decode(self, prepared: Any, job: Job) -> Frames:  # noqa: ARG002
        from gpucodec.dicom.pydicom_loop import decompress_frames

        return decompress_frames(prepared, self.plugin)


class _Imagecodecs(Contender):
    """imagecodecs' CharLS, OpenJPEG and OpenJPH, called directly: it lets the GIL go, so threads share the frames."""

    name = "imagecodecs"

    def why_not(self, job: Job, *, encoding: bool) -> str:
        if find_spec("imagecodecs") is None:
            return "imagecodecs is not installed"
        if job.family not in (Family.JPEG_LS, Family.JPEG_2000, Family.HTJ2K):
            return "imagecodecs has no codec for this transfer syntax"
        lossy = job.encode_options.is_lossy
        if encoding and job.family is Family.HTJ2K and (lossy or job.uid.endswith(".202")):
            return "imagecodecs has no option for this rate or progression"
        if encoding and job.family is Family.JPEG_2000 and lossy:
            return "imagecodecs takes other rate options than DICOM's users have"
        return ""

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads)

    _threads = 1

    def _map(self, job: Job, call: Callable[[Any], Any], items: Any) -> list[Any]:
        if job.threads != self._threads:
            self.__dict__.pop("_pool", None)
            self._threads = job.threads
        return list(self._pool.map(call, items))

    def encode(self, frames: Frames, job: Job) -> list[bytes]:
        import imagecodecs

        colour = job.spec.photometric_interpretation in ("YBR_RCT", "YBR_ICT")
        if job.family is Family.JPEG_LS:
            near = int(job.options.get("jls_error", 0))
            return self._map(job, lambda frame: imagecodecs.jpegls_encode(frame, near), _as_unsigned(frames, job.spec))
        if job.family is Family.HTJ2K:
            return self._map(job, lambda frame: imagecodecs.htj2k_encode(frame, reversible=True, rgb=colour), frames)
        return self._map(
            job,
            lambda frame: imagecodecs.jpeg2k_encode(
                frame, codecformat="J2K", reversible=True, mct=colour, bitspersample=job.spec.bits_stored, numthreads=1
            ),
            frames,
        )

    def decode(self, prepared: Any, job: Job) -> Frames:
        import imagecodecs

        decoders: dict[Family, Callable[[Any], Any]] = {
            Family.JPEG_LS: imagecodecs.jpegls_decode,
            Family.JPEG_2000: lambda codestream: imagecodecs.jpeg2k_decode(codestream, numthreads=1),
            Family.HTJ2K: imagecodecs.htj2k_decode,
        }
        decoded = np.stack(self._map(job, decoders[job.family], prepared))
        return with_sign(decoded, job.spec) if job.family is Family.JPEG_LS else decoded.astype(job.spec.dtype)


def _as_unsigned(frames: Frames, spec: FrameSpec) -> Frames:
    """Return samples as JPEG-LS codes them: their Bits Stored, without a sign."""
    unsigned = frames.view(f"u{frames.itemsize}")
    return unsigned & np.array((1 << spec.bits_stored) - 1, unsigned.dtype) if spec.pixel_representation else unsigned


def with_sign(frames: Frames, spec: FrameSpec) -> Frames:
    """Return samples whose sign is the highest of their Bits Stored, as JPEG-LS codes them, with their sign."""
    if not spec.pixel_representation:
        return frames.astype(spec.dtype, copy=False)
    unused = spec.bits_allocated - spec.bits_stored
    return (frames.astype(f"u{spec.dtype.itemsize}", copy=False) << unused).view(spec.dtype) >> unused


class _NvImageCodec(Contender):
    """NVIDIA's nvImageCodec on its GPU."""

    name = "nvImageCodec"

    def why_not(self, job: Job, *, encoding: bool) -> str:
        if find_spec("nvidia") is None or find_spec("nvidia.nvimgcodec") is None:
            return "nvImageCodec is not installed"
        from gpucodec.backends import why_unavailable

        if reason := why_unavailable("cuda"):
            return reason
        if job.family not in (Family.JPEG_2000, Family.HTJ2K):
            return "nvImageCodec has no codec for this transfer syntax"
        if encoding and job.encode_options.is_lossy:
            return "nvImageCodec takes other rate options than DICOM's users have"
        return ""

    def encode(self, frames: Frames, job: Job) -> list[bytes]:
        from nvidia import nvimgcodec

        jpeg2k = nvimgcodec.Jpeg2kEncodeParams(ht=job.family is Family.HTJ2K)
        parameters = nvimgcodec.EncodeParams(quality_type=nvimgcodec.QualityType.LOSSLESS, jpeg2k_encode_params=jpeg2k)
        three = frames if frames.ndim == 4 else frames[..., np.newaxis]
        images = [nvimgcodec.as_image(np.ascontiguousarray(frame)) for frame in three]
        return [bytes(code) for code in nvimgcodec.Encoder().encode(images, codec="j2k", params=parameters)]

    def decode(self, prepared: Any, job: Job) -> Frames:
        from nvidia import nvimgcodec

        parameters = nvimgcodec.DecodeParams(allow_any_depth=True, color_spec=nvimgcodec.ColorSpec.UNCHANGED)
        images = nvimgcodec.Decoder().decode(prepared, params=parameters)
        decoded = np.stack([np.asarray(image.cpu()) for image in images])
        return decoded.reshape((job.num_frames, *job.spec.shape)).astype(job.spec.dtype)


def contenders() -> list[Contender]:
    """Return everyone who may take part, gpucodec's backends first."""
    ours: list[Contender] = [_Gpucodec(backend) for backend in ("cuda", "nvjpeg2k", "cpu", "library")]
    plugins: list[Contender] = [_Pydicom(name) for name in ("pylibjpeg", "pyjpegls", "pydicom", "gdcm", "pillow")]
    return [*ours, *plugins, _Imagecodecs(), _NvImageCodec()]
