"""Captures are opened lazily and labelled; what the user knows better than the file counts."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
import xarray as xr

import skry_dask as skry
from skry_dask.capture.open import in_chunks
from skry_dask.capture.source import resolve
from skry_dask.cli.info import describe_depth, inspect_capture
from skry_dask.errors import OptionsError
from skry_dask.io.raw.ser import SerReader, write_ser
from skry_dask.options import ReadOptions, SelectOptions
from skry_dask.simulation.simulate import write_capture

if TYPE_CHECKING:
    from pathlib import Path

    from skry_dask.types import AnyArray

RNG = np.random.default_rng(6)


def ser(path: Path, frames: AnyArray, colour: str = "mono", bits: int = 8) -> Path:
    n_frames, height, width = frames.shape[:3]
    write_ser(path, frames, n_frames=n_frames, height=height, width=width, bits=bits, colour=colour)
    return path


@pytest.fixture
def rgb() -> AnyArray:
    return RNG.integers(0, 256, (7, 10, 12, 3)).astype(np.uint8)


@pytest.fixture
def mosaic() -> AnyArray:
    return RNG.integers(0, 4096, (9, 10, 12)).astype(np.uint16)


# --- frames --------------------------------------------------------------------------------------


def test_open_capture_and_xarray_give_the_same(moon_ser: Path) -> None:
    capture = skry.open_capture(moon_ser)
    by_engine = xr.open_dataset(moon_ser, engine="skry")
    xr.testing.assert_identical(capture.compute(), by_engine.compute())
    assert capture["frames"].chunks is not None
    assert capture["frames"].dims == ("frame", "y", "x")
    assert capture["time"].dtype == "datetime64[ns]"
    assert capture.attrs["bits"] == 8
    without = xr.open_dataset(moon_ser, engine="skry", drop_variables="time")
    assert "time" not in without.coords


def test_opening_reads_no_frame(moon_ser: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a frame was read")

    monkeypatch.setattr(SerReader, "read", fail)
    assert skry.open_capture(moon_ser)["frames"].shape == (40, 180, 240)
    lazy = xr.open_dataset(moon_ser, engine="skry")
    assert lazy["frames"].isel(frame=slice(3, 9), y=5).shape == (6, 240)


def test_describing_a_capture_reads_a_few_frames_one_by_one(
    moon_ser: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, read = [], SerReader.read

    def note(self: SerReader, start: int, stop: int) -> np.ndarray:
        reads.append(stop - start)
        return read(self, start, stop)

    monkeypatch.setattr(SerReader, "read", note)
    assert inspect_capture(moon_ser)["frames"] == 40
    assert reads == [1] * 16  # are they drawn into?


def test_each_source_is_opened_once(moon_ser: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    begin = SerReader.__init__

    def count(self: SerReader, *arguments: object, **named: object) -> None:
        opened.append(1)
        begin(self, *arguments, **named)

    monkeypatch.setattr(SerReader, "__init__", count)
    skry.run(moon_ser, quick=True, output=moon_ser.with_suffix(".tif"))
    assert len(opened) == 1


def test_frames_are_indexed_like_an_array(moon_ser: Path, moon: xr.Dataset) -> None:
    expected = moon["frames"].to_numpy()
    lazy = xr.open_dataset(moon_ser, engine="skry")["frames"]
    for key in (3, -1, slice(5, 20, 3), slice(30, 2), slice(None), [7, 2, 30], slice(9, 1, -2)):
        np.testing.assert_array_equal(lazy[key, 10:50, 7].to_numpy(), expected[key, 10:50, 7])


def test_a_capture_travels_to_other_processes(moon_ser: Path, moon: xr.Dataset) -> None:
    twin = pickle.loads(pickle.dumps(skry.open_capture(moon_ser)))
    np.testing.assert_array_equal(twin["frames"][3].to_numpy(), moon["frames"].to_numpy()[3])


def test_chunks_of_any_size_are_read_from_a_store(moon_ser: Path, tmp_path: Path) -> None:
    skry.import_capture(moon_ser, tmp_path / "kept.skry")
    opened = resolve(tmp_path / "kept.skry").open()
    assert opened.n_chunk > 8
    chunked = in_chunks(opened.capture, 3)["frames"]
    assert chunked.data.chunksize[0] == 3
    np.testing.assert_array_equal(chunked[6:9].to_numpy(), opened.capture["frames"][6:9].to_numpy())


def test_16_bit_frames_keep_all_their_bits(tmp_path: Path) -> None:
    options = skry.SimulateOptions(frames=3, height=40, width=50, bits=16)
    truth = skry.simulate("moon", options)
    write_capture(tmp_path / "a.ser", truth)
    np.testing.assert_array_equal(skry.open_capture(tmp_path / "a.ser")["frames"], truth["frames"])


def test_colour_frames_have_channels_with_names(rgb: AnyArray, tmp_path: Path) -> None:
    capture = skry.open_capture(ser(tmp_path / "a.ser", rgb, "RGB"))
    assert capture["frames"].dims == ("frame", "y", "x", "channel")
    np.testing.assert_array_equal(capture["frames"].sel(channel="blue"), rgb[..., 2])
    engine = xr.open_dataset(tmp_path / "a.ser", engine="skry")
    np.testing.assert_array_equal(engine["frames"][3:5], rgb[3:5])
    np.testing.assert_array_equal(skry.as_zarr(tmp_path / "a.ser")["frames"][2:], rgb[2:])


def test_raw_colour_says_its_pattern(mosaic: AnyArray, tmp_path: Path) -> None:
    path = ser(tmp_path / "a.ser", mosaic, "GRBG", 12)
    capture = skry.open_capture(path)
    assert capture.attrs["cfa"] == "GRBG"
    assert capture["frames"].dims == ("frame", "y", "x")
    assert "cfa" not in skry.open_capture(ser(tmp_path / "b.ser", mosaic, bits=12)).attrs


def test_a_selection_reaches_the_file(mosaic: AnyArray, tmp_path: Path) -> None:
    path = ser(tmp_path / "a.ser", mosaic, bits=12)
    selection = SelectOptions(frames="2:8", exclude="4", roi="1,2,6,8")
    selected = skry.open_capture(path, None, selection)
    np.testing.assert_array_equal(selected["frames"], mosaic[2:8, 1:7, 2:10])
    assert selected["frame"].values.tolist() == [2, 3, 4, 5, 6, 7]
    assert selected["excluded"].values.tolist() == [False, False, True, False, False, False]
    assert (int(selected["y"][0]), int(selected["x"][0])) == (1, 2)


# --- what the user knows better ------------------------------------------------------------------


def test_another_reading_has_another_digest(mosaic: AnyArray, tmp_path: Path) -> None:
    path = ser(tmp_path / "a.ser", mosaic, bits=12)
    reads = [
        None,
        ReadOptions(cfa="RGGB"),
        ReadOptions(cfa="BGGR"),
        ReadOptions(bits=14),
        ReadOptions(grey=True),
        ReadOptions(byte_order="big"),
    ]
    digests = [skry.open_capture(path, read).attrs["digest"] for read in reads]
    assert len(set(digests)) == len(reads)
    assert skry.open_capture(path, ReadOptions()).attrs["digest"] == digests[0]


def test_a_byte_order_can_be_stated(mosaic: AnyArray, tmp_path: Path) -> None:
    path = ser(tmp_path / "a.ser", mosaic, bits=12)
    swapped = skry.open_capture(path, ReadOptions(byte_order="big"))
    np.testing.assert_array_equal(swapped["frames"], mosaic.byteswap())


def test_the_engine_takes_reading_options(mosaic: AnyArray, tmp_path: Path) -> None:
    path = ser(tmp_path / "a.ser", mosaic, bits=12)
    assert xr.open_dataset(path, engine="skry", cfa="RGGB").attrs["cfa"] == "RGGB"


def test_options_that_do_not_fit_the_frames_are_refused(rgb: AnyArray, tmp_path: Path) -> None:
    path = ser(tmp_path / "a.ser", rgb, "RGB")
    for read, words in (
        (ReadOptions(bits=12), r"bits is 12, but .*a\.ser has samples of 8 bits: give at most 8"),
        (ReadOptions(cfa="RGGB"), r"cfa is RGGB, but .*a\.ser has colour channels already"),
    ):
        with pytest.raises(OptionsError, match=words):
            skry.open_capture(path, read)


def test_a_depth_that_samples_exceed_is_told(mosaic: AnyArray, tmp_path: Path) -> None:
    path = ser(tmp_path / "a.ser", mosaic, bits=12)
    capture = skry.open_capture(path, ReadOptions(bits=10))
    expected = "Samples reach 12 bits: with --bits 10 they are brighter than white."
    assert capture.attrs["problems"] == [expected]
    found = inspect_capture(path, ReadOptions(bits=10))
    assert (found["header_bits"], found["problems"]) == (12, [expected])
    assert skry.open_capture(path, ReadOptions(bits=14)).attrs["problems"] == []


def test_info_says_which_bits_are_in_use(mosaic: AnyArray, tmp_path: Path) -> None:
    found = inspect_capture(ser(tmp_path / "a.ser", mosaic << 4, "BGGR", 16))
    assert found["colour"] == "raw BGGR"
    assert (found["bits"], found["used_bits"], found["trailing_zero_bits"]) == (16, 16, 4)
    assert found["samples"] == "12 of 16 bits, left-aligned"
    assert "digest" not in found
    for used, words in (
        (0x0FFF, "12 of 16 bits, right-aligned: --bits 12 makes them full scale"),
        (0xFFF0, "12 of 16 bits, left-aligned"),
        (0xFFFF, "all of 16 bits"),
    ):
        assert describe_depth(used, 16)["samples"] == words
