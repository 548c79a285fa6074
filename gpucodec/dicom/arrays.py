"""Arrays as callers have them, made into the batches that codecs take."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpucodec.backends import adopted
from gpucodec.errors import ParameterError
from gpucodec.frames import TAGS, FrameBatch, FrameSpec

__all__ = ["as_batch", "is_device_array"]


_GPU_MEMORY = (2, 13)  # kDLCUDA and kDLCUDAManaged of DLPack


def is_device_array(array: Any) -> bool:
    """Whether an array lives in GPU memory, as it says by its CUDA array interface or by DLPack."""
    if hasattr(array, "__cuda_array_interface__"):
        return True
    if isinstance(array, np.ndarray) or not hasattr(array, "__dlpack_device__"):
        return False
    return array.__dlpack_device__()[0] in _GPU_MEMORY


def as_batch(frames: Any, spec: FrameSpec | None = None, **attributes: Any) -> FrameBatch:
    """Make a batch of an array of frames, whatever its byte order and memory order.

    Parameters
    ----------
    frames : array_like
        ``(frames, rows, columns)`` or ``(frames, rows, columns, samples)``, of an integer dtype. An array on
        the GPU, whatever package made it, stays there.
    spec : FrameSpec, optional
        What each frame is; without it, what the array's shape and dtype say.
    **attributes
        Attributes of the spec that differ from it.

    Returns
    -------
    FrameBatch
        Of `spec`'s dtype, in the host's byte order, C-contiguous.

    Raises
    ------
    BackendUnavailableError
        If the array is on a GPU that cannot be used here.
    ParameterError
        If there is no frame, or the array's dtype or shape does not fit the spec. A container that is wider
        than Bits Allocated is narrowed, if its values allow that.
    """
    array = _taken(frames) if is_device_array(frames) else np.asarray(frames)
    if array.ndim == 4 and array.shape[3] == 1:
        array = array.reshape(array.shape[:3])
    if array.ndim and not len(array):
        raise ParameterError(f"There are no frames in an array of shape {array.shape}")
    if spec is None:
        spec = FrameSpec.from_array(array, **attributes)
    elif attributes:
        spec = _replaced(spec, attributes)
    _check_dtype(array.dtype, spec)
    return FrameBatch(_in_container(array, spec), spec)


def _taken(array: Any) -> Any:
    """Return an array on the GPU as the seam knows them: those can be fetched by `get`."""
    return array if hasattr(array, "get") else adopted(array)


def _replaced(spec: FrameSpec, attributes: dict[str, Any]) -> FrameSpec:
    try:
        return spec.replace(**attributes)
    except TypeError:
        raise ParameterError(f"Unknown frame attributes in {sorted(attributes)}, allowed are {sorted(TAGS)}") from None


def _check_dtype(dtype: np.dtype[Any], spec: FrameSpec) -> None:
    if dtype.kind not in "iu":
        raise ParameterError(
            f"The ndarray's dtype '{dtype}' is not supported, must be a signed or unsigned integer type"
        )
    if dtype.kind != spec.dtype.kind:
        sign = ("unsigned", "signed")[spec.pixel_representation]
        raise ParameterError(
            f"The ndarray's dtype '{dtype}' is not consistent with a {TAGS['pixel_representation']} of "
            f"'{spec.pixel_representation}' ({sign} integers)"
        )
    if dtype.itemsize < spec.dtype.itemsize:
        raise ParameterError(
            f"The ndarray's dtype '{dtype}' is not consistent with a {TAGS['bits_allocated']} value of "
            f"'{spec.bits_allocated}'"
        )


def _in_container(array: Any, spec: FrameSpec) -> Any:
    if array.dtype.itemsize > spec.dtype.itemsize:
        smallest, largest = spec.value_range
        if int(array.max()) > largest or int(array.min()) < smallest:
            raise ParameterError(
                "The ndarray contains values that are outside the allowable range of "
                f"({smallest}, {largest}) for a {TAGS['bits_stored']} value of '{spec.bits_stored}'"
            )
    if is_device_array(array):
        return array.astype(spec.dtype, order="C", copy=False)
    return np.ascontiguousarray(array, dtype=spec.dtype)
