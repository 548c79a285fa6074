"""The way of some frames through the JPEG 2000 kernels: transforms, block coding, packets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from gpucodec.backends import Executor
from gpucodec.codecs.buffers import memory_window, uninitialised_bytes
from gpucodec.codecs.jpeg2000_blocks import Planned, code_blocks
from gpucodec.codecs.jpeg2000_packets import Packets, Tier2
from gpucodec.codecs.jpeg2000_quality import allocate_for_quality
from gpucodec.codecs.jpeg2000_rates import (
    GUARD_BITS,
    SLACK,
    Quantizer,
    choose_quantizer,
    component_weights,
    layer_targets,
)
from gpucodec.codecs.own_scratch import forget_scratch, with_own_scratch
from gpucodec.codestream.j2k_geometry import plane_geometry
from gpucodec.codestream.j2k_markers import EOC, main_header, tile_part_header
from gpucodec.codestream.j2k_parameters import CodingParameters
from gpucodec.errors import ParameterError
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = [
    "PORTION_SAMPLES",
    "assembled",
    "begin_portion",
    "headers",
    "portions",
    "readable",
    "transformed",
]

# Planes that are larger are not kept from one portion to the next.
_KEPT_PLANES_BYTES = 8 << 20
# Enough samples for every core, few enough that what is between two steps stays in the cache.
PORTION_SAMPLES = 1 << 20


def portions(where: Executor, batch: FrameBatch) -> Iterator[tuple[Any, int]]:
    """Yield a batch's frames, some at a time and as kernels read them, and the index of the first in its file."""
    step = len(batch) if where.is_asynchronous else PORTION_SAMPLES // batch.spec.num_samples
    step = max(1, step)
    for begin in range(0, len(batch), step):
        yield readable(batch.frames[begin : begin + step]), batch.first_frame + begin


def readable(frames: Any) -> Any:
    """Return frames colour-by-pixel, and in at most 32 bits."""
    if frames.dtype.itemsize > 4:
        frames = frames.astype(f"{frames.dtype.kind}4")
    return np.ascontiguousarray(frames) if isinstance(frames, np.ndarray) else frames


def begin_portion(
    where: Executor,
    frames: Any,
    spec: FrameSpec,
    parameters: CodingParameters,
    first_frame: int,
    prune: bool = True,
) -> Callable[[], list[bytes]]:
    """Begin to encode some frames; what is returned waits for the end and returns codestreams.

    Parameters
    ----------
    where : Executor
        Where kernels run.
    frames : array
        ``(frames, rows, columns[, samples])``, C-contiguous, of 8, 16 or 32 bits.
    spec : FrameSpec
        What each is.
    parameters : CodingParameters
        How to code them.
    first_frame : int
        Index of the first one in its file, for messages.
    prune : bool
        Whether coding passes may be left out that a signal-to-noise ratio is most likely not to need.

    Raises
    ------
    ParameterError
        If a frame cannot be coded within a ratio.
    """
    if parameters.psnr:
        where = with_own_scratch(where, len(frames) * spec.num_samples * 4)
    frames = where.contiguous(frames)
    quantizer = choose_quantizer(spec, parameters)
    planes = transformed(where, frames, spec, parameters, quantizer)
    geometry = plane_geometry(spec.rows, spec.columns, parameters)
    components = spec.samples_per_pixel
    weights = component_weights(parameters, components)
    targets = layer_targets(spec, parameters, quantizer)
    planned = Planned(
        quantizer.bitplanes,
        quantizer.weights,
        quantizer.fraction_bits,
        int(parameters.codeblock_style),
        parameters.needs_pass_lengths,
        parameters.needs_allocation,
        weights,
        targets[-1] if parameters.ratios and targets[-1] >= 0 else None,
        bool(parameters.psnr),
        targets[-1] / spec.num_samples if parameters.psnr and targets[-1] >= 0 and prune else None,
    )
    shape = (spec.rows, spec.columns)
    blocks = code_blocks(where, planes, len(frames) * components, shape, geometry, planned)
    forget_scratch(where)
    if not parameters.psnr:
        del planes
    tier2 = Tier2(where, *shape, components, len(frames), parameters, blocks, SLACK)
    if parameters.psnr and parameters.needs_allocation:
        layer_passes = allocate_for_quality(
            where,
            tier2,
            blocks,
            frames,
            spec,
            parameters,
            quantizer,
            planes,
            lambda again: transformed(where, frames, spec, parameters, quantizer, again),
        )
        del planes
        if layer_passes is None:
            del blocks, tier2
            return begin_portion(where, frames, spec, parameters, first_frame, prune=False)
    elif parameters.needs_allocation:
        layer_passes, status = tier2.allocate(weights, np.tile(targets, (len(frames), 1)), None)
        _check_fits(status, spec, parameters, first_frame)
    else:
        layer_passes = blocks.passes
    packets = tier2.write_headers(layer_passes)
    return assembled(where, tier2, packets, headers(spec, parameters, quantizer, packets, GUARD_BITS))


