"""Layers of air: carried by the wind, seen from directions at their heights."""

from __future__ import annotations

import math

import numpy as np
import pytest

from skry_dask.simulation.optics.air import Air, screen_side
from skry_dask.simulation.optics.screens import Layer, draw_screen

N, SPACING = 16, 0.01


@pytest.fixture(scope="module")
def screen() -> np.ndarray:
    return draw_screen(np.random.default_rng(1), 256, SPACING, 0.05)


def air(**layer: float) -> Air:
    known = {"height": 0.0, "share": 1.0, "wind": 0.0, "turnover": math.inf}
    # A patch further is 2 px of a screen at 1 km.
    return Air([np.random.default_rng(2)], (5, 6), 2e-5, N, SPACING, (Layer(**known | layer),))


def test_all_patches_see_the_same_air_near_the_ground(screen: np.ndarray) -> None:
    rows = [air().row(row, 0.0, [screen]) for row in range(5)]
    assert rows[0].shape == (6, N, N)
    assert (np.array(rows) == rows[0][0]).all()


def test_directions_part_with_height(screen: np.ndarray) -> None:
    near, far = air(height=1000.0), air(height=3000.0)
    for layer, px in ((near, 2), (far, 6)):
        first, second = layer.row(0, 0.0, [screen]), layer.row(1, 0.0, [screen])
        np.testing.assert_array_equal(first[0][:, px:], first[1][:, :-px])
        np.testing.assert_array_equal(first[0][px:], second[0][:-px])


def test_wind_carries_the_air(screen: np.ndarray) -> None:
    windy = air(wind=10.0)
    before, after = (windy.row(0, time, [screen])[0] for time in (0.0, 0.01))
    found = [
        (dy, dx)
        for dy in range(N // 2 * -1 - 3, N // 2 + 4)
        for dx in range(N // 2 * -1 - 3, N // 2 + 4)
        if np.array_equal(
            before[max(0, -dy) : N - max(0, dy), max(0, -dx) : N - max(0, dx)],
            after[max(0, dy) : N - max(0, -dy), max(0, dx) : N - max(0, -dx)],
        )
    ]
    assert len(found) == 1
    assert math.hypot(*found[0]) == pytest.approx(10.0, abs=1.0)  # px


def test_air_turns_into_other_air_of_the_same_strength(screen: np.ndarray) -> None:
    boiling = air(turnover=2.0)
    now, later, half = (boiling.row(0, time, [screen])[0] for time in (0.0, 2.0, 1.0))
    np.testing.assert_allclose(half, (now + later) / math.sqrt(2), atol=1e-4)
    # Mean squares of the whole screen, of which each is a part.
    assert screen.real.std() == pytest.approx(screen.imag.std(), rel=0.3)
    assert not np.allclose(now, later)


def test_the_period_of_a_screen_is_longer_than_the_outer_scale_as_far_as_memory_goes() -> None:
    assert screen_side(0.05) == 512
    assert screen_side(0.001) == 2048
