"""Stacks of several percentages, from one pass over the frames, and pictures of a growing stack."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from skry_dask.errors import OptionsError, SkryError
from skry_dask.graph.runner import Runner
from skry_dask.options import StackOptions
from skry_dask.options.given import options_of
from skry_dask.options.rivals import OF_STACK
from skry_dask.pipeline.animation import Film
from skry_dask.pipeline.job_results import stacks_of
from skry_dask.pipeline.run import run_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import xarray as xr

    from skry_dask.options.animation import AnimationOptions
    from skry_dask.pipeline.job import JobRequest
    from skry_dask.pipeline.job_results import OneStack
    from skry_dask.pipeline.phase_runner import PhaseResult
    from skry_dask.pipeline.progress import Progress
    from skry_dask.types import Float32Array
    from skry_dask.view.shown import Shown

LAST = "stack"
"""The phase whose result is wanted."""


class CancelledError(SkryError):
    """The user has cancelled what was going on."""


def stack_percentages(
    request: JobRequest, percentages: str, progress: Callable[[Progress], None]
) -> list[OneStack]:
    """Stack the best fragments of several percentages; phases before the stack are reused.

    The store keeps the stacks, but no record of a job: the newest one stays what it was.

    Parameters
    ----------
    request
        The job whose percentage is changed.
    percentages
        Such as "5, 15, 30".
    progress
        Called as work goes on, from any thread; what it raises ends the work.

    Returns
    -------
    list
        The stacks, of increasing percentages.

    Raises
    ------
    OptionsError
        If these are no percentages.
    SkryError
        If the job fails.
    """
    if not percentages.strip():
        raise OptionsError("no percentage is given: name some, such as 5, 15, 30")
    options = request.options
    choice = options_of(StackOptions, options.stack, {"percent": percentages}, "stack", OF_STACK)
    found: list[xr.Dataset] = []

    def on_phase(result: PhaseResult) -> None:
        if result.name == LAST:
            found.append(result.data)

    of_several = replace(options, stack=choice)
    run_part(replace(request, options=of_several, progress=progress, on_phase=on_phase), LAST)
    return stacks_of(found[-1].load())


def growing_pictures(
    shown: Shown, options: AnimationOptions, progress: Callable[[Progress], None]
) -> Iterator[tuple[Float32Array, str]]:
    """Draw how the stack of the newest job grows, one picture after the other.

    Parameters
    ----------
    shown
        Results of the job, with a stack.
    options
        Of the animation.
    progress
        Called after each picture; what it raises ends the work.

    Yields
    ------
    picture
        float32 (y, x, 3), 0 to 1.
    words
        What it shows.

    Raises
    ------
    SkryError
        If there is no stack yet.
    """
    capture, alignment, quality, points, stacked = (
        *(shown.capture, shown.alignment, shown.quality),
        *(shown.points, shown.stacked),
    )
    if capture is None or alignment is None or quality is None or points is None or stacked is None:
        raise SkryError("there is no stack yet: run the job first")
    film = Film.of(capture, alignment, quality, points, stacked, options, Runner())
    for picture, about in zip(film.drawn(progress), film.pictures, strict=True):
        added = about["frames"]
        names = f"frame {added[0]}" if len(added) == 1 else f"{len(added)} frames to {added[-1]}"
        yield picture, f"{names}; {about['stacked']} stacked so far"
