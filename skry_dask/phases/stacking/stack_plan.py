"""Everything that a stack needs before its fragments are added up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np

from skry_dask.capture.calibration.develop import Developer
from skry_dask.geometry.mesh import TriangleMesh
from skry_dask.graph.datasets import (
    is_union,
    measured_frames,
    region_of,
    rotation_of,
    stacked_frames,
    whole_frames,
)
from skry_dask.graph.parcels import share
from skry_dask.kernels.stacking.row_spans import FULL_WEIGHT
from skry_dask.options import Choose, Demosaic
from skry_dask.phases.stacking.corner_motion import corner_motion
from skry_dask.phases.stacking.fragment_selection import (
    FragmentChoice,
    FragmentQuality,
    pack_selection,
    select_fragments,
)
from skry_dask.phases.stacking.fragment_weights import FragmentWeights
from skry_dask.phases.stacking.frame_coverage import FrameCoverage
from skry_dask.phases.stacking.frame_gain import frame_gains, uneven_light
from skry_dask.phases.stacking.hidden_fragments import HiddenFragments
from skry_dask.phases.stacking.interpolation_loss import BLOCK_FRAMES, interpolation_blur
from skry_dask.phases.stacking.mean_images import drizzled_frames, mean_images
from skry_dask.phases.stacking.point_weights import hidden_points
from skry_dask.phases.stacking.resampling import (
    UNBOUNDED_INCREMENT,
    Drizzled,
    Interpolated,
)
from skry_dask.phases.stacking.shift_and_add import shift_and_add
from skry_dask.types import CHANNEL

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.geometry.canvas import Region
    from skry_dask.graph.kept.sums import SumKeeper
    from skry_dask.options import StackOptions
    from skry_dask.phases.stacking.corner_motion import CornerMotion
    from skry_dask.phases.stacking.resampling import ImageRequest, Resampling
    from skry_dask.phases.stacking.shift_and_add import ImageSums
    from skry_dask.types import AnyArray, BoolArray, FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class StackPlan:
    """Frames, mesh, motion and quality of a stack, and the steps that lead to its images.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x[, channel]), raw, chunked along frames only.
    developer
        Of the frames.
    region
        In which quality was estimated.
    mesh
        Divides the image into triangles.
    choice
        What decides which fragments are stacked.
    n_active
        Number of frames that may be stacked: active and not excluded; None where each triangle is
        shown by frames of its own.
    motion
        float64 (frame, corner, axis), px, lazy.
    colour_shift
        float64 (frame, channel, axis), px: position of each colour relative to the motion; or None.
    gain
        Lazy int64 (frame), see `frame_gains`; or None. Weighted frames are made equally bright if
        their light differs much: a bright one would weigh more than it shows.
    resampling
        How frames get onto the canvas.
    """

    frames: da.Array
    developer: Developer
    region: Region
    mesh: TriangleMesh
    choice: FragmentChoice
    n_active: int | None
    motion: CornerMotion | da.Array
    colour_shift: FloatArray | da.Array | None
    gain: da.Array | None
    resampling: Resampling

    @classmethod
    def of(
        cls,
        capture: xr.Dataset,
        alignment: xr.Dataset,
        quality: xr.Dataset,
        points: xr.Dataset,
        options: StackOptions,
    ) -> StackPlan:
        """Plan a stack; see `stack` for the parameters and exceptions."""
        frames = whole_frames(capture)
        developer = Developer.of(capture, options.demosaic or Demosaic.MALVAR)
        region = region_of(alignment, capture)
        offset, stacked = alignment["offset"].to_numpy(), stacked_frames(alignment, capture)
        shape = frames.shape[1:3]
        union = is_union(alignment)
        rotation = rotation_of(alignment)
        mesh = TriangleMesh.of_points(
            points["position"].load().to_numpy(),
            region,
            gaps=union,
            scale=options.drizzle,
            others=None if rotation is None else rotation.globe.corners,
        )
        coverage = FrameCoverage(mesh, offset, shape) if union else None
        hidden = HiddenFragments.of(alignment, mesh, shape)
        choice: FragmentChoice
        if options.choose is Choose.WEIGHTS:
            masked = None
            if "overlay" in capture:
                position = points["position"].to_numpy()
                masked = hidden_points(capture["overlay"].to_numpy(), position, offset)
            choice = FragmentWeights.of_frames(points, mesh, stacked, coverage, hidden, masked)
        elif options.choose is Choose.FRAMES:
            choice = FragmentQuality.of_whole_frames(quality, stacked, hidden)
        else:
            choice = FragmentQuality.of_triangles(mesh, region, quality, stacked, coverage, hidden)
        weighted = choice.weights is not None
        resampling: Resampling = Interpolated(
            str(options.interpolation), inside_only=union, weighted=weighted
        )
        if options.drizzle > 1:
            resampling = Drizzled(options.drizzle, options.drop or 1.0, weighted=weighted)
        return cls(
            frames=frames,
            developer=developer,
            region=region,
            mesh=mesh,
            choice=choice,
            n_active=None if union else int(stacked.sum()),
            motion=corner_motion(points["displacement"], offset, mesh, choice.weights, rotation),
            colour_shift=_colour_shift(points, developer),
            gain=_gain(capture, alignment, quality, developer, options),
            resampling=resampling,
        )

    def select(self, options: StackOptions) -> AnyArray:
        """Select fragments by the criterion in the options: uint8 (frame, byte), packed."""

        def criterion(quality: FloatArray) -> BoolArray:
            return select_fragments(quality, options, self.n_active)

        return self._of_triangles(self.choice.select(criterion if options.criteria else None))

    def select_best(self, number: int) -> AnyArray:
        """Select this number of each triangle's best fragments: uint8 (frame, byte), packed."""
        return self._of_triangles(self.choice.select_best(number))

    def _of_triangles(self, packed: AnyArray) -> AnyArray:
        """Let a frame that is selected as a whole give all its fragments."""
        n_fragments = len(self.mesh.triangles)
        if self.choice.n_triangles == n_fragments:
            return packed
        whole = pack_selection(np.ones(n_fragments, bool))
        fragments: AnyArray = np.where(packed > 0, whole, np.uint8(0))
        if self.choice.hidden is not None:
            self.choice.hidden.leave_out(fragments)
        return fragments

    @property
    def content(self) -> list[Any]:
        """All that sums depend on but frames, points, gain and the selection."""
        mesh = self.mesh
        about = [self.developer, mesh.region, mesh.corners, mesh.scale, self.resampling]
        return about if self.choice.weights is None else [*about, *self.choice.weights.content]

    def add_up(
        self,
        selected: AnyArray,
        requests: list[ImageRequest],
        keeper: SumKeeper | None = None,
    ) -> ImageSums:
        """Add up selected fragments, lazily.

        Parameters
        ----------
        selected
            bool (frame, selection, fragment), or packed.
        requests
            The images to make; all planes of a selection follow one another.
        keeper
            See `shift_and_add`.
        """
        return shift_and_add(
            self.frames,
            selected,
            self.motion,
            self.mesh,
            share(self.developer),
            requests,
            colour_shift=self.colour_shift,
            peak=self.developer.peak(self.developer.planes),
            resampling=self.resampling,
            gain=self.gain,
            keeper=keeper,
        )

    @property
    def max_increment(self) -> int:
        """Largest change that one frame makes to a sum."""
        if self.gain is not None:
            return UNBOUNDED_INCREMENT
        return self.resampling.max_increment(self.developer.peak(self.developer.planes))

    def blur(self, selected: AnyArray, n_block: int = BLOCK_FRAMES) -> da.Array | None:
        """Add up the blur of interpolation, where the images' contrast is to be restored.

        Parameters
        ----------
        selected
            bool (frame, selection, fragment), or packed.
        n_block
            Number of frames of a task.

        Returns
        -------
        See `interpolation_blur`; None where contrast is left as it is.
        """
        resampling = self.resampling
        if not isinstance(resampling, Interpolated) or not resampling.restores_contrast:
            return None
        return interpolation_blur(selected, self.motion, self.mesh, n_block)

    def images(
        self, sums: ImageSums, requests: list[ImageRequest], blur: da.Array | None
    ) -> da.Array:
        """Turn sums into mean images; see `mean_images`: lazy float32 (image, y, x)."""
        scaled = self.gain is not None
        return mean_images(
            sums, self.developer, requests, self.resampling, scaled=scaled, blur=blur
        )

    def count(self, sums: ImageSums, requests: list[ImageRequest]) -> da.Array:
        """Count the frames averaged at each pixel of each image.

        Returns
        -------
        (image, y, x), lazy: int32, or float32 of drizzled images and weighted frames.
        """
        if isinstance(self.resampling, Drizzled):
            return drizzled_frames(sums, self.developer, requests, self.resampling)
        if self.resampling.weighted:
            return (sums.weights / FULL_WEIGHT).astype(np.float32)
        return sums.weights.astype(np.int32)

    @property
    def coords(self) -> dict[str, Any]:
        """Canvas coordinates of the image's pixels."""
        return {
            "y": ("y", self.mesh.y_coords, {"units": "px", "long_name": "canvas y"}),
            "x": ("x", self.mesh.x_coords, {"units": "px", "long_name": "canvas x"}),
        }


def _gain(
    capture: xr.Dataset,
    alignment: xr.Dataset,
    quality: xr.Dataset,
    developer: Developer,
    options: StackOptions,
) -> da.Array | None:
    """Find the gain of frames, lazily, where they are made equally bright."""
    stacked = stacked_frames(alignment, capture)
    evens = options.choose is Choose.WEIGHTS and uneven_light(alignment, stacked) is not None
    if not (options.normalise or evens):
        return None
    region = region_of(alignment, capture)
    measured = measured_frames(alignment, capture, region)
    offset, area_size = alignment["offset"].to_numpy(), quality.attrs["options"]["area_size"]
    return frame_gains(whole_frames(capture), offset, measured, region, area_size, developer)


def _colour_shift(points: xr.Dataset, developer: Developer) -> FloatArray | da.Array | None:
    """Take the measured position of each colour, where colours were aligned."""
    if "channel_shift" not in points or len(developer.planes) < len(CHANNEL):
        return None
    shift = points["channel_shift"].data
    return shift.rechunk({1: -1, 2: -1}) if isinstance(shift, da.Array) else np.asarray(shift)
