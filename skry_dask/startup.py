"""How the program starts: what a process is told before anything heavy is imported.

For the program only: a library has no say in the process that imports it.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib.machinery import PathFinder
from importlib.util import LazyLoader
from typing import TYPE_CHECKING

from skry_dask.heap import keep_freed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

LATER = frozenset(
    {
        "dask.array.fft",
        "dask.array.lib",
        "dask.array.linalg",
        "dask.array.ma",
        "dask.array.random",
        "dask.datasets",
        "numba.experimental",
        "numba.typed",
        "numpy.f2py",
        "pandas.testing",
        "scipy.spatial.transform",
        "xarray.indexes",
        "xarray.testing",
        "xarray.tutorial",
        "xarray.ufuncs",
    }
)
"""Modules that libraries import and stacking has no use for: 60 of 720 ms."""


def prepare() -> None:
    """Set this process up for a short life and many large arrays. Call it before there are threads.

    Garbage is not collected until `gc.enable`: what is imported stays, and looking through it again
    and again takes 0.15 s. BLAS starts no threads, unless the user says so: dask owns the cores,
    and idle ones spin for 0.2 s of CPU. `LATER` is imported when somebody asks for it.
    """
    gc.disable()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    keep_freed()
    if _Later not in sys.meta_path:
        sys.meta_path.insert(0, _Later)


class _Later:
    """Finds modules that are not executed before one of their attributes is asked for."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in LATER else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec
