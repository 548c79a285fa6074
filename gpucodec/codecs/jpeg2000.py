"""JPEG 2000 (1.2.840.10008.1.2.4.90 and .91) on our own kernels, ITU-T T.800, PS3.5 A.4.4 and 8.2.4.

Lossless frames are coded to the very bytes that pylibjpeg-openjpeg writes, without its comment. `encode_frames` gives
access to everything else that the standard lets an encoder choose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gpucodec.backends import KERNEL_BACKENDS, Executor, executor, why_unavailable
from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest
from gpucodec.codecs.formats import Family
from gpucodec.codecs.jpeg2000_block_decoding import decode_ebcot
from gpucodec.codecs.jpeg2000_decode import begin_batch, decode_components, why_not_codestreams
from gpucodec.codecs.jpeg2000_encode import begin_portion, portions
from gpucodec.codecs.jpeg2000_memory import decoding_bytes, encoding_bytes
from gpucodec.codecs.jpeg2000_reading import CodedBlocks
from gpucodec.codecs.options import DecodeOptions, EncodeOptions
from gpucodec.codestream.j2k_parameters import CodingParameters
from gpucodec.codestream.j2k_plan import DecodingPlan
from gpucodec.codestream.j2k_segments import HIGH_THROUGHPUT
from gpucodec.errors import ParameterError
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = ["Jpeg2000Codec", "codecs", "encode_frames", "parameters_for"]

_MAX_LEVELS = 5
# Coefficients are 32-bit integers; the wavelet, the RCT and strong contrasts take up to four bits more than samples.
_MAX_BITS = 27
_MAX_BITS_LOSSY = 24


def codecs(family: Family) -> list[Codec]:
    """Return the JPEG 2000 codecs, one a kernel backend."""
    return [Jpeg2000Codec(backend) for backend in KERNEL_BACKENDS] if family is Family.JPEG_2000 else []


class Jpeg2000Codec(Codec):
    """JPEG 2000 on a kernel backend.

    Parameters
    ----------
    backend : str
        ``"cpu"``, ``"cuda"`` or ``"simulator"``.
    """

    name = "jpeg2000"
    decodes_components = True

    def __init__(self, backend: str) -> None:
        self.backend = backend

    def why_not_encode(self, request: EncodeRequest) -> list[str]:
        """Return the reasons why this codec cannot encode the request."""
        reasons = [reason] if (reason := why_unavailable(self.backend)) else []
        return reasons + _why_not(request.spec, parameters_for(request.spec, request.options))

    def why_not_decode(self, request: DecodeRequest) -> list[str]:
        """Return the reasons why this codec cannot decode the request, those in the codestreams' headers included."""
        reasons = [reason] if (reason := why_unavailable(self.backend)) else []
        return reasons + why_not_codestreams(request)

    def device_bytes(self, request: EncodeRequest | DecodeRequest) -> int:
        """Return at most how many bytes of a device's memory one frame needs while it is worked on."""
        if isinstance(request, EncodeRequest):
            return encoding_bytes(request.spec, parameters_for(request.spec, request.options))
        return decoding_bytes(request, parameters_for(request.spec, EncodeOptions()))

    def encode_batch(self, batch: FrameBatch, request: EncodeRequest) -> list[bytes]:
        """Encode frames; lossless unless the options have compression ratios or signal-to-noise ratios."""
        return self.begin_encode(batch, request)()

    def begin_encode(self, batch: FrameBatch, request: EncodeRequest) -> Callable[[], list[bytes]]:
        """Begin to encode frames; on the host it is done then."""
        return _begin(executor(self.backend), batch, parameters_for(request.spec, request.options))

    def decode_batch(self, codestreams: Sequence[bytes], request: DecodeRequest) -> FrameBatch:
        """Decode codestreams, or the part of each that the options ask for.

        Frames of one batch may differ in precision and sign; the batch then has the smallest container that holds
        all of them, signed if any is. RCT and ICT are undone: YBR_RCT and YBR_ICT become RGB.

        Raises
        ------
        CodestreamError
            If a codestream is wrong, or its size is not that of the request; names the frame.
        LimitExceededError
            If a frame would be larger than the options allow.
        ParameterError
            If the options ask for a part that is not there.
        UnsupportedError
            If a codestream has what is not decoded here.
        """
        return self.begin_decode(codestreams, request)()

    def begin_decode(self, codestreams: Sequence[bytes], request: DecodeRequest) -> Callable[[], FrameBatch]:
        """Begin to decode codestreams as `decode_batch` does; on the host it is done then."""
        return begin_batch(executor(self.backend), codestreams, request, _decode_blocks)

    def decode_components(self, codestream: bytes, options: DecodeOptions) -> list[np.ndarray[Any, Any]]:
        """Decode one codestream's components, each at its own size; see `gpucodec.decode_components`."""
        return decode_components(executor(self.backend), codestream, options, _decode_blocks)


