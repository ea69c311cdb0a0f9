"""The one place that decides how kernels are compiled.

- ``nogil``: dask's threads run kernels at the same time.
- kept on disk: compiling costs 0.4 s a function, loading 3 ms; see `kernels.kept`.
- no ``fastmath`` (the same bits on any machine), no ``parallel`` (dask owns the cores; numba's
  default threading layer aborts under dask's threads).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numba
from numba.core.registry import CPUDispatcher

from skry_dask.kernels.compilation.disk_cache import KeptKernel
from skry_dask.profiling import add_kernel, compiling

if TYPE_CHECKING:
    from collections.abc import Callable


class _Counted(CPUDispatcher):
    """What numba makes of a function, with its calls counted."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return super().__call__(*arguments, **named)
        finally:
            add_kernel(time.perf_counter() - began)

    def _compilation_chain_init_hook(self) -> None:
        """Leave out numba's look for plugins in all that is installed: kernels need none (8 ms)."""

    def compile(self, signature: Any) -> Any:
        """Load or compile the kernel for a signature."""
        with compiling():
            return super().compile(signature)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function of numpy arrays and scalars on its first call."""
    compiled: Any = numba.njit(nogil=True, boundscheck=False)(function)
    if hasattr(compiled, "py_func"):  # not with NUMBA_DISABLE_JIT
        compiled.__class__ = _Counted
        compiled._cache = KeptKernel(function)
    return compiled


def part(function: Callable[..., Any]) -> Any:
    """Compile a part of a kernel: handing it arrays would take longer than what it does."""
    return numba.njit(nogil=True, forceinline=True, boundscheck=False)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a small function that other kernels call in their innermost loops."""
    return numba.njit(nogil=True, inline="always", boundscheck=False)(function)
