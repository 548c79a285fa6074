"""What a scan's kernels are given: coding parameters, default thresholds, and the sizes of what they work in.

`scan_parameters` lays out the int32 array ``parameters`` that all kernels read, its elements named by the
constants below: first the scan's geometry and coding parameters, then what T.87 A.2.1 derives of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Elements of ``parameters``.
ROWS = 0
COLUMNS = 1
COMPONENTS = 2  # of the scan
INTERLEAVE = 3  # ILV: 0 none, 1 line, 2 sample
MAXIMUM_SAMPLE_VALUE = 4
NEAR = 5
T1 = 6
T2 = 7
T3 = 8
RESET = 9
SAMPLE_MASK = 10  # encoding: bits of a sample that count
RANGE = 11
QBPP = 12  # bits of a mapped error value that is coded as it is
LIMIT = 13  # longest code, bits
LINE_SAMPLES = 14  # of a line as it is coded: of one component, or of all where samples are interleaved
NUM_PLANES = 15  # components that have lines of their own: all of them where lines are interleaved, else one
LINE_BYTES = 16  # that a line's codes take at most, without stuffed bits
NUM_PARAMETERS = 17

# Elements of ``strides``, int64, in samples: first how far a pixel's components are apart, then for each component
# that has lines of its own how its samples lie and how many there are.
COMPONENT_STRIDE = 0
FIRST_PLANE = 1
PLANE_OFFSET = 0  # from the scan's first sample
PLANE_ROW_STRIDE = 1
PLANE_PIXEL_STRIDE = 2
PLANE_COLUMNS = 3
PLANE_LINES = 4  # that are coded before the next component's: 1, or the sampling factor V
PLANE_ROWS = 5
PLANE_WORDS = 6

# What a scan's ``status`` says.
STATUS_OK = 0
STATUS_SLOT_TOO_SMALL = 1  # encoding: the slot is full
STATUS_TRUNCATED = 2  # decoding: the segment ends before the last sample
STATUS_INVALID = 3  # a code that no encoder writes
STATUS_EXCESS = 4  # decoding: more bytes than the samples take

NO_INTERLEAVE = 0
LINE_INTERLEAVE = 1
SAMPLE_INTERLEAVE = 2

NUM_CONTEXTS = 365  # of regular mode; two of run interruption follow them
CONTEXT_WORDS = 4
RUN_INDICES = CONTEXT_WORDS * (NUM_CONTEXTS + 2)  # the first of them
# A word that run interruption does not use: set where a code was met that no encoder writes.
INVALID_FLAG = CONTEXT_WORDS * NUM_CONTEXTS + 2
MAX_COMPONENTS = 4
COUNT_BITS = 16  # of N in a word; the Golomb parameter is kept above them
STATE_WORDS = RUN_INDICES + MAX_COMPONENTS

# Words and bytes behind lines and windows, so that whole words may be loaded and stored at their ends.
SLACK = 64


def default_thresholds(maximum_sample_value: int, near: int) -> tuple[int, int, int]:
    """Return the default gradient thresholds T1, T2 and T3, T.87 C.2.4.1.1.1."""

    def clamp(value: int, lowest: int) -> int:
        return lowest if value > maximum_sample_value or value < lowest else value

    if maximum_sample_value >= 128:
        factor = (min(maximum_sample_value, 4095) + 128) // 256
        t1 = clamp(factor * (3 - 2) + 2 + 3 * near, near + 1)
        t2 = clamp(factor * (7 - 3) + 3 + 5 * near, t1)
        return t1, t2, clamp(factor * (21 - 4) + 4 + 7 * near, t2)
    factor = 256 // (maximum_sample_value + 1)
    t1 = clamp(max(2, 3 // factor + 3 * near), near + 1)
    t2 = clamp(max(3, 7 // factor + 5 * near), t1)
    return t1, t2, clamp(max(4, 21 // factor + 7 * near), t2)


def scan_parameters(
    *,
    rows: int,
    columns: int,
    components: int = 1,
    interleave: int = NO_INTERLEAVE,
    maximum_sample_value: int,
    near: int = 0,
    thresholds: tuple[int, int, int] | None = None,
    reset: int = 64,
    sample_mask: int = 0xFFFF,
) -> np.ndarray[Any, Any]:
    """Return the int32 array that the kernels of a scan read.

    Parameters
    ----------
    rows, columns : int
        Size of the scan's components.
    components : int
        Components in the scan, 1 to 4; 1 where they are not interleaved.
    interleave : int
        ILV: 0 none, 1 line, 2 sample.
    maximum_sample_value : int
        MAXVAL, 1 to 65535.
    near : int
        NEAR, 0 for lossless, at most 255 and half of MAXVAL.
    thresholds : tuple of int, optional
        T1, T2 and T3; 0 means the default.
    reset : int
        RESET, 3 to 65535 (C.2.4.1.1 has a tighter bound for the largest MAXVAL; the kernels do not need it).
    sample_mask : int
        Which bits of the samples are encoded, for samples whose other bits hold something else.

    Raises
    ------
    ValueError
        If a value is outside of what the kernels can work with.
    """
    limits = {
        "rows": (rows, 1, 2**31 - 1),
        "columns": (columns, 1, (2**31 - 1) // (16 * components) if components > 0 else 0),
        "components": (components, 1, MAX_COMPONENTS if interleave else 1),
        "interleave": (interleave, NO_INTERLEAVE, SAMPLE_INTERLEAVE),
        "maximum_sample_value": (maximum_sample_value, 1, 65535),
        "near": (near, 0, min(255, maximum_sample_value // 2)),
        "reset": (reset, 3, 65535),
        "sample_mask": (sample_mask, 0, 0xFFFF),
    }
    chosen = tuple(
        given or default
        for given, default in zip(thresholds or (0, 0, 0), default_thresholds(maximum_sample_value, near), strict=True)
    )
    lowest = near + 1
    for name, threshold in zip(("T1", "T2", "T3"), chosen, strict=True):
        limits[name] = (threshold, lowest, maximum_sample_value)
        lowest = threshold
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise ValueError(f"JPEG-LS: {name} is {value}, it must be {low} to {high}")
    return np.array(
        (
            *(rows, columns, components, interleave, maximum_sample_value, near, *chosen, reset, sample_mask),
            *_derived_parameters(columns, components, interleave, maximum_sample_value, near),
        ),
        np.int32,
    )


def _derived_parameters(
    columns: int, components: int, interleave: int, maximum_sample_value: int, near: int
) -> tuple[int, ...]:
    """Return RANGE, qbpp and LIMIT (T.87 A.2.1), and what a line is and takes."""
    alphabet = (maximum_sample_value + 2 * near) // (2 * near + 1) + 1
    bits = max(2, maximum_sample_value.bit_length())
    limit = 2 * (bits + max(8, bits))
    line_samples = columns * (components if interleave == SAMPLE_INTERLEAVE else 1)
    planes = components if interleave == LINE_INTERLEAVE else 1
    return alphabet, (alphabet - 1).bit_length(), limit, line_samples, planes, -(-line_samples * limit // 8) + SLACK


def scan_strides(
    parameters: np.ndarray[Any, Any], row_stride: int, pixel_stride: int = 1, component_stride: int = 1
) -> np.ndarray[Any, Any]:
    """Return the array ``strides`` of a scan whose components are all of the frame's size.

    Parameters
    ----------
    parameters : ndarray
        From `scan_parameters`.
    row_stride, pixel_stride, component_stride : int
        How far apart, in samples, two rows, two pixels of a row and two components of a pixel are.
    """
    rows, columns = int(parameters[ROWS]), int(parameters[COLUMNS])
    planes = [
        (plane * component_stride, row_stride, pixel_stride, columns, 1, rows)
        for plane in range(parameters[NUM_PLANES])
    ]
    return np.array([component_stride, *(value for plane in planes for value in plane)], np.int64)


def is_lossless(parameters: np.ndarray[Any, Any]) -> bool:
    """Return whether a scan is for the lossless kernels, whose alphabet is one of whole bits; else the near ones."""
    return int(parameters[NEAR]) == 0 and int(parameters[RANGE]) == 1 << int(parameters[QBPP])


def gradient_table(parameters: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the region, -4 to 4, of every gradient from -MAXVAL to MAXVAL, int8, T.87 A.3.3."""
    largest = int(parameters[MAXIMUM_SAMPLE_VALUE])
    gradient = np.arange(-largest, largest + 1)
    bounds = np.array([parameters[NEAR] + 1, *parameters[[T1, T2, T3]]])
    region = np.searchsorted(bounds, np.abs(gradient), side="right")
    return (np.sign(gradient) * region).astype(np.int8)


