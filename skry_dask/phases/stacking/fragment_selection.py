"""Fragment selection: which fragments of which frames are stacked.

A fragment is a triangle in a frame. Its quality is the mean quality of the areas that the triangle
covers; where a frame does not show all of them, that of the nearest areas. Of a union, not every
frame shows a triangle, so fragments are added to the selected ones where a pixel that some frame
shows would otherwise stay empty.

Memory: the selection, one bit for each fragment. Qualities would take 64 times as much, so they are
found for a few triangles at a time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
from scipy.sparse import csr_array

from skry_dask.geometry.areas import AreaGrid
from skry_dask.graph.threads import on_threads
from skry_dask.phases.rating.ranking import column_slices, select_best

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

    from skry_dask.geometry.canvas import Region
    from skry_dask.geometry.mesh import TriangleMesh
    from skry_dask.options import StackOptions
    from skry_dask.phases.stacking.frame_coverage import FrameCoverage
    from skry_dask.phases.stacking.hidden_fragments import HiddenFragments
    from skry_dask.phases.stacking.point_weights import PointWeights
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FragmentChoice(ABC):
    """What decides which fragments are stacked.

    Parameters
    ----------
    active
        bool (frame), which frames may be used.
    coverage
        Which fragments frames show; None where every active frame shows all of them.
    hidden
        Fragments that show something else than the scene; None if there are none.
    """

    active: BoolArray
    coverage: FrameCoverage | None = None
    hidden: HiddenFragments | None = None

    @property
    @abstractmethod
    def n_triangles(self) -> int:
        """Number of triangles; 1 where frames are selected as a whole."""

    @property
    def weights(self) -> PointWeights | None:
        """Weights of frames at reference points; None = each frame counts once."""
        return None

    @property
    def note(self) -> str | None:
        """What the user should know about the choice, or None."""
        return None

    @abstractmethod
    def select(self, criterion: Callable[[FloatArray], BoolArray] | None) -> AnyArray:
        """Select fragments, and those without which a pixel would stay empty.

        Parameters
        ----------
        criterion
            Called with the quality of some triangles, float64 (frame, triangle), NaN where they
            must not be used; returns bool (frame, triangle). None = all that may be used.

        Returns
        -------
        uint8 (frame, byte), see `pack_selection`: one bit for each triangle.
        """

    def select_best(self, number: int) -> AnyArray:
        """Select this number of each triangle's best frames, and see `select`."""
        return self.select(lambda quality: select_best(quality, number))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FragmentQuality(FragmentChoice):
    """The quality of all fragments, found for a few triangles at a time.

    Frames that are selected as a whole are a single triangle whose quality is the frame's.

    Parameters
    ----------
    area_quality
        float32 (frame, area), fraction of full scale.
    shares
        Sparse float64 (triangle, area): quality of a triangle = shares @ quality of areas.
    """

    area_quality: Float32Array
    shares: csr_array

    @classmethod
    def of_triangles(
        cls,
        mesh: TriangleMesh,
        region: Region,
        quality: xr.Dataset,
        active: BoolArray,
        coverage: FrameCoverage | None = None,
        hidden: HiddenFragments | None = None,
    ) -> FragmentQuality:
        """Average the quality of the areas that each triangle covers.

        Parameters
        ----------
        mesh
            Divides the image into triangles.
        region
            In which quality was estimated; where a frame shows part of an area, the nearest area
            that it shows counts.
        quality
            From `estimate_quality`; its ``blended_quality`` is loaded.
        active, coverage, hidden
            See `FragmentChoice`.
        """
        # Drizzled pixels may lie half a pixel outside.
        rows, columns = (
            np.clip(np.rint(coords).astype(np.int64) - first, 0, n - 1)
            for coords, first, n in zip(
                (mesh.y_coords, mesh.x_coords), (region.y, region.x), region.shape, strict=True
            )
        )
        grid = AreaGrid.of_region(region, quality.attrs["options"]["area_size"])
        shares = mesh.area_shares(grid.labels_at(rows, columns))
        of_areas = with_nearest_areas(quality["blended_quality"].load().to_numpy(), grid)
        return cls(
            area_quality=of_areas, active=active, shares=shares, coverage=coverage, hidden=hidden
        )

    @classmethod
    def of_whole_frames(
        cls, quality: xr.Dataset, active: BoolArray, hidden: HiddenFragments | None = None
    ) -> FragmentQuality:
        """Take each frame as a single fragment of the frame's quality."""
        per_frame = quality["frame_quality"].load().to_numpy()[:, None]
        whole = csr_array(np.ones((1, 1)))
        return cls(area_quality=per_frame, active=active, shares=whole, hidden=hidden)

    @classmethod
    def of_no_frame(cls) -> FragmentQuality:
        """Take no memory, where fragments have been selected already."""
        none = np.empty((0, 0), np.float32)
        return cls(area_quality=none, active=np.empty(0, bool), shares=csr_array((0, 0)))

    @property
    def n_triangles(self) -> int:
        """Number of triangles; 1 where frames are selected as a whole."""
        return int(self.shares.shape[0])

    def select(self, criterion: Callable[[FloatArray], BoolArray] | None) -> AnyArray:
        """Select fragments, some triangles at a time: see `FragmentChoice.select`."""
        criterion = criterion or select_usable
        n_frames = len(self.active)
        packed = np.empty((n_frames, -(-self.n_triangles // 8)), np.uint8)

        def select_bytes(of_bytes: slice) -> None:
            first, last = 8 * of_bytes.start, min(8 * of_bytes.stop, self.n_triangles)
            selected = np.empty((n_frames, last - first), bool)
            for part in column_slices(*selected.shape):
                triangles = slice(first + part.start, first + part.stop)
                selected[:, part] = self.select_triangles(triangles, criterion)
            packed[:, of_bytes] = pack_selection(selected)

        on_threads(select_bytes, list(column_slices(8 * n_frames, packed.shape[1])))
        return packed

    def select_triangles(
        self, triangles: slice, criterion: Callable[[FloatArray], BoolArray]
    ) -> BoolArray:
        """Select fragments of some triangles by their quality: bool (frame, triangle)."""
        quality = self._quality_of(triangles)
        if self.hidden is not None and self.n_triangles == self.hidden.n_triangles:
            quality = self.hidden.without_quality(quality, triangles)
        if self.coverage is None:
            return criterion(quality)
        complete, partial = self.coverage.of_triangles(triangles)
        quality[~partial] = np.nan
        return criterion(quality) | select_to_cover(quality, complete)

    def _quality_of(self, triangles: slice) -> FloatArray:
        """Find the quality of some triangles: float64 (frame, triangle), NaN in inactive frames."""
        shares = self.shares[triangles]
        areas, positions = np.unique(shares.indices, return_inverse=True)
        shape = (shares.shape[0], len(areas))
        shares = csr_array((shares.data, positions, shares.indptr), shape)
        of_areas = self.area_quality[:, areas].T.astype(np.float64, order="C")
        # scipy adds up each row in a fixed order; a BLAS library might not, and ranks would differ.
        quality: FloatArray = (shares @ of_areas).T
        # A triangle without a pixel has no area, and its empty sum would not be NaN.
        quality[~self.active] = np.nan
        return quality


def with_nearest_areas(quality: Float32Array, grid: AreaGrid) -> Float32Array:
    """Give areas that a frame does not show the quality of the nearest one that it shows.

    Parameters
    ----------
    quality
        float32 (frame, area); NaN where a frame does not show the area.
    grid
        The areas.

    Returns
    -------
    float32 (frame, area); NaN in frames that show none.
    """
    shown = ~np.isnan(quality)
    parts = np.flatnonzero(shown.any(axis=1) & ~shown.all(axis=1))
    if not len(parts):
        return quality
    filled = quality.copy()
    shape = (len(grid.y_edges) - 1, len(grid.x_edges) - 1)
    for i in parts:
        known = shown[i].reshape(shape)
        nearest = [
            np.clip(np.arange(n), along[0], along[-1])
            for n, along in zip(
                shape, (np.flatnonzero(known.any(axis=k)) for k in (1, 0)), strict=True
            )
        ]
        filled[i] = quality[i].reshape(shape)[np.ix_(*nearest)].ravel()
    return filled


def select_to_cover(quality: FloatArray, complete: BoolArray) -> BoolArray:
    """Select fragments so that no pixel stays empty that some frame shows.

    Parameters
    ----------
    quality
        float64 (frame, triangle); NaN in frames that show no part of it.
    complete
        bool (frame, triangle), which frames show all of it.

    Returns
    -------
    bool (frame, triangle): the best frame that shows the whole triangle; where there is none, all
    frames that show part of it.
    """
    best = select_best(np.where(complete, quality, np.nan), 1)
    return best | (~np.isnan(quality) & ~best.any(axis=0))


def select_usable(quality: FloatArray) -> BoolArray:
    """Select all fragments that may be used: bool (frame, triangle)."""
    return ~np.isnan(quality)


def select_fragments(
    quality: FloatArray, options: StackOptions, n_active: int | None = None
) -> BoolArray:
    """Select fragments by the criterion in the options.

    Parameters
    ----------
    quality
        float64 (frame, triangle); NaN in frames that must not be used.
    options
        With one ``percent`` or ``number``, of the active frames, or ``min_quality``.
    n_active
        Number of active frames [default: of each triangle, the frames that show it].

    Returns
    -------
    bool (frame, triangle), at least one frame for each triangle that any frame shows.
    """
    if options.min_quality is not None:
        unusable = np.isnan(quality)
        low = np.where(unusable, np.inf, quality).min(axis=0)
        high = np.where(unusable, -np.inf, quality).max(axis=0)
        with np.errstate(invalid="ignore"):
            return quality - low >= options.min_quality * (high - low)
    percent = options.percent
    if not isinstance(percent, Real):
        return select_best(quality, options.number or len(quality))
    if n_active is None:
        shown = (~np.isnan(quality)).sum(axis=0)
        return select_best(quality, np.maximum(1, np.rint(shown * percent / 100)).astype(int))
    return select_best(quality, max(1, round(n_active * percent / 100)))


def pack_selection(selected: BoolArray | da.Array) -> AnyArray | da.Array:
    """Pack a selection into one bit for each fragment: bool (..., fragment) to uint8 (..., byte).

    A lazy selection stays lazy, and one that is packed already stays as it is.
    """
    if selected.dtype == np.uint8:
        return selected
    if not isinstance(selected, da.Array):
        return np.packbits(selected, axis=-1)
    whole = selected.rechunk({selected.ndim - 1: -1})
    n_bytes = -(-whole.shape[-1] // 8)
    chunks = (*whole.chunks[:-1], (n_bytes,))
    return whole.map_blocks(np.packbits, axis=-1, dtype=np.uint8, chunks=chunks)


def count_taken(packed: AnyArray) -> IntArray:
    """Count the fragments that are taken from each frame.

    Parameters
    ----------
    packed
        uint8 (frame, byte), see `pack_selection`.

    Returns
    -------
    int64 (frame)
    """
    counts = np.empty(len(packed), np.int64)
    for frames in column_slices(packed.shape[1], len(packed)):
        counts[frames] = np.bitwise_count(packed[frames]).sum(axis=1)
    return counts


def unpack_selection(packed: AnyArray, n_fragments: int) -> BoolArray:
    """Unpack what `pack_selection` returned: uint8 (..., byte) to bool (..., fragment)."""
    return np.unpackbits(packed, axis=-1, count=n_fragments).view(bool)


def count_selected(selected: AnyArray | da.Array, n_fragments: int) -> IntArray | da.Array:
    """Count the frames of which each fragment is selected.

    Parameters
    ----------
    selected
        bool (frame, selection, fragment), or in memory and packed: see `pack_selection`.
    n_fragments
        Number of fragments.

    Returns
    -------
    int64 (selection, fragment)
    """
    if selected.dtype != np.uint8:
        return selected.sum(axis=0)
    counts = np.zeros((selected.shape[1], n_fragments), np.int64)
    for rows in column_slices(counts.size, len(selected)):
        counts += unpack_selection(selected[rows], n_fragments).sum(axis=0)
    return counts


def unpack_fragments(packed: AnyArray, fragments: IntArray) -> BoolArray:
    """Unpack the selection of some fragments: uint8 (..., byte) to bool (..., fragment).

    Parameters
    ----------
    packed
        See `pack_selection`.
    fragments
        int64 (fragment): their indices.
    """
    of_bytes, place = np.unique(fragments // 8, return_inverse=True)
    bits = np.unpackbits(packed[..., of_bytes], axis=-1).view(bool)
    return bits[..., 8 * place + fragments % 8]
