"""Component transform: DC level shift with the reversible (RCT) or irreversible (ICT) transform, ITU-T T.800 Annex G.

The wavelet's first level reads frames through `load_reversible` and `load_irreversible`, which convert a row of
pixels to one line of coefficients for each component: a frame's samples become coefficients there, in the
processor's cache, and planes of unfiltered components are never written. The two kernels do the same for whole
frames, for codestreams without any decomposition level.

Arrays
    samples   all frames' samples as unsigned integers of their size, in any layout that `Source` describes
    lines     coefficients of single rows; component `c` of a row begins at ``line + c * pitch``
    planes    ``(frames, components, rows, columns)`` flat int32, quantised where irreversible

``(sample ^ flip) - shift`` is both what makes signed samples signed again (`flip` is their sign bit, `shift` its value)
and the level shift of unsigned ones (`flip` is zero, `shift` half their range): one loop serves all.

Bytes moved for a sample of b bytes: b read and 4 written, the least possible; b read and none written where the
wavelet reads the frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy import float32, int32, uint64

from gpucodec_kernels.quantization import quantize_line
from gpucodec_kernels.target import device_function, kernel


@dataclass(frozen=True)
class Source:
    """Frames where kernels can read them, and how they lie there.

    Parameters
    ----------
    samples : array
        One-dimensional, uint8, uint16 or uint32; signed samples are viewed as unsigned ones.
    num_frames, rows, columns, components : int
        What the array holds.
    is_signed : bool
        Whether the samples are two's complement.
    precision : int
        Bits of a sample, Bits Stored; unsigned samples are shifted by half their range.
    frame_stride, row_stride, pixel_stride, component_stride : int
        Distances in samples.
    """

    samples: Any
    num_frames: int
    rows: int
    columns: int
    components: int
    is_signed: bool
    precision: int
    frame_stride: int
    row_stride: int
    pixel_stride: int
    component_stride: int

    @classmethod
    def of(cls, frames: Any, precision: int) -> Source:
        """Describe a C-contiguous array ``(frames, rows, columns)`` or ``(frames, rows, columns, components)``."""
        num_frames, rows, columns = frames.shape[:3]
        components = frames.shape[3] if frames.ndim == 4 else 1
        samples = frames.reshape(-1).view(f"u{frames.dtype.itemsize}")
        strides = (rows * columns * components, columns * components, components, 1)
        return cls(samples, num_frames, rows, columns, components, frames.dtype.kind == "i", precision, *strides)

    @property
    def num_planes(self) -> int:
        """How many component planes the frames have."""
        return self.num_frames * self.components

    @property
    def strides(self) -> tuple[int, int, int, int]:
        """Distances in samples between frames, rows, pixels and components."""
        return self.frame_stride, self.row_stride, self.pixel_stride, self.component_stride

    @property
    def level_shift(self) -> tuple[int, int]:
        """`flip` and `shift` of the module's docstring; a cast makes samples of 32 bits signed again."""
        if not self.is_signed:
            return 0, 1 << (self.precision - 1)
        bits = self.samples.dtype.itemsize * 8
        return (1 << (bits - 1), 1 << (bits - 1)) if bits < 32 else (0, 0)


@device_function
def shifted(sample, flip, shift):
    """Return a sample as a signed number, level-shifted where it was unsigned (G-1)."""
    return int32((int32(sample) ^ flip) - shift)


@device_function
def load_integers(samples, at, stride, columns, flip, shift, lines, line):
    """Convert one component of a row; a stride that is a constant lets the loop vectorise."""
    if stride == uint64(1):
        for column in range(columns):
            lines[line + column] = shifted(samples[at + column], flip, shift)
    else:
        for column in range(columns):
            lines[line + column] = shifted(samples[at + column * stride], flip, shift)


@device_function
def load_floats(samples, at, stride, columns, flip, shift, lines, line):
    """Convert one component of a row as `load_integers` does, to float32."""
    if stride == uint64(1):
        for column in range(columns):
            lines[line + column] = float32(shifted(samples[at + column], flip, shift))
    else:
        for column in range(columns):
            lines[line + column] = float32(shifted(samples[at + column * stride], flip, shift))


