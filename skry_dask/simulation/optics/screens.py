"""Phase screens: what a layer of turbulent air does to the phase of light.

A screen is a periodic random field with von Karman's spectrum of phase,
0.0229 r0**(-5/3) (f**2 + 1 / L0**2)**(-11/6) rad**2 m**2 at frequency f, cycles/m (R. J. Noll,
"Zernike polynomials and atmospheric turbulence", J. Opt. Soc. Am. 66, 1976, 207-211, eq. 21, with
an outer scale L0). It is the Fourier transform of white noise with that spectrum (B. L. McGlamery,
"Computer simulation studies of compensation of turbulence degraded images", SPIE 74, 1976, 225).

The transform has two independent fields, its real and its imaginary part. Wind carries both past
the telescope while their mixture turns from one to the other, so that air which the period brings
back is not what it was.

Cost: 0.3 s and 32 MB for each layer of 2048 x 2048 px.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

if TYPE_CHECKING:
    from numpy.random import Generator

    from skry_dask.types import ComplexArray, Float32Array, FloatArray, IntArray

SPECTRUM = 0.0229
"""Coefficient of the spectrum of phase: Kolmogorov's theory (Noll 1976, eq. 21)."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of turbulent air.

    Parameters
    ----------
    height
        Above the telescope, m.
    share
        Its share of the turbulence, r0**(-5/3).
    wind
        Speed, m/s.
    turnover
        Time in which the air becomes that of the other field, s.
    """

    height: float
    share: float
    wind: float
    turnover: float


LAYERS = (
    Layer(height=0.0, share=0.6, wind=4.0, turnover=4.0),
    Layer(height=2000.0, share=0.25, wind=9.0, turnover=5.0),
    Layer(height=8000.0, share=0.15, wind=15.0, turnover=6.0),
)
"""Air of a fair night: most of the turbulence near the ground, the fastest wind at the top."""

OUTER_SCALE = 20.0
"""Size beyond which eddies do not grow stronger, m; 10 to 30 m at most observatories."""


def spectrum(frequency: FloatArray, r0: float, outer_scale: float) -> FloatArray:
    """Compute von Karman's spectrum of phase, rad**2 m**2.

    Parameters
    ----------
    frequency
        float64, any dims, cycles/m.
    r0
        Fried's parameter, m.
    outer_scale
        L0, m; infinite for Kolmogorov's spectrum.
    """
    density: FloatArray = (
        SPECTRUM * r0 ** (-5 / 3) * (frequency**2 + 1 / outer_scale**2) ** (-11 / 6)
    )
    return density


def draw_screen(
    rng: Generator, n: int, spacing: float, r0: float, outer_scale: float = OUTER_SCALE
) -> ComplexArray:
    """Draw two independent screens with period ``n * spacing``.

    Parameters
    ----------
    rng
        Random numbers of this layer.
    n
        Number of pixels along each side.
    spacing
        Size of a pixel, m.
    r0
        Fried's parameter of this layer alone, m.
    outer_scale
        L0, m. Eddies beyond the period are missing, so it should not be larger.

    Returns
    -------
    complex64 (y, x), rad: one screen is the real part, the other the imaginary one.
    """
    f = np.fft.fftfreq(n, spacing)
    density = spectrum(np.hypot(f[:, None], f), r0, outer_scale)
    density[0, 0] = 0.0  # the same phase everywhere has no effect
    noise = rng.standard_normal((n, n, 2), np.float32).view(np.complex64)[..., 0]
    noise *= (np.sqrt(density) / (n * spacing)).astype(np.float32)
    screen: ComplexArray = fft.fft2(noise, overwrite_x=True, workers=1)
    return screen


def mixture(screen: ComplexArray, rows: IntArray, columns: IntArray, turn: float) -> Float32Array:
    """Mix the two fields of a screen over a rectangle.

    Parameters
    ----------
    screen
        complex64 (n, n), rad, from `draw_screen`.
    rows, columns
        int64 (y) and (x): pixels of the rectangle; the screen repeats beyond its edges.
    turn
        0 for the real part, pi/2 for the imaginary one, rad. The variance is the same for all.

    Returns
    -------
    float32 (y, x), rad
    """
    part = screen[np.ix_(rows % screen.shape[0], columns % screen.shape[1])]
    return np.float32(np.cos(turn)) * part.real + np.float32(np.sin(turn)) * part.imag
