"""Encoding frames to JPEG-LS codestreams, the bytes that CharLS writes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

import numpy as np

from gpucodec.backends import Executor
from gpucodec.codecs.jpegls_scans import Geometry, Scans, portions, sample_bytes
from gpucodec.codestream.jpegls import EOI, InterleaveMode, default_preset, write_frame_header, write_scan_header
from gpucodec.errors import GpucodecError
from gpucodec.frames import FrameSpec

__all__ = ["begin_frames", "frame_bytes", "num_scans"]


def num_scans(spec: FrameSpec) -> int:
    """Return how many scans a frame has: one, or one a component for Planar Configuration 1, as in pydicom."""
    return spec.samples_per_pixel if spec.planar_configuration else 1


def begin_frames(where: Executor, frames: Any, spec: FrameSpec, near: int) -> Callable[[], list[bytes]]:
    """Begin to encode frames; what is returned waits for the end and returns codestreams.

    Parameters
    ----------
    where : Executor
        What runs the kernels.
    frames : array
        Of `spec`'s dtype, ``(frames, rows, columns)`` or ``(frames, rows, columns, samples)``.
    spec : FrameSpec
        2 to 16 bits stored. Only these bits of a sample are encoded.
    near : int
        The largest absolute error of a sample, 0 for lossless.
    """
    plan = _Plan(where, spec, near)
    if where.is_asynchronous:
        return plan.begin(frames, worst=False)
    encoded: list[bytes] = []
    for begin, end in portions(where, len(frames), plan.frame_bytes(worst=False)):
        encoded.extend(plan.begin(frames[begin:end], worst=False)())
    return lambda: encoded


def frame_bytes(where: Executor, spec: FrameSpec, near: int) -> int:
    """Return at most how many bytes one frame needs while it is encoded."""
    plan = _Plan(where, spec, near)
    return spec.num_bytes + plan.frame_bytes(worst=False) + plan.num_scans * plan.scans(1, 1).slot_bytes()


class _Plan:
    """What all portions of a batch share."""

    def __init__(self, where: Executor, spec: FrameSpec, near: int) -> None:
        self.where, self.spec = where, spec
        self.sample_bytes = sample_bytes(spec.bits_stored)
        self.num_scans = num_scans(spec)
        preset = default_preset((1 << spec.bits_stored) - 1, near)
        self.preset, self.near = preset, near
        names = range(1, spec.samples_per_pixel + 1)
        frame_header = write_frame_header(spec.rows, spec.columns, spec.bits_stored, len(names), preset, near)
        if self.num_scans == 1:
            self.interleave = InterleaveMode.SAMPLE if len(names) > 1 else InterleaveMode.NONE
            self.headers = [frame_header + write_scan_header(names, near, self.interleave)]
        else:
            self.interleave = InterleaveMode.NONE
            self.headers = [write_scan_header([name], near, self.interleave) for name in names]
            self.headers[0] = frame_header + self.headers[0]

    def scans(self, pixel_stride: int, component_stride: int) -> Scans:
        spec = self.spec
        plane = (0, spec.columns * pixel_stride, pixel_stride, spec.columns, 1, spec.rows)
        components = spec.samples_per_pixel // self.num_scans
        geometry = Geometry(spec.rows, spec.columns, self.interleave, components, component_stride, (plane,))
        return Scans(geometry, self.preset, self.near, self.sample_bytes, self.preset.maximum_sample_value)

    def frame_bytes(self, *, worst: bool) -> int:
        """Return what encoding one frame needs at once."""
        scans = self.scans(self.spec.samples_per_pixel, 1)
        work = scans.slot_bytes(worst=worst) + scans.work_bytes()
        return self.spec.num_samples * self.sample_bytes + self.num_scans * work

    def begin(self, frames: Any, *, worst: bool) -> Callable[[], list[bytes]]:
        samples, pixel_stride, component_stride = _flat_samples(frames, self.spec, self.sample_bytes)
        starts = np.arange(len(frames))[:, None] * self.spec.num_samples
        starts = (starts + np.arange(self.num_scans) * component_stride).reshape(-1)
        scans = self.scans(pixel_stride, component_stride)
        slots, lengths, status = scans.encode(self.where, samples, starts, worst=worst)
        states, sizes = self.where.begin_download(status), self.where.begin_download(lengths)
        return lambda: self._finish(
            frames, slots, scans.slot_bytes(worst=worst), np.asarray(states() != 0), sizes(), worst
        )

    def _finish(
        self,
        frames: Any,
        slots: Any,
        slot_bytes: int,
        full: np.ndarray[Any, Any],
        lengths: np.ndarray[Any, Any],
        worst: bool,
    ) -> list[bytes]:
        pieces = _pieces(self.where, slots, slot_bytes, np.where(full, 0, lengths))
        encoded = [
            b"".join([part for index in range(first, first + self.num_scans)
                      for part in (self.headers[index - first], pieces[index])] + [EOI])
            for first in range(0, len(pieces), self.num_scans)
        ]  # fmt: skip
        if full.any():
            if worst:
                raise GpucodecError("JPEG-LS: a scan is longer than the longest that its samples can take")
            del slots, pieces
            self._encode_again(frames, np.any(full.reshape(-1, self.num_scans), axis=1), encoded)
        return encoded

    def _encode_again(self, frames: Any, full: np.ndarray[Any, Any], encoded: list[bytes]) -> None:
        """Encode the frames that did not fit their slots, which noise does, with slots that hold anything."""
        for failed, run in groupby(range(len(frames)), key=lambda frame: bool(full[frame])):
            if not failed:
                continue
            indices = list(run)
            for begin, end in portions(self.where, len(indices), self.frame_bytes(worst=True)):
                first, last = indices[begin], indices[end - 1] + 1
                encoded[first:last] = self.begin(frames[first:last], worst=True)()


def _flat_samples(frames: Any, spec: FrameSpec, num_bytes: int) -> tuple[Any, int, int]:
    """Return the frames as a flat array of unsigned samples, with the strides of pixels and components.

    Both planar configurations are read where they lie, other layouts are copied to colour-by-pixel first. The
    sign is left to the mask that the kernels apply: the bits of a two's complement number are those of its value
    modulo a power of two.
    """
    if frames.dtype.itemsize != num_bytes:
        frames = frames.astype(f"u{num_bytes}")
    pixel_stride, component_stride = spec.samples_per_pixel, 1
    if frames.ndim == 4 and not frames.flags.c_contiguous and frames.transpose(0, 3, 1, 2).flags.c_contiguous:
        frames = frames.transpose(0, 3, 1, 2)
        pixel_stride, component_stride = 1, spec.rows * spec.columns
    return frames.reshape(-1).view(f"u{num_bytes}"), pixel_stride, component_stride


def _pieces(where: Executor, slots: Any, slot_bytes: int, lengths: np.ndarray[Any, Any]) -> list[memoryview]:
    """Return each scan's bytes, on the host."""
    if where.on_host:
        view = slots.data
        return [view[k * slot_bytes : k * slot_bytes + length] for k, length in enumerate(lengths.tolist())]
    from gpucodec_kernels import copying

    offsets = np.concatenate([[0], np.cumsum(lengths)])
    together = where.empty(int(offsets[-1]), np.uint8)
    copying.gather(where, len(lengths), slots, slot_bytes, where.upload(offsets), together)
    view = where.download(together).data
    return [view[begin:end] for begin, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)]
