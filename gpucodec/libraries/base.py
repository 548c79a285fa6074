"""What the codecs of all libraries have in common: where they run, what is checked, how failures are told."""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest, why_not_partial
from gpucodec.codecs.formats import get_format
from gpucodec.codecs.options import DecodeOptions
from gpucodec.codestream.jpeg_headers import FrameHeader, read_frame_header
from gpucodec.errors import CodestreamError, GpucodecError, LimitExceededError, UnsupportedError, naming_frame
from gpucodec.frames import FrameBatch, FrameSpec
from gpucodec.libraries.batch import Work, run_in_pool
from gpucodec.libraries.pool import Pool, get_pool, why_unavailable

__all__ = [
    "LibraryCodec",
    "check_size",
    "common_spec",
    "container_bits",
    "found_spec",
    "narrow",
    "read_header",
    "translated",
]

# A batch goes to worker processes when one process alone would need this many seconds for it. Measured on two
# cores: a worker is ready 0.15 to 0.2 s after its start (Python, NumPy, the library), of which it computes all
# the time; a chunk's way to a warm one and back costs 0.2 ms. So a cold pool needs to save about what it costs,
# and a warm one pays off for anything that can be felt. A single frame cannot be shared out.
_COLD_SECONDS = 0.3
_WARM_SECONDS = 0.01

# One call at a time in this process: OpenJPEG's encoder crashes when two threads call it at once, and since
# none of the libraries releases the GIL nothing is lost.
_lock = threading.Lock()


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it when it forked


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class LibraryCodec(Codec):
    """A codec whose work is done by a library, in worker processes or, for small batches, here.

    A subclass says what its library can do; its module has the functions that call it:
    ``encode_frame(frame, spec, options) -> bytes``, ``decode_frame(codestream, spec, options) -> (content, found)``
    and ``inspect(codestream, spec, options) -> found``, where frames are little-endian bytes, colour-by-pixel.

    Attributes
    ----------
    name : str
        The library, as it is installed with pip.
    import_name : str
        Its import package.
    module : str
        Dotted name of the module with the functions above.
    encode_rate, decode_rate : float
        Uncompressed bytes a second that one core does, for deciding where to run; infinite when the way to
        another process takes longer than the work.
    """

    backend = "library"
    import_name: str
    module: str
    encode_rate: float
    decode_rate: float

    def why_not_encode(self, request: EncodeRequest) -> list[str]:
        """Return the reasons why this codec cannot encode the request; empty when it can."""
        return self._why_missing() or self.encode_limits(request)

    def why_not_decode(self, request: DecodeRequest) -> list[str]:
        """Return the reasons why this codec cannot decode the request; empty when it can."""
        return self._why_missing() or self.decode_limits(request) + why_not_partial(request)

    @abstractmethod
    def encode_limits(self, request: EncodeRequest) -> list[str]:
        """Return what the library cannot encode of the request."""

    @abstractmethod
    def decode_limits(self, request: DecodeRequest) -> list[str]:
        """Return what the library cannot decode of the request."""

    def _why_missing(self) -> list[str]:
        if find_spec(self.import_name) is None:
            return [f"{self.name} is not installed, install it with: pip install {self.name}"]
        return []

    def encode_batch(self, batch: FrameBatch, request: EncodeRequest) -> list[bytes]:
        """Encode frames, see `gpucodec.codecs.base.Codec.encode_batch`.

        Raises
        ------
        GpucodecError
            If the library fails; names the frame.
        WorkerError
            If a worker process died or ran out of time; names the frame.
        """
        spec = batch.spec
        codestreams = [b""] * len(batch)

        def get(index: int) -> npt.NDArray[Any]:
            return np.ascontiguousarray(batch.frames[index], dtype=spec.dtype.newbyteorder("<"))

        def put(index: int, content: bytes, _found: None) -> None:
            codestreams[index] = content

        self._run(
            Work(
                self.module, "encode_frame", spec, request.options, _what("encoding", request), len(batch),
                batch.first_frame, spec.num_bytes, get, put,
            ),
            _choose_pool(len(batch), batch.num_bytes / self.encode_rate),
        )  # fmt: skip
        return codestreams

    def decode_batch(self, codestreams: Sequence[bytes], request: DecodeRequest) -> FrameBatch:
        """Decode codestreams, see `gpucodec.codecs.base.Codec.decode_batch`.

        Frames of one batch may differ in precision and sign; the batch then has the smallest container that
        holds all of them, signed if any is.

        Raises
        ------
        CodestreamError
            If a codestream is wrong, or its size is not that of the request; names the frame.
        LimitExceededError
            If a frame would be larger than the options allow.
        UnsupportedError
            If a codestream has what the library cannot decode.
        WorkerError
            If a worker process died or ran out of time; names the frame.
        """
        spec = self._inspect_all(codestreams, request)
        frames = np.empty((len(codestreams), *spec.shape), spec.dtype)

        def get(index: int) -> bytes:
            return codestreams[index]

        def put(index: int, content: bytes, found: FrameSpec) -> None:
            if len(content) != found.num_bytes:
                raise CodestreamError(
                    f"{self.name} decoded {len(content)} bytes where the header promises {found.num_bytes}",
                    frame=request.first_frame + index,
                )
            frames[index] = np.frombuffer(content, found.dtype.newbyteorder("<")).reshape(found.shape)

        seconds = len(codestreams) * spec.num_bytes / self.decode_rate
        self._run(
            Work(
                self.module, "decode_frame", request.spec, request.options, _what("decoding", request),
                len(codestreams), request.first_frame, spec.num_bytes, get, put,
            ),
            _choose_pool(len(codestreams), seconds, isolate=request.isolate),
        )  # fmt: skip
        return FrameBatch(frames, spec, request.first_frame)

    def _inspect_all(self, codestreams: Sequence[bytes], request: DecodeRequest) -> FrameSpec:
        """Read each header, before anything is allocated or decoded, and return the spec that holds all frames."""
        inspect = import_module(self.module).inspect
        found = set()
        for index, codestream in enumerate(codestreams):
            with naming_frame(request.first_frame + index):
                found.add(inspect(codestream, request.spec, request.options))
        return common_spec(found) if found else request.spec

    def _run(self, work: Work, pool: Pool | None) -> None:
        if not work.num_frames:
            return
        if pool is not None:
            run_in_pool(work, pool)
            return
        function = getattr(import_module(work.module), work.function)
        for index in range(work.num_frames):
            content = memoryview(work.get(index)).tobytes()
            with naming_frame(work.first_frame + index):
                with _lock:
                    result = function(content, work.spec, work.options)
                result = result if isinstance(result, tuple) else (result, None)
                work.put(index, *result)


