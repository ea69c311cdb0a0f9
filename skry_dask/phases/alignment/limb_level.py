"""A frame at one resolution, prepared for comparing it with others pixel by pixel.

Weights are such that every place with a gradient counts about as much as any other, however steep
it is: what the air does to an edge, displacement times gradient, is noise, and grows as the edge
does. A bright limb would otherwise outweigh by far the faint texture that alone tells where the
frame lies along it, and where the air bends the limb, the frame would slide: on simulated limbs
with seeing of 0.7 px, 2 px along without such weights and 0.1 px with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.kernels.frame.binning import bin_pixels
from skry_dask.kernels.frame.box_means import binomial_smooth, box_means
from skry_dask.phases.rating.noise import local_noise_variance

if TYPE_CHECKING:
    from skry_dask.types import BoolArray, Float32Array, FloatArray, Frames

SMOOTHINGS = 4
"""Number of times an image is smoothed with [1 2 1] / 4."""

BLUR_SMOOTHINGS = 6
"""Number of times the smooth image is smoothed further, to tell what blur takes away from it."""

PLACE_SIDE_PX = 21
"""Side of a place, over which gradients are averaged, px."""

MIN_ABOVE_NOISE = 0.7
"""A place has a gradient where it exceeds that of noise by this fraction of it (squared)."""

SEEING = 2.0
"""Variance of the air's displacements times the number of pixels that share one, px^2. (15 is
better by a tenth where seeing of 0.7 px bends the limb, and worse by half where there is none.)"""

ONE_DIRECTION = 0.1
"""A place has gradients of one direction where the smaller eigenvalue of their mean products is
below this fraction of the larger one."""

ROUNDING_VARIANCE = 1 / 12
"""Least variance of noise, grey levels squared: that of rounding."""

RIM_PX = 5
"""Width of the frame's rim whose pixels do not count, px: smoothing stops short of it."""


def _gradient_noise() -> float:
    """Variance of a gradient after smoothing, of an image of white noise of variance 1."""
    smooth = np.ones(1)
    for _ in range(2 * SMOOTHINGS):
        smooth = np.convolve(smooth, [0.5, 0.5])
    across = np.convolve(smooth, [0.5, 0.0, -0.5])
    return float((across**2).sum() * (smooth**2).sum())


GRADIENT_NOISE = _gradient_noise()


class Gradients(NamedTuple):
    """A smooth image, its gradients, and what noise makes of them.

    Parameters
    ----------
    image, along_y, along_x
        float32 (y, x), grey levels, and per px.
    noise
        float32 (y, x), variance of the gradient along either axis that is due to noise.
    energy
        float32 (y, x), squared gradient of the place around each pixel without that of noise; 0
        where it does not stand out of it, and on the rim.
    """

    image: Float32Array
    along_y: Float32Array
    along_x: Float32Array
    noise: Float32Array
    energy: Float32Array

    @classmethod
    def of(cls, levels: Float32Array, variance: FloatArray) -> Gradients:
        """Take the gradients of an image (y, x) with noise of a variance (y, x)."""
        image = binomial_smooth(levels[None], SMOOTHINGS)[0]
        along_y, along_x = np.zeros_like(image), np.zeros_like(image)
        along_y[1:-1] = (image[2:] - image[:-2]) / 2
        along_x[:, 1:-1] = (image[:, 2:] - image[:, :-2]) / 2
        noise = (GRADIENT_NOISE * variance).astype(np.float32)
        squares = box_means(along_y * along_y + along_x * along_x, PLACE_SIDE_PX)
        energy = np.maximum(squares - 2 * (1 + MIN_ABOVE_NOISE) * noise, 0)
        inner = np.zeros(image.shape, bool)
        inner[RIM_PX:-RIM_PX, RIM_PX:-RIM_PX] = True
        return cls(image, along_y, along_x, noise, np.where(inner, energy, np.float32(0)))

    def one_direction_share(self) -> float:
        """Find the share of all gradients, squared, in places that have one direction, 0 to 1.

        It is 0.92 to 1 for limbs, 0.2 to 0.7 for close-ups of the Moon and the Sun, 0.85 for
        sunspots beside a limb in bad seeing, and 0.88 for planets. NaN without gradients.
        """
        total = float(self.energy.sum(dtype=np.float64))
        of_edges = float(self.energy[self._edges()].sum(dtype=np.float64))
        return of_edges / total if total > 0 else float("nan")

    def _edges(self) -> BoolArray:
        """Find the places whose gradients have one direction: bool (y, x)."""
        yy, xx = self.along_y * self.along_y, self.along_x * self.along_x
        products = np.stack([yy - self.noise, xx - self.noise, self.along_y * self.along_x])
        yy, xx, yx = box_means(products, PLACE_SIDE_PX)
        mean, half_gap = (yy + xx) / 2, np.sqrt(((yy - xx) / 2) ** 2 + yx**2)
        edges: BoolArray = np.maximum(mean - half_gap, 0) < ONE_DIRECTION * (mean + half_gap)
        return edges

    def directions(self) -> Float32Array:
        """Give each pixel the direction of its gradient, 0 to 1 long by how it stands out of noise.

        Returns
        -------
        complex64 (y, x)
        """
        squares = self.along_y * self.along_y + self.along_x * self.along_x
        clear = self.energy / (self.energy + 2 * self.noise + np.float32(1e-9))
        length = np.sqrt(clear / (squares + 2 * self.noise + np.float32(1e-9)))
        return (self.along_y * length + 1j * (self.along_x * length)).astype(np.complex64)

    def weights(self, factor: int) -> Float32Array:
        """Weigh pixels, shrunk by a factor, by what they tell about a displacement.

        Returns
        -------
        float32 (y, x)
        """
        # Displacements are smaller by the factor, and pixels that share one by its square.
        seeing = np.float32(SEEING / factor**4)
        clear = self.energy / (self.energy + 2 * self.noise + np.float32(1e-9))
        weights = clear / (2 * self.noise + seeing * self.energy + np.float32(1e-6))
        return weights.astype(np.float32, copy=False)

    def terms(self) -> Float32Array:
        """Stack what explains another image: the image, its loss by blur, gradients.

        Returns
        -------
        float32 (4, y, x); see `whole_shift.normal_matrix`.
        """
        blurred = binomial_smooth(self.image[None], BLUR_SMOOTHINGS)[0]
        return np.stack([self.image, self.image - blurred, self.along_y, self.along_x])


def levels_of(frame: Frames, n_levels: int) -> list[tuple[Float32Array, FloatArray]]:
    """Shrink a frame by powers of two.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x).
    n_levels
        Number of resolutions; the first is the frame's own.

    Returns
    -------
    For each resolution: float32 (y, x), grey levels, and the variance (y, x) of their noise.
    """
    # Means of 8-bit samples keep their fractions.
    factor = 256 if frame.dtype == np.uint8 else 1
    fine: Frames = frame.astype(np.uint16) * np.uint16(factor)
    scale = np.float32(1 / factor)
    variance = local_noise_variance(frame, PLACE_SIDE_PX)
    found = []
    for level in range(n_levels):
        factor = 2**level
        shrunk = bin_pixels(fine, factor).astype(np.float32) * scale
        sampled = variance[factor // 2 :: factor, factor // 2 :: factor]
        noise = sampled[: shrunk.shape[0], : shrunk.shape[1]] / factor**2
        found.append((shrunk, np.maximum(noise, ROUNDING_VARIANCE)))
    return found
