"""gpucodec: a GPU-accelerated codec backend for DICOM pixel data.

Nothing heavy happens at import: the functions below load what they need when they are first called, and
pydicom learns of gpucodec only through `register`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Public name -> the module that has it.
_HOMES = {
    "FrameBatch": "gpucodec.frames",
    "FrameSpec": "gpucodec.frames",
    "compress": "gpucodec.dicom.compress",
    "decode_components": "gpucodec.codecs.components",
    "decode_frames": "gpucodec.dicom.coding",
    "decompress": "gpucodec.dicom.compress",
    "encode_frames": "gpucodec.dicom.coding",
    "register": "gpucodec.dicom.plugin",
    "transcode": "gpucodec.transcoder.api",
    "unregister": "gpucodec.dicom.plugin",
}

__all__ = [
    "FrameBatch",
    "FrameSpec",
    "__version__",
    "compress",
    "decode_components",
    "decode_frames",
    "decompress",
    "encode_frames",
    "register",
    "transcode",
    "unregister",
]

if TYPE_CHECKING:
    from gpucodec.codecs.components import decode_components
    from gpucodec.dicom.coding import decode_frames, encode_frames
    from gpucodec.dicom.compress import compress, decompress
    from gpucodec.dicom.plugin import register, unregister
    from gpucodec.frames import FrameBatch, FrameSpec
    from gpucodec.transcoder.api import transcode


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gpucodec' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
