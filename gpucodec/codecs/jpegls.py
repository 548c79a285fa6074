"""JPEG-LS Lossless and Near-lossless (1.2.840.10008.1.2.4.80 and .81) on our own kernels, ITU-T T.87, PS3.5 A.4.3."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gpucodec.backends import KERNEL_BACKENDS, executor, num_multiprocessors, why_unavailable
from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest, why_not_partial
from gpucodec.codecs.formats import Family
from gpucodec.codecs.jpegls_decoding import decode_frames, describe_frames, found_spec
from gpucodec.codecs.jpegls_encoding import encode_frames, num_scans
from gpucodec.codestream.jpegls import encoding_limits
from gpucodec.errors import CodestreamError
from gpucodec.frames import FrameBatch

__all__ = ["JpeglsCodec", "codecs"]

# A scan is sequential, so a GPU works on as many scans at once as there are, one thread each: below a block of 128
# threads a multiprocessor most schedulers have nothing to do, and `auto` takes the CPU. On paper, see
# `gpucodec_kernels.jpegls.scan`: no GPU has been measured yet.
_SCANS_A_MULTIPROCESSOR = 128
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

    def encode_batch(self, batch: FrameBatch, request: EncodeRequest) -> list[bytes]:
        """Encode frames, near-lossless if the options have a `jls_error`."""
        return encode_frames(executor(self.backend), batch.frames, batch.spec, request.options.jls_error)

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
        if not codestreams:
            return FrameBatch(np.empty((0, *request.spec.shape), request.spec.dtype), request.spec, request.first_frame)
        try:
            return self._decode(codestreams, request, trusting=True)
        except CodestreamError:
            return self._decode(codestreams, request, trusting=False)

    def _decode(self, codestreams: Sequence[bytes], request: DecodeRequest, *, trusting: bool) -> FrameBatch:
        descriptions = describe_frames(codestreams, request, trusting=trusting)
        spec = found_spec(descriptions, request.spec)
        frames = decode_frames(executor(self.backend), codestreams, descriptions, spec, request.first_frame)
        return FrameBatch(frames, spec, request.first_frame)
