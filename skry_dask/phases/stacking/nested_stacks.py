"""Nested stacks: several images of which each takes all fragments of the one before it, and more.

The best n fragments of a triangle are among its best m > n. So each fragment is added once, to the
sums of the image that takes it first, and what an image holds is the sum of these: the pass costs
no more than that of the last image. Sums are integers, so each image has the bits that it has when
it is made alone.

Memory: as `stacking.shift_and_add`, for each image.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

import dask.array as da
import numpy as np

from skry_dask.phases.stacking.resampling import ImageRequest
from skry_dask.phases.stacking.shift_and_add import ImageSums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from skry_dask.phases.stacking.stack_images import StackImages
    from skry_dask.phases.stacking.stack_plan import StackPlan
    from skry_dask.types import AnyArray


class OneStack(NamedTuple):
    """Sums of one image, and the blur of its interpolation."""

    sums: ImageSums
    blur: da.Array | None


def first_taken(selections: Iterable[AnyArray]) -> AnyArray:
    """Find the fragments that each selection is the first to take.

    Parameters
    ----------
    selections
        uint8 (frame, byte) of each image, see `pack_selection`; each holds the one before it.

    Returns
    -------
    uint8 (frame, image, byte): each fragment in one image at most.
    """
    first, *others = selections
    if not others:
        return first[:, None]
    new = (more & ~fewer for fewer, more in pairwise([first, *others]))
    return np.stack([first, *new], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class NestedStacks:
    """What several nested stacks make of their sums, lazily: all of `StackImages`, for each.

    Parameters
    ----------
    made
        How each image is made.
    n_stacks
        Number of images.
    """

    made: StackImages
    n_stacks: int

    def without_choice(self) -> NestedStacks:
        """Forget by what fragments are chosen: see `StackImages.without_choice`."""
        return replace(self, made=self.made.without_choice())

    @property
    def plan(self) -> StackPlan:
        """What all images have in common."""
        return self.made.plan

    @property
    def n_halves(self) -> int:
        """Number of selections of each image: one, or two halves."""
        return self.made.n_halves

    @property
    def reach(self) -> int:
        """How far away sums influence a pixel of the images, px of the image."""
        return self.made.reach

    @property
    def requests(self) -> list[ImageRequest]:
        """The images that are added up; all of a stack follow one another."""
        return [
            ImageRequest(plane, self.n_halves * i + half)
            for i in range(self.n_stacks)
            for plane, half in self.made.requests
        ]

    def each(self, sums: ImageSums, blur: da.Array | None) -> list[OneStack]:
        """Take apart what `StackPlan.add_up` and `StackPlan.blur` give for `first_taken`."""
        values, weights = (self._running(array) for array in sums)
        blurs = [None] * self.n_stacks if blur is None else self._running(blur)
        return [
            OneStack(ImageSums(*of_one), blur)
            for *of_one, blur in zip(values, weights, blurs, strict=True)
        ]

    def _running(self, array: da.Array) -> list[da.Array]:
        """Add to what belongs to each stack that of those before it: each (n, ...)."""
        n = array.shape[0] // self.n_stacks
        of_each = [array[n * i : n * (i + 1)] for i in range(self.n_stacks)]
        return list(accumulate(of_each, operator.add))

    def stack(self, sums: ImageSums, blur: da.Array | None) -> da.Array:
        """Make the means of all fragments: float32 (stack, plane, y, x)."""
        return self._stacked(self.made.stack, sums, blur)

    def count(self, sums: ImageSums) -> da.Array:
        """Count the frames averaged at each pixel: (stack, y, x)."""
        return da.stack([self.made.count(one.sums) for one in self.each(sums, None)])

    def halves(self, sums: ImageSums, blur: da.Array | None) -> da.Array:
        """Make the means of both halves of each: float32 (stack, half, plane, y, x)."""
        return self._stacked(self.made.halves, sums, blur)

    def noise(self, sums: ImageSums, blur: da.Array | None) -> da.Array:
        """Find the noise of each stack: float32 (stack, plane, y, x)."""
        return self._stacked(self.made.noise, sums, blur)

    def _stacked(
        self,
        make: Callable[[ImageSums, da.Array | None], da.Array],
        sums: ImageSums,
        blur: da.Array | None,
    ) -> da.Array:
        return da.stack([make(*one) for one in self.each(sums, blur)])
