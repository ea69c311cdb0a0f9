"""Stacks of several percentages from one pass over the frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import skry_dask as skry
from skry_dask.io.raw.ser import SerReader
from tests.phase_results import known_results, run_phases

pytestmark = pytest.mark.usefixtures("one_thread")

N = 11
PERCENT = (10, 37.5, 90)
WINDOW = {"y": slice(5, 19), "x": slice(11, 30)}


def case_of(kind: str) -> Any:
    random = np.random.default_rng(1)
    offsets = random.normal(0, 2, (N, 2))
    frames = random.integers(0, 200, (N, 50, 64)).astype(np.uint8)
    about = {"mosaic": {"cfa": "GRBG"}, "union": {"canvas": "union"}}.get(kind, {})
    *before, points = known_results(frames, offsets, quality=random.random((N, 1)), **about)
    if kind == "weighted":
        weight = random.integers(0, 256, (N, points.sizes["point"])).astype(np.uint8)
        points = points.assign(weight=(("frame", "point"), weight))
    return *before, points


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("plain", {"halves": True}),
        ("plain", {"choose": "frames", "interpolation": "lanczos3"}),
        ("plain", {"normalise": True}),
        ("weighted", {"halves": True}),
        ("weighted", {"drizzle": 2}),
        ("mosaic", {"drizzle": 1.5}),
        ("mosaic", {}),
        ("union", {"halves": True}),
    ],
)
def test_each_stack_has_the_bits_that_it_has_alone(kind: str, options: dict[str, Any]) -> None:
    case = case_of(kind)
    lazy = skry.stack(*case, skry.StackOptions(percent=PERCENT, **options))
    several, window = lazy.compute(), lazy[["stack", "count"]].isel(WINDOW).compute()
    np.testing.assert_array_equal(several["percent"], PERCENT)
    for percent in PERCENT:
        alone = skry.stack(*case, skry.StackOptions(percent=percent, **options)).compute()
        found = several.sel(percent=percent, drop=True)
        assert set(found.variables) == set(alone.variables)
        for name in alone.data_vars:
            assert found[name].values.tobytes() == alone[name].values.tobytes(), name
            assert several[name].dims == ("percent", *alone[name].dims)
        xr.testing.assert_equal(
            window.sel(percent=percent, drop=True), alone[[*window]].isel(WINDOW)
        )


def test_frames_are_read_once(moon_file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = skry.open_capture(moon_file)
    earlier = run_phases(capture)[:3]
    read, n_read = SerReader.read, []
    monkeypatch.setattr(SerReader, "read", lambda *a: n_read.append(a[2] - a[1]) or read(*a))
    skry.stack(capture, *earlier, skry.StackOptions(percent=(20, 50, 100))).compute()
    assert sum(n_read) == capture.sizes["frame"]


@pytest.mark.parametrize("criterion", [{"percent": 30}, {"number": 3}, {"min_quality": 0.6}])
def test_a_criterion_takes_the_frames_that_weigh_most_with_their_weights(
    criterion: dict[str, Any],
) -> None:
    weight = np.array([10, 200, 3, 255, 40, 180, 90, 7, 120, 1, 60])
    frames = np.random.default_rng(3).integers(0, 200, (N, 50, 64)).astype(np.uint8)

    def case(active: Any) -> Any:
        *before, points = known_results(frames, np.zeros((N, 2)), active=active)
        everywhere = np.repeat(weight[:, None], points.sizes["point"], axis=1)
        return *before, points.assign(weight=(("frame", "point"), everywhere.astype(np.uint8)))

    found = skry.stack(*case(np.ones(N, bool)), skry.StackOptions(**criterion))
    best = np.isin(np.arange(N), np.argsort(-weight)[:3])
    xr.testing.assert_equal(found.compute(), skry.stack(*case(best)).compute())
