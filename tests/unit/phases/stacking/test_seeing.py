"""The seeing is measured from frames, whatever the scene and the blur of the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage

from skry_dask.phases.stacking.seeing import compare_with_places, find_places, seeing_of
from tests.smooth_images import smooth

if TYPE_CHECKING:
    from skry_dask.types import FloatArray

SIZE = 240
PUPIL = 24
Q = 2.5
"""Pixels for each lambda / D."""


def exposures(n: int, d_over_r0: float) -> list[FloatArray]:
    """Make transfer functions of n short exposures through turbulence of the Kolmogorov kind."""
    random = np.random.default_rng(3)
    wide = 8 * PUPIL
    f = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(wide, 1 / PUPIL)], indexing="ij"))
    f[0, 0] = 1.0
    amplitude = np.sqrt(0.0229 * d_over_r0 ** (5 / 3) * f ** (-11 / 3)) * PUPIL / wide
    amplitude[0, 0] = 0.0
    y, x = np.mgrid[:PUPIL, :PUPIL] - (PUPIL - 1) / 2
    aperture = np.hypot(y, x) < PUPIL / 2
    transfers = []
    for _ in range(n):
        waves = random.normal(size=(2, wide, wide))
        phase = np.fft.fft2(amplitude * (waves[0] + 1j * waves[1])).real[:PUPIL, :PUPIL] / np.sqrt(
            2
        )
        field = aperture * np.exp(1j * phase * np.sqrt(2))
        spread = np.square(np.abs(np.fft.fft2(field, 2 * [round(Q * PUPIL)])))
        padded = np.zeros((SIZE, SIZE))
        padded[: len(spread), : len(spread)] = np.fft.fftshift(spread / spread.sum())
        transfers.append(np.fft.fft2(np.roll(padded, 2 * [-len(spread) // 2], (0, 1))))
    return transfers


@pytest.mark.parametrize("sigma", [1.0, 2.0])
@pytest.mark.parametrize("d_over_r0", [4.0, 7.0])
def test_the_seeing_is_that_of_the_frames(d_over_r0: float, sigma: float) -> None:
    random = np.random.default_rng(1)
    scene = np.fft.fft2(smooth((SIZE, SIZE), sigma=sigma))
    frames = [np.fft.ifft2(scene * t).real for t in exposures(30, d_over_r0)]
    noisy = [frame + random.normal(0, 0.003, frame.shape) for frame in frames]
    stack = ndimage.gaussian_filter(np.mean(frames, axis=0), 0.7).astype(np.float32)
    places = find_places(stack)
    first = np.zeros(2, np.int64)
    compared = [compare_with_places(frame, places, first) for frame in noisy]
    assert float(seeing_of(compared)) == pytest.approx(d_over_r0, rel=0.2)


@pytest.mark.parametrize(
    "image", [np.zeros((50, 400)), np.zeros((240, 240)), np.full((240, 240), np.nan)]
)
def test_there_is_no_seeing_where_nothing_is_seen(image: FloatArray) -> None:
    places = find_places(image.astype(np.float32))
    frame = np.zeros(image.shape, np.uint8)
    compared = [compare_with_places(frame, places, np.zeros(2, np.int64)) for _ in range(30)]
    with np.errstate(all="ignore"):
        assert np.isnan(seeing_of(compared))
