"""What the shared library of nvJPEG2000 0.9 and later takes and gives: status codes, enumerations, structures, calls.

Names and values are those of its C interface, ``nvjpeg2k.h``, in the spelling of this project.
"""

from __future__ import annotations

from ctypes import POINTER, Structure, c_double, c_int, c_size_t, c_uint8, c_uint16, c_uint32, c_void_p
from enum import IntEnum

__all__ = [
    "FUNCTIONS",
    "HT_CAPABILITY",
    "HT_MODE",
    "MAX_RESOLUTIONS",
    "STATUS_MEANINGS",
    "ColorSpace",
    "ComponentInfo",
    "EncodeConfig",
    "Image",
    "ImageFormat",
    "ImageInfo",
    "ImageType",
    "Property",
    "QualityType",
    "Status",
    "StreamType",
]

MAX_RESOLUTIONS = 33
HT_CAPABILITY = 0x4000  # of Rsiz
HT_MODE = 0x40


class Status(IntEnum):
    """What every call returns, ``nvjpeg2kStatus_t``."""

    SUCCESS = 0
    NOT_INITIALIZED = 1
    INVALID_PARAMETER = 2
    BAD_JPEG = 3
    JPEG_NOT_SUPPORTED = 4
    ALLOCATOR_FAILURE = 5
    EXECUTION_FAILED = 6
    ARCH_MISMATCH = 7
    INTERNAL_ERROR = 8
    IMPLEMENTATION_NOT_SUPPORTED = 9


STATUS_MEANINGS = {
    Status.NOT_INITIALIZED: "a handle was not initialised",
    Status.INVALID_PARAMETER: "an argument is wrong",
    Status.BAD_JPEG: "the codestream cannot be parsed",
    Status.JPEG_NOT_SUPPORTED: "the codestream has what the library does not support",
    Status.ALLOCATOR_FAILURE: "memory could not be allocated or released",
    Status.EXECUTION_FAILED: "work on the GPU failed",
    Status.ARCH_MISMATCH: "the GPU is too old for what was asked",
    Status.INTERNAL_ERROR: "an unknown error in the library",
    Status.IMPLEMENTATION_NOT_SUPPORTED: "the library's implementation has no such call",
}


class Property(IntEnum):
    """Which part of a version is asked for, ``libraryPropertyType``."""

    MAJOR = 0
    MINOR = 1
    PATCH = 2


class ColorSpace(IntEnum):
    """``nvjpeg2kColorSpace_t``."""

    NOT_SUPPORTED = -1
    UNKNOWN = 0
    SRGB = 1
    GRAY = 2
    SYCC = 3


class ImageType(IntEnum):
    """What a sample is in memory, ``nvjpeg2kImageType_t``; its floating point types are left out."""

    UINT8 = 0
    UINT16 = 1
    INT16 = 2


class ImageFormat(IntEnum):
    """``nvjpeg2kImageFormat_t``."""

    PLANAR = 0
    INTERLEAVED = 1


class StreamType(IntEnum):
    """``nvjpeg2kBitstreamType``."""

    J2K = 0
    JP2 = 1


class QualityType(IntEnum):
    """``nvjpeg2kQualityType``."""

    TARGET_PSNR = 0
    QUANTIZATION_STEP = 1
    Q_FACTOR = 2


class ComponentInfo(Structure):
    """``nvjpeg2kImageComponentInfo_t``."""

    _fields_ = (
        ("component_width", c_uint32),
        ("component_height", c_uint32),
        ("precision", c_uint8),
        ("sgn", c_uint8),
    )


class ImageInfo(Structure):
    """``nvjpeg2kImageInfo_t``."""

    _fields_ = (
        ("image_width", c_uint32),
        ("image_height", c_uint32),
        ("tile_width", c_uint32),
        ("tile_height", c_uint32),
        ("num_tiles_x", c_uint32),
        ("num_tiles_y", c_uint32),
        ("num_components", c_uint32),
    )


