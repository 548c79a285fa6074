"""RLE Lossless (1.2.840.10008.1.2.5) on our own kernels, PS3.5 Annex G."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gpucodec.backends import KERNEL_BACKENDS, executor, why_unavailable
from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest, why_not_partial
from gpucodec.codecs.device_frames import brought_home, new_frames
from gpucodec.codecs.formats import Family
from gpucodec.codecs.rle_decoding import Decoding, frames_to_decode
from gpucodec.codecs.rle_encoding import begin_portion, frames_to_encode
from gpucodec.codestream.rle_header import HEADER_BYTES, MAX_SEGMENTS, num_segments, read_segment_bounds
from gpucodec.errors import LimitExceededError
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = ["RleCodec", "codecs"]

_FRAME_TABLES = 4096
_LARGEST_FRAME = (1 << 32) - 1  # segment offsets are 32-bit unsigned integers, G.5


def codecs(family: Family) -> list[Codec]:
    """Return the RLE codecs, one a kernel backend."""
    return [RleCodec(backend) for backend in KERNEL_BACKENDS] if family is Family.RLE else []


class RleCodec(Codec):
    """RLE Lossless on a kernel backend.

    Parameters
    ----------
    backend : str
        ``"cpu"``, ``"cuda"`` or ``"simulator"``.
    """

    name = "rle"

    def __init__(self, backend: str) -> None:
        self.backend = backend

    def why_not_encode(self, request: EncodeRequest) -> list[str]:
        """Return the reasons why this codec cannot encode the request."""
        return self._why_not(request.spec)

    def why_not_decode(self, request: DecodeRequest) -> list[str]:
        """Return the reasons why this codec cannot decode the request."""
        return self._why_not(request.spec) + why_not_partial(request)

    def _why_not(self, spec: FrameSpec) -> list[str]:
        reasons = [reason] if (reason := why_unavailable(self.backend)) else []
        segments = num_segments(spec)
        if segments > MAX_SEGMENTS:
            reasons.append(
                f"{spec.samples_per_pixel} samples of {spec.bits_allocated} bits are {segments} RLE segments, "
                f"at most {MAX_SEGMENTS} are allowed (PS3.5 G.2)"
            )
        from gpucodec_kernels.rle import slot_size

        largest = HEADER_BYTES + segments * (spec.rows * slot_size(spec.columns) + 1)
        if largest > _LARGEST_FRAME:
            reasons.append(f"an encoded frame could take {largest} bytes, segment offsets reach {_LARGEST_FRAME}")
        return reasons

    def device_bytes(self, request: EncodeRequest | DecodeRequest) -> int:
        """Return at most how many bytes of a device's memory one frame needs while it is worked on."""
        from gpucodec_kernels.rle import slot_size

        spec = request.spec
        rows = num_segments(spec) * spec.rows
        slot = int(slot_size(spec.columns))
        # Encoding: samples, rows in their slots, codestreams, lengths and places of rows. Decoding needs less.
        return 3 * spec.num_bytes + rows * (2 * slot + 32) + _FRAME_TABLES

    def encode_batch(self, batch: FrameBatch, request: EncodeRequest) -> list[bytes]:
        """Encode frames; every codestream is of even length."""
        return self.begin_encode(batch, request)()

    def begin_encode(self, batch: FrameBatch, request: EncodeRequest) -> Callable[[], list[bytes]]:
        """Begin to encode frames; on the host it is done then."""
        where, spec = executor(self.backend), request.spec
        if where.is_asynchronous:
            return begin_portion(where, batch.frames, spec)
        encoded: list[bytes] = []
        for begin, end in _portions(len(batch), frames_to_encode(where, spec, len(batch))):
            encoded.extend(begin_portion(where, batch.frames[begin:end], spec)())
        return lambda: encoded

    def decode_batch(self, codestreams: Sequence[bytes], request: DecodeRequest) -> FrameBatch:
        """Decode codestreams to the container that Bits Allocated and Pixel Representation name."""
        return self.begin_decode(codestreams, request)()

    def begin_decode(self, codestreams: Sequence[bytes], request: DecodeRequest) -> Callable[[], FrameBatch]:
        """Begin to decode codestreams; on the host it is done then."""
        spec = request.spec.replace(planar_configuration=0)
        if spec.num_bytes > request.options.max_frame_bytes:
            raise LimitExceededError(
                f"A frame takes {spec.num_bytes} bytes, above the limit of {request.options.max_frame_bytes}"
            )
        where = executor(self.backend)
        bounds = read_segment_bounds(codestreams, num_segments(spec), request.first_frame)
        frames = new_frames(where, len(codestreams), spec)
        checks = []
        for begin, end in _portions(len(codestreams), frames_to_decode(where, spec, len(codestreams))):
            first_frame = request.first_frame + begin
            decoding = Decoding(where, codestreams[begin:end], bounds[begin:end], request, first_frame)
            checks.append(decoding.begin(frames[begin:end]))
            if not where.is_asynchronous:
                checks.pop()()

        def finish() -> FrameBatch:
            for check in checks:
                check()
            return FrameBatch(brought_home(where, frames, request), spec, request.first_frame)

        return finish


def _portions(count: int, step: int) -> Iterator[tuple[int, int]]:
    for begin in range(0, count, step):
        yield begin, min(begin + step, count)
