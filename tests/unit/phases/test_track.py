"""Track: how points move, what becomes of gaps, and which options are refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import skry_dask as skry
from skry_dask.errors import OptionsError
from tests.phase_results import TRACK
from tests.small_captures import capture_of, expose, texture

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_points_of_the_user_are_used_as_they_are(moon12, results):
    points = ((90, 120), (40, 60), (61, 33))
    options = skry.TrackOptions(points=points, block_size=24)
    tracked = skry.track(moon12, results.alignment, results.quality, options).compute()
    np.testing.assert_array_equal(tracked["position"], points)
    stack = skry.stack(moon12, results.alignment, results.quality, tracked).compute()
    assert stack["stack"].notnull().all()


def test_blocks_lie_inside_the_region(results):
    y, x = (results.quality[axis].to_numpy() for axis in "yx")
    position = results.points["position"].to_numpy()
    corners = position - TRACK.block_size // 2 - [y[0], x[0]]
    assert (corners >= 0).all()
    assert (corners + TRACK.block_size <= [len(y), len(x)]).all()


def test_the_mean_displacement_of_a_point_that_is_always_measured_is_zero(results):
    always = results.points["valid"].all("frame")
    assert int(always.sum()) >= 10
    mean = results.points["displacement"].mean("frame")[always.to_numpy()]
    assert float(np.abs(mean).max()) < 1e-4


def test_inactive_frames_have_no_displacement(spoiled_results, bad, good):
    points = spoiled_results.points
    assert np.isnan(points["displacement"].to_numpy()[bad]).all()
    assert np.isfinite(points["displacement"].to_numpy()[good]).all()
    assert not points["valid"][bad].any()


def test_a_point_that_is_not_measured_moves_like_its_neighbours():
    # The air bends the first frame, which is the sharpest; in the others something hides a point.
    # It has to follow its neighbours as they move about their mean, not as they differ from the
    # reference image.
    light = texture(180, 210)
    hidden = (90, 130)
    bent = light.copy()
    bent[:, 60:] = ndimage.shift(light, (0.0, -4.0), order=3, mode="nearest")[:, 60:]
    soft = ndimage.gaussian_filter(light, 0.8)
    soft[70:110, 110:150] = 0.5
    frames = [expose(bent, noise=1), *(expose(soft, seed=i, noise=1) for i in range(1, 5))]
    capture = capture_of(frames)
    grid = [(y, x) for y in (50, 90, 130) for x in (90, 130, 170)]
    alignment = skry.align(capture, skry.AlignOptions(anchor_size=32, reference=0)).compute()
    quality = skry.estimate_quality(capture, alignment).compute()
    options = skry.TrackOptions(points=grid, block_size=24, search_radius=8)
    points = skry.track(capture, alignment, quality, options).compute()
    lost = grid.index(hidden)
    valid = points["valid"].to_numpy()
    assert not valid[1:, lost].any()
    assert valid[:, [i for i in range(len(grid)) if i != lost]].all()
    moved = points["displacement"].to_numpy()
    expected = np.delete(moved, lost, axis=1).mean(axis=1)
    whole = expected + alignment["offset"].to_numpy()
    whole -= whole.mean(axis=0)
    np.testing.assert_allclose(whole, [(0, -3.2), *[(0, 0.8)] * 4], atol=0.2)
    np.testing.assert_allclose(moved[1:, lost], expected[1:], atol=0.2)


def test_no_points_and_one_point_stack_too(moon12, results):
    for points in ((), ((80, 100),)):
        # No place of this capture has that much structure.
        options = skry.TrackOptions(points=points, structure=4.0)
        tracked = skry.track(moon12, results.alignment, results.quality, options).compute()
        assert tracked["displacement"].shape == (12, len(points), 2)
        stack = skry.stack(moon12, results.alignment, results.quality, tracked).compute()
        assert stack["stack"].notnull().all()
        assert (stack["count"] == 4).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"search_radius": 121}, r"search_radius is 121: it must be from 2 to 120, .* 208 x 120"),
        (
            {"block_size": 128},
            r"block_size is 128: it must be from 8 to 1\d\d, .* has \d+ x 1\d+ px",
        ),
    ],
)
def test_lengths_larger_than_the_frame_are_refused_with_the_range(
    moon12, results, options, message
):
    low = moon12.isel(y=slice(0, 120))
    quality = skry.estimate_quality(low, results.alignment)
    with pytest.raises(OptionsError, match=message):
        skry.track(low, results.alignment, quality, skry.TrackOptions(**options))


def test_points_outside_the_region_are_refused_with_the_range(moon12, results):
    options = skry.TrackOptions(points=((3, 60),))
    with pytest.raises(OptionsError, match=r"point \(3, 60\).*y from "):
        skry.track(moon12, results.alignment, results.quality, options)
