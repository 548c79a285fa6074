"""The way of some frames to HTJ2K codestreams: JPEG 2000's transforms and packets around another block coder."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpucodec.backends import Executor
from gpucodec.codecs.htj2k_blocks import HtBlockCoder
from gpucodec.codecs.htj2k_rates import GUARD_BITS, lossless_quantizer
from gpucodec.codecs.jpeg2000_blocks import Planned
from gpucodec.codecs.jpeg2000_encode import assembled, headers, portions, transformed
from gpucodec.codecs.jpeg2000_packets import Tier2
from gpucodec.codecs.jpeg2000_rates import Quantizer
from gpucodec.codestream.j2k_geometry import plane_geometry
from gpucodec.codestream.j2k_parameters import CodingParameters
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = ["encode_batch", "encode_quantized"]


def encode_batch(where: Executor, batch: FrameBatch, parameters: CodingParameters) -> list[bytes]:
    """Encode frames.

    Parameters
    ----------
    where : Executor
        Where kernels run.
    batch : FrameBatch
        The frames.
    parameters : CodingParameters
        How to code them.
    """
    encoded: list[bytes] = []
    quantizer = lossless_quantizer(batch.spec, parameters)
    for frames, _ in portions(batch):
        encoded.extend(encode_quantized(where, where.upload(frames), batch.spec, parameters, quantizer))
    return encoded


def encode_quantized(
    where: Executor, frames: Any, spec: FrameSpec, parameters: CodingParameters, quantizer: Quantizer
) -> list[bytes]:
    """Encode some frames, which lie where the kernels run, with a quantizer."""
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
    return assembled(where, tier2, packets, headers(spec, parameters, quantizer, packets, GUARD_BITS))
