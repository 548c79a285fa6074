"""Choosing the codec that does a job, with the reasons why the others do not."""

from __future__ import annotations

from dataclasses import dataclass

from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest
from gpucodec.codecs.formats import get_format
from gpucodec.codecs.registry import BACKENDS, codecs_for
from gpucodec.errors import BackendUnavailableError, ParameterError, UnsupportedError

__all__ = ["Choice", "choose", "consider"]


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
        slowness = codec.why_slow(request) if backend == "auto" and not reasons else []
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
        answers.append((codec, reasons))
    return answers


def _refusal(request: EncodeRequest | DecodeRequest, backend: str, rejected: dict[str, list[str]]) -> Exception:
    verb = "encode" if isinstance(request, EncodeRequest) else "decode"
    name = get_format(request.transfer_syntax_uid).name
    if backend in ("cuda", "simulator", "nvjpeg2k") and rejected:
        from gpucodec.backends import why_unavailable

        if reason := why_unavailable(backend):
            return BackendUnavailableError(f"The backend '{backend}' cannot be used here: {reason}")
    by = "no backend" if backend == "auto" else f"the backend '{backend}' has no codec that"
    return UnsupportedError(f"Unable to {verb} '{name}': {by} can do it here", rejected)
