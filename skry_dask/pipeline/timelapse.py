"""Stacks or captures in, a movie out: stacked, placed, lit alike, drawn and encoded.

Images are read twice, once to be placed and once to be drawn, so that memory does not grow with
their number.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from skry_dask.capture.inputs import check_list, first_name, is_single_image
from skry_dask.errors import AlignmentError, OptionsError, SkryError
from skry_dask.finishing.stacked_images import read_stack
from skry_dask.finishing.timelapse.pictures import Stretch, stamped
from skry_dask.finishing.timelapse.placement import (
    Light,
    Placement,
    canvas_of,
    evened,
    place,
    without_motion,
)
from skry_dask.finishing.timelapse.times import in_order, in_words, time_of
from skry_dask.io.images.formats import has_image_suffix
from skry_dask.io.remote import is_url, located
from skry_dask.options import OPTION_NAMES, Options, as_json
from skry_dask.options.given import check_names, options_of, split_choices
from skry_dask.options.timelapse import TimelapseOptions
from skry_dask.pipeline.batch import run_many
from skry_dask.pipeline.job import ARGUMENTS
from skry_dask.pipeline.movie_files import MovieFile
from skry_dask.pipeline.outputs import software
from skry_dask.pipeline.progress import Progress, report_nothing, shows_progress

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from skry_dask.capture.inputs import Input
    from skry_dask.finishing.stacked_images import StackedImage
    from skry_dask.geometry.canvas import Region
    from skry_dask.io.remote import Location, RemotePath
    from skry_dask.pipeline.outcome import Outcome
    from skry_dask.pipeline.progress import Report
    from skry_dask.types import Float32Array

FEWEST = 2
"""Number of images that make a movie."""

TOLD_GAIN = 1.02
"""Ratio of the gains of pictures from which the user is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movie:
    """What became of a time-lapse, JSON-compatible when taken as a dict.

    Parameters
    ----------
    output
        The file, folder or pattern that was written.
    width, height
        Size of a picture, px.
    fps
        Number of pictures a second.
    by_time
        Whether pictures are in the order of their times, not of names.
    pictures
        For each picture: ``input``; ``time`` (ISO 8601, UTC) or None; ``shift`` y, x against the
        first one, px; ``gain`` of its brightness.
    left_out
        For each input that is not in the movie: ``input`` and ``reason``.
    notes
        What else the user should know.

    Examples
    --------
    >>> import skry_dask as skry
    >>> movie = skry.timelapse(["a.ser", "b.ser"], "ab.gif", fps=2, quick=True)
    >>> movie.fps, movie.width, len(movie.pictures)
    (2, 98, 2)
    """

    output: str
    width: int
    height: int
    fps: float
    by_time: bool
    pictures: list[dict[str, Any]]
    left_out: list[dict[str, str]]
    notes: list[str]


class _Picture(NamedTuple):
    """An image of the movie."""

    path: Location
    name: str
    time: datetime | None
    about: dict[str, Any]
    is_colour: bool


class _Sequence(NamedTuple):
    """Placed images in the order of the movie, and those that are left out."""

    pictures: list[_Picture]
    placements: list[Placement]
    ranges: list[Stretch]


