"""A raw video as a zarr store, without a copy."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr

import skry_dask as skry

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr


def test_a_raw_video_is_a_zarr_store_without_a_copy(moon_ser: Path, moon: xr.Dataset) -> None:
    group = skry.as_zarr(moon_ser)
    frames, time = group["frames"], group["time"]
    assert isinstance(frames, zarr.Array)
    assert isinstance(time, zarr.Array)
    assert time.shape == (40,)
    np.testing.assert_array_equal(frames[:], moon["frames"].to_numpy())
    np.testing.assert_array_equal(frames[37, 20:30, 5], moon["frames"].to_numpy()[37, 20:30, 5])
    assert list(moon_ser.parent.iterdir()) == [moon_ser]


def test_a_raw_video_cannot_be_written_to(moon_ser: Path) -> None:
    before = moon_ser.read_bytes()
    with pytest.raises(ValueError, match=r"read.only"):
        skry.as_zarr(moon_ser)["frames"][0] = 0
    assert moon_ser.read_bytes() == before


def test_it_opens_again_in_another_process(moon_ser: Path, moon: xr.Dataset) -> None:
    frames = pickle.loads(pickle.dumps(skry.as_zarr(moon_ser)["frames"]))
    np.testing.assert_array_equal(frames[33:], moon["frames"].to_numpy()[33:])
