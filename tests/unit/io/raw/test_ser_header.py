"""Texts, dates and time stamps of SER files, which many programs write carelessly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.ser_bytes import NOW, SECOND, UNIX_EPOCH, open_bytes, ser

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = np.random.default_rng(1).integers(0, 256, (5, 7, 11), np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "moon.ser"


def test_time_stamps_become_nanoseconds_utc(path: Path) -> None:
    stamps = [UNIX_EPOCH + 1_700_000_000 * SECOND + k * 333_333 for k in range(5)]
    info = open_bytes(path, ser(FRAMES, stamps=stamps)).info
    assert info.time is not None
    assert info.time.dtype == np.int64
    assert info.time.tolist() == [1_700_000_000_000_000_000 + k * 33_333_300 for k in range(5)]
    assert info.problems == ()


def test_bad_time_stamps_are_reported_and_impossible_ones_not_used(path: Path) -> None:
    for stamps, words, is_used in (
        ([0] * 5, "5 of 5 time stamps are all zero", False),
        ([NOW, NOW + 1, 7, NOW + 3, NOW + 4], "1 of 5 time stamps are not between", False),
        ([2**63 - 1] * 5, "5 of 5 time stamps are not between", False),
        ([-(2**63)] * 5, "5 of 5 time stamps are not between", False),
        ([NOW, NOW + 1, NOW + 2, NOW + 3], "32 bytes follow the frames", False),
        ([NOW] * 5, "All time stamps are equal", True),
        ([NOW, NOW + 1, NOW + 1, NOW + 3, NOW + 4], "1 time stamps equal the one before", True),
        ([NOW, NOW + 5, NOW + 3, NOW + 6, NOW + 7], "out of order: 1", True),
    ):
        info = open_bytes(path, ser(FRAMES, stamps=stamps)).info
        (problem,) = info.problems
        assert words in problem
        assert (info.time is not None) == is_used, words


def test_local_time_in_place_of_utc_is_reported(path: Path) -> None:
    local = NOW + 2 * 3600 * SECOND
    for first, is_local in ((local, True), (NOW, False)):
        stamps = [first + k * SECOND for k in range(5)]
        info = open_bytes(path, ser(FRAMES, stamps=stamps, local=local, utc=NOW)).info
        assert any("probably local" in problem for problem in info.problems) == is_local


def test_texts_are_read_in_any_encoding(path: Path) -> None:
    texts = ("Jürgen".encode("latin-1"), "Große Kamera".encode(), b"fps=30.00gain=120 exp=2.5" * 2)
    info = open_bytes(path, ser(FRAMES, texts=(texts[0], texts[1], texts[2][:40]), utc=NOW)).info
    assert info.attrs == {
        "observer": "Jürgen",
        "instrument": "Große Kamera",
        "telescope": "fps=30.00gain=120 exp=2.5fps=30.00gain=1",
        "date_utc": "2022-09-28T22:13:20.000Z",
    }


def test_empty_texts_and_dates_are_left_out(path: Path) -> None:
    assert open_bytes(path, ser(FRAMES, texts=(b"\0junk", b"  ", b""))).info.attrs == {}
