"""Heap: freed memory that this process keeps, and gives back when asked."""

from __future__ import annotations

import contextlib
import ctypes


def give_back() -> None:
    """Give freed memory back to the system.

    glibc keeps pages that are free where something beyond them is not. Small arrays of every chunk
    of frames, freed one by one as larger ones are made of them, leave as much behind as they had.
    Takes 1 ms.
    """
    with contextlib.suppress(OSError, AttributeError):  # there is another C library
        ctypes.CDLL(None).malloc_trim(0)
