"""What was written is decoded again and compared with what was read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from gpucodec.codecs.options import EncodeOptions
from gpucodec.errors import CodestreamError, LimitExceededError, ParameterError, UnsupportedError, VerificationError
from gpucodec.frames import TAGS, FrameBatch
from gpucodec.transcoder.differences import difference, peak_ratio

__all__ = ["Comparison", "allowed_error", "compare", "of_what_was_written"]

# What must be the same before and after for samples to mean the same.
_SAME = ("rows", "columns", "samples_per_pixel", "bits_stored", "pixel_representation", "photometric_interpretation")
# A decoded frame is no longer subsampled, and no longer transformed by its codestream.
_DECODED = {"YBR_FULL_422": "YBR_FULL", "YBR_RCT": "RGB", "YBR_ICT": "RGB"}


def allowed_error(options: EncodeOptions) -> int | None:
    """Return the largest absolute error that the options allow a sample, None where they bound another measure."""
    return None if options.j2k_cr or options.j2k_psnr else options.jls_error


class Comparison:
    """Differences between frames and what they decode to, gathered batch by batch.

    Parameters
    ----------
    allowed : int or None
        Largest absolute error allowed of a sample. None where the caller chose a ratio or a PSNR: then a frame
        must only be a better likeness of the source than a uniform grey frame would be, which catches what is
        plainly wrong (no rate is asked for at which the picture is gone), and the PSNR is there to be reported.

    Attributes
    ----------
    max_abs_error : int
        Largest absolute difference so far.
    """

    def __init__(self, allowed: int | None) -> None:
        self.allowed = allowed
        self.max_abs_error = 0
        self._squared_error = 0.0
        self._num_samples = 0
        self._value_range = (0, 0)

    def add(self, expected: FrameBatch, actual: FrameBatch) -> None:
        """Compare a batch.

        Raises
        ------
        VerificationError
            Names the first frame that differs more than is allowed.
        """
        _check_same_kind(expected, actual)
        self._value_range = expected.spec.value_range
        for index in range(len(expected)):
            self._add_frame(expected.frames[index], actual.frames[index], expected.first_frame + index)

    def _add_frame(self, expected: Any, actual: Any, frame: int) -> None:
        self._num_samples += expected.size
        found = difference(expected, actual)
        self.max_abs_error = max(self.max_abs_error, found.largest)
        self._squared_error += found.squared
        if self.allowed is not None and found.largest > self.allowed:
            most = f", at most {self.allowed} is allowed" if self.allowed else ""
            raise VerificationError(
                f"Frame {frame} does not decode to what was read: samples differ by up to {found.largest}{most}"
            )
        if self.allowed is None and found.is_no_likeness:
            raise VerificationError(
                f"Frame {frame} does not look like what was read: its mean squared error of {found.mean_squared:.4g} "
                "is above that of a uniform frame; ask for a lower compression ratio"
            )

    @property
    def psnr(self) -> float | None:
        """Peak signal-to-noise ratio over all frames in dB, None if they are equal.

        The peak is the range of Bits Stored.
        """
        if not self._squared_error:
            return None
        return peak_ratio(self._squared_error, self._num_samples, self._value_range)


def compare(pairs: Iterable[tuple[FrameBatch, FrameBatch]], allowed: int | None) -> Comparison:
    """Compare two ways through the same frames.

    Parameters
    ----------
    pairs : iterable of (FrameBatch, FrameBatch)
        The source, decoded, and what was written, decoded.
    allowed : int or None
        As for `Comparison`.

    Raises
    ------
    VerificationError
        If a frame is missing, or differs more than is allowed.
    """
    comparison = Comparison(allowed)
    for expected, actual in pairs:
        comparison.add(expected, actual)
    return comparison


@contextmanager
def of_what_was_written() -> Iterator[None]:
    """Let a file of our own that cannot be decoded be a failed verification, not a bad source."""
    try:
        yield
    except (CodestreamError, LimitExceededError, ParameterError, UnsupportedError) as error:
        raise VerificationError(f"What was written cannot be decoded: {error}") from error


def _check_same_kind(expected: FrameBatch, actual: FrameBatch) -> None:
    if len(expected) != len(actual) or expected.first_frame != actual.first_frame:
        raise VerificationError(
            f"{len(actual)} frames from frame {actual.first_frame} can be read of what was written, "
            f"{len(expected)} from frame {expected.first_frame} were read"
        )
    for name in _SAME:
        was, now = getattr(expected.spec, name), getattr(actual.spec, name)
        if _DECODED.get(was, was) != _DECODED.get(now, now):
            raise VerificationError(
                f"What was written decodes with a {TAGS[name]} of '{now}', what was read has '{was}'"
            )
