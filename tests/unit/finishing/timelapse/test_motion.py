from __future__ import annotations

import numpy as np
import pytest

from skry_dask.finishing.timelapse.motion import motion_that_goes_on

AIR_PX = 0.5
SHAPE = (8, 10)


def displacements(n: int, speed: float) -> np.ndarray:
    """The air's, everywhere, and motion to the right in the left half."""
    values = np.random.default_rng(n).normal(0.0, AIR_PX, (n, *SHAPE, 2))
    values[:, :, :5, 1] += speed * np.arange(n)[:, None, None]
    return values


@pytest.mark.parametrize("n", [6, 20, 100])
def test_what_the_air_displaces_does_not_go_on(n: int) -> None:
    going_on = motion_that_goes_on(displacements(n, speed=0.0))
    assert going_on.std(axis=0).max() < 0.6 * AIR_PX
    assert np.sqrt(going_on.var(axis=0).mean()) < 0.1 * AIR_PX


@pytest.mark.parametrize("speed", [0.5, 3.0])
def test_what_moves_goes_on(speed: float) -> None:
    going_on = motion_that_goes_on(displacements(20, speed))
    steps = np.diff(going_on, axis=0).mean(axis=0)
    np.testing.assert_allclose(steps[:, :4, 1], speed, atol=0.15)
    assert np.abs(steps[:, 7:]).mean() < 0.02


def test_few_images_follow_lines() -> None:
    values = np.zeros((3, 2, 2, 2))
    values[:, 0, 0, 0] = (0.0, 1.0, 2.0)
    np.testing.assert_allclose(motion_that_goes_on(values), values, atol=1e-9)
    assert not motion_that_goes_on(values[:1]).any()
