"""Values of options: how they are checked, and how they become JSON."""

from __future__ import annotations

import dataclasses
import math
from enum import StrEnum
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from skry_dask.errors import OptionsError
from skry_dask.options.given import plain_values

if TYPE_CHECKING:
    from collections.abc import Sequence

Positions: TypeAlias = tuple[tuple[float, float], ...]
"""Points (y, x) on the canvas, px."""

if TYPE_CHECKING:
    Percentages: TypeAlias = float | str | Sequence[float]
else:  # what flags are read from: a flag has one word
    Percentages = float | str

MOST_PERCENTAGES = 30
"""Each percentage takes memory of its own."""


class PhaseOptions(Protocol):
    """What the options of every phase have in common.

    Attributes
    ----------
    phase
        Name of the phase.
    version
        Version of its algorithm. Raise it when the same options give another result: stored results
        of older versions are then not reused.
    """

    phase: ClassVar[str]
    version: ClassVar[int]


def as_json(options: Any) -> dict[str, Any]:
    """Convert a dataclass to JSON-compatible values, field by field in their order."""

    def plain(items: list[tuple[str, Any]]) -> dict[str, Any]:
        return plain_values({k: v.value if isinstance(v, StrEnum) else v for k, v in items})

    return dataclasses.asdict(options, dict_factory=plain)


def check_switch(name: str, value: Any) -> None:
    """Refuse a value that is neither true nor false.

    Raises
    ------
    OptionsError
        If it is refused.
    """
    if not isinstance(value, bool):
        raise OptionsError(f"{name} is {value!r}: it must be true or false")


def check_range(name: str, value: float, low: float, high: float, *, above: bool = False) -> None:
    """Refuse a value that is not in a range.

    Parameters
    ----------
    name
        Name of the option, for the message.
    value
        Its value; NaN is refused.
    low, high
        The range; if both are of type int, the value must be one too.
    above
        Whether ``low`` itself is refused.

    Raises
    ------
    OptionsError
        If the value is refused.
    """
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    inside = is_number and (low < value <= high if above else low <= value <= high)
    bound = f"above {low:g} and at most {high:g}" if above else f"from {low:g} to {high:g}"
    if not inside:
        number = "" if is_number else "a number "
        raise OptionsError(f"{name} is {value!r}: it must be {number}{bound}")
    if isinstance(low, int) and isinstance(high, int) and not isinstance(value, Integral):
        raise OptionsError(f"{name} is {value!r}: it must be a whole number {bound}")


def percentages(name: str, value: Any) -> float | tuple[float, ...]:
    """Convert one percentage or several: these become increasing numbers, each of them once.

    Parameters
    ----------
    name
        Name of the option, for the message.
    value
        A number, several, or text such as "5,15,30".

    Raises
    ------
    OptionsError
        If they are not numbers above 0 and at most 100, or too many.

    Examples
    --------
    >>> percentages("percent", "30, 5"), percentages("percent", 20.0)
    ((5.0, 30.0), 20.0)
    """
    given = value.split(",") if isinstance(value, str) else value
    numbers: list[Any]
    try:
        numbers = [given] if isinstance(given, Real) else sorted({float(v) for v in given})
    except (TypeError, ValueError):
        numbers = []
    if not numbers or len(numbers) > MOST_PERCENTAGES:
        raise OptionsError(
            f"{name} is {value!r}: it must be a number, or up to {MOST_PERCENTAGES} numbers such "
            "as 5,15,30"
        )
    for number in numbers:
        check_range(name, number, 0.0, 100.0, above=True)
    return numbers[0] if len(numbers) == 1 else tuple(numbers)


def check_even(name: str, value: int) -> None:
    """Refuse an odd number, because blocks are matched at half resolution first.

    Raises
    ------
    OptionsError
        If the value is odd.
    """
    if value % 2:
        raise OptionsError(f"{name} is {value}: it must be even, such as {value + 1}")


def positions(name: str, values: Any) -> Positions:
    """Convert positions to a tuple of pairs of numbers.

    Raises
    ------
    OptionsError
        If they are not pairs of finite numbers.
    """
    try:
        pairs = tuple((float(y), float(x)) for y, x in values)
    except (TypeError, ValueError):
        pairs = ((math.nan, math.nan),)
    if not all(math.isfinite(v) for pair in pairs for v in pair):
        raise OptionsError(f"{name} is {values!r}: it must be pairs of numbers y, x")
    return pairs


def choice(name: str, value: Any, kind: type[StrEnum]) -> Any:
    """Convert a value to a member of an enumeration.

    Raises
    ------
    OptionsError
        If it is none.
    """
    try:
        return kind(value)
    except ValueError:
        choices = ", ".join(kind)
        raise OptionsError(f"{name} is {value!r}: choose one of {choices}") from None
