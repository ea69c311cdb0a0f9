"""All kernels of the package, and which of their compiled versions are not on disk yet."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any, NamedTuple

from skry_dask.kernels.compilation import cache_folder, fast_cache

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skry_dask.kernels.compilation.decorators import Kernel

KERNELS: list[Kernel] = []
"""Kernels of the modules that have been imported."""


class Version(NamedTuple):
    """A kernel and the types that it is compiled for.

    Parameters
    ----------
    kernel
        The kernel.
    argument_types
        numba types of the arguments.
    samples, is_optional
        As in `Signature`.
    """

    kernel: Kernel
    argument_types: tuple[Any, ...]
    samples: str
    is_optional: bool

    def is_on_disk(self) -> bool:
        """Whether the version can be loaded; numba's own cache is taken to hold all or none."""
        if fast_cache.is_available():
            path = fast_cache.path_of(self.kernel.py_func, self.argument_types)
            return path is not None and path.exists()
        folder = cache_folder.folder()
        return folder is not None and next(folder.rglob("*.nbi"), None) is not None


def all_kernels() -> list[Kernel]:
    """List all kernels of the package by module and name; their modules are imported.

    The order is the same in every process, whatever has been imported before: processes that share
    the work name a kernel by its place in the list.
    """
    package = importlib.import_module("skry_dask.kernels")
    for module in pkgutil.walk_packages(package.__path__, "skry_dask.kernels."):
        importlib.import_module(module.name)
    own = (one for one in KERNELS if one.__module__.startswith("skry_dask.kernels."))
    return sorted(own, key=lambda one: (one.__module__, one.py_func.__qualname__))


def all_versions() -> Iterator[Version]:
    """List all versions of all kernels."""
    for one in all_kernels():
        yield from one.versions()
