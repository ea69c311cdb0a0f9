"""Birds, satellites and cloud edges are left out where they are, and leave no trace in images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.phases.alignment.foreground import ForegroundGauge, foreground_cells
from skry_dask.phases.alignment.thumbnails import make_thumbnails
from skry_dask.phases.rating.hidden_cells import HiddenCells
from tests.phase_results import Results, run_phases
from tests.small_captures import capture_of

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.types import BoolArray, Frames

pytestmark = pytest.mark.usefixtures("one_thread")

BIRDS = {4: (70, 60), 9: (84, 130)}
"""Frames with a bird, and where that is, px."""

N_SIDE = 24


def with_birds(frames: Frames) -> Frames:
    spoiled = frames.copy()
    for number, (y, x) in BIRDS.items():
        spoiled[number, y - 6 : y + 6, x - 9 : x + 9] = 3
    return spoiled


@pytest.fixture(scope="module")
def spoilt(simulated: xr.Dataset) -> xr.Dataset:
    return capture_of(with_birds(simulated["frames"].to_numpy()), bits=8)


@pytest.fixture(scope="module")
def with_foreground(spoilt: xr.Dataset) -> Results:
    return run_phases(spoilt)


def cells_of(frames: Frames, offset: Any = 0.0) -> tuple[Any, BoolArray]:
    gauge = ForegroundGauge.of_frame(frames[0], 0)
    light, difference = gauge.measure(
        make_thumbnails(frames), np.broadcast_to(offset, (len(frames), 2))
    )
    cells = foreground_cells(difference, np.ones(len(frames), bool))
    return light, cells.reshape(-1, N_SIDE, N_SIDE)


def test_only_frames_with_something_in_front_are_told(results, with_foreground):
    assert not results.alignment["foreground"].any()
    shown = with_foreground.alignment["foreground"].to_numpy().any(axis=1)
    assert np.flatnonzero(shown).tolist() == list(BIRDS)


def test_a_frame_with_a_bird_does_not_become_the_reference(simulated, results):
    chosen = int(results.alignment["reference"])
    spoiled = simulated["frames"].to_numpy().copy()
    # Across an edge, so that there is more detail in it than anywhere else.
    spoiled[chosen, 74:86, 51:69] = 3
    spoiled[chosen, 78:82, 53:67] = 250
    capture = capture_of(spoiled, bits=8)
    reference = skry.choose_reference(capture).compute()
    assert int(reference["reference"]) != chosen
    alignment = skry.align(capture, key_frames=reference).compute()
    shown = alignment["foreground"].to_numpy().any(axis=1)
    assert np.flatnonzero(shown).tolist() == [chosen]
    given = skry.choose_reference(capture, skry.AlignOptions(reference=chosen))
    assert int(given["reference"]) == chosen


def test_where_all_frames_show_a_bird_one_of_them_is_the_reference(simulated, results):
    spoiled = simulated["frames"].to_numpy().copy()
    for i, frame in enumerate(spoiled):
        y, x = 30 + 40 * (i % 3), 30 + 40 * (i // 3)
        frame[y : y + 12, x : x + 18] = 3
    alignment = skry.align(capture_of(spoiled, bits=8)).compute()
    assert alignment["active"].all()


@pytest.mark.parametrize(
    "options",
    [{"percent": 100}, {"choose": "frames", "percent": 100}],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_a_bird_leaves_no_trace_in_a_stack(moon12, spoilt, results, with_foreground, options):
    chosen = skry.StackOptions(**options)
    clean, found = (
        skry.stack(capture, *some[:3], chosen).compute()["stack"]
        for capture, some in ((moon12, results), (spoilt, with_foreground))
    )
    difference = np.abs(found - clean).to_numpy()
    assert difference.max() < 0.03
    assert np.sqrt((difference**2).mean()) < 0.004


def test_a_bird_weighs_nothing(moon12, spoilt, results, with_foreground):
    def weighted(capture: xr.Dataset, of: Results) -> xr.Dataset:
        weight = np.full(of.points["valid"].shape, 200, np.uint8)
        points = of.points.assign(weight=(("frame", "point"), weight))
        return skry.stack(capture, of.alignment, of.quality, points).compute()

    clean, found = weighted(moon12, results), weighted(spoilt, with_foreground)
    assert np.abs(found["stack"] - clean["stack"]).max() < 0.03
    assert found["count"].min() < clean["count"].min()


def test_a_bird_is_neither_in_the_composite_nor_in_the_reference_image(results, with_foreground):
    quality = with_foreground.quality
    for number, place in BIRDS.items():
        y, x = np.array(place) - with_foreground.alignment["offset"].to_numpy()[number]
        distance = np.maximum(np.abs(quality["area_y"] - y), np.abs(quality["area_x"] - x))
        assert quality["best_frame"][int(distance.to_numpy().argmin())] != number
        around = {"y": slice(y - 5, y + 5), "x": slice(x - 8, x + 8)}
        for name in ("composite", "reference"):
            clean, found = (q[name].sel(around) for q in (results.quality, quality))
            assert np.abs(found - clean).mean() < 0.1


def test_where_all_frames_are_hidden_they_are_stacked(with_foreground, spoilt):
    everywhere = with_foreground.alignment.copy(deep=True)
    everywhere["foreground"][:] = 255
    of_best = skry.stack(spoilt, everywhere, *with_foreground[1:3], skry.StackOptions(number=2))
    assert (of_best["count"] == 2).all()


def test_the_light_of_a_frame_is_that_of_its_clear_half(simulated):
    frames = np.repeat(simulated["frames"].to_numpy()[:1], 9, axis=0)
    frames[3, :, :104] = np.rint(0.6 * frames[3, :, :104])
    frames[5] = np.rint(0.7 * frames[5])
    light, cells = cells_of(frames)
    np.testing.assert_allclose(light, [1, 1, 1, 1, 1, 0.7, 1, 1, 1], atol=0.01)
    assert cells[3, :, :11].mean() > 0.6
    assert not cells[3, :, 13:].any()
    assert not np.delete(cells, 3, axis=0).any()


def test_a_thin_trail_is_found_along_its_length(simulated):
    frames = np.repeat(simulated["frames"].to_numpy()[:1], 9, axis=0)
    frames[6, 79:81] = 255
    _, cells = cells_of(frames)
    assert cells[6, 11:13].any(axis=0).mean() > 0.8
    assert not np.delete(cells, 6, axis=0).any()


def test_in_few_frames_nothing_is_usual(simulated):
    _, cells = cells_of(with_birds(simulated["frames"].to_numpy())[2:7])
    assert not cells.any()


def test_cells_are_labelled_on_the_canvas(with_foreground):
    cells = HiddenCells.of(with_foreground.alignment, (160, 208))
    labels = cells.labels_at(np.array([-1, 0, 159, 160]), np.array([-5, 0, 207, 208]))
    outside = N_SIDE**2
    assert labels[0].tolist() == labels[-1].tolist() == [outside] * 4
    assert labels[1].tolist() == [outside, 0, N_SIDE - 1, outside]
    for hidden, (number, place) in zip(cells.cells, BIRDS.items(), strict=True):
        at = np.rint(place - with_foreground.alignment["offset"].to_numpy()[number]).astype(int)
        assert hidden[cells.labels_at(*at[:, None])].all()


def test_a_frame_that_was_exposed_longer_does_not_make_a_weighted_stack_brighter(simulated):
    frames = simulated["frames"].to_numpy() // 2
    brighter = frames.copy()
    brighter[7] = simulated["frames"].to_numpy()[7]

    def stacked(frames: Frames) -> xr.DataArray:
        capture = capture_of(frames, bits=8)
        of = run_phases(capture)
        weight = np.full(of.points["valid"].shape, 255, np.uint8)
        points = of.points.assign(weight=(("frame", "point"), weight))
        return skry.stack(capture, *of[:2], points)["stack"].compute()

    even, found = stacked(frames), stacked(brighter)
    assert abs(float(found.mean() / even.mean()) - 1) < 0.01
