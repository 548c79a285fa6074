"""HTJ2K (1.2.840.10008.1.2.4.201, .202 and .203) on our own kernels, ITU-T T.814, PS3.5 Annex A and 8.2.14.

It is JPEG 2000 with another block coder: transforms, geometry and packets are those of `jpeg2000`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpucodec.backends import KERNEL_BACKENDS, executor, why_unavailable
from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest
from gpucodec.codecs.formats import Family
from gpucodec.codecs.htj2k_block_decoding import decode_any
from gpucodec.codecs.htj2k_encode import begin_lossless
from gpucodec.codecs.htj2k_quality import begin_lossy
from gpucodec.codecs.jpeg2000_decode import begin_batch, decode_components, why_not_codestreams
from gpucodec.codecs.jpeg2000_memory import decoding_bytes, encoding_bytes
from gpucodec.codecs.options import DecodeOptions, EncodeOptions
from gpucodec.codestream.j2k_parameters import CodingParameters, ProgressionOrder
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = ["Htj2kCodec", "codecs", "parameters_for"]

RPCL = "1.2.840.10008.1.2.4.202"
_MAX_LEVELS = 5
_SMALLEST_RESOLUTION = 64
_MAX_BITS = 27
_MAX_BITS_LOSSY = 24


def codecs(family: Family) -> list[Codec]:
    """Return the HTJ2K codecs, one a kernel backend."""
    return [Htj2kCodec(backend) for backend in KERNEL_BACKENDS] if family is Family.HTJ2K else []


class Htj2kCodec(Codec):
    """HTJ2K on a kernel backend.

    Parameters
    ----------
    backend : str
        ``"cpu"``, ``"cuda"`` or ``"simulator"``.
    """

    name = "htj2k"
    decodes_components = True

    def __init__(self, backend: str) -> None:
        self.backend = backend

    def why_not_encode(self, request: EncodeRequest) -> list[str]:
        """Return the reasons why this codec cannot encode the request."""
        reasons = [reason] if (reason := why_unavailable(self.backend)) else []
        options, spec = request.options, request.spec
        limit = _MAX_BITS_LOSSY if options.is_lossy else _MAX_BITS
        if max(len(options.j2k_cr), len(options.j2k_psnr)) > 1:
            reasons.append("HT codeblocks have one coding pass here, and cannot be shared out among several layers")
        if spec.bits_stored > limit:
            reasons.append(f"{spec.bits_stored} bits stored, 32-bit coefficients hold those of {limit}")
        return reasons

    def why_not_decode(self, request: DecodeRequest) -> list[str]:
        """Return the reasons why this codec cannot decode the request, those in the codestreams' headers included."""
        reasons = [reason] if (reason := why_unavailable(self.backend)) else []
        return reasons + why_not_codestreams(request)

    def device_bytes(self, request: EncodeRequest | DecodeRequest) -> int:
        """Return at most how many bytes of a device's memory one frame needs while it is worked on."""
        uid = request.transfer_syntax_uid
        if isinstance(request, EncodeRequest):
            return encoding_bytes(request.spec, parameters_for(request.spec, request.options, uid))
        return decoding_bytes(request, parameters_for(request.spec, EncodeOptions(), uid))

    def encode_batch(self, batch: FrameBatch, request: EncodeRequest) -> list[bytes]:
        """Encode frames; lossless unless the options have a compression ratio or a signal-to-noise ratio."""
        return self.begin_encode(batch, request)()

    def begin_encode(self, batch: FrameBatch, request: EncodeRequest) -> Callable[[], list[bytes]]:
        """Begin to encode frames; on the host it is done then."""
        parameters = parameters_for(request.spec, request.options, request.transfer_syntax_uid)
        begin = begin_lossless if parameters.reversible else begin_lossy
        return begin(executor(self.backend), batch, parameters)

    def decode_batch(self, codestreams: Sequence[bytes], request: DecodeRequest) -> FrameBatch:
        """Decode codestreams, as `gpucodec.codecs.jpeg2000.Jpeg2000Codec.decode_batch` does."""
        return self.begin_decode(codestreams, request)()

    def begin_decode(self, codestreams: Sequence[bytes], request: DecodeRequest) -> Callable[[], FrameBatch]:
        """Begin to decode codestreams as `decode_batch` does; on the host it is done then."""
        return begin_batch(executor(self.backend), codestreams, request, decode_any)

    def decode_components(self, codestream: bytes, options: DecodeOptions) -> list[np.ndarray[Any, Any]]:
        """Decode one codestream's components, each at its own size; see `gpucodec.decode_components`."""
        return decode_components(executor(self.backend), codestream, options, decode_any)


def parameters_for(spec: FrameSpec, options: EncodeOptions, uid: str) -> CodingParameters:
    """Return how a frame is coded.

    Packets go by resolution, position, component and layer. The RPCL transfer syntax asks for that, for TLM, and for
    as many levels as it takes until the smallest resolution has no more than 64 rows and columns (PS3.5 Annex A).
    """
    everything = options.j2k_cr == (1.0,) or options.j2k_psnr == (0.0,)
    lossless = not options.is_lossy or everything
    most = min(spec.rows, spec.columns).bit_length() - 1
    needed = max(0, (-(-max(spec.rows, spec.columns) // _SMALLEST_RESOLUTION) - 1).bit_length())
    transformed = spec.photometric_interpretation in ("YBR_RCT", "YBR_ICT") and spec.samples_per_pixel == 3
    return CodingParameters(
        reversible=lossless,
        component_transform=transformed,
        levels=max(min(_MAX_LEVELS, most), needed if uid == RPCL else 0),
        progression_order=ProgressionOrder.RPCL,
        tlm=uid == RPCL,
        high_throughput=True,
        ratios=() if lossless else options.j2k_cr,
        psnr=() if lossless else options.j2k_psnr,
    )
