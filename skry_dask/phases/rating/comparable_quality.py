"""Quality that neither light nor noise changes: detail with the usual noise, in the usual light.

Behind thin cloud, or in a shorter exposure, the same sharpness has less detail; with a higher gain,
noise adds detail of its own. Both are told from all areas of a frame, compared with what is usual
in the capture:

- *Light*: the slope of the light of a frame's areas over their usual light, which no pedestal or
  scattered light changes. Where areas are much alike, so that the slope is unsure, it gives way
  to the ratio of the light of the whole frame.
- *Noise* is told from areas in which it makes most of the detail, since sharp detail looks like
  noise too; and apart for areas so dark that black cuts their noise. White noise of standard
  deviation s adds k s to the mean |I - blurred I|, in squares.

Usual values are medians over frames. Where light and noise stay the same, so does detail: seeing
moves the light between areas, so both seem to change by 1 to 4 %, and quality by no more than that
in strong noise.

Of simulated Moons and planets (blur 0.8 to 2.8 px) whose light fell to a half now and then, the
rank correlation of quality with sharpness was 0.3 to 0.6, and is 0.98; where the noise rose
tenfold, it was 0.2 to 0.35, and is 0.9 to 0.99.

All sums are those of integers, so that they do not depend on the machine.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, Float32Array, FloatArray, IntArray

MAX_SAMPLES = 1024
"""Largest number of frames, evenly spaced, from which usual values are taken."""

STEPS = 2.0**14
"""Light is divided into so many steps, from none to that of the brightest area."""

MAX_GAIN = 8.0
"""Light and noise of a frame count as at most this much stronger or weaker than usual."""

RATIO_ERROR = 0.05
"""Error of light that is compared over the whole frame, as a fraction of it."""

LIGHT_ERROR = 0.07
"""Relative changes of light below this are hardly ever real."""

VARIANCE_ERROR = 0.15
"""Relative changes of the noise's variance below this are hardly ever real."""

CLEAR = 2.0
"""Black cuts no noise where there is more light than this many standard deviations of it."""

MIN_SHARE = 1 / 64
"""Least share of the square of detail that is left when the noise's is subtracted."""

GREY_OF_MOSAIC = (0.25, 0.5, 0.25)
"""What makes raw colour grey along each axis, and correlates its noise; see
`kernels.frame.demosaic`."""


class Usual(NamedTuple):
    """What is usual in a capture.

    Parameters
    ----------
    detail, light, noise
        float64 (area), medians over frames, fractions of full scale.
    light_spread, variance_spread
        Mean square of the relative difference from the usual, over frames.
    """

    detail: FloatArray
    light: FloatArray
    noise: FloatArray
    light_spread: float = 0.0
    variance_spread: float = 0.0

    @classmethod
    def of_frames(cls, measured: Float32Array, gauge: FrameGauge) -> Usual:
        """Find what is usual in frames.

        Parameters
        ----------
        measured
            float32 (frame, 3, area), from `measure_areas`, of frames that are measured.
        gauge
            How frames are compared.
        """
        usual = cls(*_medians(measured).astype(np.float64))
        light, variance = gauge.compare(measured, usual)
        return usual._replace(
            light_spread=float(((light - 1) ** 2).mean()),
            variance_spread=float(((variance - 1) ** 2).mean()),
        )


class FrameGauge(NamedTuple):
    """How frames are compared.

    Parameters
    ----------
    n_pixels
        int64 (area), number of pixels.
    noise_share
        Detail of white noise whose standard deviation is 1, from `noise_share`.
    """

    n_pixels: IntArray
    noise_share: float

    def compare(self, measured: Float32Array, usual: Usual) -> tuple[FloatArray, FloatArray]:
        """Compare light and noise of frames with the usual.

        Parameters
        ----------
        measured
            float32 (frame, 3, area), from `measure_areas`, of frames that are measured.
        usual
            What is usual.

        Returns
        -------
        light
            float64 (frame), 1 = usual.
        variance
            float64 (frame, area), variance of the noise, 1 = usual.
        """
        _, light, noise = measured.astype(np.float64).swapaxes(0, 1)
        shown = ~np.isnan(light)
        whole = 2 * self.n_pixels >= self.n_pixels.max()
        relative = relative_light(light[:, whole], usual.light[whole])
        of_noise = (self.noise_share * usual.noise) ** 2
        share = of_noise / np.maximum(np.maximum(usual.detail**2, of_noise), 1e-30)
        steps = (noise / np.where(usual.noise > 0, usual.noise, np.inf)) ** 2
        clear = light > CLEAR * noise
        return relative, relative_variance(np.where(shown, steps, 0.0), share, clear, shown)

    def comparable_quality(self, measured: Float32Array, usual: Usual) -> Float32Array:
        """Replace the noise of frames by the usual, and their light likewise.

        Parameters
        ----------
        measured
            float32 (frame, 3, area), from `measure_areas`.
        usual
            What is usual.

        Returns
        -------
        float32 (frame, area), fraction of full scale; NaN for frames that are not measured.
        """
        quality = np.full((len(measured), measured.shape[2]), np.nan, np.float32)
        used = ~np.isnan(measured[:, 0]).all(axis=1)
        light, variance = self.compare(measured[used], usual)
        light = where_real(light, usual.light_spread, LIGHT_ERROR)[:, None]
        variance = where_real(variance, usual.variance_spread, VARIANCE_ERROR)
        square = measured[used, 0].astype(np.float64) ** 2
        of_noise = (self.noise_share * usual.noise) ** 2
        comparable = (square - variance * of_noise) / light**2 + of_noise
        quality[used] = np.sqrt(np.maximum(comparable, MIN_SHARE * square))
        return quality


