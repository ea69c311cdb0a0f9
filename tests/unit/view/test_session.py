"""A session shows frames, keeps choices, and runs jobs, without any browser."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

import skry_dask as skry
from skry_dask.errors import OptionsError, ReaderError, SkryError, StoreError
from skry_dask.options import Options
from skry_dask.profiling import spent
from skry_dask.simulation.simulate import write_capture
from skry_dask.view.running import JOB_THREAD
from skry_dask.view.session import ViewSession
from skry_dask.view.signals import Topic

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from tests.command_line import CommandLine


def done(session: ViewSession) -> ViewSession:
    """Wait for a session's job, which must not fail."""
    assert session.wait(60)
    assert session.state.error is None
    return session


@pytest.fixture(scope="module")
def finished(moon_file: Path, tmp_path_factory: pytest.TempPathFactory) -> ViewSession:
    """A session whose job is done; tests must not change it."""
    folder = tmp_path_factory.mktemp("finished")
    path = folder / "moon.ser"
    path.write_bytes(moon_file.read_bytes())
    session = ViewSession(path, options=Options.of(quick=True, exclude="3"), out_dir=folder)
    session.run()
    return done(session)


def session_of(path: Path, **options: object) -> ViewSession:
    return ViewSession(path, options=Options.of(quick=True, **options), out_dir=path.parent)


def test_raw_frames_are_those_of_the_file(finished: ViewSession, moon: xr.Dataset) -> None:
    assert finished.numbers.tolist() == list(range(40))
    expected = moon["frames"][7].to_numpy() / 255
    np.testing.assert_allclose(finished.raw_frame(7), expected, atol=1e-6)


def test_stabilised_frames_show_the_scene_where_the_reference_frame_has_it(
    finished: ViewSession,
) -> None:
    region, number = finished.shown.region, finished.choices.reference_number
    assert region is not None
    place = np.s_[region.y : region.y + region.height, region.x : region.x + region.width]
    reference = finished.raw_frame(number)[place]
    np.testing.assert_allclose(finished.stabilised_frame(number), reference, atol=1e-4)
    differences = []
    for other in (0, 39):
        stabilised = finished.stabilised_frame(other)
        assert stabilised is not None
        as_it_is = finished.raw_frame(other)[place]
        differences.append((np.std(stabilised - reference), np.std(as_it_is - reference)))
    # It drifts by 10 px.
    assert all(moved < 0.8 * raw for moved, raw in differences), differences


def test_frames_are_sorted_by_quality_and_say_why_they_are_not_used(
    finished: ViewSession,
) -> None:
    quality = finished.quality()
    best = finished.order(by_quality=True)
    assert sorted(best.tolist()) == finished.numbers.tolist()
    assert (np.diff(np.nan_to_num(quality[best], nan=-1)) <= 0).all()
    assert np.nanmax(quality) == 1
    assert (finished.reason(3), finished.reason(4)) == ("excluded", "active")


def test_one_frame_is_read_for_a_picture_of_it(finished: ViewSession) -> None:
    before = spent().read_bytes
    assert finished.frames.picture(finished.raw_frame(17)).startswith("data:image/png")
    assert spent().read_bytes - before == 180 * 240


def test_frames_are_excluded_and_taken_in_again_one_by_one_and_in_ranges(moon_ser: Path) -> None:
    session = session_of(moon_ser)
    told: list[str | None] = []
    session.signals.subscribe(Topic.OPTIONS, lambda: told.append(session.options.select.exclude))
    session.choices.exclude([3])
    session.choices.exclude("5:9")
    session.choices.exclude([6, 7, 39], exclude=False)
    session.choices.exclude([6, 7, 39], exclude=False)  # nothing changes
    assert told == ["3", "3,5:9", "3,5,8"]
    assert np.flatnonzero(session.choices.excluded).tolist() == [3, 5, 8]
    with pytest.raises(OptionsError, match="no frame is left"):
        session.choices.exclude("0:")
    with pytest.raises(OptionsError, match="names frame 40"):
        session.choices.exclude("40")
    assert session.options.select.exclude == "3,5,8"


