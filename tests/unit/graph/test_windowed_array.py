"""Arrays with windows: small windows are computed apart, everything else is the dask array."""

from __future__ import annotations

import pickle

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

from skry_dask.graph.windowed_array import WindowedArray

VALUES = np.arange(20 * 30 * 3).reshape(20, 30, 3)


class Image:
    """An image, and the windows that were built of it."""

    def __init__(self) -> None:
        self.windows: list[tuple[slice, slice]] = []
        whole = da.from_array(VALUES, chunks=-1)
        self.array = WindowedArray.of(whole, self.window)

    def window(self, rows: slice, columns: slice) -> da.Array:
        self.windows.append((rows, columns))
        return da.from_array(VALUES[rows, columns], chunks=-1)


@pytest.mark.parametrize(
    ("key", "window"),
    [
        (np.s_[2:5, 4:9], np.s_[2:5, 4:9]),
        (np.s_[2:5], np.s_[2:5, 0:30]),
        (np.s_[..., 25:, :], np.s_[0:20, 25:30]),
        (np.s_[-3:, :-20, 1], np.s_[17:20, 0:10]),
        (np.s_[7], np.s_[7:8, 0:30]),
        (np.s_[-1, np.int64(3)], np.s_[19:20, 3:4]),
        (np.s_[10:2:-3, 5:15:4], np.s_[4:11, 5:14]),
        (np.s_[3:4, ..., 2], np.s_[3:4, 0:30]),
    ],
)
def test_slices_and_numbers_build_a_window(key: object, window: tuple[slice, slice]) -> None:
    image = Image()
    np.testing.assert_array_equal(image.array[key].compute(), VALUES[key])
    assert image.windows == [window]


@pytest.mark.parametrize(
    "key",
    [
        np.s_[:],
        np.s_[:, :, 1],
        np.s_[1:],
        np.s_[4:4],
        np.s_[[1, 3]],
        np.s_[:3, None],
        np.s_[:3, np.arange(30) > 20],
        np.s_[2:4, [5, 6]],
    ],
)
def test_other_indices_and_large_windows_are_cut_from_the_whole(key: object) -> None:
    image = Image()
    np.testing.assert_array_equal(image.array[key].compute(), VALUES[key])
    assert image.windows == []


def test_rows_and_columns_may_follow_other_dims() -> None:
    image = Image()
    whole = da.from_array(np.moveaxis(VALUES, 2, 0), chunks=-1)
    array = WindowedArray.of(whole, lambda y, x: da.moveaxis(image.window(y, x), 2, 0), 1)
    for key in (np.s_[:, 2:5, 4:9], np.s_[1, -3:, 7], np.s_[..., 2:4]):
        np.testing.assert_array_equal(array[key].compute(), whole[key].compute())
    np.testing.assert_array_equal(array[:, 4:14, 10:20][:2, 2:5].compute(), whole[:2, 6:9, 10:20])
    windows = [np.s_[2:5, 4:9], np.s_[17:20, 7:8], np.s_[0:20, 2:4]]
    assert image.windows == [*windows, np.s_[4:14, 10:20], np.s_[6:9, 10:20]]


def test_an_index_that_does_not_exist_is_an_error() -> None:
    for key in (np.s_[20], np.s_[-21], np.s_[0, 0, 0, 0], np.s_[:2, :2, 5]):
        with pytest.raises(IndexError):
            Image().array[key].compute()


def test_a_window_of_a_window_is_a_window_of_the_whole() -> None:
    image = Image()
    part = image.array[4:14, 10:20][2:5, 1:4]
    np.testing.assert_array_equal(part.compute(), VALUES[6:9, 11:14])
    assert image.windows[-1] == np.s_[6:9, 11:14]


def test_labelled_arrays_take_windows_by_number_and_by_label() -> None:
    image = Image()
    labelled = xr.DataArray(
        image.array, dims=("y", "x", "channel"), coords={"y": np.arange(20) + 100}
    )
    assert labelled.isel(y=slice(3, 5), x=7).compute().equals(labelled.compute()[3:5, 7])
    labelled.sel(y=slice(103, 104))
    assert image.windows == [np.s_[3:5, 7:8], np.s_[3:5, 0:30]]


def test_everything_else_is_done_to_the_whole() -> None:
    image = Image()
    array = image.array
    assert isinstance(array, da.Array)
    copies = (array + 0, array.persist(), pickle.loads(pickle.dumps(array)), array.rechunk(7))
    for copy in (*copies, *dask.optimize(array)):
        np.testing.assert_array_equal(copy[2:4].compute(), VALUES[2:4])
    assert image.windows == []
    np.testing.assert_array_equal(da.diff(array, axis=0).compute(), np.diff(VALUES, axis=0))
    assert array.max().compute() == VALUES.max()
    assert image.windows == []


def test_values_that_were_assigned_are_in_windows_too() -> None:
    image = Image()
    image.array[3, 4] = -1
    assert (image.array[2:5, 4:6].compute()[1, 0] == -1).all()
    assert image.windows == []
