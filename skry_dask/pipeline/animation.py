"""Animations of stacking: a capture in, a movie of its growing stack out.

The job runs first, or its results are taken from the store; then frames are added once more, in
order, and a picture is made after each of them, or after several. The first frames make a picture
each; later ones come in groups, because each of them changes a mean of many by little.

Memory: as stacking, whatever the number of frames; the movie is encoded in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.capture.calibration.on_canvas import frame_on_canvas
from skry_dask.capture.inputs import first_name, includes
from skry_dask.errors import StoreError
from skry_dask.graph.runner import Runner
from skry_dask.io.remote import located
from skry_dask.options import StackOptions, as_json
from skry_dask.options.animation import AnimationOptions, FrameOrder, Shown
from skry_dask.options.given import options_of, split_choices
from skry_dask.phases.growing_stack import GrowingStack
from skry_dask.pipeline.finished_job import FinishedJob
from skry_dask.pipeline.job_record import read_record
from skry_dask.pipeline.movie_files import MovieFile, MovieKind
from skry_dask.pipeline.outputs import software
from skry_dask.pipeline.progress import Progress, report_nothing, shows_progress
from skry_dask.pipeline.run import run
from skry_dask.reporting.pictures import white_of
from skry_dask.reporting.stacking_pictures import GAP_PX, Pane, side_by_side, with_fragments
from skry_dask.store.results.reading import open_results

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    import xarray as xr

    from skry_dask.capture.inputs import Input
    from skry_dask.io.remote import RemotePath
    from skry_dask.options import Options
    from skry_dask.pipeline.progress import Report
    from skry_dask.types import Float32Array, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Animation:
    """What became of an animation, JSON-compatible when taken as a dict.

    Parameters
    ----------
    output
        The file, folder or pattern that was written.
    width, height
        Size of a picture, px.
    fps
        Number of pictures a second.
    order
        "time" or "quality".
    pictures
        For each picture: ``frames``, numbers of the frames that it adds; ``stacked``, how many
        there are so far; ``averaged``, how many a pixel is the mean of.
    frames
        Number of frames of the capture.
    notes
        What else the user should know.

    Examples
    --------
    >>> import skry_dask as skry
    >>> movie = skry.animate("moon.ser", "stacking.gif", percent=50)
    >>> movie.output, movie.order
    ('stacking.gif', 'time')
    """

    output: str
    width: int
    height: int
    fps: float
    order: str
    pictures: list[dict[str, Any]]
    frames: int
    notes: list[str]


@shows_progress
def animate(
    source: Input,
    output: str | os.PathLike[str] | RemotePath,
    *,
    options: AnimationOptions | None = None,
    stacking_options: Options | None = None,
    workers: int | None = None,
    progress: Report | None = None,
    **choices: Any,
) -> Animation:
    """Make a movie of a stack that grows frame by frame, with what is taken from each frame.

    The capture is stacked first, unless the store has the results already. All pictures have the
    same brightness; the last one shows the stack itself.

    Parameters
    ----------
    source
        The capture, as for `run`.
    output
        ``.mp4``; ``.gif``; a folder, or a pattern such as ``moon-%03d.png``, for PNG images; or the
        URL of one of these.
    options
        See `AnimationOptions`.
    stacking_options
        How the capture is stacked: `Options`.
    workers
        Number of threads, by default one per core.
    progress
        Called with each `Progress`.
    **choices
        Options of `AnimationOptions` by name, such as ``fps=25``, and other arguments of `run`,
        such as ``percent=20``. They win over ``options`` and ``stacking_options``.

    Raises
    ------
    OptionsError
        If the output names no kind of movie, or an option of stacking is wrong.
    StoreError
        If the movie cannot be written, or would overwrite the capture.
    SkryError
        If stacking fails.

    Examples
    --------
    >>> import skry_dask as skry
    >>> movie = skry.animate("moon.ser", "stacking.gif", percent=50)
    >>> movie.frames
    16
    """
    of_movie, stacking = split_choices(AnimationOptions, choices)
    options = options_of(AnimationOptions, options, of_movie, "animate")
    report = progress or report_nothing
    target = MovieFile.of(located(output))
    _check_frames(target, source, options)
    target.check([first_name(source)])
    stacking |= {"workers": workers, "progress": progress, "options": stacking_options}
    summary = run(source, **stacking).attrs["summary"]
    results = open_results(summary["store"])
    record = read_record(results, summary["phases"]["stack"]["digest"])
    job = FinishedJob.of(record, results)
    of_job = job.capture, job.alignment, job.quality, job.points, job.stacked
    film = Film.of(*of_job, options, Runner(workers))
    about = {
        "software": software(),
        "image": "animation of stacking",
        "options": {"animation": as_json(options)},
        "source": record.about["source"],
        "inputs": film.pictures,
    }
    notes = target.write(film.drawn(report), options.fps, about)
    return Animation(
        output=str(target.path),
        width=film.width,
        height=film.pane.height,
        fps=options.fps,
        order=str(options.order),
        pictures=film.pictures,
        frames=job.capture.sizes["frame"],
        notes=notes,
    )


def _check_frames(target: MovieFile, source: Input, options: AnimationOptions) -> None:
    """Refuse a movie whose images would be among those of the capture."""
    numbers = range(1, options.pictures + 1) if target.kind is MovieKind.PNG else ()
    for path in (target.path, *map(target.image, numbers)):
        if isinstance(path, Path) and includes(source, path):
            raise StoreError(
                f"{path} would be one of the frames of {first_name(source)}: give another -o"
            )


def growth(n_frames: int, n_pictures: int) -> list[slice]:
    """Divide frames among pictures: the n-th picture shows a stack of about n * n times as many.

    Parameters
    ----------
    n_frames
        Number of frames.
    n_pictures
        Largest number of pictures.

    Returns
    -------
    Frames that each picture adds, at least one.

    Examples
    --------
    >>> [part.stop for part in growth(100, 6)]
    [3, 11, 25, 44, 69, 100]
    >>> [part.stop for part in growth(4, 6)]
    [1, 2, 3, 4]
    """
    n_pictures = min(n_frames, n_pictures)
    share = np.arange(1, n_pictures + 1) / max(n_pictures, 1)
    # A picture adds one frame at least, and leaves one at least to each of those after it.
    ends = np.rint(n_frames * share**2).astype(int)
    ends = np.maximum(ends, np.arange(1, n_pictures + 1)).tolist()
    return [slice(start, stop) for start, stop in zip([0, *ends], ends, strict=False)]


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """The pictures of an animation.

    Parameters
    ----------
    capture, alignment, points
        Of the stack; see `stack`.
    stack
        The stack, to which frames are added.
    groups
        For each picture, indices of the frames that it adds, in their order.
    pane
        Of each image.
    runner
        Computes.
    options
        Of the animation.
    pictures
        What is said of each picture, see `Animation`; ``averaged`` is added when it is drawn.
    """

    capture: xr.Dataset
    alignment: xr.Dataset
    points: xr.Dataset
    stack: GrowingStack
    groups: list[IntArray]
    pane: Pane
    runner: Runner
    options: AnimationOptions
    pictures: list[dict[str, Any]]

    @classmethod
    def of(
        cls,
        capture: xr.Dataset,
        alignment: xr.Dataset,
        quality: xr.Dataset,
        points: xr.Dataset,
        stacked: xr.Dataset,
        options: AnimationOptions,
        runner: Runner,
    ) -> Film:
        """Plan the pictures of a stack.

        Parameters
        ----------
        capture, alignment, quality, points
            As for `stack`.
        stacked
            From `stack`.
        options
            Of the animation.
        runner
            Computes.
        """
        how = StackOptions(**stacked.attrs["options"])
        stack = GrowingStack.of(capture, alignment, quality, points, how)
        order = stack.stacked
        if options.order is FrameOrder.QUALITY:
            rated = np.nan_to_num(quality["frame_quality"].to_numpy()[order])
            order = order[np.argsort(-rated, kind="stable")]
        groups = [order[part] for part in growth(len(order), options.pictures)]
        numbers = capture["frame"].to_numpy()
        ends = np.cumsum([len(group) for group in groups]).tolist()
        n_panes = 2 if options.show is Shown.BOTH else 1
        white = white_of(stacked["stack"].to_numpy())
        y, x = stacked["y"].to_numpy(), stacked["x"].to_numpy()
        return cls(
            capture=capture,
            alignment=alignment,
            points=points,
            stack=stack,
            groups=groups,
            pane=Pane.of_image(y, x, white, options.width, n_panes),
            runner=runner,
            options=options,
            pictures=[
                {"frames": numbers[group].tolist(), "stacked": end}
                for group, end in zip(groups, ends, strict=True)
            ],
        )

    @property
    def width(self) -> int:
        """Width of a picture, px."""
        return self.pane.width * 2 + GAP_PX if self.options.show is Shown.BOTH else self.pane.width

    def drawn(self, report: Report) -> Iterator[Float32Array]:
        """Draw one picture after the other: float32 (y, x, 3), 0 to 1."""
        total: xr.Dataset | None = None
        for i, group in enumerate(self.groups):
            panes = []
            if self.options.show is not Shown.STACK:
                panes.append(self._frame(int(group[-1]), i))
            if self.options.show is not Shown.FRAMES:
                added = self.runner.compute(self.stack.added_by(np.sort(group)))
                total = added if total is None else total + added
                panes.append(self._so_far(total, i))
            yield side_by_side(panes)
            report(Progress("animate", i + 1, len(self.groups)))

    def _so_far(self, sums: xr.Dataset, i: int) -> tuple[Float32Array, str]:
        """Show the stack so far, and say of how many frames it is."""
        image = self.runner.compute(self.stack.image(sums))
        averaged = float(image["count"].mean())
        self.pictures[i]["averaged"] = round(averaged, 1)
        n_stacked, n_all = self.pictures[i]["stacked"], self.pictures[-1]["stacked"]
        text = f"stack of {n_stacked} of {n_all} frames, {averaged:.1f} per pixel"
        return self.pane.shown(image["stack"].to_numpy()), text

    def _frame(self, index: int, i: int) -> tuple[Float32Array, str]:
        """Show a frame, and what is taken from it."""
        pane = self.pane
        offset = self.alignment["offset"].to_numpy()[index]
        frame = self.capture["frames"][index].to_numpy()
        image = frame_on_canvas(frame, self.stack.plan.developer, offset, pane.y, pane.x)
        picture = pane.shown(image)
        if not self.options.plain:
            fragments = self.stack.fragments_of(index)
            found = self.points["valid"][index].to_numpy()
            picture = with_fragments(picture, pane, fragments, offset, found)
        return picture, _name_of(self.pictures[i]["frames"])


def _name_of(frames: Sequence[int]) -> str:
    more = f" and {len(frames) - 1} more" if len(frames) > 1 else ""
    return f"frame {frames[-1]}{more}"
