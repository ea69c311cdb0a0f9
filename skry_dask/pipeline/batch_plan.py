"""Several captures and their images: names, and what would overwrite what, before any work."""

from __future__ import annotations

import os
from dataclasses import fields
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path, PurePath
from string import Formatter
from typing import TYPE_CHECKING, Any, NamedTuple

from skry_dask.capture.inputs import first_name, includes, sidecar
from skry_dask.capture.source import resolve
from skry_dask.errors import OptionsError, StoreError
from skry_dask.io.remote import RemotePath, is_url
from skry_dask.options import OF_PHASES, Options
from skry_dask.pipeline.image_names import LaterPercent, plain_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skry_dask.capture.inputs import Input
    from skry_dask.io.remote import Location

SUFFIXES = {
    "tiff8": ".tif",
    "tiff16": ".tif",
    "tiff32": ".tif",
    "png8": ".png",
    "png16": ".png",
    "bmp": ".bmp",
    "fits": ".fits",
}
"""Suffix of an image that the user has not named, by its kind."""

APART = "stack them in two calls, with an --output or --out-dir for each"
"""Remedy where two captures would write the same file."""


class StackJob(NamedTuple):
    """One capture and the image to make from it.

    Parameters
    ----------
    source
        A video, a folder or pattern of images, a store or its URL; or several images, the frames
        of one capture.
    image
        The file to write; None to write none.
    """

    source: Input
    image: Location | None

    @property
    def name(self) -> str:
        """Name of the source; of several images, of the first."""
        return first_name(self.source)


def image_name(
    source: Input,
    output_format: str | None,
    pattern: str | None = None,
    options: Options | None = None,
) -> str:
    """Name the image of a capture: ``moon.ser`` → ``moon-stack.tif``.

    Parameters
    ----------
    source
        The capture; need not exist, unless the pattern has its time.
    output_format
        Kind of image; None for tiff16.
    pattern
        See `OutputOptions`.
    options
        Of the job, which the pattern may name.

    Raises
    ------
    OptionsError
        If there is no such kind, or the pattern has a field that there is not.
    ReaderError
        If the time of the capture cannot be read.
    """
    suffix = SUFFIXES.get(output_format or "tiff16")
    if suffix is None:
        known = ", ".join(SUFFIXES)
        raise OptionsError(f"output_format is {output_format!r}: it must be one of {known}")
    stem = sidecar(source).stem
    if pattern is None:
        return f"{stem}-stack{suffix}"
    return _filled(pattern, source, options or Options(), {"stem": stem, "suffix": suffix})


def _filled(pattern: str, source: Input, options: Options, values: dict[str, Any]) -> str:
    """Fill in the fields of a pattern."""
    several = options.stack.several
    for kind in OF_PHASES:
        of_phase = getattr(options, kind.phase)
        values |= {field.name: getattr(of_phase, field.name) for field in fields(of_phase)}
    values = {
        name: plain_number(value) if isinstance(value, float) else value
        for name, value in values.items()
    }
    if several:  # there is an image of each, see `image_of_each`
        values["percent"] = LaterPercent()
    wanted = [field for _, field, _, _ in Formatter().parse(pattern) if field]
    if "time" in wanted:
        values["time"] = _time_of(source, options)
    for field in wanted:
        if field not in values:
            near = get_close_matches(field, values, n=1)
            remedy = f"did you mean {{{near[0]}}}?" if near else "it may have {stem} and {suffix}"
            raise OptionsError(f"name {pattern!r} has {{{field}}}, which there is not: {remedy}")
        if values[field] is None:
            raise OptionsError(
                f"name {pattern!r} has {{{field}}}, but no {field} is given: give it, or leave the "
                "field out"
            )
    try:
        name = pattern.format(**values)
    except (ValueError, TypeError) as error:
        raise OptionsError(f"name {pattern!r} cannot be filled in: {error}") from error
    if name != PurePath(name).name or "\\" in name:
        raise OptionsError(f"name {pattern!r} gives {name!r}: give the folder with --out-dir")
    return name


def _time_of(source: Input, options: Options) -> datetime:
    """Find when a capture began."""
    header = resolve(source, options.read).header
    if header.time is None or not len(header.time):
        raise OptionsError(
            f"{first_name(source)} does not say when it was taken: leave {{time}} out of the name"
        )
    return datetime.fromtimestamp(int(header.time[0]) / 1e9, UTC)


def create_folder(folder: Location) -> None:
    """Create the folder for images, and those above it, unless they exist.

    Raises
    ------
    StoreError
        If that is impossible.
    """
    if isinstance(folder, RemotePath):
        folder.check_folder()
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be created ({error.strerror}): give another --out-dir"
        ) from error


def check_collisions(jobs: Sequence[StackJob]) -> None:
    """Refuse jobs of which one would overwrite what belongs to another.

    Parameters
    ----------
    jobs
        The captures and their images.

    Raises
    ------
    OptionsError
        If a capture is given twice, two captures would have the same image or the same store, or
        an image would be written into a capture.
    """
    _check_images(jobs)
    _check_stores(jobs)
    _check_inputs(jobs)


def _check_images(jobs: Sequence[StackJob]) -> None:
    """Refuse images of the same name; on Windows and macOS upper and lower case are the same."""
    found: dict[str, StackJob] = {}
    for job in jobs:
        if job.image is None:
            continue
        other = found.setdefault(str(job.image).casefold(), job)
        if other is job:
            continue
        if _is_same_source(job, other):
            raise OptionsError(f"{job.name} is given twice: name it once")
        if other.image == job.image:
            raise OptionsError(
                f"{other.name} and {job.name} would both be stacked into {job.image}: {APART}"
            )
        raise OptionsError(
            f"{other.image} and {job.image} differ only in upper and lower case, and are one file "
            f"on Windows and macOS: {APART}"
        )


def _check_stores(jobs: Sequence[StackJob]) -> None:
    """Refuse captures whose results would go into one store, where they have no images."""
    found: dict[str, StackJob] = {}
    for job in jobs:
        store = sidecar(job.source)
        other = found.setdefault(os.path.abspath(store).casefold(), job)  # noqa: PTH100 not a loop
        if other is job:
            continue
        if _is_same_source(job, other):
            raise OptionsError(f"{job.name} is given twice: name it once")
        raise OptionsError(
            f"{other.name} and {job.name} would both keep their results in {store}: stack them in "
            "two calls, with a store for each"
        )


def _check_inputs(jobs: Sequence[StackJob]) -> None:
    """Refuse images that would be written over a capture, or among the images of one."""
    images = {os.path.realpath(job.image): job for job in jobs if isinstance(job.image, Path)}
    for job in jobs:
        if is_url(job.name):
            continue
        if isinstance(job.source, str | os.PathLike) and Path(job.source).is_file():
            hit = images.get(os.path.realpath(job.source))
        else:
            inside = (of for path, of in images.items() if includes(job.source, Path(path)))
            hit = next(inside, None)
        if hit is not None:
            raise OptionsError(
                f"{hit.image}, the image of {hit.name}, would become part of the input {job.name}: "
                "give another --out-dir"
            )


def _is_same_source(one: StackJob, other: StackJob) -> bool:
    """Return whether two jobs have the same file or folder."""
    return os.path.realpath(one.name) == os.path.realpath(other.name)
