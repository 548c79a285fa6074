"""The pydicom plugin "gpucodec": every transfer syntax that a backend here serves, batched behind pydicom's back.

pydicom hands its plugins one frame at a time, with the runner that holds the whole image. The window
(`gpucodec.dicom.window`) codes ahead from there. Nothing is registered until `register` is called.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.encoders.base import get_encoder

from gpucodec.codecs.base import DecodeRequest, EncodeRequest
from gpucodec.codecs.dispatch import choose, consider
from gpucodec.codecs.formats import FORMATS, Family, get_format
from gpucodec.codecs.options import DecodeOptions, EncodeOptions
from gpucodec.dicom.coding import encode_batch
from gpucodec.dicom.conform import check_fits
from gpucodec.dicom.profiles import validate_values
from gpucodec.dicom.window import FrameWindow, window_frames
from gpucodec.errors import ParameterError
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = ["DECODER_DEPENDENCIES", "ENCODER_DEPENDENCIES", "LABEL", "is_available", "register", "unregister"]

LABEL = "gpucodec"

_LIBRARY = {
    Family.RLE: ("numba>=0.61",),
    Family.JPEG: ("pylibjpeg>=2.0", "pylibjpeg-libjpeg>=2.3"),
    Family.JPEG_LS: ("pyjpegls>=1.5",),
    Family.JPEG_2000: ("pylibjpeg>=2.0", "pylibjpeg-openjpeg>=2.4"),
    Family.HTJ2K: ("pylibjpeg>=2.0", "pylibjpeg-openjpeg>=2.4"),
}

# What pydicom names when the plugin cannot serve a transfer syntax here.
DECODER_DEPENDENCIES = {uid: ("numpy", *_LIBRARY[entry.family]) for uid, entry in FORMATS.items()}
ENCODER_DEPENDENCIES = {
    uid: ("numpy", *_LIBRARY[entry.family])
    for uid, entry in FORMATS.items()
    if entry.family not in (Family.JPEG, Family.HTJ2K)
}

# A frame that every transfer syntax may carry.
_TYPICAL = FrameSpec(rows=64, columns=64)


def register() -> None:
    """Make pydicom know the plugin ``"gpucodec"``; again if it already does, which changes nothing.

    It is added to the encoder and the decoder of every transfer syntax that some backend here serves, behind the
    plugins that pydicom already has: name it to use it.

    Examples
    --------
    >>> import gpucodec
    >>> from pydicom import examples
    >>> from pydicom.uid import RLELossless
    >>> gpucodec.register()
    >>> ds = examples.ct
    >>> ds.compress(RLELossless, encoding_plugin="gpucodec")
    >>> ds.decompress(decoding_plugin="gpucodec")
    """
    for coder, function in _coders():
        if LABEL not in coder.available_plugins:
            coder.add_plugin(LABEL, (__name__, function))


def unregister() -> None:
    """Make pydicom forget the plugin ``"gpucodec"``; nothing happens if it does not know it."""
    for coder, _ in _coders():
        if LABEL in coder.available_plugins:
            coder.remove_plugin(LABEL)


def is_available(uid: str) -> bool:
    """Whether the plugin can decode, or encode, a transfer syntax here; pydicom asks when the plugin is added."""
    return _can_decode(str(uid)) or _can_encode(str(uid))


def _coders() -> Iterator[tuple[Any, str]]:
    """Yield pydicom's encoders and decoders that the plugin serves, each with the name of its function."""
    for find, serves, function in (
        (get_encoder, _can_encode, "_encode_frame"),
        (get_decoder, _can_decode, "_decode_frame"),
    ):
        for uid in FORMATS:
            try:
                coder = find(uid)
            except NotImplementedError:
                continue  # this pydicom has no coder of that transfer syntax to add to
            if serves(uid):
                yield coder, function


def _can_encode(uid: str) -> bool:
    if uid not in FORMATS:
        return False
    entry = FORMATS[uid]
    lossy_wavelet = entry.family in (Family.JPEG_2000, Family.HTJ2K) and not entry.lossless
    options = EncodeOptions.for_transfer_syntax(uid, j2k_cr=[10.0] if lossy_wavelet else None)
    return _is_served(EncodeRequest(uid, _TYPICAL, 1, options))


def _can_decode(uid: str) -> bool:
    return uid in FORMATS and _is_served(DecodeRequest(uid, _TYPICAL, 1))


def _is_served(request: EncodeRequest | DecodeRequest) -> bool:
    return any(not reasons for codec, reasons in consider(request) if codec.backend != "simulator")


# One window a runner, and a runner a call of pydicom; it goes when the runner does.
_windows: WeakKeyDictionary[Any, FrameWindow[Any]] = WeakKeyDictionary()
_lock = threading.Lock()


def _window_of(runner: Any, make: Callable[[Any, int], FrameWindow[Any]], frame_bytes: int) -> FrameWindow[Any]:
    with _lock:
        window = _windows.get(runner)
        if window is None:
            window = _windows[runner] = make(runner, frame_bytes)
        return window


