"""Frames to codestreams and back: the way that arrays, datasets, the pydicom plugin and the transcoder share."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gpucodec.backends import Executor, Mark, executor
from gpucodec.codecs.base import DecodeRequest, EncodeRequest
from gpucodec.codecs.dispatch import Choice, carry_out
from gpucodec.codecs.formats import Family, get_format
from gpucodec.codecs.options import DecodeOptions, EncodeOptions
from gpucodec.codecs.running import CodestreamBatch, Decoding, Encoding, portions_of
from gpucodec.codestream.jpeg_colour import codestream_colour
from gpucodec.dicom.arrays import as_batch, is_device_array
from gpucodec.dicom.conform import conform
from gpucodec.dicom.profiles import validate_profile, validate_values
from gpucodec.errors import CodestreamError, DeviceMemoryError, LimitExceededError, ParameterError
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = [
    "Decoded",
    "Encoded",
    "as_told",
    "checked_codestreams",
    "decode_batch",
    "decode_batches",
    "decode_frames",
    "decode_here",
    "decode_options",
    "encode_batch",
    "encode_frames",
]

_ENCODE_OPTIONS = frozenset(field.name for field in dataclasses.fields(EncodeOptions))
_ATTRIBUTES = frozenset(field.name for field in dataclasses.fields(FrameSpec))


@dataclass(frozen=True, slots=True)
class Encoded:
    """The codestreams of a batch, and which codec made them.

    Parameters
    ----------
    codestreams : list of bytes
        One a frame, in order, not padded to even length.
    choice : Choice
        The codec that ran, and why the ones preferred to it did not.
    """

    codestreams: list[bytes]
    choice: Choice


@dataclass(frozen=True, slots=True)
class Decoded:
    """The frames of a batch, and which codec decoded them.

    Parameters
    ----------
    batch : FrameBatch
        Frames of the dtype that the dataset says.
    choice : Choice
        The codec that ran, and why the ones preferred to it did not.
    """

    batch: FrameBatch
    choice: Choice


def encode_frames(
    frames: Any,
    uid: str,
    *,
    spec: FrameSpec | None = None,
    backend: str = "auto",
    **options_and_attributes: Any,
) -> list[bytes]:
    """Encode an array of frames.

    Parameters
    ----------
    frames : numpy.ndarray or cupy.ndarray
        ``(frames, rows, columns)`` or ``(frames, rows, columns, samples)``, of an integer dtype, in any byte
        order and memory order.
    uid : str
        UID of a compressed transfer syntax, PS3.5 A.4.
    spec : FrameSpec, optional
        What each frame is; without it, what the array's shape and dtype say.
    backend : str
        ``"auto"`` for the fastest one that can, or ``"cuda"``, ``"nvjpeg2k"``, ``"cpu"``, ``"library"``,
        ``"simulator"``.
    **options_and_attributes
        Options (`jls_error`, `j2k_cr`, `j2k_psnr`) and attributes that differ from `spec` (`bits_stored`,
        `photometric_interpretation`, ...). For JPEG 2000 a photometric interpretation of ``"YBR_RCT"`` or
        ``"YBR_ICT"`` asks for the multiple component transform of RGB frames, as it does in pydicom.

    Returns
    -------
    list of bytes
        One codestream a frame, without the padding to even length that encapsulation adds.

    Raises
    ------
    ParameterError
        If array, attributes and options do not go together or with the transfer syntax (PS3.5 8.2; RLE takes
        any whole-byte container, up to 15 segments, though DICOM objects may have 8 and 16 bits alone).
    UnsupportedError
        If no backend here can do it.
    BackendUnavailableError
        If the backend asked for by name cannot be used here.

    Examples
    --------
    >>> import numpy as np, gpucodec
    >>> frames = np.zeros((4, 64, 64), "u2")
    >>> len(gpucodec.encode_frames(frames, "1.2.840.10008.1.2.5", bits_stored=12))
    4
    """
    options, attributes = _split_keywords(uid, options_and_attributes)
    _check_current(frames)
    batch = as_batch(frames, spec, **attributes)
    validate_profile(str(uid), batch.spec, in_dataset=False)
    validate_values(batch.frames, batch.spec, str(uid), options)
    return encode_batch(batch, uid, options, backend, validate=False).codestreams


def decode_frames(
    codestreams: Sequence[bytes],
    uid: str,
    *,
    spec: FrameSpec,
    backend: str = "auto",
    output: str = "numpy",
    **options: Any,
) -> Any:
    """Decode codestreams into one array of frames.

    Parameters
    ----------
    codestreams : sequence of bytes
        One a frame, each whole (the fragments of a frame joined).
    uid : str
        UID of their transfer syntax.
    spec : FrameSpec
        What the dataset says each frame is.
    backend : str
        ``"auto"`` for the fastest one that can, or the name of one.
    output : str
        ``"numpy"`` for an array on the host, ``"cupy"`` for one on the GPU.
    **options
        Options of `gpucodec.codecs.options.DecodeOptions`. Of JPEG 2000 frames a part can be decoded: `reduce`
        leaves out that many of the highest resolution levels, `layers` decodes the first quality layers alone, and
        `region`, ``(row, column, rows, columns)`` in pixels of the whole frame, decodes what lies there.

    Returns
    -------
    numpy.ndarray or cupy.ndarray
        ``(frames, rows, columns)`` or ``(frames, rows, columns, samples)`` of `spec`'s dtype, always
        colour-by-pixel. Frames with a photometric interpretation of ``"YBR_RCT"`` or ``"YBR_ICT"`` come as RGB;
        other colour spaces stay what they are. With `reduce` of n, rows and columns are those from
        ``ceil(first / 2**n)`` to ``ceil(end / 2**n)`` of the frame or the region (T.800 B.5).

    Raises
    ------
    CodestreamError
        If the bytes are wrong; it names the frame.
    ParameterError
        If what was asked for is not allowed.
    UnsupportedError
        If no backend here can do it.
    BackendUnavailableError
        If the backend, or the GPU that `output` needs, cannot be used here.
    LimitExceededError
        If one frame is above `max_frame_bytes`.

    Examples
    --------
    >>> import numpy as np, gpucodec
    >>> spec, uid = gpucodec.FrameSpec(512, 512), "1.2.840.10008.1.2.4.90"
    >>> codestreams = gpucodec.encode_frames(np.zeros((1, 512, 512), "u1"), uid, spec=spec)
    >>> gpucodec.decode_frames(codestreams, uid, spec=spec, reduce=3).shape
    (1, 64, 64)
    >>> gpucodec.decode_frames(codestreams, uid, spec=spec, region=(100, 200, 50, 60)).shape
    (1, 50, 60)
    """
    if output not in ("numpy", "cupy"):
        raise ParameterError(f"An 'output' of '{output}' is not allowed, must be 'numpy' or 'cupy'")
    request = DecodeRequest(str(uid), spec, len(codestreams), decode_options(options), on_device=output == "cupy")
    if request.on_device:
        return _decode_to_device(executor("cuda"), codestreams, request, backend)
    return decode_batch(codestreams, request, backend).batch.frames


def encode_batch(
    batch: FrameBatch,
    uid: str,
    options: EncodeOptions,
    backend: str = "auto",
    validate: bool = True,
) -> Encoded:
    """Encode a batch of frames.

    Parameters
    ----------
    batch : FrameBatch
        The frames.
    uid : str
        The transfer syntax to encode to.
    options : EncodeOptions
        Checked options.
    backend : str
        ``"auto"`` or the name of one.
    validate : bool
        Whether attributes and values are checked against PS3.5 8.2 first.

    Raises
    ------
    ParameterError
        If the frames are not what the transfer syntax may carry.
    UnsupportedError, BackendUnavailableError
        If no backend here can do it, or the one asked for cannot.
    """
    there = is_device_array(batch.frames)
    request = EncodeRequest(str(uid), batch.spec, len(batch), options, on_device=there)
    if validate:
        validate_profile(request.transfer_syntax_uid, batch.spec)
    job = Encoding(request, backend, device=_device_of(batch.frames))
    if there:
        job.wait_for_caller()
    if validate:
        validate_values(batch.frames, batch.spec, request.transfer_syntax_uid, options)
    done = list(
        job.run(
            portions_of(batch, job),
            lambda portion: (portion, None),
            lambda codestreams, choice, _: Encoded(codestreams, choice),
            threads=len(batch) > job.batch_frames,
        )
    )
    return Encoded([codestream for part in done for codestream in part.codestreams], done[0].choice)


def _check_current(frames: Any) -> None:
    """Refuse an array on a GPU that is not the current one: what made it is known to that one's stream alone.

    Raises
    ------
    ParameterError
        If it is.
    """
    number = _device_of(frames)
    if number is not None and number != (current := executor("cuda").device):
        raise ParameterError(
            f"The array is on GPU {number}, but GPU {current} is the current one: make {number} current"
        )


def _device_of(frames: Any) -> int | None:
    """Return the number of the GPU that an array is on; None for one on the host."""
    return getattr(getattr(frames, "device", None), "id", None)


def decode_batch(codestreams: Sequence[bytes], request: DecodeRequest, backend: str = "auto") -> Decoded:
    """Decode a batch of codestreams and give the frames the dtype that the dataset says.

    Parameters
    ----------
    codestreams : sequence of bytes
        One a frame.
    request : DecodeRequest
        What they are; `num_frames` is their number.
    backend : str
        ``"auto"`` or the name of one.

    Raises
    ------
    CodestreamError
        If the bytes are wrong, or do not hold what `request.spec` says.
    ParameterError, LimitExceededError, UnsupportedError, BackendUnavailableError
        As `decode_frames` does.
    """
    codestreams = checked_codestreams(codestreams, request)
    job = Decoding(replace(request, codestreams=codestreams), backend)
    whole = CodestreamBatch(codestreams, request.first_frame)
    threads = len(whole) > job.batch_frames
    done = list(decode_batches(portions_of(whole, job), job, threads=threads))
    if len(done) == 1:
        return done[0]
    for part in done[1:]:
        if part.batch.spec != done[0].batch.spec:
            raise _other_colour(part.batch, done[0].batch.spec, request)
    frames = np.concatenate([part.batch.frames for part in done])
    return Decoded(FrameBatch(frames, done[0].batch.spec, request.first_frame), done[0].choice)


def decode_batches(
    portions: Iterable[CodestreamBatch],
    job: Decoding,
    *,
    stop: threading.Event | None = None,
    threads: bool = True,
) -> Iterator[Decoded]:
    """Decode a job batch by batch, as `decode_batch` does.

    Parameters
    ----------
    portions : iterable of CodestreamBatch
        The codestreams, in order.
    job : gpucodec.codecs.running.Decoding
        What is decoded.
    stop, threads
        As for `gpucodec.codecs.running.Running.run`.
    """
    return job.run(
        portions,
        lambda portion: (portion, portion),
        lambda found, choice, portion: Decoded(as_told(found, portion, job.request), choice),
        stop=stop,
        threads=threads,
    )


def decode_here(portion: CodestreamBatch, request: DecodeRequest, backend: str = "auto") -> Decoded:
    """Decode a batch where the calling thread's work goes, all at once; otherwise as `decode_batch`.

    Parameters
    ----------
    portion : CodestreamBatch
        The codestreams.
    request : DecodeRequest
        The job that they are of.
    backend : str
        ``"auto"`` or the name of one.
    """
    codestreams = portion.codestreams
    asked = replace(request, codestreams=codestreams, first_frame=portion.first_frame)

    def decode(choice: Choice) -> tuple[FrameBatch, Choice]:
        return choice.codec.decode_batch(codestreams, replace(asked, num_frames=len(portion))), choice

    found, choice = carry_out(asked, backend, decode)
    return Decoded(as_told(found, portion, request), choice)


def as_told(found: FrameBatch, portion: CodestreamBatch, request: DecodeRequest) -> FrameBatch:
    """Give decoded frames the dtype that the dataset says.

    Parameters
    ----------
    found : FrameBatch
        The samples as the codestreams hold them.
    portion : CodestreamBatch
        The codestreams.
    request : DecodeRequest
        The job that they are of.

    Raises
    ------
    CodestreamError
        If they do not hold what the dataset says.
    """
    codestreams = portion.codestreams
    request = replace(request, num_frames=len(portion), first_frame=portion.first_frame, codestreams=codestreams)
    if request.options.is_partial:  # how much is there depends on where in the codestream's own grid a frame begins
        request = replace(request, spec=request.spec.replace(rows=found.spec.rows, columns=found.spec.columns))
    return conform(_with_own_colour(found, codestreams, request), request)


def _other_colour(batch: FrameBatch, before: FrameSpec, request: DecodeRequest) -> CodestreamError:
    return CodestreamError(
        f"the codestream's colour space is '{batch.spec.photometric_interpretation}', "
        f"of those before it '{before.photometric_interpretation}'",
        format=get_format(request.transfer_syntax_uid).name,
        frame=batch.first_frame,
    )


def _decode_to_device(where: Executor, codestreams: Sequence[bytes], request: DecodeRequest, backend: str) -> Any:
    """Return frames on a GPU, in memory that belongs to the calling thread's stream."""
    codestreams = checked_codestreams(codestreams, request)
    request = replace(request, codestreams=codestreams)
    whole = CodestreamBatch(codestreams, request.first_frame)
    job = Decoding(request, backend, device=where.device)
    if job.batch_frames >= len(whole) or request.options.is_partial:
        try:
            return where.upload(decode_here(whole, request, backend).batch.frames)
        except DeviceMemoryError:
            if len(whole) == 1 or request.options.is_partial:
                raise
        job.batch_frames = len(whole) // 2
    spec = request.spec
    frames = where.empty(len(whole) * spec.num_samples, spec.dtype).reshape(len(whole), *spec.shape)
    ready, specs = where.mark(), list[FrameSpec]()

    def keep(found: FrameBatch, choice: Choice, portion: CodestreamBatch) -> tuple[Mark, FrameBatch]:  # noqa: ARG001
        batch = as_told(found, portion, request)
        where.follow(ready)
        first = portion.first_frame - request.first_frame
        part = where.upload(batch.frames)
        frames[first : first + len(portion)] = part
        where.hold(part)
        return where.mark(), replace(batch, frames=frames[first : first + len(portion)])

    for mark, batch in job.run(portions_of(whole, job), lambda portion: (portion, portion), keep):
        where.follow(mark)
        specs.append(batch.spec)
        if batch.spec != specs[0]:
            raise _other_colour(batch, specs[0], request)
    return frames


