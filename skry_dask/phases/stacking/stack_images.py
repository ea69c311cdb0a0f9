"""The images of a stack, made of its sums: those of all frames or, with halves, of two halves.

Sums are integers. So the sums of the whole are exactly those of the halves added up, and a stack
has the same bits with halves and without.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.phases.stacking.fragment_selection import FragmentQuality
from skry_dask.phases.stacking.half_stacks import NOISE_REACH_PX, noise_of_halves
from skry_dask.phases.stacking.mean_images import reach_of
from skry_dask.phases.stacking.resampling import ImageRequest
from skry_dask.phases.stacking.shift_and_add import ImageSums
from skry_dask.types import HALF

if TYPE_CHECKING:
    import dask.array as da

    from skry_dask.phases.stacking.stack_plan import StackPlan


@dataclass(frozen=True, slots=True, eq=False)
class StackImages:
    """What a stack makes of its sums, lazily.

    Parameters
    ----------
    plan
        Of the stack.
    n_halves
        Number of selections of fragments: one, or two halves.
    """

    plan: StackPlan
    n_halves: int

    def without_choice(self) -> StackImages:
        """Forget by what fragments are chosen, once they are: later windows need no quality."""
        return replace(self, plan=replace(self.plan, choice=FragmentQuality.of_no_frame()))

    @property
    def requests(self) -> list[ImageRequest]:
        """The images that are added up; all planes of a half follow one another."""
        planes = self.plan.developer.planes
        return [ImageRequest(plane, half) for half in range(self.n_halves) for plane in planes]

    @property
    def reach(self) -> int:
        """How far away sums influence a pixel of the images, px of the image."""
        return reach_of(self.plan.resampling) + (self.n_halves > 1) * NOISE_REACH_PX

    def stack(self, sums: ImageSums, blur: da.Array | None) -> da.Array:
        """Make the mean of all fragments.

        Parameters
        ----------
        sums
            Of the requests.
        blur
            From `StackPlan.blur`, of the same selections.

        Returns
        -------
        float32 (plane, y, x)
        """
        whole, requests = self._whole(sums)
        of_all = None if blur is None else blur.sum(axis=0, keepdims=True)
        return self.plan.images(whole, requests, of_all)

    def count(self, sums: ImageSums) -> da.Array:
        """Count the frames averaged at each pixel, of the colour that has fewest: (y, x)."""
        return self.plan.count(*self._whole(sums)).min(axis=0)

    def halves(self, sums: ImageSums, blur: da.Array | None) -> da.Array:
        """Make the means of both halves: float32 (half, plane, y, x); see `stack`."""
        images = self.plan.images(sums, self.requests, blur)
        return images.reshape((len(HALF), -1, *images.shape[1:]))

    def noise(self, sums: ImageSums, blur: da.Array | None) -> da.Array:
        """Find the noise of the stack: float32 (plane, y, x); see `noise_of_halves`."""
        requests = self.requests
        return self.plan.images(sums, requests, blur).map_blocks(
            noise_of_halves,
            self.plan.count(sums, requests),
            dtype=np.float32,
            chunks=((len(requests) // len(HALF),), *((n,) for n in sums.values.shape[1:])),
        )

    def _whole(self, sums: ImageSums) -> tuple[ImageSums, list[ImageRequest]]:
        """Add up the halves, where there are any."""
        requests = self.requests
        n_planes = len(requests) // self.n_halves
        if self.n_halves > 1:
            sums = ImageSums(*(values[:n_planes] + values[n_planes:] for values in sums))
        return sums, requests[:n_planes]
