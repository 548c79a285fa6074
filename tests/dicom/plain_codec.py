"""A codec whose codestreams are the frames' own bytes: what surrounds codecs can be tested without one."""

import numpy as np
import pytest

from gpucodec.codecs.base import Codec
from gpucodec.errors import CodestreamError
from gpucodec.frames import FrameBatch

BROKEN = b"broken"


class PlainCodec(Codec):
    """Counts the batches that it is asked for; `found` overrides attributes of what decoding finds."""

    def __init__(self, name="plain", backend="cpu", reasons=(), found=None):
        self.name = name
        self.backend = backend
        self.reasons = list(reasons)
        self.found = found or {}
        self.encoded = []
        self.decoded = []

    def why_not_encode(self, request):
        return self.reasons

    def why_not_decode(self, request):
        return self.reasons

    def encode_batch(self, batch, request):
        self.encoded.append((batch, request))
        return [frame.tobytes() for frame in batch.frames]

    def decode_batch(self, codestreams, request):
        self.decoded.append((list(codestreams), request))
        for index, codestream in enumerate(codestreams):
            if codestream.startswith(BROKEN):
                raise CodestreamError("it says so itself", frame=request.first_frame + index)
        spec = request.spec.replace(**self.found)
        frames = np.frombuffer(b"".join(codestreams), spec.dtype).reshape(len(codestreams), *spec.shape)
        return FrameBatch(frames, spec, request.first_frame)

    @property
    def encoded_sizes(self):
        return [len(batch) for batch, _ in self.encoded]

    @property
    def decoded_sizes(self):
        return [len(codestreams) for codestreams, _ in self.decoded]


def use_codecs(monkeypatch: pytest.MonkeyPatch, *codecs: Codec) -> None:
    """Make these the codecs of every transfer syntax."""
    monkeypatch.setattr("gpucodec.codecs.dispatch.codecs_for", lambda _uid: codecs)