def _with_own_colour(found: FrameBatch, codestreams: Sequence[bytes], request: DecodeRequest) -> FrameBatch:
    """Believe a JPEG or JPEG-LS codestream about its colour space before the dataset, as pydicom does."""
    family = get_format(request.transfer_syntax_uid).family
    if found.spec.samples_per_pixel != 3 or family not in (Family.JPEG, Family.JPEG_LS):
        return found
    colours = [codestream_colour(codestream) for codestream in codestreams]
    for index, colour in enumerate(colours):
        if colour != colours[0]:
            raise CodestreamError(
                f"the codestream says its colour space is '{colour}', those before it say '{colours[0]}'",
                format=get_format(request.transfer_syntax_uid).name,
                frame=request.first_frame + index,
            )
    told = found.spec.photometric_interpretation
    if colours[0] == "RGB" and told != "RGB":
        return replace(found, spec=found.spec.replace(photometric_interpretation="RGB"))
    if colours[0] == "YBR" and "YBR" not in told:
        return replace(found, spec=found.spec.replace(photometric_interpretation="YBR_FULL"))
    return found


def checked_codestreams(codestreams: Sequence[bytes], request: DecodeRequest) -> list[bytes]:
    """Refuse what is no batch of codestreams, before any work is done.

    Raises
    ------
    ParameterError
        If it is one buffer, is empty, holds other things than bytes, or has another number than requested.
    LimitExceededError
        If one frame is above the request's `max_frame_bytes`.
    """
    if isinstance(codestreams, (bytes, bytearray, memoryview, str)):
        raise ParameterError("'codestreams' must be a sequence with one codestream a frame, not a single buffer")
    if not len(codestreams):
        raise ParameterError("There are no codestreams to decode")
    if len(codestreams) != request.num_frames:
        raise ParameterError(f"{len(codestreams)} codestreams were given for {request.num_frames} frames")
    limit = request.options.max_frame_bytes
    if (num_bytes := _asked_bytes(request)) > limit:
        raise LimitExceededError(f"A frame of {num_bytes} bytes is above 'max_frame_bytes', which is {limit}")
    return [_as_bytes(codestream, request.first_frame + k) for k, codestream in enumerate(codestreams)]


