"""The folder in which compiled kernels are kept from one process to the next.

numba would keep them beside the package, where read-only installations and containers refuse it,
and would notice a change of the file of a kernel, but not of a file that it takes functions from.
Here they are in a folder of the user's cache, with a subfolder for each version of the package, its
kernels' sources, numba, Python and the processor.

What is loaded from the folder runs, so it is used only if nobody but its owner can write to it, or
put another one in its place, and the owner is the user or the system's administrator. A folder that
cannot be written to but holds kernels is used, so that the image of a container can bring them
along. A folder that exists and is not used is named once, in a warning of the log.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import shutil
import stat
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import llvmlite.binding as llvm
import numba
from platformdirs import user_cache_path

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

config: Any = numba.config
"""numba's settings, from the user's ``NUMBA_...`` variables."""

VARIABLE = "SKRY_CACHE_DIR"
"""Environment variable that names the folder."""

UNUSED_DAYS = 30
"""Subfolders that have not been used for this long are removed when a new one is made."""

OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def key() -> str:
    """Name what kernels are compiled for: version, Python, and a digest of all the rest."""
    try:
        package = version("skry_dask")
    except PackageNotFoundError:
        package = "0"
    digest = hashlib.sha256()
    # What numba compiles for: see NUMBA_CPU_NAME and NUMBA_CPU_FEATURES.
    processor = config.CPU_NAME or llvm.get_host_cpu_name()
    features = config.CPU_FEATURES
    if features is None:
        features = llvm.get_host_cpu_features().flatten()
    platform = numba.__version__, llvm.get_default_triple(), processor, features, sys.version
    for text in platform:
        digest.update(f"{text}\n".encode())
    kernels = Path(__file__).parents[1]
    for source in sorted(kernels.rglob("*.py")):
        digest.update(f"{source.relative_to(kernels).as_posix()}\n".encode())
        digest.update(source.read_bytes())
    return f"{package}-{sys.implementation.cache_tag}-{digest.hexdigest()[:16]}"


KEY = key()
"""Name of the subfolder, taken when kernels are imported, before anyone edits their sources."""


@functools.cache
def folder() -> Path | None:
    """Return the folder for compiled kernels, made if necessary; None if there can be none."""
    for place in _places():
        found = place / KEY
        if _is_usable(found):
            return found
    log.debug("no folder can be written: kernels are compiled in each process")
    return None


def _places() -> Iterator[Path]:
    """List the folders to try: the user's choice, the user's cache, a temporary folder."""
    if chosen := os.environ.get(VARIABLE):
        yield Path(chosen).absolute()
    if config.CACHE_DIR:
        yield Path(config.CACHE_DIR).absolute() / "skry_dask"
    # Without a home, "~" stays as it is: a folder of this name would be made right here.
    cache = user_cache_path("skry_dask", appauthor=False)
    if cache.is_absolute():
        yield cache
    yield Path(tempfile.gettempdir()).absolute() / f"skry_dask-{_user()}"


def _user() -> str:
    """Name the user in a folder that several users share."""
    if hasattr(os, "getuid"):
        return str(os.getuid())
    return os.environ.get("USERNAME", "user")


def _is_usable(found: Path) -> bool:
    """Whether a folder holds kernels or can be written, and nobody else can write to it."""
    try:
        is_new = not found.is_dir()
        if is_new:
            found.parent.parent.mkdir(parents=True, exist_ok=True)
            # Nobody else gets access, whatever the umask says.
            for new in (found.parent, found):
                new.mkdir(mode=0o700, exist_ok=True)
        if reason := _danger(found):
            log.warning("%s is not used for compiled kernels: %s", found.parent, reason)
            return False
        if is_new:
            _remove_unused(found)
        if next(found.rglob("*.nb*"), None) is None:
            tempfile.TemporaryFile(dir=found).close()
        elif os.access(found, os.W_OK):
            os.utime(found)  # in use
    except OSError as error:
        log.debug("%s cannot be used for compiled kernels: %s", found, error)
        return False
    return True


def _danger(found: Path) -> str | None:
    """Say how somebody else may have written what is in a folder; None if nobody can have."""
    if not hasattr(os, "getuid"):
        # Windows: folders of the user's profile, temporary ones too, are closed to other users.
        is_own = VARIABLE in os.environ or found.is_relative_to(Path.home())
        return None if is_own else "it lies outside of your profile"
    for place in (found.parent, found):
        about = place.lstat() if place == found else place.stat()
        if not stat.S_ISDIR(about.st_mode):
            return f"{place} is a link"
        if about.st_uid not in (os.getuid(), 0):
            return f"{place} belongs to another user; take a folder of your own"
        if about.st_mode & OTHERS_MAY_WRITE:
            return f"others can write to {place}; chmod go-w"
    for place in found.parent.resolve().parents:
        # In a sticky folder, such as /tmp, nobody can rename what belongs to others.
        mode = place.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return f"others can write to {place} and put another folder in its place; chmod o-w"
    return None


def is_own_file(path: Path) -> bool:
    """Return whether only the user, or the administrator, can have written a file that exists."""
    if not hasattr(os, "getuid"):
        return True
    about = path.stat()
    return about.st_uid in (os.getuid(), 0) and not about.st_mode & OTHERS_MAY_WRITE


def _remove_unused(found: Path) -> None:
    """Remove subfolders beside this one that have not been used for long."""
    tag = f"-{sys.implementation.cache_tag}-"
    for other in found.parent.iterdir():
        if tag in other.name and other.stat().st_mtime < time.time() - UNUSED_DAYS * 86400:
            shutil.rmtree(other, ignore_errors=True)
