"""Inputs as users name them: what belongs to a name, and what is named after it."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from skry_dask.errors import OptionsError
from skry_dask.io.files import open_for_reading
from skry_dask.io.images.formats import HEAD_BYTES, find_image_format, has_image_suffix
from skry_dask.io.remote import RemotePath, is_url, shown
from skry_dask.options.given import article
from skry_dask.store.frames.open import STORE_SUFFIX, is_group

if TYPE_CHECKING:
    Input: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
    """A video, a folder of images, a pattern or a list of them, a store or its URL."""


def check_list(function: str, sources: Any) -> None:
    """Refuse a single source where several are meant: text would be taken letter by letter.

    Raises
    ------
    OptionsError
        If it is one.
    """
    if isinstance(sources, str | os.PathLike):
        name = os.fspath(sources)
        raise OptionsError(
            f"sources of {function} is {name!r}: give a list, such as [{name!r}], or of a pattern "
            f"sorted(glob.glob({name!r}))"
        )


def check_input(source: Any) -> None:
    """Refuse what names no file.

    Raises
    ------
    OptionsError
        If it is neither a path nor a list of paths.
    """
    several = not isinstance(source, str | os.PathLike) and isinstance(source, Sequence)
    for path in source if several else [source]:
        if not isinstance(path, str | os.PathLike):
            raise OptionsError(
                f"{article(path)} is no input: give the path of a video, a folder, pattern or list "
                "of images, or a store; phases such as align take captures that are open"
            )


def sidecar(given: Input) -> Path:
    """Name the store beside an input: ``moon.ser`` and ``moon_*.png`` → ``moon.skry``.

    Parameters
    ----------
    given
        A video, a folder, pattern or list of images; need not exist.
    """
    name = first_name(given)
    path = Path(RemotePath(name).name if is_url(name) else name)
    if path.name in ("", ".."):  # ".", ".." or a root
        path = path.resolve()
    stem = path.name if path.is_dir() else path.stem
    stem = re.sub(r"[*?\[\]]+", "", stem).strip("-_. ") or path.absolute().parent.name
    return path.parent / f"{stem or 'capture'}{STORE_SUFFIX}"


def first_name(given: Input) -> str:
    """Name an input: its path, or that of the first of several images; see `shown` for URLs."""
    if isinstance(given, str | os.PathLike):
        return shown(os.fspath(given))
    return shown(os.fspath(next(iter(given), "")))


def includes(given: Input, path: Path) -> bool:
    """Return whether a file is one of an input's, or would be if it existed.

    Parameters
    ----------
    given
        A video, a folder, pattern or list of images, a store or its URL.
    path
        A file that may not exist yet.
    """
    if not isinstance(given, str | os.PathLike):
        return any(includes(item, path) for item in given)
    own = Path(given)
    if own.is_dir() and not is_group(own):
        return path.absolute().parent.is_dir() and path.absolute().parent.samefile(own)
    if own.exists():
        return path.exists() and path.samefile(own)
    return fnmatch.fnmatch(str(path.absolute()), str(own.absolute()))


def group_images(given: Sequence[str]) -> list[str | list[str]]:
    """Take several single images for the frames of one capture; leave everything else alone.

    Parameters
    ----------
    given
        Names given by a user, or by the shell in place of a pattern.

    Returns
    -------
    list
        The names; or, if all of them are single images, one list of all of them.
    """
    if len(given) > 1 and all(is_single_image(Path(name)) for name in given):
        return [list(given)]
    return list(given)


def is_single_image(path: Path) -> bool:
    """Return whether a file is one image; for a missing file its suffix decides.

    Parameters
    ----------
    path
        The file.
    """
    if not path.exists():
        return has_image_suffix(path) and not glob.has_magic(str(path))
    if not path.is_file():
        return False
    with open_for_reading(path) as file:
        head = file.read(HEAD_BYTES)
    found = find_image_format(head)
    return found is not None and found.read_header(path).n_images == 1
