"""Parts of frames are those of the capture, whatever was done to it, and no more is read."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import skry_dask as skry
from skry_dask.graph.frame_parts import FrameNumbers, FrameParts
from skry_dask.profiling import spent
from skry_dask.simulation.simulate import write_capture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NUMBERS, ROWS, COLUMNS = np.array([0, 2, 3, 7]), slice(10, 30), slice(5, 95)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SER file of twelve frames."""
    path = tmp_path_factory.mktemp("captures") / "moon.ser"
    options = skry.SimulateOptions(frames=12, height=64, width=100)
    write_capture(path, skry.simulate("moon", options))
    return path


def bytes_read(read: Callable[[], Any]) -> int:
    before = spent().read_bytes
    read()
    return spent().read_bytes - before


@pytest.mark.parametrize("kind", ["raw", "store", "unchunked"])
def test_what_was_not_changed_since_it_was_opened_is_read_in_parts(
    path: Path, tmp_path: Path, kind: str
) -> None:
    if kind == "store":
        capture = skry.import_capture(path, tmp_path / "moon.skry")
    elif kind == "raw":
        capture = skry.open_capture(path)
    else:
        capture = xr.open_dataset(path, engine="skry")
    parts = pickle.loads(pickle.dumps(FrameParts.of(capture)))
    assert isinstance(parts.frames, xr.Variable)
    expected = capture["frames"].to_numpy()[NUMBERS, ROWS, COLUMNS]
    np.testing.assert_array_equal(parts.read(NUMBERS, ROWS, COLUMNS), expected)
    if kind != "unchunked":
        assert bytes_read(lambda: parts.read(NUMBERS, ROWS, COLUMNS)) == expected.nbytes


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.isel(frame=slice(3, None), y=slice(2, 60)),
        lambda c: skry.select(c, skry.SelectOptions(exclude="1,4", roi="2,2,60,97")),
        lambda c: c.assign(frames=c["frames"] // 2),
        lambda c: c.assign(frames=c["frames"].copy(data=255 - c["frames"].data)),
        lambda c: c.chunk({"frame": 5}),
        lambda c: c.assign(frames=(c["frames"].dims, da.from_array(c["frames"].to_numpy()))),
        lambda c: c.compute(),
        lambda c: c.persist(),
    ],
)
def test_what_was_done_to_a_capture_is_in_its_parts(
    path: Path, change: Callable[[xr.Dataset], xr.Dataset]
) -> None:
    capture = change(skry.open_capture(path))
    expected = capture["frames"].to_numpy()[NUMBERS, ROWS, COLUMNS]
    for frames in (NUMBERS, NUMBERS[1:3]):
        part = FrameParts.of(capture).read(frames, ROWS, COLUMNS)
        np.testing.assert_array_equal(part, expected[np.isin(NUMBERS, frames)])


def test_what_was_selected_is_read_in_parts(path: Path) -> None:
    some = skry.SelectOptions(frames="1:12:1", exclude="4", roi="2,2,60,97")
    opened = skry.open_capture(path)
    for capture in (skry.open_capture(path, selection=some), skry.select(opened, some)):
        parts = FrameParts.of(capture)
        assert isinstance(parts.frames, xr.Variable)
        expected = capture["frames"].to_numpy()[NUMBERS, ROWS, COLUMNS]
        np.testing.assert_array_equal(parts.read(NUMBERS, ROWS, COLUMNS), expected)
    np.testing.assert_array_equal(
        FrameParts.of(opened).read(NUMBERS, ROWS, COLUMNS)[:1], opened["frames"][:1, ROWS, COLUMNS]
    )


def test_a_capture_with_parts_can_be_written_as_any_dataset(path: Path, tmp_path: Path) -> None:
    capture = skry.open_capture(path).drop_attrs()
    capture.to_zarr(tmp_path / "copy.zarr", zarr_format=3, consolidated=False)
    copy = xr.open_zarr(tmp_path / "copy.zarr", consolidated=False)
    np.testing.assert_array_equal(copy["frames"], capture["frames"])


def test_numbers_of_frames_are_dealt_in_chunks() -> None:
    frames = FrameNumbers(np.array([3, 5, 6, 9, 11]), 2)
    assert frames.chunks == ((2, 2, 1),)
    assert len(frames) == 5
    assert frames[2:4].tolist() == [6, 9]
