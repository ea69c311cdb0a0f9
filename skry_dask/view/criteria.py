"""What a criterion means before the job runs: how many frames and fragments it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skry_dask.graph.datasets import stacked_frames
from skry_dask.phases.stacking.fragment_selection import count_taken
from skry_dask.phases.stacking.stack_plan import StackPlan

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.options import StackOptions


class Taken(NamedTuple):
    """What a criterion takes.

    Parameters
    ----------
    frames
        Number of frames of which at least one fragment is taken.
    of_frames
        Number of frames that may be stacked.
    fragments
        Number of fragments that are taken.
    of_fragments
        Number of fragments of all frames that may be stacked.
    """

    frames: int
    of_frames: int
    fragments: int
    of_fragments: int


def count_what_is_taken(
    capture: xr.Dataset,
    alignment: xr.Dataset,
    quality: xr.Dataset,
    points: xr.Dataset,
    options: StackOptions,
) -> Taken:
    """Count the frames and fragments that the options of a stack take; no frame is read.

    Parameters
    ----------
    capture, alignment, quality, points, options
        As for `stack`; of several percentages, the largest is counted.

    Raises
    ------
    SkryError
        As `stack` does.
    """
    settled = options.of_each[-1].settled(weighted="weight" in points)
    plan = StackPlan.of(capture, alignment, quality, points, settled)
    of_frames = count_taken(plan.select(settled))
    n_stacked = int(stacked_frames(alignment, capture).sum())
    return Taken(
        frames=int(np.count_nonzero(of_frames)),
        of_frames=n_stacked,
        fragments=int(of_frames.sum()),
        of_fragments=n_stacked * len(plan.mesh.triangles),
    )
