"""How far a picture may be compressed: the lossy settings of each codec, and what each leaves of the picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gpucodec.codecs.base import DecodeRequest, EncodeRequest
from gpucodec.codecs.dispatch import choose
from gpucodec.codecs.options import EncodeOptions
from gpucodec.comparison.pictures import Picture
from gpucodec.dicom.coding import decode_batch, encode_batch
from gpucodec.dicom.profiles import encoded_photometric_interpretation, validate_profile
from gpucodec.errors import GpucodecError, ParameterError, UnsupportedError
from gpucodec.frames import FrameBatch
from gpucodec.transcoder.differences import difference, peak_ratio
from gpucodec.transcoder.targets import TARGETS

__all__ = ["Outcome", "Setting", "outcome", "possible", "settings_of", "sweep"]

_NEAR = (*range(1, 16),)
_RATIOS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50)
_PSNR = (*range(30, 81, 5),)
_SSIM_WINDOW = 7
# Short name of the target -> pydicom's option, and its values from mild to strong.
_SWEEPS: tuple[tuple[str, str, tuple[float, ...]], ...] = (
    ("jpegls-near", "jls_error", _NEAR),
    ("j2k-lossy", "j2k_cr", _RATIOS),
    ("j2k-lossy", "j2k_psnr", _PSNR[::-1]),
    ("htj2k-lossy", "j2k_cr", _RATIOS),
    ("htj2k-lossy", "j2k_psnr", _PSNR[::-1]),
)


@dataclass(frozen=True, slots=True)
class Setting:
    """A lossy setting.

    Parameters
    ----------
    target : str
        Short name of the transfer syntax, as ``gpucodec transcode --to`` takes it.
    option, value : str, float
        pydicom's option and its value.
    """

    target: str
    option: str
    value: float

    @property
    def uid(self) -> str:
        """The transfer syntax."""
        return TARGETS[self.target]

    @property
    def options(self) -> EncodeOptions:
        """The options, checked."""
        value: Any = int(self.value) if self.option == "jls_error" else [self.value]
        return EncodeOptions.for_transfer_syntax(self.uid, **{self.option: value})

    @property
    def series(self) -> str:
        """What it belongs to in plots: transfer syntax and option."""
        return f"{self.target}, {self.option}"

    @property
    def arguments(self) -> list[str]:
        """The words that ``gpucodec transcode`` takes for it."""
        return ["--to", self.target, f"--{self.option.replace('_', '-')}", f"{self.value:g}"]

    def __str__(self) -> str:
        """Return target, option and value."""
        return f"{self.target} {self.option} {self.value:g}"


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a setting leaves of a picture.

    Parameters
    ----------
    setting : Setting
        The setting.
    raw_bytes, encoded_bytes : int
        Of all frames.
    num_samples : int
        Samples of all frames.
    largest_error : int
        The largest absolute error of a sample.
    psnr : float
        Peak signal-to-noise ratio in dB over all frames against the range of Bits Stored; infinite if nothing changed.
    ssim : float
        Structural similarity, the mean over all frames; NaN where frames are smaller than its window.
    slope : float
        The modality's units that a sample step stands for; 1 where the file does not say.
    codec : str
        What encoded.
    decoded : array
        One decoded frame, for the report; empty unless asked for.
    """

    setting: Setting
    raw_bytes: int
    encoded_bytes: int
    num_samples: int
    largest_error: int
    psnr: float
    ssim: float
    slope: float = 1.0
    codec: str = ""
    decoded: np.ndarray[Any, Any] = field(default_factory=lambda: np.empty(0))

    @property
    def ratio(self) -> float:
        """Raw bytes an encoded byte."""
        return self.raw_bytes / self.encoded_bytes

    @property
    def bits_per_sample(self) -> float:
        """Encoded bits a sample."""
        return self.encoded_bytes * 8 / self.num_samples

    @property
    def largest_error_in_units(self) -> float:
        """The largest absolute error in the modality's units."""
        return self.largest_error * abs(self.slope)

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the frame, for JSON, which knows neither infinity nor NaN."""
        return {
            "target": self.setting.target,
            "option": self.setting.option,
            "value": self.setting.value,
            "ratio": self.ratio,
            "bits_per_sample": self.bits_per_sample,
            "encoded_bytes": self.encoded_bytes,
            "largest_error": self.largest_error,
            "largest_error_in_units": self.largest_error_in_units,
            "psnr": self.psnr if math.isfinite(self.psnr) else None,
            "ssim": self.ssim if math.isfinite(self.ssim) else None,
            "codec": self.codec,
        }


def settings_of(targets: Sequence[str]) -> list[Setting]:
    """Return the settings of some transfer syntaxes, each option's from mild to strong.

    Raises
    ------
    ParameterError
        If a name is not that of a lossy transfer syntax.
    """
    known = list(dict.fromkeys(target for target, _, _ in _SWEEPS))
    if unknown := set(targets) - set(known):
        raise ParameterError(f"No lossy transfer syntax {sorted(unknown)}, there are {', '.join(known)}")
    return [Setting(target, name, value) for target, name, values in _SWEEPS if target in targets for value in values]


def possible(picture: Picture, settings: Sequence[Setting]) -> tuple[list[Setting], dict[str, str]]:
    """Return the settings that the picture can be coded with, and for each other series why not."""
    able: list[Setting] = []
    reasons: dict[str, str] = {}
    for setting in settings:
        try:
            spec = _coded_spec(picture, setting)
            validate_profile(setting.uid, spec)
            choose(EncodeRequest(setting.uid, spec, len(picture.frames), setting.options))
        except (ParameterError, UnsupportedError) as error:
            reasons[setting.series] = "; ".join(line.strip() for line in str(error).splitlines())
            continue
        able.append(setting)
    return able, reasons


def _coded_spec(picture: Picture, setting: Setting) -> Any:
    name = encoded_photometric_interpretation(setting.uid, picture.spec)
    return picture.spec.replace(photometric_interpretation=name)


def sweep(
    picture: Picture, settings: Sequence[Setting], said: Callable[[str], None] = lambda _: None, keep: int = 0
) -> Iterator[Outcome | tuple[Setting, str]]:
    """Yield what each setting leaves of a picture, or why it failed.

    Parameters
    ----------
    picture : Picture
        What to code.
    settings : sequence of Setting
        How.
    said : callable
        Told each step before it is done.
    keep : int
        Index of the frame that outcomes keep decoded.
    """
    for setting in settings:
        said(str(setting))
        try:
            yield outcome(picture, setting, keep)
        except GpucodecError as error:
            yield setting, str(error)


def outcome(picture: Picture, setting: Setting, keep: int = 0) -> Outcome:
    """Encode a picture's frames, decode them again and compare.

    Raises
    ------
    GpucodecError
        If they cannot be encoded with that setting.
    """
    spec = _coded_spec(picture, setting)
    encoded = encode_batch(FrameBatch(picture.frames, spec), setting.uid, setting.options)
    request = DecodeRequest(setting.uid, spec, len(picture.frames))
    decoded = np.asarray(decode_batch(encoded.codestreams, request).batch.frames)
    found = difference(picture.frames, decoded)
    codec = encoded.choice.codec
    return Outcome(
        setting,
        picture.frames.nbytes,
        sum(map(len, encoded.codestreams)),
        picture.frames.size,
        found.largest,
        peak_ratio(found.squared, found.num_samples, picture.spec.value_range),
        similarity(picture.frames, decoded, picture.spec.value_range),
        float(picture.attributes.get("slope", 1.0)),
        f"{codec.backend} ({codec.name})",
        decoded[keep],
    )


def similarity(frames: np.ndarray[Any, Any], decoded: np.ndarray[Any, Any], value_range: tuple[int, int]) -> float:
    """Return the mean structural similarity of frames, scikit-image's with its usual window of 7 by 7 pixels.

    Frames that are smaller than the window have none: NaN.
    """
    from skimage.metrics import structural_similarity

    if min(frames.shape[1:3]) < _SSIM_WINDOW:
        return math.nan
    low, high = value_range
    channel = -1 if frames.ndim == 4 else None
    values = [
        structural_similarity(frame, other, data_range=high - low, channel_axis=channel)  # type: ignore[no-untyped-call]
        for frame, other in zip(frames, decoded, strict=True)
    ]
    return float(np.mean(values))
