"""The way of some frames to HTJ2K codestreams: JPEG 2000's transforms and packets around another block coder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpucodec.backends import Executor
from gpucodec.codecs.htj2k_blocks import HtBlockCoder
from gpucodec.codecs.htj2k_rates import guard_bits, lossless_quantizer
from gpucodec.codecs.jpeg2000_blocks import Planned
from gpucodec.codecs.jpeg2000_encode import PORTION_SAMPLES, assembled, headers, readable, transformed
from gpucodec.codecs.jpeg2000_packets import Packets, Tier2
from gpucodec.codecs.jpeg2000_rates import Quantizer
from gpucodec.codecs.spreading import portion_bounds, spread
from gpucodec.codestream.j2k_geometry import plane_geometry
from gpucodec.codestream.j2k_markers import EOC
from gpucodec.codestream.j2k_parameters import CodingParameters
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = ["Coded", "begin_lossless", "code"]


@dataclass(frozen=True, slots=True)
class Coded:
    """Some frames that are coded and laid out; the next that are coded on this thread take their memory."""

    where: Executor
    tier2: Tier2
    packets: Packets
    headers: list[bytes]

    def sizes(self) -> list[int]:
        """Return the bytes of each codestream."""
        lengths = self.packets.lengths.tolist()
        return [len(header) + length + len(EOC) for header, length in zip(self.headers, lengths, strict=True)]

    def codestreams(self) -> Callable[[], list[bytes]]:
        """Begin to write the codestreams, which what is returned returns."""
        return assembled(self.where, self.tier2, self.packets, self.headers)


def begin_lossless(where: Executor, batch: FrameBatch, parameters: CodingParameters) -> Callable[[], list[bytes]]:
    """Begin to encode frames without loss; on the host it is done then. What is returned returns codestreams.

    Parameters
    ----------
    where : Executor
        Where kernels run.
    batch : FrameBatch
        The frames.
    parameters : CodingParameters
        How to code them.
    """
    spec = batch.spec
    quantizer = lossless_quantizer(spec, parameters)

    def encode(runs: Executor, begin: int, end: int) -> Callable[[], list[bytes]]:
        frames = runs.contiguous(readable(batch.frames[begin:end]))
        return code(runs, frames, spec, parameters, quantizer).codestreams()

    bounds = portion_bounds(where, len(batch), spec.num_samples, PORTION_SAMPLES)
    ends = spread(where, encode, bounds, spec.num_samples)
    return lambda: [codestream for end in ends for codestream in end()]


def code(where: Executor, frames: Any, spec: FrameSpec, parameters: CodingParameters, quantizer: Quantizer) -> Coded:
    """Code some frames, which lie where the kernels run, with a quantizer."""
    planes = transformed(where, frames, spec, parameters, quantizer)
    geometry = plane_geometry(spec.rows, spec.columns, parameters)
    components = spec.samples_per_pixel
    planned = Planned(
        quantizer.bitplanes,
        quantizer.weights,
        quantizer.fraction_bits,
        style=0,
        with_pass_lengths=False,
        with_distortion=False,
        component_weights=np.ones(components),
        room=None,
        with_rest=False,
    )
    shape = (spec.rows, spec.columns)
    blocks = HtBlockCoder(where, planes, len(frames) * components, shape, geometry, planned).run()
    tier2 = Tier2(where, *shape, components, len(frames), parameters, blocks, slack=0)
    packets = tier2.write_headers(blocks.passes)
    before = headers(spec, parameters, quantizer, packets, guard_bits(parameters))
    return Coded(where, tier2, packets, before)
