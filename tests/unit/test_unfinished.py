"""What a process saves and removes when a signal ends it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from skry_dask.unfinished import save_work, saving

if TYPE_CHECKING:
    import pytest


def test_work_is_saved_within_its_block_whatever_fails_and_however_long_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    saved: list[str] = []

    def fails() -> None:
        raise OSError

    with saving(lambda: saved.append("before")):
        pass
    never = threading.Event()
    with saving(fails), saving(lambda: saved.append("first")), saving(never.wait):
        save_work(0.01)
    never.set()
    assert saved == ["first"]
    save_work(1.0)
    assert saved == ["first"]
