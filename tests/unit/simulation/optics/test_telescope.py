"""Point-spread functions."""

from __future__ import annotations

import numpy as np
import pytest

from skry_dask.simulation.optics.telescope import Telescope


@pytest.mark.parametrize(("sampling", "obstruction"), [(2.5, 0.0), (2.5, 0.3), (3.33, 0.5), (1, 0)])
def test_all_light_arrives_around_the_middle(sampling: float, obstruction: float) -> None:
    telescope = Telescope(sampling, obstruction, 5.0)
    assert telescope.ideal.sum() == pytest.approx(1.0, abs=1e-5)
    middle = telescope.n_psf // 2
    assert np.unravel_index(telescope.ideal.argmax(), telescope.ideal.shape) == (middle, middle)
    np.testing.assert_allclose(telescope.ideal[1:, 1:], telescope.ideal[1:, 1:][::-1], atol=1e-6)


@pytest.mark.parametrize("wavelength", [0.8, 1.0, 1.2])
def test_the_first_dark_ring_is_that_of_airy(wavelength: float) -> None:
    telescope = Telescope(10.0, 0.0, 5.0, wavelength)
    assert telescope.wavelength == pytest.approx(wavelength, abs=0.01)
    profile = telescope.ideal[telescope.n_psf // 2, telescope.n_psf // 2 :]
    assert np.argmin(profile[:18]) == pytest.approx(1.22 * 10 * wavelength, abs=1)


def test_a_tilt_moves_the_image_as_its_slope_says_and_no_other_way() -> None:
    telescope = Telescope(2.5, 0.3, 5.0)
    middle = telescope.n_psf // 2
    slope = np.array([[3.0, -5.0]], np.float32) * 2 * np.pi / telescope.n_psf  # 3 px down, 5 left
    phase = np.zeros((1, telescope.n_pupil, telescope.n_pupil), np.float32)
    telescope.flatten(phase, -slope)
    np.testing.assert_allclose(telescope.slope(phase), slope, atol=1e-5)
    np.testing.assert_allclose(telescope.shift(telescope.slope(phase)), [[3, -5]], atol=1e-4)
    expected = np.roll(telescope.ideal, (3, -5), (0, 1))
    np.testing.assert_allclose(telescope.psf(phase)[0], expected, atol=1e-6)
    assert telescope.psf(phase)[0, middle + 3, middle - 5] == telescope.psf(phase).max()


def test_worse_air_needs_more_pixels_in_the_pupil() -> None:
    assert Telescope(2.5, 0.3, 10.0).pupil_px >= 32
