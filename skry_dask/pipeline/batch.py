"""Many captures: a job for each, of which none stops the others.

What the jobs run on is opened once. A job whose results and images are complete does nothing but
look at them, so a batch that was interrupted, or has grown, is called again as it is.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from skry_dask.errors import OptionsError, SkryError
from skry_dask.pipeline.batch_plan import StackJob, check_collisions, create_folder, image_name
from skry_dask.pipeline.job import JobRequest
from skry_dask.pipeline.run import run_request

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from skry_dask.capture.inputs import Input
    from skry_dask.graph.runner import Runner
    from skry_dask.pipeline.progress import Progress

log = logging.getLogger(__name__)

ONE_CAPTURE = ("output", "store")
"""Arguments of `run` that only fit one capture."""


class Outcome(NamedTuple):
    """What became of one capture.

    Parameters
    ----------
    job
        The capture, and its image.
    summary
        `Summary` as a dict; None if the job failed.
    error
        Why it failed, or None.
    """

    job: StackJob
    summary: dict[str, Any] | None
    error: SkryError | None


def run_many(
    sources: Sequence[Input],
    *,
    out_dir: str | os.PathLike[str] | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    **arguments: Any,
) -> list[Outcome]:
    """Stack several captures: a failure of one does not stop the others.

    Captures whose results and images are complete and up to date are left as they are.

    Parameters
    ----------
    sources
        Captures, each as for `run`.
    out_dir
        Folder for the images ``moon-stack.tif``, created if it does not exist; None = write no
        images.
    on_outcome
        Called with each `Outcome` as soon as it is known, in the calling thread.
    **arguments
        All other arguments of `run`, the same for all captures, but ``output`` and ``store``.
        ``progress`` gets events that name the capture.

    Returns
    -------
    list of Outcome
        In the order of ``sources``.

    Raises
    ------
    OptionsError
        If an option is wrong for all captures, one capture would overwrite what belongs to
        another, or the cluster cannot be reached; nothing has been computed then.
    StoreError
        If the folder cannot be created.

    Examples
    --------
    >>> import skry_dask as skry
    >>> for job, summary, error in skry.run_many(["a.ser", "b.ser"]):  # doctest: +SKIP
    ...     print(job.name, error or summary["active_frames"])
    """
    for name in ONE_CAPTURE:
        if arguments.get(name) is not None:
            raise OptionsError(f"{name} is for one capture: call run for each, or leave it out")
    folder, kind = None if out_dir is None else Path(out_dir), arguments.get("output_format")
    jobs = [StackJob(of, folder and folder / image_name(of, kind)) for of in sources]
    check_collisions(jobs)
    if folder is not None:
        create_folder(folder)
    return run_jobs(jobs, on_outcome=on_outcome, **arguments)


def run_jobs(
    jobs: Sequence[StackJob],
    *,
    on_outcome: Callable[[Outcome], None] | None = None,
    **arguments: Any,
) -> list[Outcome]:
    """Run jobs whose names do not collide; otherwise as `run_many`."""
    common = JobRequest.of((), **arguments)
    outcomes = []
    with common.resources() as runner:
        for job in jobs:
            outcome = _attempt(_request(job, common, runner, is_alone=len(jobs) == 1), job)
            outcomes.append(outcome)
            if on_outcome is not None:
                on_outcome(outcome)
    return outcomes


def _request(job: StackJob, common: JobRequest, runner: Runner, *, is_alone: bool) -> JobRequest:
    """Make the request of one job of what all jobs have in common."""
    report = common.progress
    if report is not None and not is_alone:
        of_all = report

        def report(event: Progress) -> None:
            of_all(event._replace(capture=job.name))

    return replace(
        common,
        source=job.source,
        outputs=replace(common.outputs, image=job.image),
        progress=report,
        runner=runner,
    )


def _attempt(request: JobRequest, job: StackJob) -> Outcome:
    """Run one job, and return what became of it."""
    try:
        return Outcome(job, run_request(request).attrs["summary"], None)
    except SkryError as error:
        return Outcome(job, None, error)
    except Exception as error:  # a fault of the program: the other captures can do without it
        log.exception("%s: a fault of the program", job.name)
        reason = (str(error).splitlines() or [""])[0]
        failure = SkryError(
            f"{job.name} failed by a fault of the program ({type(error).__name__}: {reason}): "
            "please report it with the traceback above"
        )
        failure.__cause__ = error
        return Outcome(job, None, failure)