def _medians(measured: Float32Array) -> Float32Array:
    """Take medians over frames: float32 (3, area); 0 for areas that no frame shows."""
    shown = ~np.isnan(measured)
    if shown.all():
        return np.median(measured, axis=0)
    medians = np.zeros(measured.shape[1:], measured.dtype)
    seen = shown.any(axis=0)
    medians[seen] = np.nanmedian(measured[:, seen], axis=0)
    return medians


def sampled_frames(is_measured: BoolArray) -> IntArray:
    """Choose evenly spaced frames from which usual values are taken: int64 (sample), ascending.

    Parameters
    ----------
    is_measured
        bool (frame), at least one of them true.
    """
    measured = np.flatnonzero(is_measured)
    n = min(len(measured), MAX_SAMPLES)
    return measured[np.arange(n) * len(measured) // n]


def relative_light(light: FloatArray, usual: FloatArray) -> FloatArray:
    """Compare the light of frames with the usual.

    Parameters
    ----------
    light
        float64 (frame, area), mean light of areas, in any unit; NaN where a frame does not show
        them.
    usual
        float64 (area), usual light of these areas, in the same unit.

    Returns
    -------
    float64 (frame), 1 = usual, from 1 / `MAX_GAIN` to `MAX_GAIN`.
    """
    brightest = usual.max()
    if brightest <= 0:
        return np.ones(len(light))
    shown = ~np.isnan(light)
    x = np.where(shown, np.rint(usual * (STEPS / brightest)).clip(0), 0.0)
    y = np.where(shown, np.rint(light * (STEPS / brightest)).clip(0, 4 * STEPS), 0.0)
    n, x_sum, y_sum = shown.sum(axis=1), x.sum(axis=1), y.sum(axis=1)
    ratio = np.where(x_sum > 0, y_sum / np.maximum(x_sum, 1), 1.0)
    xx = (x * x).sum(axis=1) - x_sum**2 / np.maximum(n, 1)
    told = (n >= 3) & (xx > 0)
    n, xx = np.where(told, n, 3), np.where(told, xx, 1.0)
    xy = (y * x).sum(axis=1) - y_sum * x_sum / n
    yy = (y * y).sum(axis=1) - y_sum**2 / n
    slope = xy / xx
    slope_variance = np.maximum(yy - slope * xy, 1.0) / ((n - 2) * xx)
    ratio_variance = (RATIO_ERROR * ratio) ** 2
    share = ratio_variance / (ratio_variance + slope_variance)
    mixed: FloatArray = np.where(told, share * slope + (1 - share) * ratio, ratio)
    return mixed.clip(1 / MAX_GAIN, MAX_GAIN)


def relative_variance(
    variance: FloatArray, share: FloatArray, clear: BoolArray, shown: BoolArray
) -> FloatArray:
    """Average the variance of noise over the areas of each frame.

    Parameters
    ----------
    variance
        float64 (frame, area), variance of the noise, 1 = usual; 0 where there is none.
    share
        float64 (area), share of noise in the square of detail, 0 to 1.
    clear
        bool (frame, area), where black cuts no noise; the other areas are averaged apart.
    shown
        bool (frame, area), which areas a frame shows.

    Returns
    -------
    float64 (frame, area), 1 = usual, at most the square of `MAX_GAIN`.
    """
    steps = np.rint(variance.clip(0, MAX_GAIN**2) * 2**16)
    averaged = np.ones(variance.shape)
    for kind in (clear & shown, ~clear & shown):
        weight = np.rint(share**2 * 2**16) * kind
        total = weight.sum(axis=1)
        mean = (steps * weight).sum(axis=1) / (np.maximum(total, 1) * 2**16)
        averaged = np.where(kind & (total > 0)[:, None], mean[:, None], averaged)
    return averaged


def where_real(relative: FloatArray, spread: float, error: float) -> FloatArray:
    """Leave out changes that are most likely errors, gradually.

    Parameters
    ----------
    relative
        float64 (frame, ...), 1 = usual.
    spread
        Mean square of the changes over frames.
    error
        Changes are left out where both they and the spread's root are well below this.
    """
    change = relative - 1
    square = np.maximum(change**2, spread) ** 2
    return 1 + change * (square / (square + error**4))


@cache
def noise_share(radius: int, step: int, *, is_mosaic: bool) -> float:
    """Compute how much detail noise has whose measured standard deviation is 1.

    Parameters
    ----------
    radius
        Radius of the box blurs against which detail is measured, px.
    step
        Distance of the pixels whose differences tell the noise, px.
    is_mosaic
        Whether frames were raw colour, so that neighbouring pixels have noise in common.

    Returns
    -------
    Mean |I - blurred I| of Gaussian noise.

    Examples
    --------
    >>> round(noise_share(3, 1, is_mosaic=False), 3)
    0.791
    """
    made_grey = GREY_OF_MOSAIC if is_mosaic else (1.0,)
    box = np.ones(2 * radius + 1) / (2 * radius + 1)
    blur = np.convolve(np.convolve(np.convolve(box, box), box), made_grey)
    line = np.zeros(2 * step + 1)
    line[[0, step, -1]] = 1, -2, 1
    response = np.convolve(line, made_grey)
    noise = np.pad(made_grey, (len(blur) - len(made_grey)) // 2)
    # All kernels are products of one along y and the same along x, so their sums are squares.
    of_detail = (noise @ noise) ** 2 - 2 * (noise @ blur) ** 2 + (blur @ blur) ** 2
    of_response = (response @ response / 6) ** 2
    return float((2 / np.pi * of_detail / of_response) ** 0.5)
