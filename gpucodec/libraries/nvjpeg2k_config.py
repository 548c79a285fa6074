"""What nvJPEG2000 can code, and how it is told: limits that are known beforehand, and encoding configurations."""

from __future__ import annotations

from ctypes import byref, c_void_p
from dataclasses import dataclass

import numpy as np

from gpucodec.codecs import htj2k, jpeg2000
from gpucodec.codecs.base import DecodeRequest, EncodeRequest, why_not_partial
from gpucodec.codecs.formats import Family, get_format
from gpucodec.codestream.j2k_parameters import CodeblockStyle, CodingParameters
from gpucodec.codestream.j2k_reader import Codestream, read_codestream
from gpucodec.codestream.j2k_segments import HIGH_THROUGHPUT
from gpucodec.codestream.j2k_size import Component
from gpucodec.errors import CodestreamError
from gpucodec.frames import FrameSpec
from gpucodec.libraries.base import container_bits
from gpucodec.libraries.nvjpeg2k_abi import (
    HT_CAPABILITY,
    HT_MODE,
    ColorSpace,
    ComponentInfo,
    EncodeConfig,
    ImageFormat,
    QualityType,
    StreamType,
)
from gpucodec.libraries.nvjpeg2k_library import Library

__all__ = ["Configuration", "codestream_limits", "configuration_for", "decode_limits", "encode_limits"]

_MAX_BITS = 16
_MAX_COMPONENTS = 4
# Of what is decoded; found by showing release 0.11 codestreams with and without.
_MAX_LAYERS = 32
_MAX_WIDTH_EXPONENT = 7
_PLAIN = {CodeblockStyle.PLAIN, CodeblockStyle.PREDICTABLE_TERMINATION}
_SMALLEST_SIDE = 2  # of what is encoded


# -- limits


def encode_limits(request: EncodeRequest) -> list[str]:
    """Return what nvJPEG2000 cannot encode of a request."""
    spec, options = request.spec, request.options
    high_throughput = get_format(request.transfer_syntax_uid).family is Family.HTJ2K
    reasons = _sample_limits(spec.bits_stored, bool(spec.pixel_representation))
    if min(spec.rows, spec.columns) < _SMALLEST_SIDE:
        reasons.append(
            f"frames of {spec.rows} x {spec.columns} are too small, each side must be {_SMALLEST_SIDE} or more"
        )
    if options.j2k_cr:
        reasons.append("no compression ratio can be asked for (j2k_cr)")
    if max(len(options.j2k_cr), len(options.j2k_psnr)) > 1:
        reasons.append("several quality layers cannot be written")
    if high_throughput and any(options.j2k_psnr):
        reasons.append("no signal-to-noise ratio can be asked for with HT codeblocks (j2k_psnr)")
    if request.transfer_syntax_uid == htj2k.RPCL:
        reasons.append("the TLM marker segments that HTJ2K Lossless RPCL needs are not written")
    return reasons


def decode_limits(request: DecodeRequest) -> list[str]:
    """Return what nvJPEG2000 cannot decode of a request, that in its codestreams' headers included; each reason once.

    Codestreams that are wrong are no reason: decoding them is the error.
    """
    reasons = dict.fromkeys(why_not_partial(request))
    if request.isolate:
        reasons["it works in this process, and codestreams of unknown origin are to be decoded in another"] = None
    if not request.codestreams:
        spec = request.spec
        reasons.update(dict.fromkeys(_sample_limits(spec.bits_stored, bool(spec.pixel_representation))))
    for codestream in request.codestreams:
        try:
            found = read_codestream(codestream)
        except CodestreamError:
            continue
        reasons.update(dict.fromkeys(codestream_limits(found)))
    return list(reasons)


def codestream_limits(codestream: Codestream) -> list[str]:
    """Return what in a codestream's headers nvJPEG2000 cannot decode, or not into a frame."""
    size, components = codestream.size, codestream.size.components
    reasons = [*codestream.unsupported, *_sample_limits(components[0].precision, components[0].is_signed)]
    if any((component.precision, component.is_signed) != _kind(components[0]) for component in components):
        reasons.append("components differ in precision or sign")
    if len(components) > _MAX_COMPONENTS:
        reasons.append(f"{len(components)} components, at most {_MAX_COMPONENTS} are possible")
    if size.is_subsampled:
        reasons.append("components are subsampled")
    if any((size.x0, size.y0, size.tile_x0, size.tile_y0)):
        offsets = f"image ({size.y0}, {size.x0}), tiles ({size.tile_y0}, {size.tile_x0})"
        reasons.append(f"offsets on the reference grid other than 0: {offsets}")
    return reasons + _coding_limits(codestream)


