"""Running the JPEG-LS kernels on one frame, and CharLS beside them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from gpucodec_kernels.jpegls import decode, encode, parameters
from hypothesis import strategies as st

from gpucodec.backends import Executor

NONE, LINE, SAMPLE = 0, 1, 2


def charls_scans(frame: np.ndarray, bits: int, near: int = 0, interleave: int = NONE) -> list[bytes]:
    """Return the entropy-coded segments that CharLS makes of ``(rows, columns[, samples])``."""
    samples = 1 if frame.ndim == 2 else frame.shape[2]
    planes = frame.transpose(2, 0, 1) if samples > 1 and interleave == NONE else frame
    # CharLS writes to a buffer as long as its source, which frames of few samples overrun.
    source = planes.tobytes() + bytes(4096 + 8 * frame.size)
    made = import_module("_CharLS")._encode(source, near, interleave, *frame.shape[:2], samples, bits)
    return entropy_coded_segments(bytes(made))


def entropy_coded_segments(codestream: bytes) -> list[bytes]:
    """Cut a codestream without restart markers into what lies behind each SOS."""
    segments = []
    position = 2
    while codestream[position + 1] != 0xD9:
        marker = codestream[position + 1]
        position += 2 + int.from_bytes(codestream[position + 2 : position + 4], "big")
        if marker == 0xDA:
            start = position
            while not (codestream[position] == 0xFF and codestream[position + 1] >= 0x80):
                position += 1
            segments.append(codestream[start:position])
    return segments


def scan(frame: np.ndarray, bits: int, near: int = 0, interleave: int = NONE, **settings: Any) -> np.ndarray:
    """Return the parameters of a frame's scans."""
    samples = 1 if frame.ndim == 2 else frame.shape[2]
    chosen = {"maximum_sample_value": (1 << bits) - 1, **settings}
    components = samples if interleave else 1
    return parameters.scan_parameters(
        rows=frame.shape[0], columns=frame.shape[1], components=components, interleave=interleave, near=near, **chosen
    )


def kernel_of(module: Any, verb: str, values: np.ndarray, frame: np.ndarray) -> Any:
    """Return the kernel for a scan of this frame."""
    kind = "lossless" if parameters.is_lossless(values) else "near"
    return getattr(module, f"{verb}_scan_{kind}_{8 * frame.itemsize}")


def places(frame: np.ndarray, values: np.ndarray) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Return how many scans a frame has, where each begins, their rows, and the strides."""
    samples = 1 if frame.ndim == 2 else frame.shape[2]
    count = samples if values[parameters.INTERLEAVE] == NONE else 1
    strides = parameters.scan_strides(values, frame.shape[1] * samples, samples, 1)
    return count, np.arange(count, dtype=np.int64), np.full(count, frame.shape[0], np.int32), strides


def encode_frame(
    where: Executor, frame: np.ndarray, values: np.ndarray, slot_size: int | None = None
) -> tuple[list[bytes], list[int]]:
    """Encode a frame's scans; return their bytes and statuses."""
    count, starts, rows, strides = places(frame, values)
    size = parameters.slot_size(values, worst=True) if slot_size is None else slot_size
    slots, lengths, status = (
        where.empty(count * size, np.uint8),
        where.empty(count, np.int64),
        where.empty(count, np.int32),
    )
    work = (
        where.empty(count * parameters.scratch_size(values), np.int32),
        where.empty(count * parameters.encode_window_size(values), np.uint8),
    )
    inputs = (frame.reshape(-1), starts, rows, strides, values, parameters.gradient_table(values))
    kernel = kernel_of(encode, "encode", values, frame)
    where.launch(kernel, count, *map(where.upload, inputs), *work, slots, size, lengths, status)
    encoded = where.download(slots).reshape(count, size)
    made = [slot[:length].tobytes() for slot, length in zip(encoded, where.download(lengths), strict=True)]
    return made, where.download(status).tolist()


def decode_frame(
    where: Executor, segments: list[bytes], like: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, list[int], list[int]]:
    """Decode a frame's scans; return the frame, the statuses, and where each scan stopped."""
    count, starts, rows, strides = places(like, values)
    ends = np.cumsum([len(segment) for segment in segments]).astype(np.int64)
    begins = ends - np.array([len(segment) for segment in segments], np.int64)
    source = np.frombuffer(b"".join(segments) or b"\0", np.uint8)
    samples, status = where.upload(np.zeros(like.size, like.dtype)), where.empty(count, np.int32)
    stopped = where.empty(count, np.int64)
    work = (
        where.empty(count * parameters.scratch_size(values), np.int32),
        where.empty(count * parameters.decode_window_size(values), np.uint8),
    )
    geometry = (starts, rows, strides, values, parameters.gradient_table(values))
    kernel = kernel_of(decode, "decode", values, like)
    places_of_bytes = map(where.upload, (source, begins, ends))
    where.launch(kernel, count, *places_of_bytes, samples, *map(where.upload, geometry), *work, status, stopped)
    decoded = where.download(samples).reshape(like.shape)
    return decoded, where.download(status).tolist(), where.download(stopped).tolist()


@st.composite
def frames(draw: st.DrawFn, largest: tuple[int, int] = (12, 40), samples: tuple[int, ...] = (1, 3, 4)) -> Any:
    """Draw a frame, its bits, NEAR and interleave mode: noise, slopes, runs and extremes."""
    bits = draw(st.integers(2, 16))
    rows, columns = draw(st.integers(1, largest[0])), draw(st.integers(1, largest[1]))
    count = draw(st.sampled_from(samples))
    interleave = draw(st.sampled_from([NONE, LINE, SAMPLE])) if count > 1 else NONE
    near = draw(st.just(0) | st.integers(0, min(255, ((1 << bits) - 1) // 2)))
    highest = (1 << bits) - 1
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (rows, columns) if count == 1 else (rows, columns, count)
    kind = draw(st.sampled_from(["noise", "few", "slope", "runs", "extremes"]))
    if kind == "noise":
        frame = random.integers(0, highest + 1, shape)
    elif kind == "few":
        frame = random.integers(0, 3, shape)
    elif kind == "slope":
        frame = np.cumsum(random.integers(-1, 2, shape), 1) % (highest + 1)
    elif kind == "runs":
        frame = np.repeat(random.integers(0, highest + 1, shape), 7, 1)[:, :columns]
    else:
        frame = random.choice([0, highest], shape)
    return np.ascontiguousarray(frame.astype(np.uint8 if bits <= 8 else np.uint16)), bits, near, interleave
