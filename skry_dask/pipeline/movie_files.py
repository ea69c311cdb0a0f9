"""Files of a movie: one MP4 or GIF, or numbered PNG images in a folder.

Those for URLs are written on this machine, one file at a time, then uploaded.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.errors import OptionsError, StoreError
from skry_dask.io.atomic import write_if_new
from skry_dask.io.images.image_format import describe
from skry_dask.io.images.write import write_image
from skry_dask.io.remote import RemotePath, absolute, located
from skry_dask.io.video.movies import encode_gif, encode_mp4
from skry_dask.pipeline.batch_plan import create_folder
from skry_dask.pipeline.upload import to_write
from skry_dask.store.results.room import can_write_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from skry_dask.io.remote import Location
    from skry_dask.types import AnyArray, Float32Array

NUMBER = re.compile(r"%0?([0-9]*)d")
"""Where the number goes in the pattern of a name, as in ``moon-%03d.png``."""

NAME = "frame-%04d.png"
"""Names of images in a folder."""


class MovieKind(StrEnum):
    """What a movie is written as."""

    MP4 = "mp4"
    GIF = "gif"
    PNG = "png"


@dataclass(frozen=True, slots=True)
class MovieFile:
    """Where a movie goes.

    Parameters
    ----------
    path
        As the user named it.
    kind
        What it is.
    """

    path: Location
    kind: MovieKind

    @classmethod
    def of(cls, path: Location) -> MovieFile:
        """Find out what a name stands for.

        Raises
        ------
        OptionsError
            If its suffix is no movie's.
        """
        suffix = path.suffix.lower()
        if suffix in (".mp4", ".m4v"):
            return cls(path, MovieKind.MP4)
        if suffix == ".gif":
            return cls(path, MovieKind.GIF)
        if _is_folder(path) or not suffix or (suffix == ".png" and NUMBER.search(path.name)):
            return cls(path, MovieKind.PNG)
        raise OptionsError(
            f"{path} has the suffix {suffix!r}: give .mp4, .gif, a folder for PNG images, or a "
            "pattern such as movie-%03d.png"
        )

    @property
    def stacks_folder(self) -> Location:
        """Folder for the stacks of captures: ``moon-stacks`` for ``moon.mp4``."""
        stem = NUMBER.sub("", self.path.stem).rstrip("-_. ") or "movie"
        return absolute(self.path).parent / f"{stem}-stacks"

    def image(self, number: int) -> Location:
        """Name the image of a picture, which is counted from 1."""
        pattern = self.path if NUMBER.search(self.path.name) else self.path / NAME
        name = NUMBER.sub(lambda found: f"{number:0{found[1] or 1}d}", pattern.name)
        return pattern.with_name(name)

    def check(self, inputs: Sequence[str]) -> None:
        """Refuse what cannot be written.

        Parameters
        ----------
        inputs
            Files that are read.

        Raises
        ------
        StoreError
            If the folder is missing or read-only, or an input would be overwritten.
        """
        numbers = range(1, len(inputs) + 1) if self.kind is MovieKind.PNG else ()
        written = {_real(place) for place in (self.path, *map(self.image, numbers))}
        for name in inputs:
            if _real(located(name)) in written:
                raise StoreError(f"{name} would be overwritten by the movie: give another -o")
        folder = absolute(self.path).parent
        if isinstance(folder, RemotePath):
            folder.check_folder()
            return
        if not folder.is_dir():
            raise StoreError(f"{self.path}: there is no folder {folder}: create it first")
        itself = self.path if isinstance(self.path, Path) and self.path.is_dir() else None
        if not can_write_in(itself or folder):
            raise StoreError(f"{self.path}: {folder} is read-only: give another place with -o")
        if self.kind is not MovieKind.PNG and itself:
            raise StoreError(f"{self.path} is a folder: give another name with -o")

    def write(
        self, pictures: Iterator[Float32Array], fps: float, metadata: Mapping[str, Any]
    ) -> list[str]:
        """Write the movie.

        Parameters
        ----------
        pictures
            float32 (y, x[, channel]), 0 to 1, all of one shape.
        fps
            Number of pictures a second.
        metadata
            JSON-compatible; how the movie was made.

        Returns
        -------
        list of str
            What the user should know.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        if self.kind is MovieKind.PNG:
            return self._write_images(pictures, metadata)
        in_bytes = map(_as_bytes, pictures)
        about = describe(metadata)
        if self.kind is MovieKind.MP4:
            content = encode_mp4(in_bytes, fps, {"title": self.path.stem, "comment": about})
        else:
            content = encode_gif(in_bytes, fps, about)
        with to_write(self.path) as path:
            write_if_new(path, content)
        return []

    def _write_images(
        self, pictures: Iterator[Float32Array], metadata: Mapping[str, Any]
    ) -> list[str]:
        create_folder(self.image(1).parent)
        n = 0
        for n, picture in enumerate(pictures, 1):
            about = {**metadata, "inputs": metadata["inputs"][n - 1 : n]}
            with to_write(self.image(n)) as path:
                write_image(path, picture, kind="png16", metadata=about)
        return self._earlier(n)

    def _earlier(self, n: int) -> list[str]:
        """Say that there are images of an earlier movie after the n of this one."""
        after = self.image(n + 1)
        there = after.state() is not None if isinstance(after, RemotePath) else after.exists()
        return [f"{after} and those after it are of an earlier movie: delete them"] if there else []


def _is_folder(place: Location) -> bool:
    return isinstance(place, Path) and place.is_dir()


def _real(place: Location) -> str:
    return str(place) if isinstance(place, RemotePath) else os.path.realpath(place)


def _as_bytes(picture: Float32Array) -> AnyArray:
    return np.rint(255 * picture).astype(np.uint8)