def scratch_size(parameters: np.ndarray[Any, Any]) -> int:
    """Return the int32 elements that one index works in.

    These are its state, two lines with their edges for each component that has lines of its own, and three values
    for each sample of a line.
    """
    return STATE_WORDS + (2 * int(parameters[NUM_PLANES]) + 3) * (int(parameters[LINE_SAMPLES]) + SLACK)


def encode_window_size(parameters: np.ndarray[Any, Any]) -> int:
    """Return the bytes that one index collects a line's codes in."""
    return int(parameters[LINE_BYTES])


def decode_window_size(parameters: np.ndarray[Any, Any]) -> int:
    """Return the bytes that one index reads codes from: enough that most lines need no refill."""
    return 3 * int(parameters[LINE_BYTES])


def slot_size(parameters: np.ndarray[Any, Any], worst: bool = False) -> int:
    """Return the bytes of one scan's slot.

    Parameters
    ----------
    parameters : ndarray
        From `scan_parameters`.
    worst : bool
        False for a size that all but noise fits into, True for one that everything does.
    """
    lines = int(parameters[ROWS]) * int(parameters[NUM_PLANES])
    line_bytes = int(parameters[LINE_BYTES])
    if worst:
        return (lines + 1) * (line_bytes * 8 // 7 + 1)
    return lines * int(parameters[LINE_SAMPLES]) * (int(parameters[QBPP]) + 1) // 8 + 2 * line_bytes
