"""``skry animate``: a movie of a stack that grows frame by frame."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated

from skry_dask.cli.flags import ANIMATION, PHASES, AsJson, Output, Place
from skry_dask.cli.phase_flags import PhaseFlags
from skry_dask.cli.process import importing, release_freed_memory
from skry_dask.cli.terminal import print_notes, progress_bars, reporting
from skry_dask.options.animation import AnimationOptions

if TYPE_CHECKING:
    from skry_dask.pipeline.animation import Animation


def animate(
    source: str,
    /,
    *,
    output: Output,
    store: Place | None = None,
    workers: int | None = None,
    memory_limit: str | None = None,
    json_: AsJson = False,
    animation: Annotated[AnimationOptions, ANIMATION] = AnimationOptions(),  # noqa: B008
    phases: Annotated[PhaseFlags, PHASES] = PhaseFlags(),  # noqa: B008
) -> int:
    """Make a movie of a stack that grows frame by frame.

    Each picture shows a frame with its triangles and reference points, as the air moves them,
    beside the stack so far. What is not stacked of the frame is dark. The capture is stacked first,
    with the options of skry stack, unless that is done already.

    Parameters
    ----------
    source
        A video, a folder or pattern of images, a store.
    output
        Movie to write (.mp4, .gif), or a folder, or a pattern such as moon-%03d.png, for PNG
        images; or its URL.
    store
        Where the results are kept [default: INPUT.skry beside the input].
    workers
        Number of threads [default: one per core].
    memory_limit
        How much memory stacking may use, such as 2GiB [default: what the machine or container has].
    json_
        Print a summary as JSON.
    """
    with importing():
        from skry_dask.cli.inputs import expand_input
        from skry_dask.pipeline.animation import animate as make_animation
    with reporting(), progress_bars() as bars:
        made = make_animation(
            expand_input(source),
            output,
            options=animation,
            stacking_options=phases.options,
            store=store,
            workers=workers,
            memory_limit=memory_limit,
            progress=bars.report,
            after_compute=release_freed_memory,
        )
    if json_:
        print(json.dumps(dataclasses.asdict(made)))
    else:
        _print(made)
    return 0


def _print(made: Animation) -> None:
    print(
        f"{made.output}: {len(made.pictures)} pictures of {made.width} x {made.height} px, "
        f"{made.fps:g} a second; {made.pictures[-1]['stacked']} of {made.frames} frames in order "
        f"of {made.order}"
    )
    print_notes(made.notes)
