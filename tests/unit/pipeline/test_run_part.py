"""A part of a job, and a job that is stopped by whoever watches its progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import skry_dask as skry
from skry_dask.errors import SkryError
from skry_dask.pipeline.job import JobRequest
from skry_dask.pipeline.run import run_part, run_request

if TYPE_CHECKING:
    from pathlib import Path

    from skry_dask.pipeline.phase_runner import PhaseResult
    from skry_dask.pipeline.progress import Progress


def test_a_part_of_a_job_ends_with_its_last_phase_and_the_whole_job_goes_on_from_there(
    moon_ser: Path,
) -> None:
    told: list[PhaseResult] = []
    request = JobRequest.of(moon_ser, quick=True, on_phase=told.append)
    run_part(request, "quality")
    assert [phase.name for phase in told] == ["import", "align", "quality"]
    assert told[-1].data["frame_quality"].shape == (40,)
    results = skry.open_results(moon_ser.with_suffix(".skry"))
    assert list(results) == ["survey", "reference", "align", "quality"]
    told.clear()
    run_request(request)
    assert [(phase.name, phase.status) for phase in told[1:]] == [
        ("align", "reused"),
        ("quality", "reused"),
        ("track", "ran"),
        ("stack", "ran"),
    ]


def test_an_exception_of_whoever_watches_ends_the_job_and_the_same_job_continues(
    moon_ser: Path,
) -> None:
    seen: list[str] = []

    def stop(progress: Progress) -> None:
        seen.append(progress.phase)
        if progress.phase == "track":
            raise SkryError("enough")

    with pytest.raises(SkryError, match="enough"):
        skry.run(moon_ser, quick=True, progress=stop)
    assert seen[-1] == "track"
    results = skry.open_results(moon_ser.with_suffix(".skry"))
    assert list(results) == ["survey", "reference", "align", "quality"]
    phases = skry.run(moon_ser, quick=True).attrs["summary"]["phases"]
    assert phases["quality"]["status"] == "reused"
    assert phases["track"]["status"] == "ran"
