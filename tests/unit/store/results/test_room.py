"""What cannot be written is noticed before the work."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest

from skry_dask.errors import StoreError
from skry_dask.store.results import room
from skry_dask.store.results.room import check_room

if TYPE_CHECKING:
    from pathlib import Path


class Usage(NamedTuple):
    """Space of a disk."""

    free: int


def test_a_disk_with_too_little_space_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "no" / "such.skry"
    check_room(store, 10**6, 4, "frames")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**6))
    with pytest.raises(StoreError, match=r"such\.skry: 1\.0 MB are needed and 1\.0 MB are free"):
        check_room(store, 10**6, 4, "frames")
    check_room(store, 10**6 - 4 * room.FILE_BYTES, 4, "frames")


@pytest.mark.skipif(os.name == "nt", reason="permissions of folders tell nothing there")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(StoreError, match=r"read-only; give another place with --store"):
            check_room(tmp_path / "a.skry", 0, 0, "frames")
    finally:
        tmp_path.chmod(0o755)
