"""The one setting to use for a quality or a size that somebody asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from gpucodec.comparison.pictures import Picture
from gpucodec.comparison.quality import Outcome, Setting, outcome
from gpucodec.errors import GpucodecError, ParameterError

__all__ = ["Wish", "answer"]

_REFINEMENTS = 5


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for; one of the three.

    Parameters
    ----------
    psnr : float or None
        At least so many dB, and then as small as possible.
    error : float or None
        No sample off by more than this many of the modality's units, and then as small as possible.
    ratio : float or None
        At least this compression ratio, and then as good as possible, by PSNR.
    """

    psnr: float | None = None
    error: float | None = None
    ratio: float | None = None

    def __post_init__(self) -> None:
        """Check that one is given."""
        given = [value for value in (self.psnr, self.error, self.ratio) if value is not None]
        if len(given) != 1:
            raise ParameterError("Ask for one of a PSNR, a largest error and a ratio, not for several")
        if given[0] < 0:
            raise ParameterError(f"A target of {given[0]:g} is not allowed, must be 0 or more")

    def is_met(self, found: Outcome) -> bool:
        """Return whether an outcome is good or small enough."""
        if self.psnr is not None:
            return found.psnr >= self.psnr
        if self.error is not None:
            return found.largest_error_in_units <= self.error
        return self.ratio is not None and found.ratio >= self.ratio

    def worth(self, found: Outcome) -> float:
        """Return what is to be as large as possible among the outcomes that meet the wish."""
        return found.psnr if self.ratio is not None else found.ratio

    def __str__(self) -> str:
        """Return it in words."""
        if self.psnr is not None:
            return f"a PSNR of at least {self.psnr:g} dB"
        if self.error is not None:
            return f"no sample off by more than {self.error:g}"
        return f"a ratio of at least {self.ratio:g}"


def answer(
    picture: Picture,
    outcomes: Sequence[Outcome],
    wish: Wish,
    said: Callable[[str], None] = lambda _: None,
    keep: int = 0,
) -> Outcome | None:
    """Return the best outcome that meets a wish, with settings between those of the sweep tried as well.

    Parameters
    ----------
    picture : Picture
        What was coded.
    outcomes : sequence of Outcome
        Of the sweep.
    wish : Wish
        What is asked for.
    said : callable
        Told each step before it is done.
    keep : int
        Index of the frame that outcomes keep decoded.

    Returns
    -------
    Outcome or None
        None where no setting meets the wish.
    """
    found: list[Outcome] = [entry for entry in outcomes if wish.is_met(entry)]
    for series in dict.fromkeys(entry.setting.series for entry in outcomes):
        members = [entry for entry in outcomes if entry.setting.series == series]
        found += _between(picture, members, wish, said, keep)
    return max(found, key=wish.worth, default=None)


def _between(
    picture: Picture, members: list[Outcome], wish: Wish, said: Callable[[str], None], keep: int
) -> Iterable[Outcome]:
    """Halve the step between two neighbours of a series of which one meets the wish and one does not."""
    found = []
    for one, other in pairwise(members):
        if wish.is_met(one) == wish.is_met(other) or one.setting.option == "jls_error":
            continue
        meets, fails = (one, other) if wish.is_met(one) else (other, one)
        for _ in range(_REFINEMENTS):
            value = round((meets.setting.value + fails.setting.value) / 2, 2)
            if value in (meets.setting.value, fails.setting.value):
                break
            middle = _tried(picture, replace(meets.setting, value=value), said, keep)
            if middle is None:
                break
            if wish.is_met(middle):
                meets = middle
                found.append(middle)
            else:
                fails = middle
    return found


def _tried(picture: Picture, setting: Setting, said: Callable[[str], None], keep: int) -> Outcome | None:
    said(str(setting))
    try:
        return outcome(picture, setting, keep)
    except GpucodecError:
        return None