def _coding_limits(codestream: Codestream) -> list[str]:
    tiles = (codestream.parameters, *codestream.tile_parameters.values())
    styles = {coding.codeblock_style for tile in tiles for coding in tile.codings}
    reasons = []
    if not (styles <= _PLAIN or styles == {HIGH_THROUGHPUT}):
        told = ", ".join(f"{style:#04x}" for style in sorted(styles))
        reasons.append(
            f"codeblocks of style {told}, those of options (T.800 Table A.19) or mixed kinds are not possible"
        )
    if (exponent := max(coding.width_exponent for tile in tiles for coding in tile.codings)) > _MAX_WIDTH_EXPONENT:
        reasons.append(f"codeblocks of {1 << exponent} columns, at most {1 << _MAX_WIDTH_EXPONENT} are possible")
    if (layers := max(tile.packets.num_layers for tile in tiles)) > _MAX_LAYERS:
        reasons.append(f"{layers} quality layers, at most {_MAX_LAYERS} are possible")
    if any(any(tile.roi_shifts) for tile in tiles):
        reasons.append("regions of interest are shifted up")
    return reasons


def _kind(component: Component) -> tuple[int, bool]:
    return component.precision, component.is_signed


def _sample_limits(bits: int, is_signed: bool) -> list[str]:
    if bits > _MAX_BITS:
        return [f"{bits} bits stored, at most {_MAX_BITS} are possible"]
    if is_signed and container_bits(bits) == 8:
        return [f"signed samples of {bits} bits stored, at least 9 are needed"]
    return []


# -- configurations


@dataclass(frozen=True, slots=True)
class Configuration:
    """How frames are to be encoded.

    Parameters
    ----------
    spec : FrameSpec
        What each is.
    parameters : CodingParameters
        How it is coded.
    """

    spec: FrameSpec
    parameters: CodingParameters

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """What samples must be in memory: the smallest container of their bits stored."""
        return np.dtype(f"{self.spec.dtype.kind}{container_bits(self.spec.bits_stored) // 8}")

    def apply(self, library: Library, params: c_void_p) -> None:
        """Tell a new handle of encoding parameters.

        Raises
        ------
        GpucodecError
            If the library does not take it.
        """
        config = self.structure()
        library.call("nvjpeg2kEncodeParamsSetEncodeConfig", params, byref(config))
        library.call("nvjpeg2kEncodeParamsSetInputFormat", params, ImageFormat.INTERLEAVED)
        if self.parameters.psnr:
            quality = float(self.parameters.psnr[0])
            library.call("nvjpeg2kEncodeParamsSpecifyQuality", params, QualityType.TARGET_PSNR, quality)

    def structure(self) -> EncodeConfig:
        """Return this as the library takes it. It keeps alive the components that it points to."""
        spec, coding = self.spec, self.parameters
        component = ComponentInfo(spec.columns, spec.rows, spec.bits_stored, spec.pixel_representation)
        components = (ComponentInfo * spec.samples_per_pixel)(*[component] * spec.samples_per_pixel)
        return EncodeConfig(
            stream_type=StreamType.J2K,
            color_space=self._color_space(),
            rsiz=HT_CAPABILITY if coding.high_throughput else 0,
            image_width=spec.columns,
            image_height=spec.rows,
            num_components=spec.samples_per_pixel,
            image_comp_info=components,
            prog_order=coding.progression_order,
            num_layers=coding.num_layers,
            mct_mode=coding.component_transform,
            num_resolutions=coding.levels + 1,
            code_block_w=1 << coding.codeblock_width_exponent,
            code_block_h=1 << coding.codeblock_height_exponent,
            encode_modes=HT_MODE if coding.high_throughput else 0,
            irreversible=not coding.reversible,
        )

    def _color_space(self) -> ColorSpace:
        """Return what the library must be told, though a codestream without JP2 boxes does not say it."""
        if self.spec.samples_per_pixel == 1:
            return ColorSpace.GRAY
        is_ycc = self.spec.photometric_interpretation.startswith("YBR") and not self.parameters.component_transform
        return ColorSpace.SYCC if is_ycc else ColorSpace.SRGB


def configuration_for(request: EncodeRequest) -> Configuration:
    """Return how a request's frames are encoded: as by our own kernels, of what both can do."""
    uid, spec, options = request.transfer_syntax_uid, request.spec, request.options
    if get_format(uid).family is Family.HTJ2K:
        return Configuration(spec, htj2k.parameters_for(spec, options, uid))
    return Configuration(spec, jpeg2000.parameters_for(spec, options))
