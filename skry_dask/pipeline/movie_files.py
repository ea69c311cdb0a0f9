"""Files of a movie: one MP4 or GIF, or numbered PNG images in a folder."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.errors import OptionsError, StoreError
from skry_dask.io.atomic import write_if_new
from skry_dask.io.images.image_format import describe
from skry_dask.io.images.write import write_image
from skry_dask.io.video.movies import encode_gif, encode_mp4
from skry_dask.pipeline.batch_plan import create_folder
from skry_dask.store.results.room import can_write_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

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

    path: Path
    kind: MovieKind

    @classmethod
    def of(cls, path: Path) -> MovieFile:
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
        if path.is_dir() or not suffix or (suffix == ".png" and NUMBER.search(path.name)):
            return cls(path, MovieKind.PNG)
        raise OptionsError(
            f"{path} has the suffix {suffix!r}: give .mp4, .gif, a folder for PNG images, or a "
            "pattern such as movie-%03d.png"
        )

    @property
    def stacks_folder(self) -> Path:
        """Folder for the stacks of captures: ``moon-stacks`` for ``moon.mp4``."""
        stem = NUMBER.sub("", self.path.stem).rstrip("-_. ") or "movie"
        return self.path.absolute().parent / f"{stem}-stacks"

    def image(self, number: int) -> Path:
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
        folder = self.path.absolute().parent
        if not folder.is_dir():
            raise StoreError(f"{self.path}: there is no folder {folder}: create it first")
        if not can_write_in(self.path if self.path.is_dir() else folder):
            raise StoreError(f"{self.path}: {folder} is read-only: give another place with -o")
        if self.kind is not MovieKind.PNG and self.path.is_dir():
            raise StoreError(f"{self.path} is a folder: give another name with -o")
        numbers = range(1, len(inputs) + 1) if self.kind is MovieKind.PNG else ()
        written = {os.path.realpath(path) for path in (self.path, *map(self.image, numbers))}
        for name in inputs:
            if os.path.realpath(name) in written:
                raise StoreError(f"{name} would be overwritten by the movie: give another -o")

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
        write_if_new(self.path, content)
        return []

    def _write_images(
        self, pictures: Iterator[Float32Array], metadata: Mapping[str, Any]
    ) -> list[str]:
        create_folder(self.image(1).parent)
        n = 0
        for n, picture in enumerate(pictures, 1):
            about = {**metadata, "inputs": metadata["inputs"][n - 1 : n]}
            write_image(self.image(n), picture, kind="png16", metadata=about)
        if self.image(n + 1).exists():
            return [f"{self.image(n + 1)} and those after it are of an earlier movie: delete them"]
        return []


def _as_bytes(picture: Float32Array) -> AnyArray:
    return np.rint(255 * picture).astype(np.uint8)
