"""Options of the steps: stacks of more and more frames, to choose how many to take."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from skry_dask.errors import OptionsError
from skry_dask.options.given import NamedOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skry_dask.options.phases import StackOptions

AUTO = "auto"
"""In place of numbers: 5, 10, 20, 50, 100, 200, 500..., and all frames."""

MOST_STEPS = 30
"""Each step takes memory of its own."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StepOptions(NamedOptions):
    """Options of the steps.

    Parameters
    ----------
    numbers
        Number of frames averaged in each step, increasing.
    stack
        How frames are stacked.
    """

    phase: ClassVar[str] = "steps"
    version: ClassVar[int] = 1

    numbers: tuple[int, ...]
    stack: StackOptions


def parse_steps(steps: str | Sequence[int] | None) -> tuple[int, ...] | None:
    """Read the numbers of frames of the steps.

    Parameters
    ----------
    steps
        Such as "10,30,100", "auto" or [10, 30, 100]; or None.

    Returns
    -------
    The numbers; none at all stand for "auto". None where there are to be no steps.

    Raises
    ------
    OptionsError
        If they are not increasing whole numbers from 1.

    Examples
    --------
    >>> parse_steps("10, 30,100")
    (10, 30, 100)
    """
    if steps is None:
        return None
    if steps == AUTO:
        return ()
    try:
        parts = steps.split(",") if isinstance(steps, str) else steps
        numbers = tuple(int(part) for part in parts)
    except (TypeError, ValueError):
        numbers = ()
    increasing = all(a < b for a, b in pairwise(numbers))
    if not numbers or numbers[0] < 1 or not increasing or len(numbers) > MOST_STEPS:
        raise OptionsError(
            f"steps is {steps!r}: give up to {MOST_STEPS} increasing numbers of frames, such as "
            "10,30,100, or auto"
        )
    return numbers


def steps_up_to(numbers: tuple[int, ...], n_frames: int) -> tuple[int, ...]:
    """Choose the steps of a capture.

    Parameters
    ----------
    numbers
        As from `parse_steps`.
    n_frames
        Number of frames that can be stacked; larger numbers become this one.

    Examples
    --------
    >>> steps_up_to((), 120), steps_up_to((10, 50, 200, 500), 120)
    ((5, 10, 20, 50, 100, 120), (10, 50, 120))
    """
    if not numbers:
        numbers = tuple(m * 10**k for k in range(10) for m in (1, 2, 5))[2:]
        numbers = (*(n for n in numbers if n < n_frames), n_frames)
    return tuple(dict.fromkeys(min(n, n_frames) for n in numbers))
