"""The one place that decides how kernels are compiled.

- ``nogil``: dask's threads run kernels at the same time.
- ``cache``: compiling costs 0.4 s a function, loading 2 ms. Where no cache folder can be written,
  numba refuses to cache at import; the kernel is then compiled in each process.
- no ``fastmath`` (the same bits on any machine), no ``parallel`` (dask owns the cores; numba's
  default threading layer aborts under dask's threads).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function of numpy arrays and scalars on its first call."""
    try:
        return numba.njit(nogil=True, cache=True, boundscheck=False)(function)
    except RuntimeError:
        log.debug("no cache folder can be written: %s compiles in each process", function.__name__)
        return numba.njit(nogil=True, boundscheck=False)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a small function that other kernels call in their innermost loops."""
    return numba.njit(nogil=True, inline="always", boundscheck=False)(function)
