"""One process at a time holds a lock, and the end of a process releases it."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import skry_dask as skry
from skry_dask.io import locks as file_locks
from skry_dask.store.places.locks import exclusive, exclusive_if_free, job_folder, sweep_unlocked

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_lock_is_waited_for_and_gone_when_it_is_released(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    released, holders = threading.Event(), []

    def second() -> None:
        with exclusive(tmp_path / "part", "it writes") as is_locked:
            holders.append((is_locked, released.is_set()))

    waiting = threading.Event()
    monkeypatch.setattr("skry_dask.store.places.locks.time.sleep", lambda _: waiting.set())
    with exclusive(tmp_path / "part", "it writes") as is_locked:
        assert is_locked
        with exclusive_if_free(tmp_path / "part") as is_free:
            assert not is_free
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        released.set()
    thread.join()
    assert holders == [(True, True)]
    assert caplog.messages == ["waiting for another process: it writes"]
    assert not list(tmp_path.iterdir())


def test_the_end_of_a_process_releases_its_locks_and_what_it_left_is_swept(
    tmp_path: Path,
) -> None:
    part = tmp_path / "part"
    code = f"""
import os
from pathlib import Path
from skry_dask.store.places.locks import exclusive, job_folder
part = Path({str(part)!r})
with exclusive(part, "it writes"):
    job_folder(part).mkdir()
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert len(list(tmp_path.iterdir())) == 2
    with exclusive(part, "it writes") as is_locked:
        assert is_locked
        sweep_unlocked(tmp_path)  # not that which is held
        assert job_folder(part).exists()
    sweep_unlocked(tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_locks_processes_work_beside_each_other(
    moon_ser: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on some network file systems.
    monkeypatch.setattr(file_locks, "try_lock", lambda _: None)
    with exclusive(tmp_path / "part", "it writes") as first:
        with exclusive(tmp_path / "part", "it writes") as second:
            assert (first, second) == (False, False)
        threads = [
            threading.Thread(target=skry.import_capture, args=(moon_ser, tmp_path / "a.skry"))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert skry.open_capture(tmp_path / "a.skry").sizes["frame"] == 40
    names = sorted(path.name for path in (tmp_path / "a.skry").iterdir())
    assert names == ["frame", "frames", "time", "zarr.json"]
