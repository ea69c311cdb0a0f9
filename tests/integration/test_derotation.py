"""A globe that turns while it is recorded, stacked as one that stands still."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.simulation.simulate import write_capture
from tests.scoring import score

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

ROTATION = 16.0
"""Degrees; without derotation the stack is hardly worse for few."""


class Captures:
    """Captures of a globe, and how sharp their stacks are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.truths: dict[float, xr.Dataset] = {}

    def path(self, rotation: float) -> Path:
        path = self.folder / f"turn{rotation:g}.ser"
        if rotation not in self.truths:
            about = {"frames": 60, "height": 200, "width": 220, "drift": (2.0, -2.0)}
            options = skry.SimulateOptions(**about, jitter=0.2, rotation=rotation)
            self.truths[rotation] = write_capture(path, skry.simulate("jupiter", options))
        return path

    def sigma(self, rotation: float, **choices: Any) -> float:
        path = self.path(rotation)
        image = skry.run(path, store=self.folder / f"{rotation:g}.skry", **choices)["stack"]
        corner = np.array([image["y"][0], image["x"][0]], float)
        return score(image.to_numpy(), self.truths[rotation], corner).sigma


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Captures:
    return Captures(tmp_path_factory.mktemp("globe"))


def test_a_turning_globe_is_stacked_as_sharp_as_one_that_stands_still(captures: Captures) -> None:
    still = captures.sigma(0.0)
    assert captures.sigma(ROTATION, derotate="jupiter") < 1.05 * still
    assert captures.sigma(ROTATION) > 1.05 * still


def test_what_was_found_of_the_globe_is_told(captures: Captures) -> None:
    result = skry.run(
        captures.path(ROTATION), store=captures.folder / "24.skry", derotate="jupiter"
    )
    (note,) = (n for n in result.attrs["summary"]["notes"] if "jupiter" in n)
    assert "turned by 16.00 degrees" in note
    assert "found by what moves" in note
