"""Blobs are whole or not there, and their names are safe on every file system."""

from __future__ import annotations

import pickle
import shutil
import sys
from pathlib import Path

import pytest

from skry_dask.errors import StoreError
from skry_dask.store.pieces.blobs import FolderBlobs, check_key, seal_blob, unseal_blob


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs")


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def test_blobs_are_found_by_key_and_by_prefix_also_where_they_travel(blobs: FolderBlobs) -> None:
    assert blobs.get("rows/track/0") is None
    assert blobs.list("rows") == []
    for key in ("rows/track/1", "rows/track/0", "rows/track0", "rows/quality/7", "sums/a"):
        blobs.put(key, key.encode())
    blobs.put("rows/track/0", b"")  # replaces
    blobs = pickle.loads(pickle.dumps(blobs))
    assert blobs.get("rows/track/0") == b""
    assert blobs.get("rows/track/1") == b"rows/track/1"
    assert blobs.list("rows/track") == ["rows/track/0", "rows/track/1"]
    assert blobs.list("rows/track0") == ["rows/track0"]
    assert blobs.list("rows") == ["rows/quality/7", "rows/track/0", "rows/track/1", "rows/track0"]


def test_deleting_takes_what_is_below_a_prefix_and_leaves_no_empty_folder(
    blobs: FolderBlobs,
) -> None:
    for key in ("rows/track/x/0", "rows/track/x/1", "rows/track/y/0", "rows/track/xy"):
        blobs.put(key, b"content")
    (blobs.folder / "rows/track/x/.0123abcd").write_bytes(b"left by a process that was killed")
    blobs.delete("rows/track/x")
    assert blobs.list("rows") == ["rows/track/xy", "rows/track/y/0"]
    assert not (blobs.folder / "rows/track/x").exists()
    blobs.delete("rows/track/xy")
    blobs.delete("rows/track/none")
    assert blobs.list("rows") == ["rows/track/y/0"]
    blobs.delete("rows")
    assert not blobs.folder.exists()
    assert blobs.folder.parent.exists()


def test_a_blob_that_is_damaged_cut_or_renamed_is_no_blob(blobs: FolderBlobs) -> None:
    blobs.put("a/b", bytes(range(40)))
    file = blobs.folder / "a/b"
    whole = file.read_bytes()
    for i in range(len(whole)):
        file.write_bytes(whole[:i])
        assert blobs.get("a/b") is None
        file.write_bytes(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :])
        assert blobs.get("a/b") is None
    file.write_bytes(whole + b"more")
    assert blobs.get("a/b") is None
    file.write_bytes(whole)
    shutil.copy(file, blobs.folder / "a/c")
    assert blobs.get("a/c") is None
    assert blobs.get("a/b") == bytes(range(40))
    assert unseal_blob("a/b", seal_blob("a/b", b"")) == b""


def test_a_write_that_fails_leaves_the_old_blob_and_no_other_file(
    blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs.put("a/b", b"old")
    before = files(blobs.folder)
    write_bytes = Path.write_bytes

    def half(path: Path, content: bytes) -> int:
        write_bytes(path, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(StoreError, match="No space left on device; free some space"):
        blobs.put("a/b", b"new")
    monkeypatch.undo()
    assert blobs.get("a/b") == b"old"
    assert files(blobs.folder) == before


@pytest.mark.skipif(sys.platform == "win32", reason="waits a day there")
def test_what_killed_processes_leave_is_swept_and_what_others_write_stays(
    blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs.sweep()
    blobs.put("a/b", b"content")
    (blobs.folder / "c").mkdir()
    (blobs.folder / "a/.0123").write_bytes(b"cut")
    (blobs.folder / "c/.4567").write_bytes(b"cut")
    write_bytes = Path.write_bytes

    def write_and_sweep(path: Path, content: bytes) -> None:
        write_bytes(path, content)
        blobs.sweep()  # by another job

    monkeypatch.setattr(Path, "write_bytes", write_and_sweep)
    blobs.put("a/d", b"more")
    assert [path.name for path in files(blobs.folder)] == ["a", "b", "d"]
    assert (blobs.get("a/b"), blobs.get("a/d")) == (b"content", b"more")


def test_a_folder_that_another_process_deletes_is_made_again(
    blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir, n_made = Path.mkdir, 0

    def mkdir_and_lose(path: Path, *args: int, **options: bool) -> None:
        nonlocal n_made
        mkdir(path, *args, **options)
        n_made += 1
        if n_made == 1:
            path.rmdir()

    blobs.folder.mkdir()
    monkeypatch.setattr(Path, "mkdir", mkdir_and_lose)
    blobs.put("a", b"content")
    assert blobs.get("a") == b"content"


def test_a_blob_is_written_again_if_its_folder_is_deleted_before_it_has_its_name(
    blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, n_deleted = Path.replace, 0

    def delete_and_replace(path: Path, target: Path) -> Path:
        nonlocal n_deleted
        if n_deleted < 2:
            n_deleted += 1
            blobs.delete("a")  # by another thread or process
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", delete_and_replace)
    blobs.put("a/b", b"content")
    assert blobs.get("a/b") == b"content"
    assert [path.name for path in files(blobs.folder)] == ["a", "b"]


def test_keys_are_the_same_on_every_file_system(blobs: FolderBlobs) -> None:
    for key in ("a", "rows/track/0123abcd.0-1_2", "_", "a" * 64, "console", "com10"):
        assert check_key(key) == key
    for key in (
        *("", "/a", "a/", "a//b", "..", "a/../b", "A", "a b", "a.", ".a", "a:b", "a\\b", "a\n"),
        *("con", "a/nul.txt", "lpt1", "\u00e9", "a" * 65, "a*", "-"),
    ):
        with pytest.raises(StoreError, match="cannot be the key of a blob"):
            check_key(key)
    with pytest.raises(StoreError, match="because of 'outside!'"):
        blobs.put("a/outside!", b"content")
