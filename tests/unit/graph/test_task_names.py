"""Names of tasks tell the phase and the step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from dask.utils import key_split

from skry_dask.graph.task_names import phase_tasks, task_name

if TYPE_CHECKING:
    from collections.abc import Callable


def match_points() -> None: ...


def _align_frames() -> None: ...


@pytest.mark.parametrize(
    ("phase", "step", "shown"),
    [
        ("track", match_points, "track-match-points"),
        ("align", _align_frames, "align-frames"),
        ("", match_points, "match-points"),
    ],
)
def test_dashboards_show_the_phase_and_what_it_does(
    phase: str, step: Callable[[], None], shown: str
) -> None:
    name = phase_tasks(phase)(task_name)(step)
    assert key_split(name) == shown
    assert name != phase_tasks(phase)(task_name)(step)


def test_a_phase_names_no_tasks_but_its_own() -> None:
    @phase_tasks("outer")
    def build() -> list[str]:
        inner = phase_tasks("inner")(task_name)(match_points)
        return [key_split(name) for name in (inner, task_name(match_points))]

    assert build() == ["inner-match-points", "outer-match-points"]
    assert key_split(task_name(match_points)) == "match-points"
