"""HTJ2K of a compression ratio or of a signal-to-noise ratio, frame by frame.

HT codeblocks cannot be cut short as those of Part 1 can, so it is the quantizer's step that decides. What a step leads
to, in bytes or in errors, is not known before it is tried. Trying is cheap, for the coder is: the step is corrected
along the line through the last two tries until the result is close enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gpucodec.backends import Executor
from gpucodec.codecs.htj2k_encode import Coded, code
from gpucodec.codecs.htj2k_rates import lossy_quantizer, step_bounds
from gpucodec.codecs.jpeg2000_encode import readable, transformed
from gpucodec.codecs.jpeg2000_quality import Measure
from gpucodec.codecs.jpeg2000_rates import component_weights, mean_error
from gpucodec.codecs.spreading import spread
from gpucodec.codestream.j2k_geometry import plane_geometry
from gpucodec.codestream.j2k_parameters import CodingParameters
from gpucodec.errors import ParameterError
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = ["begin_lossy"]

_AIM = 0.99  # of the bytes that there are room for
_LEAST = 0.975
_CLOSE_DB = 0.04
_NEAR_DB = 0.25  # what is further below is worse than anything above
_DB_PER_HALVING = 20 * math.log10(2)
_ROUNDS = 28
_FINEST = 2.0**-16  # what mantissas tell, in one subband or another
_FAR = 60.0


def begin_lossy(where: Executor, batch: FrameBatch, parameters: CodingParameters) -> Callable[[], list[bytes]]:
    """Begin to encode frames, each with the step that gives it what is asked for; on the host it is done then.

    Parameters
    ----------
    where : Executor
        Where kernels run.
    batch : FrameBatch
        The frames.
    parameters : CodingParameters
        How to code them; one of the `ratios` or of the `psnr`.

    Raises
    ------
    ParameterError
        If a frame cannot be coded within a ratio.
    """
    choose = _step_for_psnr if parameters.psnr else _step_for_ratio
    spec = batch.spec

    def encode(runs: Executor, begin: int, end: int) -> Callable[[], list[bytes]]:
        frame = runs.contiguous(readable(batch.frames[begin:end]))
        return choose(runs, frame, spec, parameters, batch.first_frame + begin)

    bounds = [(number, number + 1) for number in range(len(batch))]
    ends = spread(where, encode, bounds, spec.num_samples)
    return lambda: [codestream for end in ends for codestream in end()]


def _step_for_ratio(
    where: Executor, frame: Any, spec: FrameSpec, parameters: CodingParameters, number: int
) -> Callable[[], list[bytes]]:
    """Return what returns the codestream that comes closest to a ratio from below."""
    room = math.floor(spec.num_samples * spec.bits_stored / 8 / parameters.ratios[0])
    last: list[tuple[float, Coded]] = []

    def try_step(log2_step: float) -> tuple[float, float]:
        coded = code(where, frame, spec, parameters, lossy_quantizer(spec, parameters, log2_step))
        last[:] = [(log2_step, coded)]
        (size,) = coded.sizes()
        # Coefficients above the step have a bit less when it doubles, others are gone.
        bits_per_sample = 8 * size / spec.num_samples
        return math.log2(size / (_AIM * room)) if room else _FAR, -1 / max(1.0, bits_per_sample * math.log(2))

    most = -math.log2(_AIM)
    first = (spec.bits_stored - 6) / 2
    close = (math.log2(_LEAST / _AIM), most)
    step, above = _search(try_step, first, step_bounds(spec), close, (-math.inf, most))
    if above > most:
        raise ParameterError(
            f"Frame {number} cannot be coded within a compression ratio of {parameters.ratios[0]:g}: {room} bytes do "
            "not even hold its headers"
        )
    if last[0][0] != step:
        try_step(step)
    return last[0][1].codestreams()


def _step_for_psnr(
    where: Executor,
    frame: Any,
    spec: FrameSpec,
    parameters: CodingParameters,
    number: int,  # noqa: ARG001 - all frames have some step
) -> Callable[[], list[bytes]]:
    """Return what returns the codestream that comes closest to a signal-to-noise ratio."""
    (wanted,) = parameters.psnr
    peak = float((1 << spec.bits_stored) - 1)
    geometry = plane_geometry(spec.rows, spec.columns, parameters)
    num_blocks = spec.samples_per_pixel * geometry.num_codeblocks
    passes = where.upload(np.ones(num_blocks, np.int32))

    def try_step(log2_step: float) -> tuple[float, float]:
        quantizer = lossy_quantizer(spec, parameters, log2_step)

        def transform(planes: Any = None) -> Any:
            return transformed(where, frame, spec, parameters, quantizer, planes)

        above = np.tile(quantizer.bitplanes[geometry.subband] - 1, spec.samples_per_pixel).astype(np.int32)
        measure = Measure(where, where.upload(above), frame, spec, parameters, quantizer, transform(), transform)
        error = float(measure(passes, 0, [0])[0]) / spec.num_samples
        if not error:
            return _FAR, -1.0
        return (10 * math.log10(peak**2 / error) - wanted) / _DB_PER_HALVING, -1.0

    allowed = mean_error(spec, wanted) / component_weights(parameters, spec.samples_per_pixel).mean()
    close = _CLOSE_DB / _DB_PER_HALVING
    near = (-_NEAR_DB / _DB_PER_HALVING, math.inf)
    step, _ = _search(try_step, math.log2(12 * allowed) / 2, step_bounds(spec), (-close, close), near)
    return code(where, frame, spec, parameters, lossy_quantizer(spec, parameters, step)).codestreams()


def _search(
    try_step: Callable[[float], tuple[float, float]],
    first: float,
    bounds: tuple[float, float],
    close: tuple[float, float],
    useful: tuple[float, float],
) -> tuple[float, float]:
    """Find the step with which something is close to 0 that gets less with larger steps.

    Parameters
    ----------
    try_step : callable
        Takes the base-two logarithm of a step; returns how far above 0 that leads, and a guess of the slope there.
    first : float
        What to begin with.
    bounds : tuple of float
        The finest and the coarsest step.
    close : tuple of float
        From where to where it is close enough.
    useful : tuple of float
        What lies outside of these is worse than all that lies within.

    Returns
    -------
    step, above : float
        The best of what was tried.
    """
    low, high = bounds
    best, best_missed, best_above = high, math.inf, math.inf
    before: tuple[float, float] | None = None
    step = min(max(first, low), high)
    for _ in range(_ROUNDS):
        above, slope = try_step(step)
        missed = abs(above) + (0.0 if useful[0] <= above <= useful[1] else 2 * _FAR)
        if missed < best_missed:
            best, best_missed, best_above = step, missed, above
        if close[0] <= above <= close[1]:
            break
        low, high = (step, high) if above > 0 else (low, step)
        if high - low < _FINEST:
            break
        if before is not None and (above - before[1]) * (step - before[0]) < 0 and abs(above) < _FAR / 2:
            slope = max((above - before[1]) / (step - before[0]), 4 * slope)
        before = (step, above)
        step = _next(step - above / slope, low, high, bounds)
    return best, best_above


def _next(guess: float, low: float, high: float, bounds: tuple[float, float]) -> float:
    """Return what to try next between what was too fine and what was too coarse."""
    if low < guess < high:
        return guess
    # An end that was not tried yet is tried, else the middle.
    if guess >= high == bounds[1]:
        return high
    if guess <= low == bounds[0]:
        return low
    return (low + high) / 2
