"""``skry stack``: several jobs, one after the other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from skry_dask.cli.process import release_freed_memory
from skry_dask.cli.terminal import (
    describe_job,
    print_error,
    progress_bars,
    reporting_compilation,
)
from skry_dask.errors import OptionsError, SkryError
from skry_dask.pipeline.run import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skry_dask.cli.inputs import StackJob


FEWEST = 0.5
"""Fraction of the frames that must be aligned for a stack to count as a success."""


def stack_each(jobs: Sequence[StackJob], *, as_json: bool, allow_few: bool, **choices: Any) -> int:
    """Run jobs one after the other, and print what became of each; a failure stops no other.

    Parameters
    ----------
    jobs
        Captures and their images.
    as_json
        Whether to print JSON, one line per job.
    allow_few
        Whether a stack of fewer than half of the frames is a success, too.
    **choices
        Arguments of `run`, the same for all jobs.

    Returns
    -------
    Exit status: 0 if all are done, 2 if options do not fit one of the captures, 1 for any other
    failure, and where too few frames could be aligned; the image is written then.
    """
    status = 0
    for job in jobs:
        try:
            with reporting_compilation(), progress_bars() as report:
                result = run(
                    job.source,
                    output=job.image,
                    progress=report,
                    after_compute=release_freed_memory,
                    **choices,
                )
        except SkryError as error:
            status = max(status, 2 if isinstance(error, OptionsError) else 1)
            print_error(error, job.name if len(jobs) > 1 else None)
            continue
        summary = result.attrs["summary"]
        print(json.dumps(summary) if as_json else describe_job(summary))
        if not allow_few and summary["active_frames"] < FEWEST * summary["frames"]:
            status = max(status, 1)
            print_error(_too_few(summary), job.name if len(jobs) > 1 else None)
    return status


def _too_few(summary: dict[str, Any]) -> SkryError:
    """Make the error that says how many frames a stack lacks."""
    return SkryError(
        f"only {summary['active_frames']} of {summary['frames']} frames could be aligned; "
        f"{summary['output']} is written: check it, and accept it with --allow-few"
    )
