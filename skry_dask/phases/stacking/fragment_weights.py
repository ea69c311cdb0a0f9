"""Soft weights in place of a cut: every frame counts at each pixel with its weight there.

Weights belong to reference points and are interpolated between the corners of triangles, as
displacements are, so that an image has no seams. With noise that is the same in all frames, the
best weight of a frame is the share of the scene's contrast that it transfers: many frames that are
a little blurred then add to the detail that few sharp ones have. Fragments whose corners all weigh
nothing are left out, and cost nothing.

Memory: a bit for each frame and point, where the frame weighs anything. Weights in a store are read
by the tasks that need them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.errors import OptionsError
from skry_dask.graph.row_tables import as_table
from skry_dask.graph.threads import on_threads
from skry_dask.phases.rating.ranking import column_slices
from skry_dask.phases.stacking.corner_motion import followed_points
from skry_dask.phases.stacking.fragment_selection import (
    FragmentChoice,
    pack_selection,
    select_to_cover,
    unpack_selection,
)
from skry_dask.phases.stacking.point_weights import PointWeights
from skry_dask.store.results.tables import rows_per_block

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

    from skry_dask.geometry.mesh import TriangleMesh
    from skry_dask.graph.row_tables import AnyRows
    from skry_dask.phases.stacking.frame_coverage import FrameCoverage
    from skry_dask.phases.stacking.hidden_fragments import HiddenFragments
    from skry_dask.types import AnyArray, BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FragmentWeights(FragmentChoice):
    """The weights of frames, which select the fragments of which a corner weighs anything.

    Parameters
    ----------
    of_points
        Weights of frames at reference points.
    weighted
        uint8 (frame, byte), one bit for each point: whether the measured weight is above 0.
    mesh
        Its first corners are the reference points, the others fixed points.
    n_unweighted
        Number of points where no frame weighs anything, and so all count alike.
    """

    of_points: PointWeights
    weighted: AnyArray
    mesh: TriangleMesh
    n_unweighted: int

    @classmethod
    def of_frames(
        cls,
        points: xr.Dataset,
        mesh: TriangleMesh,
        active: BoolArray,
        coverage: FrameCoverage | None = None,
        hidden: HiddenFragments | None = None,
        masked: AnyRows | None = None,
    ) -> FragmentWeights:
        """Read the weights of a stack, so that no pixel stays without a frame.

        Parameters
        ----------
        points
            With ``weight`` uint8 (frame, point); loaded if it is a dask array.
        mesh
            See `FragmentWeights`.
        active, coverage, hidden
            See `FragmentChoice`.
        masked
            From `hidden_points`, or None: frames have hardly any weight there.

        Raises
        ------
        OptionsError
            If the points have no weights, or weights that are not uint8.
        """
        weight = _weight_of(points)
        weighted = _find_weighted(weight)
        any_weighted = np.bitwise_or.reduce(weighted[active], axis=0)
        nothing = np.unpackbits(any_weighted, count=weight.shape[1]) == 0
        # Of a union, the only frames that show a pixel could weigh nothing there.
        raised = nothing if coverage is None else np.ones_like(nothing)
        return cls(
            active=active,
            coverage=coverage,
            hidden=hidden,
            of_points=PointWeights(as_table(weight), raised.astype(np.uint8), masked),
            weighted=weighted,
            mesh=mesh,
            n_unweighted=int(nothing.sum()),
        )

    @property
    def n_triangles(self) -> int:
        """Number of triangles of the mesh."""
        return len(self.mesh.triangles)

    @property
    def weights(self) -> PointWeights:
        """Weights of frames at reference points."""
        return self.of_points

    @property
    def note(self) -> str | None:
        """Where frames count alike, in words."""
        if not self.n_unweighted:
            return None
        n_points = self.mesh.n_points
        return (
            f"all frames count alike at {self.n_unweighted} of {n_points} points, because none "
            "weighs anything there"
        )

    def select(self, criterion: Callable[[FloatArray], BoolArray] | None) -> AnyArray:
        """Select fragments that weigh anything, or the best of them: see `FragmentChoice.select`.

        The quality of a fragment is the sum of the weights at its corners.
        """
        packed = self._select_weighted()
        if criterion is None:
            return packed
        weight = np.asarray(self.of_points)
        shares = followed_points(self.mesh)
        for of_bytes in column_slices(8 * len(packed), packed.shape[1]):
            triangles = slice(8 * of_bytes.start, min(8 * of_bytes.stop, self.n_triangles))
            used = unpack_selection(packed[:, of_bytes], triangles.stop - triangles.start)
            of_triangles = np.zeros(used.shape)
            for corners in self.mesh.triangles[triangles].T:
                of_triangles += _at_corners(weight, corners, *shares)
            of_triangles[~used] = np.nan
            best = criterion(of_triangles)
            if self.coverage is not None:
                best |= select_to_cover(of_triangles, self.coverage.of_triangles(triangles)[0])
            packed[:, of_bytes] = pack_selection(best)
        return packed

    def _select_weighted(self) -> AnyArray:
        """Select fragments of which a corner weighs anything, some frames at a time."""
        packed = np.empty((len(self.active), -(-self.n_triangles // 8)), np.uint8)
        first, *others = self.mesh.triangles.T
        _, followed = followed_points(self.mesh)

        def select_in(frames: slice) -> None:
            counts = self._corners_that_count(frames, followed)
            found = counts[:, first]
            for corners in others:
                found |= counts[:, corners]
            found &= self.active[frames, None]
            if self.coverage is not None:
                found &= self.coverage.of_frames(frames).of_triangles(slice(None))[1]
            packed[frames] = pack_selection(found)

        on_threads(select_in, list(column_slices(self.n_triangles, len(packed))))
        if self.hidden is not None:
            self.hidden.leave_out(packed)
        return packed

    def _corners_that_count(self, frames: slice, followed: IntArray) -> BoolArray:
        """Find where some frames weigh anything: bool (frame, corner)."""
        n_points = self.mesh.n_points
        packed = self.weighted[frames]
        counts = np.ones((len(packed), len(self.mesh.corners)), bool)
        if n_points:
            bits = np.unpackbits(packed, axis=1, count=n_points).view(bool)
            counts[:, :n_points] = bits | (self.of_points.least > 0)
            counts[:, n_points:] = counts[:, followed].any(axis=2)
        return counts


def _at_corners(
    weight: AnyArray, corners: IntArray, shares: FloatArray, followed: IntArray
) -> FloatArray:
    """Take the weights of frames at some corners: float64 (frame, corner).

    Parameters
    ----------
    weight
        uint8 (frame, point).
    corners
        int64 (corner): points come first, then fixed points.
    shares, followed
        From `followed_points`.
    """
    n_points = weight.shape[1]
    fixed = corners >= n_points
    found = np.full((len(weight), len(corners)), 255.0)
    found[:, ~fixed] = weight[:, corners[~fixed]]
    if n_points:
        of_fixed = corners[fixed] - n_points
        found[:, fixed] = (weight[:, followed[of_fixed]] * shares[of_fixed]).sum(axis=2)
    return found


def _weight_of(points: xr.Dataset) -> xr.Variable:
    """Take the weights of frames at reference points; see `FragmentWeights.of_frames`."""
    if "weight" not in points:
        skipped = points.attrs.get("skipped")
        why = "points have no weight, which refine adds" if skipped is None else f"{skipped}"
        raise OptionsError(
            f"choose is 'weights', but there are none ({why}): choose fragments or frames"
        )
    weight = points["weight"]
    if weight.dtype != np.uint8:
        raise OptionsError(f"weight of points is {weight.dtype}: it must be uint8, 0 to 255")
    # A dask array is computed once, here; a table in a store is read a block at a time.
    return weight.variable if weight.chunks is None else weight.load().variable


def _find_weighted(weight: xr.Variable) -> AnyArray:
    """Find where frames weigh anything, a block at a time: uint8 (frame, byte), a bit a point."""
    n_frames, n_points = weight.shape
    packed = np.empty((n_frames, -(-n_points // 8)), np.uint8)

    def find_in(frames: slice) -> None:
        packed[frames] = np.packbits(weight[frames].to_numpy() != 0, axis=1)

    n_rows = rows_per_block(weight) if weight.size else 1
    on_threads(find_in, [slice(i, i + n_rows) for i in range(0, n_frames, n_rows)])
    return packed
