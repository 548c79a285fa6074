"""The way of some frames to HTJ2K codestreams: JPEG 2000's transforms and packets around another block coder."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
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

__all__ = ["Coded", "code", "encode_lossless"]


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

    def codestreams(self) -> list[bytes]:
        """Return the codestreams."""
        return assembled(self.where, self.tier2, self.packets, self.headers)


def encode_lossless(where: Executor, batch: FrameBatch, parameters: CodingParameters) -> list[bytes]:
    """Encode frames without loss.

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

    def encode(runs: Executor, begin: int, end: int) -> list[bytes]:
        frames = runs.upload(readable(batch.frames[begin:end]))
        return code(runs, frames, spec, parameters, quantizer).codestreams()

    bounds = portion_bounds(where, len(batch), spec.num_samples, PORTION_SAMPLES)
    return list(chain.from_iterable(spread(where, encode, bounds, spec.num_samples)))


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
