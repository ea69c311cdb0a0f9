"""Options of the combination of images of filters to one in colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from skry_dask.errors import OptionsError
from skry_dask.options.given import NamedOptions
from skry_dask.options.values import check_range


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CombineOptions(NamedOptions):
    """Options of the combination of images of filters.

    Parameters
    ----------
    shift_only
        Register images by a shift alone: no scale, rotation and local displacement.
    white_balance
        Scale red and blue so that the mean of the bright parts is grey.
    gains
        Factors of red, green and blue, instead of those of the white balance, such as --gains 1.2
        1 0.9.

    Examples
    --------
    >>> import skry_dask as skry
    >>> skry.CombineOptions(white_balance=True)
    CombineOptions(white_balance=True)
    """

    phase: ClassVar[str] = "combine"
    version: ClassVar[int] = 1

    shift_only: bool = False
    white_balance: bool = False
    gains: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        if self.gains is None:
            return
        if self.white_balance:
            raise OptionsError("white_balance and gains contradict each other: give one of them")
        gains = tuple(float(gain) for gain in self.gains)
        if len(gains) != 3:
            raise OptionsError(f"gains has {len(gains)} numbers: give those of red, green and blue")
        for gain in gains:
            check_range("gains", gain, 0.0, 1000.0, above=True)
        object.__setattr__(self, "gains", gains)
