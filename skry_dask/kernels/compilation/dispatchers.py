"""How numba is told to compile a kernel.

- ``nogil``: dask's threads run kernels at the same time.
- No ``fastmath``: results have the same bits on any machine.
- No ``parallel``: dask owns the cores, and numba's default threading layer aborts the process when
  several threads use it.
- Compiled kernels are kept on disk: compiling takes 0.1 to 2 s, loading 1 ms.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any

import numba

from skry_dask.kernels.compilation import cache_folder, fast_cache

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

POLICY: dict[str, Any] = {"nogil": True, "boundscheck": False}

_LOCK = threading.Lock()


def new_dispatcher(function: Callable[..., Any]) -> Any:
    """Wrap a function in a numba dispatcher that compiles it for the types it is called with."""
    if fast_cache.is_available():
        dispatcher = fast_cache.new_dispatcher(function, **POLICY)
        if dispatcher is not None:
            return dispatcher
    return _with_stock_cache(function)


def _with_stock_cache(function: Callable[..., Any]) -> Any:
    """Wrap a function in a dispatcher with numba's own cache, in our folder."""
    folder = cache_folder.folder()
    if folder is None or not os.access(folder, os.W_OK):
        return numba.njit(**POLICY)(function)
    # The setting counts when a dispatcher is made; those of other packages keep their folder.
    config = cache_folder.config
    with _LOCK:
        before, config.CACHE_DIR = config.CACHE_DIR, str(folder)
        try:
            return numba.njit(cache=True, **POLICY)(function)
        except RuntimeError as error:
            log.debug("%s is compiled in each process: %s", function.__name__, error)
            return numba.njit(**POLICY)(function)
        finally:
            config.CACHE_DIR = before


def inlined(function: Callable[..., Any]) -> Any:
    """Make a function that kernels call: it becomes a part of each of them, wherever it is called.

    A function that is compiled by itself and then called, or inlined by LLVM, would be optimised
    twice, and first runs would take a third longer. A kernel of many versions calls large functions
    itself: numba copies all variables of an inlined function, and of those within it, for each of
    its blocks.
    """
    return numba.njit(inline="always", **POLICY)(function)
