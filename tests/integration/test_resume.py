"""An interrupted job goes on from what it has measured, and ends with the same bits."""

from __future__ import annotations

import functools
import pkgutil
import shutil
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import dask
import numpy as np
import pytest
import xarray as xr

import skry_dask as skry
from skry_dask.simulation.simulate import write_capture
from tests.kill_points import CHUNK, assert_same_results, killed_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from skry_dask.pipeline.progress import Progress, Report

N_FRAMES, FRAME_BYTES = 40, 180 * 240


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    """Keep every row as soon as it is measured."""
    with dask.config.set({"skry.flush-seconds": 0}):
        yield


@pytest.fixture(scope="module")
def uninterrupted(moon_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a job that nothing has interrupted."""
    store = tmp_path_factory.mktemp("uninterrupted") / "moon.skry"
    skry.run(moon_file, quick=True, store=store)
    return store


def frames_read(result: xr.Dataset) -> dict[str, float]:
    """Number of frames that each phase of a job has read."""
    phases = result.attrs["summary"]["phases"]
    return {name: phase.get("read_bytes", 0) / FRAME_BYTES for name, phase in phases.items()}


def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read `CHUNK` frames at a time."""
    monkeypatch.setattr("skry_dask.pipeline.job.frames_per_chunk", lambda *_: CHUNK)


def stop_at(phase: str, done: int) -> Report:
    """Interrupt a job when so many chunks of a phase are done."""

    def report(progress: Progress) -> None:
        if progress.phase == phase and progress.done >= done:
            raise KeyboardInterrupt

    return report


KERNELS = {
    "align": "skry_dask.phases.align.align_frames",
    "quality": "skry_dask.phases.quality.measure_areas",
    "track": "skry_dask.phases.track.match_points",
}
"""What measures the frames of each phase."""


INTERRUPTED = """
import functools, os, signal, sys
from skry_dask.pipeline import run

def end(table):
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()

@functools.wraps(run.track)
def terminated(*arguments, **kept):
    "Track, and end the process by a signal once all is measured."
    lazy = track(*arguments, **kept)
    table = lazy["measured"]
    return lazy.assign(measured=table.copy(data=table.data.map_blocks(end, meta=table.data._meta)))

track, run.track = run.track, terminated
sys.argv[1:1] = ["stack"]
from skry_dask.__main__ import start
start()
"""
"""``skry stack`` that gets a signal when the track phase has measured all frames."""


class Measured(Counter[str]):
    """Number of frames that each phase has measured since this was made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        for phase, place in KERNELS.items():
            monkeypatch.setattr(place, self.counted(phase, pkgutil.resolve_name(place)))

    def counted(self, phase: str, measure: Callable[..., Any]) -> Callable[..., Any]:
        """Count the frames that a function is called with."""

        @functools.wraps(measure)
        def count(frames: Any, *arguments: Any) -> Any:
            self[phase] += len(frames)
            return measure(frames, *arguments)

        return count


@pytest.mark.parametrize("phase", KERNELS)
def test_rows_of_an_interrupted_phase_are_not_measured_again(
    phase: str,
    moon_file: Path,
    uninterrupted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small_chunks(monkeypatch)
    measured = Measured(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        skry.run(moon_file, quick=True, store=tmp_path / "s", progress=stop_at(phase, 2), workers=1)
    assert (tmp_path / "s" / "pieces").is_dir()
    before = measured[phase]
    assert 0 < before < N_FRAMES
    result = skry.run(moon_file, quick=True, store=tmp_path / "s", workers=2)
    assert measured == dict.fromkeys(KERNELS, N_FRAMES)
    if phase == "track":  # the other phases read some frames twice
        assert frames_read(result)["track"] == N_FRAMES - before
    assert_same_results(tmp_path / "s", uninterrupted)


@pytest.mark.parametrize(("moment", "most_read"), [(10, 6.1), (330, 4.5)])
def test_a_process_that_is_killed_leaves_what_the_next_one_continues(
    moment: int, most_read: float, moon_file: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    # Before the store has its metadata, and late; `tests.benchmarks.faults` does it at any moment.
    assert killed_job(moon_file, tmp_path / "s", moment, {"workers": 2, "quick": True}) == -1
    read = frames_read(skry.run(moon_file, quick=True, store=tmp_path / "s"))
    assert sum(read.values()) <= most_read * N_FRAMES  # align and quality read frames twice
    assert_same_results(tmp_path / "s", uninterrupted)


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal of POSIX")
def test_a_signal_saves_the_rows_that_are_measured(
    moon_file: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, moon_file, "--store", tmp_path / "s"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (143, "")
    read = frames_read(skry.run(moon_file, quick=True, store=tmp_path / "s"))
    assert read == {"align": 0, "quality": 0, "track": 0, "stack": N_FRAMES}
    assert_same_results(tmp_path / "s", uninterrupted)


def test_damaged_pieces_are_measured_again(
    moon_file: Path, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_chunks(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        skry.run(
            moon_file, quick=True, store=tmp_path / "s", progress=stop_at("track", 3), workers=1
        )
    pieces = sorted((tmp_path / "s" / "pieces" / "rows").rglob("*-*"))
    for i, piece in enumerate(pieces):
        content = bytearray(piece.read_bytes())
        content[(7919 * i + 50) % len(content)] ^= 1 << i
        piece.write_bytes(content[: -i or None])
    measured = Measured(monkeypatch)
    skry.run(moon_file, quick=True, store=tmp_path / "s")
    assert measured == {"track": N_FRAMES}
    assert_same_results(tmp_path / "s", uninterrupted)


def test_pieces_of_a_capture_that_has_changed_are_not_kept(
    moon_ser: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_chunks(monkeypatch)

    def overwrite(progress: Progress) -> None:
        if (progress.phase, progress.done) == ("quality", 3):
            content = moon_ser.read_bytes()
            moon_ser.write_bytes(content[:178] + content[178:][::-1])

    before = moon_ser.read_bytes()
    with pytest.raises(skry.ReaderError, match="has changed while it was read"):
        skry.run(moon_ser, quick=True, store=tmp_path / "s", progress=overwrite, workers=1)
    assert not (tmp_path / "s" / "pieces").exists()
    assert "align" in skry.open_results(tmp_path / "s")  # it was complete before the change
    moon_ser.write_bytes(before)
    phases = skry.run(moon_ser, quick=True, store=tmp_path / "s").attrs["summary"]["phases"]
    assert (phases["align"]["status"], phases["quality"]["status"]) == ("reused", "ran")


def test_other_options_measure_only_what_they_change(
    moon_file: Path, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for choices, expected in (
        ({"min_overlap": 0.3}, {}),
        ({"blending": 0.0}, {"track": N_FRAMES}),
        ({"search_radius": 10}, {"track": N_FRAMES}),
    ):
        store, fresh = (tmp_path / f"{name}{len(expected)}" for name in ("again", "fresh"))
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(uninterrupted, store)
        with monkeypatch.context() as during:
            measured = Measured(during)
            found = skry.run(moon_file, quick=True, store=store, **choices)
        assert measured == expected, choices
        shutil.rmtree(fresh, ignore_errors=True)
        expected_result = skry.run(moon_file, quick=True, store=fresh, **choices)
        np.testing.assert_array_equal(found["stack"], expected_result["stack"])


def test_of_more_frames_only_the_new_ones_are_aligned(
    moon_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skry.run(moon_file, quick=True, store=tmp_path / "s", reference=5, frames="2:24")
    measured = Measured(monkeypatch)
    more = skry.run(moon_file, quick=True, store=tmp_path / "s", reference=5)
    assert measured["align"] == N_FRAMES - 22
    fewer = skry.run(moon_file, quick=True, store=tmp_path / "s", reference=5, frames="4:33")
    assert measured["align"] == N_FRAMES - 22
    monkeypatch.undo()
    for result, frames in ((more, None), (fewer, "4:33")):
        fresh = skry.run(
            moon_file, quick=True, store=tmp_path / "fresh", reference=5, frames=frames
        )
        np.testing.assert_array_equal(result["stack"], fresh["stack"])


@pytest.mark.parametrize("suffix", ["ser", "skry"])
def test_of_a_capture_that_grew_only_the_new_frames_are_aligned(
    suffix: str, moon: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def grow(n_frames: int) -> Path:
        """Record so many frames, and import them if that is asked for."""
        write_capture(tmp_path / "moon.ser", moon.isel(frame=slice(n_frames)).chunk({"frame": 16}))
        if suffix == "skry":
            skry.import_capture(tmp_path / "moon.ser", tmp_path / "moon.skry")
        return tmp_path / f"moon.{suffix}"

    skry.run(grow(24), quick=True, store=tmp_path / "s", reference=5)
    source = grow(N_FRAMES)
    measured = Measured(monkeypatch)
    found = skry.run(source, quick=True, store=tmp_path / "s", reference=5)
    assert measured["align"] == N_FRAMES - 24
    monkeypatch.undo()
    fresh = skry.run(source, quick=True, store=tmp_path / "fresh", reference=5)
    np.testing.assert_array_equal(found["stack"], fresh["stack"])
    for name in ("align", "quality", "track"):
        results = (skry.open_results(tmp_path / s)[name].load() for s in ("s", "fresh"))
        xr.testing.assert_identical(*results)
