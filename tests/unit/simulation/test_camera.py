"""The simulated camera: photon noise, read noise, black level and saturation."""

import dataclasses

import numpy as np
import pytest

from skry_dask.options.simulation import SimulateOptions
from skry_dask.simulation.simulate import simulate

STILL = SimulateOptions(
    frames=5, height=48, width=64, drift=(0.0, 0.0), jitter=0.0, warp=0.0, blur=(1.2, 1.2)
)
CLEAN = {"bits": 16, "photons": 1e9, "read_noise": 0.0}


def brightness(capture):
    """Convert grey levels to the scene's scale."""
    black, white = capture.attrs["black"], capture.attrs["white"]
    return (capture["frames"].values - black) / (white - black)


@pytest.mark.parametrize("photons", [40.0, 3000.0])
def test_noise_is_that_of_photons_and_camera(photons):
    # Up to 40 photons come from the Poisson distribution, most of up to 3000 from the normal.
    options = dataclasses.replace(STILL, frames=300, bits=16, photons=photons, read_noise=2.0)
    capture = simulate("moon", options)
    frames = capture["frames"].values.astype(np.float64)
    light = simulate("moon", dataclasses.replace(STILL, frames=1, **CLEAN))
    span = capture.attrs["white"] - capture.attrs["black"]
    expected = span**2 * brightness(light)[0] / photons + (2.0 * 257) ** 2
    np.testing.assert_allclose(frames.var(axis=0).mean(), expected.mean(), rtol=0.03)
    np.testing.assert_allclose(
        frames.mean(axis=0), light["frames"][0], atol=6 * np.sqrt(expected.max() / 300)
    )


def test_dark_sky_shows_the_black_level_and_read_noise():
    capture = simulate("planet", dataclasses.replace(STILL, height=96, width=96))
    corner = capture["frames"].values[:, :15, :15].astype(np.float64)
    assert corner.mean() == pytest.approx(8.0, abs=0.15)
    assert corner.std() == pytest.approx(np.sqrt(1.2**2 + 1 / 12), rel=0.1)


def test_heavy_noise_saturates_at_black_and_white():
    capture = simulate("moon", dataclasses.replace(STILL, read_noise=64.0))
    frames = capture["frames"].values
    assert frames.min() == 0
    assert frames.max() == 255
