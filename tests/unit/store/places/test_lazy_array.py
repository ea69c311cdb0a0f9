"""Arrays on disk behave as arrays in memory, and read what is indexed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from skry_dask.store.places.lazy_array import lazy_array

if TYPE_CHECKING:
    from skry_dask.types import AnyArray

VALUES = np.arange(7 * 6 * 5).reshape(7, 6, 5)


class Disk:
    """An array that notes what is read."""

    shape = VALUES.shape
    dtype = VALUES.dtype

    def __init__(self) -> None:
        self.keys: list[Any] = []

    def __getitem__(self, key: tuple[Any, ...]) -> AnyArray:
        self.keys.append(key)
        return VALUES[key]


def test_whatever_is_indexed_is_what_numpy_gives() -> None:
    lazy = xr.Variable(("frame", "y", "x"), lazy_array(Disk()))
    for key in (
        (),
        3,
        -1,
        slice(1, 6, 2),
        slice(5, 0, -2),
        slice(4, 2),
        (slice(2, 4), 0),
        (slice(2, 4), slice(None), [4, 0]),
        [5, 1],
        [1, 1, 4],
        (slice(None), [2, 2], 0),
    ):
        np.testing.assert_array_equal(lazy[key].to_numpy(), VALUES[key])


def test_nothing_is_read_before_values_are_used_and_then_only_what_was_indexed() -> None:
    disk = Disk()
    window = xr.Variable(("frame", "y", "x"), lazy_array(disk))[2:6][1:3, 4]
    assert window.shape == (2, 5)
    assert disk.keys == []
    window.to_numpy()
    assert disk.keys == [(slice(3, 5, 1), 4, slice(None))]


def test_one_ascending_list_is_read_as_it_is_and_others_are_taken_from_a_range() -> None:
    disk = Disk()
    lazy = xr.Variable(("frame", "y", "x"), lazy_array(disk))
    for key in (([0, 2, 6], slice(1, 3)), ([0, 2, 6], [1, 4], [0, 3]), (3, [1, 4], [0, 3])):
        whole = (*key, *(slice(None),) * (3 - len(key)))
        expected = VALUES
        for axis, k in reversed(list(enumerate(whole))):
            expected = np.take(expected, np.arange(VALUES.shape[axis])[k], axis)
        np.testing.assert_array_equal(lazy[key].to_numpy(), expected)
    frames, rows, columns = disk.keys[1]
    np.testing.assert_array_equal(frames, [0, 2, 6])
    assert (rows, columns) == (slice(1, 5), slice(0, 4))
