"""Growing stacks: frames are added a few at a time, and in the end the stack is there."""

from __future__ import annotations

from functools import reduce
from operator import add

import numpy as np
import pytest
import xarray as xr

import skry_dask as skry
from skry_dask.phases.growing_stack import GrowingStack
from tests.phase_results import known_results
from tests.small_captures import texture

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def case():
    """Twelve frames of a drifting scene; the fifth is not active."""
    rng = np.random.default_rng(2)
    scene = 40 + 160 * texture(110, 140, scale=3)
    shifts = [(0, 0), (6, -9), (-12, 5), (3, 20), (-4, -14), (8, 8)] * 2
    frames = np.rint([scene[25 - y :, 25 - x :][:70, :90] for y, x in shifts])
    frames = np.clip(frames + rng.normal(size=frames.shape) * 8, 0, 255).astype(np.uint8)
    active = np.arange(12) != 4
    results = known_results(frames, shifts, quality=rng.random((12, 1)), active=active)
    weight = rng.integers(0, 256, (12, 3)).astype(np.uint8)
    results[3]["displacement"][:] = rng.normal(size=(12, 3, 2))
    return *results[:3], results[3].assign(weight=(("frame", "point"), weight))


def test_all_frames_added_in_any_order_make_the_stack(case):
    *of_frames, points = case
    for options in ({}, {"percent": 40}, {"choose": "frames", "normalise": True}, {"drizzle": 1.5}):
        given = points if options.get("choose") is None and "percent" not in options else None
        given = points.drop_vars("weight") if given is None else given
        how = skry.StackOptions(**options)
        whole = skry.stack(*of_frames, given, how).compute()
        growing = GrowingStack.of(*of_frames, given, how)
        assert 4 not in growing.stacked
        best_first = growing.stacked[::-1]
        groups = [np.sort(group) for group in np.array_split(best_first, 3)]
        parts = [growing.added_by(group).compute() for group in groups]
        last = growing.image(reduce(add, parts)).compute()
        for name in ("stack", "count"):
            xr.testing.assert_equal(last[name], whole[name])
        first = growing.image(parts[0]).compute()
        assert 0 < first["count"].mean() < last["count"].mean()


def test_fragments_lie_where_the_frame_shows_them_and_count_as_they_are_stacked(case):
    capture, alignment, quality, points = case
    growing = GrowingStack.of(capture, alignment, quality, points)
    of_frame = growing.fragments_of(3)
    places = points["position"] + alignment["offset"][3] + points["displacement"][3]
    np.testing.assert_allclose(of_frame.corners[:3], places, rtol=0, atol=1e-5)
    inner = (of_frame.triangles < of_frame.n_points).all(axis=1)
    weight = points["weight"][3].to_numpy()[of_frame.triangles[inner]].mean(axis=1) / 255
    np.testing.assert_allclose(of_frame.share[inner], weight, rtol=1e-5)
    assert not growing.fragments_of(4).share.any()
    best = GrowingStack.of(
        capture, alignment, quality, points.drop_vars("weight"), skry.StackOptions(number=3)
    )
    assert len(best.stacked) == 3
    shares = [best.fragments_of(frame).share for frame in range(12)]
    assert set(np.unique(shares)) == {0, 1}
    np.testing.assert_array_equal(np.sum(shares, axis=0), 3)
