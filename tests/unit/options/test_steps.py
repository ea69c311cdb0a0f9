"""Numbers of frames of the steps: as they are given, and as many as there are."""

from __future__ import annotations

from typing import Any

import pytest

from skry_dask.errors import OptionsError
from skry_dask.options.steps import parse_steps, steps_up_to


@pytest.mark.parametrize(
    ("steps", "n_frames", "numbers"),
    [
        ("auto", 3, (3,)),
        ("auto", 50, (5, 10, 20, 50)),
        ("auto", 1234, (5, 10, 20, 50, 100, 200, 500, 1000, 1234)),
        ("10,30, 100", 300, (10, 30, 100)),
        ([10, 30, 100, 200], 60, (10, 30, 60)),
    ],
)
def test_steps_end_with_the_frames_that_there_are(
    steps: Any, n_frames: int, numbers: tuple[int, ...]
) -> None:
    parsed = parse_steps(steps)
    assert parsed is not None
    assert steps_up_to(parsed, n_frames) == numbers


@pytest.mark.parametrize("steps", ["", "10,x", "30,10", "0,5", [5, 5], ["a"], 7, range(1, 40)])
def test_other_steps_are_refused(steps: Any) -> None:
    with pytest.raises(OptionsError, match=r"steps is .*: give up to 30 increasing numbers"):
        parse_steps(steps)
    assert parse_steps(None) is None
