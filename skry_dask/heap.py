"""Heap: what this process does with memory that it has freed, where glibc is its C library."""

from __future__ import annotations

import contextlib
import ctypes

KEPT_BYTES = 2**26
"""What is smaller than this is kept when it is freed."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Of mallopt(3)."""


def keep_freed() -> None:
    """Let threads share what they free, and keep it for chunks of frames to come.

    glibc keeps it apart for each thread, 40 MiB in all, and gives chunks of large frames back to
    the system, which clears their pages again for the next ones: 4 s of 50 s of CPU for frames of
    4096 x 3000 px. To be called before there are other threads.
    """
    with contextlib.suppress(OSError, AttributeError):  # there is another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(M_TRIM_THRESHOLD, 2 * KEPT_BYTES)


def trim() -> None:
    """Give freed memory back to the system.

    glibc keeps pages that are free where something beyond them is not. Small arrays of every chunk
    of frames, freed one by one as larger ones are made of them, leave as much behind as they had.
    Takes 1 ms.
    """
    with contextlib.suppress(OSError, AttributeError):  # there is another C library
        ctypes.CDLL(None).malloc_trim(0)
