"""Compiling that takes long is announced."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from skry_dask.kernels.compilation import announcement, cache_folder
from skry_dask.kernels.compilation.announcement import needed_versions, of_compilation
from skry_dask.kernels.compilation.registry import all_versions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _nothing_compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(cache_folder.VARIABLE, str(tmp_path))
    monkeypatch.setattr(cache_folder, "folder", cache_folder.folder.__wrapped__)
    monkeypatch.setattr(announcement._State, "promised", set())
    monkeypatch.setattr(announcement._State, "spent", 0.0)
    monkeypatch.setattr(announcement._State, "expected", announcement.NOTICEABLE_SECONDS)


class Clock:
    """A clock that advances when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(announcement.time, "perf_counter", lambda: self.now)


def version_of(name: str, samples: str):
    return next(v for v in all_versions() if (v.kernel.__name__, v.samples) == (name, samples))


def test_a_first_run_says_once_how_long_it_takes(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    with caplog.at_level(logging.INFO):
        for name in ("_bin_pixels", "_match_blocks", "_add_fragments"):
            with of_compilation(version_of(name, "u1")):
                clock.now += 3
    expected = sum(v.kernel.seconds for v in needed_versions("u1"))
    assert 8 < expected < 20
    assert caplog.messages == [f"compiling kernels, about {expected:.0f} s"]


def test_frames_of_another_depth_are_announced_on_their_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        for samples in ("u1", "u2", "u1", "u2"):
            with of_compilation(version_of("_match_blocks", samples)):
                pass
    assert len(caplog.messages) == 2


def test_options_whose_kernels_take_over_2_seconds_are_announced(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    monkeypatch.setattr(announcement, "needed_versions", lambda _: set())
    with caplog.at_level(logging.INFO):
        for seconds in (1.5, 0.4, 1.0, 1.0, 1.0):
            with of_compilation(version_of("_demosaic", "u2")):
                clock.now += seconds
    assert caplog.messages == ["compiling kernels for these options, 3 s so far"]


def test_where_kernels_cannot_be_kept_the_remedy_is_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_folder, "folder", lambda: None)
    with caplog.at_level(logging.INFO), of_compilation(version_of("_match_blocks", "u1")):
        pass
    assert "set SKRY_CACHE_DIR to a folder that can be written" in caplog.text
