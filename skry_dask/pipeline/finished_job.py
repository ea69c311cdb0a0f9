"""Finished jobs: their capture and results, opened again from the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from skry_dask.capture.calibration.calibrate import calibrate
from skry_dask.capture.select import select
from skry_dask.capture.source import resolve
from skry_dask.pipeline.job_results import ROTATION, stacks_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

    from skry_dask.pipeline.job_record import JobRecord
    from skry_dask.pipeline.job_results import JobResults, OneStack
    from skry_dask.store.results.reading import Results


@dataclass(frozen=True, slots=True, eq=False)
class FinishedJob:
    """The capture of a finished job, and the results of its phases.

    Parameters
    ----------
    record
        What the job was.
    capture
        The frames, lazy, selected and calibrated.
    alignment
        See `align`; of a globe that turns, what `derotate` found, too.
    quality
        See `estimate_quality`.
    tracked
        Reference points of the first pass; see `track`.
    points
        Those with which frames were stacked: of the second pass, if there was one; see `refine`.
    stacks
        One, or those of several percentages; see `stack`.
    steps
        Stacks of more and more frames, if the job measured them; see `measure_steps`.
    """

    record: JobRecord
    capture: xr.Dataset
    alignment: xr.Dataset
    quality: xr.Dataset
    tracked: xr.Dataset
    points: xr.Dataset
    stacks: list[OneStack]
    steps: xr.Dataset | None

    @property
    def stacked(self) -> xr.Dataset:
        """The stack, of several percentages that of the largest, which holds the others."""
        return self.stacks[-1].data

    @classmethod
    def of(cls, record: JobRecord, results: Results) -> FinishedJob:
        """Open the capture of a job as the job saw it, and the results of its phases.

        Parameters
        ----------
        record
            Of the job.
        results
            Of the capture.

        Raises
        ------
        SkryError
            If the capture cannot be opened.
        StoreError
            If a result is gone or damaged.
        """
        of = {
            name: results[f"{name}/{figures['digest']}"]
            for name, figures in record.phases.items()
            if "digest" in figures
        }
        return cls._of(record, _open(record, results), of)

    @classmethod
    def of_results(cls, record: JobRecord, results: JobResults) -> FinishedJob:
        """Take what a job that ends now has at hand.

        Parameters
        ----------
        record, results
            Of the job.
        """
        of = {phase.name: phase.data for phase in results.phases}
        return cls._of(record, results.capture, of)

    @classmethod
    def _of(
        cls, record: JobRecord, capture: xr.Dataset, of: Mapping[str, xr.Dataset]
    ) -> FinishedJob:
        """Sort the results of phases, by the names of these."""
        alignment = of["align"]
        if "derotate" in of:
            turning = of["derotate"]
            alignment = alignment.assign({n: turning[n] for n in ("offset", *ROTATION)})
        return cls(
            record=record,
            capture=capture,
            alignment=alignment,
            quality=of["quality"],
            tracked=of["track"],
            points=of.get("refine", of["track"]),
            stacks=stacks_of(of["stack"]),
            steps=of.get("steps"),
        )


def _open(record: JobRecord, results: Results) -> xr.Dataset:
    options = record.all_options()
    given: Any = record.source if len(record.source) > 1 else record.source[0]
    opened = resolve(given, options.read).open(results.path)
    return calibrate(select(opened.capture, options.select), options.calibrate)