def _encode_frame(src: bytes, runner: Any) -> bytes:
    """Encode one frame for pydicom.

    Parameters
    ----------
    src : bytes
        The frame's samples, little endian, in the container that Bits Stored needs.
    runner : pydicom.pixels.encoders.base.EncodeRunner
        The image and its options.
    """
    _set_frame_option(runner, "encoding_plugin", LABEL, needed=False)
    codestream: bytes = _window_of(runner, _encode_window, len(src)).serve(bytes(src))
    return codestream


def _encode_window(runner: Any, frame_bytes: int) -> FrameWindow[bytes]:
    job = _EncodeJob.of(runner, frame_bytes)
    num_frames = runner.number_of_frames
    # The window lives as long as the runner: it must not hold it, only what frames are cut from.
    ahead = _array_frames(runner, job) if runner.is_array else _buffer_frames(runner, job)

    def take(first: int, count: int) -> list[bytes]:
        # A source that is shorter than it should be ends the window: pydicom gets there, and says so.
        return list(itertools.takewhile(bool, map(ahead, range(first, min(first + count, num_frames)))))

    return FrameWindow(num_frames, window_frames(frame_bytes), take, job.encode)


def _array_frames(runner: Any, job: _EncodeJob) -> Callable[[int], bytes]:
    """Cut frames from an array as pydicom does: narrowed, and for JPEG-LS by plane if that is asked for."""
    source, dtype, by_plane = runner.src, job.dtype, job.by_plane

    def cut(index: int) -> bytes:
        if index >= len(source):
            return b""
        frame = source[index].astype(dtype, copy=False)
        content: bytes = (frame.transpose(2, 0, 1) if by_plane else frame).tobytes()
        return content

    return cut