@shows_progress
def timelapse(
    sources: Sequence[Input],
    output: str | os.PathLike[str] | RemotePath,
    *,
    out_dir: str | os.PathLike[str] | RemotePath | None = None,
    options: TimelapseOptions | None = None,
    stacking_options: Options | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    progress: Report | None = None,
    **choices: Any,
) -> Movie:
    """Make a movie of stacks, or of captures, which are stacked first.

    All pictures have one size, one place of the object and one brightness. What cannot be read,
    stacked or placed is left out, and named.

    Parameters
    ----------
    sources
        Images, such as stacks; and captures, each as for `run`.
    output
        ``.mp4``; ``.gif``; a folder, or a pattern such as ``moon-%03d.png``, for PNG images of 16
        bit; or the URL of one.
    out_dir
        Folder for the stacks of captures, or its URL; by default ``moon-stacks`` for ``moon.mp4``.
    options
        See `TimelapseOptions`.
    stacking_options
        How captures are stacked: `Options`.
    on_outcome
        Called with each `Outcome` of a capture.
    progress
        Called with each `Progress`.
    **choices
        Options of `TimelapseOptions` by name, such as ``fps=25``, and other arguments of `run_many`
        for captures, such as ``percent=20``. They win over ``options`` and ``stacking_options``.

    Raises
    ------
    OptionsError
        If the output names no kind of movie, or an option of stacking is wrong.
    AlignmentError
        If fewer than two images can be used.
    StoreError
        If the movie cannot be written, or would overwrite an input.

    Examples
    --------
    >>> import skry_dask as skry
    >>> movie = skry.timelapse(["a.ser", "b.ser"], "ab.gif", fps=2, quick=True)
    >>> len(movie.pictures), movie.left_out
    (2, [])
    """
    check_list("timelapse", sources)
    names = [field.name for field in fields(TimelapseOptions)]
    names += [*OPTION_NAMES, *ARGUMENTS, "name", "in_flight"]  # of run_many
    check_names(choices, names, "timelapse")
    of_movie, stacking = split_choices(TimelapseOptions, choices)
    options = options_of(TimelapseOptions, options, of_movie, "timelapse")
    report = progress or report_nothing
    target = MovieFile.of(located(output))
    single = {name: value for name, value in stacking.items() if name in OPTION_NAMES}
    if several := Options.of(stacking_options, **single).stack.several:
        listed = ", ".join(f"{percent:g}" for percent in several)
        raise OptionsError(f"percent is {listed}: a movie is made of one stack of each capture")
    target.check([first_name(source) for source in sources])
    left_out: dict[str, str] = {}
    folder = located(out_dir) if out_dir is not None else target.stacks_folder
    stacking |= {"progress": progress, "on_outcome": on_outcome, "options": stacking_options}
    paths = _stacks(sources, folder, left_out, stacking)
    found, by_time = _ordered(paths, left_out)
    placed = _placed(found, left_out, report, rigid=options.rigid)
    enough = len(placed.pictures) >= FEWEST
    canvas = canvas_of(placed.placements, options.movie_canvas) if enough else None
    if canvas is None:
        reasons = "; ".join(f"{name} {reason}" for name, reason in list(left_out.items())[:3])
        if not reasons and len(sources) < FEWEST:
            reasons = "name more captures or stacks"
        raise AlignmentError(
            f"a movie needs {FEWEST} images that show the same, but {len(placed.pictures)} of "
            f"{len(sources)} can be used: {reasons or 'they have no part in common'}"
        )
    lights = (
        [Light() for _ in placed.pictures] if options.keep_brightness else evened(placed.placements)
    )
    movie = _described(target, placed, lights, canvas, options)
    movie = replace(
        movie,
        by_time=by_time,
        left_out=[{"input": name, "reason": reason} for name, reason in left_out.items()],
    )
    pictures = _drawn(placed, lights, canvas, options, report)
    notes = target.write(pictures, options.fps, _metadata(movie, placed, options))
    return replace(movie, notes=[*movie.notes, *notes])


def _stacks(
    sources: Sequence[Input],
    folder: Location,
    left_out: dict[str, str],
    stacking: dict[str, Any],
) -> list[Location]:
    """Stack captures, and return the images of all sources."""
    captures = [source for source in sources if not _is_image(source)]
    stacked: dict[str, Location] = {}
    if captures:
        for job, summary, error in run_many(captures, out_dir=folder, **stacking):
            if summary is None:
                left_out[job.name] = f"is not stacked: {error}"
            elif job.image is not None:
                stacked[job.name] = job.image
    paths = []
    for source in sources:
        name = first_name(source)
        if _is_image(source):
            paths.append(located(str(source)))
        elif name in stacked:
            paths.append(stacked[name])
    return list(dict.fromkeys(paths))


def _is_image(source: Input) -> bool:
    if not isinstance(source, str | Path):
        return False
    if is_url(source):
        return has_image_suffix(Path(located(source).name))
    try:
        return is_single_image(Path(source))
    except SkryError:  # what is wrong with it is said when it is read
        return True


def _ordered(paths: Sequence[Location], left_out: dict[str, str]) -> tuple[list[_Picture], bool]:
    """Read what files say of themselves, and put them in order."""
    found = []
    for path in paths:
        image = _read(path, left_out)
        if image is not None:
            taken = time_of(image.metadata, image.time)
            kept = {k: image.metadata.get(k) for k in ("source", "digest", "frames", "scale")}
            found.append(_Picture(path, str(path), taken, kept, image.is_colour))
    order, by_time = in_order([one.name for one in found], [one.time for one in found])
    return [found[i] for i in order], by_time


def _read(path: Location, left_out: dict[str, str]) -> StackedImage | None:
    """Read an image, or note why it is left out."""
    try:
        return read_stack(path).checked()
    except SkryError as error:
        left_out[str(path)] = f"cannot be used: {error}"
        return None


