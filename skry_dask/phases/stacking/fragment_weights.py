"""Soft weights in place of a cut: every frame counts at each pixel with its weight there.

Weights belong to reference points and are interpolated between the corners of triangles, as
displacements are, so that an image has no seams. With noise that is the same in all frames, the
best weight of a frame is the share of the scene's contrast that it transfers: many frames that are
a little blurred then add to the detail that few sharp ones have. Fragments whose corners all weigh
nothing are left out, and cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.errors import OptionsError
from skry_dask.graph.threads import on_threads
from skry_dask.phases.rating.ranking import column_slices
from skry_dask.phases.stacking.corner_motion import followed_points
from skry_dask.phases.stacking.fragment_selection import FragmentChoice

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

    from skry_dask.geometry.mesh import TriangleMesh
    from skry_dask.phases.stacking.fragment_selection import FrameCoverage
    from skry_dask.types import AnyArray, BoolArray, FloatArray, IntArray

HIDDEN_SHIFT = 4
"""Text and marks reduce weights by this number of bits."""

NEAR_POINT_PX = 8
"""A frame shows text at a point, if there is any this far away along both axes: points are about
twice as far apart, px."""


def hidden_points(overlay: BoolArray, position: FloatArray, offset: FloatArray) -> BoolArray:
    """Find where text and marks hide the scene; single pixels, such as hot ones, do not count.

    Parameters
    ----------
    overlay
        bool (y, x), masked pixels of frames; see `mask_standing`.
    position
        float64 (point, axis), on the canvas, px.
    offset
        float64 (frame, axis), px; NaN where it is not known.

    Returns
    -------
    bool (frame, point)
    """
    from scipy import ndimage

    wide = ndimage.binary_opening(overlay, np.ones((3, 3), bool))
    near = ndimage.maximum_filter(wide, 2 * NEAR_POINT_PX + 1, mode="constant")
    places = np.nan_to_num(position + offset[:, None]).round().astype(np.int64)
    inside = ((places >= 0) & (places < overlay.shape)).all(axis=2)
    y, x = np.moveaxis(np.clip(places, 0, np.array(overlay.shape) - 1), 2, 0)
    hidden: BoolArray = near[y, x] & inside
    return hidden


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FragmentWeights(FragmentChoice):
    """The weights of frames, which select the fragments of which a corner weighs anything.

    Parameters
    ----------
    of_points
        uint8 (frame, point), 255 = counts fully.
    counts
        bool (frame, corner), whether the frame weighs anything at the corner.
    triangles
        int64 (triangle, 3), indices of corners.
    n_unweighted
        Number of points where no frame weighs anything, and so all count alike.
    """

    of_points: AnyArray
    counts: BoolArray
    triangles: IntArray
    n_unweighted: int

    @classmethod
    def of_frames(
        cls,
        points: xr.Dataset,
        mesh: TriangleMesh,
        active: BoolArray,
        coverage: FrameCoverage | None = None,
        hidden: BoolArray | None = None,
    ) -> FragmentWeights:
        """Read the weights of a stack, so that no pixel stays without a frame.

        Parameters
        ----------
        points
            With ``weight`` uint8 (frame, point); loaded if it is lazy.
        mesh
            Its first corners are the reference points, the others fixed points.
        active, coverage
            See `FragmentChoice`.
        hidden
            bool (frame, point), from `hidden_points`, or None: frames have hardly any weight there.

        Raises
        ------
        OptionsError
            If the points have no weights, or weights that are not uint8.
        """
        weight = _read_weights(points)
        if hidden is not None:  # Where no frame shows more, what was filled in has to do.
            weight = np.where(hidden & (weight > 0), np.maximum(weight >> HIDDEN_SHIFT, 1), weight)
        nothing = np.asarray(~weight[active].any(axis=0))
        weight = np.where(nothing, np.uint8(1), weight)
        if coverage is not None:  # The only frames that show a pixel could weigh nothing there.
            weight = np.maximum(weight, np.uint8(1))
        return cls(
            active=active,
            coverage=coverage,
            of_points=weight,
            counts=_corners_that_count(weight, mesh),
            triangles=mesh.triangles,
            n_unweighted=int(nothing.sum()),
        )

    @property
    def n_triangles(self) -> int:
        """Number of triangles of the mesh."""
        return len(self.triangles)

    @property
    def weights(self) -> AnyArray:
        """uint8 (frame, point), 255 = counts fully."""
        return self.of_points

    @property
    def note(self) -> str | None:
        """Where frames count alike, in words."""
        if not self.n_unweighted:
            return None
        n_points = self.of_points.shape[1]
        return (
            f"all frames count alike at {self.n_unweighted} of {n_points} points, because none "
            "weighs anything there"
        )

    def select(self, _criterion: Callable[[FloatArray], BoolArray]) -> BoolArray:
        """Select fragments by their weights, some frames at a time: bool (frame, triangle)."""
        selected = np.empty((len(self.active), self.n_triangles), bool)
        first, *others = self.triangles.T

        def select_in(frames: slice) -> None:
            counts, found = self.counts[frames], selected[frames]
            found[:] = counts[:, first]
            for corners in others:
                found |= counts[:, corners]
            found &= self.active[frames, None]

        on_threads(select_in, list(column_slices(*selected.shape[::-1])))
        if self.coverage is not None:
            for triangles in column_slices(*selected.shape):
                selected[:, triangles] &= self.coverage.of_triangles(triangles)[1]
        return selected


def _corners_that_count(weight: AnyArray, mesh: TriangleMesh) -> BoolArray:
    """Find where frames weigh anything: bool (frame, corner)."""
    counts = np.ones((len(weight), len(mesh.corners)), bool)
    if weight.shape[1]:
        _, followed = followed_points(mesh)
        counts[:, : mesh.n_points] = weight != 0
        counts[:, mesh.n_points :] = counts[:, followed].any(axis=2)
    return counts


def _read_weights(points: xr.Dataset) -> AnyArray:
    """Read the weights of frames at reference points; see `FragmentWeights.of_frames`."""
    if "weight" not in points:
        skipped = points.attrs.get("skipped")
        why = "points have no weight, which refine adds" if skipped is None else f"{skipped}"
        raise OptionsError(
            f"choose is 'weights', but there are none ({why}): choose fragments or frames"
        )
    weight = points["weight"].load().to_numpy()
    if weight.dtype != np.uint8:
        raise OptionsError(f"weight of points is {weight.dtype}: it must be uint8, 0 to 255")
    return weight