def _decode_blocks(
    where: Executor, plan: DecodingPlan, coded: CodedBlocks, num_frames: int, coefficients: Any
) -> npt.NDArray[np.int32]:
    """Decode codeblocks of Part 1, or of either kind: there may be HTJ2K under JPEG 2000's transfer syntaxes."""
    if (plan.blocks.reshape(-1, 8)[:, 5] & HIGH_THROUGHPUT).any():
        from gpucodec.codecs.htj2k_block_decoding import decode_any

        return decode_any(where, plan, coded, num_frames, coefficients)
    return decode_ebcot(where, plan, coded, num_frames, coefficients)


def parameters_for(spec: FrameSpec, options: EncodeOptions) -> CodingParameters:
    """Return how pylibjpeg-openjpeg would code a frame.

    A photometric interpretation of YBR_RCT or YBR_ICT has RGB samples and asks for the component transform. A single
    layer without a limit (a ratio of 1) is lossless. Small frames get fewer levels.
    """
    everything = options.j2k_cr == (1.0,) or options.j2k_psnr == (0.0,)
    lossless = not options.is_lossy or everything
    transformed = spec.photometric_interpretation in ("YBR_RCT", "YBR_ICT") and spec.samples_per_pixel == 3
    return CodingParameters(
        reversible=lossless,
        component_transform=transformed,
        levels=min(_MAX_LEVELS, min(spec.rows, spec.columns).bit_length() - 1),
        ratios=() if lossless else options.j2k_cr,
        psnr=() if lossless else options.j2k_psnr,
    )


def encode_frames(batch: FrameBatch, parameters: CodingParameters, backend: str = "cpu") -> list[bytes]:
    """Encode frames with whatever the standard lets an encoder choose.

    Parameters
    ----------
    batch : FrameBatch
        The frames.
    parameters : CodingParameters
        How to code them; `component_transform` alone says whether RCT or ICT is used.
    backend : str
        ``"cpu"``, ``"cuda"`` or ``"simulator"``.

    Returns
    -------
    list of bytes
        One codestream a frame.

    Raises
    ------
    ParameterError
        If frames and parameters do not go together, or a frame cannot be coded within a ratio.
    BackendUnavailableError
        If the backend cannot be used here.
    """
    if reasons := _why_not(batch.spec, parameters):
        raise ParameterError(f"Unable to encode these frames: {'; '.join(reasons)}")
    return _begin(executor(backend), batch, parameters)()


def _why_not(spec: FrameSpec, parameters: CodingParameters) -> list[str]:
    limit = _MAX_BITS if parameters.reversible else _MAX_BITS_LOSSY
    reasons = []
    if spec.bits_stored > limit:
        how = "lossless" if parameters.reversible else "lossy"
        reasons.append(f"{spec.bits_stored} bits stored, 32-bit coefficients hold those of {limit} ({how})")
    if parameters.component_transform and spec.samples_per_pixel < 3:
        reasons.append(f"a component transform of {spec.samples_per_pixel} sample per pixel, it takes 3")
    return reasons


def _begin(where: Executor, batch: FrameBatch, parameters: CodingParameters) -> Callable[[], list[bytes]]:
    if where.is_asynchronous and len(batch):
        ((frames, first),) = portions(where, batch)
        return begin_portion(where, frames, batch.spec, parameters, first)
    encoded: list[bytes] = []
    for frames, first in portions(where, batch):
        encoded.extend(begin_portion(where, frames, batch.spec, parameters, first)())
    return lambda: encoded
