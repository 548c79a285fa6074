"""Launching the JPEG-LS kernels: scans that share geometry and coding parameters, many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np

from gpucodec.backends import Executor
from gpucodec.codestream.jpegls import Description, InterleaveMode, Preset, Scan
from gpucodec.errors import UnsupportedError

__all__ = ["Geometry", "Scans", "portions", "sample_bytes", "scan_geometry"]

# Frames are worked on in portions, so that memory does not grow with the batch: what a portion needs beside input
# and output. A GPU has one thread a scan and must be given thousands at once: it gets all of them.
_PORTION_BYTES = 64 << 20
_ALL_BITS = 0xFFFF


def portions(where: Executor, count: int, num_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield first and end of the portions of `count` things that need `num_bytes` each."""
    step = count if where.is_asynchronous else max(1, _PORTION_BYTES // num_bytes)
    for begin in range(0, count, max(1, step)):
        yield begin, min(begin + step, count)


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the samples of a scan are, counted in samples from its first one.

    Parameters
    ----------
    rows, columns : int
        Lines, or groups of lines, of the whole scan, and columns of its widest component.
    interleave_mode : InterleaveMode
        ILV.
    num_components : int
        Components of the scan.
    component_stride : int
        From a sample to that of the next component of the same pixel, if they are interleaved by sample.
    planes : tuple of tuple of int
        For each component that has lines of its own: the offset of its first sample, row stride, pixel stride,
        columns, lines that are coded before the next component's, and rows.
    """

    rows: int
    columns: int
    interleave_mode: InterleaveMode
    num_components: int
    component_stride: int
    planes: tuple[tuple[int, int, int, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Scans:
    """Scans that one launch can code.

    Parameters
    ----------
    geometry : Geometry
        Where their samples are.
    preset : Preset
        Their coding parameters.
    near : int
        NEAR.
    sample_bytes : int
        1 or 2, of the arrays of samples.
    sample_mask : int
        The bits of a sample that are encoded.
    """

    geometry: Geometry
    preset: Preset
    near: int
    sample_bytes: int
    sample_mask: int = _ALL_BITS

    def slot_bytes(self, *, worst: bool = False) -> int:
        """Return the size of one scan's slot."""
        from gpucodec_kernels.jpegls.parameters import slot_size

        return int(slot_size(_parameters(self), worst))

    def work_bytes(self) -> int:
        """Return what one scan needs to be worked on, beside samples and slot."""
        from gpucodec_kernels.jpegls.parameters import decode_window_size, encode_window_size, scratch_size

        parameters = _parameters(self)
        window = max(encode_window_size(parameters), decode_window_size(parameters))
        return int(scratch_size(parameters)) * 4 + int(window)

    def encode(
        self, where: Executor, samples: Any, sample_starts: np.ndarray[Any, Any], *, worst: bool
    ) -> tuple[Any, Any, Any]:
        """Encode the scans whose first samples are at `sample_starts`; return slots, lengths and status.

        The slots are there until the next call.
        """
        from gpucodec_kernels.jpegls.parameters import encode_window_size

        count, size = len(sample_starts), self.slot_bytes(worst=worst)
        rows = np.full(count, self.geometry.rows, np.int32)
        slots, lengths = where.scratch("jpegls slots", count * size, np.uint8), where.empty(count, np.int64)
        status = where.empty(count, np.int32)
        where.launch(
            self._kernel("encode"), count, where.upload(samples), where.upload(sample_starts), where.upload(rows),
            *self._shared(where, count, encode_window_size), slots, size, lengths, status,
        )  # fmt: skip
        return slots, lengths, status

    def decode(
        self,
        where: Executor,
        source: Any,
        bounds: np.ndarray[Any, Any],
        samples: Any,
        sample_starts: np.ndarray[Any, Any],
        rows: np.ndarray[Any, Any],
    ) -> Callable[[], tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
        """Begin to decode the segments of `source` between the pairs of `bounds`.

        What is returned waits for the end, and returns status and bytes used of each.
        """
        from gpucodec_kernels.jpegls.parameters import decode_window_size

        count = len(sample_starts)
        starts, ends = (where.upload(np.ascontiguousarray(bounds[:, side])) for side in (0, 1))
        status, stopped = where.empty(count, np.int32), where.empty(count, np.int64)
        where.launch(
            self._kernel("decode"), count, source, starts, ends, samples, where.upload(sample_starts),
            where.upload(rows), *self._shared(where, count, decode_window_size), status, stopped,
        )  # fmt: skip
        states, places = where.begin_download(status), where.begin_download(stopped)
        return lambda: (states(), places())

    def _kernel(self, verb: str) -> Any:
        from gpucodec_kernels.jpegls.parameters import is_lossless

        module = import_module(f"gpucodec_kernels.jpegls.{verb}")
        kind = "lossless" if is_lossless(_parameters(self)) else "near"
        return getattr(module, f"{verb}_scan_{kind}_{8 * self.sample_bytes}")

    def _shared(self, where: Executor, count: int, window_size: Any) -> tuple[Any, ...]:
        """Return what all indices read, and what each works in."""
        from gpucodec_kernels.jpegls.parameters import scratch_size

        parameters, gradients = _parameters(self), _gradients(self)
        planes = [value for plane in self.geometry.planes for value in plane]
        strides = np.array([self.geometry.component_stride, *planes], np.int64)
        return (
            where.upload(strides),
            where.upload(parameters),
            where.upload(gradients),
            where.scratch("jpegls work", count * scratch_size(parameters), np.int32),
            where.scratch("jpegls window", count * window_size(parameters), np.uint8),
        )


def scan_geometry(
    description: Description, scan: Scan, planes: Sequence[tuple[int, int, int]], first_line: int
) -> Geometry:
    """Describe where a scan's samples are.

    Parameters
    ----------
    description : Description
        The frame.
    scan : Scan
        One of its scans.
    planes : sequence of tuple of int
        For each component of the scan: index of its first sample in the array, row stride and pixel stride.
    first_line : int
        The line, or group of lines, of the scan from which on it is described.

    Raises
    ------
    UnsupportedError
        If the scan interleaves components by sample that are not evenly spaced in the array.
    """
    components = [description.components[index] for index in scan.components]
    by_line = scan.interleave_mode is InterleaveMode.LINE
    lines = [component.vertical if by_line else 1 for component in components]
    firsts = [
        first + first_line * count * row_stride for (first, row_stride, _), count in zip(planes, lines, strict=True)
    ]
    steps = {after - before for before, after in pairwise(firsts)}
    if scan.interleave_mode is InterleaveMode.SAMPLE and (
        len(steps) > 1 or any((c.horizontal, c.vertical) != (1, 1) for c in components)
    ):
        raise UnsupportedError(
            "Unable to decode JPEG-LS components that are interleaved by sample, but not neighbours of the same size"
        )
    described = [
        (first - firsts[0], row_stride, pixel_stride, component.columns, count, component.rows - first_line * count)
        for component, first, count, (_, row_stride, pixel_stride) in zip(
            components, firsts, lines, planes, strict=True
        )
    ]
    return Geometry(
        rows=description.num_lines(scan),
        columns=max(component.columns for component in components),
        interleave_mode=scan.interleave_mode,
        num_components=len(components),
        component_stride=max(steps, default=1),
        planes=tuple(described if by_line else described[:1]),
    )


def sample_bytes(bits: int) -> int:
    """Return the bytes of the smallest container for samples of this many bits."""
    return 1 if bits <= 8 else 2


@lru_cache(maxsize=64)
def _parameters(scans: Scans) -> np.ndarray[Any, Any]:
    from gpucodec_kernels.jpegls.parameters import scan_parameters

    preset = scans.preset
    result: np.ndarray[Any, Any] = scan_parameters(
        rows=scans.geometry.rows,
        columns=scans.geometry.columns,
        components=scans.geometry.num_components,
        interleave=int(scans.geometry.interleave_mode),
        maximum_sample_value=preset.maximum_sample_value,
        near=scans.near,
        thresholds=preset.thresholds,
        reset=preset.reset,
        sample_mask=scans.sample_mask,
    )
    return result


@lru_cache(maxsize=64)
def _gradients(scans: Scans) -> np.ndarray[Any, Any]:
    from gpucodec_kernels.jpegls.parameters import gradient_table

    result: np.ndarray[Any, Any] = gradient_table(_parameters(scans))
    return result
