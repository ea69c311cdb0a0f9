"""Choice: which fragments of which frames are stacked.

A fragment has the quality of the areas that it covers; beyond the region, in which quality is
estimated, that of the areas nearest to it. There not every frame shows it, and to those that are
chosen some are added so that no pixel stays empty that any frame shows.

Memory: a byte a fragment and frame, what was chosen. Qualities are found for a few fragments at a
time, since those of all weigh eight times as much.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from skry_dask.geometry.mesh import area_labels
from skry_dask.graph.threads import on_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import xarray as xr

    from skry_dask.geometry.canvas import Region
    from skry_dask.geometry.mesh import TriangleMesh
    from skry_dask.options import StackOptions
    from skry_dask.types import BoolArray, Float32Array, FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Which fragments frames show, but for what displacements change.

    Parameters
    ----------
    mesh
        Of the image.
    offset
        float64 (frame, axis), px.
    size
        Height and width of a frame, px.
    """

    mesh: TriangleMesh
    offset: FloatArray
    size: tuple[int, ...]

    def frames_that_show(self, fragments: slice = slice(None)) -> tuple[BoolArray, BoolArray]:
        """Tell which frames show each of some fragments.

        Returns
        -------
        bool (frame, fragment), bool (frame, fragment)
            Whether the whole of it is shown, and whether a part may be.
        """
        region = self.mesh.region
        # Fixed points lie just outside.
        places = self.mesh.corners[self.mesh.triangles[fragments]]
        corners = np.clip(places, 0, np.array(region.shape) - 1) + np.array([region.y, region.x])
        low, high = corners.min(axis=1), corners.max(axis=1)
        whole = np.ones((len(self.offset), len(low)), bool)
        part = whole.copy()
        for axis in (0, 1):
            first = low[:, axis] + self.offset[:, None, axis]
            last = high[:, axis] + self.offset[:, None, axis]
            whole &= (first >= 0) & (last <= self.size[axis] - 1)
            part &= (last >= 0) & (first <= self.size[axis] - 1)
        return whole, part


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What can be chosen: the fragments of all frames, or all frames as a whole.

    Parameters
    ----------
    quality
        float32 (frame, area).
    active
        bool (frame), which frames may be used.
    weights
        Sparse float64 (fragment, area): the quality of a fragment is the sum of those of areas.
    shown
        Where frames lie on the canvas, if some show only a part of it.
    """

    quality: Float32Array
    active: BoolArray
    weights: csr_array
    shown: Shown | None = None

    @classmethod
    def of_fragments(
        cls,
        mesh: TriangleMesh,
        region: Region,
        quality: xr.Dataset,
        active: BoolArray,
        shown: Shown | None = None,
    ) -> Candidates:
        """Average the quality of the areas that each fragment covers, or that are nearest to it.

        Parameters
        ----------
        mesh
            Of the image.
        region
            In which quality was estimated.
        quality
            From `estimate_quality`; its ``blended_quality`` is loaded.
        active, shown
            See `Candidates`.
        """
        rows, columns = (
            np.clip(np.rint(coords).astype(np.int64) - first, 0, n - 1)
            for coords, first, n in zip(
                (mesh.y_coords, mesh.x_coords), (region.y, region.x), region.shape, strict=True
            )
        )
        area_size = quality.attrs["options"]["area_size"]
        weights = mesh.area_weights(area_labels(region, area_size, (rows, columns)))
        return cls(quality["blended_quality"].load().to_numpy(), active, weights, shown)

    @classmethod
    def of_frames(cls, quality: xr.Dataset, active: BoolArray) -> Candidates:
        """Take each frame as one fragment, with the frame's quality."""
        value = quality["frame_quality"].load().to_numpy()[:, None]
        return cls(value, active, csr_array(np.ones((1, 1))))

    @property
    def n_frames(self) -> int:
        """Of the capture."""
        return len(self.quality)

    def choose(self, criterion: Callable[[FloatArray], BoolArray]) -> BoolArray:
        """Choose by a criterion, and what leaves no pixel empty.

        Parameters
        ----------
        criterion
            Called with the quality of some fragments, float64 (frame, fragment), NaN where they
            must not be used; returns bool of that shape.

        Returns
        -------
        bool (frame, fragment)
        """
        out = np.empty((self.n_frames, self.weights.shape[0]), bool)

        def choose(fragments: slice) -> None:
            quality = self._quality_of(fragments)
            if self.shown is None:
                out[:, fragments] = criterion(quality)
                return
            whole, part = self.shown.frames_that_show(fragments)
            quality[~part] = np.nan
            out[:, fragments] = criterion(quality) | fragments_to_cover(quality, whole)

        on_threads(choose, list(column_blocks(*out.shape)))
        return out

    def _quality_of(self, fragments: slice) -> FloatArray:
        """Find the quality of some fragments: float64 (frame, fragment)."""
        weights = self.weights[fragments]
        areas, at = np.unique(weights.indices, return_inverse=True)
        weights = csr_array((weights.data, at, weights.indptr), (weights.shape[0], len(areas)))
        of_areas = self.quality[:, areas].T.astype(np.float64, order="C")
        # Sums go triangle by triangle in a fixed order, so ranks do not depend on a BLAS library.
        found: FloatArray = (weights @ of_areas).T
        # A triangle so thin that it has no pixel has no area either: its sum of nothing is not NaN.
        found[~self.active] = np.nan
        return found


