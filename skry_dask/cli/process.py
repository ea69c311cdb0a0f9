"""Settings of the whole process, which only the command line makes.

A library leaves the process that imports it alone; a program that stacks one capture and exits can
know better than the defaults. Nothing else in the package changes a setting of the process.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT_BYTES = 2**26
"""Freed blocks smaller than this stay with the process, bytes: a chunk of frames is smaller."""

M_TRIM_THRESHOLD = -1
"""Number of a setting in mallopt(3): free bytes above which the heap's top is given back."""

M_MMAP_THRESHOLD = -3
"""Number of a setting in mallopt(3): bytes from which a block is mapped on its own."""

M_ARENA_MAX = -8
"""Number of a setting in mallopt(3): how many heaps threads may have."""


def configure_process() -> None:
    """Prepare this process for large arrays in several threads. Call it before threads start."""
    # dask already uses every core; waiting BLAS threads would spin for 0.2 s of CPU time.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # We say in one line what has happened to a cluster; distributed logs tracebacks, too.
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")
    for name in ("asyncio", "distributed.client", "tornado.access", "tornado.application"):
        logging.getLogger(name).addFilter(lambda record: record.levelno >= logging.CRITICAL)
    if libc := _glibc():
        # One heap for all threads: each thread's own would keep what it freed, 40 MiB in all.
        libc.mallopt(M_ARENA_MAX, 1)
        # Keep freed chunks: the system clears returned pages, 4 s of 50 s CPU for 4096 x 3000 px.
        libc.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        # As above, for chunks freed at the top of the heap.
        libc.mallopt(M_TRIM_THRESHOLD, 2 * KEPT_BYTES)


def release_freed_memory() -> None:
    """Return freed memory to the system, where glibc is the C library.

    To be called between phases. The graph of a phase refers to itself, so it has to be collected:
    25 MiB for 6340 frames. And glibc keeps free pages that lie below a used one; the small arrays
    of a pass, freed one by one, leave as much behind as they took. Takes a few ms.
    """
    gc.collect()
    if libc := _glibc():
        libc.malloc_trim(0)


@functools.cache
def _glibc() -> Any:
    """Load the C library of this process, or return None where it is not glibc."""
    if sys.platform != "linux":
        return None
    with contextlib.suppress(OSError, TypeError):
        libc = ctypes.CDLL(None)
        return libc if hasattr(libc, "gnu_get_libc_version") else None
    return None


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Import modules without garbage collection, and leave them out of every later one."""
    gc.disable()  # Modules stay: searching them for garbage while more are imported takes 0.15 s.
    try:
        yield
    finally:
        gc.freeze()  # For the same reason, no later collection looks at them.
        gc.enable()


def exit_at_once(status: int) -> None:
    """Exit without the interpreter's clean-up, which takes 0.07 s: all files are closed by now."""
    logging.shutdown()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        status = status or 1
    os._exit(status)
