"""Files of an image sequence: which they are, and in which order."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from skry_dask.errors import ReaderError
from skry_dask.io.files import cannot_read, is_folder, open_for_reading
from skry_dask.io.images.camera_raw import refuse_camera_raw
from skry_dask.io.images.formats import (
    HEAD_BYTES,
    find_image_format,
    format_names,
    has_image_suffix,
)

if TYPE_CHECKING:
    from collections.abc import Iterable


def is_pattern(source: str | os.PathLike[str]) -> bool:
    """Return whether a name is a pattern: it has wildcards, and no file has exactly this name.

    Parameters
    ----------
    source
        A path or pattern.
    """
    return glob.has_magic(os.fspath(source)) and not os.path.lexists(source)


def find_image_files(
    source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
) -> tuple[Path, tuple[Path, ...]]:
    """Find the files of a sequence.

    Parameters
    ----------
    source
        A folder, an image file, a pattern or paths of image files.

    Returns
    -------
    path
        The folder or the file; for a pattern or paths, the first file.
    files
        In natural order (frame2 before frame10); paths in the order given.

    Raises
    ------
    ReaderError
        If there is no image, images are of several formats, or the folder cannot be read.
    """
    if not isinstance(source, str | os.PathLike):
        files = [Path(path) for path in source]
        if not files:
            raise ReaderError("the list of images is empty; give at least one image file")
        _check_formats(files, f"the list that begins with {files[0]}", "give images of one format")
        return files[0], tuple(files)
    if is_pattern(source):
        matches = [Path(name) for name in glob.glob(os.fspath(source))]  # noqa: PTH207 absolute ones
        files = _select_images(matches)
        if not files:
            raise ReaderError(
                f"no image matches {os.fspath(source)} ({len(matches)} other files do); check "
                f"the pattern"
            )
        _check_formats(files, os.fspath(source), "narrow the pattern")
        return files[0], tuple(files)
    path = Path(source)
    if not is_folder(path):
        return path, (path,)
    try:
        content = list(path.iterdir())
    except OSError as error:
        raise cannot_read(path, error) from error
    files = _select_images(content)
    if not files:
        for other in sorted(content):
            refuse_camera_raw(other, _head(other))
        raise ReaderError(
            f"{path} is a folder without images ({len(content)} other files); give a folder of "
            f"{format_names()} images, or a video"
        )
    _check_formats(files, f"{path}", f"keep one format in it, or give a pattern as {path}/*.png")
    return path, tuple(files)


def _select_images(paths: Iterable[Path]) -> list[Path]:
    """Return images, and files that are named like one, in natural order; no hidden files."""
    files = [
        path
        for path in paths
        if not path.name.startswith(".")
        and path.is_file()
        and (has_image_suffix(path) or _format_name(path))
    ]
    return sorted(files, key=_natural_key)


def _natural_key(path: Path) -> tuple[object, ...]:
    """Return a sort key that compares numbers in names by their value."""
    pieces = re.split(r"([0-9]+)", str(path).casefold())
    return (tuple(int(piece) if i % 2 else piece for i, piece in enumerate(pieces)), str(path))


def _format_name(path: Path) -> str | None:
    found = find_image_format(_head(path))
    return found.name if found else None


def _head(path: Path) -> bytes:
    try:
        with open_for_reading(path) as file:
            return file.read(HEAD_BYTES)
    except ReaderError:
        return b""  # reported when the file is opened as an image


def _check_formats(files: list[Path], source: str, remedy: str) -> None:
    """Refuse images of several formats."""
    counts = Counter(name for path in files if (name := _format_name(path)))
    if len(counts) > 1:
        listed = ", ".join(f"{n} {name}" for name, n in sorted(counts.items()))
        raise ReaderError(f"{source} has images of several formats ({listed}); {remedy}")
