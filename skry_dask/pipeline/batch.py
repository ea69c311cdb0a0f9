"""Many captures: a job for each, of which none stops the others.

What the jobs run on is opened once. A job whose results and images are complete does nothing but
look at them, so a batch that was interrupted, or has grown, is called again as it is.
"""

from __future__ import annotations

import logging
import math
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from skry_dask.capture.inputs import check_list
from skry_dask.errors import OptionsError, SkryError, StoreError
from skry_dask.io.remote import located
from skry_dask.pipeline.batch_plan import StackJob, check_collisions, create_folder, image_name
from skry_dask.pipeline.given_positions import with_positions
from skry_dask.pipeline.job import JobRequest
from skry_dask.pipeline.memory_limit import SharedMemory
from skry_dask.pipeline.outcome import Outcome
from skry_dask.pipeline.overwriting import find_other_image
from skry_dask.pipeline.progress import report_nothing, shows_progress
from skry_dask.pipeline.run import run_request

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Sequence

    from skry_dask.capture.inputs import Input
    from skry_dask.graph.runner import Runner
    from skry_dask.io.remote import RemotePath
    from skry_dask.pipeline.outputs import Outputs
    from skry_dask.pipeline.progress import Progress

log = logging.getLogger(__name__)

ONE_CAPTURE = ("output", "store")
"""Arguments of `run` that only fit one capture."""

THREADS_PER_CAPTURE = 4
"""Number of threads for which one more capture is worked on at the same time."""

MOST_AT_ONCE = 8
"""Most captures that are worked on at the same time: their graphs are made in one process."""


