from __future__ import annotations

import numpy as np
import pytest

from skry_dask.geometry.globe.disc import Disc

SPHERE = Disc(y=50.0, x=60.0, radius=40.0, polar=1.0, latitude=0.0, pole_angle=0.0)
TILTED = Disc(y=50.0, x=60.0, radius=40.0, polar=0.9, latitude=20.0, pole_angle=35.0)


def test_the_middle_of_a_sphere_moves_by_the_sine_of_its_turn() -> None:
    moved = SPHERE.displacement(np.array([[50.0, 60.0]]), np.array([-3.0, 0.0, 3.0]))
    np.testing.assert_allclose(moved[:, 0, 1], 40 * np.sin(np.deg2rad([-3.0, 0.0, 3.0])))
    np.testing.assert_allclose(moved[:, 0, 0], 0.0, atol=1e-12)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("pole_angle", [0.0, 90.0, 180.0, -30.0])
def test_a_globe_turns_to_the_right_of_its_pole_or_to_the_left_in_a_mirror(
    pole_angle: float, mirrored: bool
) -> None:
    disc = Disc(
        y=0, x=0, radius=40, polar=0.93, latitude=0, pole_angle=pole_angle, mirrored=mirrored
    )
    moved = disc.displacement(np.zeros((1, 2)), np.array([1.0]))[0, 0]
    turn = np.deg2rad(pole_angle)
    right_of_pole = np.array([-np.sin(turn), np.cos(turn)]) * (-1 if mirrored else 1)
    assert moved @ right_of_pole == pytest.approx(40 * np.sin(np.deg2rad(1.0)))


def test_turning_there_and_back_ends_where_it_began() -> None:
    along, up = np.meshgrid(np.linspace(-0.8, 0.8, 9), np.linspace(-0.7, 0.7, 8))
    points = np.stack([along, up], axis=-1).reshape(-1, 2) @ TILTED.axes * 40 + [50.0, 60.0]
    seen = points[TILTED.cosine_of_view(points) > 0.4]
    there = seen + TILTED.displacement(seen, np.array([8.0]))[0]
    back = there + TILTED.displacement(there, np.array([-8.0]))[0]
    np.testing.assert_allclose(back, seen, atol=1e-9)


def test_a_turn_changes_longitudes_and_no_latitude() -> None:
    points = TILTED.axes.T @ np.array([0.3, -0.4]) * 40 + np.array([[50.0, 60.0]])
    before = TILTED.coordinates(points)
    after = TILTED.coordinates(points + TILTED.displacement(points, np.array([10.0]))[0])
    assert after[0] - before[0] == pytest.approx(10.0)
    assert after[1] == pytest.approx(before[1])


def test_the_limb_and_the_sky_stay() -> None:
    angle = np.linspace(0, 2 * np.pi, 50)
    outline = np.stack([np.cos(angle), np.sin(angle) * TILTED.apparent_polar], axis=-1)
    for size in (0.9999, 1.01, 2.0):
        points = size * outline @ TILTED.axes * 40 + [50.0, 60.0]
        moved = TILTED.displacement(points, np.array([-5.0, 5.0]))
        np.testing.assert_allclose(moved, 0.0, atol=0.05)


def test_what_turns_out_of_sight_stays_at_the_limb() -> None:
    points = np.array([[50.0, 60.0 + 40 * np.sin(np.deg2rad(70.0))]])
    moved = SPHERE.displacement(points, np.array([20.0, 40.0, 100.0]))[:, 0, 1]
    np.testing.assert_allclose(points[0, 1] + moved, 100.0, atol=0.05)


def test_the_outline_of_a_flat_globe_is_an_ellipse_along_its_equator() -> None:
    pole = TILTED.axes[1] * TILTED.apparent_polar * 40 + [50.0, 60.0]
    equator = TILTED.axes[0] * 40 + [50.0, 60.0]
    inside = TILTED.distance_to_limb(np.array([pole, equator, [50.0, 60.0]]))
    np.testing.assert_allclose(inside[:2], 0.0, atol=1e-9)
    assert TILTED.apparent_polar == pytest.approx(
        np.sqrt((0.9 * np.cos(np.deg2rad(20))) ** 2 + np.sin(np.deg2rad(20)) ** 2)
    )


def test_the_surface_of_the_sun_turns_by_latitude() -> None:
    at_equator, at_60 = 0.0, 40 * np.sin(np.deg2rad(60.0))
    points = np.array([[50.0, 60.0 - at_equator], [50.0 - at_60, 60.0]])
    moved = SPHERE.displacement(points, np.array([0.0]), flow=(0.5, -2.0, -1.0), days=1.0)
    sine = np.sin(np.deg2rad(60)) ** 2
    turns = np.deg2rad([0.5, 0.5 - 2.0 * sine - sine**2])
    np.testing.assert_allclose(moved[0, :, 1], 40 * np.sin(turns) * [1.0, 0.5])
