"""Against Meeus, Astronomical Algorithms, 2nd edition, 1998, examples 29.a, 42.a, 43.a and 45.a."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from skry_dask.geometry.globe.ephemeris import view_from_earth
from skry_dask.options.rotation import Body, System

PUBLISHED = [
    # Longitudes of the Sun are counted the other way; those of Jupiter are of the lit disc, whose
    # middle is 0.43 degrees off that day.
    (Body.SUN, "1992-10-13", None, 5.99, 360 - 238.63, 26.27),
    (Body.MARS, "1992-11-09", None, 12.44, 111.55, 347.64 - 360),
    (Body.JUPITER, "1992-12-16", System.I, -2.48, 268.06 - 0.43, 24.80),
    (Body.JUPITER, "1992-12-16", System.II, -2.48, 72.74 - 0.43, 24.80),
    (Body.SATURN, "1992-12-16", None, 16.44, None, 6.74),
]


@pytest.mark.parametrize(("body", "day", "system", "latitude", "meridian", "pole"), PUBLISHED)
def test_views_agree_with_published_ones(
    body: Body, day: str, system: System | None, latitude: float, meridian: float, pole: float
) -> None:
    view = view_from_earth(body, np.datetime64(day), system)
    assert view.latitude == pytest.approx(latitude, abs=0.1)
    assert view.pole_angle == pytest.approx(pole, abs=0.1)
    if meridian is not None:
        assert view.meridian == pytest.approx(meridian, abs=0.2)


def test_mars_is_lit_from_where_it_is_published() -> None:
    view = view_from_earth(Body.MARS, np.datetime64("1992-11-09"))
    assert (1 + np.cos(np.deg2rad(view.phase))) / 2 == pytest.approx(0.9012, abs=1e-4)
    assert view.sun_angle == pytest.approx(99.91, abs=0.1)


def test_jupiter_turns_6_degrees_in_ten_minutes() -> None:
    first, last = (
        view_from_earth(Body.JUPITER, np.datetime64(f"2026-11-02T21:{minute}:03")).meridian
        for minute in (14, 24)
    )
    assert last - first == pytest.approx(6.04, abs=0.01)


def test_without_astropy_the_extra_is_named() -> None:
    script = (
        "import sys; sys.modules['astropy'] = None\n"
        "import numpy as np\n"
        "from skry_dask.geometry.globe.ephemeris import view_from_earth\n"
        "from skry_dask.options.rotation import Body\n"
        "from skry_dask.errors import OptionsError\n"
        "try: view_from_earth(Body.MARS, np.datetime64('2026-11-02'))\n"
        "except OptionsError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "skry_dask[derotate]" in done.stdout
