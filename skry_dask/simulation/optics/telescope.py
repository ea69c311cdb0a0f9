"""The telescope: from phases in its pupil to point-spread functions, on the pixels of the camera.

Light of one point of the scene arrives in the pupil with a phase that the air has warped. The plane
that fits this phase best moves the image; what is left of it makes speckles. The point-spread
function is the squared modulus of the Fourier transform of the pupil with that phase (J. W.
Goodman, "Introduction to Fourier Optics", section 6.2).

Not included: scintillation, aberrations and focus, the size of the pixels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

if TYPE_CHECKING:
    from skry_dask.types import ComplexArray, Float32Array, FloatArray

MIN_PUPIL_PX = 20.0
"""Least number of pixels across the pupil."""

PX_PER_R0 = 3.2
"""Least number of pixels across r0: neighbouring pixels then differ by a radian, rms."""


class Telescope:
    """A round pupil with a central obstruction.

    Parameters
    ----------
    sampling
        Pixels of the camera to lambda / D.
    obstruction
        Diameter of the central obstruction, as a fraction of that of the pupil.
    d_over_r0
        Strength of the air, which decides how finely the pupil is sampled.
    wavelength
        Relative to that for which ``sampling`` and ``d_over_r0`` are given; the pupil is sampled as
        for that one. It is rounded such that ``n_psf`` is even.

    Attributes
    ----------
    n_pupil
        Side of the square of pixels around the pupil.
    n_psf
        Side of a point-spread function, px of the camera.
    pupil_px
        Diameter of the pupil, px.
    wavelength
        As rounded.
    amplitude
        float64 (n_pupil, n_pupil), 0 to 1: what the pupil lets through.
    ideal
        float32 (n_psf, n_psf): the point-spread function without air.
    """

    def __init__(
        self, sampling: float, obstruction: float, d_over_r0: float, wavelength: float = 1.0
    ) -> None:
        finest = max(MIN_PUPIL_PX, PX_PER_R0 * d_over_r0)
        # The field of the transform is sampling * pupil_px; a length whose transform is fast.
        n_psf = 2 * int(fft.next_fast_len(math.ceil(sampling * finest / 2)))
        self.pupil_px = n_psf / sampling
        # Light of a longer wavelength spreads over more pixels.
        self.n_psf = 2 * round(n_psf * wavelength / 2)
        self.wavelength = self.n_psf / n_psf
        self.n_pupil = 2 * math.ceil(self.pupil_px / 2)
        axis = np.arange(self.n_pupil) - (self.n_pupil - 1) / 2
        radius = np.hypot(axis[:, None], axis)
        amplitude = _disc(radius, self.pupil_px / 2)
        if obstruction > 0:
            amplitude -= _disc(radius, obstruction * self.pupil_px / 2)
        self.amplitude = amplitude
        # Changing signs move the transform's centre to the middle of its field.
        signs = 1 - 2 * (np.add.outer(np.arange(self.n_pupil), np.arange(self.n_pupil)) % 2)
        self._axis = axis.astype(np.float32)
        self._pupil = (amplitude * signs).astype(np.float32)
        self._per_energy = np.float32(1 / (self.n_psf**2 * (amplitude**2).sum()))
        moment = (amplitude * axis**2).sum()
        self._slope = (amplitude * axis / moment).astype(np.float32)  # along x; its transpose y
        still = np.zeros((1, self.n_pupil, self.n_pupil), np.float32)
        self.ideal: Float32Array = self.psf(still)[0]

    def slope(self, phase: Float32Array) -> Float32Array:
        """Fit planes to phases, by least squares over the pupil.

        Parameters
        ----------
        phase
            float32 (patch, y, x), rad.

        Returns
        -------
        float32 (patch, axis), rad per px of the pupil.
        """
        # einsum sums in its own loops: no library with threads, the same bits everywhere.
        y = np.einsum("pyx,xy->p", phase, self._slope)
        x = np.einsum("pyx,yx->p", phase, self._slope)
        return np.stack([y, x], axis=-1)

    def shift(self, slope: Float32Array) -> Float32Array:
        """Convert slopes (patch, axis) to motions of the image, float32, px of the camera."""
        return slope * np.float32(self.n_psf / (2 * math.pi))

    def flatten(self, phase: Float32Array, slope: Float32Array) -> None:
        """Subtract planes with slopes (patch, axis) from phases (patch, y, x), in place."""
        phase -= slope[:, 0, None, None] * self._axis[:, None]
        phase -= slope[:, 1, None, None] * self._axis

    def psf(self, phase: Float32Array) -> Float32Array:
        """Compute point-spread functions.

        Parameters
        ----------
        phase
            float32 (patch, y, x), rad.

        Returns
        -------
        float32 (patch, n_psf, n_psf), with sum 1, centred on pixel n_psf / 2.
        """
        field: ComplexArray = np.empty(phase.shape, np.complex64)
        np.cos(phase, out=field.real)
        np.sin(phase, out=field.imag)
        field *= self._pupil
        # Rows first: those outside the pupil are dark, and need no transform.
        field = fft.fft(field, self.n_psf, axis=-1, workers=1)
        field = fft.fft(field, self.n_psf, axis=-2, workers=1)
        power: Float32Array = field.real**2
        power += field.imag**2
        power *= self._per_energy
        return power


def tilt_rms(d_over_r0: float, sampling: float) -> float:
    """Compute the motion of an image along each axis, px rms.

    The mean square of the Zernike coefficients of tilt is 0.448 (D / r0)**(5/3) rad**2 (Noll 1976,
    table IV: 1.030 - 0.582 = 0.448); an outer scale makes it smaller. A coefficient of 1 rad is a
    slope of 4 rad across the pupil.
    """
    return 2 / math.pi * math.sqrt(0.448 * d_over_r0 ** (5 / 3)) * sampling


def _disc(radius: FloatArray, edge: float) -> FloatArray:
    """Draw a disc: 1 inside, 0 outside, and in between where the edge crosses a pixel."""
    return np.clip(edge - radius + 0.5, 0.0, 1.0)
