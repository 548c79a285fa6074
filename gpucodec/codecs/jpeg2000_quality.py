"""Layers that reach a signal-to-noise ratio: share out passes, look at what a decoder makes of them, correct, repeat.

What coefficients lose is known exactly, what samples lose is not: subbands are not orthogonal, and samples are rounded
and clipped. So frames are reconstructed from the passes that were chosen, and compared.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gpucodec.backends import Executor
from gpucodec.codecs.jpeg2000_blocks import CodedBlocks
from gpucodec.codecs.jpeg2000_few_passes import FewPasses
from gpucodec.codecs.jpeg2000_packets import Tier2
from gpucodec.codecs.jpeg2000_rates import Quantizer, component_weights, layer_targets, mean_error, rounded_error
from gpucodec.codecs.own_scratch import forget_scratch
from gpucodec.codestream.j2k_geometry import plane_geometry
from gpucodec.codestream.j2k_parameters import CodeblockStyle, CodingParameters
from gpucodec.frames import FrameSpec

__all__ = ["Measure", "allocate_for_quality"]

Floats = npt.NDArray[np.float64]

# OpenJPEG leaves out the pass that would reach the ratio, and more by its estimates. A fifth of a dB below what is
# asked for costs as many bytes as it takes where it comes that close.
_BELOW = 0.2
_TOLERANCE = 0.08
_FIRST = 0.955  # errors of coefficients add up to a little more in samples, unless these are rounded to nothing
_FAR_ABOVE = 0.45  # dB; each pass of such frames is looked at
_TOO_LITTLE = 1000.0  # dB, more than there can be
_EVERYTHING = 1e300  # squared error that every frame stays below
_CLOSE = 1.03  # targets between which there is hardly a pass
_NOTICEABLE = 0.05  # dB
_ROUNDS = 5
_SMALL_SAMPLES = 1 << 20  # frames that are reconstructed at once, and beside their coefficients
_STRIP_SAMPLES = 1 << 18  # of larger ones
_MARGIN = 6  # rows beyond a strip that its samples depend on, at each level; even


def allocate_for_quality(
    where: Executor,
    tier2: Tier2,
    blocks: CodedBlocks,
    frames: Any,
    spec: FrameSpec,
    parameters: CodingParameters,
    quantizer: Quantizer,
    planes: Any,
    transform: Callable[[Any], Any],
) -> Any:
    """Share out the coding passes so that each layer has its signal-to-noise ratio.

    Parameters
    ----------
    where : Executor
        Where kernels run.
    tier2 : Tier2
        What shares passes out.
    blocks : CodedBlocks
        The coded codeblocks.
    frames : array
        What was coded, where the kernels run.
    spec : FrameSpec
        What each frame is.
    parameters : CodingParameters
        How it is coded; `psnr` is what is to be reached.
    quantizer : Quantizer
        How it was quantized.
    planes : array
        The quantized coefficients, which may be overwritten.
    transform : callable
        Writes them once more into the array it is given.

    Returns
    -------
    array or None
        Passes, where the kernels run: see `Tier2.allocate`. None if some of those left out are needed.
    """
    measure = Measure(where, blocks.zero_bitplanes, frames, spec, parameters, quantizer, planes, transform)
    weights = component_weights(parameters, spec.samples_per_pixel)
    finite = [layer for layer, psnr in enumerate(parameters.psnr) if psnr]
    aims = np.array([mean_error(spec, psnr - _BELOW) for psnr in parameters.psnr if psnr])
    search = _Search(spec.num_samples * np.where(aims > 1, _FIRST, 1) * aims, len(frames))
    targets = np.tile(layer_targets(spec, parameters, quantizer), (len(frames), 1))
    peak = float((1 << spec.bits_stored) - 1)
    wanted = np.array([psnr for psnr in parameters.psnr if psnr]) - _BELOW
    errors = np.full(search.targets.shape, np.nan)
    for _ in range(_ROUNDS):
        tried = targets[:, finite] = search.targets
        layer_passes, _ = tier2.allocate(weights, targets, blocks.rests)
        changed = np.flatnonzero(search.is_open.any(axis=1)).tolist()
        for place, layer in enumerate(finite):
            errors[changed, place] = measure(layer_passes, layer, changed) / spec.num_samples
        with np.errstate(divide="ignore"):
            ratios = 10 * np.log10(peak**2 / errors)
        search.correct(aims, errors, ratios - wanted)
        if not search.is_open.any():
            break
    if blocks.is_pruned and (search.missed >= _TOO_LITTLE).any():
        return None
    if (search.best != tried).any():
        targets[:, finite] = search.best
        layer_passes = tier2.allocate(weights, targets, blocks.rests)[0]
    far = (search.missed > _FAR_ABOVE) & (search.missed < _TOO_LITTLE / 2)
    if not far.any():
        return layer_passes
    targets[:, finite] = np.minimum(search.too_much, _EVERYTHING)
    too_few = tier2.allocate(weights, targets, blocks.rests)[0]
    bounds = peak**2 / 10 ** ((wanted[:, None] + [_FAR_ABOVE, -_TOLERANCE]) / 10) * spec.num_samples
    few = FewPasses(where, blocks, measure, weights, len(frames))
    return few.correct(layer_passes, too_few, finite, far, bounds)


class _Search:
    """The targets, squared errors of coefficients, of all frames and layers that are to give the wanted ratios."""

    def __init__(self, targets: Floats, num_frames: int) -> None:
        self.targets = np.tile(targets, (num_frames, 1))
        self.is_open = np.ones(self.targets.shape, np.bool_)
        self.best, self.missed = self.targets.copy(), np.full_like(self.targets, np.inf)
        self.enough = np.zeros_like(self.targets)  # the largest target that was met, and
        self.too_much = np.full_like(self.targets, np.inf)  # the smallest that was not
        self.last, self.last_above = self.targets, np.full_like(self.targets, np.nan)

    def correct(self, aims: Floats, errors: Floats, above: Floats) -> None:
        """Take in what was measured, and choose the next targets.

        Parameters
        ----------
        aims : array
            The mean squared error that samples may have before they are rounded, one a layer.
        errors : array
            The mean squared error that they have afterwards, ``(frames, layers)``.
        above : array
            By how many dB that is better than what is wanted.
        """
        # Small frames have few passes, each of which counts: rather more than wanted then, however much.
        above = np.minimum(above, _TOO_LITTLE / 2)
        missed = np.abs(above) + np.where(above < -_TOLERANCE, _TOO_LITTLE, 0)
        better = missed < self.missed
        self.best = np.where(better, self.targets, self.best)
        self.missed = np.where(better, missed, self.missed)
        met = above >= 0
        self.enough = np.where(met, np.maximum(self.enough, self.targets), self.enough)
        self.too_much = np.where(met, self.too_much, np.minimum(self.too_much, self.targets))
        self.is_open = (self.missed > _TOLERANCE) & (self.too_much >= self.enough * _CLOSE)
        guess = self._guess(aims, errors, above)
        self.last, self.last_above = self.targets, above
        self.targets = np.where(self.is_open, guess, self.best)

    def _guess(self, aims: Floats, errors: Floats, above: Floats) -> Floats:
        """Follow the line through the last two points, or suppose that errors are proportional; or halve."""
        before = np.vectorize(_before_rounding, otypes=[float])(errors)
        proportional = self.targets * np.clip(aims / np.maximum(before, 1e-12), 0.05, 20.0)
        step, gained = np.log(self.targets / self.last), above - self.last_above
        # Where nothing changed, the next step is twice as long.
        still = (gained == 0) & (step != 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            steady = (gained * step < 0) & (np.abs(gained) > _NOTICEABLE)
            along = np.where(steady, -above * step / gained, 2 * step)
        line = self.targets * np.exp(np.clip(np.nan_to_num(along), -3.0, 3.0))
        guess: Floats = np.where(steady | still, line, proportional)
        low, high = np.maximum(self.enough, self.targets / 20), np.minimum(self.too_much, self.targets * 20)
        outside = (guess <= self.enough) | (guess >= self.too_much)
        guess[outside] = np.sqrt(low * high)[outside]
        return guess


def _before_rounding(error: float) -> float:
    """Return the mean squared error that samples have before a decoder rounds them."""
    low, high = 0.0, error + 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if rounded_error(middle) < error else (low, middle)
    return high


class Measure:
    """What samples lose, frame by frame; parameters are those of `allocate_for_quality`."""

    def __init__(
        self,
        where: Executor,
        zero_bitplanes: Any,
        frames: Any,
        spec: FrameSpec,
        parameters: CodingParameters,
        quantizer: Quantizer,
        planes: Any,
        transform: Callable[[Any], Any],
    ) -> None:
        self.where, self.zero_bitplanes, self.spec, self.parameters = where, zero_bitplanes, spec, parameters
        self.quantizer, self.planes, self.transform = quantizer, planes, transform
        self.is_overwritten = False
        self.geometry = plane_geometry(spec.rows, spec.columns, parameters)
        self.samples = where.contiguous(frames).reshape(-1).view(f"u{frames.dtype.itemsize}")
        columns = (self.geometry.x, self.geometry.y, self.geometry.width, self.geometry.height)
        table = [*columns, self.geometry.orientation, quantizer.bitplanes[self.geometry.subband]]
        self.table = where.upload(np.stack(table, axis=1).astype(np.int32).reshape(-1))

    def __call__(self, layer_passes: Any, layer: int, frames: list[int]) -> Floats:
        """Return the sum of the squared errors of some frames' samples, with the passes up to and with a layer."""
        from gpucodec_kernels.squared_errors import squared_errors

        spec, where = self.spec, self.where
        coefficients = self._reconstructed(layer_passes, layer, frames)
        row_samples = spec.columns * spec.samples_per_pixel
        rows = spec.rows if spec.num_samples <= _SMALL_SAMPLES else max(1, _STRIP_SAMPLES // row_samples)
        total = np.zeros(len(frames))
        for top in range(0, spec.rows, rows):
            bottom = min(top + rows, spec.rows)
            size = (bottom - top) * row_samples
            decoded = where.scratch("decoded", len(frames) * size, self.samples.dtype)
            inverse = _inverse(spec, self.parameters, _scales(self.quantizer), top, bottom)
            inverse(where, len(frames), coefficients, spec.num_samples, decoded, size)
            total += squared_errors(
                where, frames, self.samples[top * row_samples :], decoded, size, (spec.num_samples, size),
                spec.pixel_representation == 1,
            )  # fmt: skip
        return total

    def _reconstructed(self, layer_passes: Any, layer: int, frames: list[int]) -> Any:
        from gpucodec_kernels.ebcot import reconstruct

        if self.is_overwritten:
            forget_scratch(self.where)
            self.transform(self.planes)
        coefficients = self.planes
        spec, num_blocks = self.spec, self.geometry.num_codeblocks
        of_frame = spec.samples_per_pixel * num_blocks
        causal = int(self.parameters.codeblock_style & CodeblockStyle.VERTICALLY_CAUSAL)
        size = len(frames) * spec.num_samples
        small = spec.num_samples <= _SMALL_SAMPLES
        decoded = self.where.scratch("decoded_planes", size, np.int32) if small else coefficients
        self.where.launch(
            reconstruct.reconstruct_codeblock, len(frames) * of_frame, self.where.upload(np.array(frames, np.int32)),
            coefficients, spec.rows * spec.columns, spec.columns, self.table, num_blocks, of_frame, layer,
            self.parameters.num_layers, self.quantizer.fraction_bits, self.zero_bitplanes, layer_passes, causal,
            decoded,
        )  # fmt: skip
        # There is one of the large ones, and no memory for another: it is transformed again.
        self.is_overwritten = not small
        return decoded


def _scales(quantizer: Quantizer) -> tuple[float, ...] | None:
    """Return what one in each subband's coefficients stands for, None for themselves."""
    if quantizer.steps is None:
        return None
    return tuple((quantizer.steps / (1 << quantizer.fraction_bits)).tolist())


@lru_cache(maxsize=16)
def _inverse(
    spec: FrameSpec, parameters: CodingParameters, scales: tuple[float, ...] | None, top: int, bottom: int
) -> Any:
    """Return what reconstructs some rows of frames."""
    from gpucodec_kernels.dwt_inverse import Inverse, mallat_tables

    bits = spec.bits_stored
    signed = spec.pixel_representation == 1
    tables = mallat_tables(
        spec.rows,
        spec.columns,
        spec.samples_per_pixel,
        parameters.levels,
        steps=scales,
        color=parameters.component_transform,
        shift=0 if signed else 1 << (bits - 1),
        low=-(1 << (bits - 1)) if signed else 0,
        high=(1 << (bits - 1)) - 1 if signed else (1 << bits) - 1,
    )
    _keep_rows(tables, spec.columns, top, bottom)
    return Inverse(tables)


def _keep_rows(tables: Any, columns: int, top: int, bottom: int) -> None:
    """Narrow the windows of planes' tables to what some rows depend on."""
    tables.stores["top"], tables.stores["bottom"] = top, bottom
    for turn in range(1, int(tables.jobs["turn"].max(initial=0)) + 1):
        jobs = np.flatnonzero(tables.jobs["turn"] == turn)
        height = int(tables.jobs["bottom"][jobs[0]])
        top, bottom = max(0, (top - _MARGIN) & ~1), min(height, bottom + _MARGIN)
        tables.jobs["top"][jobs], tables.jobs["bottom"][jobs] = top, bottom
        tables.jobs["hl_place"][jobs] += (top + 1) // 2 * columns
        for band in ("lh_place", "hh_place"):
            tables.jobs[band][jobs] += top // 2 * columns
        top, bottom = (top + 1) // 2, (bottom + 1) // 2
    tables.chains["place"] += top * columns
    tables.chains["top"], tables.chains["bottom"] = top, bottom
