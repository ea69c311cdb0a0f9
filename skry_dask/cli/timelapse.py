"""``skry timelapse``: stacks or captures to a movie."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated

from skry_dask.cli.flags import (
    PHASES,
    TIMELAPSE,
    AsJson,
    Output,
    Place,
)
from skry_dask.cli.phase_flags import PhaseFlags
from skry_dask.cli.process import importing, release_freed_memory
from skry_dask.cli.terminal import print_notes, progress_bars, reporting
from skry_dask.errors import OptionsError
from skry_dask.options.timelapse import TimelapseOptions

if TYPE_CHECKING:
    from skry_dask.pipeline.timelapse import Movie

LISTED = 8
"""Number of inputs that are named where more are left out."""


def timelapse(
    *inputs: str,
    output: Output,
    out_dir: Place | None = None,
    workers: int | None = None,
    memory_limit: str | None = None,
    overwrite: bool = False,
    json_: AsJson = False,
    movie: Annotated[TimelapseOptions, TIMELAPSE] = TimelapseOptions(),  # noqa: B008
    phases: Annotated[PhaseFlags, PHASES] = PhaseFlags(),  # noqa: B008
) -> int:
    """Make a movie of stacks, or of captures, which are stacked first.

    All pictures have one size, one place of the object and one brightness, and are in the order of
    their times if these are known, or else of their names. What cannot be read, stacked or placed
    is left out, and named.

    Parameters
    ----------
    inputs
        Stacks (TIFF, PNG, FITS, BMP), folders or patterns of them, such as "night/*-stack.tif"; or
        captures (SER, AVI, MP4...), folders or patterns of these.
    output
        Movie to write (.mp4, .gif), or a folder, or a pattern such as moon-%03d.png, for PNG images
        of 16 bit; or the URL of one.
    out_dir
        Folder for the stacks of captures, created if it does not exist, or its URL [default:
        OUTPUT-stacks].
    workers
        Number of threads for stacking [default: one per core].
    memory_limit
        How much memory stacking may use, such as 2GiB [default: what the machine or container has].
    overwrite
        Replace stacks of captures that were made with other options.
    json_
        Print a summary as JSON.
    """
    if not inputs:
        raise OptionsError("no input is given: name stacks, such as skry timelapse night/*.tif")
    with importing():
        from skry_dask.cli.inputs import expand_sequence
        from skry_dask.pipeline.timelapse import timelapse as make_movie
    sources = expand_sequence(inputs)
    with reporting(), progress_bars(several=True) as bars:
        made = make_movie(
            sources,
            output,
            out_dir=out_dir,
            options=movie,
            progress=bars.report,
            workers=workers,
            memory_limit=memory_limit,
            overwrite=overwrite,
            after_compute=release_freed_memory,
            stacking_options=phases.options,
        )
    if json_:
        print(json.dumps(dataclasses.asdict(made)))
    else:
        _print(made)
    return int(len(made.left_out) > len(made.pictures))


def _print(made: Movie) -> None:
    order = "time" if made.by_time else "name"
    print(
        f"{made.output}: {len(made.pictures)} pictures of {made.width} x {made.height} px, "
        f"{made.fps:g} a second, in order of {order}"
    )
    listed, n_more = made.left_out[:LISTED], len(made.left_out[LISTED:])
    print_notes(f"left out: {one['input']} {one['reason']}" for one in listed)
    if n_more:
        print_notes([f"left out: {n_more} more, which --json lists"])
    print_notes(made.notes)
