"""Where each image of a sequence lies on the canvas of one of them, and how bright it is there.

Each image has a shift, so that an object stays where it is. What is left of the displacement at a
place is the air's, which differs from image to image, or the motion of the object, as clouds on a
turning planet, which goes on (`motion`) and is left.

Cost: 2 us a pixel and image on one core. Memory: two images.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage

from skry_dask.finishing.registration.common_region import overlap, region_of, union
from skry_dask.finishing.registration.displacement import Displacement
from skry_dask.finishing.registration.register import likely_scale, register
from skry_dask.finishing.timelapse.motion import motion_that_goes_on
from skry_dask.geometry.canvas import Region
from skry_dask.options.phases import Canvas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skry_dask.types import BoolArray, Float32Array, FloatArray

LIGHT_PX = 2.0
"""Standard deviation of the Gaussian that takes noise out of an image before its light is
compared, px."""

MIN_LIKENESS = 0.5
"""Correlation of two images below which only their means are compared, not their contrast."""

MAX_SCALE_ERROR = 0.02
"""Images whose scales differ by more than this are of another focal length or were resized."""


class Light(NamedTuple):
    """How to bring an image to the brightness of the reference: gain times image, plus level."""

    gain: float = 1.0
    level: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """An image on the canvas of the reference.

    Parameters
    ----------
    displacement
        Of the image against the reference.
    region
        The part of the canvas that it shows.
    light
        What makes it as bright as the reference.
    """

    displacement: Displacement
    region: Region
    light: Light

    @classmethod
    def of_reference(cls, image: Float32Array) -> Placement:
        """Place the reference, float32 (y, x), itself."""
        height, width = image.shape
        still = Displacement.of_similarity(np.zeros(4), (height, width))
        return cls(still, Region(0, 0, height, width), Light())

    def drawn(self, image: Float32Array, canvas: Region) -> Float32Array:
        """Draw the image on a canvas, without its light.

        Parameters
        ----------
        image
            float32 (y, x[, channel]).
        canvas
            On the grid of the reference.

        Returns
        -------
        float32 (y, x[, channel]); NaN where the image shows nothing.
        """
        if image.ndim == 2:
            return self.displacement.undone(image, canvas)
        planes = [self.displacement.undone(plane, canvas) for plane in np.moveaxis(image, -1, 0)]
        return np.stack(planes, axis=-1)


def place(reference: Float32Array, image: Float32Array, *, rigid: bool) -> Placement | str:
    """Place an image on the canvas of a reference.

    Parameters
    ----------
    reference, image
        float32 (y, x), NaN where there is no value.
    rigid
        Whether by a shift alone.

    Returns
    -------
    Placement or str
        What it lacks to be placed, for a message that begins with its name.
    """
    found = register(reference, image, local=not rigid)
    if not found.agrees:
        scale = likely_scale(reference, image)
        if abs(scale - 1) > MAX_SCALE_ERROR:
            return f"is about {scale:.3g} times as large as"
        return "does not show what is shown by"
    displacement = found.displacement
    places = displacement.rows, displacement.columns
    left = displacement.at(*places) - found.shift[:2]
    displacement = replace(displacement, similarity=found.shift, local=left)
    region = region_of(replace(displacement, local=np.zeros_like(left)), image.shape)
    common = overlap([region, Region(0, 0, *reference.shape)])
    if common is None:
        return "has no part in common with"
    shown = reference[common.y : common.y + common.height, common.x : common.x + common.width]
    moved = displacement.undone(image, common)
    return Placement(displacement, region, compare_light(shown, moved))


def without_motion(placements: Sequence[Placement]) -> list[Placement]:
    """Take out of local displacements what goes on from image to image.

    Parameters
    ----------
    placements
        In the order of time, all against the same reference; one or more.
    """
    grid = max(placements, key=lambda one: one.displacement.local.size).displacement
    local = [_resized(one.displacement.local, grid.local.shape) for one in placements]
    goes_on = motion_that_goes_on(np.array(local))
    return [
        replace(
            one,
            displacement=replace(
                one.displacement, rows=grid.rows, columns=grid.columns, local=own - motion
            ),
        )
        for one, own, motion in zip(placements, local, goes_on, strict=True)
    ]


def _resized(local: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return the local displacement of the reference, which is 0, on the grid of the others."""
    return local if local.shape == shape else np.zeros(shape)


def compare_light(reference: Float32Array, image: Float32Array) -> Light:
    """Compare the light of two images that show the same.

    Parameters
    ----------
    reference, image
        float32 (y, x), NaN where there is no value.
    """
    both = np.isfinite(reference) & np.isfinite(image)
    if not both.any():
        return Light()
    ours, theirs = (_smooth(pixels, both)[both] for pixels in (reference, image))
    spread = float(ours.std() * theirs.std())
    likeness = float(((ours - ours.mean()) * (theirs - theirs.mean())).mean()) / max(spread, 1e-30)
    if likeness < MIN_LIKENESS:
        return Light(float(ours.mean() / max(theirs.mean(), 1e-6)))
    gain = float(ours.std() / theirs.std())
    return Light(gain, float(ours.mean() - gain * theirs.mean()))


def _smooth(pixels: Float32Array, valid: BoolArray) -> Float32Array:
    filled = np.where(valid, pixels, pixels[valid].mean())
    return ndimage.gaussian_filter(filled, LIGHT_PX, mode="nearest")


def canvas_of(placements: Sequence[Placement], canvas: Canvas) -> Region | None:
    """Find the canvas of a movie, whose sides are even, as compressed video needs.

    Parameters
    ----------
    placements
        Of all images.
    canvas
        What it covers.

    Returns
    -------
    None if images have no part in common.
    """
    regions = [one.region for one in placements]
    whole = union(regions) if canvas is Canvas.UNION else overlap(regions)
    if whole is None or min(whole.shape) < 2:
        return None
    return Region(whole.y, whole.x, whole.height // 2 * 2, whole.width // 2 * 2)


def evened(placements: Sequence[Placement]) -> list[Light]:
    """Return what makes all images as bright as the median of them.

    Parameters
    ----------
    placements
        Of all images.
    """
    gain = float(np.median([one.light.gain for one in placements]))
    level = float(np.median([one.light.level for one in placements]))
    return [Light(one.light.gain / gain, (one.light.level - level) / gain) for one in placements]