def fragments_to_cover(quality: FloatArray, whole: BoolArray) -> BoolArray:
    """Choose fragments such that no pixel stays empty that a frame shows.

    Parameters
    ----------
    quality
        float64 (frame, fragment); NaN in frames that show none of it.
    whole
        bool (frame, fragment), which frames show all of it.

    Returns
    -------
    bool (frame, fragment): the best frame that shows the whole; where there is none, all that show
    a part.
    """
    best = best_fragments(np.where(whole, quality, np.nan), 1)
    return best | (~np.isnan(quality) & ~best.any(axis=0))


def select(quality: FloatArray, options: StackOptions, n_active: int | None = None) -> BoolArray:
    """Choose fragments by the criterion given.

    Parameters
    ----------
    quality
        float64 (frame, fragment); NaN in frames that must not be used.
    options
        Percent and number count active frames.
    n_active
        How many there are; None = those without NaN.

    Returns
    -------
    bool (frame, fragment); at least one frame of each fragment that any frame shows.
    """
    if options.min_quality is not None:
        unusable = np.isnan(quality)
        low = np.where(unusable, np.inf, quality).min(axis=0)
        high = np.where(unusable, -np.inf, quality).max(axis=0)
        with np.errstate(invalid="ignore"):
            return quality - low >= options.min_quality * (high - low)
    if n_active is None:
        n_active = int((~np.isnan(quality).any(axis=1)).sum())
    number = options.number
    if options.percent is not None:
        number = max(1, round(n_active * options.percent / 100))
    return best_fragments(quality, number or n_active)


COLUMNS = 2**16
"""Tables (frame, fragment) are gone through in blocks of so many entries, a few columns each: what
is made on the way must not grow with the number of frames."""


def column_blocks(n_frames: int, n_columns: int) -> Iterator[slice]:
    """Cut the columns of a table into blocks: slices that cover them all, in order."""
    width = max(1, COLUMNS // max(n_frames, 1))
    return (slice(i, min(i + width, n_columns)) for i in range(0, n_columns, width))


def best_fragments(quality: FloatArray | Float32Array, number: int) -> BoolArray:
    """Select the best frames of each fragment.

    Parameters
    ----------
    quality
        float (frame, fragment); NaN for frames that must not be used.
    number
        How many frames to take; where fewer can be used, all of them are taken.

    Returns
    -------
    bool (frame, fragment); of equals, the earlier frames.
    """
    out = np.empty(quality.shape, bool)
    for columns in column_blocks(*quality.shape):
        out[:, columns] = _best_of_columns(quality[:, columns], number)
    return out


def _best_of_columns(quality: FloatArray | Float32Array, number: int) -> BoolArray:
    usable = ~np.isnan(quality)
    ranked = np.where(usable, quality, -np.inf)
    if number >= len(ranked):
        return usable
    place = len(ranked) - number
    limit = np.partition(ranked, place, axis=0)[place]
    above = ranked > limit
    equal = (ranked == limit) & usable
    missing = number - above.sum(axis=0)
    return above | (equal & (np.cumsum(equal, axis=0) <= missing))
