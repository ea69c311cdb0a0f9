"""Messages that tell why nothing seems to happen: kernels are being compiled.

A message is logged when compiling is expected to take more than 2 s, and when it has taken as much
longer than expected. The command line prints them.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING

from skry_dask.kernels.compilation import cache_folder, registry

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

NOTICEABLE_SECONDS = 2.0
"""Compiling that takes no longer is not announced."""


class _State:
    """What this process has spent, and what it has told."""

    lock = threading.Lock()
    spent = 0.0
    expected = NOTICEABLE_SECONDS
    promised: set[registry.Version] = set()  # noqa: RUF012 - of the process


@contextlib.contextmanager
def of_compilation(version: registry.Version) -> Iterator[None]:
    """Announce that a version of a kernel is compiled, if that will take long."""
    if version.is_on_disk():
        yield
        return
    _announce(version)
    began = time.perf_counter()
    yield
    with _State.lock:
        _State.spent += time.perf_counter() - began
        if _State.spent <= _State.expected:
            return
        # Not again and again on a slow machine.
        _State.expected = 2 * _State.spent
        spent = _State.spent
    log.info("compiling kernels for these options, %.0f s so far%s", spent, _remedy())


def _announce(version: registry.Version) -> None:
    """Say once how long it takes to compile what stacking these pixels needs."""
    with _State.lock:
        if version in _State.promised:
            return
        needed = needed_versions(version.samples)
        seconds = sum(one.kernel.seconds for one in needed - _State.promised)
        _State.promised |= needed
        if seconds <= NOTICEABLE_SECONDS:
            return
        _State.expected = max(_State.expected, _State.spent) + seconds
    log.info("compiling kernels, about %.0f s%s", seconds, _remedy())


def needed_versions(samples: str) -> set[registry.Version]:
    """List what stacking without further options needs and is not on disk.

    Parameters
    ----------
    samples
        Type of the pixels, such as "u1"; "" if not known yet.
    """
    kinds = ("", samples or "u1")
    return {
        version
        for version in registry.all_versions()
        if version.samples in kinds and not version.is_optional and not version.is_on_disk()
    }


def _remedy() -> str:
    if cache_folder.folder() is not None:
        return ""
    return f": set {cache_folder.VARIABLE} to a folder that can be written, to keep them"
