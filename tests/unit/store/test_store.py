"""Frames and results in stores: the same values back, whole or not at all."""

from __future__ import annotations

import asyncio
import errno
import os
import pickle
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.errors import ContainsGroupError

import skry_dask as skry
from skry_dask.capture.open import import_capture, open_capture
from skry_dask.cli.info import inspect_capture
from skry_dask.errors import ReaderError, StoreError
from skry_dask.io.raw.ser import SerReader
from skry_dask.io.reader import CaptureInfo, DecodedFrame
from skry_dask.simulation.simulate import write_capture
from skry_dask.store import results as store_results
from skry_dask.store.digest import digest_of
from skry_dask.store.frames import chunk_frames, is_store, open_store, write_frames
from skry_dask.store.results import ResultStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INFO = CaptureInfo(format="test", n_frames=None, height=6, width=5, dtype="uint16", bits=12)
IMAGES = np.random.default_rng(0).integers(0, 4096, (150, 6, 5)).astype(np.uint16)


def decoded(n_frames: int = 150, *, skip: int | None = None) -> Iterator[DecodedFrame]:
    for number in range(n_frames):
        if number == skip:
            yield DecodedFrame(number, None, None, "damaged packet")
        else:
            yield DecodedFrame(number, IMAGES[number], number * 1000)


def result() -> xr.Dataset:
    return xr.Dataset(
        {"offset": (("frame", "axis"), np.arange(6.0).reshape(3, 2), {"units": "px"})},
        {"frame": [4, 5, 7], "axis": ["y", "x"]},
        {"phase": "align", "options": {"anchors": [[1.0, 2.0]], "reference": None}},
    )


def test_a_raw_video_is_a_zarr_store_without_a_copy(moon_ser: Path, moon: xr.Dataset) -> None:
    group = skry.as_zarr(moon_ser)
    frames = group["frames"]
    assert isinstance(frames, zarr.Array)
    np.testing.assert_array_equal(frames[:], moon["frames"].to_numpy())
    np.testing.assert_array_equal(frames[37, 20:30, 5], moon["frames"].to_numpy()[37, 20:30, 5])
    assert list(moon_ser.parent.iterdir()) == [moon_ser]


def test_a_raw_video_cannot_be_written_to(moon_ser: Path) -> None:
    before = moon_ser.read_bytes()
    with pytest.raises(ValueError, match=r"read.only"):
        skry.as_zarr(moon_ser)["frames"][0] = 0
    assert moon_ser.read_bytes() == before


def test_an_in_place_store_travels_to_other_processes(moon_ser: Path, moon: xr.Dataset) -> None:
    capture = open_capture(moon_ser)
    twin = pickle.loads(pickle.dumps(capture))
    np.testing.assert_array_equal(twin["frames"][3].to_numpy(), moon["frames"].to_numpy()[3])


def test_open_capture_and_xarray_give_the_same(moon_ser: Path) -> None:
    capture = open_capture(moon_ser)
    by_engine = xr.open_dataset(moon_ser, engine="skry")
    xr.testing.assert_identical(capture.compute(), by_engine.compute())
    assert capture["frames"].chunks is not None
    assert capture["frames"].dims == ("frame", "y", "x")
    assert capture["time"].dtype == "datetime64[ns]"
    assert capture.attrs["bits"] == 8


