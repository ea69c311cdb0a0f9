"""``skry stack``: the jobs of a command, and what is printed about them."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

from skry_dask.cli.interruption import saying
from skry_dask.cli.messages import messages
from skry_dask.cli.process import release_freed_memory
from skry_dask.cli.terminal import describe_job, in_a_word, print_error
from skry_dask.errors import OptionsError, SkryError
from skry_dask.pipeline.batch import run_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from skry_dask.cli.messages import MessageOptions
    from skry_dask.pipeline.batch_plan import StackJob
    from skry_dask.pipeline.outcome import Outcome


FEWEST = 0.5
"""Fraction of the frames that must be aligned for a stack to count as a success."""


def stack_each(
    jobs: Sequence[StackJob],
    *,
    as_json: bool,
    allow_few: bool,
    saying_what: MessageOptions,
    **choices: Any,
) -> int:
    """Run jobs, and print what became of each; a failure stops no other.

    Parameters
    ----------
    jobs
        Captures and their images.
    as_json
        Whether to print JSON, one line per job.
    allow_few
        Whether a stack of fewer than half of the frames is a success, too.
    saying_what
        What is said while jobs run.
    **choices
        Arguments of `run`, the same for all jobs.

    Returns
    -------
    Exit status, the worst of all jobs: 0 if it is done, 2 if options do not fit the capture, 1 for
    any other failure, and where too few frames could be aligned; the image is written then.
    """
    began = time.perf_counter()
    n_finished, several = 0, len(jobs) > 1

    def how_far() -> str:
        return f"{n_finished} of {len(jobs)} captures are finished"

    with (
        saying(how_far) if several else contextlib.nullcontext(),
        messages(saying_what, several=several) as told,
    ):

        def show(outcome: Outcome) -> None:
            nonlocal n_finished
            n_finished += 1
            with told.paused(outcome.job.name):
                judged = _judge(outcome, allow_few=allow_few)
                told.write("outcome", **_as_json(judged))
                if judged.summary is not None:
                    told.log(describe_job(judged.summary))
                if judged.error is not None:
                    told.log(f"{judged.job.name}: {judged.error}", "ERROR")
                _print_outcome(
                    judged, as_json=as_json, is_alone=not several, quiet=saying_what.quiet
                )

        outcomes = run_jobs(
            jobs,
            on_outcome=show,
            progress=told.report,
            after_compute=release_freed_memory,
            **choices,
        )
    judged = [_judge(outcome, allow_few=allow_few) for outcome in outcomes]
    if several and not as_json and not saying_what.quiet:
        print("\n".join(_describe_batch(judged, time.perf_counter() - began)))
    return max(_exit_status(outcome.error) for outcome in judged)


@contextlib.contextmanager
def refusing(inputs: Sequence[str], *, as_json: bool) -> Iterator[None]:
    """Print a line of JSON for each input where all of them are refused, and why."""
    try:
        yield
    except SkryError as error:
        if as_json:
            verdict = {"error": str(error), "exit_status": _exit_status(error)}
            for name in inputs:
                print(json.dumps({"input": name, "output": None, **verdict}), flush=True)
        raise


def _judge(outcome: Outcome, *, allow_few: bool) -> Outcome:
    """Take a stack of too few frames for a failure, unless that is allowed."""
    summary = outcome.summary
    if allow_few or summary is None:
        return outcome
    if summary["active_frames"] >= FEWEST * summary["frames"]:
        return outcome
    return outcome._replace(
        error=SkryError(
            f"only {summary['active_frames']} of {summary['frames']} frames could be aligned; "
            f"{in_a_word(summary)} is written: check it, and accept it with --allow-few"
        )
    )


def _exit_status(error: SkryError | None) -> int:
    if error is None:
        return 0
    return 2 if isinstance(error, OptionsError) else 1


def _print_outcome(outcome: Outcome, *, as_json: bool, is_alone: bool, quiet: bool) -> None:
    """Print what became of a job: results on standard output, an error on standard error too."""
    job, summary, error = outcome
    if as_json:
        print(json.dumps(_as_json(outcome)), flush=True)
    elif summary is not None and not quiet:
        print(describe_job(summary), flush=True)
    if error is not None:
        print_error(error, None if is_alone else job.name)


def _as_json(outcome: Outcome) -> dict[str, Any]:
    """Return what became of a job: its summary, or what it would have made, and the error."""
    job, summary, error = outcome
    about: dict[str, Any] = summary or {
        "input": job.name,
        "output": None if job.image is None else str(job.image),
    }
    verdict = {"error": None if error is None else str(error), "exit_status": _exit_status(error)}
    return about | verdict


def _describe_batch(outcomes: Sequence[Outcome], seconds: float) -> list[str]:
    """Describe a batch: its figures, then a line for each capture."""
    verdicts = [_verdict(outcome) for outcome in outcomes]
    kinds = [kind for kind, _ in verdicts]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    width = max(map(len, kinds))
    return [
        f"{len(outcomes)} captures in {seconds:.1f} s: {counts}",
        *(
            f"  {kind:{width}}  {outcome.job.name}: {about}"
            for outcome, (kind, about) in zip(outcomes, verdicts, strict=True)
        ),
    ]


def _verdict(outcome: Outcome) -> tuple[str, str]:
    """Describe what became of a job: a word, and the image or the reason."""
    job, summary, error = outcome
    if error is not None or summary is None:  # without an error there always is one
        return "failed", str(error).removeprefix(f"{job.name}: ")
    frames = f"{summary['active_frames']} of {summary['frames']} frames"
    return "up to date" if summary["up_to_date"] else "stacked", f"{in_a_word(summary)}, {frames}"