@shows_progress
def run_many(
    sources: Sequence[Input],
    *,
    out_dir: str | os.PathLike[str] | RemotePath | None = None,
    name: str | None = None,
    in_flight: int | None = None,
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
    name
        Pattern for the names of the images; see `OutputOptions`.
    in_flight
        Number of captures that are worked on at the same time, as far as memory goes; by default
        one, and one more for every four threads.
    on_outcome
        Called with each `Outcome` as soon as it is known, in the calling thread.
    **arguments
        All other arguments of `run`, the same for all captures, but ``output`` and ``store``; and
        ``overwrite=True``, which replaces images that were made with other options. ``progress``
        gets events that name the capture.

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
        If the folder cannot be created, or an image that is there was made with other options.

    Examples
    --------
    >>> import skry_dask as skry
    >>> for job, summary, error in skry.run_many(["a.ser", "b.ser"], out_dir="stacks", quick=True):
    ...     print(job.name, error or summary["active_frames"])
    a.ser 6
    b.ser 6
    """
    check_list("run_many", sources)
    for argument in ONE_CAPTURE:
        if arguments.get(argument) is not None:
            raise OptionsError(f"{argument} is for one capture: call run for each, or leave it out")
    folder, kind = None if out_dir is None else located(out_dir), arguments.get("output_format")
    options = JobRequest.of((), **arguments).options
    jobs = [StackJob(of, folder and folder / image_name(of, kind, name, options)) for of in sources]
    check_collisions(jobs)
    if folder is not None:
        create_folder(folder)
    return run_jobs(jobs, in_flight=in_flight, on_outcome=on_outcome, **arguments)


def run_jobs(
    jobs: Sequence[StackJob],
    *,
    in_flight: int | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    is_named: bool = False,
    **arguments: Any,
) -> list[Outcome]:
    """Run jobs whose names do not collide; otherwise as `run_many`.

    Where the user has named the image itself, one of other options is replaced, with a note.
    """
    common = JobRequest.of((), **arguments)
    if in_flight is not None and in_flight < 1:
        raise OptionsError(f"in_flight is {in_flight}: it must be at least 1")
    _check_files(jobs, common.outputs)
    if not (common.overwrite or is_named):
        _check_overwriting(jobs, common)
    outcomes: dict[int, Outcome] = {}
    with common.resources() as runner:
        n_at_once = min(in_flight or captures_at_once(runner), len(jobs))
        with closing(_run(jobs, replace(common, runner=runner), n_at_once)) as finished:
            for number, outcome in finished:
                outcomes[number] = outcome
                if on_outcome is not None:
                    on_outcome(outcome)
    return [outcomes[number] for number in sorted(outcomes)]


def _check_files(jobs: Sequence[StackJob], outputs: Outputs) -> None:
    """Refuse jobs of which one would overwrite any file of another."""
    owners: dict[str, StackJob] = {}
    for job in jobs:
        for path in replace(outputs, image=job.image).paths if job.image is not None else ():
            other = owners.setdefault(str(path).casefold(), job)
            if other is not job:
                raise OptionsError(
                    f"{other.name} and {job.name} would both write {path}: give other names, such "
                    "as --name '{stem}-stack{suffix}'"
                )


def _check_overwriting(jobs: Sequence[StackJob], common: JobRequest) -> None:
    """Refuse to overwrite images of other options before any capture is stacked."""
    options = with_positions(common.options, common.anchors_file, common.points_file)
    refused = []
    for job in jobs:
        outputs = replace(common.outputs, image=job.image)
        other = find_other_image(outputs, options, job.name)
        refused += [] if other is None else [other.refusal]
    if refused:
        more = f" ({len(refused)} such images)" if len(refused) > 1 else ""
        raise StoreError(f"{refused[0]}{more}")


def captures_at_once(runner: Runner) -> int:
    """Choose how many captures are worked on at the same time.

    While a capture is prepared or finished, by one thread of this process, other threads have tasks
    of the next ones. With 634 frames of 840 x 612 that part takes half as long as all tasks on one
    thread: two threads are busy for 74 % of the time by one capture, and two captures at once are
    not faster within the noise; eight would be busy for 29 %. On a cluster, workers wait for this
    process as well.

    Parameters
    ----------
    runner
        Runs the jobs.
    """
    n_more = runner.n_threads / THREADS_PER_CAPTURE
    n_more = math.ceil(n_more) if runner.is_cluster else math.floor(n_more)
    return min(1 + n_more, MOST_AT_ONCE)


def _run(
    jobs: Sequence[StackJob], common: JobRequest, n_at_once: int
) -> Generator[tuple[int, Outcome]]:
    """Run jobs, and yield the number and the outcome of each as soon as it is known."""
    if n_at_once <= 1:
        for number, job in enumerate(jobs):
            yield number, _attempt(_request(job, common, len(jobs)), job)
        return
    memory, stop = SharedMemory(), threading.Event()
    with ThreadPoolExecutor(n_at_once, "skry-job") as pool:
        numbers = {
            pool.submit(_attempt_one, number, job, common, memory, stop): number
            for number, job in enumerate(jobs)
        }
        try:
            for done in as_completed(numbers):
                yield numbers[done], done.result()
        except BaseException:  # such as Ctrl-C: jobs end at their next task, or phase on a cluster
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _attempt_one(
    number: int, job: StackJob, common: JobRequest, memory: SharedMemory, stop: threading.Event
) -> Outcome:
    """Run one of several jobs that run at the same time."""
    request = _request(job, common, 2)
    runner, report = request.runner, request.progress or report_nothing

    def check() -> None:
        if stop.is_set():
            raise SkryError("the batch was stopped: the same call continues")

    def after_compute() -> None:
        check()
        if common.after_compute is not None:
            common.after_compute()

    def checked_report(event: Progress) -> None:
        if runner is not None and not runner.is_cluster:  # whose events come to a thread of dask
            check()
        report(event)

    own = runner and runner.for_one_of_several(number, after_compute)
    return _attempt(replace(request, memory=memory, progress=checked_report, runner=own), job)


def _request(job: StackJob, common: JobRequest, n_jobs: int) -> JobRequest:
    """Make the request of one job of what all jobs have in common."""
    report = common.progress
    if report is not None and n_jobs > 1:
        of_all = report

        def report(event: Progress) -> None:
            of_all(event._replace(capture=job.name))

    outputs = replace(common.outputs, image=job.image)
    return replace(common, source=job.source, outputs=outputs, progress=report)


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