def _choose_pool(num_frames: int, seconds: float, *, isolate: bool = False) -> Pool | None:
    """Return the pool if the batch should run there, None if it should run here."""
    if why_unavailable():
        return None
    pool = get_pool()
    if isolate:
        return pool
    if num_frames < 2 or pool.limit < 2:
        return None
    return pool if seconds > (_WARM_SECONDS if pool.is_warm else _COLD_SECONDS) else None


def _what(verb: str, request: EncodeRequest | DecodeRequest) -> str:
    entry = get_format(request.transfer_syntax_uid)
    return f"{verb} '{entry.name}' ({entry.uid})"


def common_spec(found: set[FrameSpec]) -> FrameSpec:
    """Return the spec that holds frames of all these specs, which differ in precision and sign alone."""
    if len(found) == 1:
        return next(iter(found))
    is_signed = any(spec.pixel_representation for spec in found)
    # An unsigned frame among signed ones needs one bit more.
    bits = max(spec.bits_stored + (is_signed and not spec.pixel_representation) for spec in found)
    return next(iter(found)).replace(
        bits_allocated=container_bits(bits), bits_stored=bits, pixel_representation=int(is_signed)
    )


def container_bits(bits_stored: int) -> int:
    """Return the width of the smallest container that a library uses for samples of this many bits."""
    return next(width for width in (8, 16, 32, 64) if bits_stored <= width)


def narrow(frame: bytes, spec: FrameSpec) -> npt.NDArray[Any]:
    """Return a frame in the smallest container for its bits stored, as the libraries expect and pydicom does.

    Parameters
    ----------
    frame : bytes
        One frame of `spec`, little-endian, colour-by-pixel.

    Returns
    -------
    numpy.ndarray
        ``(rows, columns)`` or ``(rows, columns, samples)``, little-endian.
    """
    samples = np.frombuffer(frame, spec.dtype.newbyteorder("<")).reshape(spec.shape)
    container = f"<{spec.dtype.kind}{container_bits(spec.bits_stored) // 8}"
    return samples.astype(container, copy=False)


def read_header(codestream: bytes, spec: FrameSpec, options: DecodeOptions) -> FrameHeader:
    """Read a frame header and compare it with what the dataset says, so that it cannot lie about its size.

    Raises
    ------
    CodestreamError
        If it is wrong, or says another size or number of samples than the dataset.
    LimitExceededError
        If the frame would be larger than the options allow.
    """
    header = read_frame_header(codestream)
    told = (header.rows, header.columns, header.samples)
    expected = (spec.rows, spec.columns, spec.samples_per_pixel)
    if told != expected:
        raise CodestreamError(
            f"the codestream holds (rows, columns, samples) {told} where the dataset says {expected}",
            format=header.format,
        )
    if header.precision > 32:
        raise UnsupportedError(f"Unable to decode a codestream with a precision of {header.precision} bits, at most 32")
    check_size(header.rows * header.columns * header.samples * container_bits(header.precision) // 8, options)
    return header


def check_size(num_bytes: int, options: DecodeOptions) -> None:
    """Refuse a frame that is larger than the options allow.

    Raises
    ------
    LimitExceededError
        If it is.
    """
    if num_bytes > options.max_frame_bytes:
        raise LimitExceededError(
            f"a frame of {num_bytes} bytes is above the limit of {options.max_frame_bytes} (max_frame_bytes)"
        )


def found_spec(header: FrameHeader, spec: FrameSpec) -> FrameSpec:
    """Describe the frame that a codestream holds: its own precision and sign in the smallest container."""
    return spec.replace(
        bits_allocated=container_bits(header.precision),
        bits_stored=header.precision,
        pixel_representation=int(header.is_signed),
        planar_configuration=0,
    )


@contextmanager
def translated(target: type[GpucodecError], **place: Any) -> Iterator[None]:
    """Turn what a library raises about its input into an error of the contract.

    Parameters
    ----------
    target : type
        The error to raise, with the library's message.
    **place
        Its keyword arguments.
    """
    try:
        yield
    except (RuntimeError, ValueError, OverflowError) as error:
        if isinstance(error, GpucodecError):
            raise
        raise target(str(error) or type(error).__name__, **place) from error
