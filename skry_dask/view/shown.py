"""What the phases of the newest job gave, as far as they have run: what pages show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.geometry.canvas import Region
from skry_dask.graph.datasets import region_of
from skry_dask.phases.alignment.frame_alignment import Reason
from skry_dask.pipeline.job_results import ROTATION, stacks_of
from skry_dask.view.positions import origin_of

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.options import Options
    from skry_dask.pipeline.job_results import OneStack
    from skry_dask.types import FloatArray

CAPTURE = "import"
"""Name under which `run_phases` yields the capture."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The results of a job so far.

    Parameters
    ----------
    options
        Of the job.
    phases
        Datasets by the names of the phases; the capture, too, under `CAPTURE`.
    """

    options: Options
    phases: dict[str, xr.Dataset] = field(default_factory=dict)

    def plus(self, name: str, data: xr.Dataset) -> Shown:
        """Add the result of a phase."""
        return Shown(self.options, {**self.phases, name: data})

    @property
    def capture(self) -> xr.Dataset | None:
        """The frames as the job has them, lazy; None before they are open."""
        return self.phases.get(CAPTURE)

    @property
    def alignment(self) -> xr.Dataset | None:
        """See `align`, and `derotate` where globes turn; None before that."""
        alignment, turning = self.phases.get("align"), self.phases.get("derotate")
        if alignment is None or turning is None:
            return alignment
        return alignment.assign({name: turning[name] for name in ("offset", *ROTATION)})

    @property
    def quality(self) -> xr.Dataset | None:
        """See `estimate_quality`; None before that."""
        return self.phases.get("quality")

    @property
    def points(self) -> xr.Dataset | None:
        """Reference points as they are stacked, see `track` and `refine`; None before that."""
        return self.phases.get("refine", self.phases.get("track"))

    @property
    def stacks(self) -> list[OneStack]:
        """The stack, or those of several percentages, increasing; none before that."""
        found = self.phases.get("stack")
        return [] if found is None else stacks_of(found)

    @property
    def stacked(self) -> xr.Dataset | None:
        """See `stack`; of several percentages the largest; None before that."""
        stacks = self.stacks
        return stacks[-1].data if stacks else None

    @property
    def origin(self) -> tuple[int, int]:
        """The canvas' origin on the whole reference frame: y and x, px."""
        return origin_of(self.options)

    @property
    def region(self) -> Region | None:
        """What results cover, on the pixels of the whole reference frame; None before align."""
        if self.alignment is None or self.capture is None:
            return None
        region = region_of(self.alignment, self.capture)
        y, x = self.origin
        return Region(region.y + y, region.x + x, *region.shape)

    @property
    def frame_quality(self) -> FloatArray | None:
        """Quality of each frame of the job, NaN where a frame has none; None before quality."""
        if self.quality is None:
            return None
        return self.quality["frame_quality"].to_numpy().astype(np.float64)

    @property
    def reasons(self) -> list[str]:
        """Why each frame of the job is or is not used, in words; empty before align."""
        if self.alignment is None:
            return []
        return [Reason(int(code)).words for code in self.alignment["reason"].to_numpy()]
