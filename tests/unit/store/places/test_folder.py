"""Folders appear whole, and leftovers of interrupted runs go."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from skry_dask.store.places.folder import (
    attributes_of,
    flush,
    is_complete,
    rename_new,
    sweep,
    temporary_name,
)

if TYPE_CHECKING:
    from pathlib import Path


def group(path: Path, **attributes: object) -> Path:
    path.mkdir()
    (path / "zarr.json").write_text(json.dumps({"attributes": attributes}))
    return path


def test_only_a_group_with_its_mark_is_complete(tmp_path: Path) -> None:
    assert not is_complete(tmp_path / "none")
    assert not is_complete(group(tmp_path / "begun", phase="align"))
    assert is_complete(group(tmp_path / "whole", complete=True))
    for content in ("", "{", "[]", '"text"'):
        (tmp_path / "whole" / "zarr.json").write_text(content)
        assert attributes_of(tmp_path / "whole") == {}
        assert not is_complete(tmp_path / "whole")


def test_a_new_folder_takes_its_place_unless_a_complete_one_is_there(tmp_path: Path) -> None:
    place = tmp_path / "place"
    group(place, begun=1)
    rename_new(group(tmp_path / "new", complete=True), place)
    assert is_complete(place)
    second = group(tmp_path / "second", complete=True, second=True)
    with pytest.raises(FileExistsError):
        rename_new(second, place)
    assert "second" not in attributes_of(place)


def test_leftovers_go_when_they_are_a_day_old(tmp_path: Path) -> None:
    old, fresh = (group(temporary_name(tmp_path / "abc")) for _ in range(2))
    other = group(tmp_path / "other")
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([fresh, other])


def test_files_are_flushed_by_handles_that_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Windows refuses to flush others, and folders.
    (tmp_path / "inside").mkdir()
    for name in ("a", "inside/b"):
        (tmp_path / name).write_bytes(b"content")
    flushed = []

    def fsync(handle: int) -> None:
        os.write(handle, b"")  # fails if the handle is read-only
        flushed.append(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    flush(tmp_path)
    flush(tmp_path / "a")
    assert len(flushed) == 3
    assert (tmp_path / "a").read_bytes() == b"content"