def transformed(
    where: Executor,
    frames: Any,
    spec: FrameSpec,
    parameters: CodingParameters,
    quantizer: Quantizer,
    planes: Any = None,
) -> Any:
    """Return the quantized wavelet coefficients of all planes, in `planes` if they are given."""
    from gpucodec_kernels import dwt53, dwt97
    from gpucodec_kernels.component_transform import Source

    source = Source.of(frames, spec.bits_stored)
    size = len(frames) * spec.num_samples
    keep = size * 4 <= _KEPT_PLANES_BYTES
    if planes is None:
        planes = where.scratch("planes", size, np.int32) if keep else where.empty(size, np.int32)
    transform = (where, source, parameters.component_transform, parameters.levels)
    if parameters.reversible:
        dwt53.forward(*transform, planes)
    else:
        dwt97.forward(*transform, quantizer.steps, planes, quantizer.fraction_bits)
    return planes


def _check_fits(status: npt.NDArray[np.int32], spec: FrameSpec, parameters: CodingParameters, first_frame: int) -> None:
    if not status.any():
        return
    frame, layer = (int(index[0]) for index in np.nonzero(status))
    ratio = parameters.ratios[layer]
    room = int(spec.num_samples * spec.bits_stored / 8 / ratio)
    raise ParameterError(
        f"Frame {first_frame + frame} cannot be coded within a compression ratio of {ratio:g}: {room} bytes do not "
        "even hold its headers"
    )


def headers(
    spec: FrameSpec, parameters: CodingParameters, quantizer: Quantizer, packets: Packets, told_guard_bits: int
) -> list[bytes]:
    """Return what stands before the packets, frame by frame."""
    made = []
    for frame, length in enumerate(packets.lengths.tolist()):
        guard_bits = told_guard_bits + int(packets.extra_guard_bits[frame])
        main = main_header(spec, parameters, quantizer.exponents, quantizer.mantissas, guard_bits)
        tlm, tile_part = tile_part_header(parameters, length, packets.packet_lengths[frame].tolist())
        made.append(main + tlm + tile_part)
    return made


def assembled(where: Executor, tier2: Tier2, packets: Packets, before: list[bytes]) -> Callable[[], list[bytes]]:
    """Begin to write the codestreams, which what is returned returns; on the CPU, packets come straight into them."""
    sizes = [len(header) + length + len(EOC) for header, length in zip(before, packets.lengths.tolist(), strict=True)]
    # The simulator copies arrays to its device and back, and what lies between the codestreams is not ours.
    if where.backend == "cpu":
        made = [uninitialised_bytes(size) for size in sizes]
        codestreams = [codestream for codestream, _ in made]
        window, starts = memory_window(codestreams)
        for (_, contents), header in zip(made, before, strict=True):
            contents[: len(header)] = np.frombuffer(header, np.uint8)
            contents[-len(EOC) :] = np.frombuffer(EOC, np.uint8)
        places = starts + np.array([len(header) for header in before], np.int64)
        tier2.write_codestreams(packets, places, window)
        return lambda: codestreams
    ends = np.cumsum(packets.lengths)
    starts = ends - packets.lengths
    together = where.empty(int(ends[-1]), np.uint8)
    tier2.write_codestreams(packets, starts, together)

    def finish() -> list[bytes]:
        written = where.download(together).data
        pieces = zip(before, starts.tolist(), ends.tolist(), strict=True)
        return [b"".join((header, written[begin:end], EOC)) for header, begin, end in pieces]

    return finish
