"""Compile everything that any option can need, before it is needed.

Compiling keeps one core busy, so several processes share the work. Each takes 1 s to start, and up
to 0.4 GiB of memory.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TYPE_CHECKING, NamedTuple

from skry_dask.errors import StoreError
from skry_dask.kernels.compilation import cache_folder, registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Compiled(NamedTuple):
    """What has been compiled.

    Parameters
    ----------
    folder
        Where compiled kernels are kept.
    n_compiled, n_all
        Number of versions of kernels that were compiled now, and of all there are.
    """

    folder: Path
    n_compiled: int
    n_all: int


def compile_everything(workers: int, progress: Callable[[int, int], None]) -> Compiled:
    """Compile all versions of all kernels that are not on disk.

    Parameters
    ----------
    workers
        Number of processes.
    progress
        Called with the number of versions compiled, and of all that are to be compiled.

    Raises
    ------
    StoreError
        There is no folder that can be written.
    """
    folder = cache_folder.folder()
    if folder is None:
        raise StoreError(
            f"no folder for compiled kernels can be written: set {cache_folder.VARIABLE} to one"
        )
    versions = list(registry.all_versions())
    missing = [i for i, version in enumerate(versions) if not version.is_on_disk()]
    # The longest first, so that no process works alone at the end.
    missing.sort(key=lambda i: -versions[i].kernel.seconds)
    n = len(missing)
    progress(0, n)
    if min(workers, n) < 2:
        for done, i in enumerate(missing, 1):
            compile_version(i)
            progress(done, n)
        return Compiled(folder, n, len(versions))
    # Not forked: numba's locks may be held by other threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, n), context) as pool:
        futures = [pool.submit(compile_version, i) for i in missing]
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            progress(done, n)
    return Compiled(folder, n, len(versions))


def compile_version(index: int) -> None:
    """Compile a version of a kernel, by its index in the list of all versions."""
    version = list(registry.all_versions())[index]
    version.kernel.dispatcher.compile(version.argument_types)
