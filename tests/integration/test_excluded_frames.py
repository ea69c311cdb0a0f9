"""Excluding frames after a job, or including them again, measures no frame again."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

import skry_dask as skry

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr


def run(
    path: Path, store: Path, exclude: str | None, **options: Any
) -> tuple[xr.Dataset, dict[str, Any]]:
    result = skry.run(path, store=store, exclude=exclude, reference_percent=30, **options)
    return result, result.attrs["summary"]


def statuses(summary: dict[str, Any]) -> dict[str, str]:
    return {name: phase["status"] for name, phase in summary["phases"].items()}


def test_excluding_and_including_frames_measures_nothing_again_and_equals_a_fresh_run(
    moon_ser: Path, tmp_path: Path
) -> None:
    whole, first = run(moon_ser, tmp_path / "s", None)
    reference = int(skry.open_results(tmp_path / "s")["align"]["reference"])
    exclude = ",".join(str(i) for i in (7, 17, 30) if i != reference)
    less, second = run(moon_ser, tmp_path / "s", exclude)
    assert statuses(second) | {"quality": ""} == {
        "align": "reused", "quality": "", "track": "reused",
        "first_stack": "reused", "refine": "reused", "stack": "ran",
    }  # fmt: skip
    assert second["excluded_frames"] == exclude.count(",") + 1
    assert second["frames"] + second["excluded_frames"] == first["frames"] == 40
    fresh, _ = run(moon_ser, tmp_path / "fresh", exclude)
    np.testing.assert_array_equal(less["stack"], fresh["stack"])
    excluded = [int(i) for i in exclude.split(",")]
    assert (less["fragments"].sel(frame=excluded) == 0).all()
    assert (less["fragments"] > 0).sum() > 0
    again, third = run(moon_ser, tmp_path / "s", None)
    assert set(statuses(third).values()) == {"reused"}
    phases = [entry.phase for entry in skry.open_results(tmp_path / "s").entries]
    assert (phases.count("survey"), phases.count("reference")) == (1, 2)
    np.testing.assert_array_equal(again["stack"], whole["stack"])
    assert not np.array_equal(again["stack"], less["stack"])


def test_an_excluded_frame_is_neither_the_reference_nor_in_the_composite(
    moon_ser: Path, tmp_path: Path
) -> None:
    run(moon_ser, tmp_path / "s", None, quick=True)
    results = skry.open_results(tmp_path / "s")
    chosen = {int(results["align"]["reference"])} | set(results["quality"]["best_frame"].values)
    for exclude in (sorted(chosen)[:5], sorted(chosen)):
        shutil.rmtree(tmp_path / "s", ignore_errors=True)
        run(moon_ser, tmp_path / "s", ",".join(map(str, exclude)), quick=True)
        results = skry.open_results(tmp_path / "s")
        assert int(results["align"]["reference"]) not in exclude
        assert not np.isin(results["quality"]["best_frame"], exclude).any()
