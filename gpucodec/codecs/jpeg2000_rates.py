"""What quantizer and layers a frame gets: step sizes, distortion weights, and targets in bytes or squared error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpucodec.codestream.j2k_markers import EOC, main_header, tile_part_header
from gpucodec.codestream.j2k_parameters import CodingParameters
from gpucodec.frames import FrameSpec

__all__ = [
    "GUARD_BITS",
    "SLACK",
    "Quantizer",
    "choose_quantizer",
    "component_weights",
    "layer_targets",
    "mean_error",
    "rounded_error",
]

GUARD_BITS = 2
# Strong contrasts take the wavelet, behind the RCT above all, out of the range that two guard bits leave; then
# three are told.
SLACK = 1
_MAX_BITPLANES = 31
_COMMENT_BYTES = 39
_LAST_LAYER_BYTES = 2
_FEWEST_FRACTION_BITS = 1

# L2 norms of the inverse component transforms' columns.
_RCT_NORMS = (3**0.5, (11 / 16) ** 0.5, (11 / 16) ** 0.5)
_ICT_NORMS = (3**0.5, (0.344136**2 + 1.772**2) ** 0.5, (1.402**2 + 0.714136**2) ** 0.5)


@dataclass(frozen=True, slots=True, eq=False)
class Quantizer:
    """How coefficients are quantized, subband by subband in the order of QCD.

    Parameters
    ----------
    exponents, mantissas : list of int
        As QCD tells them, T.800 E.1.1.
    steps : array or None
        float32, step sizes in units of a sample; None without quantization.
    bitplanes : array
        int32, magnitude bit-planes, with `SLACK` more than told.
    weights : array
        float64, what the squared error of one step counts in squared units of a sample.
    fraction_bits : int
        Bits that the block coder gets below the step.
    """

    exponents: list[int]
    mantissas: list[int]
    steps: npt.NDArray[np.float32] | None
    bitplanes: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float64]
    fraction_bits: int


def choose_quantizer(spec: FrameSpec, parameters: CodingParameters) -> Quantizer:
    """Choose step sizes: none for the reversible transform, else such that a step counts alike in every subband."""
    from gpucodec_kernels import quantization as q

    levels = parameters.levels
    bands = q.subbands(levels)
    if parameters.reversible:
        exponents = [spec.bits_stored + q.GAINS[orientation] for orientation, _ in bands]
        norms = [q.norm(q.NORMS_53, *band) for band in bands]
        mantissas, steps, fraction_bits = [0] * len(bands), None, 0
    else:
        exponents, mantissas = q.choose_steps(spec.bits_stored, levels)
        exponents, fraction_bits = _shifted(exponents, _halvings(spec, parameters))
        steps = q.step_sizes(spec.bits_stored, levels, exponents, mantissas)
        norms = [q.norm(q.NORMS_97, *band) / 2 ** q.GAINS[band[0]] for band in bands]
    bitplanes = np.array(exponents, np.int32) + (GUARD_BITS - 1 + SLACK)
    weights = np.array(norms, np.float64) ** 2
    if steps is not None:
        weights *= steps.astype(np.float64) ** 2
    return Quantizer(exponents, mantissas, steps, bitplanes, weights, fraction_bits)


def _halvings(spec: FrameSpec, parameters: CodingParameters) -> int:
    """Return how often steps, which count one unit of a sample each, are halved; below 0, doubled.

    The error of coefficients smaller than a step is up to a third of its square, all of them can be such, and all
    passes together must reach the highest ratio asked for.
    """
    if not parameters.psnr or not parameters.psnr[-1]:
        return 0
    allowed = mean_error(spec, parameters.psnr[-1]) / component_weights(parameters, spec.samples_per_pixel).mean()
    return math.ceil(-math.log2(1.5 * allowed) / 2)


def _shifted(exponents: list[int], halvings: int) -> tuple[list[int], int]:
    """Halve steps, but not below what the block coder's 31 bits can hold; return how many bits are left below."""
    from gpucodec_kernels import quantization as q

    largest = _MAX_BITPLANES - (GUARD_BITS - 1 + SLACK)
    halvings = min(halvings, largest - _FEWEST_FRACTION_BITS - max(exponents))
    halved = [max(0, exponent + halvings) for exponent in exponents]
    return halved, min(q.FRACTION_BITS, largest - max(halved))


def mean_error(spec: FrameSpec, psnr: float) -> float:
    """Return the mean squared error of samples before a decoder rounds them that gives a signal-to-noise ratio.

    Samples are integers, so rounding an error of a normal distribution makes it a smaller or a larger integer: large
    errors grow by 1/12 on average, small ones vanish.
    """
    peak = float((1 << spec.bits_stored) - 1)
    wanted = peak**2 / 10 ** (psnr / 10)
    low, high = 0.0, wanted + 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if rounded_error(middle) < wanted:
            low = middle
        else:
            high = middle
    return high


def rounded_error(error: float) -> float:
    """Return what rounding makes of a mean squared error of normal distribution."""
    if error > 4.0:
        return error + 1 / 12
    if error == 0.0:
        return 0.0
    spread = math.sqrt(2 * error)
    return sum((2 * k - 1) * math.erfc((k - 0.5) / spread) for k in range(1, 24))


def component_weights(parameters: CodingParameters, components: int) -> npt.NDArray[np.float64]:
    """Return what a squared error of each component counts in the frame."""
    weights = np.ones(components)
    if parameters.component_transform:
        weights[:3] = np.square(_RCT_NORMS if parameters.reversible else _ICT_NORMS)
    return weights


def layer_targets(spec: FrameSpec, parameters: CodingParameters, quantizer: Quantizer) -> npt.NDArray[np.float64]:
    """Return the target of each layer: bytes of the packets so far, or squared error left; negative for everything.

    A compression ratio counts against Bits Stored, and the whole codestream counts for it.
    """
    if parameters.psnr:
        return np.array([spec.num_samples * mean_error(spec, psnr) if psnr else -1.0 for psnr in parameters.psnr])
    if not parameters.ratios:
        return np.array([-1.0])
    header = main_header(spec, parameters, quantizer.exponents, quantizer.mantissas, GUARD_BITS)
    # OpenJPEG leaves room for its comment and for the main header, not for the rest of what stands around packets.
    # The same room lets the same passes in; what we have no comment for makes up for the rest.
    rest = sum(map(len, tile_part_header(parameters, 0, ()))) + len(EOC)
    room = spec.num_samples * spec.bits_stored / 8
    around = len(header) + max(_COMMENT_BYTES, rest)
    # Of several layers OpenJPEG gives the last two bytes less.
    spared = [0] * (len(parameters.ratios) - 1) + [_LAST_LAYER_BYTES * (len(parameters.ratios) > 1)]
    # A target of less than nothing cannot be kept; 0 bytes cannot either, and do not mean everything.
    targets = [
        max(0, math.ceil(room / ratio - around - spare)) if ratio > 1 else -1
        for ratio, spare in zip(parameters.ratios, spared, strict=True)
    ]
    return np.array(targets, np.float64)
