"""How the program starts: what a process is told before anything heavy is imported.

For the program only: a library has no say in the process that imports it.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib.abc import Loader
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
        "numpy.random._pickle",
        "numpy.testing",
        "pandas.api.typing",
        "pandas.testing",
        "scipy.spatial.transform",
        "xarray.compat.dask_array_ops",
        "xarray.indexes",
        "xarray.testing",
        "xarray.tutorial",
        "xarray.ufuncs",
    }
)
"""Modules that libraries import and stacking has no use for: 75 of 720 ms."""


def prepare() -> None:
    """Set this process up for a short life and many large arrays. Call it before there are threads.

    Garbage is not collected until `gc.enable`: what is imported stays, and looking through it again
    and again takes 0.15 s. BLAS starts no threads, unless the user says so: dask owns the cores,
    and idle ones spin for 0.2 s of CPU. `LATER` is imported when somebody asks for it, and
    `WRITERS` do not write.
    """
    gc.disable()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    keep_freed()
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)


class _Finder:
    """Finds what is imported in another way here: later, or without writing manuals."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in LATER and name not in WRITERS:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader) if name in LATER else _Silent(spec.loader)
        return spec


class _Silent(Loader):
    """Loads one of `WRITERS`, and lets it write nothing."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        writer, silent = WRITERS[module.__name__]
        if hasattr(module, writer):
            setattr(module, writer, silent)


class _NoManual:
    """Stands for a manual taken apart, of which nothing is kept."""

    def __init__(self, _function: object) -> None: ...

    def __getitem__(self, _section: str) -> list[str]:
        return []

    def __str__(self) -> str:
        return "\n"


WRITERS: dict[str, tuple[str, object]] = {
    "dask.utils": ("_derived_from", lambda *_, **__: None),
    "numpy._core.function_base": ("_add_docstring", lambda *_: None),
    "scipy._lib._docscrape": ("FunctionDoc", _NoManual),
}
"""Libraries rewrite the manuals of hundreds of functions when they are imported, which nobody reads
in a program: what does it, in which module, and what is put in its place. (120 of 760 ms.)"""
