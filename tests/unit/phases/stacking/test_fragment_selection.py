"""Which fragments are stacked."""

import dask.array as da
import numpy as np
import pytest

import skry_dask as skry
from skry_dask.geometry.canvas import Region, union_region
from skry_dask.geometry.mesh import TriangleMesh
from skry_dask.phases.stacking.fragment_selection import (
    pack_selection,
    select_fragments,
    select_to_cover,
    unpack_fragments,
    unpack_selection,
)
from skry_dask.phases.stacking.frame_coverage import FrameCoverage
from tests import reference

# --- criteria ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("percent", "number"), [(100, 10), (30, 3), (25, 2), (1, 1), (1e-6, 1)])
def test_percent_is_of_the_active_frames_and_selects_one_at_least(percent, number):
    quality = np.random.default_rng(1).random((12, 30))
    quality[[2, 7]] = np.nan
    selected = select_fragments(quality, skry.StackOptions(percent=percent))
    assert selected.dtype == bool
    assert (selected.sum(axis=0) == number).all()
    assert not selected[[2, 7]].any()
    worst = np.where(selected, quality, np.inf).min(axis=0)
    rest = np.where(selected, -np.inf, np.nan_to_num(quality, nan=-np.inf)).max(axis=0)
    assert (worst >= rest).all()


def test_number_selects_that_many_frames_or_all_where_there_are_fewer():
    quality = np.random.default_rng(2).random((12, 30))
    quality[[0, 11]] = np.nan
    for number, selected in ((1, 1), (4, 4), (10, 10), (999, 10)):
        chosen = select_fragments(quality, skry.StackOptions(number=number))
        assert (chosen.sum(axis=0) == selected).all()


def test_min_quality_lies_between_the_worst_and_the_best_of_each_triangle():
    quality = np.array([[0.0, 10.0], [5.0, 30.0], [10.0, 20.0], [np.nan, np.nan]])
    for min_quality, expected in (
        (0.0, [[0, 1, 2], [0, 1, 2]]),
        (0.5, [[1, 2], [1, 2]]),
        (0.6, [[2], [1]]),
        (1.0, [[2], [1]]),
    ):
        selected = select_fragments(quality, skry.StackOptions(min_quality=min_quality))
        assert [np.flatnonzero(column).tolist() for column in selected.T] == expected


@pytest.mark.parametrize("min_quality", [0.999999, 1.0])
def test_the_best_frame_of_every_triangle_always_meets_min_quality(min_quality):
    # Rounding must not lift the threshold above the best.
    quality = np.random.default_rng(3).lognormal(size=(3, 20000))
    selected = select_fragments(quality, skry.StackOptions(min_quality=min_quality))
    assert selected.any(axis=0).all()


def test_triangles_that_no_frame_shows_get_no_frame():
    quality = np.array([[1.0, np.nan], [2.0, np.nan], [np.nan, np.nan]])
    for options in ({"min_quality": 0.0}, {"min_quality": 1.0}, {"number": 5}, {"percent": 100}):
        selected = select_fragments(quality, skry.StackOptions(**options), n_active=2)
        assert selected[:, 0].any()
        assert not selected[:, 1].any()
        assert not selected[2].any()


# --- coverage ------------------------------------------------------------------------------------


def test_coverage_says_which_frames_show_all_and_which_part_of_a_triangle():
    offset = np.array([[0.0, 0.0], [0.0, 300.0], [-40.0, 0.0]])
    region = union_region(offset, np.ones(3, bool), 50, 60)
    assert region == Region(0, -300, 90, 360)
    mesh = TriangleMesh.of_points(np.array([[10.0, 10.0]]), region, gaps=True)
    complete, partial = FrameCoverage(mesh, offset, (50, 60)).of_triangles(slice(None))
    labels = reference.fragment_of_each_pixel(mesh)
    for i, (down, right) in enumerate(offset):
        y, x = np.indices(labels.shape)
        y, x = y + region.y + down, x + region.x + right
        inside = (y >= 0) & (y <= 49) & (x >= 0) & (x <= 59)
        assert partial[i, np.unique(labels[inside])].all()
        assert not complete[i, np.unique(labels[~inside])].any()
    assert (partial >= complete).all()
    assert complete.any()
    assert not partial.all()


def test_a_triangle_is_covered_by_its_best_complete_frame_or_by_all_that_show_part_of_it():
    quality = np.array([[1.0, 3.0, np.nan], [2.0, 2.0, 5.0], [3.0, 1.0, 4.0]])
    complete = np.array([[True, False, False], [True, False, False], [False, False, True]])
    expected = [[False, True, False], [True, True, False], [False, True, True]]
    np.testing.assert_array_equal(select_to_cover(quality, complete), expected)


# --- packing -------------------------------------------------------------------------------------


def test_packed_selections_are_unpacked_to_themselves_lazy_or_not():
    rng = np.random.default_rng(4)
    for n_fragments in (1, 8, 19):
        selected = rng.random((6, 2, n_fragments)) < 0.5
        packed = pack_selection(selected)
        assert packed.shape == (6, 2, -(-n_fragments // 8))
        np.testing.assert_array_equal(unpack_selection(packed, n_fragments), selected)
        some = np.unique(rng.integers(0, n_fragments, 5))
        np.testing.assert_array_equal(unpack_fragments(packed, some), selected[..., some])
        assert pack_selection(packed) is packed
        lazy = pack_selection(da.from_array(selected, chunks=(4, 1, 5)))
        assert lazy.shape == packed.shape
        np.testing.assert_array_equal(lazy.compute(), packed)
