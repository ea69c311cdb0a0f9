"""Progress of a job, as it is reported to whoever asked for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias


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
