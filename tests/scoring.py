"""Scores of a stack against the truth of a simulated capture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, optimize

if TYPE_CHECKING:
    import xarray as xr

BLOCK = 48
"""Side of the blocks in which the warp is measured, px."""

BORDER = 24
"""Width of the rim of the stack that is left out, px."""


@dataclass(frozen=True, slots=True)
class Score:
    """Figures of one image against the true scene.

    Parameters
    ----------
    sigma
        Sharpness: Gaussian blur of the scene that comes nearest to the image, px.
    warp
        Local displacement between image and scene, its mean removed, px rms.
    floor
        Warp of a perfect stack in the mean geometry of this capture, px rms.
    psnr
        Noise and artefacts: peak signal-to-noise ratio against the scene blurred by sigma, dB.
    """

    sigma: float
    warp: float
    floor: float
    psnr: float


def score(image: np.ndarray, truth: xr.Dataset, corner: np.ndarray) -> Score:
    """Score an image (y, x) whose first pixel lies at ``corner`` of the simulated canvas, px."""
    margin = truth.attrs["margin"]
    inner = image[BORDER:-BORDER, BORDER:-BORDER].astype(np.float64)
    y, x = (c + margin + BORDER + np.arange(n) for c, n in zip(corner, inner.shape, strict=True))
    scene = truth["scene"].to_numpy().astype(np.float64)
    places = np.meshgrid(y, x, indexing="ij")

    def blurred(sigma: float, at: list[np.ndarray]) -> np.ndarray:
        return ndimage.map_coordinates(ndimage.gaussian_filter(scene, sigma), at, order=3)

    # First the shift of the whole image, which the mean geometry of the capture causes.
    shift = displacement(blurred(1.3, places), inner)
    places = [p - s for p, s in zip(places, shift, strict=True)]
    local = local_displacements(blurred(1.3, places), inner)
    mean_shift = truth["shift"].mean("frame").to_numpy().reshape(-1, 2)

    def error(sigma: float) -> float:
        return mismatch(blurred(sigma, places), inner)

    sigma = optimize.minimize_scalar(error, bounds=(0.3, 4), method="bounded").x
    target = blurred(sigma, places)
    return Score(
        sigma=float(sigma),
        warp=rms(local - np.median(local, axis=0)),
        floor=rms(mean_shift - mean_shift.mean(axis=0)),
        psnr=float(10 * np.log10(np.ptp(target) ** 2 / error(sigma))),
    )


def rms(vectors: np.ndarray) -> float:
    """Compute the root mean square length of vectors (n, 2)."""
    return float(np.sqrt((vectors**2).sum(axis=1).mean()))


def mismatch(expected: np.ndarray, image: np.ndarray) -> float:
    """Compute the mean square difference after a linear fit of brightness."""
    slope, intercept = np.polyfit(image.ravel(), expected.ravel(), 1)
    return float(np.mean((slope * image + intercept - expected) ** 2))


def displacement(expected: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Find the shift (y, x) of a whole image by Gauss-Newton steps, px."""
    total = np.zeros(2)
    for _ in range(10):
        moved = ndimage.shift(image, -total, order=3, mode="nearest")
        slope, intercept = np.polyfit(expected.ravel(), moved.ravel(), 1)
        difference = moved - (slope * expected + intercept)
        gradient = np.stack(np.gradient(moved))[:, 3:-3, 3:-3].reshape(2, -1)
        step = np.linalg.lstsq(gradient.T, difference[3:-3, 3:-3].ravel(), rcond=None)[0]
        total -= step
        if np.abs(step).max() < 1e-3:
            break
    return total


def local_displacements(expected: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Find the displacements (block, axis) of overlapping blocks that are not empty, px."""
    found = []
    for y in range(0, image.shape[0] - BLOCK + 1, BLOCK // 2):
        for x in range(0, image.shape[1] - BLOCK + 1, BLOCK // 2):
            block = (slice(y, y + BLOCK), slice(x, x + BLOCK))
            if expected[block].std() > 0.3 * expected.std():
                found.append(displacement(expected[block], image[block]))
    vectors = np.array(found)
    return vectors[np.abs(vectors).max(axis=1) < 6]
