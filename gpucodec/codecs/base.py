"""The contract that every codec keeps, whatever executes it.

A codec is one format on one backend. It is asked beforehand whether it can take a batch, and answers with
its reasons when it cannot. Once it has said yes, a failure of its own is an error, never a reason to try
another codec quietly.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from gpucodec.codecs.options import DecodeOptions, EncodeOptions
from gpucodec.errors import UnsupportedError
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = ["Codec", "DecodeRequest", "EncodeRequest", "why_not_partial"]

# What a frame needs on a device beside its own bytes, where a codec does not know better.
_DEVICE_FACTOR = 16
_DEVICE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class EncodeRequest:
    """What is to be encoded.

    Parameters
    ----------
    transfer_syntax_uid : str
        The transfer syntax to encode to.
    spec : FrameSpec
        What each frame is.
    num_frames : int
        How many frames the batch has.
    options : EncodeOptions
        Checked options.
    on_device : bool
        Whether the frames are on a GPU.
    """

    transfer_syntax_uid: str
    spec: FrameSpec
    num_frames: int
    options: EncodeOptions = field(default_factory=EncodeOptions)
    on_device: bool = False


@dataclass(frozen=True, slots=True)
class DecodeRequest:
    """What is to be decoded.

    Parameters
    ----------
    transfer_syntax_uid : str
        The transfer syntax of the codestreams.
    spec : FrameSpec
        What the dataset says each frame is.
    num_frames : int
        How many codestreams the batch has.
    options : DecodeOptions
        Checked options.
    first_frame : int
        Index in its file of the batch's first frame, from 0; errors count from it.
    isolate : bool
        Whether native libraries must run in another process even for a small batch, because the bytes
        come from somebody else and a crash must not take this process along.
    codestreams : sequence of bytes
        The codestreams, once they are known: a codec may read in their headers what it cannot do. Without them
        it answers for codestreams that hold nothing unusual.
    on_device : bool
        Whether a codec that works on a GPU may leave the frames there.
    """

    transfer_syntax_uid: str
    spec: FrameSpec
    num_frames: int
    options: DecodeOptions = field(default_factory=DecodeOptions)
    first_frame: int = 0
    isolate: bool = False
    codestreams: Sequence[bytes] = field(default=(), repr=False, compare=False)
    on_device: bool = False


def why_not_partial(request: DecodeRequest) -> list[str]:
    """Return what a codec that decodes whole frames alone says to a request for less; nothing to any other."""
    options = request.options
    asked = [name for name in ("reduce", "layers", "region") if getattr(options, name)]
    return [f"whole frames are decoded alone, without {', '.join(asked)}"] if asked else []


class Codec(ABC):
    """One format on one backend: encodes a batch of frames, decodes a batch of codestreams.

    Attributes
    ----------
    name : str
        What ran, as reports name it, such as ``"rle"`` or ``"pylibjpeg-openjpeg"``.
    backend : str
        What executes it: ``"cpu"``, ``"cuda"``, ``"simulator"``, ``"nvjpeg2k"`` or ``"library"``.
    decodes_components : bool
        Whether `decode_components` is there.
    """

    name: str
    backend: str
    decodes_components = False

    @abstractmethod
    def why_not_encode(self, request: EncodeRequest) -> list[str]:
        """Return the reasons why this codec cannot encode the request; empty when it can."""

    @abstractmethod
    def why_not_decode(self, request: DecodeRequest) -> list[str]:
        """Return the reasons why this codec cannot decode the request; empty when it can."""

    def why_slow(self, request: EncodeRequest | DecodeRequest) -> list[str]:  # noqa: ARG002
        """Return why this codec can, but ``backend="auto"`` does better with one after it; empty when it does not."""
        return []

    def device_bytes(self, request: EncodeRequest | DecodeRequest) -> int:
        """Return at most how many bytes of a device's memory one frame needs while it is worked on."""
        return _DEVICE_FACTOR * request.spec.num_bytes + _DEVICE_BYTES

    def begin_encode(self, batch: FrameBatch, request: EncodeRequest) -> Callable[[], list[bytes]]:
        """Begin to encode frames as `encode_batch` does: what is returned waits for the end and returns codestreams.

        On a GPU the work is on its way then, on the current stream. What is returned is called once, if at all, by
        a thread whose current stream follows that one; it refers to all memory that the work needs.
        """
        encoded = self.encode_batch(batch, request)
        return lambda: encoded

    def begin_decode(self, codestreams: Sequence[bytes], request: DecodeRequest) -> Callable[[], FrameBatch]:
        """Begin to decode codestreams as `decode_batch` does; see `begin_encode`."""
        decoded = self.decode_batch(codestreams, request)
        return lambda: decoded

    @abstractmethod
    def encode_batch(self, batch: FrameBatch, request: EncodeRequest) -> list[bytes]:
        """Encode frames.

        Returns
        -------
        list of bytes
            One codestream a frame, in order, without the padding to even length that encapsulation adds.
        """

    @abstractmethod
    def decode_batch(self, codestreams: Sequence[bytes], request: DecodeRequest) -> FrameBatch:
        """Decode codestreams.

        Returns
        -------
        FrameBatch
            The samples as the codestreams hold them. Its spec says what was found there (container width,
            precision as `bits_stored`, sign, and the photometric interpretation after the codestream's own
            colour transform was undone), which may differ from what the dataset says.

        Raises
        ------
        CodestreamError
            Names the frame, counted from the request's `first_frame`.
        """

    def decode_components(self, codestream: bytes, options: DecodeOptions) -> list[npt.NDArray[Any]]:  # noqa: ARG002
        """Decode one codestream's components, each at its own size; where `decodes_components` says so.

        Raises
        ------
        UnsupportedError
            Where it does not, or if the codestream has what is not decoded here.
        """
        raise UnsupportedError(f"{self.name} does not decode components one by one")
