"""A file is written completely or not at all."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from skry_dask.errors import StoreError
from skry_dask.io.atomic import atomic_write, checked_frames, write_if_new

if TYPE_CHECKING:
    from pathlib import Path
    from typing import NoReturn


def not_written(path: Path) -> str:
    with pytest.raises(StoreError) as caught, atomic_write(path) as file:
        file.write(b"new")
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_an_unfinished_file_has_another_name(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with atomic_write(path) as file:
        file.write(b"half")
        assert not path.exists()
        file.write(b" and half")
    assert path.read_bytes() == b"half and half"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with atomic_write(path) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
def test_the_umask_decides_who_may_read_the_file(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "a.bin") as file:
            file.write(b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.bin").stat().st_mode) == 0o640


def test_what_is_in_the_way_is_named_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "make the folder first" in not_written(tmp_path / "none" / "a.bin")
    (tmp_path / "a.bin").mkdir()
    assert "a folder has this name" in not_written(tmp_path / "a.bin")
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]

    # Not by permissions of the folder: the tests may be run by root, who may write everywhere.
    def denied(path: Path, *_: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", denied)
    assert "choose a folder that you can write to" in not_written(tmp_path / "b.bin")


def test_what_a_killed_process_left_is_replaced_when_the_same_file_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = ("import os, sys; from skry_dask.io.atomic import atomic_write\n"
              "with atomic_write(sys.argv[1]) as file:\n"
              "    file.write(bytes(100)), file.flush(), os._exit(9)")  # fmt: skip
    for locks in (True, False):
        if not locks:  # as on some network file systems, and nearly as on Windows
            monkeypatch.setattr("skry_dask.io.atomic.open_locked", lambda _: None)
            killed = killed.replace("\n", "; import skry_dask.io.atomic as a; "
                                    "a.open_locked = lambda _: None\n", 1)  # fmt: skip
            monkeypatch.setattr("skry_dask.io.atomic.LEFTOVER_SECONDS", -100)
        path = tmp_path / "a.bin"
        subprocess.run([sys.executable, "-c", killed, str(path)], check=False)
        assert len(list(tmp_path.glob(".skry-*.part"))) == 1
        with atomic_write(path) as file:
            file.write(b"new")
        assert path.read_bytes() == b"new"
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("locks", [True, False])
def test_two_that_write_the_same_file_do_not_mix(
    locks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not locks:
        monkeypatch.setattr("skry_dask.io.atomic.open_locked", lambda _: None)
    path = tmp_path / "a.bin"
    with atomic_write(path) as first:
        first.write(b"first")
        with atomic_write(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_frames_that_do_not_fit_the_header_are_refused() -> None:
    frame = np.zeros((3, 4), np.uint8)

    def checked(frames: list[np.ndarray]) -> list[np.ndarray]:
        return list(checked_frames("a.ser", frames, n_frames=2, shape=(3, 4), dtype="uint8"))

    assert len(checked([frame, frame[::-1]])) == 2
    assert all(found.flags.c_contiguous for found in checked([frame, frame.T.copy().T]))
    for frames, words in (
        ([frame], "1 frames were given, n_frames is 2"),
        ([frame] * 3, "more frames were given, n_frames is 2"),
        ([frame, frame.T], r"frame 1 of a.ser: it is uint8 \(4, 3\); give uint8 \(3, 4\)"),
        ([frame.astype(np.uint16)], r"frame 0 of a.ser: it is uint16 \(3, 4\)"),
    ):
        with pytest.raises(StoreError, match=words):
            checked(frames)


def test_a_file_that_has_its_content_already_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    assert write_if_new(path, b"moon")
    before = path.stat()
    assert not write_if_new(path, b"moon")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    for other in (b"mars", b"moons", b""):
        assert write_if_new(path, other)
        assert path.read_bytes() == other
    assert [found.name for found in tmp_path.iterdir()] == ["a.tif"]
