"""JPEG 2000 and HTJ2K by NVIDIA's nvJPEG2000, PS3.5 A.4.4 and 8.2.4.

Samples are on the GPU, codestreams on the host. The library takes one frame a call; `nvjpeg2k_pool` lets several
take turns. It says beforehand what it cannot do: what is known, and what the library itself refuses when it is shown
the configuration or the codestream.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from gpucodec.backends import Executor, executor, why_unavailable
from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest
from gpucodec.codecs.formats import Family
from gpucodec.codestream.j2k_reader import read_codestream
from gpucodec.codestream.jpeg_headers import FrameHeader, read_frame_header
from gpucodec.errors import CodestreamError, GpucodecError, UnsupportedError, naming_frame
from gpucodec.frames import FrameBatch, FrameSpec
from gpucodec.libraries.base import common_spec, found_spec, read_header
from gpucodec.libraries.nvjpeg2k_config import (
    Configuration,
    codestream_limits,
    configuration_for,
    decode_limits,
    encode_limits,
)
from gpucodec.libraries.nvjpeg2k_library import load
from gpucodec.libraries.nvjpeg2k_pool import Sessions, run, sessions_for
from gpucodec.libraries.nvjpeg2k_sessions import DecodeSession, EncodeSession

__all__ = ["Nvjpeg2kCodec", "codecs"]

_BACKEND = "nvjpeg2k"
_FORMAT = "JPEG 2000"


def codecs(family: Family) -> list[Codec]:
    """Return this library's codecs for a family of formats."""
    return [Nvjpeg2kCodec()] if family in (Family.JPEG_2000, Family.HTJ2K) else []


class Nvjpeg2kCodec(Codec):
    """JPEG 2000 and HTJ2K by nvJPEG2000 on the current GPU."""

    name = "nvjpeg2000"
    backend = _BACKEND

    def why_not_encode(self, request: EncodeRequest) -> list[str]:
        """Return the reasons why this codec cannot encode the request."""
        reason = why_unavailable(_BACKEND)
        if reasons := [*([reason] if reason else []), *encode_limits(request)]:
            return reasons
        configuration = configuration_for(request)
        return _sessions(EncodeSession).refusal(lambda session: session.configure(configuration))

    def why_not_decode(self, request: DecodeRequest) -> list[str]:
        """Return the reasons why this codec cannot decode the request, those in the codestreams' headers included."""
        if reason := why_unavailable(_BACKEND):
            return [reason]  # whatever is in the codestreams
        if reasons := decode_limits(request):
            return reasons
        sessions = _sessions(DecodeSession)
        for index, codestream in enumerate(request.codestreams):
            try:
                header = read_header(codestream, request.spec, request.options)
            except GpucodecError:
                continue  # decoding it is the error
            if refusal := sessions.refusal(partial(_parse, codestream, header)):
                return [f"frame {request.first_frame + index}: {reason}" for reason in refusal]
        return []

    def encode_batch(self, batch: FrameBatch, request: EncodeRequest) -> list[bytes]:
        """Encode frames, on the host or on the GPU; lossless unless the options have a signal-to-noise ratio.

        Raises
        ------
        GpucodecError
            If the library or the GPU fails; names the frame.
        """
        where, configuration = executor(_BACKEND), configuration_for(request)
        encoded: list[bytes] = []

        def start(session: EncodeSession, index: int) -> None:
            samples = where.contiguous(batch.frames[index]).astype(configuration.dtype, copy=False)
            session.start(samples, configuration)

        def finish(session: EncodeSession, _index: int) -> None:
            encoded.append(session.finish())
            _check_encoded(encoded[-1], configuration)

        run(_sessions(EncodeSession), len(batch), start, finish, batch.first_frame)
        return encoded

    def decode_batch(self, codestreams: Sequence[bytes], request: DecodeRequest) -> FrameBatch:
        """Decode codestreams.

        Frames of one batch may differ in precision and sign; the batch then has the smallest container that holds
        all of them, signed if any is. RCT and ICT are undone: YBR_RCT and YBR_ICT become RGB.

        Raises
        ------
        CodestreamError
            If a codestream is wrong, or its size is not that of the request; names the frame.
        LimitExceededError
            If a frame would be larger than the options allow.
        UnsupportedError
            If a codestream has what is not decoded here.
        GpucodecError
            If the library or the GPU fails; names the frame.
        """
        where = executor(_BACKEND)
        headers, specs = _inspect_all(codestreams, request)
        spec = common_spec(set(specs)) if specs else request.spec
        on_device = request.on_device and not where.on_host
        shape = (len(codestreams), *spec.shape)
        frames = _empty(where, shape, spec) if on_device else np.empty(shape, spec.dtype)

        def start(session: DecodeSession, index: int) -> None:
            found = specs[index]
            session.start(codestreams[index], headers[index], _empty(where, found.shape, found))

        def finish(session: DecodeSession, index: int) -> None:
            samples = session.finish()
            frames[index] = samples if on_device else where.download(samples)

        run(_sessions(DecodeSession), len(codestreams), start, finish, request.first_frame)
        return FrameBatch(frames, spec, request.first_frame)


def _sessions(kind: type[Any]) -> Sessions[Any]:
    return sessions_for(load(), executor(_BACKEND), kind)


def _parse(codestream: bytes, header: FrameHeader, session: DecodeSession) -> None:
    session.parse(codestream, header)


def _empty(where: Executor, shape: tuple[int, ...], spec: FrameSpec) -> Any:
    return where.empty(int(np.prod(shape)), spec.dtype).reshape(shape)


def _inspect_all(codestreams: Sequence[bytes], request: DecodeRequest) -> tuple[list[FrameHeader], list[FrameSpec]]:
    """Read each header, before anything is allocated or decoded."""
    headers, specs = [], []
    for index, codestream in enumerate(codestreams):
        with naming_frame(request.first_frame + index):
            header = read_header(codestream, request.spec, request.options)
            if header.format != _FORMAT:
                raise CodestreamError(f"the codestream is {header.format}", format=_FORMAT, offset=0)
            if reasons := codestream_limits(read_codestream(codestream)):
                raise UnsupportedError(f"Unable to decode this codestream with nvJPEG2000: {'; '.join(reasons)}")
        headers.append(header)
        specs.append(_found(header, request.spec))
    return headers, specs


def _found(header: FrameHeader, spec: FrameSpec) -> FrameSpec:
    found = found_spec(header, spec)
    if spec.photometric_interpretation in ("YBR_RCT", "YBR_ICT"):
        found = found.replace(photometric_interpretation="RGB")
    return found


def _check_encoded(codestream: bytes, configuration: Configuration) -> None:
    """See that a codestream says of its frame what was encoded."""
    spec = configuration.spec
    expected = (spec.rows, spec.columns, spec.samples_per_pixel, spec.bits_stored, bool(spec.pixel_representation))
    header = read_frame_header(codestream)
    found = (header.rows, header.columns, header.samples, header.precision, header.is_signed)
    if found != expected:
        raise GpucodecError(
            f"nvJPEG2000 wrote a codestream of (rows, columns, samples, precision, is signed) {found} "
            f"instead of {expected}"
        )
