"""Arrays on disk as xarray variables that are read when they are used.

The one adapter between xarray's indexing and whatever holds the values: a zarr array, or the frames
of a raw video.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

if TYPE_CHECKING:
    from skry_dask.types import AnyArray


class ArrayOnDisk(Protocol):
    """An array that reads what is indexed: by integers, slices, and at most one ascending array."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dim."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the values."""
        ...

    def __getitem__(self, key: tuple[Any, ...]) -> Any: ...


def lazy_array(array: ArrayOnDisk) -> indexing.LazilyIndexedArray:
    """Wrap an array as the data of an xarray variable: indexed lazily, read when values are used.

    In place of a dask array, because dask loads chunks ahead of the tasks that need them.

    Parameters
    ----------
    array
        Any shape and dtype; see `ArrayOnDisk`.
    """
    return indexing.LazilyIndexedArray(_Adapter(array))


class _Adapter(BackendArray):
    def __init__(self, array: ArrayOnDisk) -> None:
        self.array = array
        self.shape = array.shape
        self.dtype = array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> AnyArray:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> AnyArray:
        """Read by slices, integers and ascending arrays, of which all but the first are slices."""
        arrays = [dim for dim, k in enumerate(key) if isinstance(k, np.ndarray)]
        within = list(key)
        for dim in arrays[1:]:
            within[dim] = slice(int(key[dim][0]), int(key[dim][-1]) + 1)
        found: AnyArray = self.array[tuple(within)]
        for dim in arrays[1:]:
            axis = dim - sum(isinstance(k, int | np.integer) for k in key[:dim])
            found = np.take(found, key[dim] - key[dim][0], axis=axis)
        return found