def test_opening_reads_no_frame(moon_ser: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a frame was read")

    monkeypatch.setattr(SerReader, "read", fail)
    assert open_capture(moon_ser)["frames"].shape == (40, 180, 240)
    assert inspect_capture(moon_ser)["frames"] == 40
    lazy = xr.open_dataset(moon_ser, engine="skry")
    assert lazy["frames"].isel(frame=slice(3, 9), y=5).shape == (6, 240)


def test_decoded_frames_come_back_with_their_numbers_and_times(tmp_path: Path) -> None:
    write_frames(tmp_path / "a.skry", INFO, decoded(skip=70), {"digest": "d", "format": "test"})
    capture = open_capture(tmp_path / "a.skry")
    kept = np.delete(np.arange(150), 70)
    np.testing.assert_array_equal(capture["frames"], IMAGES[kept])
    np.testing.assert_array_equal(capture["frame"], kept)
    np.testing.assert_array_equal(capture["time"].astype(np.int64), kept * 1000)
    assert capture.attrs["problems"] == ["frame 70 is skipped: damaged packet"]


def test_of_very_many_damaged_frames_the_first_are_listed(tmp_path: Path) -> None:
    frames = [DecodedFrame(0, IMAGES[0])]
    frames += [DecodedFrame(i, None, problem="damaged") for i in range(1, 251)]
    write_frames(tmp_path / "a.skry", INFO, frames, {})
    problems = open_capture(tmp_path / "a.skry").attrs["problems"]
    assert len(problems) == 101
    assert problems[-1] == "150 more frames have problems, unlisted"


def test_one_task_is_one_shard_and_an_inner_chunk_one_frame(tmp_path: Path) -> None:
    write_frames(tmp_path / "a.skry", INFO, decoded(), {"digest": "d", "format": "test"})
    frames = open_store(tmp_path / "a.skry")["frames"]
    assert isinstance(frames, zarr.Array)
    assert frames.chunks == (1, 6, 5)
    assert frames.shards == (64, 6, 5)
    assert open_capture(tmp_path / "a.skry")["frames"].chunks[0] == (64, 64, 22)


def test_a_store_is_none_before_its_last_byte(tmp_path: Path) -> None:
    seen = []

    def watch() -> Iterator[DecodedFrame]:
        for frame in decoded():
            seen.append(is_store(tmp_path / "a.skry"))
            yield frame

    write_frames(tmp_path / "a.skry", INFO, watch(), {"digest": "d", "format": "test"})
    assert not any(seen)
    assert is_store(tmp_path / "a.skry")


def test_a_failed_import_leaves_no_frames(tmp_path: Path) -> None:
    def broken() -> Iterator[DecodedFrame]:
        yield from decoded(100)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreError, match=r"a\.skry.*No space left.*free some space"):
        write_frames(tmp_path / "a.skry", INFO, broken(), {"digest": "d"})
    assert not is_store(tmp_path / "a.skry")
    assert not list((tmp_path / "a.skry").glob("frames*"))


def test_a_video_without_one_good_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match=r"moon\.mp4.*not one frame.*damaged packet"):
        write_frames(
            tmp_path / "a.skry", INFO, decoded(1, skip=0), {"digest": "d", "source": "moon.mp4"}
        )


def test_phase_results_come_back_as_they_were(tmp_path: Path) -> None:
    kept = ResultStore(tmp_path / "a.skry")
    assert kept.find("align", "abc") is None
    kept.save("align", "abc", result())
    found = kept.find("align", "abc")
    xr.testing.assert_identical(found, result())
    kept.save("align", "abc", result())  # a second process that was as fast
    assert [p.name for p in (tmp_path / "a.skry" / "align").iterdir() if p.is_dir()] == ["abc"]


def test_a_result_without_its_mark_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ResultStore(tmp_path / "a.skry")
    place = tmp_path / "a.skry" / "align" / "abc"
    place.parent.mkdir(parents=True)
    zarr.create_group(place).create_array("offset", data=np.zeros(3))
    assert kept.find("align", "abc") is None
    kept.save("align", "abc", result())
    assert kept.find("align", "abc") is not None


def test_results_say_where_they_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store_results, "flush", full)
    with pytest.raises(StoreError, match=r"a\.skry.*No space left.*free some space"):
        ResultStore(tmp_path / "a.skry").save("align", "abc", result())
    assert not list((tmp_path / "a.skry" / "align").glob("abc*"))


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="make the folder first"):
        ResultStore(tmp_path / "no" / "a.skry").save("align", "abc", result())


def test_leftovers_of_interrupted_runs_are_swept(tmp_path: Path) -> None:
    kept = ResultStore(tmp_path / "a.skry")
    kept.save("align", "abc", result())
    old = tmp_path / "a.skry" / "align" / "abd.partial-1"
    old.mkdir()
    os.utime(old, (0, 0))
    kept.save("align", "abd", result())
    assert not old.exists()


def test_digests_depend_on_values_only() -> None:
    assert digest_of("a", {"x": 1, "y": 2.5}) == digest_of("a", {"y": 2.5, "x": 1})
    assert digest_of("a", 1) != digest_of("a", 2)
    # The same in every process and on every machine: stores are shared.
    assert digest_of("align", {"percent": 30.0}) == "af93790285e3ce0d15cd2e2e0196cbd4"


def test_a_store_of_another_schema_is_refused(tmp_path: Path) -> None:
    write_frames(tmp_path / "a.skry", INFO, decoded(5), {"digest": "d", "format": "test"})
    zarr.open_group(tmp_path / "a.skry", mode="a").attrs["skry_schema"] = 99
    with pytest.raises(StoreError, match="schema 99"):
        open_capture(tmp_path / "a.skry")


def test_chunks_hold_some_frames_however_large_these_are() -> None:
    sizes = [(60, 80), (612, 840), (3000, 4096), (9000, 9000)]
    numbers = [
        chunk_frames(CaptureInfo(format="", n_frames=1, height=h, width=w, dtype="uint8", bits=8))
        for h, w in sizes
    ]
    assert numbers == [64, 16, 2, 2]


