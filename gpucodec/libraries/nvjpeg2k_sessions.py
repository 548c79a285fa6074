"""What codes one frame at a time with nvJPEG2000: a bitstream handle or parameters, a state, a CUDA stream."""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from ctypes import byref, c_size_t, c_void_p
from typing import Any

import numpy as np

from gpucodec.backends import Executor
from gpucodec.codestream.jpeg_headers import FrameHeader
from gpucodec.errors import GpucodecError
from gpucodec.libraries.nvjpeg2k_abi import ComponentInfo, Image, ImageFormat, ImageInfo, ImageType
from gpucodec.libraries.nvjpeg2k_config import Configuration
from gpucodec.libraries.nvjpeg2k_library import Handles, Library

__all__ = ["DecodeSession", "EncodeSession", "Session"]

_IMAGE_TYPES = {"uint8": ImageType.UINT8, "uint16": ImageType.UINT16, "int16": ImageType.INT16}


class Session(ABC):
    """What codes one frame at a time.

    Parameters
    ----------
    library : Library
        nvJPEG2000.
    where : Executor
        Where samples are.
    root : ctypes.c_void_p
        The handle that states belong to.
    """

    root_kind: str

    def __init__(self, library: Library, where: Executor, root: c_void_p) -> None:
        self._library, self._where, self._root = library, where, root
        self._handles = Handles(library)
        self._in_use: tuple[Any, ...] = ()  # memory that may not go before the GPU is done
        try:
            self._create()
            self._stream = where.new_stream()
        except BaseException as error:
            for failure in self._handles.close():
                error.add_note(failure)
            raise

    @abstractmethod
    def _create(self) -> None:
        """Create handles."""

    def rest(self) -> None:
        """Let go of all memory that was given; the GPU must be done with it."""
        self._in_use = ()

    def close(self) -> list[str]:
        """Destroy all handles, and return what went wrong with any."""
        return self._handles.close()

    def abandon(self) -> list[str]:
        """Wait until the GPU has let go of everything, then close; for a session that failed."""
        failures = []
        try:
            self._stream.synchronize()
        except GpucodecError as error:
            failures.append(str(error))
        self.rest()
        return failures + self.close()

    def _image(self, samples: Any) -> Image:
        """Describe interleaved samples, ``(rows, columns)`` or ``(rows, columns, components)``, C-contiguous."""
        pitch = samples.nbytes // samples.shape[0]
        components = samples.shape[2] if samples.ndim == 3 else 1
        return Image(
            (c_void_p * 1)(self._where.address(samples)),
            (c_size_t * 1)(pitch),
            _IMAGE_TYPES[samples.dtype.name],
            components,
        )


class DecodeSession(Session):
    """Decodes one codestream at a time."""

    root_kind = "nvjpeg2k"

    def _create(self) -> None:
        create = self._handles.create
        self._bitstream = create("nvjpeg2kStream")
        self._state = create("nvjpeg2kDecodeState", self._root)
        self._params = create("nvjpeg2kDecodeParams")
        self._library.call("nvjpeg2kDecodeParamsSetOutputFormat", self._params, ImageFormat.INTERLEAVED)

    def parse(self, codestream: bytes, header: FrameHeader) -> None:
        """Read a codestream's headers, and see that the library finds in them what `header` says.

        Raises
        ------
        CodestreamError, UnsupportedError
            If the library says that they are wrong, or does not support them.
        GpucodecError
            If it finds something else: what it would write might not fit where it goes.
        """
        content = np.frombuffer(codestream, np.uint8)[header.codestream_offset :]
        self._in_use = (codestream, content)
        self._library.call("nvjpeg2kStreamParse", self._root, content.ctypes.data, content.size, 0, 0, self._bitstream)
        expected = (header.columns, header.rows, header.samples)
        info = ImageInfo()
        self._library.call("nvjpeg2kStreamGetImageInfo", self._bitstream, byref(info))
        found = (info.image_width, info.image_height, info.num_components)
        if found != expected:
            raise GpucodecError(f"nvJPEG2000 found (columns, rows, components) {found} instead of {expected}")
        for index in range(header.samples):
            self._check_component(index, (header.columns, header.rows, header.precision, header.is_signed))

    def _check_component(self, index: int, expected: tuple[int, int, int, bool]) -> None:
        info = ComponentInfo()
        self._library.call("nvjpeg2kStreamGetImageComponentInfo", self._bitstream, byref(info), index)
        found = (info.component_width, info.component_height, info.precision, bool(info.sgn))
        if found != expected:
            raise GpucodecError(
                f"nvJPEG2000 found (columns, rows, precision, is signed) {found} of component {index} "
                f"instead of {expected}"
            )

    def start(self, codestream: bytes, header: FrameHeader, samples: Any) -> None:
        """Let a codestream be decoded into an array on the GPU, of its size and the type that holds its precision."""
        self.parse(codestream, header)
        image = self._image(samples)
        self._in_use += (samples, image)
        self._stream.follow_current()
        self._library.call(
            "nvjpeg2kDecodeImage",
            self._root, self._state, self._bitstream, self._params, byref(image), self._stream.address,
        )  # fmt: skip

    def finish(self) -> Any:
        """Wait for the samples, and return them."""
        self._stream.synchronize()
        return self._in_use[2]


class EncodeSession(Session):
    """Encodes one frame at a time."""

    root_kind = "nvjpeg2kEncoder"

    def _create(self) -> None:
        self._state = self._handles.create("nvjpeg2kEncodeState", self._root)
        self._configured = Handles(self._library)  # a new one each time: settings cannot all be taken back
        self._configuration: Configuration | None = None

    def close(self) -> list[str]:
        """Destroy all handles, and return what went wrong with any."""
        return self._configured.close() + super().close()

    def configure(self, configuration: Configuration) -> None:
        """Take a configuration for the frames that follow.

        Raises
        ------
        GpucodecError
            If the library does not take it.
        """
        if configuration == self._configuration:
            return
        self._configuration = None
        if failures := self._configured.close():
            raise GpucodecError("; ".join(failures))
        self._params = self._configured.create("nvjpeg2kEncodeParams")
        configuration.apply(self._library, self._params)
        self._configuration = configuration

    def start(self, samples: Any, configuration: Configuration) -> None:
        """Let a frame on the GPU be encoded."""
        self.configure(configuration)
        image = self._image(samples)
        self._in_use = (samples, image)
        self._stream.follow_current()
        self._library.call("nvjpeg2kEncode", self._root, self._state, self._params, byref(image), self._stream.address)

    def finish(self) -> bytes:
        """Wait for the codestream, and return it."""
        length = c_size_t()
        self._retrieve(None, length)
        content = ctypes.create_string_buffer(length.value)
        self._in_use += (content,)
        self._retrieve(ctypes.addressof(content), length)
        self._stream.synchronize()
        if length.value > len(content):
            raise GpucodecError(f"nvJPEG2000 says {length.value} bytes after it had promised {len(content)}")
        return content.raw[: length.value]

    def _retrieve(self, to: int | None, length: c_size_t) -> None:
        self._library.call(
            "nvjpeg2kEncodeRetrieveBitstream", self._root, self._state, to, byref(length), self._stream.address
        )
