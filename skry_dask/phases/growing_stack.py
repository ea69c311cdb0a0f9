"""Growing stacks: what the image looks like as frame after frame is added, and what each gives.

Sums of frames are integers, so those of all parts of the frames, added up in any order, are the
sums of the stack: the last image has its bits.

Memory: as `stack`. Of the frames, only those that are added are read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
import xarray as xr

from skry_dask.graph.datasets import image_variable
from skry_dask.graph.frame_parts import FrameParts
from skry_dask.kernels.stacking.row_spans import FULL_WEIGHT
from skry_dask.options import StackOptions
from skry_dask.phases.stacking.corner_motion import motion_of
from skry_dask.phases.stacking.fragment_selection import unpack_selection
from skry_dask.phases.stacking.shift_and_add import ImageSums
from skry_dask.phases.stacking.stack_images import StackImages
from skry_dask.phases.stacking.stack_plan import StackPlan

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, Float32Array, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class GrowingStack:
    """A stack to which frames are added a few at a time.

    Parameters
    ----------
    made
        How images are made of sums.
    packed
        uint8 (frame, byte), the fragments that are stacked; see `pack_selection`.
    parts
        The frames.
    """

    made: StackImages
    packed: AnyArray
    parts: FrameParts

    @classmethod
    def of(
        cls,
        capture: xr.Dataset,
        alignment: xr.Dataset,
        quality: xr.Dataset,
        points: xr.Dataset,
        options: StackOptions | None = None,
    ) -> GrowingStack:
        """Plan a stack; see `stack` for the parameters and exceptions."""
        options = (options or StackOptions()).settled(weighted="weight" in points)
        plan = StackPlan.of(capture, alignment, quality, points, options)
        parts = FrameParts.of(capture)
        return cls(StackImages(plan, n_halves=1), plan.select(options), parts)

    @property
    def plan(self) -> StackPlan:
        """Frames, mesh and motion of the stack."""
        return self.made.plan

    @property
    def stacked(self) -> IntArray:
        """Indices of the frames that give fragments to the stack, ascending: int64 (n)."""
        return np.flatnonzero(self.packed.any(axis=1))

    def added_by(self, frames: IntArray) -> xr.Dataset:
        """Add up what some frames give to the stack, lazily.

        Parameters
        ----------
        frames
            int64 (n), indices of frames, ascending.

        Returns
        -------
        xarray.Dataset, lazy
            Integers, which can be added to those of other frames: ``values`` and ``weights``
            (image, row, column), see `ImageSums`; ``blur`` (selection, axis, 2), see
            `interpolation_blur`, where the stack restores contrast.
        """
        plan, selected = self._plan_of(frames), self.packed[frames][:, None]
        sums, blur = plan.add_up(selected, self.made.requests), plan.blur(selected)
        dims = ("image", "row", "column")
        added = xr.Dataset({"values": (dims, sums.values), "weights": (dims, sums.weights)})
        return added if blur is None else added.assign(blur=(("selection", "along", "sum"), blur))

    def image(self, sums: xr.Dataset) -> xr.Dataset:
        """Make the image of the sums of some frames, lazily.

        Parameters
        ----------
        sums
            As from `added_by`, computed, or several of these added up.

        Returns
        -------
        xarray.Dataset, lazy
            ``stack`` and ``count``, see `stack`.
        """
        of = {name: da.from_array(sums[name].to_numpy(), -1) for name in sums.data_vars}
        added = ImageSums(of["values"], of["weights"])
        image = image_variable(self.made.stack(added, of.get("blur")), "mean of the frames so far")
        count = (("y", "x"), self.made.count(added))
        return xr.Dataset({"stack": image, "count": count}, self.plan.coords)

    def fragments_of(self, frame: int) -> FrameFragments:
        """Find where the fragments of a frame lie, and how much they count.

        Parameters
        ----------
        frame
            Index of the frame.
        """
        plan, mesh = self.plan, self.plan.mesh
        at = np.array([frame])
        motion = np.asarray(motion_of(plan.motion, at, np.arange(len(mesh.corners))))[0]
        origin = np.array([mesh.region.y, mesh.region.x])
        share = unpack_selection(self.packed[at], len(mesh.triangles))[0].astype(np.float32)
        if motion.shape[1] > 2:
            share *= (motion[mesh.triangles, 2].mean(axis=1) / FULL_WEIGHT).astype(np.float32)
        return FrameFragments(
            corners=mesh.corners + origin + motion[:, :2],
            triangles=mesh.triangles,
            share=share,
            n_points=mesh.n_points,
        )

    def _plan_of(self, frames: IntArray) -> StackPlan:
        """Plan the stack of some frames alone, which reads no others."""
        plan, unread = self.plan, self.parts.frames
        if isinstance(unread, da.Array):
            read = unread[frames]
        else:
            n_chunk = plan.frames.chunksize[0]
            read = unread.isel(frame=frames).chunk({"frame": n_chunk}).data
        return replace(
            plan,
            frames=read,
            motion=motion_of(plan.motion, frames, np.arange(len(plan.mesh.corners))),
            gain=None if plan.gain is None else plan.gain[frames],
            colour_shift=None if plan.colour_shift is None else plan.colour_shift[frames],
        )


@dataclass(frozen=True, slots=True, eq=False)
class FrameFragments:
    """Where the fragments of a frame lie, and how much they count.

    Parameters
    ----------
    corners
        float64 (corner, axis), in the frame, px: reference points first, then fixed points.
    triangles
        int64 (triangle, 3), indices of corners.
    share
        float32 (triangle), 0 = not stacked, 1 = counts fully.
    n_points
        Number of corners that are reference points.
    """

    corners: FloatArray
    triangles: IntArray
    share: Float32Array
    n_points: int
