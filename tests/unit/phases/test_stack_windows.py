"""A window of a stack costs what its area costs: frames, rows and fragments that it needs."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.io.raw.ser import SerReader
from skry_dask.phases.stacking import resampling
from tests.phase_results import ALIGN, run_phases

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from tests.phase_results import Results

LOCK = threading.Lock()
WINDOW = {"y": slice(60, 100), "x": slice(100, 150)}


class Work:
    """What was read of a file and added to sums."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.frames: list[int] = []
        self.n_rows: list[int] = []
        self.pixels = 0
        read, read_part, add = SerReader.read, SerReader.read_part, resampling.add_fragments

        def counted_read(reader: SerReader, start: int, stop: int) -> Any:
            self.note(range(start, stop), reader.info.height)
            return read(reader, start, stop)

        def counted_part(reader: SerReader, frames: Any, rows: range, columns: range) -> Any:
            self.note(frames.tolist(), len(rows))
            return read_part(reader, frames, rows, columns)

        def counted_add(*arguments: Any, **options: Any) -> None:
            _, spans, first, _, selected, _ = arguments
            lengths = np.add.reduceat(spans[:, 2] - spans[:, 1], first[:-1])
            with LOCK:
                self.pixels += int(lengths[selected].sum())
            add(*arguments, **options)

        monkeypatch.setattr(SerReader, "read", counted_read)
        monkeypatch.setattr(SerReader, "read_part", counted_part)
        monkeypatch.setattr(resampling, "add_fragments", counted_add)

    def note(self, frames: Any, n_rows: int) -> None:
        with LOCK:
            self.frames.extend(frames)
            self.n_rows.append(n_rows)


@pytest.fixture(scope="module")
def capture(moon_file: Path) -> xr.Dataset:
    """Forty frames of 240 x 180 px, in a file."""
    return skry.open_capture(moon_file)


@pytest.fixture(scope="module")
def earlier(capture: xr.Dataset) -> Results:
    """The results of the phases before the stack."""
    return run_phases(capture)


@pytest.fixture(scope="module")
def earlier_of_union(capture: xr.Dataset) -> Results:
    """The same, with the canvas "union"."""
    return run_phases(capture, align=replace(ALIGN, canvas="union"))


def lazy_stack(capture: xr.Dataset, earlier: Results, **options: Any) -> xr.Dataset:
    return skry.stack(capture, *earlier[:3], skry.StackOptions(**options))


def test_a_window_reads_the_frames_and_rows_that_it_needs_once(
    capture: xr.Dataset, earlier_of_union: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work(monkeypatch)
    lazy = lazy_stack(capture, earlier_of_union, number=2)
    window = lazy[["stack", "count"]].isel(WINDOW)
    assert work.frames == []
    window.compute()
    assert len(work.frames) == len(set(work.frames)) < 30
    # What the window shows, what the frames drift, and what interpolation takes beside it.
    assert max(work.n_rows) < 40 + 12 + 12
    # A frame that was not read gives nothing: without its light the window is the same.
    dark = capture["frames"].where(capture["frame"].isin(work.frames), 0).astype(np.uint8)
    spoiled = lazy_stack(capture.assign(frames=dark), earlier_of_union, number=2)
    np.testing.assert_array_equal(spoiled["stack"].isel(WINDOW), window["stack"])


def test_a_window_adds_fragments_in_proportion_to_its_area(
    capture: xr.Dataset, earlier: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    lazy = lazy_stack(capture, earlier)["stack"]
    work = Work(monkeypatch)
    lazy.compute()
    whole, work.pixels = work.pixels, 0
    lazy.isel(WINDOW).compute()
    # Fragments that stick out of the window are added from where their rows begin.
    assert work.pixels / whole < 1.6 * (40 * 50) / lazy.size


def test_the_count_of_a_window_reads_no_frame(
    capture: xr.Dataset, earlier: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work(monkeypatch)
    counts = lazy_stack(capture, earlier)["count"]
    np.testing.assert_array_equal(counts.isel(WINDOW), earlier.stack["count"].isel(WINDOW))
    assert work.frames == []
