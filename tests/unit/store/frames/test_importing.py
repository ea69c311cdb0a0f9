"""An import that is interrupted anywhere continues, and ends with the same files."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

import skry_dask as skry
from skry_dask.io.images.sequence import SequenceReader
from skry_dask.io.raw.ser import SerReader, write_ser
from skry_dask.io.video.ffmpeg import PyAvReader
from skry_dask.store.frames.into_folder import ImportFolder, sweep_import
from skry_dask.store.places.locks import exclusive
from tests.encoded_videos import encode, grey_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RNG = np.random.default_rng(1)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def four_frames_per_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skry_dask.store.frames.files.MAX_CHUNK_FRAMES", 4)
    monkeypatch.setattr("skry_dask.store.frames.into_folder.MAX_PARALLEL", 1)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # half of the time


@pytest.fixture(params=["raw video", "images", "compressed video"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A capture of ten frames."""
    frames = RNG.integers(0, 256, (10, 34, 50), np.uint8)
    if request.param == "raw video":
        write_ser(tmp_path / "a.ser", frames, n_frames=10, height=34, width=50, bits=8)
        return tmp_path / "a.ser"
    if request.param == "images":
        (tmp_path / "a").mkdir()
        for i, frame in enumerate(frames):
            tifffile.imwrite(tmp_path / "a" / f"{i}.tif", frame)
        (tmp_path / "a" / "5.tif").write_bytes(b"II*\0damaged")
        return tmp_path / "a"
    return encode(tmp_path / "a.avi", [*grey_frames(), *grey_frames()])


def files_of(store: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {
        path.relative_to(store).as_posix(): path.read_bytes()
        for path in sorted(store.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the process end before its n-th change of a file, and count changes."""
    count = itertools.count()
    state = {"n": 10**6}

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if next(count) >= state["n"]:
                raise Killed
            return function(*arguments, **options)

        return call

    for name in ("write_bytes", "replace", "rename", "mkdir"):
        monkeypatch.setattr(Path, name, watched(getattr(Path, name)))
    for name in ("rmtree",):
        monkeypatch.setattr(shutil, name, watched(getattr(shutil, name)))

    def end_after(n: int) -> int:
        nonlocal count
        done, count = next(count), itertools.count()
        state["n"] = n
        return done

    return end_after


def test_what_an_import_has_left_goes_with_the_next_job_on_its_store(
    moon_ser: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "moon.skry"
    interrupt(moon_ser, store, monkeypatch)
    with exclusive(store / "frames", "test"):  # as if the import went on
        sweep_import(store)
    assert (store / "frames.partial-import").exists()
    skry.run(moon_ser, quick=True)
    assert not [path.name for path in store.iterdir() if "partial" in path.name]


def test_an_import_that_ends_before_any_change_of_a_file_continues_with_the_same_files(
    source: Path, tmp_path: Path, after: Callable[[int], int]
) -> None:
    after(10**6)
    skry.import_capture(source, tmp_path / "whole.skry")
    expected = files_of(tmp_path / "whole.skry")
    n_changes = after(10**6)
    assert n_changes > 20
    for n in range(0, n_changes, 1 if source.suffix == ".ser" else 7):
        store = tmp_path / f"{n}.skry"
        after(n)
        with pytest.raises(Killed):
            skry.import_capture(source, store)
        after(10**6)
        skry.import_capture(source, store)
        assert files_of(store) == expected, n


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the frames that readers give, in their order."""
    numbers: list[int] = []
    read = SerReader.read

    def counted(reader: SerReader, start: int, stop: int) -> Any:
        numbers.extend(range(start, stop))
        return read(reader, start, stop)

    def counted_decode(decode: Any) -> Any:
        def call(reader: Any, start: int = 0) -> Iterator[Any]:
            for frame in decode(reader, start):
                numbers.append(frame.number)
                yield frame

        return call

    monkeypatch.setattr(SerReader, "read", counted)
    for kind in (SequenceReader, PyAvReader):
        monkeypatch.setattr(kind, "decode", counted_decode(kind.decode))
    return numbers


def interrupt(source: Path, store: Path, monkeypatch: pytest.MonkeyPatch, shard: int = 2) -> None:
    """Let an import end when it writes a shard."""
    put = ImportFolder.put

    def end(place: ImportFolder, key: str, content: bytes) -> None:
        if key.startswith(f"frames/c/{shard}/"):
            raise Killed
        put(place, key, content)

    with monkeypatch.context() as patched:
        patched.setattr(ImportFolder, "put", end)
        with pytest.raises(Killed):
            skry.import_capture(source, store)


def test_finished_shards_are_not_decoded_again_and_it_is_said_how_many_frames_they_have(
    source: Path,
    tmp_path: Path,
    decoded: list[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = tmp_path / "s.skry"
    interrupt(source, store, monkeypatch)
    decoded.clear()
    done: list[int] = []
    caplog.set_level(logging.INFO)
    skry.import_capture(source, store, progress=lambda n, _: done.append(n))
    # One of the images is damaged: its number belongs to no frame.
    first = 9 if source.is_dir() else 8
    assert decoded == list(range(first, 10))
    assert done[0] == 8
    messages = [record.message for record in caplog.records]
    assert f"{store}: 8 frames are there from an interrupted import" in messages
    assert any("from its beginning" in m for m in messages) is (source.suffix == ".avi")


@pytest.mark.parametrize("damage", ["shard", "record", "another capture"])
def test_what_is_damaged_or_of_another_capture_is_not_continued(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    frames = RNG.integers(0, 256, (10, 34, 50), np.uint8)
    path, store = tmp_path / "a.ser", tmp_path / "a.skry"
    write_ser(path, frames, n_frames=10, height=34, width=50, bits=8)
    interrupt(path, store, monkeypatch)
    partial = store / "frames.partial-import"
    caplog.set_level(logging.INFO)
    if damage == "another capture":
        frames = frames[::-1]
        write_ser(path, frames, n_frames=10, height=34, width=50, bits=8)
    else:
        name = "frames/c/0/0/0" if damage == "shard" else "journal/shards/000000"
        content = bytearray((partial / name).read_bytes())
        content[len(content) // 2] ^= 1
        (partial / name).write_bytes(content)
    np.testing.assert_array_equal(skry.import_capture(path, store)["frames"], frames)
    assert f"{store}: an unfinished import of something else is dropped" in caplog.text
    assert not partial.exists()