def test_options_that_contradict_each_other_are_refused_and_changed_together(
    moon_ser: Path,
) -> None:
    choices = session_of(moon_ser).choices
    before = choices.options
    for wrong in ({"choose": "weights"}, {"percent": 0}, {"percnt": 3}):
        with pytest.raises(OptionsError):
            choices.change(**wrong)
    assert choices.options == before
    choices.change(quick=False, choose="weights")
    choices.change(quick=True, percent=10)  # which weights contradict
    assert (choices.options.stack.choose, choices.options.stack.percent) == (None, 10)
    choices.change(choose="frames", number=5)
    choices.change(quick=True, percent=(5, 20))
    stack = choices.options.stack
    assert (stack.choose, stack.number, stack.percent) == ("frames", None, (5, 20))


def test_a_run_uses_the_choices_and_the_next_one_reuses_what_has_not_changed(
    finished: ViewSession, moon_ser: Path
) -> None:
    assert finished.shown.stacked is not None
    assert finished.shown.stacked["fragments"][3] == 0
    assert finished.is_current
    session = session_of(moon_ser)
    session.run("quality")
    done(session)
    assert session.shown.stacked is None
    session.choices.exclude([0, 1])
    assert not session.is_current
    session.run()
    done(session)
    assert dict(session.state.finished) == {
        "align": "reused",
        "quality": "ran",
        "track": "ran",
        "stack": "ran",
    }
    assert session.shown.stacked["fragments"][:3].to_numpy().tolist()[:2] == [0, 0]  # type: ignore[index]


def test_criteria_say_how_many_frames_and_fragments_they_take(finished: ViewSession) -> None:
    session = finished
    before = session.options
    stacked = session.shown.stacked
    assert stacked is not None
    taken = session.taken()
    assert taken is not None
    assert taken.fragments == int(stacked["fragments"].sum())
    assert taken.of_frames == 39
    try:
        session.choices.change(percent=None, number=1)
        least = session.taken()
        session.choices.change(number=None, min_quality=0.0)
        most = session.taken()
    finally:
        session.choices.take(before)
    assert least is not None
    assert most is not None
    assert least.fragments * 39 == least.of_fragments
    assert (most.frames, most.fragments) == (39, most.of_fragments)


def test_positions_stay_where_they_are_when_another_region_is_drawn(finished: ViewSession) -> None:
    choices, before = finished.choices, finished.options
    try:
        choices.place_points([(60.0, 80.0), (100.126, 120.0), (70, 20)])
        choices.place_anchors([(90.0, 100.0)])
        assert finished.options.align.reference == choices.reference_number
        choices.choose_region((30, 40, 500, 150))
        assert finished.options.select.roi == "30,40,150,150"
        assert finished.options.track.points == ((30.0, 40.0), (70.13, 80.0))
        assert choices.points == ((60.0, 80.0), (100.13, 120.0))
        assert choices.anchors == ((90.0, 100.0),)
        choices.choose_region(None)
        assert finished.options.track.points == choices.points
    finally:
        choices.take(before)
    assert len(finished.found_points) == finished.shown.phases["track"].sizes["point"]


def test_what_is_saved_is_what_the_command_line_reads_and_gives_the_same_bits(
    moon_ser: Path, cli: CommandLine
) -> None:
    session = session_of(moon_ser, percent=20)
    session.choices.exclude("3,5:8")
    session.choices.place_points([(60, 80), (60, 150), (110, 110)])
    session.save_options("choice.toml")
    session.save_image("by-page.tif")
    done(session)
    status, _, err = cli(
        *("stack", "moon.ser", "--options", "choice.toml", "--store", "other.skry", "-o", "a.tif")
    )
    assert status == 0, err
    image = skry.open_results("moon.skry")["stack"]["stack"].to_numpy()
    np.testing.assert_array_equal(
        skry.open_results("other.skry")["stack"]["stack"].to_numpy(), image
    )
    assert (moon_ser.parent / "by-page.tif").is_file()
    other = ViewSession(moon_ser, options=Options(), out_dir=moon_ser.parent)
    other.load_options("choice.toml")
    assert other.options == session.options


