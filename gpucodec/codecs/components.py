"""Decoding one JPEG 2000 or HTJ2K codestream into its components, each at its own size."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from gpucodec.backends import why_unavailable
from gpucodec.codecs.base import Codec
from gpucodec.codecs.dispatch import refuse, why_refused
from gpucodec.codecs.formats import get_format
from gpucodec.codecs.options import DecodeOptions
from gpucodec.codecs.registry import BACKENDS, codecs_for
from gpucodec.codestream.j2k_reader import read_codestream
from gpucodec.codestream.j2k_size import ImageSize
from gpucodec.errors import BackendUnavailableError, KernelCompilationError, ParameterError, UnsupportedError
from gpucodec.routing import why_small

__all__ = ["decode_components"]

_JPEG_2000, _HTJ2K = "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.203"


def decode_components(
    codestream: bytes, *, reduce: int = 0, layers: int = 0, backend: str = "auto", **options: Any
) -> list[npt.NDArray[Any]]:
    """Decode one JPEG 2000 or HTJ2K codestream, each component at its own size.

    Frames of DICOM have components of one size, for which `decode_frames` is made; this is for everything else that
    ITU-T T.800 allows.

    Parameters
    ----------
    codestream : bytes
        One codestream, with or without JP2 boxes around it; what the boxes say of colour is not looked at.
    reduce : int
        How many of the highest resolution levels are left out, of each component.
    layers : int
        How many quality layers are decoded; 0 for all that there are.
    backend : str
        ``"auto"`` for the fastest one that can, or the name of one.
    **options
        ``max_frame_bytes``: components that take more together are refused.

    Returns
    -------
    list of numpy.ndarray
        ``(rows, columns)`` for each component, in the smallest container for its precision and sign.

    Raises
    ------
    CodestreamError
        If the bytes are wrong.
    LimitExceededError
        If the components together would be larger than `max_frame_bytes`.
    ParameterError
        If an option is not allowed, or there are not as many resolution levels as are to be left out.
    UnsupportedError
        If no backend here can do it.
    BackendUnavailableError
        If the backend asked for by name cannot be used here.

    Examples
    --------
    >>> import numpy as np, gpucodec
    >>> frames = np.zeros((1, 64, 48, 3), "u1")
    >>> (codestream,) = gpucodec.encode_frames(frames, "1.2.840.10008.1.2.4.90")
    >>> [component.shape for component in gpucodec.decode_components(codestream, reduce=1)]
    [(32, 24), (32, 24), (32, 24)]
    """
    if not isinstance(codestream, (bytes, bytearray, memoryview)):
        raise ParameterError(f"The codestream must be bytes, not '{type(codestream).__name__}'")
    if unknown := set(options) - {"max_frame_bytes"}:
        raise ParameterError(f"Unknown decoding options {sorted(unknown)}, allowed are ['max_frame_bytes']")
    checked = DecodeOptions(reduce=reduce, layers=layers, **options)
    data = bytes(codestream)
    found = read_codestream(data)
    uid = _HTJ2K if found.is_high_throughput else _JPEG_2000
    num_bytes = _num_bytes(found.size) >> 2 * reduce
    while True:
        codec = _choose(uid, backend, num_bytes)
        try:
            return codec.decode_components(data, checked)
        except KernelCompilationError as error:
            refuse(codec, False, error, backend)


def _num_bytes(size: ImageSize) -> int:
    """Return about how many bytes of samples there are."""
    return size.rows * size.columns * sum(1 + (component.precision > 8) for component in size.components)


def _choose(uid: str, backend: str, num_bytes: int) -> Codec:
    if backend != "auto" and backend not in BACKENDS:
        raise ParameterError(f"No backend named '{backend}', allowed are auto, {', '.join(BACKENDS)}")
    rejected: dict[str, list[str]] = {}
    slow: Codec | None = None
    for codec in codecs_for(uid):
        if backend not in ("auto", codec.backend) or (backend == "auto" and codec.backend == "simulator"):
            continue
        name = f"{codec.backend} ({codec.name})"
        if not codec.decodes_components:
            rejected[name] = ["components are not decoded one by one"]
        elif reason := why_unavailable(codec.backend) or why_refused(codec, encoding=False):
            if backend != "auto":
                raise BackendUnavailableError(f"The backend '{backend}' cannot be used here: {reason}")
            rejected[name] = [reason]
        elif backend == "auto" and (small := why_small(codec.backend, get_format(uid).family, False, num_bytes)):
            slow, rejected[name] = slow or codec, [small]
        else:
            return codec
    if slow is not None:
        return slow
    raise UnsupportedError("Unable to decode the components of this codestream", rejected)
