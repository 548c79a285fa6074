"""What stands in for nvJPEG2000's shared library, and for a GPU's streams: it records, checks, and works late.

Its functions are called through C function pointers of the declared types, so arguments arrive as the real library
would see them. Work is done when its stream is waited for, not before, and by OpenJPEG: who reads too early, uses a
state twice, or lets memory go finds out here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ctypes import CFUNCTYPE, c_int, c_ubyte, memmove, string_at
from functools import partial
from typing import Any

import imagecodecs
import numpy as np

from gpucodec.backends import Executor, Stream
from gpucodec.codestream.jpeg_headers import read_frame_header
from gpucodec.errors import CodestreamError, GpucodecError
from gpucodec.libraries.nvjpeg2k_abi import FUNCTIONS, ColorSpace, ImageFormat, ImageType, Status

DTYPES = {ImageType.UINT8: "u1", ImageType.UINT16: "u2", ImageType.INT16: "i2"}


class StandInStream(Stream):
    """Does what it was asked when it is waited for."""

    def __init__(self, where: StandInExecutor, address: int) -> None:
        self.where, self.address = where, address
        self.asked: list[Callable[[], None]] = []
        self.follows = False

    def follow_current(self) -> None:
        self.follows = True

    def synchronize(self) -> None:
        asked, self.asked, self.follows = self.asked, [], False
        for work in asked:
            work()
        if self.where.broken:
            raise GpucodecError("work on the GPU failed: it fell off the bus")


class StandInExecutor(Executor):
    """Arrays of NumPy, and streams that work late."""

    def __init__(self) -> None:
        super().__init__("nvjpeg2k")
        self.streams: dict[int, StandInStream] = {}
        self.broken = False
        self.allocated: list[tuple[int, np.dtype[Any]]] = []

    def empty(self, size: int, dtype: Any) -> Any:
        self.allocated.append((size, np.dtype(dtype)))
        return np.full(size, 0x55, dtype)

    def new_stream(self) -> Stream:
        address = 0x10000 + len(self.streams)
        self.streams[address] = StandInStream(self, address)
        return self.streams[address]


class StandIn:
    """The shared library: a function for each that is declared.

    Parameters
    ----------
    where : StandInExecutor
        Whose streams it works on.
    fails_at : int, optional
        Which call fails, counted from 0.
    status : int
        What it then returns.
    """

    def __init__(
        self, where: StandInExecutor, fails_at: int | None = None, status: int = Status.INTERNAL_ERROR
    ) -> None:
        self.where, self.fails_at, self.status = where, fails_at, status
        self.calls: list[str] = []
        self.arguments: list[tuple[Any, ...]] = []
        self.live: dict[int, str] = {}
        self.made: Counter[str] = Counter()
        self.faults: list[str] = []
        self.known: dict[int, dict[str, Any]] = {}
        for name, arguments in FUNCTIONS.items():
            setattr(self, name, CFUNCTYPE(c_int, *arguments)(partial(self._called, name)))

    def _called(self, name: str, *arguments: Any) -> int:
        number = len(self.calls)
        self.calls.append(name)
        self.arguments.append(arguments)
        fails = number == self.fails_at
        short = name.removeprefix("nvjpeg2k")
        try:
            if short.endswith("Destroy"):
                self._destroy(short, *arguments)
                return self.status if fails else 0
            if fails:
                return self.status
            if short.endswith(("Create", "CreateSimple")):
                self._create(short, *arguments)
                return 0
            return getattr(self, f"_{short}")(*arguments) or 0
        except Exception as error:
            self.faults.append(f"{name}: {error!r}")
            return Status.INTERNAL_ERROR

    # -- handles

    def _create(self, short: str, *arguments: Any) -> None:
        kind = short.removesuffix("Simple").removesuffix("Create")
        if kind in ("DecodeState", "EncodeState"):
            self._want("" if kind == "DecodeState" else "Encoder", arguments[0])
        handle = 0x1000 + sum(self.made.values())
        self.made[kind] += 1
        self.live[handle] = kind
        self.known[handle] = {}
        arguments[-1][0] = handle

    def _destroy(self, short: str, handle: int) -> None:
        self._want(short.removesuffix("Destroy"), handle)
        if self.known[handle].get("busy"):
            raise AssertionError("destroyed while the GPU works with it")
        del self.live[handle]

    def _want(self, kind: str, handle: int) -> dict[str, Any]:
        if self.live.get(handle) != kind:
            raise AssertionError(f"{handle} is not a live {kind or 'library'} handle but {self.live.get(handle)}")
        return self.known[handle]

    def _begin(self, state: dict[str, Any], address: int, work: Callable[[], None]) -> None:
        stream = self.where.streams[address]
        if state.get("busy") or stream.asked:
            raise AssertionError("a state or a stream is used before its work was waited for")
        if not stream.follows:
            raise AssertionError("does not wait for what the current stream does to the samples")
        state["busy"] = True

        def run() -> None:
            state["busy"] = False
            try:
                work()
            except Exception as error:
                self.faults.append(repr(error))

        stream.asked.append(run)

    # -- decoding

    def _StreamParse(self, library: int, data: int, size: int, metadata: int, save: int, stream: int) -> int:  # noqa: N802
        self._want("", library)
        if (metadata, save) != (0, 0):
            raise AssertionError("reserved arguments must be 0")
        content = string_at(data, size)
        try:
            header = read_frame_header(content)
        except CodestreamError:
            return Status.BAD_JPEG
        if header.codestream_offset:
            raise AssertionError("boxes must stay behind")
        self._want("Stream", stream).update(header=header, data=data, content=content)
        return 0

    def _StreamGetImageInfo(self, stream: int, info: Any) -> None:  # noqa: N802
        header = self._want("Stream", stream)["header"]
        info[0].image_width, info[0].image_height = header.columns, header.rows
        info[0].num_components = header.samples

    def _StreamGetImageComponentInfo(self, stream: int, info: Any, index: int) -> int | None:  # noqa: N802
        header = self._want("Stream", stream)["header"]
        if index >= header.samples:
            return Status.INVALID_PARAMETER
        info[0].component_width, info[0].component_height = header.columns, header.rows
        info[0].precision, info[0].sgn = header.precision, header.is_signed
        return None

    def _DecodeParamsSetOutputFormat(self, params: int, layout: int) -> None:  # noqa: N802
        self._want("DecodeParams", params)["format"] = layout

    def _DecodeImage(self, library: int, state: int, stream: int, params: int, image: Any, cuda: int) -> None:  # noqa: N802
        self._want("", library)
        parsed = self._want("Stream", stream)
        if self._want("DecodeParams", params).get("format") != ImageFormat.INTERLEAVED:
            raise AssertionError("samples are interleaved")
        target = self._memory(image[0])

        def work() -> None:
            if string_at(parsed["data"], len(parsed["content"])) != parsed["content"]:
                raise AssertionError("the codestream's memory was let go")
            samples = imagecodecs.jpeg2k_decode(parsed["content"])
            self._copy(samples, *target)

        self._begin(self._want("DecodeState", state), cuda, work)

    def _memory(self, image: Any) -> tuple[int, int, str, int]:
        return image.pixel_data[0], image.pitch_in_bytes[0], DTYPES[ImageType(image.pixel_type)], image.num_components

    def _copy(self, samples: Any, address: int, pitch: int, dtype: str, components: int) -> None:
        if samples.dtype != np.dtype(dtype) or (samples.shape[2] if samples.ndim == 3 else 1) != components:
            raise AssertionError(f"{samples.dtype} {samples.shape} into {dtype} of {components} components")
        for row, values in enumerate(samples):
            memmove(address + row * pitch, np.ascontiguousarray(values).ctypes.data, values.nbytes)

    # -- encoding

    def _EncodeParamsSetEncodeConfig(self, params: int, config: Any) -> int | None:  # noqa: N802
        config = config[0]
        components = [config.image_comp_info[index] for index in range(config.num_components)]
        told = {(item.component_width, item.component_height, item.precision, item.sgn) for item in components}
        if len(told) != 1 or config.color_space == ColorSpace.UNKNOWN:
            return Status.INVALID_PARAMETER
        fields = {
            name: getattr(config, name) for name, _ in config._fields_ if not name.startswith(("prec", "image_c"))
        }
        self._want("EncodeParams", params).update(fields, component=told.pop())
        return None

    def _EncodeParamsSetInputFormat(self, params: int, layout: int) -> None:  # noqa: N802
        self._want("EncodeParams", params)["format"] = layout

    def _EncodeParamsSpecifyQuality(self, params: int, kind: int, value: float) -> int | None:  # noqa: N802
        known = self._want("EncodeParams", params)
        if not known["irreversible"] or known["encode_modes"]:
            return Status.INVALID_PARAMETER
        known.update(quality=(kind, value))
        return None

    def _Encode(self, encoder: int, state: int, params: int, image: Any, cuda: int) -> None:  # noqa: N802
        self._want("Encoder", encoder)
        asked = dict(self._want("EncodeParams", params))
        if asked.get("format") != ImageFormat.INTERLEAVED:
            raise AssertionError("samples are interleaved")
        source, known = self._memory(image[0]), self._want("EncodeState", state)
        known.update(stream=cuda, asked=asked)
        self._begin(known, cuda, lambda: known.update(content=self._encoded(asked, *source)))

    def _encoded(self, asked: dict[str, Any], address: int, pitch: int, dtype: str, components: int) -> bytes:
        rows, columns = asked["image_height"], asked["image_width"]
        if components != asked["num_components"] or pitch != columns * components * np.dtype(dtype).itemsize:
            raise AssertionError("the image is not the one that was configured")
        samples = np.frombuffer(string_at(address, rows * pitch), dtype).reshape(rows, columns, components)
        samples = samples[..., 0] if components == 1 else samples
        bits, mct = asked["component"][2], bool(asked["mct_mode"])
        if "quality" in asked:
            return bytes(
                imagecodecs.jpeg2k_encode(samples, asked["quality"][1], codecformat="j2k", bitspersample=bits, mct=mct)
            )
        return bytes(
            imagecodecs.jpeg2k_encode(samples, codecformat="j2k", bitspersample=bits, reversible=True, mct=mct)
        )

    def _EncodeRetrieveBitstream(self, encoder: int, state: int, to: int | None, size: Any, cuda: int) -> int | None:  # noqa: N802
        self._want("Encoder", encoder)
        known = self._want("EncodeState", state)
        stream = self.where.streams[cuda]
        if cuda != known["stream"]:
            raise AssertionError("another stream")
        if to is None:
            for work in stream.asked:
                work()
            stream.asked.clear()
            size[0] = len(known["content"])
            return None
        if size[0] < len(known["content"]):
            return Status.INVALID_PARAMETER
        content, capacity = known["content"], size[0]
        stream.asked.append(lambda: memmove((c_ubyte * capacity).from_address(to), content, len(content)))
        return None

    # -- properties

    def _GetProperty(self, part: int, value: Any) -> None:  # noqa: N802
        value[0] = (0, 11, 0)[part]

    def _GetCudartProperty(self, part: int, value: Any) -> None:  # noqa: N802
        value[0] = (12, 9, 0)[part]