def _buffer_frames(runner: Any, job: _EncodeJob) -> Callable[[int], bytes]:
    """Cut frames from a buffer as pydicom does: the low bytes of each sample."""
    source, itemsize, num_samples = runner.src, job.dtype.itemsize, job.spec.num_samples
    width = max(1, runner.bits_allocated // 8)

    def cut(index: int) -> bytes:
        if (index + 1) * num_samples * width > len(source):
            return b""
        samples = np.frombuffer(source, np.uint8, num_samples * width, index * num_samples * width)
        return samples.reshape(num_samples, width)[:, :itemsize].tobytes()

    return cut


@dataclass(frozen=True, slots=True)
class _EncodeJob:
    """What pydicom's runner asks of the encoder, and how its bytes are laid out."""

    uid: str
    spec: FrameSpec
    options: EncodeOptions
    dtype: np.dtype[Any]
    by_plane: bool

    @classmethod
    def of(cls, runner: Any, frame_bytes: int) -> _EncodeJob:
        uid = str(runner.transfer_syntax)
        family = get_format(uid).family
        itemsize, rest = divmod(frame_bytes, runner.rows * runner.columns * runner.samples_per_pixel)
        if rest or itemsize not in (1, 2, 4, 8):
            raise ParameterError(
                f"A frame of {frame_bytes} bytes doesn't match {runner.rows} rows, {runner.columns} columns and "
                f"{runner.samples_per_pixel} samples of a (0028,0101) 'Bits Stored' value of '{runner.bits_stored}'"
            )
        planar = runner.planar_configuration if runner.samples_per_pixel > 1 else 0
        spec = FrameSpec(
            runner.rows,
            runner.columns,
            runner.samples_per_pixel,
            # RLE codes whole containers, PS3.5 G.2; pydicom has narrowed the samples to what Bits Stored needs.
            runner.bits_allocated if family is Family.RLE else itemsize * 8,
            runner.bits_stored,
            runner.pixel_representation,
            _encoded_colour(runner),
            planar,
        )
        kind = "ui"[runner.pixel_representation]
        dtype = np.dtype(f"{runner.get_option('byteorder', '<')}{kind}{itemsize}")
        # An array is colour-by-pixel whatever the attribute says, but for JPEG-LS pydicom transposes it.
        by_plane = planar == 1 and (family is Family.JPEG_LS or not runner.is_array)
        return cls(uid, spec, _encode_options(runner, uid), dtype, by_plane)

    def encode(self, sources: Sequence[bytes], first: int) -> list[bytes]:
        batch = FrameBatch(self._frames(sources), self.spec, first)
        if get_format(self.uid).family is not Family.RLE:
            # pydicom looks at the values of arrays only; what Bits Stored does not cover would be lost silently.
            validate_values(batch.frames, self.spec, self.uid, self.options)
        return encode_batch(batch, self.uid, self.options, validate=False).codestreams

    def _frames(self, sources: Sequence[bytes]) -> np.ndarray[Any, Any]:
        samples = np.frombuffer(sources[0] if len(sources) == 1 else b"".join(sources), dtype=self.dtype)
        spec = self.spec
        if self.by_plane:
            planes = samples.reshape(len(sources), spec.samples_per_pixel, spec.rows, spec.columns)
            frames = planes.transpose(0, 2, 3, 1)
        else:
            frames = samples.reshape(len(sources), *spec.shape)
        return np.ascontiguousarray(frames, dtype=spec.dtype)


def _encoded_colour(runner: Any) -> str:
    name = str(runner.photometric_interpretation)
    if name in ("YBR_RCT", "YBR_ICT") and not runner.get_option("use_mct", True):
        return "RGB"
    return name


def _encode_options(runner: Any, uid: str) -> EncodeOptions:
    """Collect the options that mean something to the transfer syntax; those of other plugins are not ours to judge."""
    family = get_format(uid).family
    given: dict[str, Any] = {}
    if family is Family.JPEG_LS:
        given["jls_error"] = runner.get_option("jls_error")
    if family in (Family.JPEG_2000, Family.HTJ2K):
        given["j2k_cr"] = runner.get_option("compression_ratios") or runner.get_option("j2k_cr")
        given["j2k_psnr"] = runner.get_option("signal_noise_ratios") or runner.get_option("j2k_psnr")
    return EncodeOptions.for_transfer_syntax(uid, **given)


def _decode_frame(src: bytes, runner: Any) -> bytearray:
    """Decode one frame for pydicom.

    Parameters
    ----------
    src : bytes
        The frame's codestream.
    runner : pydicom.pixels.decoders.base.DecodeRunner
        The image and its options. Those that describe the decoded frame are set: planar configuration, bits
        allocated by the codec's container, and the photometric interpretation once YBR_RCT or YBR_ICT is undone.
    """
    original = runner.bits_allocated
    frame, found = _window_of(runner, _decode_window, _decoded_bytes(runner)).serve(bytes(src))
    _set_frame_option(runner, "decoding_plugin", LABEL, needed=False)
    if runner.samples_per_pixel > 1:
        _set_frame_option(runner, "planar_configuration", 0)
    if original != 1:
        _set_frame_option(runner, "bits_allocated", frame.dtype.itemsize * 8)
    wavelet = get_format(str(runner.transfer_syntax)).family in (Family.JPEG_2000, Family.HTJ2K)
    if wavelet and str(runner.photometric_interpretation) in ("YBR_RCT", "YBR_ICT"):
        _set_frame_option(runner, "photometric_interpretation", found.photometric_interpretation)
    return bytearray(frame.astype(frame.dtype.newbyteorder("<"), copy=False).tobytes())


def _decode_window(runner: Any, frame_bytes: int) -> FrameWindow[tuple[Any, FrameSpec]]:
    uid, spec, options = str(runner.transfer_syntax), _decode_spec(runner), _decode_options(runner)

    def code(sources: Sequence[bytes], first: int) -> list[tuple[Any, FrameSpec]]:
        request = DecodeRequest(uid, spec, len(sources), options, first)
        found = choose(request).codec.decode_batch(list(sources), request)
        check_fits(found, request)
        return [(frame, found.spec) for frame in found.frames]

    # A file's position is pydicom's own, who reads one frame at a time from it: no frame can be looked at ahead.
    num_frames = 1 if runner.is_binary else runner.number_of_frames
    return FrameWindow(num_frames, window_frames(frame_bytes), _codestreams_ahead(runner), code)


def _codestreams_ahead(runner: Any) -> Callable[[int, int], list[bytes]]:
    source, num_frames, extended_offsets = runner.src, runner.number_of_frames, runner.extended_offsets
    codestreams: Iterator[bytes] | None = None

    def take(first: int, count: int) -> list[bytes]:  # noqa: ARG001 - frames come in order
        nonlocal codestreams
        if codestreams is None:
            codestreams = generate_frames(source, number_of_frames=num_frames, extended_offsets=extended_offsets)
        return list(itertools.islice(codestreams, count))

    return take


def _decoded_bytes(runner: Any) -> int:
    samples: int = runner.rows * runner.columns * runner.samples_per_pixel
    return samples * _container_bits(runner.bits_allocated) // 8


def _container_bits(bits_allocated: int) -> int:
    return next((bits for bits in (8, 16, 32, 64) if bits >= bits_allocated), 64)


def _decode_spec(runner: Any) -> FrameSpec:
    return FrameSpec(
        runner.rows,
        runner.columns,
        runner.samples_per_pixel,
        _container_bits(runner.bits_allocated),
        runner.bits_stored,
        runner.pixel_representation,
        str(runner.photometric_interpretation),
        runner.planar_configuration if runner.samples_per_pixel > 1 else 0,
    )


def _decode_options(runner: Any) -> DecodeOptions:
    # pydicom's own RLE plugin calls the reversed order of segments `rle_segment_order`, pylibjpeg's `byteorder`.
    reversed_order = "<" if runner.get_option("byteorder", "<") == ">" else ">"
    return DecodeOptions(rle_segment_order=runner.get_option("rle_segment_order", reversed_order))


def _set_frame_option(runner: Any, name: str, value: Any, *, needed: bool = True) -> None:
    """Describe the current frame: pydicom 3.1 keeps options frame by frame, 3.0 only for the whole image."""
    if hasattr(runner, "set_frame_option"):
        runner.set_frame_option(runner.index, name, value)
    elif needed:
        runner.set_option(name, value)
