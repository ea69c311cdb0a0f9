"""Decoded frames in stores: the same values back, all of them or none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr

from skry_dask.capture.open import open_capture
from skry_dask.errors import ReaderError, StoreError
from skry_dask.io.reader import CaptureInfo, DecodedFrame
from skry_dask.store.frames.files import chunk_frames
from skry_dask.store.frames.open import is_store, open_store
from tests.stores import IMAGES, INFO, decoded_frames, fail_with_full_disk, write_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

ATTRS = {"digest": "d", "format": "test", "source": "moon.mp4"}


def test_decoded_frames_come_back_with_their_numbers_and_times(tmp_path: Path) -> None:
    write_frames(tmp_path / "a.skry", INFO, decoded_frames(damaged=70), ATTRS)
    capture = open_capture(tmp_path / "a.skry")
    good = np.delete(np.arange(150), 70)
    np.testing.assert_array_equal(capture["frames"], IMAGES[good])
    np.testing.assert_array_equal(capture["frame"], good)
    np.testing.assert_array_equal(capture["time"].astype(np.int64), good * 1000)
    assert capture.attrs["problems"] == ["frame 70 is skipped: damaged packet"]


def test_frames_that_may_be_damaged_are_marked_and_only_where_there_are_any(tmp_path: Path) -> None:
    frames = [
        DecodedFrame(i, None if i == 3 else IMAGES[i], problem="a" if i in (3, 7, 70) else None)
        for i in range(90)
    ]
    write_frames(tmp_path / "a.skry", INFO, frames, ATTRS)
    capture = open_capture(tmp_path / "a.skry")
    assert capture["frame"][capture["damaged"].to_numpy()].to_numpy().tolist() == [7, 70]
    write_frames(tmp_path / "a.skry", INFO, decoded_frames(), ATTRS | {"digest": "e"})
    assert "damaged" not in open_capture(tmp_path / "a.skry").coords


def test_of_very_many_damaged_frames_the_first_are_listed(tmp_path: Path) -> None:
    frames = [DecodedFrame(0, IMAGES[0])]
    frames += [DecodedFrame(i, None, problem="damaged") for i in range(1, 251)]
    write_frames(tmp_path / "a.skry", INFO, frames, {})
    problems = open_capture(tmp_path / "a.skry").attrs["problems"]
    assert len(problems) == 101
    assert problems[-1] == "150 more frames have problems, unlisted"


def test_one_task_reads_one_shard_and_zarr_chunks_have_one_frame(tmp_path: Path) -> None:
    write_frames(tmp_path / "a.skry", INFO, decoded_frames(), ATTRS)
    frames = open_store(tmp_path / "a.skry")["frames"]
    assert isinstance(frames, zarr.Array)
    assert frames.chunks == (1, 6, 5)
    assert frames.shards == (64, 6, 5)
    assert open_capture(tmp_path / "a.skry")["frames"].chunks[0] == (64, 64, 22)


def test_chunks_have_several_frames_however_large_these_are() -> None:
    sizes = [(60, 80), (612, 840), (3000, 4096), (9000, 9000)]
    numbers = [
        chunk_frames(CaptureInfo(format="", n_frames=1, height=h, width=w, dtype="uint8", bits=8))
        for h, w in sizes
    ]
    assert numbers == [64, 16, 2, 2]


def test_there_is_no_store_before_its_last_byte_is_written(tmp_path: Path) -> None:
    seen = []

    def watch() -> Iterator[DecodedFrame]:
        for frame in decoded_frames():
            seen.append(is_store(tmp_path / "a.skry"))
            yield frame

    write_frames(tmp_path / "a.skry", INFO, watch(), ATTRS)
    assert not any(seen)
    assert is_store(tmp_path / "a.skry")


def test_a_failed_import_leaves_no_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        return fail_with_full_disk() if path.match("c/1/0/0") else write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match=r"a\.skry.*No space left.*free some space"):
        write_frames(tmp_path / "a.skry", INFO, decoded_frames(), ATTRS)
    assert not list(tmp_path.iterdir())


def test_a_video_without_one_good_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match=r"moon\.mp4.*not one frame.*damaged packet"):
        write_frames(tmp_path / "a.skry", INFO, decoded_frames(1, damaged=0), ATTRS)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="make the folder first"):
        write_frames(tmp_path / "no" / "a.skry", INFO, decoded_frames(), ATTRS)
