"""Arrays on disk as xarray variables that are read when they are used.

The one adapter between xarray's indexing and whatever holds the values: a zarr array, or the frames
of a raw video.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from xarray.backends import BackendArray
from xarray.core import indexing

if TYPE_CHECKING:
    import numpy as np

    from skry_dask.types import AnyArray


class ArrayOnDisk(Protocol):
    """An array that reads what is indexed, by integers and slices."""

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
        Any shape and dtype; indexed by a tuple of integers and slices.
    """
    return indexing.LazilyIndexedArray(_Adapter(array))


class _Adapter(BackendArray):
    def __init__(self, array: ArrayOnDisk) -> None:
        self.array = array
        self.shape = array.shape
        self.dtype = array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> AnyArray:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self.array.__getitem__
        )
