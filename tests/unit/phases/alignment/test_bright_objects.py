"""Bright objects on a dark sky: found, measured, and told from landscapes."""

import numpy as np
import pytest

from skry_dask.phases.alignment.bright_objects import (
    find_brightest_object,
    is_on_dark_sky,
    measure_disc,
)
from skry_dask.phases.alignment.frame_alignment import Reason
from skry_dask.phases.alignment.thumbnails import make_thumbnails
from tests.small_captures import disc, expose, texture


def stands_alone(light):
    thumbnail = make_thumbnails(expose(light))
    found = find_brightest_object(thumbnail, 255)
    return found is not None and is_on_dark_sky(thumbnail, found)


# --- on a dark sky -------------------------------------------------------------------------------


@pytest.mark.parametrize("radius", [4, 15, 50])
def test_planets_stand_on_a_dark_sky(radius):
    light = disc((80, 100), radius=radius)
    assert stands_alone(light)
    assert stands_alone(light + disc((20, 30), radius=2))
    assert stands_alone(light * (np.indices(light.shape)[1] < 100))


def test_landscapes_do_not_stand_on_a_dark_sky():
    assert not stands_alone(texture(160, 200))
    assert not stands_alone(texture(160, 200, scale=6))
    assert not stands_alone(disc((80, 100), radius=90))
    assert not stands_alone(0.5 * texture(160, 200) + disc((80, 100), radius=15) / 2)
    assert not stands_alone(np.full((160, 200), 0.3))


# --- centre and diameter -------------------------------------------------------------------------


def test_the_centre_of_brightness_is_where_the_disc_is():
    found = measure_disc(expose(disc((71.3, 88.8))), 255)
    assert found.centre == pytest.approx((71.3, 88.8), abs=0.05)
    assert found.diameter == pytest.approx(60, abs=0.5)
    large = measure_disc(expose(disc((201.0, 333.3), radius=90, shape=(480, 640))), 255)
    assert large.centre == pytest.approx((201.0, 333.3), abs=0.05)


def test_stars_moons_and_hot_pixels_do_not_pull_the_centre():
    frame = expose(disc((60, 70)) + disc((60, 120), radius=5) + disc((110, 40), radius=3))
    frame[150, 190] = frame[10, 180] = 250
    assert measure_disc(frame, 255).centre == pytest.approx((60, 70), abs=0.05)


def test_a_disc_cut_by_the_border_is_refused_one_that_touches_it_is_not():
    for centre in ((5, 100), (80, 190), (150, 100), (80, 12)):
        assert measure_disc(expose(disc(centre)), 255).reason is Reason.CUT_BY_BORDER
    for centre in ((31.5, 100), (80, 168)):
        found = measure_disc(expose(disc(centre)), 255)
        assert found.reason is Reason.ACTIVE
        assert found.centre == pytest.approx(centre, abs=0.05)


def test_an_empty_sky_has_no_disc():
    for level in (0.0, 0.5):
        found = measure_disc(expose(np.full((160, 200), level), noise=1.0), 255)
        assert found.reason is Reason.NOTHING_TO_SEE
        assert found.diameter == 0