def _placed(
    found: Sequence[_Picture], left_out: dict[str, str], report: Report, *, rigid: bool
) -> _Sequence:
    """Place images against one of them: the middle one, or one with which more of them agree."""
    n, best, reasons = len(found), _Sequence([], [], []), {}
    for reference in dict.fromkeys([n // 2, 0, n - 1, n // 4, 3 * n // 4] if n else []):
        tried, why = _placed_against(found, reference, report, rigid=rigid)
        if len(tried.pictures) > len(best.pictures):
            best, reasons = tried, why
        if 2 * len(best.pictures) > n:
            break
    left_out |= reasons
    return best._replace(placements=without_motion(best.placements) if best.pictures else [])


def _placed_against(
    found: Sequence[_Picture], reference: int, report: Report, *, rigid: bool
) -> tuple[_Sequence, dict[str, str]]:
    """Place images against one of them; return why others are left out, too."""
    against, reasons = found[reference], {}
    own = read_stack(against.path).checked().grey
    placed = _Sequence([], [], [])
    for i, one in enumerate(found):
        image = own if i == reference else read_stack(one.path).checked().grey
        report(Progress("place", i + 1, len(found)))
        result = Placement.of_reference(own) if i == reference else place(own, image, rigid=rigid)
        if isinstance(result, str):
            reasons[one.name] = f"{result} {against.name}"
            continue
        placed.pictures.append(one)
        placed.placements.append(result)
        placed.ranges.append(Stretch.of_images([image]))
    return placed, reasons


def _drawn(
    placed: _Sequence,
    lights: Sequence[Light],
    canvas: Region,
    options: TimelapseOptions,
    report: Report,
) -> Iterator[Float32Array]:
    """Draw one picture after the other: float32 (y, x[, channel]), 0 to 1."""
    stretch = _common_stretch(placed.ranges, lights) if options.stretch else Stretch()
    in_colour = any(one.is_colour for one in placed.pictures)
    for i, (one, placement) in enumerate(zip(placed.pictures, placed.placements, strict=True)):
        pixels = read_stack(one.path).checked().pixels
        if in_colour and pixels.ndim == 2:
            pixels = np.repeat(pixels[..., None], 3, axis=2)
        lit = lights[i].gain * placement.drawn(pixels, canvas) + np.float32(lights[i].level)
        picture = stretch.applied(lit)
        if options.stamp:
            picture = stamped(picture, in_words(one.time) if one.time else one.path.stem)
        yield picture
        report(Progress("draw", i + 1, len(placed.pictures)))


def _common_stretch(ranges: Sequence[Stretch], lights: Sequence[Light]) -> Stretch:
    """Find the stretch of all pictures from the range of brightness of each image."""
    black = min(
        light.gain * one.black + light.level for one, light in zip(ranges, lights, strict=True)
    )
    white = max(
        light.gain * one.white + light.level for one, light in zip(ranges, lights, strict=True)
    )
    return Stretch(black, white)


def _described(
    target: MovieFile,
    placed: _Sequence,
    lights: Sequence[Light],
    canvas: Region,
    options: TimelapseOptions,
) -> Movie:
    """Describe a movie before it is written."""
    first = placed.placements[0].displacement.similarity[:2]
    pictures = []
    for one, placement, light in zip(placed.pictures, placed.placements, lights, strict=True):
        y, x = (placement.displacement.similarity[:2] - first).tolist()
        pictures.append(
            {
                "input": one.name,
                "time": one.time.isoformat() if one.time else None,
                "shift": [round(y, 3), round(x, 3)],
                "gain": round(light.gain, 4),
            }
        )
    notes = []
    without = sum(one.time is None for one in placed.pictures)
    if without and (options.stamp or without < len(pictures)):
        notes.append(f"{without} of {len(pictures)} images do not say when they were taken")
    gains = [light.gain for light in lights]
    if max(gains) > TOLD_GAIN * min(gains):
        notes.append(
            f"brightness is evened out by factors of {min(gains):.3g} to {max(gains):.3g}: "
            "--keep-brightness leaves it"
        )
    return Movie(
        output=str(target.path),
        width=canvas.width,
        height=canvas.height,
        fps=options.fps,
        by_time=False,
        pictures=pictures,
        left_out=[],
        notes=notes,
    )


def _metadata(movie: Movie, placed: _Sequence, options: TimelapseOptions) -> dict[str, Any]:
    """Collect what the movie should say about how it was made, JSON-compatible."""
    return {
        "software": software(),
        "image": "time-lapse",
        "options": {"timelapse": as_json(options)},
        "inputs": [
            {**about, "input": Path(about["input"]).name, **one.about}
            for about, one in zip(movie.pictures, placed.pictures, strict=True)
        ],
        "left_out": [Path(one["input"]).name for one in movie.left_out],
    }
