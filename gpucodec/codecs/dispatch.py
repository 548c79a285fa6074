"""Choosing the codec that does a job, with the reasons why the others do not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest
from gpucodec.codecs.formats import get_format
from gpucodec.codecs.registry import BACKENDS, codecs_for
from gpucodec.errors import BackendUnavailableError, KernelCompilationError, ParameterError, UnsupportedError
from gpucodec.routing import BACKENDS as GPU_BACKENDS
from gpucodec.routing import threshold

__all__ = ["Choice", "carry_out", "choose", "consider", "refuse", "why_refused"]

T = TypeVar("T")

_log = logging.getLogger("gpucodec")
_lock = threading.Lock()
_has_told_of_gpu = False
# (codec, backend, whether it encodes) -> why a kernel of it cannot run on this machine's GPU.
_refused: dict[tuple[str, str, bool], str] = {}


@dataclass(frozen=True, slots=True)
class Choice:
    """The codec that does a job.

    Parameters
    ----------
    codec : Codec
        The one chosen.
    rejected : dict of str to list of str
        The backends that were preferred to it, each with the reasons why it cannot.
    """

    codec: Codec
    rejected: dict[str, list[str]]


def carry_out(request: EncodeRequest | DecodeRequest, backend: str, work: Callable[[Choice], T]) -> T:
    """Choose the codec for a request and do the work with it.

    A kernel that cannot be compiled for this machine's GPU is found out only when it is first needed. Its codec says
    that it cannot from then on, and ``"auto"`` goes on with the next one, which is told once.

    Parameters
    ----------
    request : EncodeRequest or DecodeRequest
        The job.
    backend : str
        ``"auto"`` for the fastest one that can, or the name of one.
    work : callable
        Does it with the choice. It may be called again with another one, if a kernel could not be compiled.

    Raises
    ------
    ParameterError, BackendUnavailableError, UnsupportedError
        As `choose` does.
    """
    while True:
        choice = choose(request, backend)
        try:
            return work(choice)
        except KernelCompilationError as error:
            refuse(choice.codec, isinstance(request, EncodeRequest), error, backend)


def refuse(codec: Codec, encoding: bool, error: KernelCompilationError, backend: str) -> None:
    """Let a codec say from now on that it cannot, as a kernel of it could not be compiled.

    Raises
    ------
    BackendUnavailableError
        If its backend was asked for by name.
    """
    place = (codec.name, codec.backend, encoding)
    with _lock:
        is_new = place not in _refused
        _refused.setdefault(place, str(error))
    if backend != "auto":
        raise _unavailable(backend, str(error)) from error
    if is_new:
        _log.warning("%s (%s) is not used from now on: %s", codec.backend, codec.name, error)


def why_refused(codec: Codec, encoding: bool) -> str:
    """Return why a kernel of a codec could not be compiled; an empty string if none was refused so far."""
    return _refused.get((codec.name, codec.backend, encoding), "")


def choose(request: EncodeRequest | DecodeRequest, backend: str = "auto") -> Choice:
    """Choose the codec for a request.

    Parameters
    ----------
    request : EncodeRequest or DecodeRequest
        The job.
    backend : str
        ``"auto"`` for the fastest one that can, or the name of one.

    Raises
    ------
    ParameterError
        If there is no backend of that name.
    BackendUnavailableError
        If the backend asked for by name cannot be used here.
    UnsupportedError
        If none can do the job; it has the reasons of each.
    """
    if backend != "auto" and backend not in BACKENDS:
        raise ParameterError(f"No backend named '{backend}', allowed are auto, {', '.join(BACKENDS)}")
    rejected: dict[str, list[str]] = {}
    slow: Choice | None = None
    for codec, reasons in consider(request):
        if backend != "auto" and codec.backend != backend:
            continue
        if backend == "auto" and codec.backend == "simulator":
            continue
        if backend == "auto" and codec.backend == "cuda" and reasons:
            _tell_of_gpu()
        slowness = _why_slow(codec, request) if backend == "auto" and not reasons else []
        if not reasons and not slowness:
            return Choice(codec, rejected)
        if slowness and slow is None:
            slow = Choice(codec, dict(rejected))
        rejected[f"{codec.backend} ({codec.name})"] = reasons or slowness
    if slow is not None:
        return slow
    raise _refusal(request, backend, rejected)


def consider(request: EncodeRequest | DecodeRequest) -> list[tuple[Codec, list[str]]]:
    """Ask every codec of the request's transfer syntax, best first, why it cannot do the job (nothing: it can)."""
    encoding = isinstance(request, EncodeRequest)
    answers = []
    for codec in codecs_for(request.transfer_syntax_uid):
        reasons = codec.why_not_encode(request) if encoding else codec.why_not_decode(request)  # type: ignore[arg-type]
        refused = why_refused(codec, encoding)
        answers.append((codec, [refused, *reasons] if refused else reasons))
    return answers


def _why_slow(codec: Codec, request: EncodeRequest | DecodeRequest) -> list[str]:
    """Return why another codec does better with a batch; what is on a GPU already is best done there."""
    if request.on_device and codec.backend in GPU_BACKENDS:
        return []
    family, encoding = get_format(request.transfer_syntax_uid).family, isinstance(request, EncodeRequest)
    found = threshold(codec.backend, family, encoding)
    if found is None:
        return codec.why_slow(request)
    small = found.why_not(_batch_bytes(request))
    if small or found.is_measured:  # what was measured knows better than what the codec guesses
        return [small] if small else []
    return codec.why_slow(request)


def _batch_bytes(request: EncodeRequest | DecodeRequest) -> int:
    """Return how many bytes of samples a job has, those alone that are asked for."""
    spec = request.spec
    if isinstance(request, DecodeRequest):
        _, _, rows, columns = request.options.region or (0, 0, spec.rows, spec.columns)
        rows, columns = (max(1, length >> request.options.reduce) for length in (rows, columns))
        spec = spec.replace(rows=rows, columns=columns)
    return spec.num_bytes * request.num_frames


def _tell_of_gpu() -> None:
    """Say once a process why the CPU does the work: aloud where somebody seems to want a GPU to do it."""
    global _has_told_of_gpu
    with _lock:
        if _has_told_of_gpu:
            return
        _has_told_of_gpu = True
    from gpucodec.backends import diagnosis

    found = diagnosis()
    if reason := found.why_not():
        level = logging.WARNING if found.expected else logging.INFO
        _log.log(level, "No GPU can be used, the CPU does the work: %s", reason)


def _refusal(request: EncodeRequest | DecodeRequest, backend: str, rejected: dict[str, list[str]]) -> Exception:
    encoding = isinstance(request, EncodeRequest)
    if backend in ("cuda", "simulator", "nvjpeg2k") and rejected:
        from gpucodec.backends import why_unavailable

        asked = [codec for codec in codecs_for(request.transfer_syntax_uid) if codec.backend == backend]
        refused = [reason for codec in asked if (reason := why_refused(codec, encoding))]
        if reason := "; ".join(refused) or why_unavailable(backend):
            return _unavailable(backend, reason)
    by = "no backend" if backend == "auto" else f"the backend '{backend}' has no codec that"
    name = get_format(request.transfer_syntax_uid).name
    return UnsupportedError(f"Unable to {'encode' if encoding else 'decode'} '{name}': {by} can do it here", rejected)


def _unavailable(backend: str, reason: str) -> BackendUnavailableError:
    return BackendUnavailableError(f"The backend '{backend}' cannot be used here: {reason}")