def _asked_bytes(request: DecodeRequest) -> int:
    """Return how many bytes of each frame are asked for.

    Raises
    ------
    ParameterError
        If a region is not within the frame.
    """
    spec, options = request.spec, request.options
    row, column, rows, columns = options.region or (0, 0, spec.rows, spec.columns)
    if row + rows > spec.rows or column + columns > spec.columns:
        raise ParameterError(
            f"A 'region' of {options.region} is not within a frame of {spec.rows} rows and {spec.columns} columns"
        )
    least = [max(1, length >> options.reduce) for length in (rows, columns)]
    return spec.replace(rows=least[0], columns=least[1]).num_bytes


def decode_options(options: dict[str, Any]) -> DecodeOptions:
    """Make checked options of a caller's keywords; None stands for not given.

    Raises
    ------
    ParameterError
        If a keyword is unknown or its value not allowed.
    """
    allowed = {field.name for field in dataclasses.fields(DecodeOptions)}
    if unknown := set(options) - allowed:
        raise ParameterError(f"Unknown decoding options {sorted(unknown)}, allowed are {sorted(allowed)}")
    return DecodeOptions(**{name: value for name, value in options.items() if value is not None})


def _as_bytes(codestream: Any, frame: int) -> bytes:
    if isinstance(codestream, bytes):
        return codestream
    if isinstance(codestream, (bytearray, memoryview)):
        return bytes(codestream)
    raise ParameterError(f"The codestream of frame {frame} must be bytes, not '{type(codestream).__name__}'")


def _split_keywords(uid: str, keywords: dict[str, Any]) -> tuple[EncodeOptions, dict[str, Any]]:
    get_format(uid)
    if unknown := set(keywords) - _ENCODE_OPTIONS - _ATTRIBUTES:
        allowed = sorted(_ENCODE_OPTIONS) + sorted(_ATTRIBUTES)
        raise ParameterError(f"Unknown options or attributes {sorted(unknown)}, allowed are {allowed}")
    options = {name: value for name, value in keywords.items() if name in _ENCODE_OPTIONS}
    attributes = {name: value for name, value in keywords.items() if name in _ATTRIBUTES and value is not None}
    return EncodeOptions.for_transfer_syntax(str(uid), **options), attributes
