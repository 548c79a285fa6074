"""How much of a device's memory frames of JPEG 2000 and HTJ2K need while they are coded there: upper estimates."""

from __future__ import annotations

from gpucodec.codecs.base import DecodeRequest
from gpucodec.codecs.jpeg2000_rates import choose_quantizer
from gpucodec.codestream.j2k_geometry import plane_geometry
from gpucodec.codestream.j2k_parameters import CodingParameters
from gpucodec.codestream.j2k_plan import plan_decoding
from gpucodec.codestream.j2k_reader import read_codestream
from gpucodec.errors import GpucodecError
from gpucodec.frames import FrameSpec

__all__ = ["decoding_bytes", "encoding_bytes"]

_SAMPLE_BYTES = 20  # coefficients, those of the wavelet's levels, and what measuring a signal-to-noise ratio takes
_SMALLEST_SLOT = 256
_BLOCK_BYTES = 512  # of tables, states, tag trees and places of a codeblock, and of its packet headers
_PASS_BYTES = 24
_FRAME_BYTES = 1 << 14
_LANES = 32  # of a warp, whose memory is taken as a whole


def encoding_bytes(spec: FrameSpec, parameters: CodingParameters) -> int:
    """Return at most how many bytes one frame needs while it is encoded."""
    geometry = plane_geometry(spec.rows, spec.columns, parameters)
    blocks = geometry.num_codeblocks * spec.samples_per_pixel
    width, height = int(geometry.width.max()), int(geometry.height.max())
    bitplanes = int(choose_quantizer(spec, parameters).bitplanes.max())
    slot = width * height * bitplanes // 8 + _SMALLEST_SLOT
    # Coded bytes lie in slots, then together, then in codestreams.
    coded = blocks * slot + 2 * spec.num_samples * bitplanes // 8
    each = _BLOCK_BYTES * parameters.num_layers + _block_scratch(parameters.high_throughput, width, height, bitplanes)
    if not parameters.high_throughput:
        each += 3 * bitplanes * _PASS_BYTES * parameters.num_layers
    return 2 * spec.num_bytes + _SAMPLE_BYTES * spec.num_samples + coded + blocks * each + _FRAME_BYTES


def _block_scratch(high_throughput: bool, width: int, height: int, bitplanes: int) -> int:
    from gpucodec_kernels.ebcot import encode_apart as ebcot
    from gpucodec_kernels.ht import encode as ht

    if high_throughput:
        return int(ht.scratch_words(width, height)) * 8
    words, symbols = ebcot.scratch_words(width, height, bitplanes), ebcot.scratch_symbols(width, height, bitplanes)
    return int(words) * 8 + int(symbols)


def decoding_bytes(request: DecodeRequest, parameters: CodingParameters) -> int:
    """Return at most how many bytes one frame needs while it is decoded.

    Parameters
    ----------
    request : DecodeRequest
        What is decoded; its first codestream stands for all.
    parameters : CodingParameters
        How it is taken to be coded where there is no codestream yet.
    """
    spec = request.spec
    blocks, width, height, bitplanes, samples = _planned(request) or _guessed(spec, parameters)
    from gpucodec_kernels.ebcot import decode as ebcot
    from gpucodec_kernels.ht import decode as ht

    # Codestreams and what is collected of them; lanes have two codeblocks each, a launch of threads has whole warps.
    coded = 2 * max([2 * spec.num_bytes, *map(len, request.codestreams)])
    each = int(ebcot.scratch_words(width, height, bitplanes)) * 8 + int(ebcot.scratch_symbols(width, height))
    if parameters.high_throughput:
        warp = ht.WARP_WINDOW_BYTES + ht.WARP_WORDS * 4 + ht.WARP_STATES * 8
        each = int(ht.SLOT_QUADS) * 4 + int(warp) // _LANES * 2
    frames = 3 * spec.num_bytes + _SAMPLE_BYTES * samples
    return coded + frames + blocks * (each + _BLOCK_BYTES) + _FRAME_BYTES


def _planned(request: DecodeRequest) -> tuple[int, int, int, int, int] | None:
    """Return codeblocks, their largest width, height and bit-planes, and coefficients; None if nothing tells."""
    if not request.codestreams:
        return None
    options = request.options
    try:
        codestream = read_codestream(request.codestreams[0])
        plan = plan_decoding(
            codestream, reduce=options.reduce, layers=options.layers, region=options.region,
            max_bytes=16 * options.max_frame_bytes, interleaved=True,
        )  # fmt: skip
    except GpucodecError:
        return None  # decoding tells what is wrong
    if not plan.num_blocks:
        return None
    _, width, height, _, bitplanes = (int(column.max()) for column in plan.blocks.reshape(-1, 8).T[:5])
    return plan.num_all_blocks, width, height, bitplanes, max(plan.num_coefficients, plan.output_samples)


def _guessed(spec: FrameSpec, parameters: CodingParameters) -> tuple[int, int, int, int, int]:
    geometry = plane_geometry(spec.rows, spec.columns, parameters)
    bitplanes = int(choose_quantizer(spec, parameters).bitplanes.max())
    blocks = geometry.num_codeblocks * spec.samples_per_pixel
    return blocks, int(geometry.width.max()), int(geometry.height.max()), bitplanes, spec.num_samples
