from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.errors import AlignmentError
from skry_dask.geometry.globe.disc import Disc
from skry_dask.geometry.globe.outline import find_outline, fit_disc
from skry_dask.options.rotation import Body
from skry_dask.simulation.globe import TurningGlobe

DISC = Disc(y=58.3, x=71.6, radius=40.0, polar=0.9, latitude=5.0, pole_angle=30.0)


def picture(disc: Disc, shape: tuple[int, int] = (120, 150)) -> np.ndarray:
    grid = np.stack(np.indices(shape), axis=-1).astype(float)
    return picture_of(np.clip(disc.distance_to_limb(grid) + 0.5, 0, 1))


def picture_of(sharp: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).normal(scale=2.0, size=sharp.shape)
    return 10 + ndimage.gaussian_filter(150 * sharp, 1.5) + noise


def test_a_disc_is_found_with_its_pole() -> None:
    unknown = replace(DISC, y=0.0, x=0.0, radius=1.0, pole_angle=0.0)
    found = fit_disc(find_outline(picture(DISC), "frame 3"), unknown, turns=True)
    assert (found.y, found.x) == pytest.approx((DISC.y, DISC.x), abs=0.1)
    assert found.radius == pytest.approx(DISC.radius, abs=0.3)
    assert found.pole_angle == pytest.approx(DISC.pole_angle, abs=1.0)


def test_a_pole_is_known_up_to_half_a_turn() -> None:
    unknown = replace(DISC, pole_angle=190.0)
    found = fit_disc(find_outline(picture(DISC), "frame 3"), unknown, turns=True)
    assert found.pole_angle == pytest.approx(DISC.pole_angle + 180.0, abs=1.0)


@pytest.mark.parametrize(
    ("body", "turned", "off_px", "off_degrees"),
    [(Body.SATURN, 0, 0.3, 1.0), (Body.SATURN, 1, 0.3, 1.0), (Body.MARS, 0, 2.0, 5.0)],
)
@pytest.mark.parametrize("mirrored", [False, True])
def test_rings_and_terminators_are_told_from_the_limb(
    body: Body, turned: int, off_px: float, off_degrees: float, mirrored: bool
) -> None:
    globe = TurningGlobe.of(body, 200, 200, 0, np.random.default_rng(3))
    image = picture_of(np.rot90(globe.picture(0.0), turned))
    pole = globe.disc.pole_angle + 90.0 * turned
    if mirrored:
        image, pole = image[:, ::-1], -pole
    given = {"y": 0.0, "x": 0.0, "radius": 1.0, "mirrored": mirrored, "pole_angle": pole + 50.0}
    limb = find_outline(image, "frame 3", ringed=body is Body.SATURN)
    found = fit_disc(limb, replace(globe.disc, **given), turns=True)
    assert (found.y, found.x) == pytest.approx((globe.disc.y, globe.disc.x), abs=off_px)
    assert found.radius == pytest.approx(globe.disc.radius, abs=off_px)
    off = (found.pole_angle - pole + 180.0) % 360.0 - 180.0
    assert abs(off) < off_degrees


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (picture(replace(DISC, x=20.0)), "frame 3: the border of the frame cuts the disc"),
        (picture(replace(DISC, radius=0.1)), "frame 3 shows no disc on a dark sky"),
        (np.zeros((60, 60)), "frame 3 shows no disc on a dark sky"),
    ],
    ids=["cut", "noise", "black"],
)
def test_frames_without_a_whole_disc_are_told(image: np.ndarray, message: str) -> None:
    with pytest.raises(AlignmentError, match=message):
        find_outline(image, "frame 3")
