from __future__ import annotations

import numpy as np
import pytest

from skry_dask.finishing.derotation import derotated
from skry_dask.geometry.globe.rotation import Globe
from skry_dask.simulation.globe import TurningGlobe


@pytest.fixture(scope="module")
def jupiter() -> TurningGlobe:
    return TurningGlobe.of(150, 170, 0, np.random.default_rng(7))


@pytest.mark.parametrize("turn", [-6.0, 6.0])
@pytest.mark.parametrize("colour", [False, True])
def test_a_globe_is_shown_as_it_was_before_it_turned(
    jupiter: TurningGlobe, turn: float, colour: bool
) -> None:
    before, after = jupiter.picture(0.0), jupiter.picture(turn)
    given = np.stack([after, 0.5 * after, after], axis=-1) if colour else after
    found = derotated(given, Globe(jupiter.disc), np.array([turn, 0.0]))
    assert found.shape == given.shape
    grey = found[..., 1] * 2 if colour else found
    # Not where the limb has just come into sight, or what was there has gone.
    grid = np.moveaxis(np.indices(before.shape, float), 0, -1)
    inner = jupiter.disc.cosine_of_view(grid) > 0.35
    assert (grey - before)[inner].std() < 0.25 * (after - before)[inner].std()
    assert abs((grey - before)[inner].mean()) < 0.01


def test_the_sky_stays(jupiter: TurningGlobe) -> None:
    image = jupiter.picture(0.0) + np.float32(0.05)
    found = derotated(image, Globe(jupiter.disc), np.array([5.0, 0.0]))
    grid = np.moveaxis(np.indices(image.shape, float), 0, -1)
    outside = jupiter.disc.distance_to_limb(grid) < 0
    np.testing.assert_array_equal(found[outside], image[outside])
