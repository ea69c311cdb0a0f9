from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.errors import OptionsError
from skry_dask.geometry.globe.disc import Disc
from skry_dask.geometry.globe.ephemeris import view_from_earth
from skry_dask.options.rotation import Body
from skry_dask.options.simulation import SimulateOptions
from skry_dask.simulation.globe import VIEWS
from skry_dask.simulation.simulate import START, simulate

STILL = SimulateOptions(
    **{"frames": 3, "height": 120, "width": 140, "drift": (0.0, 0.0), "jitter": 0.0},
    **{"warp": 0.0, "blur": (0.5, 0.5), "bits": 16, "photons": 1e9, "read_noise": 0.0},
)


@pytest.mark.parametrize("body", VIEWS)
def test_globes_are_seen_as_they_were_when_the_capture_begins(body: Body) -> None:
    view, simulated = view_from_earth(body, START), VIEWS[body]
    assert simulated.latitude == pytest.approx(view.latitude, abs=0.01)
    assert simulated.pole_angle == pytest.approx(view.pole_angle, abs=0.01)
    if body is Body.MARS:
        sun_angle = view.sun_angle - view.pole_angle
        assert simulated.phase == pytest.approx(view.phase, abs=0.01)
        assert simulated.sun_angle == pytest.approx(sun_angle, abs=0.01)


def test_jupiter_turns_as_its_rotation_says_in_the_time_that_this_takes() -> None:
    capture = simulate("jupiter", dataclasses.replace(STILL, rotation=8.0)).compute()
    np.testing.assert_allclose(capture["turn"], [-4.0, 0.0, 4.0])
    seconds = (capture["time"][-1] - capture["time"][0]) / np.timedelta64(1, "s")
    assert seconds == pytest.approx(8.0 / 870.27 * 86400)
    # What the first frame shows in the middle of the disc is found where it has moved since.
    disc = Disc(**capture.attrs["disc"])
    points = np.array([disc.y, disc.x]) + np.mgrid[-10:11, -10:11].reshape(2, -1).T
    first, _, last = capture["frames"].to_numpy().astype(float)
    moved = [points + disc.displacement(points, np.array([turn]))[0] for turn in (-4.0, 4.0)]
    before, after = (
        ndimage.map_coordinates(frame, places.T, order=3)
        for frame, places in zip((first, last), moved, strict=True)
    )
    unmoved = ndimage.map_coordinates(first, points.T, order=3)
    assert np.std(before - after) < 0.4 * np.std(unmoved - after)


@pytest.mark.parametrize(
    ("scene", "others", "message"),
    [
        ("moon", {}, "moon does not turn: choose jupiter"),
        ("jupiter", {"seeing": "optics", "warp": None, "blur": None}, "choose seeing gaussian"),
    ],
)
def test_what_cannot_turn_is_told(scene: str, others: dict, message: str) -> None:
    with pytest.raises(OptionsError, match=message):
        simulate(scene, dataclasses.replace(STILL, rotation=6.0, **others))
