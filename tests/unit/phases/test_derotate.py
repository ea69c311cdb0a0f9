from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.geometry.globe.rotation import Direction, Globe

if TYPE_CHECKING:
    import xarray as xr

OPTIONS = skry.SimulateOptions(
    frames=24, height=160, width=180, rotation=10, drift=(3, -3), warp=0.6, jitter=0.3
)
JUPITER = skry.RotationOptions(derotate="jupiter")


@pytest.fixture(scope="module")
def turning() -> xr.Dataset:
    return skry.simulate("jupiter", OPTIONS).compute()


@pytest.fixture(scope="module")
def found(turning: xr.Dataset) -> xr.Dataset:
    capture = turning.chunk({"frame": 8})
    return skry.derotate(capture, skry.align(capture), JUPITER).compute()


def test_a_globe_turns_as_its_times_say(turning: xr.Dataset, found: xr.Dataset) -> None:
    np.testing.assert_allclose(found["turn"], turning["turn"], atol=0.02)


def test_the_disc_is_found_where_it_is(turning: xr.Dataset, found: xr.Dataset) -> None:
    disc, truth = Globe.of_values(found["globe"].to_numpy()).disc, turning.attrs["disc"]
    shift = (found["offset"] - turning["offset"]).mean("frame").to_numpy()
    assert disc.y + shift[0] == pytest.approx(truth["y"], abs=0.6)
    assert disc.x + shift[1] == pytest.approx(truth["x"], abs=0.6)
    assert disc.radius == pytest.approx(truth["radius"], rel=0.05)
    assert disc.latitude == pytest.approx(truth["latitude"], abs=0.1)


def test_offsets_follow_the_disc_not_its_surface(turning: xr.Dataset, found: xr.Dataset) -> None:
    error = (found["offset"] - turning["offset"]).to_numpy()
    turn = turning["turn"].to_numpy()[:, None]
    drift = (turn * (error - error.mean(axis=0))).sum(axis=0) / (turn**2).sum()
    assert np.abs(drift).max() < 0.12  # px a degree, where the surface moves by 0.84


@pytest.mark.parametrize(
    ("turned", "mirrored"),
    [(0, False), (2, False), (0, True)],
    ids=["north up", "south up", "mirror"],
)
def test_the_direction_is_found_by_what_moves(
    turning: xr.Dataset, turned: int, mirrored: bool
) -> None:
    frames = np.rot90(turning["frames"].to_numpy(), turned, (1, 2))
    frames = frames[:, :, ::-1] if mirrored else frames
    capture = turning.assign(frames=(("frame", "y", "x"), frames.copy())).chunk({"frame": 8})
    options = replace(JUPITER, mirrored=mirrored)
    rotation = skry.derotate(capture, skry.align(capture), options).compute()
    disc = Globe.of_values(rotation["globe"].to_numpy()).disc
    expected = (
        -turning.attrs["disc"]["pole_angle"]
        if mirrored
        else (turning.attrs["disc"]["pole_angle"] + 90.0 * turned)
    )
    off = (disc.pole_angle - expected + 180.0) % 360.0 - 180.0
    assert int(rotation["direction"]) == Direction.FOUND
    assert abs(off) < 6


def test_a_given_direction_is_taken(turning: xr.Dataset) -> None:
    capture = turning.chunk({"frame": 8})
    options = replace(JUPITER, north_angle=180.0)
    rotation = skry.derotate(capture, skry.align(capture), options).compute()
    disc = Globe.of_values(rotation["globe"].to_numpy()).disc
    assert int(rotation["direction"]) == Direction.GIVEN
    assert disc.pole_angle == pytest.approx(180.0 - 22.84, abs=0.01)
