"""Images of which a window can be computed apart from the rest."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import dask.array as da
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

Window: TypeAlias = "Callable[[slice, slice], da.Array]"
"""Builds rows and columns of an image, given with start and stop."""

MAX_SHARE = 0.5
"""Larger windows, as a share of the image, are cut from the whole: two that overlap, such as those
of a difference of neighbours, would compute most of it twice."""


class WindowedArray(da.Array):
    """A dask array (..., y, x, ...) whose windows have graphs of their own.

    Indexing by whole numbers and slices gives an array that computes no more than the rows and
    columns that they take. In everything else this is the dask array that it was made from, and
    so are its copies by pickling, `persist` and arithmetic.

    Examples
    --------
    >>> import dask.array as da
    >>> def window(rows, columns):
    ...     return da.zeros((rows.stop - rows.start, columns.stop - columns.start))
    >>> image = WindowedArray.of(da.ones((20, 30)), window)
    >>> float(image[2:4, 5:9].sum()), float(image.sum())
    (0.0, 600.0)
    """

    _window: Window
    _window_of: str
    _first: int

    @classmethod
    def of(cls, whole: da.Array, window: Window, first: int = 0) -> WindowedArray:
        """Give an array windows.

        Parameters
        ----------
        whole
            (..., y, x, ...).
        window
            Called with rows and columns, at least one of each; returns the same values as slicing
            the whole would.
        first
            Number of dims before y.
        """
        windowed = cls(whole.dask, whole.name, whole.chunks, meta=whole)
        windowed._window, windowed._window_of, windowed._first = window, whole.name, first
        return windowed

    def __getitem__(self, index: Any) -> da.Array:
        """Index the array; see the class."""
        window = None
        # Values that are assigned to a dask array change its name, and windows do not know them.
        if self.name == self._window_of:
            keys = index if isinstance(index, tuple) else (index,)
            window = _window_in(keys, self.shape, self._first)
        size = math.prod(self.shape[self._first : self._first + 2])
        if window is None or not 0 < window.area <= MAX_SHARE * size:
            return super().__getitem__(index)
        part = self._window(window.rows, window.columns)
        if window.left != (slice(None),) * self.ndim:
            return part[window.left]
        inner = partial(_window_of_window, self._window, window)
        return WindowedArray.of(part, inner, self._first)


class _WindowIndex(NamedTuple):
    """An index, divided into a window and what is left to do with it."""

    rows: slice
    columns: slice
    left: tuple[Any, ...]

    @property
    def area(self) -> int:
        return (self.rows.stop - self.rows.start) * (self.columns.stop - self.columns.start)


def _window_of_window(window: Window, outer: _WindowIndex, rows: slice, columns: slice) -> da.Array:
    """Build a window whose rows and columns count from the beginning of another one."""
    y, x = outer.rows.start, outer.columns.start
    return window(slice(y + rows.start, y + rows.stop), slice(x + columns.start, x + columns.stop))


def _window_in(keys: tuple[Any, ...], shape: tuple[int, ...], first: int) -> _WindowIndex | None:
    """Divide an index into a window and the rest; None unless it is of slices and whole numbers.

    Parameters
    ----------
    keys
        The index.
    shape
        Of the array.
    first
        Number of dims before y.
    """
    basic = all(isinstance(key, slice | int | np.integer) or key is Ellipsis for key in keys)
    n_missing = len(shape) - sum(key is not Ellipsis for key in keys)
    if not basic or any(isinstance(key, bool) for key in keys) or n_missing < 0:
        return None
    at = keys.index(Ellipsis) if Ellipsis in keys else len(keys)
    keys = (*keys[:at], *(slice(None),) * n_missing, *keys[at + 1 :])
    if len(keys) != len(shape) or len(shape) < first + 2:  # a number has no windows
        return None
    plane = slice(first, first + 2)
    parts = [_divided(key, n) for key, n in zip(keys[plane], shape[plane], strict=True)]
    (rows, left_y), (columns, left_x) = parts
    left = (*keys[:first], left_y, left_x, *keys[first + 2 :])
    return _WindowIndex(rows, columns, left)


def _divided(key: Any, n: int) -> tuple[slice, Any]:
    """Divide an index along one dim into consecutive indices and what to take of them."""
    if not isinstance(key, slice):
        first = key + n if key < 0 else key
        # None at all if there is no such index: the array itself raises the error.
        return slice(first, first + (0 <= first < n)), 0
    indices = range(n)[key]
    if not indices:
        return slice(0, 0), slice(None)
    first, last = min(indices[0], indices[-1]), max(indices[0], indices[-1])
    return slice(first, last + 1), slice(None) if indices.step == 1 else slice(None, None, key.step)
