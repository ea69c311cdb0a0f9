"""The capture of a job and what its phases gave, in the order in which they ran."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from skry_dask.graph.datasets import excluded_frames, region_of, stacked_frames
from skry_dask.options import as_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import xarray as xr

    from skry_dask.pipeline.phase_runner import PhaseResult

ROTATION = ("globe", "turn", "elapsed")
"""Variables that `derotate` adds to an alignment for later phases."""


class OneStack(NamedTuple):
    """One of the stacks of a job.

    Parameters
    ----------
    percent
        Percentage of the frames that is averaged; None where none was given.
    data
        See `stack`; its options are those of this stack alone.
    """

    percent: float | None
    data: xr.Dataset

    @property
    def averaged(self) -> dict[str, float]:
        """Number of frames that pixels of the stack are the mean of: mean, least and most.

        A frame that counts by weight is the fraction of the full weight that it has. Pixels that no
        frame shows do not count.
        """
        count = self.data["count"].to_numpy()
        seen = count[count > 0]
        figures = (
            {"mean": seen.mean(), "least": seen.min(), "most": seen.max()} if seen.size else {}
        )
        return {name: round(float(value), 1) for name, value in figures.items()}


@dataclass(frozen=True, slots=True)
class JobResults:
    """The capture of a job, and the results of its phases.

    Parameters
    ----------
    frames
        The capture.
    phases
        In the order in which they ran.
    """

    frames: PhaseResult
    phases: tuple[PhaseResult, ...]

    @classmethod
    def of(cls, results: Iterable[PhaseResult]) -> JobResults:
        """Collect the capture and what follows it; see `run_phases`."""
        frames, *phases = results
        return cls(frames, tuple(phases))

    def __iter__(self) -> Iterator[PhaseResult]:
        """Iterate over the capture and the results of the phases."""
        yield self.frames
        yield from self.phases

    def __getitem__(self, name: str) -> PhaseResult:
        """Take the result of a phase by its name."""
        return next(phase for phase in self.phases if phase.name == name)

    @property
    def capture(self) -> xr.Dataset:
        """The frames, lazy, selected and calibrated."""
        return self.frames.data

    @property
    def alignment(self) -> xr.Dataset:
        """Where frames lie on the canvas: see `align`; of a globe, where its disc does."""
        aligned = self["align"].data
        turning = self.rotation
        return aligned if turning is None else aligned.assign(offset=turning["offset"])

    @property
    def rotation(self) -> xr.Dataset | None:
        """How a globe turns: see `derotate`; None where that is not undone."""
        return next((phase.data for phase in self.phases if phase.name == "derotate"), None)

    @property
    def quality(self) -> xr.Dataset:
        """How good areas are: see `estimate_quality`."""
        return self["quality"].data

    @property
    def points(self) -> xr.Dataset:
        """Where reference points lie in frames: see `track`."""
        return self["track"].data

    @property
    def stack(self) -> xr.Dataset:
        """The image, or those of several percentages: see `stack`."""
        return self["stack"].data

    @property
    def stacks(self) -> list[OneStack]:
        """The image, or one after the other those of several percentages."""
        return stacks_of(self.stack)

    @property
    def n_measured(self) -> int:
        """Number of frames of the capture."""
        return self.capture.sizes["frame"]

    @property
    def n_excluded(self) -> int:
        """Number of frames that are excluded from the stack."""
        return int(excluded_frames(self.capture).sum())

    @property
    def n_frames(self) -> int:
        """Number of frames that are not excluded."""
        return self.n_measured - self.n_excluded

    @property
    def n_active(self) -> int:
        """Number of frames that were aligned and are not excluded."""
        return int(stacked_frames(self.alignment, self.capture).sum())

    @property
    def region(self) -> dict[str, int]:
        """Rectangle of the canvas that results cover: y, x, height and width, px."""
        return as_json(region_of(self.alignment, self.capture))

    @property
    def n_points(self) -> int:
        """Number of reference points."""
        return self.points.sizes["point"]


def stacks_of(stacked: xr.Dataset) -> list[OneStack]:
    """Take the stacks of several percentages apart: see `stack`."""
    options = stacked.attrs["options"]
    if "percent" not in stacked.dims:
        return [OneStack(options["percent"], stacked)]
    return [
        OneStack(
            percent,
            stacked.sel(percent=percent, drop=True).assign_attrs(
                options={**options, "percent": percent}
            ),
        )
        for percent in stacked["percent"].to_numpy().tolist()
    ]
