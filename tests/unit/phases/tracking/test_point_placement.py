"""Placement of reference points on the reference image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from skry_dask.errors import OptionsError
from skry_dask.geometry.canvas import Region
from skry_dask.options import TrackOptions
from skry_dask.phases.tracking.point_placement import given_points, place_points
from tests.small_captures import texture

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=25)
SHAPE = (160, 200)


def region(shape=SHAPE, *, y=-9, x=14):
    return Region(y, x, *shape)


def detail(shape=SHAPE, seed=1):
    """Draw detail everywhere, 0.2 to 0.8."""
    return (0.2 + 0.6 * texture(*shape, seed)).astype(np.float32)


def place(image, **options):
    return place_points(image, region(image.shape), TrackOptions(**options))


# --- placed automatically ------------------------------------------------------------------------


@REPEATABLE
@given(
    st.integers(16, 90),
    st.integers(16, 90),
    st.sampled_from([8, 16, 32, 64]),
    st.integers(8, 40),
    st.integers(0, 99),
)
def test_blocks_lie_inside_the_region_and_cells_have_one_point_each(
    height, width, block_size, spacing, seed
):
    where = region((height, width))
    options = TrackOptions(block_size=block_size, spacing=spacing)
    points = place_points(detail(where.shape, seed), where, options)
    assert points.dtype == np.int64
    corners = points - [where.y, where.x] - block_size // 2
    assert (corners >= 0).all()
    assert (corners + block_size <= [height, width]).all()
    assert len(np.unique(corners // spacing, axis=0)) == len(corners)


def test_detail_everywhere_fills_every_cell_row_by_row():
    points = place(detail(), block_size=32, spacing=24)
    # 6 by 8 cells have their first corner where a block still fits.
    assert len(points) == 6 * 8
    cells = (points - [-9 + 16, 14 + 16]) // 24
    np.testing.assert_array_equal(cells, np.argwhere(np.ones((6, 8))))


def test_points_lie_on_detail():
    image = np.full(SHAPE, 0.5, np.float32)
    image[:, 100:] = detail()[:, 100:]
    points = place(image)
    assert len(points) > 10
    # Every block, shifted by twice the structure scale, contains some of the detail.
    assert (points[:, 1] - 14 + 16 + 2 > 99).all()


def test_a_flat_image_has_no_points():
    for level in (0.0, 0.3, 1.0):
        assert place(np.full(SHAPE, level, np.float32)).shape == (0, 2)


def test_noise_alone_has_no_points():
    noise = np.random.default_rng(2).normal(size=SHAPE)
    for sigma in (0.002, 0.02):
        assert len(place((0.5 + sigma * noise).astype(np.float32))) == 0


@pytest.mark.parametrize("degrees", [0.0, 20.0, 45.3, 60.0, 90.0, 135.3])
def test_a_lone_straight_edge_has_no_points(degrees):
    # A limb: overexposed on one side, sky on the other, and as sharp as a telescope shows it.
    # (Drawn larger and cut out: a blur that mirrors the image at its border would bend the edge.)
    y, x = np.indices((SHAPE[0] + 20, SHAPE[1] + 20)) - 10
    angle = np.deg2rad(degrees)
    distance = (y - 80) * np.sin(angle) + (x - 100) * np.cos(angle)
    edge = ndimage.gaussian_filter(np.clip(distance / 3 + 0.5, 0, 1), 1.5)[10:-10, 10:-10]
    for dark, bright in ((0.0, 1.0), (0.1, 0.9), (0.05, 0.7)):
        image = dark + (bright - dark) * edge
        assert len(place(image.astype(np.float32))) == 0


@pytest.mark.parametrize("radius", [40, 90, 150])
def test_the_limb_of_a_planet_has_points_all_around(radius):
    # A disc whose face shows nothing: one component of its motion is known all along the limb.
    y, x = np.indices((360, 400))
    away = np.hypot(y - 180, x - 200)
    disc = np.sqrt(np.clip(1 - (away / radius) ** 2, 0, 1))
    points = place(ndimage.gaussian_filter(disc, 1.5).astype(np.float32)) - [-9 + 180, 14 + 200]
    at_limb = points[np.abs(np.hypot(*points.T) - radius) < 16]
    angle = np.sort(np.arctan2(*at_limb.T))
    gaps = np.diff(np.append(angle, angle[0] + 2 * np.pi))
    # Neighbours along the limb are at most two cells of 24 px and their diagonal apart.
    assert (gaps * radius).max() < 3 * 24


def test_a_straight_edge_gets_points_on_demand():
    edge = ndimage.gaussian_filter(np.where(np.arange(200) < 90, 0.2, 0.8), 1.5)
    image = (np.tile(edge, (160, 1)) + 1e-3 * detail()).astype(np.float32)
    assert len(place(image, gradient_spread=0.0)) > 0
    assert len(place(image[:, 60:120])) == 0


def test_dark_areas_have_no_points():
    image = detail()
    image[:, :100] *= 0.05
    assert (place(image)[:, 1] - 14 >= 100).all()
    assert (place(image, brightness=0.0)[:, 1] - 14 < 90).any()


def test_a_higher_structure_threshold_leaves_fewer_points():
    image = detail() + np.random.default_rng(3).normal(size=SHAPE).astype(np.float32) * 0.03
    numbers = [len(place(image, structure=s)) for s in (1.0, 1.5, 2.0, 3.0, 4.0)]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] > numbers[-1] == 0


def test_points_do_not_depend_on_the_exposure():
    expected = place(detail())
    for factor in (0.1, 3.0):
        np.testing.assert_array_equal(place(detail() * np.float32(factor)), expected)


def test_a_region_smaller_than_a_block_has_no_points():
    assert place(detail((20, 90)), block_size=32).shape == (0, 2)


# --- given by the user ---------------------------------------------------------------------------


def test_given_points_are_rounded_to_whole_pixels_in_their_order():
    options = TrackOptions(points=((40.4, 90.6), (10, 31), (40.4, 90.6)), block_size=32)
    points = given_points(region(), options)
    np.testing.assert_array_equal(points, [(40, 91), (10, 31), (40, 91)])
    assert points.dtype == np.int64


def test_points_whose_blocks_just_fit_are_accepted():
    points = ((7, 30), (135, 198), (7, 198))
    np.testing.assert_array_equal(given_points(region(), TrackOptions(points=points)), points)


@pytest.mark.parametrize("point", [(6, 100), (136, 100), (50, 29), (50, 199), (0, 0), (1e9, -1e9)])
def test_given_points_whose_blocks_leave_the_region_are_refused_with_the_range(point):
    with pytest.raises(OptionsError, match=r"y from 7 to 135, x from 30 to 198") as caught:
        given_points(region(), TrackOptions(points=((60, 60), point)))
    assert f"({point[0]:g}, {point[1]:g})" in str(caught.value)