@device_function
def rct(red, green, blue):
    """Transform a pixel reversibly, (G-3) to (G-5)."""
    return int32(int32(red + green + green + blue) >> int32(2)), int32(blue - green), int32(red - green)


@device_function
def ict(red, green, blue):
    """Transform a pixel irreversibly, (G-9) to (G-11)."""
    first = float32(0.299) * red + float32(0.587) * green + float32(0.114) * blue
    second = float32(0.5) * blue - float32(0.16875) * red - float32(0.33126) * green
    return first, second, float32(0.5) * red - float32(0.41869) * green - float32(0.08131) * blue


@device_function
def load_pixels_rct(samples, at, columns, flip, shift, lines, line, pitch):
    """Convert a row of three interleaved components with the RCT."""
    second = uint64(line + pitch)
    third = uint64(second + pitch)
    for column in range(columns):
        pixel = uint64(at + column * uint64(3))
        red = shifted(samples[pixel], flip, shift)
        green = shifted(samples[pixel + uint64(1)], flip, shift)
        blue = shifted(samples[pixel + uint64(2)], flip, shift)
        lines[line + column], lines[second + column], lines[third + column] = rct(red, green, blue)


@device_function
def load_pixels_ict(samples, at, columns, flip, shift, lines, line, pitch):
    """Convert a row of three interleaved components with the ICT."""
    second = uint64(line + pitch)
    third = uint64(second + pitch)
    for column in range(columns):
        pixel = uint64(at + column * uint64(3))
        red = float32(shifted(samples[pixel], flip, shift))
        green = float32(shifted(samples[pixel + uint64(1)], flip, shift))
        blue = float32(shifted(samples[pixel + uint64(2)], flip, shift))
        lines[line + column], lines[second + column], lines[third + column] = ict(red, green, blue)


@device_function
def lines_rct(lines, line, pitch, columns):
    """Transform three lines reversibly."""
    second = uint64(line + pitch)
    third = uint64(second + pitch)
    for column in range(columns):
        red, green, blue = lines[line + column], lines[second + column], lines[third + column]
        lines[line + column], lines[second + column], lines[third + column] = rct(red, green, blue)


@device_function
def lines_ict(lines, line, pitch, columns):
    """Transform three lines irreversibly."""
    second = uint64(line + pitch)
    third = uint64(second + pitch)
    for column in range(columns):
        red, green, blue = lines[line + column], lines[second + column], lines[third + column]
        lines[line + column], lines[second + column], lines[third + column] = ict(red, green, blue)


@device_function
def load_reversible(samples, at, pixels, apart, columns, components, color, flip, shift, lines, line, pitch):
    """Convert a row to a line of int32 for each component; pixels and their components lie so far `apart`."""
    if color != int32(0) and components == uint64(3) and pixels == uint64(3) and apart == uint64(1):
        load_pixels_rct(samples, at, columns, flip, shift, lines, line, pitch)
        return
    for component in range(components):
        start = uint64(at + component * apart)
        load_integers(samples, start, pixels, columns, flip, shift, lines, line + component * pitch)
    if color != int32(0):
        lines_rct(lines, line, pitch, columns)


@device_function
def load_irreversible(samples, at, pixels, apart, columns, components, color, flip, shift, lines, line, pitch):
    """Convert a row to a line of float32 for each component; pixels and their components lie so far `apart`."""
    if color != int32(0) and components == uint64(3) and pixels == uint64(3) and apart == uint64(1):
        load_pixels_ict(samples, at, columns, flip, shift, lines, line, pitch)
        return
    for component in range(components):
        start = uint64(at + component * apart)
        load_floats(samples, start, pixels, columns, flip, shift, lines, line + component * pitch)
    if color != int32(0):
        lines_ict(lines, line, pitch, columns)


_LAYOUT = "uint64, uint64, uint64, uint64, uint64, uint64, uint64, int32, int32, int32"


