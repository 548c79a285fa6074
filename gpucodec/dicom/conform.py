"""From what a codestream holds to what the dataset says: container, sign and unused bits.

A codestream and its dataset may disagree in harmless ways: the codec's container is as narrow as the
codestream's precision, JPEG-LS knows no sign, JPEG 2000 may have been written with the wrong one. The rules
here are those that pydicom users get (`Decoder.as_array(ds, raw=True)`), for a whole batch at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpucodec.codecs.base import DecodeRequest
from gpucodec.codecs.formats import Family, get_format
from gpucodec.errors import CodestreamError
from gpucodec.frames import FrameBatch, FrameSpec

__all__ = ["check_fits", "clear_unused_bits", "conform", "decoded_photometric_interpretation"]

# The colour space of the samples once the codestream's own transform or subsampling has been undone.
_DECODED = {"YBR_RCT": "RGB", "YBR_ICT": "RGB", "YBR_FULL_422": "YBR_FULL"}


def decoded_photometric_interpretation(photometric_interpretation: str) -> str:
    """Return the colour space of decoded samples, PS3.3 C.7.6.3.1.2: no longer subsampled, no longer transformed."""
    return _DECODED.get(photometric_interpretation, photometric_interpretation)


def conform(found: FrameBatch, request: DecodeRequest) -> FrameBatch:
    """Give decoded frames the container and the sign that the dataset says they have.

    Parameters
    ----------
    found : FrameBatch
        The samples as the codestreams hold them; its spec says their precision and sign. Its array may be
        overwritten.
    request : DecodeRequest
        What was asked for; its `spec` is what the dataset says.

    Returns
    -------
    FrameBatch
        Frames of `request.spec`'s dtype. Its spec is `request.spec` with the photometric interpretation of
        the decoded samples and a planar configuration of 0.

    Raises
    ------
    CodestreamError
        If the codestreams hold frames of another size than the dataset says, or samples that its
        (0028,0100) Bits Allocated cannot hold.
    """
    spec = request.spec
    check_fits(found, request)
    # Reinterpret in the found container, then widen: a dataset that is signed gets its sign extended.
    narrow = np.dtype(f"{'ui'[spec.pixel_representation]}{found.frames.dtype.itemsize}")
    frames = found.frames.view(narrow).astype(spec.dtype, copy=False)
    if shift := _unused_bits(found.spec, request):
        frames = clear_unused_bits(frames, shift)
    decoded = spec.replace(
        photometric_interpretation=decoded_photometric_interpretation(found.spec.photometric_interpretation),
        planar_configuration=0,
    )
    return FrameBatch(frames, decoded, found.first_frame)


def check_fits(found: FrameBatch, request: DecodeRequest) -> None:
    """Refuse decoded frames of another size than the dataset says, or too wide for its container.

    Raises
    ------
    CodestreamError
        If they are.
    """
    spec, name = request.spec, get_format(request.transfer_syntax_uid).name
    if len(found) != request.num_frames or found.spec.shape != spec.shape:
        raise CodestreamError(
            f"{len(found)} decoded frames have the shape {found.spec.shape}, the dataset says "
            f"{request.num_frames} of {spec.shape}",
            format=name,
            frame=request.first_frame,
        )
    if found.spec.bits_stored > spec.bits_allocated:
        raise CodestreamError(
            f"samples of {found.spec.bits_stored} bits do not fit a (0028,0100) 'Bits Allocated' value of "
            f"'{spec.bits_allocated}'",
            format=name,
            frame=request.first_frame,
        )


def _unused_bits(found: FrameSpec, request: DecodeRequest) -> int:
    """Return how many high bits of the dataset's container are to be filled from the bit below them.

    JPEG 2000 knows its sign: only a disagreement is corrected, and only in monochrome frames. JPEG-LS does
    not, so signed data always is. RLE and JPEG carry whole containers, of which PS3.5 8.1.1 says that the
    bits above Bits Stored mean nothing.
    """
    spec = request.spec
    family = get_format(request.transfer_syntax_uid).family
    if family in (Family.JPEG_2000, Family.HTJ2K):
        wrong_sign = found.pixel_representation != spec.pixel_representation
        is_monochrome = spec.photometric_interpretation in ("MONOCHROME1", "MONOCHROME2")
        return spec.bits_allocated - found.bits_stored if wrong_sign and is_monochrome else 0
    if family is Family.JPEG_LS:
        return spec.bits_allocated - found.bits_stored if spec.pixel_representation else 0
    return spec.bits_allocated - spec.bits_stored


def clear_unused_bits(frames: Any, shift: int) -> Any:
    """Shift left and back: the bits above become copies of the sign, or zero in an unsigned container.

    Parameters
    ----------
    frames : array
        Samples; overwritten if they may be.
    shift : int
        How many bits of a container are unused.
    """
    flags = getattr(frames, "flags", None)
    if not getattr(flags, "writeable", True):
        frames = frames.copy()
    frames <<= shift
    frames >>= shift
    return frames
