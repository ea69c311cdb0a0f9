"""Steps: a table and a plot beside the image of how a stack changes with the number of frames."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.errors import OptionsError
from skry_dask.pipeline import steps

if TYPE_CHECKING:
    from pathlib import Path


def test_steps_are_measured_once_and_written_beside_the_image(
    moon_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, image = tmp_path / "moon.skry", tmp_path / "moon.tif"

    def summary() -> dict[str, object]:
        result = skry.run(moon_file, output=image, store=store, quick=True, steps=[4, 12, 99])
        found: dict[str, object] = result.attrs["summary"]
        return found

    first = summary()
    assert first["files"] == [str(tmp_path / f"moon-steps.{kind}") for kind in ("csv", "png")]
    with (tmp_path / "moon-steps.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["frames"] for row in table] == ["4", "12", "40"]
    noise, half, seventh = (
        np.array([float(row[name]) for row in table])
        for name in ("noise", "resolution_half", "resolution_seventh")
    )
    assert (np.diff(noise) < 0).all()
    assert (half > 0).all()
    assert (half < seventh).all()
    found = skry.open_results(store)
    alone = skry.stack(
        skry.open_capture(moon_file),
        *(found[name] for name in ("align", "quality", "track")),
        skry.StackOptions(number=12, halves=True),
    )
    resolution = skry.measure_resolution(alone)["resolution"].to_numpy()
    np.testing.assert_allclose([half[1], seventh[1]], resolution, rtol=1e-5)
    assert (tmp_path / "moon-steps.png").read_bytes().startswith(b"\x89PNG")
    assert summary()["up_to_date"]
    monkeypatch.setattr(steps, "find_spec", lambda _: None)
    without = summary()
    assert without["files"] == [str(tmp_path / "moon-steps.csv")]
    assert steps.NO_PLOT in without["notes"]  # type: ignore[operator]


def test_steps_without_an_image_have_no_place(moon_file: Path, tmp_path: Path) -> None:
    with pytest.raises(
        OptionsError, match="tables, steps, a sharpened image and a report go beside"
    ):
        skry.run(moon_file, steps="auto", store=tmp_path / "a.skry")