def _transform_reversible(
    index, samples, frame_stride, row_stride, pixel_stride, component_stride, rows, columns, components,
    color, flip, shift, planes,
):  # fmt: skip
    """Convert one row of one frame, with the RCT where `color` is not zero."""
    frame, row = uint64(index) // rows, uint64(index) % rows
    at = uint64(frame * frame_stride + row * row_stride)
    plane_row = uint64((frame * components * rows + row) * columns)
    load_reversible(
        samples, at, pixel_stride, component_stride, columns, components, color, flip, shift,
        planes, plane_row, rows * columns,
    )  # fmt: skip


def _transform_irreversible(
    index, samples, frame_stride, row_stride, pixel_stride, component_stride, rows, columns, components,
    color, flip, shift, step, lines, planes,
):  # fmt: skip
    """Convert one row of one frame, with the ICT where `color` is not zero, and quantise it.

    Moves more than the least: samples are floats in device memory between transform and quantisation, 8 bytes each.
    It is launched for frames without a decomposition level alone, such as a single row.
    """
    frame, row = uint64(index) // rows, uint64(index) % rows
    at = uint64(frame * frame_stride + row * row_stride)
    own = uint64(uint64(index) * components * columns)
    load_irreversible(
        samples, at, pixel_stride, component_stride, columns, components, color, flip, shift, lines, own, columns
    )
    for component in range(components):
        plane_row = uint64(((frame * components + component) * rows + row) * columns)
        quantize_line(lines, own + component * columns, columns, float32(1), step, planes, plane_row)


transform_reversible_8 = kernel(f"uint8[::1], {_LAYOUT}, int32[::1]")(_transform_reversible)
transform_reversible_16 = kernel(f"uint16[::1], {_LAYOUT}, int32[::1]")(_transform_reversible)
transform_reversible_32 = kernel(f"uint32[::1], {_LAYOUT}, int32[::1]")(_transform_reversible)
transform_irreversible_8 = kernel(f"uint8[::1], {_LAYOUT}, float32, float32[::1], int32[::1]")(_transform_irreversible)
transform_irreversible_16 = kernel(f"uint16[::1], {_LAYOUT}, float32, float32[::1], int32[::1]")(
    _transform_irreversible
)
transform_irreversible_32 = kernel(f"uint32[::1], {_LAYOUT}, float32, float32[::1], int32[::1]")(
    _transform_irreversible
)

_REVERSIBLE = {1: transform_reversible_8, 2: transform_reversible_16, 4: transform_reversible_32}
_IRREVERSIBLE = {1: transform_irreversible_8, 2: transform_irreversible_16, 4: transform_irreversible_32}


def transform_reversible(where: Any, source: Source, color: bool, planes: Any) -> None:
    """Convert frames to component planes without filtering them.

    Parameters
    ----------
    where : Executor
        What launches.
    source : Source
        The frames.
    color : bool
        Whether the first three components are transformed (RCT).
    planes : array
        ``(frames, components, rows, columns)`` flat int32.
    """
    what = _REVERSIBLE[source.samples.dtype.itemsize]
    shape = (source.rows, source.columns, source.components, int(color), *source.level_shift)
    where.launch(what, source.num_frames * source.rows, source.samples, *source.strides, *shape, planes)


def transform_irreversible(where: Any, source: Source, color: bool, step: float, planes: Any) -> None:
    """Convert frames to quantised component planes without filtering them.

    Parameters
    ----------
    where : Executor
        What launches.
    source : Source
        The frames.
    color : bool
        Whether the first three components are transformed (ICT).
    step : float
        What one in `planes` stands for.
    planes : array
        ``(frames, components, rows, columns)`` flat int32.
    """
    what = _IRREVERSIBLE[source.samples.dtype.itemsize]
    shape = (source.rows, source.columns, source.components, int(color), *source.level_shift)
    lines = where.scratch("dwt_lines", source.num_planes * source.rows * source.columns, "f4")
    arguments = (*source.strides, *shape, step, lines, planes)
    where.launch(what, source.num_frames * source.rows, source.samples, *arguments)
