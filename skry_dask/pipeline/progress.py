"""Progress of a job, as it is reported to whoever asked for it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple, ParamSpec, TypeAlias, TypeVar

from skry_dask.errors import OptionsError
from skry_dask.notebook import NotebookProgress, notebook_display


class Progress(NamedTuple):
    """How far a phase is.

    Parameters
    ----------
    phase
        "import", "survey", "reference", "align", "quality", "track", "first_stack", "refine",
        "stack", "dark", "flat" or "simulate"; of movies "place", "draw" and "animate".
    done
        Number of chunks of frames that are done; of an import, number of frames.
    total
        Number of chunks or frames in all, or None where it is not known.
    capture
        Name of the capture, where there are several: see `run_many`.
    frames
        Number of frames that the phase goes through, or None where it is not known.

    Examples
    --------
    >>> import skry_dask as skry
    >>> seen = []
    >>> result = skry.run("moon.ser", percent=37, progress=seen.append)
    >>> seen[-1].phase
    'stack'
    """

    phase: str
    done: int
    total: int | None
    capture: str = ""
    frames: int | None = None


Report: TypeAlias = Callable[[Progress], None]
"""Called as work goes on, from any thread."""


def report_nothing(_progress: Progress) -> None:
    """Ignore progress."""


P = ParamSpec("P")
R = TypeVar("R")


def shows_progress(function: Callable[P, R]) -> Callable[P, R]:
    """Show bars in a notebook while a function runs that takes ``progress``, if that is None."""

    @functools.wraps(function)
    def shown(*arguments: P.args, **options: P.kwargs) -> R:
        if not callable(options.get("progress") or report_nothing):
            raise OptionsError(
                f"progress is {options['progress']!r}: give a function that takes a Progress, such "
                "as print; bars are shown in a notebook without"
            )
        display = notebook_display() if options.get("progress") is None else None
        if display is None:
            return function(*arguments, **options)
        bars = NotebookProgress(display)

        def report(event: Progress) -> None:
            words = f"{event.capture} {in_words(event.phase)}".strip()
            bars.report(words, event.done, event.total, event.frames)

        options["progress"] = report
        try:
            return function(*arguments, **options)
        finally:
            bars.close()

    return shown


def in_words(phase: str) -> str:
    """Write the name of a phase as text: "first stack"."""
    return phase.replace("_", " ")
