"""Phase screens and telescope against the theory of turbulence, over hundreds of screens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import integrate, optimize, special

from skry_dask.simulation.optics.screens import draw_screen, mixture, spectrum
from skry_dask.simulation.optics.telescope import Telescope, tilt_rms

if TYPE_CHECKING:
    from collections.abc import Callable

    from skry_dask.types import AnyArray, FloatArray

D_OVER_R0 = 8.0
OUTER_SCALE = 20.0
"""In diameters of the telescope, the unit of length here."""


def integral(weight: Callable[[FloatArray], FloatArray], outer_scale: float) -> float:
    """Integrate the spectrum of phase over the plane of frequencies, times a weight of |f|."""
    f = np.geomspace(1e-7, 1e3, 200_001)
    density = 2 * np.pi * f * spectrum(f, 1 / D_OVER_R0, outer_scale) * weight(f)
    return float(integrate.simpson(density * f, x=np.log(f)))


def tilt_variance(outer_scale: float) -> float:
    """Mean square of the Zernike coefficient of tilt along one axis, rad**2 (Noll 1976, eq. 8)."""
    return integral(lambda f: 2 * (special.jv(2, np.pi * f) / (np.pi * f / 2)) ** 2, outer_scale)


def variance(outer_scale: float) -> float:
    """Mean variance of the phase over the pupil, rad**2."""
    return integral(lambda f: 1 - (2 * special.j1(np.pi * f) / (np.pi * f)) ** 2, outer_scale)


@dataclass
class Sky:
    """Many phases in a telescope's pupil, and what the telescope makes of them."""

    telescope: Telescope
    slope: AnyArray
    residual: AnyArray
    long_exposure: AnyArray


@pytest.fixture(scope="module")
def sky() -> Sky:
    telescope = Telescope(2.5, 0.0, D_OVER_R0)
    n, spacing = telescope.n_pupil, 1 / telescope.pupil_px
    apart = np.arange(0, 1024 - n, 2 * n)
    slopes, residuals, psfs = [], [], []
    for seed in range(6):
        screen = draw_screen(np.random.default_rng(seed), 1024, spacing, 1 / D_OVER_R0, OUTER_SCALE)
        for turn in (0.0, np.pi / 2):
            field = mixture(screen, np.arange(1024), np.arange(1024), turn)
            views = np.lib.stride_tricks.sliding_window_view(field, (n, n))
            phase = views[np.ix_(apart, apart)].reshape(-1, n, n).copy()
            psfs.append(telescope.psf(phase).mean(axis=0))
            slope = telescope.slope(phase)
            telescope.flatten(phase, slope)
            slopes.append(slope)
            residuals.append(phase)
    residual = np.concatenate(residuals)
    inside = telescope.amplitude > 0.5
    return Sky(
        telescope,
        np.concatenate(slopes),
        residual[:, inside].var(axis=1),
        np.mean(psfs, axis=0),
    )


def test_the_theory_is_that_of_noll() -> None:
    strength = D_OVER_R0 ** (5 / 3)
    assert tilt_variance(np.inf) == pytest.approx(0.448 * strength, rel=0.01)
    assert variance(np.inf) - 2 * tilt_variance(np.inf) == pytest.approx(0.134 * strength, rel=0.01)
    # A coefficient a of tilt is a slope of 4 a across the pupil; 2 pi move an image by lambda / D.
    motion = 4 * np.sqrt(0.448 * strength) / (2 * np.pi) * 2.5
    assert tilt_rms(D_OVER_R0, 2.5) == pytest.approx(motion)


def test_tilts_have_the_variance_of_the_theory(sky: Sky) -> None:
    coefficient = sky.slope * sky.telescope.pupil_px / 4
    expected = tilt_variance(OUTER_SCALE)
    np.testing.assert_allclose((coefficient**2).mean(axis=0), expected, rtol=0.05)


def test_what_tilts_leave_has_the_variance_of_the_theory(sky: Sky) -> None:
    expected = variance(OUTER_SCALE) - 2 * tilt_variance(OUTER_SCALE)
    assert sky.residual.mean() == pytest.approx(expected, rel=0.05)


def test_a_long_exposure_is_as_wide_as_fried_says(sky: Sky) -> None:
    # Width 0.98 lambda / r0 (Fried 1966), less by the outer scale (A. Tokovinin, PASP 114, 2002,
    # 1156-1166, eq. 19). Divided by the telescope's own transfer, a function of the separation.
    r0 = 1 / D_OVER_R0
    expected = 0.98 / r0 * np.sqrt(1 - 2.183 * (r0 / OUTER_SCALE) ** 0.356)
    long, ideal = (
        np.fft.rfft2(np.fft.ifftshift(psf)).real for psf in (sky.long_exposure, sky.telescope.ideal)
    )
    n = int(0.7 * sky.telescope.pupil_px)
    transfer = (long[0, :n] + long[:n, 0]) / (ideal[0, :n] + ideal[:n, 0])
    separation = np.arange(n) / sky.telescope.pupil_px  # in D; angles are then in lambda / D

    def brightness(angle: float) -> float:
        wave = special.j0(2 * np.pi * separation * angle)
        return float(integrate.simpson(separation * transfer * wave, x=separation))

    half = optimize.brentq(lambda a: brightness(a) - brightness(0.0) / 2, 0.1, 2 * expected)
    assert 2 * half == pytest.approx(expected, rel=0.03)
