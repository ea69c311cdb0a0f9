"""Inputs of the command line: the captures that the user's words stand for, and their images.

A shell on Linux and macOS replaces ``night/*.ser`` by the names of the files, a shell on Windows
does not, nor does any shell in quotes. Patterns and folders of videos become one capture for each
video here; a pattern or a folder of images is one capture, which its reader takes apart.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING

from skry_dask.capture.inputs import group_images
from skry_dask.errors import OptionsError, ReaderError
from skry_dask.io.containers.avi import is_avi
from skry_dask.io.files import cannot_read, open_for_reading
from skry_dask.io.images.formats import HEAD_BYTES, find_image_format, has_image_suffix
from skry_dask.io.images.image_files import find_image_files, is_pattern
from skry_dask.io.raw.ser_header import HEADER_BYTES, is_ser
from skry_dask.io.remote import is_url
from skry_dask.pipeline.batch_plan import StackJob, check_collisions, create_folder, image_name
from skry_dask.store.frames.open import is_group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skry_dask.io.remote import Location
    from skry_dask.options import Options
    from skry_dask.options.outputs import OutputOptions

VIDEO_SUFFIXES = (".ser", ".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mts", ".wmv")
"""Suffixes by which videos are told from other files in a folder; SER and AVI need none."""


def plan_jobs(
    inputs: Sequence[str],
    *,
    output: Location | None,
    out_dir: Location | None,
    outputs: OutputOptions,
    store: Location | None,
    options: Options,
) -> list[StackJob]:
    """Find the captures that were named, and name the image of each.

    Parameters
    ----------
    inputs
        As the user gave them, see `expand_inputs`.
    output, out_dir, store
        Flags of ``skry stack``.
    outputs, options
        Of all jobs: kind and name of the images.

    Raises
    ------
    OptionsError
        If there is no input, flags contradict each other, or jobs would collide: see
        `check_collisions`.
    ReaderError
        If an input cannot be read.
    StoreError
        If the folder for the images cannot be created.
    """
    if not inputs:
        raise OptionsError("no input is given: name a video, such as skry stack moon.ser")
    if output and out_dir:
        raise OptionsError("--output and --out-dir contradict each other: give one of them")
    if output and outputs.name:
        raise OptionsError("--output and --name contradict each other: give one of them")
    sources = expand_inputs(inputs)
    if len(sources) > 1 and (output or store):
        flag, remedy = ("--output", "give --out-dir") if output else ("--store", "leave it out")
        raise OptionsError(f"{flag} is for one input, but {len(sources)} are given: {remedy}")
    folder, kind, pattern = out_dir or Path(), outputs.output_format, outputs.name
    jobs = [
        StackJob(source, output or folder / image_name(source, kind, pattern, options))
        for source in sources
    ]
    if len(jobs) > 1:
        check_collisions(jobs)
    if out_dir is not None:
        create_folder(out_dir)
    return jobs


def expand_inputs(inputs: Sequence[str]) -> list[str | list[str]]:
    """Replace patterns and folders of videos by the videos; make single images one capture.

    Parameters
    ----------
    inputs
        Names of videos, images, folders, stores and patterns, URLs of stores.

    Raises
    ------
    OptionsError
        If a folder or pattern holds videos and images.
    ReaderError
        If a folder cannot be read.
    """
    names = [name for given in inputs for name in _videos_of(given) or [given]]
    return group_images(names)


def expand_input(given: str) -> str | list[str]:
    """Find the one capture that an input stands for.

    Raises
    ------
    OptionsError
        If the input stands for several captures.
    ReaderError
        If a folder cannot be read.
    """
    sources = expand_inputs([given])
    if len(sources) > 1:
        raise OptionsError(f"{given} stands for {len(sources)} captures: name one of them")
    return sources[0]


def expand_sequence(inputs: Sequence[str]) -> list[str]:
    """Replace patterns and folders by the videos or images in them, each of which is on its own.

    Parameters
    ----------
    inputs
        Names of videos, images, folders, stores and patterns, URLs of stores.

    Raises
    ------
    OptionsError
        If a folder or pattern holds videos and images.
    ReaderError
        If a folder or pattern holds neither.
    """
    names: list[str] = []
    for given in inputs:
        if videos := _videos_of(given):
            names += videos
        elif not is_url(given) and (is_pattern(given) or _is_plain_folder(Path(given))):
            names += map(str, find_image_files(given)[1])
        else:
            names.append(given)
    return names


def _is_plain_folder(path: Path) -> bool:
    return path.is_dir() and not is_group(path)


def _videos_of(given: str) -> list[str]:
    """Return the videos of a folder or pattern; nothing for any other input."""
    if is_url(given):
        return []
    if is_pattern(given):
        found = sorted(Path(name) for name in glob.glob(given))  # noqa: PTH207 absolute ones too
        if not any(map(_is_image, found)):
            return [str(path) for path in found]
    elif _is_plain_folder(Path(given)):
        try:
            found = sorted(Path(given).iterdir())
        except OSError as error:
            raise cannot_read(Path(given), error) from error
    else:
        return []
    videos = [path for path in found if _is_video(path)]
    images = [path for path in found if _is_image(path)]
    if videos and images:
        example = f"{os.path.dirname(videos[0]) or '.'}{os.sep}*{videos[0].suffix}"  # noqa: PTH120
        raise OptionsError(
            f"{given} holds {len(videos)} videos and {len(images)} images: name one kind, such as "
            f"'{example}'"
        )
    return [str(path) for path in videos]


def _is_image(path: Path) -> bool:
    return _is_visible_file(path) and (
        has_image_suffix(path)
        or (not _has_video_suffix(path) and find_image_format(_head(path)) is not None)
    )


def _is_video(path: Path) -> bool:
    if not _is_visible_file(path) or has_image_suffix(path):
        return False
    if _has_video_suffix(path):
        return True
    head = _head(path)
    return is_avi(head) or is_ser(head, path.stat().st_size)


def _has_video_suffix(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


def _is_visible_file(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def _head(path: Path) -> bytes:
    try:
        with open_for_reading(path) as file:
            return file.read(max(HEADER_BYTES, HEAD_BYTES))
    except ReaderError:  # what is wrong with it is said when it is opened
        return b""
