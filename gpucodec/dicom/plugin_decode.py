"""Decoding for pydicom: one frame a call, decoded ahead from the pixel data that its runner holds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pydicom.encaps import generate_frames

from gpucodec.codecs.base import DecodeRequest
from gpucodec.codecs.dispatch import Choice
from gpucodec.codecs.formats import Family, get_format
from gpucodec.codecs.options import DecodeOptions
from gpucodec.codecs.running import CodestreamBatch, Decoding, portions_of
from gpucodec.dicom.conform import check_fits
from gpucodec.dicom.plugin_runner import LABEL, set_frame_option, window_of
from gpucodec.dicom.window import FrameWindow, window_frames
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = ["decode_frame"]


def decode_frame(src: bytes, runner: Any) -> bytearray:
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
    frame, found = window_of(runner, _decode_window, _decoded_bytes(runner)).serve(bytes(src))
    set_frame_option(runner, "decoding_plugin", LABEL, needed=False)
    if runner.samples_per_pixel > 1:
        set_frame_option(runner, "planar_configuration", 0)
    if original != 1:
        set_frame_option(runner, "bits_allocated", frame.dtype.itemsize * 8)
    wavelet = get_format(str(runner.transfer_syntax)).family in (Family.JPEG_2000, Family.HTJ2K)
    if wavelet and str(runner.photometric_interpretation) in ("YBR_RCT", "YBR_ICT"):
        set_frame_option(runner, "photometric_interpretation", found.photometric_interpretation)
    return bytearray(frame.astype(frame.dtype.newbyteorder("<"), copy=False).tobytes())


def _decode_window(runner: Any, frame_bytes: int) -> FrameWindow[tuple[Any, FrameSpec]]:
    uid, spec, options = str(runner.transfer_syntax), _decode_spec(runner), _decode_options(runner)

    def code(sources: Sequence[bytes], first: int) -> list[tuple[Any, FrameSpec]]:
        request = DecodeRequest(uid, spec, len(sources), options, first, codestreams=sources)
        job = Decoding(request)
        portions = portions_of(CodestreamBatch(sources, first), job)
        threads = len(sources) > job.batch_frames
        parts = job.run(portions, lambda part: (part, part), partial(_fitting, request), threads=threads)
        return [frame for part in parts for frame in part]

    # A file's position is pydicom's own, who reads one frame at a time from it: no frame can be looked at ahead.
    num_frames = 1 if runner.is_binary else runner.number_of_frames
    return FrameWindow(num_frames, window_frames(frame_bytes), _codestreams_ahead(runner), code)


def _fitting(
    request: DecodeRequest, found: FrameBatch, _choice: Choice, part: CodestreamBatch
) -> list[tuple[Any, FrameSpec]]:
    check_fits(found, replace(request, num_frames=len(part), first_frame=part.first_frame))
    return [(frame, found.spec) for frame in found.frames]


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
