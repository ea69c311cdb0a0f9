"""Many captures in Python: outcomes, progress, and what is refused before any work."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.pipeline.batch_plan import StackJob, check_collisions
from skry_dask.simulation.simulate import write_capture

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.pipeline.progress import Progress


def test_each_capture_has_its_outcome_and_its_progress(moon_ser: Path, tmp_path: Path) -> None:
    missing, events, seen = tmp_path / "missing.ser", [], []

    def report(event: Progress) -> None:
        events.append((event.capture, event.phase))

    outcomes = skry.run_many(
        [missing, moon_ser],
        out_dir=tmp_path / "stacks",
        progress=report,
        on_outcome=seen.append,
        percent=20,
        quick=True,
    )
    assert outcomes == seen
    (lost, no_summary, error), (done, summary, no_error) = outcomes
    assert (lost.name, no_summary) == (str(missing), None)
    assert isinstance(error, skry.ReaderError)
    assert (done.image, no_error) == (tmp_path / "stacks" / "moon-stack.tif", None)
    assert done.image.is_file()
    assert summary["active_frames"] == 40
    phases = ("align", "quality", "track", "stack")
    assert list(dict.fromkeys(events)) == [(str(moon_ser), phase) for phase in phases]
    alone = skry.run(moon_ser, percent=20, quick=True)
    stored = skry.open_results(tmp_path / "moon.skry")["stack"]["stack"].to_numpy()
    np.testing.assert_array_equal(stored, alone["stack"].to_numpy())


@pytest.mark.parametrize(
    ("sources", "arguments", "words"),
    [
        (["a.ser"], {"output": "b.tif"}, "output is for one capture: call run for each"),
        (["a.ser"], {"store": "b.skry"}, "store is for one capture: call run for each"),
        (["a.ser"], {"percent": 200}, "percent is 200"),
        (["a.ser"], {"workers": 0}, "workers is 0"),
        (["a.ser"], {"output_format": "gif", "out_dir": "x"}, "output_format is 'gif'"),
        (["a.mp4", "a.mkv"], {}, "a.mp4 and a.mkv would both keep their results in a.skry"),
        (["a.ser", "a.ser"], {}, "a.ser is given twice: name it once"),
    ],
)
def test_what_is_wrong_for_all_captures_is_said_once(
    sources: list[str],
    arguments: dict[str, object],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(skry.OptionsError, match=words):
        skry.run_many(sources, **arguments)
    assert not list(tmp_path.iterdir())


def test_an_image_must_not_be_written_over_another_capture(tmp_path: Path) -> None:
    for name in ("moon.ser", "moon-stack.tif", "other.tif"):
        (tmp_path / name).touch()
    moon = StackJob(str(tmp_path / "moon.ser"), tmp_path / "moon-stack.tif")
    images = [str(tmp_path / name) for name in ("other.tif", "moon-stack.tif")]
    for source in (images, images[1], str(tmp_path), str(tmp_path / "*.tif")):
        with pytest.raises(skry.OptionsError, match="would become part of the input"):
            check_collisions([moon, StackJob(source, Path("b.tif"))])
    check_collisions([moon, StackJob(images[0], Path("b.tif"))])


def test_several_captures_at_once_give_the_bits_of_one_at_a_time(
    moon: xr.Dataset, tmp_path: Path
) -> None:
    sources = []
    for number, n_frames in enumerate((12, 16, 14)):
        path = tmp_path / f"{number}.ser"
        small = moon.isel(frame=slice(n_frames), y=slice(100), x=slice(120))
        write_capture(path, small.chunk(frame=4))
        sources.append(path)
    (tmp_path / "bad.ser").write_text("not a video")
    both, begun, events = threading.Barrier(2, timeout=20), set(), []

    def report(event: Progress) -> None:
        events.append((event.capture, event.phase, event.done == event.total))
        if event.capture not in begun and len(begun) < 2:
            begun.add(event.capture)
            both.wait()  # the first two captures are worked on at the same time

    given = [sources[0], tmp_path / "bad.ser", *sources[1:]]
    shared = {"workers": 1, "quick": True}
    outcomes = skry.run_many(given, out_dir=tmp_path / "a", in_flight=2, progress=report, **shared)
    assert [outcome.job.source for outcome in outcomes] == given
    assert [type(outcome.error) for outcome in outcomes].count(skry.ReaderError) == 1
    for source in sources:
        ended = [phase for capture, phase, is_end in events if is_end and capture == str(source)]
        assert ended == ["align", "quality", "track", "stack"]
    phases = [outcome.summary["phases"] for outcome in outcomes if outcome.summary]
    for phase in (phase for of_job in phases for phase in of_job.values()):
        assert phase["read_bytes"] >= 12 * 100 * 120
    for source in sources:
        shutil.rmtree(source.with_suffix(".skry"))
    skry.run_many(sources, out_dir=tmp_path / "b", in_flight=1, quick=True)
    for source in sources:
        one, other = (tmp_path / name / f"{source.stem}-stack.tif" for name in "ab")
        assert one.read_bytes() == other.read_bytes()


def test_an_interruption_stops_jobs_that_run_and_those_that_wait(
    moon_ser: Path, tmp_path: Path
) -> None:
    sources = [tmp_path / f"{number}.ser" for number in range(4)]
    for path in sources:
        path.write_bytes(moon_ser.read_bytes())
    (tmp_path / "bad.ser").write_text("not a video")

    def interrupt(_: skry.Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        skry.run_many([tmp_path / "bad.ser", *sources], in_flight=2, on_outcome=interrupt)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("skry-job")]
    assert not list(tmp_path.glob("*.skry/stack"))