def test_a_session_begins_with_the_newest_finished_job_and_its_results(moon_ser: Path) -> None:
    skry.run(moon_ser, quick=True, percent=(5, 20), exclude="2")
    session = done(ViewSession(moon_ser, out_dir=moon_ser.parent))
    assert session.options.stack.percent == (5, 20)
    assert {status for _, status in session.state.finished} == {"reused"}
    assert session.is_current
    # Of several percentages, the largest is shown and counted.
    shown, taken = session.shown.stacked, session.taken()
    assert shown is not None
    assert taken is not None
    assert shown["stack"].dims == ("y", "x")
    assert taken.fragments == int(shown["fragments"].sum())
    # Of another capture under the same name nothing is taken.
    content = bytearray(moon_ser.read_bytes())
    content[-40000:-30000] = bytes(10000)
    moon_ser.write_bytes(content)
    changed = ViewSession(moon_ser, out_dir=moon_ser.parent)
    assert changed.options == Options()
    assert changed.shown.alignment is None


def test_a_cancelled_job_ends_and_the_next_one_continues(moon_ser: Path) -> None:
    session = session_of(moon_ser)
    began, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        if threading.current_thread().name == JOB_THREAD and session.state.phase == "quality":
            began.set()
            go_on.wait(60)

    session.signals.subscribe(Topic.RUN, hold)
    session.run()
    assert began.wait(60)
    with pytest.raises(SkryError, match="cancel it first"):
        session.run()
    session.cancel()
    go_on.set()
    assert session.wait(60)
    assert session.state.cancelled
    assert session.state.error is None
    assert session.shown.stacked is None
    session.run()
    done(session)
    assert dict(session.state.finished)["align"] == "reused"
    assert not session.state.cancelled


def test_nothing_is_written_outside_the_folders(moon_ser: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path.parent)
    session = ViewSession(moon_ser, options=Options(), out_dir=folder)
    for name in ("../../a.toml", "/a.toml", "link/a.toml", "none/a.toml", "", "a\0.toml"):
        with pytest.raises(StoreError):
            session.save_options(name)
        with pytest.raises(StoreError):
            session.run(output=name)
    assert not session.state.running
    with pytest.raises(OptionsError, match=r"ends with \.toml"):
        session.save_options("a.txt")
    # Beside the capture, it may.
    assert session.save_options("../a.toml").is_file()
    with pytest.raises(OptionsError, match="which names no image format"):
        session.run(output="../moon.ser")


def test_what_cannot_be_shown_is_said_at_once(tmp_path: Path, moon_ser: Path) -> None:
    with pytest.raises(ReaderError, match="No such file or directory; check the path"):
        ViewSession(tmp_path / "none.ser")
    with pytest.raises(StoreError, match="is no folder"):
        ViewSession(moon_ser, out_dir=tmp_path / "none")
    (tmp_path / "bad.toml").write_text("[stack]\npercnt = 3\n")
    session = session_of(moon_ser)
    with pytest.raises(OptionsError, match="did you mean percent"):
        session.load_options("bad.toml")


def test_colour_is_shown_in_colour(tmp_path: Path) -> None:
    options = skry.SimulateOptions(frames=4, height=64, width=80, cfa="RGGB")
    write_capture(tmp_path / "raw.ser", skry.simulate("moon", options))
    session = ViewSession(tmp_path / "raw.ser", out_dir=tmp_path)
    assert session.raw_frame(2).shape == (64, 80, 3)
    assert session.frames.picture(session.raw_frame(2)).startswith("data:image/png;base64,")
