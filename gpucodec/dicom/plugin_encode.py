"""Encoding for pydicom: one frame a call, coded ahead from the image that its runner holds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpucodec.codecs.formats import Family, get_format
from gpucodec.codecs.options import EncodeOptions
from gpucodec.dicom.coding import encode_batch
from gpucodec.dicom.plugin_runner import LABEL, set_frame_option, window_of
from gpucodec.dicom.profiles import validate_values
from gpucodec.dicom.window import FrameWindow, window_frames
from gpucodec.errors import ParameterError
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = ["encode_frame"]


def encode_frame(src: bytes, runner: Any) -> bytes:
    """Encode one frame for pydicom.

    Parameters
    ----------
    src : bytes
        The frame's samples, little endian, in the container that Bits Stored needs.
    runner : pydicom.pixels.encoders.base.EncodeRunner
        The image and its options.
    """
    set_frame_option(runner, "encoding_plugin", LABEL, needed=False)
    codestream: bytes = window_of(runner, _encode_window, len(src)).serve(bytes(src))
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
