"""What the user should know about frames: those left out, hidden in part, or too bright."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skry_dask.graph.datasets import (
    SUSPECT_BRIGHTNESS,
    bright_frames,
    count_reasons,
    excluded_frames,
    stacked_frames,
)
from skry_dask.options import Choose
from skry_dask.phases.alignment.frame_alignment import Reason

if TYPE_CHECKING:
    from skry_dask.pipeline.job_results import JobResults

LISTED_FRAMES = 8
"""Number of frames that are named in a note; of more, the rest is left out."""


def notes_on_alignment(results: JobResults) -> list[str]:
    """Collect what the user should know about frames, in lines.

    Parameters
    ----------
    results
        What the phases of a job gave.
    """
    alignment, capture, found = results.alignment, results.capture, []
    n_inactive = results.n_frames - results.n_active
    if n_inactive:
        which, _ = _counted(n_inactive)
        found.append(f"{which} left out: {count_reasons(alignment, capture)}")
    is_unlike = (alignment["reason"].to_numpy() == Reason.UNLIKE) & ~excluded_frames(capture)
    if is_unlike.any():
        unlike = alignment["frame"].to_numpy()[is_unlike]
        found.append(
            f"unlike the others in much of what they show, so torn, rolled or hidden: frame "
            f"{_listed(unlike.tolist())}"
        )
    hidden = stacked_frames(alignment, capture) & alignment["foreground"].to_numpy().any(axis=1)
    if hidden.any():
        partly = alignment["frame"].to_numpy()[hidden].tolist()
        found.append(
            f"something hides part of the scene, and is left out there: frame {_listed(partly)}"
        )
    n_across = int((stacked_frames(alignment, capture) & alignment["across_only"].to_numpy()).sum())
    if n_across:
        which, _ = _counted(n_across)
        found.append(f"{which} aligned across the limb only: nothing shows by which to align along")
    bright = bright_frames(alignment, capture)
    if bright:
        listed = _listed(bright)
        which, them = _counted(len(bright))
        even = f"evened out, --exclude {listed} leaves {them} out"
        if results.stack.attrs["options"]["choose"] != Choose.WEIGHTS:
            even = f"--exclude {listed} leaves {them} out, --normalise evens {them} out"
        found.append(f"{which} over {SUSPECT_BRIGHTNESS:g} times as bright as most: {even}")
    return found


def _listed(numbers: list[int]) -> str:
    """List the first few frames."""
    listed = ",".join(map(str, numbers[:LISTED_FRAMES]))
    return f"{listed},..." if len(numbers) > LISTED_FRAMES else listed


def _counted(n_frames: int) -> tuple[str, str]:
    """Begin a sentence about frames, and return their pronoun."""
    return ("1 frame is", "it") if n_frames == 1 else (f"{n_frames} frames are", "them")
