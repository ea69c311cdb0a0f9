"""Registration of one image to another: coarse shift, similarity, then the local displacement.

Resolutions are gone through from coarse to fine. At each, the image is moved to where it is
expected; tiles say how far it is still off (`tile_equations`); the similarity and, at the two
finest resolutions, the smooth field are fitted to that (`smooth_field`).

Error on simulated filters of 640 x 480 px, with gain, gamma 1.5 and a blur of 1 px, px rms: 0.02
for a shift alone and noise of 0.5 %; 0.03 with local displacements of 0.5 px that change over 80
px; 0.08 with noise of 2 %. The reference gets the brightness of the image first (`brightness`): on
a disc with another gamma local displacements are 0.03 px off, 0.2 px without; with another law of
darkening towards the limb 0.1 to 0.2 px at the limb (0.4 without), and 0.02 px as a whole.

Cost: 2.5 us a pixel on one core. Memory: 15 float32 arrays of the size of the reference.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from skry_dask.finishing.registration.brightness import with_brightness_of
from skry_dask.finishing.registration.coarse_shift import coarse_shift
from skry_dask.finishing.registration.displacement import Displacement
from skry_dask.finishing.registration.levels import Level, at_resolution
from skry_dask.finishing.registration.smooth_field import (
    fit_field,
    fit_similarity,
    mean_shift,
    similarity_basis,
)
from skry_dask.finishing.registration.tile_equations import (
    CELL_PX,
    TileReference,
    tile_centres,
)
from skry_dask.geometry.canvas import Region

if TYPE_CHECKING:
    from skry_dask.finishing.registration.tile_equations import TileSteps
    from skry_dask.types import Float32Array, FloatArray

COARSE_SIDE_PX = 256
"""Largest side of the coarsest resolution, px."""

N_LOCAL = 2
"""Number of resolutions, the finest ones, at which local displacements are fitted."""

N_ROUNDS = 3
"""How often the displacement is corrected at each resolution."""

MIN_AGREEMENT = 0.5
"""Least agreement of images that show the same: strong noise leaves 0.6, other scenes 0.4."""

MIN_SHARED = 0.4
"""Least share of the smaller of two images that both show: mirrored images agree near the
mirror."""

MIN_LIKENESS = 0.5
"""Least likeness of a coarse shift that shows the scale: right ones have 0.7, wrong ones 0.3."""

SCALES = 1.05 ** np.arange(-20, 21)
"""Scales that are tried for images that do not agree."""


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """Where an image shows what the reference shows.

    Parameters
    ----------
    displacement
        Of the image against the reference.
    shift
        float64 (4): the displacement on average, where something tells it, as a similarity without
        scale and rotation, px.
    agreement
        Root of the share of the image's fine structure that the reference explains, 0 to 1, at the
        resolution at which it is largest.
    shared
        Share of the smaller image that both show, 0 to 1.
    extent
        Distance of what tells the displacement from its centre, px rms: the radius of a disc on a
        dark sky.
    """

    displacement: Displacement
    shift: FloatArray
    agreement: float
    shared: float
    extent: float

    @property
    def agrees(self) -> bool:
        """Whether both images show the same."""
        return self.agreement >= MIN_AGREEMENT and self.shared >= MIN_SHARED


def register(reference: Float32Array, image: Float32Array, *, local: bool) -> Registration:
    """Find where an image shows what the reference shows.

    Parameters
    ----------
    reference, image
        float32 (y, x), NaN where there is no value; of any sizes, brightness and contrast.
    local
        Whether scale, rotation and displacements that differ from place to place are measured, too.

    Returns
    -------
    Registration
        Of no meaning unless it ``agrees``.
    """
    factor = _coarsest(reference.shape, image.shape)
    coarse = coarse_shift(at_resolution(reference, factor), at_resolution(image, factor))
    shift = factor * np.array([*coarse.shift, 0.0, 0.0])
    found, agreement = Displacement.of_similarity(shift, reference.shape), 0.0
    while factor:
        ours = at_resolution(reference, factor)
        level = at_resolution(image, factor)
        own = np.where(level.valid, level.pixels, np.nan).astype(np.float32)
        whole = Region(0, 0, *ours.valid.shape)
        for _ in range(N_ROUNDS):
            moved = _as_level(found.at_resolution(factor).undone(own, whole))
            tiles = TileReference.of_level(with_brightness_of(ours, moved))
            steps = tiles.steps(moved)
            found, shift = _corrected(found, steps, factor, local=local)
        agreement = max(agreement, steps.agreement)
        factor //= 2
    shared = np.count_nonzero(moved.valid & tiles.shown) / min(reference.size, image.size)
    return Registration(found, shift, agreement, float(shared), _extent(steps))


def likely_scale(reference: Float32Array, image: Float32Array) -> float:
    """Find the scale at which two images agree best that do not agree otherwise.

    Parameters
    ----------
    reference, image
        float32 (y, x), NaN where there is no value.

    Returns
    -------
    float
        How many times as large the image shows what the reference shows, to 5 %; 1 if they do not
        agree at any scale.
    """
    factor = 2 * _coarsest(reference.shape, image.shape)
    ours, theirs = at_resolution(reference, factor), at_resolution(image, factor)

    def likeness(scale: float) -> float:
        resized = Level(
            ndimage.zoom(ours.pixels, scale, order=1), ndimage.zoom(ours.valid, scale, order=0)
        )
        return coarse_shift(resized, theirs).likeness

    smallest = min(ours.pixels.shape)
    found = {likeness(scale): scale for scale in SCALES if scale * smallest >= CELL_PX}
    best = max(found, default=0.0)
    return float(found[best]) if best >= MIN_LIKENESS else 1.0


def _coarsest(*shapes: tuple[int, ...]) -> int:
    """Return how many px along each axis become one at the coarsest resolution."""
    longest = max(n for shape in shapes for n in shape)
    return 1 << ((longest - 1) // COARSE_SIDE_PX).bit_length()


def _as_level(moved: Float32Array) -> Level:
    valid = np.isfinite(moved)
    typical = moved[valid].mean() if valid.any() else 0.0
    return Level(np.where(valid, moved, typical).astype(np.float32), valid)


def _extent(steps: TileSteps) -> float:
    """Measure how far what tells the displacement extends, px of the resolution."""
    places = np.stack(np.meshgrid(*tile_centres(steps.shape), indexing="ij"), axis=-1)
    weight = np.trace(steps.information, axis1=-2, axis2=-1)[..., None]
    total = max(float(weight.sum()), 1e-30)
    centre = (weight * places).sum(axis=(0, 1)) / total
    return float(np.sqrt((weight * (places - centre) ** 2).sum() / total))


def _corrected(
    before: Displacement, steps: TileSteps, factor: int, *, local: bool
) -> tuple[Displacement, FloatArray]:
    """Correct a displacement by what tiles say at a resolution; return its mean shift, too."""
    rows, columns = (factor * centres + (factor - 1) / 2 for centres in tile_centres(steps.shape))
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)
    displacement = before.at(rows, columns) + factor * steps.step
    information = steps.information / factor**2
    basis = similarity_basis(places, before.centre)
    flat = information.reshape(-1, 2, 2), basis.reshape(-1, 2, 4)
    similarity = fit_similarity(displacement.reshape(-1, 2), *flat)
    shift = mean_shift(similarity, *flat)
    if not local:
        return replace(before, similarity=shift), shift
    if factor >= 1 << N_LOCAL or min(len(rows), len(columns)) < 2:
        return replace(before, similarity=similarity), shift
    field = fit_field(displacement - basis @ similarity, information, rows[1] - rows[0])
    return Displacement(similarity, before.centre, rows, columns, field), shift
