"""JPEG-LS Lossless and Near-lossless (1.2.840.10008.1.2.4.80 and .81) on our own kernels, ITU-T T.87, PS3.5 A.4.3."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gpucodec.backends import KERNEL_BACKENDS, executor, num_multiprocessors, why_unavailable
from gpucodec.codecs import jpegls_decoding as decoding
from gpucodec.codecs import jpegls_encoding as encoding
from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest, why_not_partial
from gpucodec.codecs.device_frames import brought_home
from gpucodec.codecs.formats import Family
from gpucodec.codecs.jpegls_decoding import describe_frames, found_spec
from gpucodec.codecs.jpegls_encoding import num_scans
from gpucodec.codestream.jpegls import encoding_limits
from gpucodec.errors import CodestreamError
from gpucodec.frames import FrameBatch

__all__ = ["JpeglsCodec", "codecs"]

# A scan is sequential, so a GPU works on as many scans at once as there are, one thread each: below a block of 128
# threads a multiprocessor most schedulers have nothing to do, and `auto` takes the CPU. On paper, see
# `gpucodec_kernels.jpegls.scan`: no GPU has been measured yet.
_SCANS_A_MULTIPROCESSOR = 128
_DEVICE_FRAMES = 3  # samples, codestream, and what they become in the container of the dataset
_FEWEST_MULTIPROCESSORS = 40  # a T4's


def codecs(family: Family) -> list[Codec]:
    """Return the JPEG-LS codecs, one a kernel backend."""
    return [JpeglsCodec(backend) for backend in KERNEL_BACKENDS] if family is Family.JPEG_LS else []


class JpeglsCodec(Codec):
    """JPEG-LS on a kernel backend.

    Codestreams are CharLS's byte for byte, headers included. Planar Configuration chooses the interleave mode, as
    it does in pydicom: 1 codes the components one after the other (ILV none, one scan each), 0 codes them sample
    by sample. Signed samples are coded as the unsigned numbers that their Bits Stored bits make.

    Parameters
    ----------
    backend : str
        ``"cpu"``, ``"cuda"`` or ``"simulator"``.
    """

    name = "jpegls"

    def __init__(self, backend: str) -> None:
        self.backend = backend

    def why_not_encode(self, request: EncodeRequest) -> list[str]:
        """Return the reasons why this codec cannot encode the request."""
        reasons = self._why_unavailable()
        return reasons + encoding_limits(request.spec.bits_stored, request.options.jls_error)

    def why_not_decode(self, request: DecodeRequest) -> list[str]:
        """Return the reasons why this codec cannot decode the request."""
        return self._why_unavailable() + why_not_partial(request)

    def why_slow(self, request: EncodeRequest | DecodeRequest) -> list[str]:
        """Return why a GPU is not worth its while: too few scans."""
        scans = request.num_frames * num_scans(request.spec)
        wanted = _SCANS_A_MULTIPROCESSOR * max(num_multiprocessors(self.backend), _FEWEST_MULTIPROCESSORS)
        if self.backend == "cuda" and scans < wanted:
            return [f"{scans} scans are too few to fill a GPU, at least {wanted} are wanted"]
        return []

    def _why_unavailable(self) -> list[str]:
        return [reason] if (reason := why_unavailable(self.backend)) else []

    def device_bytes(self, request: EncodeRequest | DecodeRequest) -> int:
        """Return at most how many bytes of a device's memory one frame needs while it is worked on."""
        near = request.options.jls_error if isinstance(request, EncodeRequest) else 0
        spec = request.spec
        spec = spec.replace(bits_stored=min(16, max(2, spec.bits_stored)))
        return _DEVICE_FRAMES * spec.num_bytes + encoding.frame_bytes(executor(self.backend), spec, near)

    def encode_batch(self, batch: FrameBatch, request: EncodeRequest) -> list[bytes]:
        """Encode frames, near-lossless if the options have a `jls_error`."""
        return self.begin_encode(batch, request)()

    def begin_encode(self, batch: FrameBatch, request: EncodeRequest) -> Callable[[], list[bytes]]:
        """Begin to encode frames; on the host it is done then."""
        return encoding.begin_frames(executor(self.backend), batch.frames, batch.spec, request.options.jls_error)

    def decode_batch(self, codestreams: Sequence[bytes], request: DecodeRequest) -> FrameBatch:
        """Decode codestreams, see `gpucodec.codecs.base.Codec.decode_batch`.

        Frames of one batch may differ in precision; the batch then has the smallest container that holds all of
        them. JPEG-LS knows no sign: samples are unsigned.

        Raises
        ------
        CodestreamError
            If a codestream is wrong, or its size is not that of the request; names the frame.
        LimitExceededError
            If a frame would be larger than the options allow.
        UnsupportedError
            If a codestream holds what a frame of DICOM cannot: components of different sizes, table entries of
            more than 16 bits.
        """
        return self.begin_decode(codestreams, request)()

    def begin_decode(self, codestreams: Sequence[bytes], request: DecodeRequest) -> Callable[[], FrameBatch]:
        """Begin to decode codestreams as `decode_batch` does; on the host it is done then."""
        if not codestreams:
            none = FrameBatch(np.empty((0, *request.spec.shape), request.spec.dtype), request.spec, request.first_frame)
            return lambda: none

        def mistrusting() -> FrameBatch:
            return self._begin(codestreams, request, trusting=False)()

        try:
            finish = self._begin(codestreams, request, trusting=True)
        except CodestreamError:
            return mistrusting

        def trusting() -> FrameBatch:
            try:
                return finish()
            except CodestreamError:
                return mistrusting()

        return trusting

    def _begin(
        self, codestreams: Sequence[bytes], request: DecodeRequest, *, trusting: bool
    ) -> Callable[[], FrameBatch]:
        where = executor(self.backend)
        descriptions = describe_frames(codestreams, request, trusting=trusting)
        spec = found_spec(descriptions, request.spec)
        finish = decoding.begin_frames(where, codestreams, descriptions, spec, request.first_frame)
        return lambda: FrameBatch(brought_home(where, finish(), request), spec, request.first_frame)
