from __future__ import annotations

import numpy as np
import pytest

from skry_dask.finishing.derotation import derotated
from skry_dask.geometry.globe.rotation import Globe
from skry_dask.options.rotation import Body
from skry_dask.simulation.globe import TurningGlobe


@pytest.fixture(scope="module", params=[Body.JUPITER, Body.SATURN, Body.MARS])
def globe(request: pytest.FixtureRequest) -> TurningGlobe:
    return TurningGlobe.of(request.param, 150, 170, 0, np.random.default_rng(7))


@pytest.mark.parametrize("turn", [-6.0, 6.0])
@pytest.mark.parametrize("colour", [False, True])
def test_a_globe_is_shown_as_it_was_before_it_turned(
    globe: TurningGlobe, turn: float, colour: bool
) -> None:
    before, after = globe.picture(0.0), globe.picture(turn)
    given = np.stack([after, 0.5 * after, after], axis=-1) if colour else after
    found = derotated(given, Globe(globe.disc), np.array([turn, 0.0]))
    assert found.shape == given.shape
    grey = found[..., 1] * 2 if colour else found
    # Not where limb or terminator have just come into sight, or what was there has gone.
    grid = np.moveaxis(np.indices(before.shape, float), 0, -1)
    inner = np.minimum(globe.disc.cosine_of_view(grid), globe.disc.cosine_of_light(grid)) > 0.35
    inner &= globe.disc.behind_rings(grid) == 0
    # Saturn is smaller; on Mars the law of shading is told less well, because of its bright cap.
    assert (grey - before)[inner].std() < 0.35 * (after - before)[inner].std()
    assert abs((grey - before)[inner].mean()) < 0.01


def test_rings_stay() -> None:
    saturn = TurningGlobe.of(Body.SATURN, 150, 170, 0, np.random.default_rng(7))
    image = saturn.picture(0.0)
    found = derotated(image, Globe(saturn.disc), np.array([8.0, 0.0]))
    grid = np.moveaxis(np.indices(image.shape, float), 0, -1)
    hidden = saturn.disc.behind_rings(grid) == 1
    assert hidden.sum() > 100
    np.testing.assert_array_equal(found[hidden], image[hidden])


def test_the_sky_stays(globe: TurningGlobe) -> None:
    image = globe.picture(0.0) + np.float32(0.05)
    found = derotated(image, Globe(globe.disc), np.array([5.0, 0.0]))
    grid = np.moveaxis(np.indices(image.shape, float), 0, -1)
    outside = globe.disc.distance_to_limb(grid) < 0
    np.testing.assert_array_equal(found[outside], image[outside])