def test_importing_over_something_else_is_refused(moon_ser: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").write_text("dear")
    with pytest.raises(StoreError, match="not a store"):
        import_capture(moon_ser, tmp_path / "taken")
    assert (tmp_path / "taken" / "letter.txt").read_text() == "dear"


def test_importing_twice_decodes_once(moon_ser: Path, tmp_path: Path) -> None:
    calls: list[int] = []
    for _ in range(2):
        import_capture(moon_ser, tmp_path / "a.skry", progress=lambda done, _: calls.append(done))
    assert calls == sorted(set(calls))
    with pytest.raises(ReaderError, match="is a store already"):
        import_capture(tmp_path / "a.skry", tmp_path / "b.skry")


def test_16_bit_frames_keep_all_their_bits(tmp_path: Path) -> None:
    options = skry.SimulateOptions(frames=3, height=40, width=50, bits=16)
    truth = skry.simulate("moon", options)
    write_capture(tmp_path / "a.ser", truth)
    np.testing.assert_array_equal(open_capture(tmp_path / "a.ser")["frames"], truth["frames"])


def test_frames_of_a_raw_video_are_indexed_like_an_array(moon_ser: Path, moon: xr.Dataset) -> None:
    expected = moon["frames"].to_numpy()
    lazy = xr.open_dataset(moon_ser, engine="skry")["frames"]
    for key in (3, -1, slice(5, 20, 3), slice(30, 2), slice(None), [7, 2, 30], slice(9, 1, -2)):
        np.testing.assert_array_equal(lazy[key, 10:50, 7].to_numpy(), expected[key, 10:50, 7])


def test_a_zarr_group_opens_again_in_another_process(moon_ser: Path, moon: xr.Dataset) -> None:
    frames = pickle.loads(pickle.dumps(skry.as_zarr(moon_ser)["frames"]))
    np.testing.assert_array_equal(frames[33:], moon["frames"].to_numpy()[33:])
    time = skry.as_zarr(moon_ser)["time"]
    assert isinstance(time, zarr.Array)
    assert time.shape == (40,)


def test_frames_of_another_capture_are_never_replaced(moon_ser: Path, tmp_path: Path) -> None:
    import_capture(moon_ser, tmp_path / "kept.skry")
    other = tmp_path / "other.ser"
    write_capture(other, skry.simulate("moon", skry.SimulateOptions(frames=3, height=40, width=50)))
    with pytest.raises(StoreError, match=r"kept\.skry holds another capture .*moon\.ser"):
        import_capture(other, tmp_path / "kept.skry")
    assert open_capture(tmp_path / "kept.skry").sizes["frame"] == 40


def test_a_changed_capture_replaces_its_own_frames(moon_ser: Path, tmp_path: Path) -> None:
    import_capture(moon_ser, tmp_path / "kept.skry")
    moon_ser.write_bytes(moon_ser.read_bytes()[: 178 + 180 * 240 * 30])
    assert import_capture(moon_ser, tmp_path / "kept.skry").sizes["frame"] == 30
    assert not list((tmp_path / "kept.skry").glob("*partial*"))


def test_frames_can_join_results_in_a_store(moon_ser: Path, tmp_path: Path) -> None:
    ResultStore(tmp_path / "moon.skry").save("align", "abc", result())
    with pytest.raises(ReaderError, match="holds results, no frames"):
        open_capture(tmp_path / "moon.skry")
    import_capture(moon_ser, tmp_path / "moon.skry")
    assert ResultStore(tmp_path / "moon.skry").find("align", "abc") is not None


def test_a_store_that_lost_frames_is_not_taken_for_black(moon_ser: Path, tmp_path: Path) -> None:
    import_capture(moon_ser, tmp_path / "kept.skry")
    (tmp_path / "kept.skry" / "frames" / "c" / "0" / "0" / "0").unlink()
    with pytest.raises(StoreError, match="has lost 1 of its 1 pieces of frames"):
        open_capture(tmp_path / "kept.skry")


def table() -> xr.Dataset:
    """A lazy result with a table for each frame and point, made five frames at a time."""
    values = np.random.default_rng(0).normal(size=(33, 7, 2)).astype(np.float32)
    lazy = da.from_array(values, chunks=(5, -1, -1))
    dims = ("frame", "point", "axis")
    return xr.Dataset(
        {"displacement": (dims, lazy, {"units": "px"}), "points": ((), 7)},
        {"frame": np.arange(4, 37), "axis": ["y", "x"]},
        {"phase": "track"},
    )


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any table is large, and its parts have ten frames."""
    monkeypatch.setattr(store_results, "LARGE", 0)
    monkeypatch.setattr(store_results, "PART", 10 * 7 * 2 * 4)


@pytest.mark.usefixtures("small_parts")
def test_large_tables_are_written_while_they_are_computed_and_read_when_needed(
    tmp_path: Path,
) -> None:
    kept = ResultStore(tmp_path / "a.skry")
    with kept.new("track", "abc") as new:
        computed = new.write_tables(table()).compute()
        assert computed["displacement"].nbytes < 10  # marks
        assert kept.find("track", "abc") is None  # not before it is whole
        new.finish(computed)
    found = kept.open("track", "abc")
    assert not found["displacement"].variable._in_memory
    np.testing.assert_array_equal(found["displacement"][8:13], table()["displacement"][8:13])
    xr.testing.assert_identical(found.compute(), table().compute())
    xr.testing.assert_identical(kept.find("track", "abc").compute(), table().compute())


@pytest.mark.usefixtures("small_parts")
def test_tables_that_cannot_be_written_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    kept = ResultStore(tmp_path / "a.skry")
    monkeypatch.setattr(zarr.Array, "__setitem__", full)
    with (
        pytest.raises(StoreError, match=r"a\.skry.*No space left.*free some space"),
        kept.new("track", "abc") as new,
    ):
        new.write_tables(table()).compute()
    assert not list((tmp_path / "a.skry" / "track").glob("abc*"))


@pytest.mark.usefixtures("small_parts")
def test_a_damaged_part_of_a_table_makes_the_result_count_as_none(tmp_path: Path) -> None:
    kept = ResultStore(tmp_path / "a.skry")
    kept.save("track", "abc", table().compute())
    assert kept.find("track", "abc") is not None
    part = tmp_path / "a.skry" / "track" / "abc" / "displacement" / "c.2.0.0"
    part.write_bytes(part.read_bytes()[:5])
    assert kept.find("track", "abc") is None


@pytest.mark.usefixtures("small_parts")
def test_a_job_whose_tables_go_through_the_store_gives_the_same_bits(
    moon_ser: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    through = skry.run(moon_ser)
    again = skry.run(moon_ser)
    assert {p["status"] for p in again.attrs["summary"]["phases"].values()} == {"reused"}
    monkeypatch.setattr(store_results, "LARGE", 2**40)
    held = skry.run(moon_ser, store=tmp_path / "held.skry")
    xr.testing.assert_identical(through.drop_attrs(), held.drop_attrs())
    for phase, about in held.attrs["summary"]["phases"].items():
        one, other = (
            ResultStore(place).find(phase, about["digest"])
            for place in (moon_ser.with_suffix(".skry"), tmp_path / "held.skry")
        )
        xr.testing.assert_identical(one.compute(), other)


def test_a_job_may_run_in_the_event_loop_of_a_notebook(
    moon_ser: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_results, "LARGE", 1)

    async def cell() -> xr.Dataset:
        return skry.run(moon_ser)

    phases = asyncio.run(cell()).attrs["summary"]["phases"]
    assert {about["status"] for about in phases.values()} == {"ran"}
    for phase, about in phases.items():
        assert ResultStore(moon_ser.with_suffix(".skry")).find(phase, about["digest"]) is not None


@pytest.mark.parametrize("name", ["offset/c.0.0", "offset/zarr.json"])
def test_a_result_that_lacks_a_file_counts_as_none(tmp_path: Path, name: str) -> None:
    kept = ResultStore(tmp_path / "a.skry")
    kept.save("align", "abc", result())
    (tmp_path / "a.skry" / "align" / "abc" / name).unlink()
    assert kept.find("align", "abc") is None


def test_another_process_may_begin_the_store_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = zarr.open_group

    def begun_twice(*arguments: Any, **named: Any) -> Any:
        begin(*arguments, **named)
        raise ContainsGroupError("a group exists")

    kept = ResultStore(tmp_path / "a.skry")
    with monkeypatch.context() as patch:
        patch.setattr(zarr, "open_group", begun_twice)
        kept.save("align", "abc", result())
    xr.testing.assert_identical(kept.find("align", "abc"), result())


def test_values_of_any_size_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_results, "WHOLE", 64)
    kept = ResultStore(tmp_path / "a.skry")
    kept.save("align", "abc", result())
    xr.testing.assert_identical(kept.find("align", "abc"), result())


def test_a_damaged_result_counts_as_none(tmp_path: Path) -> None:
    kept = ResultStore(tmp_path / "a.skry")
    kept.save("align", "abc", result())
    for chunk in (tmp_path / "a.skry" / "align" / "abc" / "offset").glob("c.*"):
        if chunk.is_file():
            chunk.write_bytes(chunk.read_bytes()[:5])
    assert kept.find("align", "abc") is None
    kept.save("align", "abc", result())
    xr.testing.assert_identical(kept.find("align", "abc"), result())
