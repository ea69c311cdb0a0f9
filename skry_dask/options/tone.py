"""Options of the tone of a finished image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from skry_dask.errors import OptionsError
from skry_dask.options.given import NamedOptions
from skry_dask.options.values import Positions, check_range, positions

GREY_WORLD = "grey-world"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ToneOptions(NamedOptions):
    """Options of tone, which is changed last, in this order; by default nothing is changed.

    Parameters
    ----------
    balance
        White balance: "grey-world" makes the mean colour grey; or gains of red, green and blue,
        such as 1.2,1,1.4.
    saturation
        Factor of the difference between a colour and its grey: 0 = grey, 1 = as it is. It and the
        balance leave grey images as they are.
    stretch
        Percentiles of brightness that become black and white, such as 0.1,99.9.
    curve
        Points of a tone curve, brightness before and after, 0 to 1, such as --curve 0.25 0.35
        --curve 0.75 0.8; black and white stay.
    gamma
        Brightness becomes brightness ** (1 / gamma): above 1 brightens the dark.

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.ToneOptions(stretch="0.1,99.9", gamma=1.4)
    ToneOptions(stretch='0.1,99.9', gamma=1.4)
    """

    phase: ClassVar[str] = "tone"
    version: ClassVar[int] = 1

    balance: str | None = None
    saturation: float = 1.0
    stretch: str | None = None
    curve: Positions = ()
    gamma: float = 1.0

    def __post_init__(self) -> None:
        """Check every value."""
        check_range("saturation", self.saturation, 0.0, 10.0)
        check_range("gamma", self.gamma, 0.1, 10.0)
        object.__setattr__(self, "curve", positions("curve", self.curve))
        before = [x for x, _ in self.curve]
        inside = all(0 <= value <= 1 for point in self.curve for value in point)
        if not inside or sorted(set(before)) != before:
            raise OptionsError(
                f"curve is {self.curve!r}: it must be points from 0 to 1, of increasing brightness"
            )
        for name in ("stretch", "balance"):  # numbers in Python, text in commands and files
            if isinstance(getattr(self, name), tuple | list):
                object.__setattr__(self, name, ",".join(map(str, getattr(self, name))))
        if self.stretch is not None:
            low, high = self.percentiles
            if not 0 <= low < high <= 100:
                raise OptionsError(
                    f"stretch is {self.stretch!r}: it must be two increasing percentiles from 0 to "
                    "100, such as 0.1,99.9"
                )
        if self.balance not in (None, GREY_WORLD) and min(self.gains) <= 0:
            raise OptionsError(f"balance is {self.balance!r}: gains must be above 0")

    @property
    def percentiles(self) -> tuple[float, float]:
        """The percentiles that become black and white."""
        low, high = _numbers("stretch", self.stretch, 2, "0.1,99.9")
        return low, high

    @property
    def gains(self) -> tuple[float, ...]:
        """Gains of red, green and blue."""
        return _numbers("balance", self.balance, 3, f"1.2,1,1.4, or {GREY_WORLD}")


def _numbers(name: str, text: str | None, count: int, example: str) -> tuple[float, ...]:
    try:
        values = tuple(float(word) for word in str(text).split(","))
        if len(values) != count or not all(abs(value) < 1e6 for value in values):
            raise ValueError
    except ValueError:
        raise OptionsError(
            f"{name} is {text!r}: it must be {count} numbers, such as {example}"
        ) from None
    return values
