"""The one place that decides how kernels are compiled.

- ``nogil``: dask's threads run kernels at the same time.
- kept on disk: compiling costs 0.4 s a function, loading 3 ms; see `kernels.kept`.
- no ``fastmath`` (the same bits on any machine), no ``parallel`` (dask owns the cores; numba's
  default threading layer aborts under dask's threads).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba

from skry_dask.kernels.kept import KeptKernel

if TYPE_CHECKING:
    from collections.abc import Callable


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function of numpy arrays and scalars on its first call."""
    compiled: Any = numba.njit(nogil=True, boundscheck=False)(function)
    compiled._cache = KeptKernel(function)
    return compiled


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a small function that other kernels call in their innermost loops."""
    return numba.njit(nogil=True, inline="always", boundscheck=False)(function)
