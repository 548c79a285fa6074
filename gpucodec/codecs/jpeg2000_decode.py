"""Decoding JPEG 2000 codestreams: what they hold is checked first, then frames that are coded alike go together."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gpucodec.backends import Executor
from gpucodec.codecs.base import DecodeRequest
from gpucodec.codecs.buffers import LoadedCodestreams
from gpucodec.codecs.device_frames import brought_home, new_frames
from gpucodec.codecs.jpeg2000_reading import CodedBlocks, read_codeblocks
from gpucodec.codecs.options import DecodeOptions
from gpucodec.codecs.spreading import portion_bounds, spread
from gpucodec.codestream.j2k_plan import DecodingPlan, plan_decoding
from gpucodec.codestream.j2k_reader import Codestream, read_codestream
from gpucodec.errors import CodestreamError, CodestreamWarning, LimitExceededError, UnsupportedError, naming_frame
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = ["BlockDecoder", "begin_batch", "decode_components", "why_not_codestreams"]

_FORMAT = "JPEG 2000"
_SIZE_OFFSET = 8  # of the image area, from SOC on
_SUBSAMPLED = "components that are subsampled are no frame of DICOM's"
# Enough samples for every core, few enough that what is between two steps stays in the cache.
_PORTION_SAMPLES = 1 << 20
# Coefficients take four times what samples of a byte do, and a region's reach beyond it, to the edges of codeblocks.
_LIMIT_FACTOR = 16
_LIMIT_BYTES = 16 << 20
# Coefficients of more are not kept from one portion to the next.
_KEPT_BYTES = 24 << 20


class BlockDecoder(Protocol):
    """Decodes all codeblocks of some frames, see `gpucodec.codecs.jpeg2000_block_decoding.decode_ebcot`."""

    def __call__(
        self, where: Executor, plan: DecodingPlan, coded: CodedBlocks, num_frames: int, coefficients: Any, /
    ) -> npt.NDArray[np.int32]:
        """Return a status for each codeblock."""


# -- what the codestreams hold


def why_not_codestreams(request: DecodeRequest) -> list[str]:
    """Return what in the headers of the request's codestreams is legal, but not decoded here; each reason once.

    Codestreams that are wrong are no reason: decoding them is the error.
    """
    reasons: dict[str, None] = {}
    for codestream in request.codestreams:
        try:
            found = read_codestream(codestream)
        except CodestreamError:
            continue
        reasons.update(dict.fromkeys(found.unsupported))
        if _is_subsampled(found):
            reasons[_SUBSAMPLED] = None
    return list(reasons)


def _described(codestreams: Sequence[bytes], request: DecodeRequest) -> list[Codestream]:
    found = []
    for index, codestream in enumerate(codestreams):
        with naming_frame(request.first_frame + index):
            found.append(read_codestream(codestream))
            _check_frame(found[-1], request.spec)
    return found


def _check_frame(codestream: Codestream, spec: FrameSpec) -> None:
    size = codestream.size
    told = (size.y1 - size.y0, size.x1 - size.x0, len(size.components))
    expected = (spec.rows, spec.columns, spec.samples_per_pixel)
    if told != expected:
        raise CodestreamError(
            f"the codestream holds (rows, columns, samples) {told} where the dataset says {expected}",
            format=_FORMAT,
            offset=codestream.codestream_offset + _SIZE_OFFSET,
            marker="SIZ",
        )
    reasons = [*codestream.unsupported, *([_SUBSAMPLED] if _is_subsampled(codestream) else [])]
    if reasons:
        raise UnsupportedError(f"Unable to decode this {_FORMAT} codestream: {'; '.join(reasons)}")


def _is_subsampled(codestream: Codestream) -> bool:
    return any((component.dx, component.dy) != (1, 1) for component in codestream.size.components)


def _found_spec(codestreams: Sequence[Codestream], spec: FrameSpec, rows: int, columns: int) -> FrameSpec:
    """Describe what the codestreams hold, in the smallest container for all of it, signed if any of it is.

    The component transforms RCT and ICT are undone, so YBR_RCT and YBR_ICT become RGB.
    """
    components = {component for codestream in codestreams for component in codestream.size.components}
    is_signed = any(component.is_signed for component in components)
    # Unsigned samples among signed ones need one bit more.
    bits = max(component.precision + (is_signed and not component.is_signed) for component in components)
    told = spec.photometric_interpretation
    return spec.replace(
        rows=rows,
        columns=columns,
        bits_allocated=8 * _container_bytes(bits),
        bits_stored=bits,
        pixel_representation=int(is_signed),
        photometric_interpretation="RGB" if told in ("YBR_RCT", "YBR_ICT") else told,
        planar_configuration=0,
    )


# -- frames


def begin_batch(
    where: Executor, codestreams: Sequence[bytes], request: DecodeRequest, decode_blocks: BlockDecoder
) -> Callable[[], FrameBatch]:
    """Begin to decode codestreams into frames; on the host it is done then.

    Parameters
    ----------
    where : Executor
        What runs the kernels.
    codestreams : sequence of bytes
        One a frame.
    request : DecodeRequest
        What they are.
    decode_blocks : BlockDecoder
        What decodes codeblocks.

    Returns
    -------
    callable
        Returns what `gpucodec.codecs.base.Codec.decode_batch` does.

    Raises
    ------
    CodestreamError
        If a codestream is wrong, or its size is not that of the request; names the frame.
    LimitExceededError
        If a frame would be larger than the options allow.
    ParameterError
        If there are not as many resolution levels as are to be left out, or the region is empty without them.
    UnsupportedError
        If a codestream has what is not decoded here; see `why_not_codestreams`.
    """
    described = _described(codestreams, request)
    plans = []
    for index, codestream in enumerate(described):
        with naming_frame(request.first_frame + index):
            plans.append(_plan(codestream, request.options, interleaved=True))
    if not plans:
        none = FrameBatch(np.empty((0, *request.spec.shape), request.spec.dtype), request.spec, request.first_frame)
        return lambda: none
    shapes = {(plan.components[0].rows, plan.components[0].columns) for plan in plans}
    if len(shapes) > 1:
        raise CodestreamError(f"frames of different sizes {sorted(shapes)} are left", format=_FORMAT)
    spec = _found_spec(described, request.spec, *shapes.pop())
    loaded = codestreams if isinstance(codestreams, LoadedCodestreams) else None
    decoding = _Decoding(where, decode_blocks, request.first_frame, loaded)
    frames = new_frames(where, len(plans), spec)
    samples = frames.reshape(-1).view(f"u{spec.dtype.itemsize}")
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for index, plan in enumerate(plans):
        groups[id(plan)].append(index)
    for members in groups.values():
        decoding.run(plans[members[0]], described, members, samples)
    return lambda: FrameBatch(brought_home(where, frames, request), spec, request.first_frame)


def _plan(codestream: Codestream, options: DecodeOptions, *, interleaved: bool) -> DecodingPlan:
    limit = options.max_frame_bytes
    plan = plan_decoding(
        codestream,
        reduce=options.reduce,
        layers=options.layers,
        region=options.region,
        max_bytes=_LIMIT_BYTES + _LIMIT_FACTOR * limit,
        interleaved=interleaved,
    )
    num_bytes = plan.output_samples * _container_bytes(max(window.precision for window in plan.components))
    if num_bytes > limit:
        raise LimitExceededError(f"a frame of {num_bytes} bytes is above the limit of {limit} (max_frame_bytes)")
    return plan


class _Decoding:
    """The launches that take codestreams to samples."""

    def __init__(
        self,
        where: Executor,
        decode_blocks: BlockDecoder,
        first_frame: int,
        loaded: LoadedCodestreams | None = None,
    ) -> None:
        self.where, self.decode_blocks, self.first_frame, self.loaded = where, decode_blocks, first_frame, loaded

    def run(self, plan: DecodingPlan, described: Sequence[Codestream], members: Sequence[int], output: Any) -> None:
        """Decode the frames of these numbers, which have one plan, each to its place in the output."""
        stride = plan.output_samples

        def decode(where: Executor, begin: int, end: int) -> None:
            portion = members[begin:end]
            samples, described_here = output.reshape(-1, stride), [described[k] for k in portion]
            first, last = portion[0], portion[-1] + 1
            together = last - first == len(portion)
            if together:
                self._decode(where, plan, described_here, first, output[first * stride : last * stride])
                return
            target = where.empty(len(portion) * stride, output.dtype)
            self._decode(where, plan, described_here, first, target)
            samples[portion] = target.reshape(-1, stride)

        size = max(1, plan.num_coefficients)
        bounds = portion_bounds(self.where, len(members), size, _PORTION_SAMPLES)
        spread(self.where, decode, bounds, size)

    def _decode(
        self, where: Executor, plan: DecodingPlan, described: Sequence[Codestream], first: int, output: Any
    ) -> None:
        from gpucodec_kernels.dwt_inverse import Inverse

        count = len(described)
        frame = self.first_frame + first
        loaded = self.loaded[first : first + count] if self.loaded is not None else None
        coded = read_codeblocks(where, plan, described, frame, loaded)
        size = count * plan.num_coefficients
        keep = size * 4 <= _KEPT_BYTES
        coefficients = where.scratch("coefficients", size, np.int32) if keep else where.temporary(size, np.int32)
        status = self.decode_blocks(where, plan, coded, count, coefficients)
        _check_blocks(plan, coded, status, frame)
        del coded
        inverse = plan.kept("inverse", lambda: Inverse(plan.tables))
        inverse(where, count, coefficients, plan.num_coefficients, output, plan.output_samples)


def _check_blocks(plan: DecodingPlan, coded: CodedBlocks, status: npt.NDArray[np.int32], frame: int) -> None:
    """Warn of codeblocks that the standard lets a decoder conceal (T.800 D.5), and refuse what cannot be."""
    from gpucodec_kernels.ebcot import decode

    if not status.any():
        return
    wrong = status > decode.STATUS_SEGMENTATION
    first = int(np.argmax(wrong if wrong.any() else status != 0))
    place: dict[str, Any] = {"format": _FORMAT, "frame": frame + first // plan.num_blocks}
    place["offset"] = coded.offset(first)
    if wrong.any():
        raise CodestreamError(_WRONG_BLOCKS[int(status[first])], **place)
    damaged = int(np.count_nonzero(status))
    message = f"{damaged} codeblocks are damaged, their segmentation symbols are wrong; the first one is here"
    warnings.warn(str(CodestreamError(message, **place)), CodestreamWarning, stacklevel=2)


_WRONG_BLOCKS = {
    2: "a codeblock has more bit-planes than its subband can have",
    3: "a codeblock has more coding passes than its bit-planes",
    4: "the bytes of a codeblock's segments are not there",
    # Those of HT codeblocks alone
    5: "a codeblock is larger than 4096 samples, or than 1024 a side",
    6: "an HT codeblock tells lengths of its parts that it cannot have",
    7: "an HT codeblock's codewords go beyond its bytes, or beyond its bit-planes",
}


# -- components of any size


def decode_components(
    where: Executor, codestream: bytes, options: DecodeOptions, decode_blocks: BlockDecoder
) -> list[npt.NDArray[Any]]:
    """Decode each component at its own size, which sub-sampled components need.

    Parameters
    ----------
    where : Executor
        What runs the kernels.
    codestream : bytes
        One codestream.
    options : DecodeOptions
        What of it is wanted.
    decode_blocks : BlockDecoder
        What decodes codeblocks.

    Returns
    -------
    list of numpy.ndarray
        ``(rows, columns)`` in the smallest container for each component's precision and sign.

    Raises
    ------
    CodestreamError, LimitExceededError, ParameterError, UnsupportedError
        As `begin_batch` does.
    """
    described = read_codestream(codestream)
    if described.unsupported:
        raise UnsupportedError(f"Unable to decode this {_FORMAT} codestream: {'; '.join(described.unsupported)}")
    plan = _plan(described, options, interleaved=False)
    size = _container_bytes(max(component.precision for component in plan.components))
    there = where.empty(plan.output_samples, f"u{size}")
    _Decoding(where, decode_blocks, 0).run(plan, [described], [0], there)
    output = where.download(there)
    components = []
    for component in plan.components:
        end = component.place + component.rows * component.columns
        kind = "i" if component.is_signed else "u"
        plane = output[component.place : end].view(f"{kind}{size}").reshape(component.rows, component.columns)
        components.append(plane.astype(f"{kind}{_container_bytes(component.precision)}"))
    return components


def _container_bytes(bits: int) -> int:
    return next(size for size in (1, 2, 4) if bits <= 8 * size)