class Image(Structure):
    """``nvjpeg2kImage_t``: where samples are on the GPU. Interleaved ones are all behind the first pointer."""

    _fields_ = (
        ("pixel_data", POINTER(c_void_p)),
        ("pitch_in_bytes", POINTER(c_size_t)),
        ("pixel_type", c_int),
        ("num_components", c_uint32),
    )


class EncodeConfig(Structure):
    """``nvjpeg2kEncodeConfig_t``."""

    _fields_ = (
        ("stream_type", c_int),
        ("color_space", c_int),
        ("rsiz", c_uint16),
        ("image_width", c_uint32),
        ("image_height", c_uint32),
        ("enable_tiling", c_uint32),
        ("tile_width", c_uint32),
        ("tile_height", c_uint32),
        ("num_components", c_uint32),
        ("image_comp_info", POINTER(ComponentInfo)),
        ("enable_SOP_marker", c_uint32),
        ("enable_EPH_marker", c_uint32),
        ("prog_order", c_int),
        ("num_layers", c_uint32),
        ("mct_mode", c_uint32),
        ("num_resolutions", c_uint32),
        ("code_block_w", c_uint32),
        ("code_block_h", c_uint32),
        ("encode_modes", c_uint32),
        ("irreversible", c_uint32),
        ("num_precincts_init", c_uint32),
        ("precinct_width", c_uint32 * MAX_RESOLUTIONS),
        ("precinct_height", c_uint32 * MAX_RESOLUTIONS),
    )


# Handles are pointers to what only the library knows; creating one takes a pointer to the handle.
_HANDLE, _TO_HANDLE = c_void_p, POINTER(c_void_p)
_CREATE, _DESTROY = (_TO_HANDLE,), (_HANDLE,)
_CREATE_OF = (_HANDLE, _TO_HANDLE)

# What each call takes. All return a status.
FUNCTIONS: dict[str, tuple[type, ...]] = {
    "nvjpeg2kGetProperty": (c_int, POINTER(c_int)),
    "nvjpeg2kGetCudartProperty": (c_int, POINTER(c_int)),
    "nvjpeg2kCreateSimple": _CREATE,
    "nvjpeg2kDestroy": _DESTROY,
    "nvjpeg2kStreamCreate": _CREATE,
    "nvjpeg2kStreamDestroy": _DESTROY,
    "nvjpeg2kStreamParse": (_HANDLE, c_void_p, c_size_t, c_int, c_int, _HANDLE),
    "nvjpeg2kStreamGetImageInfo": (_HANDLE, POINTER(ImageInfo)),
    "nvjpeg2kStreamGetImageComponentInfo": (_HANDLE, POINTER(ComponentInfo), c_uint32),
    "nvjpeg2kDecodeStateCreate": _CREATE_OF,
    "nvjpeg2kDecodeStateDestroy": _DESTROY,
    "nvjpeg2kDecodeParamsCreate": _CREATE,
    "nvjpeg2kDecodeParamsDestroy": _DESTROY,
    "nvjpeg2kDecodeParamsSetOutputFormat": (_HANDLE, c_int),
    "nvjpeg2kDecodeImage": (_HANDLE, _HANDLE, _HANDLE, _HANDLE, POINTER(Image), c_void_p),
    "nvjpeg2kEncoderCreateSimple": _CREATE,
    "nvjpeg2kEncoderDestroy": _DESTROY,
    "nvjpeg2kEncodeStateCreate": _CREATE_OF,
    "nvjpeg2kEncodeStateDestroy": _DESTROY,
    "nvjpeg2kEncodeParamsCreate": _CREATE,
    "nvjpeg2kEncodeParamsDestroy": _DESTROY,
    "nvjpeg2kEncodeParamsSetEncodeConfig": (_HANDLE, POINTER(EncodeConfig)),
    "nvjpeg2kEncodeParamsSpecifyQuality": (_HANDLE, c_int, c_double),
    "nvjpeg2kEncodeParamsSetInputFormat": (_HANDLE, c_int),
    "nvjpeg2kEncode": (_HANDLE, _HANDLE, _HANDLE, POINTER(Image), c_void_p),
    "nvjpeg2kEncodeRetrieveBitstream": (_HANDLE, _HANDLE, c_void_p, POINTER(c_size_t), c_void_p),
}
